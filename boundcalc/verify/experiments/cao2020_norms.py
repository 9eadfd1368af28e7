"""cao2020's Remark 3.1, put to the test: how Theorem 3.1's bound and the norm-based ones grow with the width.

The remark compares orders in m: Theorem 3.1 bounds the generalization gap by Õ(τ √(m/n)) for τ small enough, while the
expressions of Bartlett et al. (2017) and Neyshabur et al. (2018) are of order Õ(m τ/√n) at He initialization. So each
init is trained at several widths, for the same number of steps of size 1/(L m), and on the very networks that come out,
τ being the largest distance of a layer, all of them are evaluated, with certified upper bounds of every norm.

The claim is one about growth, with no probability and no constant in it. An init bears it out if both norm-based
expressions grow faster with m than τ √(m/n) does: if the exponents of their ratios to it, fitted over the widths, are
positive. Exponents are least-squares slopes in the logarithms; the inits are independent, so that Student's interval
over their slopes is one for the mean exponent over these widths.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from boundcalc.arrays import as_numpy
from boundcalc.catalogue import CATALOGUE
from boundcalc.errors import InputError
from boundcalc.estimate.norms import bartlett2017, neyshabur2018, norm_21_bounds, spectral_norm_bounds
from boundcalc.symbols import n
from boundcalc.train.checkpoints import Checkpointed
from boundcalc.train.dense import DenseEngine
from boundcalc.train.descent import gradient_descent
from boundcalc.train.networks import Network, he_relu, initial_weights
from boundcalc.verify.case import Case
from boundcalc.verify.checks import Check, Conclusion, Line, Picture, Premise
from boundcalc.verify.engines import dense_engine_of
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.experiments.common import Defaults, data_premises, finite_or_none, zero_one_errors
from boundcalc.verify.experiments.population import population_error, unseen_examples
from boundcalc.verify.record import Record, Records
from boundcalc.verify.scaling import mean_interval
from boundcalc.verify.statement import linear_in

WIDTHS = (64, 128, 256, 512)
"""The widths of an init, where --width does not give others."""

DEFAULT_DEPTH = Fraction(2)
"""Hidden layers: with one alone, Bartlett's (2,1)-norm has d columns, and nothing in it grows like √m."""

DEFAULT_ITERATIONS = 500
"""Steps of every training where --iterations does not say: at the step size 1/(L m) most digits are fitted by then."""

BARTLETT, NEYSHABUR = "Bartlett et al.'s expression", "Neyshabur et al.'s expression"
GAP_ORDER, UNIFORM_ORDER = "τ √(m/n)", "m τ/√n"
ESTIMATION, LINEARIZATION = "Theorem 3.1's first term", "Theorem 3.1's second term"

Array = NDArray[np.float64]


