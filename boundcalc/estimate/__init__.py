"""Estimates of the quantities that the theorems assume: each with the direction in which it errs."""

from boundcalc.estimate.estimate import Direction, Estimate

__all__ = ["Direction", "Estimate"]
