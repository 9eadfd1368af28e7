"""Where to compute, how much memory is there, full float32 precision, and results that nobody has to wait for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.errors import InputError


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device that `name` asks for: "auto" (CUDA where there is one, else CPU), "cpu", "cuda[:i]".

    Raises InputError for an unknown name and for a CUDA device that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"unknown device {name!r}; use auto, cpu or cuda") from None
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"device {name!r} is not supported; use auto, cpu or cuda")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise InputError(f"device {name!r} is not there ({count} CUDA devices found); use cpu")
    return device


def available_bytes(device: torch.device | str = "cpu") -> int:
    """Return the bytes that can still be allocated on `device`.

    CUDA: free device memory plus what this process has cached. CPU: MemAvailable of /proc/meminfo, or less
    where a control group allows less; elsewhere the free pages that the system reports.
    """
    device = torch.device(device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free) + int(cached)
    limits = [limit for limit in (_meminfo_available(), _control_group_available()) if limit is not None]
    if limits:
        return max(0, min(limits))
    return int(os.sysconf("SC_AVPHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE"))


@contextmanager
def full_precision(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Keep float32 matrix products in float32 (no TF32, no bfloat16) inside the block.

    Whatever the caller has set is put back on the way out; nothing is touched where it is already full
    precision.
    """
    if dtype != torch.float32:
        yield
        return
    backend: Any = torch.backends.cuda.matmul if device.type == "cuda" else torch.backends.mkldnn
    if hasattr(backend, "matmul"):
        backend = backend.matmul
    # torch ≥ 2.9 has one setting per backend; before that, TF32 on CUDA is a flag.
    modern = hasattr(backend, "fp32_precision")
    attribute, full = ("fp32_precision", "ieee") if modern else ("allow_tf32", False)
    before = getattr(backend, attribute, full)
    if before in (full, "none"):
        yield
        return
    setattr(backend, attribute, full)
    try:
        yield
    finally:
        setattr(backend, attribute, before)


class Arriving:
    """A tensor on its way to the CPU. Neither host nor device waits for the copy until it is read."""

    def __init__(self, values: torch.Tensor) -> None:
        # From CUDA, torch copies into page-locked memory, behind what is already queued on the same stream.
        self._values = values.to("cpu", non_blocking=True)
        self._arrived = torch.cuda.current_stream(values.device).record_event() if values.is_cuda else None

    def read(self) -> NDArray[Any]:
        """Return it, once it is there."""
        if self._arrived is None:
            return self._values.numpy()
        self._arrived.synchronize()
        return np.array(self._values.numpy())  # page-locked memory is scarce: let go of it


def _meminfo_available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _control_group_available() -> int | None:
    root = Path("/sys/fs/cgroup")
    try:
        limit = (root / "memory.max").read_text(encoding="ascii").strip()
        used = (root / "memory.current").read_text(encoding="ascii").strip()
        return None if limit == "max" else int(limit) - int(used)
    except (OSError, ValueError):
        return None
