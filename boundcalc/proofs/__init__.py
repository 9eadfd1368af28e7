"""How the catalogue's statements are derived, step by step; one file per paper.

They are kept beside the catalogue, since only an audit needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from boundcalc.derivation import Derivation
from boundcalc.proofs import cao2020, chen2019
from boundcalc.theorem import Theorem

PROOFS: Mapping[str, tuple[Derivation, ...]] = MappingProxyType({**chen2019.PROOFS, **cao2020.PROOFS})
"""The derivations of the catalogue's statements, by key."""


def derivations_of(theorem: Theorem) -> tuple[Derivation, ...]:
    """How a statement is derived, by what it brings along or else by the catalogue's proofs; the paper's way first."""
    return theorem.derivations or PROOFS.get(theorem.key, ())
