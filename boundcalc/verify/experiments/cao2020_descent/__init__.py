"""cao2020's Theorem 3.2 and Corollaries 3.1 to 3.3, put to the test: gradient descent near its start."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from boundcalc.verify.experiment import Experiment
from boundcalc.verify.experiments.cao2020_descent.errors import GeneralizesUnderBound, LearnsSeparable
from boundcalc.verify.experiments.cao2020_descent.surrogate import ReachesSurrogate

DESCENT: Mapping[str, Experiment] = MappingProxyType(
    {
        "cao2020/thm3.2": ReachesSurrogate(),
        "cao2020/cor3.1": GeneralizesUnderBound(),
        "cao2020/cor3.2": LearnsSeparable("gamma_random_feature"),
        "cao2020/cor3.3": LearnsSeparable("gamma_conjugate_kernel"),
    }
)
