"""How cao2020's statements about the neighbourhood of the start are verified: Theorem 3.1, Lemmas 4.1 to 4.5."""

from collections.abc import Mapping
from types import MappingProxyType

from boundcalc.verify.experiment import Experiment
from boundcalc.verify.experiments.cao2020_near_init.gap import GAP_NEAR_INITIALIZATION
from boundcalc.verify.experiments.cao2020_near_init.gradients import (
    CONJUGATE_KERNEL_BELOW,
    GRADIENTS_ABOVE,
    RANDOM_FEATURES_BELOW,
)
from boundcalc.verify.experiments.cao2020_near_init.linearity import LINEARITY
from boundcalc.verify.experiments.cao2020_near_init.output import OUTPUT_AT_INITIALIZATION

NEAR_INITIALIZATION: Mapping[str, Experiment] = MappingProxyType(
    {
        "cao2020/thm3.1": GAP_NEAR_INITIALIZATION,
        "cao2020/lem4.1": GRADIENTS_ABOVE,
        "cao2020/lem4.2": LINEARITY,
        "cao2020/lem4.3": OUTPUT_AT_INITIALIZATION,
        "cao2020/lem4.4": RANDOM_FEATURES_BELOW,
        "cao2020/lem4.5": CONJUGATE_KERNEL_BELOW,
    }
)
