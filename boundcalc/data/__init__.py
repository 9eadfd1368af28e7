"""Data sets with unit-norm rows and labels ±1, from files, packages, OpenML or generators with known truth."""

from boundcalc.data.bundled import BUNDLED
from boundcalc.data.dataset import Dataset, Truth, make_dataset, split
from boundcalc.data.generators import GENERATORS
from boundcalc.data.sources import draw_fresh, load

__all__ = ["BUNDLED", "GENERATORS", "Dataset", "Truth", "draw_fresh", "load", "make_dataset", "split"]
