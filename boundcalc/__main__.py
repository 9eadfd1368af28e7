"""`python -m boundcalc` is the same command as `boundcalc`."""

from boundcalc.cli import main

main()
