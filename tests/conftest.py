"""All tests that work a value out for themselves do so in mpmath at 150 digits, whichever of them run."""

from mpmath import mp

mp.dps = 150
