"""What is kept of one init: one row of the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Record:
    """What was found for one init at one stage of a run.

    success: whether the guarantee held, None where the measurement cannot tell (or where the stage does not ask).
    facts: JSON values by name, for the report. series: float64 arrays by name, for the plots and the checks.
    """

    trial: int
    success: bool | None = None
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    series: Mapping[str, NDArray[np.float64]] = field(default_factory=lambda: MappingProxyType({}))


Records = Mapping[int, Record]
"""Records by trial number."""
