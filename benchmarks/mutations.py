"""How many changes of one exponent the audit notices: `PYTHONPATH=tests python benchmarks/mutations.py [COUNT]`."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter

from mutants import all_mutants, outcome
from tabulate import tabulate


def main(count: int | None) -> None:
    mutants = list(all_mutants())
    if count is not None:
        mutants = random.Random(0).sample(mutants, count)
    started = time.perf_counter()
    kinds: dict[str, Counter[str]] = {}
    for mutant in mutants:
        found = outcome(mutant)
        kind = kinds.setdefault(mutant.theorem.key, Counter())
        kind["changes"] += 1
        kind["noticed"] += found.noticed and not found.sound
        kind["still right"] += not found.noticed and found.sound
        kind["accused"] += found.noticed and found.sound
        kind["missed"] += found.missed
        kind["undecided"] += bool(found.undecided)
        if found.missed or found.wrong or found.refused or (found.noticed and found.sound):
            print(mutant.theorem.key, mutant.step, mutant.change, found.wrong, found.refused, sep=" | ")
    total: Counter[str] = sum(kinds.values(), Counter())
    columns = ["changes", "noticed", "still right", "accused", "missed", "undecided"]
    rows = [[key, *(kind[column] for column in columns)] for key, kind in {**kinds, "all": total}.items()]
    print(tabulate(rows, ["statement", *columns]))
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
