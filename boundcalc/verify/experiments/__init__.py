"""How each statement is verified, by its key."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from boundcalc.verify.experiment import Experiment
from boundcalc.verify.experiments.cao2019 import RIVALS_TANGENT_FEATURES
from boundcalc.verify.experiments.cao2020_descent import DESCENT
from boundcalc.verify.experiments.cao2020_near_init import NEAR_INITIALIZATION
from boundcalc.verify.experiments.cao2020_norms import GROWS_SLOWER
from boundcalc.verify.experiments.chen2019 import REACHES_TARGET
from boundcalc.verify.experiments.chen2019_path import GENERALIZES_ALONG_PATH
from boundcalc.verify.experiments.chen2019_sgd import RANDOM_ITERATE_GENERALIZES
from boundcalc.verify.experiments.two_layer import LINEAR_RATE, SMALL_AVERAGE_LOSS

EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {
        **NEAR_INITIALIZATION,
        **DESCENT,
        "cao2020/rem3.1": GROWS_SLOWER,
        "chen2019/thm2.1": REACHES_TARGET,
        "chen2019/thm2.2": GENERALIZES_ALONG_PATH,
        "chen2019/thm2.3": RANDOM_ITERATE_GENERALIZES,
        "cao2019": RIVALS_TANGENT_FEATURES,
        "du2019": LINEAR_RATE,
        "ji2020": SMALL_AVERAGE_LOSS,
    }
)

_WIDTH_ALONE = "its citations tell how wide a network must be, but neither the step size nor what is then guaranteed"
_NORM_BASED = "it bounds no training run by itself; cao2020/rem3.1 evaluates it on trained networks"

UNVERIFIED: Mapping[str, str] = MappingProxyType(
    {
        "cao2020/thm1.1": "it is informal; cao2020/cor3.2 and cao2020/cor3.3 are what it stands for",
        "cao2020/rem3.2": "it leaves the powers of φ and 1/n open, so that no measured B could contradict it",
        "zou2020": _WIDTH_ALONE,
        "zou2019": _WIDTH_ALONE,
        "allenzhu2019": _WIDTH_ALONE,
        "bartlett2017": _NORM_BASED,
        "neyshabur2018": _NORM_BASED,
    }
)
"""Why a statement has no experiment."""
