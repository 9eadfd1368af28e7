"""What can be checked of Chen, Cao, Zou and Gu: the short version prints no proofs, so every step is reconstructed.

Claims (a)–(d) are those of its introduction.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy
from sympy import Max, Min, Rational, log, sqrt

from boundcalc.catalogue.chen2019 import STEP_SIZE, THM_2_1, THM_2_3
from boundcalc.catalogue.secondary import ZOU2020
from boundcalc.constants import exponent
from boundcalc.derivation import Claim, Derivation, DerivationStep
from boundcalc.symbols import L, R, T, alpha, delta, epsilon, eta, m, n, phi

WIDTH = THM_2_1.conditions[0].expr
ZOU_WIDTH = ZOU2020.conditions[0].expr.args[0]
"""What stands under the Ω̃ of zou2020's width; as an upper bound on another width it may be larger by logarithms."""

DISTANCE = L * (R * m**-alpha) ** 2
"""Σ_l ‖W*_l − W_l^(0)‖², by assumption (A)."""

POLY_C = "L, log(n/δ), log(1/ε)"

regret = sympy.Symbol("regret", positive=True)

PROOF_2_1 = Derivation(
    choices=(eta, T),
    steps=(
        DerivationStep(
            "step size",
            Claim(eta * L * m ** (2 * alpha), "<=", sympy.Integer(1)),
            "η‖∇f‖² is bounded: each of L layers has a gradient of order m^α",
            needed=True,
            provenance="reconstructed",
        ),
        DerivationStep(
            "T·η",
            Claim(DISTANCE, "<=", T * eta * epsilon),
            "the squared distance to W* is used up after T steps that gain ηε each",
            needed=True,
            provenance="reconstructed",
        ),
        DerivationStep(
            "(c)",
            Claim(
                m,
                "<=",
                L ** exponent("p_c", POLY_C, 22, "p_L/α at α = 1/2")
                * (log(n / delta) * log(1 / epsilon)) ** exponent("p_l", POLY_C, 10, "any power will do"),
            ),
            "claim (c): R of this size makes the width a power of L and of logarithms",
            because=WIDTH,
            put={R: log(n / delta) + log(1 / epsilon)},
            provenance="reconstructed",
        ),
        DerivationStep(
            "(d)",
            Claim(WIDTH, "<=", ZOU_WIDTH),
            "claim (d): under nondegeneration the width is no larger than that of zou2020",
            put={R: n ** Rational(3, 2) * phi ** Rational(-1, 2), alpha: Rational(1, 2)},
            where=(Claim(L, "<=", Max(n ** Rational(1, 3), epsilon ** Rational(-1, 6))),),
            provenance="reconstructed",
        ),
    ),
)

PROOF_2_2 = Derivation(
    choices=(m, n),
    steps=(
        DerivationStep(
            "poly(R, L)",
            Claim(L ** Rational(11, 3) * R ** Rational(4, 3) * m ** (-alpha / 3), "<=", sympy.Integer(1)),
            "the reading of poly(R, L): the approximation term is bounded",
            needed=True,
            provenance="reconstructed",
        ),
        DerivationStep(
            "(a)",
            Claim(
                L ** Rational(3, 2) * R / sqrt(n)
                + L ** Rational(11, 3) * R ** Rational(4, 3) * m ** (-alpha / 3)
                + sqrt(log(1 / delta) / n),
                "<=",
                epsilon,
            ),
            "claim (a): the second of the two bounds is at most ε with ε^(−2) samples, for widths from ε^(−3/α) on",
            needed=True,
            where=(Claim(m, ">=", epsilon ** (-3 / alpha)), Claim(n, ">=", epsilon**-2)),
            fixed=(L, R, delta),
            provenance="reconstructed",
        ),
    ),
)

PROOF_2_3 = Derivation(
    choices=(n,),
    quantities={"regret": "the average of the losses met along the way"},
    steps=(
        DerivationStep(
            "step size",
            Claim(eta, ">=", THM_2_3.prescriptions[0].expr),
            "Theorem 2.1's step size, or that at which n steps use up the squared distance to W*, whichever is smaller",
            because=Min(STEP_SIZE.expr, DISTANCE / (n * epsilon)),
            provenance="reconstructed",
        ),
        DerivationStep(
            "regret",
            Claim(regret, "<=", 8 * L**2 * R**2 / n + 24 * epsilon),
            "the squared distance to W* over n η, and the loss of W* itself",
            because=DISTANCE / (n * eta) + epsilon,
            uses=("chen2019/thm2.3",),
            provenance="reconstructed",
        ),
        DerivationStep(
            "(b)",
            Claim(8 * L**2 * R**2 / n + 8 * log(1 / delta) / n, "<=", epsilon),
            "claim (b): ε^(−1) samples suffice",
            needed=True,
            where=(Claim(n, ">=", 1 / epsilon),),
            fixed=(L, R, delta),
            provenance="reconstructed",
        ),
    ),
)

PROOFS: Mapping[str, tuple[Derivation, ...]] = {
    "chen2019/thm2.1": (PROOF_2_1,),
    "chen2019/thm2.2": (PROOF_2_2,),
    "chen2019/thm2.3": (PROOF_2_3,),
}
