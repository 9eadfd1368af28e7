"""Derivations as data: the steps by which a paper gets a statement, each with what it uses and what it claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import sympy

from boundcalc.theorem import Provenance

Sense = Literal[">=", "<="]


@dataclass(frozen=True)
class Claim:
    """An inequality between two formulas, `left relation right`."""

    left: sympy.Expr
    relation: Sense
    right: sympy.Expr

    @property
    def small(self) -> sympy.Expr:
        """The side that is at most the other."""
        return self.left if self.relation == "<=" else self.right

    @property
    def large(self) -> sympy.Expr:
        """The side that is at least the other."""
        return self.right if self.relation == "<=" else self.left


@dataclass(frozen=True)
class DerivationStep:
    """One step: the claim, and what it rests on.

    A step with a formula `because` says how large its left side is: it is sound where that formula, with all that it
    uses put in, is at most (for ≥, at least) the right side claimed, and loose where the claim is weaker than that by
    an unbounded factor. A step without one is an inequality, sound where it holds. One that is `needed` is asked of the
    statement's choices (width, step size, …), which are put in; a repair of the choices satisfies it.

    Attributes:
        id: the number of the formula in the paper, or a short name; unique within the derivation.
        claim: the inequality as printed, without constants that are merely large or small enough.
        says: what the step does, in words.
        needed: whether it is asked of the choices.
        because: what bounds the left side; None for an inequality.
        uses: ids of earlier steps, and keys of statements. For a symbol that occurs in `because` (else in the left
            side) and that one of them bounds in the sense needed, the bound is put in. An earlier step that bounds no
            single symbol is a premise.
        put: what stands for other symbols, put in first.
        where: premises of this step alone.
        fixed: symbols that are constants here, as where a paper says that L is one.
        provenance: `stated` where the paper prints the step, `reconstructed` where it only alludes to it.
    """

    id: str
    claim: Claim
    says: str = ""
    needed: bool = False
    because: sympy.Expr | None = None
    uses: tuple[str, ...] = ()
    put: Mapping[sympy.Symbol, sympy.Expr] = field(default_factory=lambda: MappingProxyType({}))
    where: tuple[Claim, ...] = ()
    fixed: tuple[sympy.Symbol, ...] = ()
    provenance: Provenance = "stated"


@dataclass(frozen=True)
class Derivation:
    """How a statement is derived: by these steps, in this order.

    Attributes:
        name: what tells it apart from other derivations of the same statement; empty for the paper's own.
        steps: in reading order.
        choices: what the proof is free to choose, in the order in which it is chosen when the choices are repaired:
            each as small (η as large) as the needed inequalities allow, those before it being given.
        put: what stands for symbols throughout, such as a lemma's B.
        where: premises throughout, such as what the statement's hypotheses imply.
        quantities: symbols beyond the vocabulary that the steps speak of, with their meanings.
        note: what a reader should know of it.
    """

    steps: tuple[DerivationStep, ...]
    choices: tuple[sympy.Symbol, ...] = ()
    put: Mapping[sympy.Symbol, sympy.Expr] = field(default_factory=lambda: MappingProxyType({}))
    where: tuple[Claim, ...] = ()
    quantities: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    name: str = ""
    note: str = ""
