"""Measure the hidden constants of a statement over a grid of settings, and score them on settings left out.

A constant C of "measured ≤ C·g" is calibrated as the largest ratio measured/g over all inits of all settings: the
smallest value at which the inequality held every time; one of "measured ≥ C·g" as the smallest ratio. The factor of the
width condition is calibrated as the largest ratio of the smallest width that sufficed to what the condition asks for at
C = 1.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType

from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import CALIBRATION, ConstantPolicy, ConstantUse, hidden_constants
from boundcalc.errors import InputError
from boundcalc.symbols import show_fraction
from boundcalc.verify.case import Case
from boundcalc.verify.progress import Progress
from boundcalc.verify.runner import Result
from boundcalc.verify.settings import Setting, Study, powers_of_two, smallest_width
from boundcalc.verify.statement import Statement, linear_in, scale_of

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Need:
    """What one setting asked of the constants.

    log10: log₁₀ of the value of each constant that would just have done there, −inf where none was needed.
    smallest_width: the narrowest network that sufficed, None if none of those tried did. statement: at the inputs of
    the setting, with what was found there. withheld: constants that were measured at a step size that the run chose for
    itself, and hold at no other. case: the verification there. constants: those that it was made at, whether they were
    given or it chose them. vacuous: whether the guarantee says nothing there at those. found: the inputs
    that the inits told (R, B, γ), at the run's own width.
    """

    setting: Setting
    inits: int
    successes: int
    log10: Mapping[str, float]
    smallest_width: int | None
    statement: Statement
    case: Case
    withheld: tuple[str, ...] = ()
    constants: tuple[ConstantUse, ...] = ()
    vacuous: bool = False
    found: Mapping[str, Fraction] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Width:
    """What width the statement asks for at one setting: log₁₀ at unit constants and as calibrated; nan for none."""

    setting: Setting
    unit: float
    calibrated: float


@dataclass(frozen=True)
class Calibrated:
    """One constant. log10: of its calibrated value.

    settings: how many settings measured it. held: in how many of them the inequality holds at the constant fitted on
    all the OTHERS. room: the median over the settings of that constant over the one needed there. small: whether the
    constant is one of "measured ≥ C·g": then the least one measured is calibrated, and room is the inverse ratio.
    """

    name: str
    log10: float
    settings: int
    held: int
    room: float
    small: bool = False

    @property
    def value(self) -> Fraction:
        """The calibrated value, rounded to six significant digits on the side on which the inequality holds."""
        whole = math.floor(self.log10)
        mantissa = 10 ** (self.log10 - whole) * 10**5
        rounded = math.floor(mantissa * (1 - 1e-9)) if self.small else math.ceil(mantissa * (1 + 1e-9))
        return Fraction(rounded, 10**5) * Fraction(10) ** whole


@dataclass(frozen=True)
class Calibration:
    """The constants of a statement, as measured; `on` says on what, in words.

    given: constants that were set for the runs and not measured by them, by name: the others hold at these. narrowed:
    whether the smallest sufficient widths were looked for.
    """

    key: str
    on: str
    needs: tuple[Need, ...]
    constants: tuple[Calibrated, ...]
    given: Mapping[str, Fraction] = field(default_factory=lambda: MappingProxyType({}))
    narrowed: bool = True

    @property
    def varied(self) -> dict[str, tuple[Fraction, ...]]:
        """The inputs that vary, each with its values in order."""
        names = self.needs[0].setting.values
        return {name: tuple(dict.fromkeys(need.setting.values[name] for need in self.needs)) for name in names}

    @property
    def inits(self) -> int:
        """All inits of all settings."""
        return sum(need.inits for need in self.needs)

    @property
    def exceeded(self) -> float:
        """With confidence 95 %, at most this share of fresh inits of a setting drawn from these needs more.

        1 − 0.05^(1/N) for N inits a setting, rounded up to three decimals: the largest of N is exceeded with a higher
        probability only if something of probability below 5 % has happened. The settings share their inits' seeds, so
        that the inits of one setting are all that is independent: more settings do not make N larger.
        """
        share = 1 - (1 - CONFIDENCE) ** (1 / min(need.inits for need in self.needs))
        return math.ceil(1000 * share) / 1000


def calibrate(
    study: Study,
    settings: Sequence[Setting],
    *,
    widths: bool = True,
    progress: Progress | None = None,
) -> Calibration:
    """Verify at every setting, and fit the constants.

    Args:
        study: the statement, its data and its inputs.
        settings: the grid.
        widths: whether to look for the smallest sufficient width of every setting, which calibrates the factor of the
            width condition.
        progress: called as the runs go on.

    Raises:
        InputError: fewer than two settings (none could be left out), or what a verification refuses.
    """
    if len(settings) < 2:
        raise InputError(f"{len(settings)} setting makes no calibration; give --vary NAME=VALUE,VALUE at least once")
    if not CATALOGUE.find(study.key).constants:
        raise InputError(f"{study.key} hides no constant; calibrate a statement that does")
    needs = [_need(study, setting, widths, progress) for setting in settings]
    withheld = {name for need in needs for name in need.withheld}
    needs = [replace(need, log10={c: v for c, v in need.log10.items() if c not in withheld}) for need in needs]
    names = list(dict.fromkeys(name for need in needs for name in need.log10))
    if not names and withheld:
        raise InputError(
            f"{study.key} measured {', '.join(sorted(withheld))} at step sizes that the runs chose for themselves, as "
            "those prescribed are out of reach, and they hold at no other; there is nothing else to calibrate"
        )
    if not names:
        raise InputError(f"{study.key} hides no constant that its checks measure")
    small = _bounded_from_below(study.key)
    fitted = (
        _fit(name, [need.log10[name] for need in needs if name in need.log10], small=name in small) for name in names
    )
    constants = tuple(one for one in fitted if one is not None)
    given = _given(study, {one.name for one in constants})
    return Calibration(study.key, _on(study, needs, given), tuple(needs), constants, given, widths)


def widths(calibration: Calibration) -> tuple[Width, ...]:
    """What width the statement asks for at every setting, at unit constants and with the constants as calibrated.

    Exponents are those of the runs in either case.
    """
    theorem = CATALOGUE.find(calibration.key)
    given = {f"{calibration.key}:{name}": value for name, value in calibration.given.items()}
    roles = {f"{calibration.key}:{constant.name}": constant.role for constant in theorem.constants}
    unit = ConstantPolicy({name: value for name, value in given.items() if roles[name] == "p"})
    constants = ConstantPolicy({**given, **{f"{calibration.key}:{c.name}": c.value for c in calibration.constants}})
    return tuple(
        Width(need.setting, *(_asked(replace(need.statement, policy=policy)) for policy in (unit, constants)))
        for need in calibration.needs
    )


def _given(study: Study, fitted: Collection[str]) -> Mapping[str, Fraction]:
    """The constants that were set for the runs, but for those that were fitted."""
    set_ = study.policy.exact
    return {
        constant.name: study.policy.use(constant, study.key).value
        for constant in CATALOGUE.find(study.key).constants
        if constant.name not in fitted
        and any(name in set_ for name in (f"{study.key}:{constant.name}", constant.name, constant.role))
    }


def _asked(statement: Statement) -> float:
    """log₁₀ of the width that is asked for."""
    free = {name: value for name, value in statement.inputs.items() if name != "m"}
    try:
        solution = replace(statement, inputs=free).solve("width")
    except InputError:
        return math.nan
    return math.nan if solution.log10 is None or solution.status == "empty" else solution.log10


def _need(study: Study, setting: Setting, widths: bool, progress: Progress | None) -> Need:
    result = study.run(setting, progress)
    found: dict[str, float] = {}
    for check in result.conclusion.checks:
        if check.constant and check.needed is not None:
            own = _log10(check.needed)
            binding = min if check.at_least else max
            found[check.constant] = binding(found.get(check.constant, own), own)
    withheld = tuple(sorted(_at_chosen_step_size(result) & found.keys()))
    for name in withheld:
        del found[name]
    narrowest = None
    if widths:
        tried = powers_of_two(result.case.width)
        narrowest = smallest_width(study, setting, tried, progress)
        if narrowest is not None:
            found |= _width_constant(study.run(setting.with_width(narrowest), progress))
    statement = result.case.statement.with_inputs(**result.prescribed.found)
    return Need(
        setting, len(result.trained), result.successes, found, narrowest, statement, result.case, withheld,
        result.constants, result.conclusion.vacuous, result.prescribed.found,
    )  # fmt: skip


def _at_chosen_step_size(result: Result) -> frozenset[str]:
    """The constants of the number of steps, where the run chose that of the step size: they hold at that alone.

    The steps needed are in inverse proportion to η, and a file of constants would put them beside the η of C = 1.
    """
    step, steps = (result.prescribed.solutions.get(name) for name in ("step-size", "iterations"))
    if step is None or steps is None or not any(use.basis == "chosen" for use in step.constants):
        return frozenset()
    return frozenset(use.name for use in steps.constants)


def _width_constant(result: Result) -> dict[str, float]:
    """log₁₀ of the factor at which the width condition asks for just this width."""
    statement = result.case.statement.with_inputs(**result.prescribed.found)
    for condition in result.case.theorem.conditions:
        factor = scale_of(condition)
        if condition.symbol.name == "m" and factor:
            _, slope = linear_in(condition.expr, factor)
            return {factor: math.log10(result.case.width) - statement.log10(slope)}
    return {}


def _bounded_from_below(key: str) -> frozenset[str]:
    """The constants of guarantees that are bounds from below."""
    return frozenset(
        constant.name
        for guarantee in CATALOGUE.find(key).guarantees
        if guarantee.relation == ">="
        for constant in hidden_constants(guarantee.expr)
    )


def _fit(name: str, needed: Sequence[float], *, small: bool = False) -> Calibrated | None:
    """The value that covers every need, and how well that of the others covers each; None where nobody needed any."""
    # On the side of `small`, everything is turned round: then the largest need is always the one that binds.
    signed = [-value if small else value for value in needed]
    if max(signed) == -math.inf:
        return None
    held, rooms = 0, []
    for index, own in enumerate(signed):
        others = max((value for other, value in enumerate(signed) if other != index), default=-math.inf)
        held += own <= others
        if math.isfinite(own) and math.isfinite(others):
            rooms.append(others - own)
    room = 10 ** statistics.median_high(rooms) if rooms else 1.0
    return Calibrated(name, -max(signed) if small else max(signed), len(signed), held, room, small)


def _log10(value: float) -> float:
    return math.log10(value) if value > 0 else -math.inf


def _on(study: Study, needs: Sequence[Need], given: Mapping[str, Fraction]) -> str:
    """What the constants were measured on, in words."""
    options = study.options
    varied: dict[str, set[Fraction]] = {}
    for need in needs:
        for name, value in need.setting.values.items():
            varied.setdefault(name, set()).add(value)
    spans = ", ".join(
        f"{name} {show_fraction(min(values))} to {show_fraction(max(values))}" for name, values in varied.items()
    )
    classes = f" {options.classes[0]} against {options.classes[1]}" if options.classes else ""
    still = {name: value for name, value in study.given.items() if name not in varied}
    fixed = ", ".join(f"{name} = {show_fraction(value)}" for name, value in still.items())
    at = ", ".join(f"{name} = {show_fraction(value)}" for name, value in given.items())
    return (
        f"{options.data}{classes}; {len(needs)} settings of {needs[0].inits} inits: {spans}"
        + (f"; {fixed}" if fixed else "")
        + (f"; at {at} as given" if at else "")
    )


def constants_toml(calibration: Calibration) -> str:
    """The file of constants for `--constants`, with the conditions it was measured under."""
    lines = [
        f"[{CALIBRATION}]",
        f"on = {_quoted(calibration.on)}",
        f"statement = {_quoted(calibration.key)}",
        f"inits = {calibration.inits}",
        f"share_of_fresh_inits_that_need_more = {calibration.exceeded:.3g}  # at most, with 95 % confidence",
        "",
        f"[{_quoted(calibration.key)}]",
    ]
    for constant in calibration.constants:
        lines.append(
            f"{constant.name} = {_quoted(show_fraction(constant.value))}  # left out, it held in {constant.held} of "
            f"{constant.settings} settings"
        )
    lines += [f"{name} = {_quoted(show_fraction(value))}  # as given" for name, value in calibration.given.items()]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
