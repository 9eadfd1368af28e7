"""What can be measured of a data set, by the names of the command line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from boundcalc.data import Dataset
from boundcalc.errors import InputError, UnknownNameError
from boundcalc.estimate.estimate import Estimate
from boundcalc.estimate.gradient_bound import default_radius, gradient_bound
from boundcalc.estimate.margins import Sampling, gamma_conjugate_kernel, gamma_ji2020, gamma_random_feature
from boundcalc.estimate.radius_study import radius_bracket
from boundcalc.estimate.separation import separation
from boundcalc.estimate.spectrum import lambda_0
from boundcalc.train.devices import resolve_device
from boundcalc.train.networks import he_relu

LARGEST_SEED = 2**32 - 1
_B_EPSILON = 0.1
_B_WIDTH, _B_INITS = 256, 2  # of the networks in which B is sought: a few seconds for some hundreds of rows


@dataclass(frozen=True)
class Options:
    """How to measure: cao2020's depth L (of κ^(L−1) and B), the seed of what is drawn at random, the device.

    R is about chen2019's networks with L hidden layers, L + 1 weight matrices, and that paper's ε and α; width and
    inits: how wide the networks are in which it is sought, and how many.
    """

    L: int = 3
    seed: int = 0
    device: str = "auto"
    epsilon: float = 0.1
    alpha: float = 0.5
    width: int = 64
    inits: int = 4

    def __post_init__(self) -> None:
        if self.L < 1:
            raise InputError(f"L = {self.L} is not an integer ≥ 1: L counts the hidden layers")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise InputError(f"seed {self.seed} is not between 0 and {LARGEST_SEED}; give one such as 0")
        if not (self.epsilon > 0 and math.isfinite(self.epsilon)):
            raise InputError(f"epsilon = {self.epsilon!r}; use a positive number, such as 0.1")
        if not 0 < self.alpha <= 0.5:
            raise InputError(f"alpha = {self.alpha!r} is outside (0, 1/2]; use e.g. 0.5")
        for name, count in (("width", self.width), ("inits", self.inits)):
            if count < 1:
                raise InputError(f"{name} = {count} is not an integer ≥ 1")
        resolve_device(self.device)


Measure = Callable[[Dataset, Options], Estimate]


def _gradient_bound(data: Dataset, how: Options) -> Estimate:
    """B in the ball that Theorem 3.2 uses at ε = 0.1 and this width, whatever ε the statement is asked at.

    Its τ is of order 1/(ε√m): at a smaller ε only wider networks than can be sampled have a ball that is as small
    beside their weights, and in a larger one whole layers vanish, which says nothing of the widths prescribed.
    """
    network = he_relu(how.L, _B_WIDTH, data.d)
    tau = default_radius(_B_WIDTH, _B_EPSILON)
    found = gradient_bound(
        network, data.X, data.y, trials=range(_B_INITS), seed=how.seed, tau=tau, device=how.device
    ).estimate()
    return replace(
        found, method=f"{found.method}; that ball belongs to ε = {_B_EPSILON:g}, a smaller ε to a larger one"
    )


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "phi": lambda data, how: separation(data.X, device=how.device),
        "lambda_0": lambda data, how: lambda_0(data.X, device=how.device),
        "gamma_random_feature": lambda data, how: gamma_random_feature(
            data.X, data.y, Sampling(seed=how.seed), device=how.device
        ),
        "gamma_conjugate_kernel": lambda data, how: gamma_conjugate_kernel(
            data.X, data.y, how.L - 1, device=how.device
        ),
        "gamma_ji2020": lambda data, how: gamma_ji2020(data.X, data.y, Sampling(seed=how.seed), device=how.device),
        "B": _gradient_bound,
        "R": lambda data, how: radius_bracket(
            data.X,
            data.y,
            m=how.width,
            L=how.L + 1,
            epsilon=how.epsilon,
            alpha=how.alpha,
            inits=how.inits,
            seed=how.seed,
            device=how.device,
        ),
    }
)
"""What each name measures, in the order in which it is shown."""

DEPENDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "gamma_conjugate_kernel": frozenset({"L"}),
        "B": frozenset({"L"}),
        "R": frozenset({"L", "alpha", "epsilon"}),
    }
)
"""The options, named as a statement's inputs, that a measure depends on; what is not here depends on the data alone."""

WIDTHS: Mapping[str, int] = MappingProxyType({"B": _B_WIDTH, "R": Options.width})
"""The width of the networks that a measure samples, unless `Options` say otherwise; the others sample none."""


def check_measures(names: Iterable[str]) -> None:
    """Refuse names that are not in `MEASURES`.

    Raises:
        UnknownNameError: one is not; the message offers the nearest ones.
    """
    for name in names:
        if name not in MEASURES:
            raise UnknownNameError("measure", name, MEASURES, f"known are {', '.join(MEASURES)}")


def measure(
    data: Dataset,
    names: Iterable[str] = tuple(MEASURES),
    options: Options | None = None,
    progress: Callable[[str, int, int], None] = lambda name, done, all_: None,
) -> tuple[Estimate, ...]:
    """Measure a data set, in the order of `MEASURES`.

    Args:
        data: unit rows with labels ±1.
        names: what to measure.
        options: how; the defaults if None.
        progress: called with each name before it is measured, how many are done, and how many there are.

    Raises:
        UnknownNameError: a name that is not in `MEASURES`.
        InputError: the data is too large for the memory that a measure needs.
    """
    wanted = set(names)
    check_measures(wanted)
    ordered = [name for name in MEASURES if name in wanted]
    found = []
    for done, name in enumerate(ordered):
        progress(name, done, len(ordered))
        found.append(MEASURES[name](data, options or Options()))
    return tuple(found)
