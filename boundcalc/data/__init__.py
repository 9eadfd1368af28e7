"""Data sets with unit-norm rows and labels ±1."""

from boundcalc.data.dataset import Dataset, make_dataset, split
from boundcalc.data.sources import BUNDLED, load

__all__ = ["BUNDLED", "Dataset", "load", "make_dataset", "split"]
