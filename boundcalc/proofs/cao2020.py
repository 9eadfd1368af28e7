"""The proofs of Cao and Gu, as printed in their Section 4.

Steps that the text only alludes to are put together from its lemmas: what (4.6) needs of τ and η, what the telescoped
sum gives. Where the text sums over the layers, so do the steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import sympy
from sympy import Rational, log, sqrt

from boundcalc.catalogue.cao2020 import COR_3_1, COR_3_2, COR_3_3, THM_1_1, THM_3_1
from boundcalc.derivation import Claim, Derivation, DerivationStep
from boundcalc.symbols import (
    D_1,
    D_2,
    E_S,
    G_S,
    P_2,
    S_21,
    S_F,
    B,
    J_f,
    K,
    L,
    L_lin,
    delta,
    dist,
    epsilon,
    error,
    eta,
    f_0,
    f_lin,
    gamma,
    gap,
    gap_uniform,
    m,
    n,
    tau,
    v_norm,
)
from boundcalc.theorem import Theorem

LEM_4_1, LEM_4_2, LEM_4_3 = "cao2020/lem4.1", "cao2020/lem4.2", "cao2020/lem4.3"

E_D, R_n, I_1, I_2, L_0, drop = sympy.symbols("E_D R_n I_1 I_2 L_0 drop", positive=True)
QUANTITIES = {
    "E_D": "the population surrogate error E_D(W)",
    "R_n": "the empirical Rademacher complexity of the networks within τ of the initialization",
    "I_1": "the Rademacher complexity of the networks minus their linearizations",
    "I_2": "the Rademacher complexity of the linearizations",
    "L_0": "the training loss L_S(W^(0)) at initialization",
    "drop": "the decrease L_S(W^(k)) − L_S(W^(k+1)) of the training loss in one step",
}


def _quantities(*symbols: sympy.Symbol) -> dict[str, str]:
    return {symbol.name: QUANTITIES[symbol.name] for symbol in symbols}


GENERALIZES = THM_3_1.guarantees[0].expr

PROOF_3_1 = Derivation(
    quantities=_quantities(E_D, R_n, I_1, I_2),
    note="where τ√m ≥ 1, as for the τ of Theorem 3.2, √(1/n) is no larger than L τ √(m/n)",
    steps=(
        DerivationStep(
            "I_1",
            Claim(I_1, "<=", L**4 * sqrt(m * log(m)) * tau ** Rational(4, 3)),
            "the distance from the linearization at W^(0), where every layer moves by at most τ",
            because=f_lin,
            uses=(LEM_4_2,),
            put={D_1: L * tau},
        ),
        DerivationStep(
            "I_2",
            Claim(I_2, "<=", L * tau * sqrt(m / n)),
            "Jensen's inequality: (τ/n) Σ_l √(Σ_i ‖∇_{W_l} f(x_i)‖²), with Lemma 4.1",
            because=tau / n * L * sqrt(n * J_f**2),
            uses=(LEM_4_1,),
        ),
        DerivationStep(
            "E_D",
            Claim(E_D, "<=", E_S + 2 * (I_1 + I_2) + sqrt(log(1 / delta) / n)),
            "uniform convergence, with (4.1)",
            because=E_S + 2 * R_n + sqrt(log(1 / delta) / n),
            put={R_n: I_1 + I_2},
        ),
        DerivationStep(
            "error",
            Claim(error, "<=", GENERALIZES),
            "Markov's inequality, P[y f(x) < 0] ≤ 2·E_D, with the bounds on I_1 and I_2",
            because=2 * E_D,
            uses=("E_D", "I_1", "I_2"),
        ),
    ),
)

SHORT_STEP = DerivationStep(
    "one step",
    Claim(eta * G_S, "<=", tau),
    "one more step, of length η‖∇_{W_l} L_S‖ with E_S ≤ 1, stays within τ",
    needed=True,
    uses=(LEM_4_1,),
    put={E_S: sympy.Integer(1)},
    provenance="reconstructed",
)
INSIDE = DerivationStep(
    "(4.2)",
    Claim(sqrt(K * eta) / B * sqrt(log(n / delta)), "<=", tau),
    "the iterates stay within τ",
    needed=True,
)
FLAT = DerivationStep("(4.3)", Claim(L**3 * m * eta, "<=", B**2), "the second-order term is small", needed=True)
LINEAR = DerivationStep(
    "(4.4)",
    Claim(L**2 * tau ** Rational(1, 3) * sqrt(m * log(m)), "<=", B**2 * m),
    "the distance from the linearization is small",
    needed=True,
)
ENOUGH = DerivationStep(
    "(4.5)", Claim(1 / (sqrt(K * eta * m) * B), "<=", epsilon), "the iterations suffice for ε", needed=True
)
FIRST_ORDER = DerivationStep(
    "(4.6), first order",
    Claim(f_lin * E_S, "<=", eta * B**2 * m * E_S**2),
    "the first term of Lemma 4.2 is no more than a part of η‖∇_{W_L} L_S‖² ≥ η B² m E_S², by (3.1)",
    uses=("(4.4)", LEM_4_2, LEM_4_1),
    put={D_1: L * eta * G_S},
)
SECOND_ORDER = DerivationStep(
    "(4.6), second order",
    Claim(m * L**3 * D_2, "<=", eta * B**2 * m * E_S**2),
    "the last term of Lemma 4.2 is no more than such a part either",
    uses=("(4.3)", LEM_4_1),
    put={D_2: L * (eta * G_S) ** 2},
)
DESCENT = DerivationStep(
    "(4.6)",
    Claim(L_lin, "<=", eta * B**2 * m * E_S**2),
    "what (4.6) asks of the choices: by Lemma 4.2 a step from W^(k) to W^(k) − η∇L_S loses no more than half of what "
    "it gains",
    needed=True,
    uses=(LEM_4_2, LEM_4_1),
    put={D_1: L * eta * G_S, D_2: L * (eta * G_S) ** 2},
    provenance="reconstructed",
)

PROOF_3_2 = Derivation(
    choices=(m, eta, K, tau),
    note="with τ = Õ(B^(−2) ε^(−1) m^(−1/2)), which (4.2) asks for, τ ≤ L^(−6) is the printed m ≥ L^12 B^(−4) ε^(−2)",
    quantities=_quantities(L_0, drop),
    steps=(
        INSIDE,
        FLAT,
        LINEAR,
        ENOUGH,
        SHORT_STEP,
        DerivationStep(
            "B",
            Claim(B, "<=", sympy.Integer(1)),
            "(3.1) beside Lemma 4.1: B √m E_S ≤ ‖∇_{W_L} L_S‖ ≤ C √m E_S",
            because=G_S / (sqrt(m) * E_S),
            uses=(LEM_4_1,),
        ),
        FIRST_ORDER,
        replace(
            FIRST_ORDER,
            id="(4.6), reading √m in (4.4)",
            says="the same, were the right side of (4.4) B²·√m",
            uses=(LEM_4_2, LEM_4_1),
            where=(Claim(LINEAR.claim.left, "<=", B**2 * sqrt(m)),),
            provenance="reconstructed",
        ),
        SECOND_ORDER,
        DESCENT,
        DerivationStep(
            "gradient",
            Claim(G_S, "<=", eta ** Rational(-1, 2) / B * sqrt(drop)),
            "Lemma 4.1, with E_S² ≤ 2·drop/(η B² m) from (4.6)",
            because=G_S,
            uses=(LEM_4_1,),
            put={E_S: sqrt(drop / (eta * B**2 * m))},
        ),
        DerivationStep(
            "start",
            Claim(L_0, "<=", sqrt(log(n / delta))),
            "ℓ(z) ≤ 1 + |z|",
            because=1 + f_0,
            uses=(LEM_4_3,),
        ),
        DerivationStep(
            "distance",
            Claim(dist, "<=", sqrt(K * eta) / B * sqrt(log(n / delta))),
            "Σ_k η‖∇_{W_l} L_S(W^(k))‖ by Jensen's inequality, the decreases adding up to at most L_S(W^(0))",
            because=K * eta * G_S,
            uses=("gradient", "start"),
            put={drop: L_0 / K},
        ),
        DerivationStep(
            "telescoping",
            Claim(E_S, "<=", 1 / (sqrt(K * eta * m) * B)),
            "(4.6) summed over k: K η B² m E_S(W^(k*))² ≤ 2 L_S(W^(0))",
            because=sqrt(L_0 / (K * eta * m)) / B,
            uses=("start",),
        ),
    ),
)

SHARPER_3_2 = Derivation(
    name="keeping every layer's gradient",
    choices=(m, eta, K, tau),
    note="Lemma 4.2's first term is split by 2xy ≤ x² + y² against Σ_l η‖∇_{W_l} L_S‖², of which the paper keeps the "
    "last layer's part only; so a step gains (η/4) Σ_l ‖∇_{W_l} L_S‖² ≥ (η/4) B² m E_S²",
    steps=(
        DerivationStep(
            "first order",
            Claim(L * (f_lin * E_S) ** 2, "<=", B**2 * m * E_S**2),
            "what is left of the first term of Lemma 4.2, summed over the layers, is small",
            needed=True,
            uses=(LEM_4_2,),
            put={D_1: sympy.Integer(1)},
            provenance="reconstructed",
        ),
        DerivationStep(
            "second order",
            Claim(m * L**3 * eta, "<=", sympy.Integer(1)),
            "the last term of Lemma 4.2 is a small part of Σ_l η‖∇_{W_l} L_S‖²",
            needed=True,
            provenance="reconstructed",
        ),
        DerivationStep(
            "distance",
            Claim(sqrt(K * eta) * log(n / delta) ** Rational(1, 4), "<=", tau),
            "Σ_k η‖∇_{W_l} L_S(W^(k))‖ ≤ √(K η · Σ_k η‖∇‖²), and the sum is at most 4 L_S(W^(0))",
            needed=True,
            provenance="reconstructed",
        ),
        replace(ENOUGH, provenance="reconstructed"),
        SHORT_STEP,
    ),
)

PROOF_COR_3_1 = Derivation(
    choices=(m, eta, K, tau),
    steps=(
        DerivationStep(
            "error",
            Claim(error, "<=", COR_3_1.guarantees[0].expr),
            "Theorem 3.2, run for ε/2, put into Theorem 3.1",
            because=error,
            uses=("cao2020/thm3.1", "cao2020/thm3.2"),
            put={E_S: epsilon / 2},
        ),
    ),
)


def learning(
    corollary: Theorem, lemma: str, bound: sympy.Expr, where: tuple[Claim, ...] = (), note: str = ""
) -> Derivation:
    """Corollaries 3.2 and 3.3: the lemma's B put into Theorem 3.2 and Corollary 3.1."""
    step_size, iterations = corollary.prescriptions
    return Derivation(
        choices=(m, n, eta, K),
        put={B: bound},
        where=where,
        note=note,
        steps=(
            DerivationStep(
                "(3.1)",
                Claim(G_S, ">=", bound * sqrt(m) * E_S),
                "the gradient lower bound, within Theorem 3.2's τ of the initialization",
                because=G_S,
                uses=(lemma, "cao2020/thm3.2"),
            ),
            DerivationStep(
                "error",
                Claim(error, "<=", epsilon),
                "Corollary 3.1's bound is at most ε at these m and n",
                needed=True,
                uses=("cao2020/cor3.1",),
            ),
            DerivationStep(
                "step size",
                Claim(eta, ">=", step_size.expr),
                "the step size that Theorem 3.2 allows",
                because=eta,
                uses=("cao2020/thm3.2",),
            ),
            DerivationStep(
                "iterations",
                Claim(K, "<=", iterations.expr),
                "the iterations that Theorem 3.2 takes",
                because=K,
                uses=("cao2020/thm3.2",),
            ),
            replace(ENOUGH, says="(4.5) at the step size and the iterations stated here"),
        ),
    )


