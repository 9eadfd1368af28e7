"""What a machine can do, as text and as a JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from boundcalc.machine import INFINITE, PATIENCE, Device, Extra, Machine, Reach
from boundcalc.report.tables import fitted, folded, listing

_ESTIMATED = (
    "One init alone, d = 64, α = 1/2; memory at most, time within a factor of about two. See boundcalc manual engines."
)


def machine_text(machine: Machine, width: int | None = None) -> str:
    """A machine for its user; `width` is the terminal's, None without one."""
    cuda = [device for device in machine.devices if device.name != "cpu"]
    head = [
        ("system", machine.system),
        ("versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items())),
    ]
    if machine.trouble is None:
        devices = ", ".join(f"{device.name}: {device.what}" for device in cuda) or "no device; everything runs on cpu"
        threads = f"{machine.cores}, of which torch uses {machine.threads}; OMP_NUM_THREADS sets how many"
        head += [("cores", threads), ("CUDA", devices)]
    else:
        lost = "data, verify, calibrate and scaling need it, and --data; install it again"
        head += [("cores", str(machine.cores)), ("torch", f"cannot be loaded: {machine.trouble}: {lost}")]
    blocks = ["\n".join(listing(head, width))]
    blocks += ["\n".join(_device_lines(device, width)) for device in machine.devices]
    blocks.append("\n".join(_extra_lines(machine, width)))
    return "\n\n".join(blocks)


def _device_lines(device: Device, width: int | None) -> Iterator[str]:
    from boundcalc.verify.case import show_bytes  # Only here: it loads torch, which may be what is missing.

    yield from listing([(device.name, f"{device.what}, {show_bytes(device.available)} of memory available")], width)
    yield from listing(
        [
            (
                "rates",
                f"{name}: {_rate(rates.operations, 'FLOP/s')} in large matrix products, "
                f"{_rate(rates.traffic, 'B/s')} in thin ones",
            )
            for name, rates in device.rates.items()
        ],
        width,
    )
    yield ""
    headers = ("engine", "one init of chen2019", "m that fits", "memory", "time", f"m within {PATIENCE / 60:g} min")
    yield fitted([_reach_row(reach) for reach in device.reach], headers, width, whole=(0,))
    yield folded(_ESTIMATED, width)


def _reach_row(reach: Reach) -> tuple[str, ...]:
    from boundcalc.verify.case import show_bytes

    infinite = reach.setting.engine == INFINITE.engine
    widths = ["∞" if infinite else _width(width) for width in (reach.width, reach.patient)]
    return (
        reach.setting.engine, str(reach.setting), widths[0], show_bytes(reach.bytes), f"about {_time(reach.seconds)}",
        widths[1],
    )  # fmt: skip


def _width(width: int | None) -> str:
    """A width rounded down to two digits: what it rests on is an estimate."""
    if width is None:
        return "none"
    power = 10 ** max(len(str(width)) - 2, 0)
    return f"{width // power * power:,}".replace(",", " ")


def _time(seconds: float) -> str:
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.2g} {unit}" if seconds < 100 * length else f"{seconds / length:.0f} {unit}"
    return f"{seconds:.2g} s"


def _rate(number: float, unit: str) -> str:
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {prefix}{unit}"
    return f"{number:.3g} {unit}"


def _extra_lines(machine: Machine, width: int | None) -> Iterator[str]:
    yield from listing([(extra.name, _extra(extra)) for extra in machine.extras], width)


def _extra(extra: Extra) -> str:
    if extra.present:
        found = ", ".join(f"{package} {version}" for package, version in extra.packages.items())
        return f"for {extra.purpose}: {found}"
    return f"for {extra.purpose}: not installed: {extra.install}"


def machine_json(machine: Machine) -> dict[str, Any]:
    """The JSON object of a machine; a width that is null is none, or of the limit m → ∞."""
    return {
        "system": machine.system,
        "versions": dict(machine.versions),
        "cores": machine.cores,
        "threads": machine.threads,
        "trouble": machine.trouble,
        "devices": [
            {
                "name": device.name,
                "what": device.what,
                "available_bytes": device.available,
                "rates": {
                    name: {"operations_per_second": rates.operations, "bytes_per_second": rates.traffic}
                    for name, rates in device.rates.items()
                },
                "engines": [
                    {
                        "engine": reach.setting.engine,
                        "setting": str(reach.setting),
                        "width": reach.width,
                        "bytes": reach.bytes,
                        "seconds": reach.seconds,
                        "width_within_patience": reach.patient,
                        "patience_seconds": PATIENCE,
                    }
                    for reach in device.reach
                ],
            }
            for device in machine.devices
        ],
        "extras": [
            {
                "name": extra.name,
                "purpose": extra.purpose,
                "present": extra.present,
                "packages": dict(extra.packages),
                "install": extra.install,
            }
            for extra in machine.extras
        ],
    }
