"""One quantity of a statement over arrays and ranges of its inputs, at array speed."""

from boundcalc.sweeps.axes import Axis, is_axis, parse_axis
from boundcalc.sweeps.inputs import Assumed, Check
from boundcalc.sweeps.sweep import Ends, Sweep, sweep

__all__ = ["Assumed", "Axis", "Check", "Ends", "Sweep", "is_axis", "parse_axis", "sweep"]
