"""Measure a width query as a whole process against `python -c "import sympy"`.

    python benchmarks/query.py [--repeats N] [--json FILE]

The two alternate, so that a machine whose speed drifts slows both; the medians of wall and processor seconds are
compared, and the peak memory. The target for the ratio is 1.3.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

QUERY = [sys.executable, "-m", "boundcalc", "required width for ε=0.01,L=5"]
SYMPY = [sys.executable, "-c", "import sympy"]


def measure(command: list[str]) -> dict[str, float]:
    """Wall and processor seconds and peak MiB of one process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status != 0:
        raise SystemExit(f"{command} failed")
    return {"wall_s": wall, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_MiB": usage.ru_maxrss / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    for command in (QUERY, SYMPY):
        measure(command)
    pairs = [(measure(QUERY), measure(SYMPY)) for _ in range(arguments.repeats)]
    rows = {}
    print(f"{'':10} {'query':>8} {'sympy':>8} {'ratio':>6}   (medians of {arguments.repeats} pairs)")
    for figure in pairs[0][0]:
        query, sympy = (statistics.median(pair[side][figure] for pair in pairs) for side in (0, 1))
        ratio = statistics.median(a[figure] / b[figure] for a, b in pairs)
        rows[figure] = {"query": query, "sympy": sympy, "ratio": ratio}
        print(f"{figure:10} {query:8.3f} {sympy:8.3f} {ratio:6.2f}")
    if arguments.json:
        facts = {"figures": rows, "repeats": arguments.repeats, "python": platform.python_version()}
        arguments.json.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
