"""One page, without a network, on which every bound of the catalogue moves with its inputs and hidden constants.

The page interprets the programs that sweeps run: formulas are compiled once, in `boundcalc.arrays`, and written into
the page as steps. What has to be computed before a bound, and from what, is recorded of a sweep's own inputs.
"""

from boundcalc.explorer.page import write_page

__all__ = ["write_page"]
