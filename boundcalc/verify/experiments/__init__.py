"""How each statement is verified, by its key."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from boundcalc.verify.experiment import Experiment
from boundcalc.verify.experiments.chen2019 import REACHES_TARGET

EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType({"chen2019/thm2.1": REACHES_TARGET})