SMALL_MARGIN = (Claim(2**L, "<=", gamma**-2),)
WHY_SMALL = (
    "the conjugate kernel halves its diagonal at every level: γ ≤ |f(x)| ≤ ‖f‖_H·√κ^(L−1)(x, x) ≤ 2^(−(L−1)/2), "
    "so that 2^L ≤ 2γ^(−2)"
)

PROOF_REM_3_1 = Derivation(
    steps=(
        DerivationStep(
            "Theorem 3.1",
            Claim(gap, "<=", tau * sqrt(m / n)),
            "for τ small enough, here τ ≤ n^(−3/2)",
            because=L * tau * sqrt(m / n) + L**4 * sqrt(m) * tau ** Rational(4, 3),
            where=(Claim(tau, "<=", n ** Rational(-3, 2)),),
            fixed=(L,),
            provenance="reconstructed",
        ),
        *(
            DerivationStep(
                name,
                Claim(gap_uniform, "<=", m * tau / sqrt(n)),
                "at He initialization, ‖W_l‖₂ constant, each layer moved by τ",
                because=gap_uniform,
                uses=(key,),
                put={v_norm: sqrt(m), P_2: sympy.Integer(1), movement: size},
                fixed=(L,),
            )
            for name, key, movement, size in (
                ("Bartlett et al.", "bartlett2017", S_21, L ** Rational(3, 2) * sqrt(m) * tau),
                ("Neyshabur et al.", "neyshabur2018", S_F, sqrt(L * m) * tau),
            )
        ),
    ),
)

