"""boundcalc: the bounds of deep-learning theory, computable, with every hidden constant explicit."""

__version__ = "0.1.0"
