"""The exceptions a caller can act on.

Every message is one line that echoes the offending value and says the mend.
"""

from __future__ import annotations

from collections.abc import Iterable


class BoundcalcError(Exception):
    """Base class: catching it catches everything that boundcalc raises on purpose."""


class InputError(BoundcalcError, ValueError):
    """A value, name, file or combination of options that cannot be used as given."""


class UnknownNameError(InputError):
    """A name that is not in the vocabulary at hand; the message offers the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], mend: str = "") -> None:
        self.name = name
        self.nearest = nearest(name, known)
        offer = f"; did you mean {' or '.join(self.nearest)}?" if self.nearest else ""
        super().__init__(f"unknown {kind} {name!r}{offer}{'; ' + mend if mend else ''}")


class PremiseError(InputError):
    """What a statement assumes was not found to hold of what it was to be verified on; elsewhere it may."""


class StorageError(InputError):
    """A folder or a file that cannot be read or written, or that holds something else."""


class OutOfMemoryError(InputError):
    """What was asked for does not fit into memory; less at once may."""


class NumericsError(BoundcalcError, ArithmeticError):
    """A value that arithmetic at the highest precision could not enclose tightly enough."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> tuple[str, ...]:
    """Return up to `count` of the `known` names that look most like `name`, best first."""
    from difflib import get_close_matches  # Only here: most commands know all their words.

    by_folded = {candidate.casefold(): candidate for candidate in known}
    matches = get_close_matches(name.casefold(), by_folded, n=count, cutoff=0.6)
    return tuple(by_folded[match] for match in matches)