PROOF_THM_1_1 = Derivation(
    choices=(m, n),
    steps=tuple(
        DerivationStep(
            f"{symbol.name} of Corollary {corollary.key[-3:]}",
            Claim(symbol, "<=", bound.expr),
            f"Corollary {corollary.key[-3:]} with L, γ and δ constant",
            because=symbol,
            uses=(corollary.key,),
            fixed=(L, gamma, delta),
        )
        for corollary in (COR_3_2, COR_3_3)
        for symbol, bound in zip((m, n), THM_1_1.conditions, strict=True)
    ),
)

PROOFS: Mapping[str, tuple[Derivation, ...]] = {
    "cao2020/thm1.1": (PROOF_THM_1_1,),
    "cao2020/thm3.1": (PROOF_3_1,),
    "cao2020/rem3.1": (PROOF_REM_3_1,),
    "cao2020/thm3.2": (PROOF_3_2, SHARPER_3_2),
    "cao2020/cor3.1": (PROOF_COR_3_1,),
    "cao2020/cor3.2": (learning(COR_3_2, "cao2020/lem4.4", 2**-L * gamma),),
    "cao2020/cor3.3": (learning(COR_3_3, "cao2020/lem4.5", gamma, SMALL_MARGIN, WHY_SMALL),),
}
