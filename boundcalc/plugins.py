"""What other installed packages offer to boundcalc through entry points.

In the pyproject.toml of a package whose module `own_theorems` has THEOREMS, a list of `Theorem`:

    [project.entry-points."boundcalc.theorems"]
    own = "own_theorems:THEOREMS"
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from boundcalc.errors import InputError

GROUP = "boundcalc.theorems"
"""Entry points of this group give a theorem, several, or a function that returns either."""


def announced() -> bool:
    """Whether a package that is installed in a folder of the path names the group.

    importlib.metadata would tell as well, but importing it takes ten times as long as looking.
    """
    for folder in dict.fromkeys(sys.path):
        try:
            with os.scandir(folder or ".") as entries:
                packages = [entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
        except OSError:  # an archive, or no folder at all
            continue
        if any(_names_group(Path(package, "entry_points.txt")) for package in packages):
            return True
    return False


def _names_group(file: Path) -> bool:
    try:
        return GROUP.encode() in file.read_bytes()
    except OSError:  # most packages have no entry points
        return False


def offered() -> Iterator[tuple[str, tuple[object, ...]]]:
    """Each entry point of the group, as messages name it, and the things that it gives.

    Raises:
        InputError: an entry point cannot be loaded.
    """
    if not announced():
        return
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        package = point.dist.name if point.dist else "an unnamed package"
        place = f"the entry point {point.name} = {point.value} of {package}"
        try:
            given = point.load()
            given = given() if callable(given) else given
            given = tuple(given) if isinstance(given, Iterable) else (given,)
        except Exception as problem:  # whatever the code of a package may raise
            raise InputError(f"{place} cannot be loaded: {type(problem).__name__}: {problem}") from problem
        yield place, given