class GrowsSlower(Defaults):
    """Remark 3.1: the norm-based expressions grow faster with m than Theorem 3.1's bound on the gap."""

    takes = ("L",)
    defaults: Mapping[str, Fraction] = {"L": DEFAULT_DEPTH}
    widths = WIDTHS

    def network(self, inputs: Mapping[str, Fraction], width: int, d: int) -> Network:
        """The deep ReLU network with a fixed output vector."""
        return he_relu(int(inputs["L"]), width, d)

    def guess(self, case: Case) -> Mapping[str, Fraction] | None:
        """No width is prescribed."""
        return None

    def bytes_needed(self, case: Case, trials: int) -> int:
        """The memory of training at the largest width, and of one init's start and norms in float64."""
        return super().bytes_needed(case, trials) + 8 * 6 * max(1, case.width * max(case.width, case.train.d))

    def prescribe(self, case: Case, certificates: Records) -> Prescribed:
        """Nothing is prescribed: some steps of size 1/(L m), here at the largest width.

        Raises:
            InputError: a probe of the width, which has nothing to multiply.
        """
        if case.width != max(case.options.widths):
            raise InputError(f"{case.theorem.key} prescribes no width; give other widths with --width")
        steps = DEFAULT_ITERATIONS if case.options.iterations is None else case.options.iterations
        steps = math.ceil(steps * case.factor("T"))
        return Prescribed({}, {}, steps, case.factor("eta") / (case.network.hidden_layers * case.width))

    def train(self, case: Case, prescribed: Prescribed, trials: Sequence[int], note: Note) -> list[Record]:
        """Gradient descent at every width, and all norms where it ends."""
        widths, unseen = case.options.widths, unseen_examples(case).data
        columns = []
        for number, width in enumerate(widths):
            at = case.at_width(width)
            engine = dense_engine_of(at, trials)
            history = gradient_descent(
                engine,
                case.train.y,
                step_size=prescribed.step_size * case.width / width,
                iterations=prescribed.steps,
                on_step=_share(note, number, len(widths), prescribed.steps),
                record_surrogate=True,
            )
            assert history.surrogate is not None
            columns.append(
                {
                    "E_S": history.surrogate[:, -1],
                    "tau": history.distances[:, -1].max(axis=1),
                    "training_error": zero_one_errors(engine, case.train) / case.train.n,
                    "wrong": zero_one_errors(engine, unseen),
                    **_norms(at, engine),
                }
            )
        found = {name: np.stack([column[name] for column in columns], axis=1) for name in columns[0]}
        return [
            _record(case, trial, {name: values[i] for name, values in found.items()}, unseen.n)
            for i, trial in enumerate(trials)
        ]

    def conclude(self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Conclusion:
        """Success is a growth of both norm-based expressions relative to τ √(m/n)."""
        series = [record.series for record in trained.values()]
        found = {name: np.stack([one[name] for one in series]) for name in series[0]}
        widths = case.options.widths
        span = f"m = {', '.join(map(str, widths))}"
        return Conclusion(
            success=f"saw both norm-based expressions grow faster with m than {GAP_ORDER}, over {span}",
            premises=(*data_premises(case), *_premises(case, found)),
            checks=_checks(widths, found),
            pictures=_pictures(widths, found),
            notes=(
                "Remark 3.1 compares orders and has no probability: the interval is for the share of inits whose "
                "ratios grow with m, and the exponents are the measured ones over these widths.",
                f"All widths were trained for {prescribed.steps} steps of size 1/(L m), so over the same time in the "
                "limit of large m; no step size is prescribed.",
                "Norms are certified upper bounds, and so are the expressions, as printed, without constants and "
                "logarithms; each grows with every norm in it. τ is the largest distance of a layer from its start.",
                "The constants that would just do are for the orders without their logarithms.",
                unseen_examples(case).note,
            ),
        )


GROWS_SLOWER = GrowsSlower()


def exponents(widths: Sequence[int], values: Array) -> Array:
    """The least-squares slope of log values (S, W) over log m of each init, (S,)."""
    x = np.log(np.asarray(widths, dtype=np.float64))
    x -= x.mean()
    return np.asarray(np.log(values) @ x / (x @ x))


def _share(note: Note, number: int, count: int, steps: int) -> Note:
    """Progress of one of several trainings as progress of all; checkpoints go with it."""
    told = note.on_step if isinstance(note, Checkpointed) else note

    def on_step(step: int) -> None:
        told((number * steps + step) // count)

    return replace(note, on_step=on_step) if isinstance(note, Checkpointed) else on_step


def _norms(case: Case, engine: DenseEngine) -> dict[str, Array]:
    """Upper ends of the norms and expressions of every init at one width, one init at a time; nan where it diverged."""
    names = (BARTLETT, NEYSHABUR, "spectral_norm", "spectral_product", "norm_21_share")
    found = {name: np.full(len(engine.trials), math.nan) for name in names}
    for i, trial in enumerate(engine.trials):
        weights = [layer[i : i + 1] for layer in engine.weights[:-1]]
        if not all(bool(torch.isfinite(layer).all()) for layer in weights):
            continue
        starts = initial_weights(case.network, seed=engine.seed, trials=(trial,), dtype=case.dtype, device=case.device)
        start = list(starts[:-1])
        v, examples = math.sqrt(case.width), case.train.n
        spectral = spectral_norm_bounds(weights)
        moved = [(w.double() - w0.double()) for w, w0 in zip(weights, start, strict=True)]
        tau = max(float(torch.linalg.vector_norm(layer)) for layer in moved)
        found[BARTLETT][i] = bartlett2017(weights, start, v, examples).upper
        found[NEYSHABUR][i] = neyshabur2018(weights, start, v, examples, case.width).upper
        found["spectral_norm"][i] = spectral.upper.max()
        found["spectral_product"][i] = spectral.product().upper
        found["norm_21_share"][i] = float(norm_21_bounds(moved).upper.max()) / (v * tau) if tau > 0 else 0.0
    return found


def _orders(case: Case, tau: Array) -> dict[str, Array]:
    """The remark's two orders and Theorem 3.1's two terms at measured τ, from the statements themselves, without C."""
    theorem = CATALOGUE.find("cao2020/thm3.1")
    _, terms = linear_in(theorem.guarantees[0].expr, "C_gen")
    formulas = {
        GAP_ORDER: linear_in(case.statement.bound_on("gap").expr, "C_gap")[1],
        UNIFORM_ORDER: linear_in(case.statement.bound_on("gap_uniform").expr, "C_uniform")[1],
        ESTIMATION: next(term for term in terms.args if term.has(n)),
        LINEARIZATION: next(term for term in terms.args if not term.has(n)),
    }
    measured: dict[str, ArrayLike] = {
        "tau": tau,
        "m": np.asarray(case.options.widths, dtype=np.float64),
        "n": float(case.train.n),
        "L": case.number("L"),
    }
    return {name: np.exp(as_numpy(expr, case.policy, case.theorem.key)(measured)) for name, expr in formulas.items()}


def _record(case: Case, trial: int, found: Mapping[str, Array], examples: int) -> Record:
    """One init at all widths; `found` holds (W,) by name, `examples` is the number of unseen ones."""
    widths = case.options.widths
    errors = population_error(found["wrong"], examples, case.trials * len(widths))
    series = {
        **{name: values for name, values in found.items() if name != "wrong"},
        **_orders(case, found["tau"]),
        "gap": errors.measured - found["training_error"],
        "gap_lower": errors.lower - found["training_error"],
        "gap_upper": errors.upper - found["training_error"],
    }
    growth = {name: float(exponents(widths, series[name] / series[GAP_ORDER])) for name in (BARTLETT, NEYSHABUR)}
    known = all(math.isfinite(exponent) for exponent in growth.values())
    facts = {
        "widths": list(widths),
        "distance": _numbers(series["tau"]),
        "bartlett2017": _numbers(series[BARTLETT]),
        "neyshabur2018": _numbers(series[NEYSHABUR]),
        "tau_sqrt_m_over_n": _numbers(series[GAP_ORDER]),
        "gap": _numbers(series["gap"]),
        "final_E_S": _numbers(series["E_S"]),
        "bartlett2017_exponent_above": finite_or_none(growth[BARTLETT]),
        "neyshabur2018_exponent_above": finite_or_none(growth[NEYSHABUR]),
    }
    return Record(trial, min(growth.values()) > 0 if known else None, facts, series)


def _numbers(values: Array) -> list[float | None]:
    return [finite_or_none(value) for value in values]


def _premises(case: Case, found: Mapping[str, Array]) -> tuple[Premise, ...]:
    """That all layers are equally wide, and the remark's own assumption on the trained networks."""
    share = float(np.nanmax(found["norm_21_share"]))
    return (
        Premise("Assumption 3.2", True, f"all {case.network.hidden_layers} hidden layers are equally wide"),
        Premise(
            "He initialization",
            share <= 1,
            f"‖W_lᵀ − W_l(0)ᵀ‖_{{2,1}} ≤ {share:.6g}·√m τ for every init, layer and width, where at most √m τ is "
            f"assumed (no layer can exceed it at m ≥ d = {case.train.d}); "
            f"‖W_l‖₂ ≤ {np.nanmax(found['spectral_norm']):.6g}, where Õ(1) is assumed; certified upper bounds",
        ),
    )


def _checks(widths: Sequence[int], found: Mapping[str, Array]) -> tuple[Check, ...]:
    """What grows faster, all exponents, and the constants of the orders."""
    return (
        *(_growth_check(widths, found, name) for name in (BARTLETT, NEYSHABUR)),
        *(_exponent_check(widths, found, name, UNIFORM_ORDER) for name in (BARTLETT, NEYSHABUR)),
        *(
            _exponent_check(widths, found, name)
            for name in (GAP_ORDER, UNIFORM_ORDER, ESTIMATION, LINEARIZATION, "tau", "spectral_product")
        ),
        *(
            _constant_check(f"{name} over {UNIFORM_ORDER}", found[name] / found[UNIFORM_ORDER], "C_uniform")
            for name in (BARTLETT, NEYSHABUR)
        ),
        _constant_check(
            f"measured gap over {GAP_ORDER}", found["gap"] / found[GAP_ORDER], "C_gap"
        ),
        _constant_check(
            f"upper limit of the gap over {GAP_ORDER}", found["gap_upper"] / found[GAP_ORDER], "C_gap"
        ),
        *(
            Check(f"generalization gap, population minus training 0-1 error, at m = {widths[at]}, mean over the inits",
                  float(np.nanmean(found["gap"][:, at])))
            for at in (0, -1)
        ),
        Check("surrogate error E_S at the end, worst init and width", float(found["E_S"].max())),
    )  # fmt: skip


def _growth_check(widths: Sequence[int], found: Mapping[str, Array], name: str) -> Check:
    """The exponent of a norm-based expression relative to the bound of Theorem 3.1, which is to be positive."""
    values = exponents(widths, found[name] / found[GAP_ORDER])
    mean, shown = _mean(values)
    asked, _ = _mean(exponents(widths, found[UNIFORM_ORDER] / found[GAP_ORDER]))
    return Check(
        f"exponent in m of {name} over {GAP_ORDER}, mean{shown}",
        mean,
        0.0,
        claimed=True,
        bound_is=f"0: it grows faster ({UNIFORM_ORDER} over {GAP_ORDER} has {asked:.4g})",
        at_least=True,
        refuted_if="in significantly more than a share δ of the inits, one of the two does not grow",
    )


def _exponent_check(widths: Sequence[int], found: Mapping[str, Array], name: str, order: str = "") -> Check:
    """An exponent, beside that of the order that the remark gives."""
    mean, shown = _mean(exponents(widths, found[name]))
    what = {"tau": "the largest distance τ", "spectral_product": "Π ‖W_l‖₂"}.get(name, name)
    if not order:
        return Check(f"exponent in m of {what}, mean{shown}", mean)
    bound, _ = _mean(exponents(widths, found[order]))
    return Check(f"exponent in m of {what}, mean{shown}", mean, bound, bound_is=f"that of {order} at the measured τ")


def _constant_check(name: str, ratios: Array, constant: str) -> Check:
    """The constant that would just do for an order, over all inits and widths."""
    largest = float(np.nanmax(ratios))
    return Check(f"{name}, largest of all inits and widths", largest, constant=constant, needed=max(0.0, largest))


def _mean(values: Array) -> tuple[float, str]:
    """A mean over the inits that did not diverge, and its interval in words."""
    usable = values[np.isfinite(values)]
    if not usable.size:
        return math.nan, ""
    interval = mean_interval(usable)
    return float(usable.mean()), "" if interval is None else f" (95 %: {interval[0]:.4g} to {interval[1]:.4g})"


def _pictures(widths: Sequence[int], found: Mapping[str, Array]) -> tuple[Picture, ...]:
    """All of them over the width, with the range over the inits, and the measured gap."""
    m = np.asarray(widths, dtype=np.float64)

    def line(label: str, values: Array, low: Array, high: Array) -> Line:
        return Line(label, m, np.nanmean(values, axis=0), np.nanmin(low, axis=0), np.nanmax(high, axis=0))

    names = (BARTLETT, NEYSHABUR, ESTIMATION, LINEARIZATION, GAP_ORDER)
    return (
        Picture(
            "growth with the width",
            "width m",
            "value, without constants: mean and range over the inits",
            lines=tuple(line(name, found[name], found[name], found[name]) for name in names),
            log_y=True,
        ),
        Picture(
            "generalization gap",
            "width m",
            "population minus training 0-1 error",
            lines=(line("mean, and the intervals of all inits", found["gap"], found["gap_lower"], found["gap_upper"]),),
        ),
    )
