"""What can be measured of a data set, by the names of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from boundcalc.data import Dataset
from boundcalc.errors import InputError, UnknownNameError
from boundcalc.estimate.estimate import Estimate
from boundcalc.estimate.margins import Sampling, gamma_conjugate_kernel, gamma_ji2020, gamma_random_feature
from boundcalc.estimate.separation import separation
from boundcalc.estimate.spectrum import lambda_0


@dataclass(frozen=True)
class Options:
    """How to measure: cao2020's depth L for the conjugate kernel κ^(L−1), the seed of sampled features, the device."""

    L: int = 3
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.L < 1:
            raise InputError(f"L = {self.L} is not an integer ≥ 1: L counts the hidden layers")


Measure = Callable[[Dataset, Options], Estimate]

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
    }
)
"""What each name measures, in the order in which it is shown."""


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
    for name in wanted - MEASURES.keys():
        raise UnknownNameError("measure", name, MEASURES, f"known are {', '.join(MEASURES)}")
    ordered = [name for name in MEASURES if name in wanted]
    found = []
    for done, name in enumerate(ordered):
        progress(name, done, len(ordered))
        found.append(MEASURES[name](data, options or Options()))
    return tuple(found)
