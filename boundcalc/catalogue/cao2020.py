"""Cao, Gu: Generalization error bounds of gradient descent for learning over-parameterized deep ReLU networks.

Its L counts hidden layers; the output vector v is fixed. Assumptions 3.1 and 3.2 hold throughout the paper.
"""

from __future__ import annotations

from dataclasses import replace

import sympy
from sympy import Max, Rational, log, sqrt

from boundcalc.constants import (
    O,
    Omega,
    Omegatilde,
    Otilde,
    absolute,
    exponent,
)
from boundcalc.symbols import (
    D_1,
    D_2,
    E_S,
    G_S,
    HIDDEN_LAYERS,
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
    phi,
    tau,
)
from boundcalc.theorem import Condition, Guarantee, Hypothesis, Paper, Prescription, Setting, Theorem

CAO2020 = Paper(
    key="cao2020",
    authors="Cao, Gu",
    title="Generalization Error Bounds of Gradient Descent for Learning Over-parameterized Deep ReLU Networks",
    venue="AAAI 2020",
    version="arXiv:1902.01384",
)

HE_DEEP_RELU = Setting(
    network="f_W(x) = vᵀ σ(W_Lᵀ σ(W_{L−1}ᵀ ⋯ σ(W_1ᵀ x))), v fixed, half +1 and half −1, no biases",
    init="entries of W_l ~ N(0, 2/m_l)",
    loss="logistic, ℓ(z) = log(1 + e^(−z)), averaged over the n examples",
    algorithm="full-batch gradient descent on W_1..W_L for K iterations (Algorithm 1)",
    depth=HIDDEN_LAYERS,
)

SPHERE = Hypothesis("Assumption 3.1", "the inputs lie on the unit sphere")
BALANCED = Hypothesis("Assumption 3.2", "max m_l / min m_l = O(1); here every m_l = m")
RANDOM_FEATURES = Hypothesis(
    "Assumption 3.3",
    "f(x) = ∫ c(u) σ(uᵀx) p(u) du with p standard Gaussian and |c| ≤ 1 has y_i f(x_i) ≥ γ > 0 for every i",
    symbol=gamma,
    measure="gamma_random_feature",
)
CONJUGATE_KERNEL = Hypothesis(
    "Assumption 3.4",
    "some f in the RKHS of the conjugate kernel κ^(L−1), ‖f‖_H ≤ 1, has y_i f(x_i) ≥ γ > 0 for every i",
    symbol=gamma,
    measure="gamma_conjugate_kernel",
)
GRADIENT_BOUND = Hypothesis(
    "(3.1)",
    "‖∇_{W_L} L_S(W)‖_F ≥ B √m E_S(W) for all W within τ of the initialization, B independent of m",
    symbol=B,
    measure="B",
)
ALWAYS = (SPHERE, BALANCED)

THM_1_1 = Theorem(
    key="cao2020/thm1.1",
    title="informal: Corollaries 3.2 and 3.3",
    source=CAO2020.at("Theorem 1.1 (informal)"),
    setting=HE_DEEP_RELU,
    hypotheses=(*ALWAYS, Hypothesis("separable data", "Assumption 3.3 or 3.4, with L and γ constant")),
    conditions=(
        Condition(m, ">=", Omegatilde(epsilon**-14, "m"), falling=(epsilon,)),
        Condition(n, ">=", Omegatilde(epsilon**-4, "n"), falling=(epsilon,)),
    ),
    guarantees=(Guarantee(error, "<=", epsilon, rising=(epsilon,), note="with high probability"),),
    notes=("the hidden constants include the dependence on L, γ and δ",),
)


def near_initialization() -> tuple[Condition, ...]:
    """The two conditions shared by Theorem 3.1 and Lemmas 4.1, 4.2: m on both sides, and m capped through log m."""
    return (
        Condition(
            m,
            ">=",
            absolute("large", "large")
            * Max(
                L**2 * log(m * n / delta),
                L ** Rational(-8, 3) * tau ** Rational(-4, 3) * log(m / (tau * delta)),
            ),
            rising=(n,),
            falling=(delta, tau),
        ),
        Condition(
            tau,
            "<=",
            absolute("small", "small") * L**-6 * log(m) ** Rational(-3, 2),
            falling=(L, m),
        ),
    )


THM_3_1 = Theorem(
    key="cao2020/thm3.1",
    title="generalization near initialization",
    source=CAO2020.at("Theorem 3.1"),
    setting=HE_DEEP_RELU,
    hypotheses=ALWAYS,
    conditions=near_initialization(),
    guarantees=(
        Guarantee(
            error,
            "<=",
            2 * E_S + absolute("gen") * (L * tau * sqrt(m / n) + L**4 * sqrt(m * log(m)) * tau ** Rational(4, 3)),
            rising=(E_S, L, tau, m),
            falling=(n,),
            probability=1 - delta,
            over="initialization and sample",
            note="for all W within τ of the initialization",
        ),
    ),
    supplies={E_S: epsilon},
    notes=("E_S in the error bound is the ε of Theorem 3.2 unless you give one",),
)

REM_3_1 = Theorem(
    key="cao2020/rem3.1",
    title="dependence of the generalization gap on the width, compared",
    source=CAO2020.at("Remark 3.1"),
    setting=HE_DEEP_RELU,
    hypotheses=(*ALWAYS, Hypothesis("He initialization", "‖W_l‖₂ = Õ(1) and ‖W_l − W_l^(0)‖_{2,1} ≤ √m τ")),
    guarantees=(
        Guarantee(
            gap,
            "<=",
            Otilde(tau * sqrt(m / n), "gap"),
            rising=(tau, m),
            falling=(n,),
            note="Theorem 3.1, for τ small enough",
        ),
        Guarantee(
            gap_uniform,
            "<=",
            Otilde(m * tau / sqrt(n), "uniform"),
            rising=(tau, m),
            falling=(n,),
            note="Bartlett et al. 2017 and Neyshabur et al. 2018 at He initialization",
        ),
    ),
)


def converges(
    bound: sympy.Expr, hard: sympy.Symbol, source_of_m: str = ""
) -> tuple[Condition, *tuple[Prescription, ...]]:
    """Width, radius, step size and iterations of Theorem 3.2 when (3.1) holds with B = `bound`.

    `hard` is the symbol that B rises with: B itself, or the margin that a lemma makes it of.
    """
    return (
        Condition(
            m,
            ">=",
            Otilde(L**12 * bound**-4 * epsilon**-2, "m") * log(1 / delta),
            rising=(L,),
            falling=(hard, epsilon, delta),
            note=source_of_m,
        ),
        Prescription(
            tau,
            "=",
            Otilde(1 / (bound * epsilon * sqrt(m)), "tau"),
            falling=(hard, epsilon, m),
            note="the neighbourhood on which (3.1) must hold",
        ),
        Prescription(eta, "=", O(L**-3 * bound**2 / m, "eta", "small"), rising=(hard,), falling=(L, m)),
        Prescription(K, "=", Otilde(L**3 * bound**-4 * epsilon**-2, "K"), rising=(L,), falling=(hard, epsilon)),
    )


WIDTH_3_2, *USE_3_2 = converges(B, B)

THM_3_2 = Theorem(
    key="cao2020/thm3.2",
    title="GD stays near initialization and reaches surrogate error ε",
    source=CAO2020.at("Theorem 3.2"),
    setting=HE_DEEP_RELU,
    hypotheses=(*ALWAYS, GRADIENT_BOUND),
    conditions=(WIDTH_3_2,),
    prescriptions=tuple(USE_3_2),
    guarantees=(
        Guarantee(dist, "<=", tau, rising=(tau,), probability=1 - delta, note="(i) every iterate, every layer"),
        Guarantee(E_S, "<=", epsilon, rising=(epsilon,), probability=1 - delta, note="(ii) at some k < K"),
    ),
)

UNKNOWN_POWER = "no source at hand gives it"

REM_3_2 = Theorem(
    key="cao2020/rem3.2",
    title="the gradient lower bound under data separation",
    source=CAO2020.at("Remark 3.2"),
    setting=HE_DEEP_RELU,
    hypotheses=(*ALWAYS, Hypothesis("separation", "‖x_i − x_j‖ ≥ φ for all i ≠ j", symbol=phi, measure="phi")),
    guarantees=(
        Guarantee(
            B,
            ">=",
            Omega(
                phi ** exponent("p_phi", "φ, 1/n", None, UNKNOWN_POWER)
                / n ** exponent("p_n", "φ, 1/n", None, UNKNOWN_POWER),
                "B",
                "small",
            ),
            rising=(phi,),
            falling=(n,),
        ),
    ),
    notes=("with this B, the error bound of Corollary 3.1 grows with n: it is vacuous",),
)

COR_3_1 = Theorem(
    key="cao2020/cor3.1",
    title="GD generalizes, given (3.1)",
    source=CAO2020.at("Corollary 3.1"),
    setting=HE_DEEP_RELU,
    hypotheses=(*ALWAYS, GRADIENT_BOUND),
    conditions=(WIDTH_3_2,),
    prescriptions=tuple(USE_3_2),
    guarantees=(
        Guarantee(
            error,
            "<=",
            epsilon
            + Otilde(
                L**2 / (B * epsilon * sqrt(n)) + L**4 * (B * epsilon) ** Rational(-4, 3) * m ** Rational(-1, 6),
                "gen",
            ),
            rising=(L,),
            falling=(B, n, m),
            probability=1 - delta,
            over="initialization and sample",
            note="at some iterate",
        ),
    ),
)

TAU_3_2 = USE_3_2[0].expr

COR_3_1_UNFOLDED = replace(
    COR_3_1,
    reading="unfolded",
    source=CAO2020.at("Corollary 3.1, as Theorem 3.2's τ and E_S ≤ ε put into Theorem 3.1's bound"),
    provenance="reconstructed",
    guarantees=(
        replace(
            COR_3_1.guarantees[0],
            expr=THM_3_1.guarantees[0].expr.xreplace({tau: TAU_3_2, E_S: epsilon}),
            # Not in m: √log m outgrows the fall of m^(−1/6) until log m = 3.
            falling=(B, n),
        ),
    ),
    notes=("2ε where the statement prints ε: Theorem 3.1 bounds the error by twice the surrogate error",),
)

FROM_PROOF = "from the proof, which plugs this power in"
FROM_3_2 = "reconstructed: the lemma's B put into the K of Theorem 3.2"


def poly(of: str, label: str, origin: str, **powers: int) -> sympy.Expr:
    """poly(…) as Π base^p, one named exponent p_label_base for each base: L, two_L (for 2^L), gamma (for 1/γ)."""
    bases = {"L": L, "two_L": 2**L, "gamma": 1 / gamma}
    return sympy.Mul(
        *(bases[base] ** exponent(f"p_{label}_{base}", of, value, origin) for base, value in powers.items())
    )


LEARNS = Guarantee(
    error,
    "<=",
    epsilon,
    rising=(epsilon,),
    probability=1 - delta,
    over="initialization and sample",
    note="at some iterate",
)


def learns(
    number: str,
    title: str,
    assumption: Hypothesis,
    poly_m: sympy.Expr,
    poly_n: sympy.Expr,
    poly_K: sympy.Expr,
    K_rising: tuple[sympy.Symbol, ...],
) -> Theorem:
    """The common form of Corollaries 3.2 and 3.3, as stated."""
    return Theorem(
        key=f"cao2020/cor{number}",
        title=title,
        source=CAO2020.at(f"Corollary {number}"),
        setting=HE_DEEP_RELU,
        hypotheses=(*ALWAYS, assumption),
        conditions=(
            Condition(
                m,
                ">=",
                Otilde(poly_m, "m") * epsilon**-14 * log(1 / delta),
                rising=(L,),
                falling=(gamma, epsilon, delta),
            ),
            Condition(
                n,
                ">=",
                Otilde(poly_n, "n") * epsilon**-4 * log(1 / delta),
                rising=(L,),
                falling=(gamma, epsilon, delta),
            ),
        ),
        prescriptions=(
            Prescription(eta, "=", O(4**-L * L**-3 * gamma**2 / m, "eta", "small"), rising=(gamma,), falling=(L, m)),
            Prescription(K, "=", Otilde(poly_K, "K") * epsilon**-2, rising=K_rising, falling=(gamma, epsilon)),
        ),
        guarantees=(LEARNS,),
    )


def unfolded(stated: Theorem, lemma: str, B_of_lemma: sympy.Expr, m_star: sympy.Expr, n_star: sympy.Expr) -> Theorem:
    """What the proof plugs in: the lemma's B put into Theorem 3.2, and the m and n that it names."""
    width, *use = converges(Omega(B_of_lemma, "B", "small"), gamma, f"Theorem 3.2 with the B of {lemma}")
    return replace(
        stated,
        reading="unfolded",
        source=CAO2020.at(f"proof of {stated.source.locator}"),
        provenance="reconstructed",
        conditions=(
            Condition(
                m,
                ">=",
                Otilde(m_star, "proof") * epsilon**-14,
                rising=(L,),
                falling=(gamma, epsilon),
                note="plugged into Corollary 3.1",
            ),
            width,
            Condition(n, ">=", Otilde(n_star, "n") * epsilon**-4, rising=(L,), falling=(gamma, epsilon)),
        ),
        prescriptions=tuple(use),
    )


COR_3_2 = learns(
    "3.2",
    "GD learns data separable by random ReLU features",
    RANDOM_FEATURES,
    poly("2^L, 1/γ", "m", FROM_PROOF, L=24, two_L=8, gamma=8),
    poly("2^L, 1/γ", "n", FROM_PROOF, L=4, two_L=2, gamma=2),
    poly("2^L, 1/γ", "K", FROM_3_2, L=3, two_L=4, gamma=4),
    K_rising=(L,),
)
COR_3_2_UNFOLDED = unfolded(
    COR_3_2, "Lemma 4.4", 2**-L * gamma, L**24 * 2 ** (8 * L) * gamma**-8, L**4 * 4**L * gamma**-2
)

# The step size is printed with the factor 4^(−L) of Corollary 3.2.
COR_3_3 = learns(
    "3.3",
    "GD learns data separable by the conjugate kernel",
    CONJUGATE_KERNEL,
    poly("L, 1/γ", "m", FROM_PROOF, L=24, gamma=8),
    poly("L, 1/γ", "n", FROM_PROOF, L=4, gamma=2),
    poly("1/γ", "K", FROM_3_2, gamma=4),
    K_rising=(),
)
COR_3_3_UNFOLDED = unfolded(COR_3_3, "Lemma 4.5", gamma, L**24 * gamma**-8, L**4 * gamma**-2)

LEM_4_1 = Theorem(
    key="cao2020/lem4.1",
    title="gradient upper bounds near initialization",
    source=CAO2020.at("Lemma 4.1"),
    setting=HE_DEEP_RELU,
    hypotheses=ALWAYS,
    conditions=near_initialization(),
    guarantees=(
        Guarantee(J_f, "<=", absolute("J") * sqrt(m), rising=(m,), probability=1 - delta, note="every l and i"),
        Guarantee(
            G_S,
            "<=",
            absolute("G") * sqrt(m) * E_S,
            rising=(m, E_S),
            probability=1 - delta,
            note="every l, all W within τ of the initialization",
        ),
    ),
    supplies={E_S: epsilon},
    notes=("the lemma writes one C for both bounds; each has its own here",),
)

LEM_4_2 = Theorem(
    key="cao2020/lem4.2",
    title="near-linearity and semi-smoothness",
    source=CAO2020.at("Lemma 4.2"),
    setting=HE_DEEP_RELU,
    hypotheses=ALWAYS,
    conditions=near_initialization(),
    guarantees=(
        Guarantee(
            f_lin,
            "<=",
            absolute("lin") * L**2 * tau ** Rational(1, 3) * sqrt(m * log(m)) * D_1,
            rising=(L, tau, m, D_1),
            probability=1 - delta,
            note="every i, all Ŵ, W̃ within τ of the initialization",
        ),
        Guarantee(
            L_lin,
            "<=",
            absolute("drift") * L**2 * tau ** Rational(1, 3) * sqrt(m * log(m)) * D_1 * E_S
            + absolute("curvature") * m * L**3 * D_2,
            rising=(L, tau, m, D_1, D_2, E_S),
            probability=1 - delta,
            note="all Ŵ, W̃ within τ of the initialization; E_S at W̃",
        ),
    ),
    supplies={E_S: epsilon},
    notes=("the lemma writes one C for all three terms; each has its own here",),
)

LEM_4_3 = Theorem(
    key="cao2020/lem4.3",
    title="size of the output at initialization",
    source=CAO2020.at("Lemma 4.3 (from zou2020)"),
    setting=HE_DEEP_RELU,
    hypotheses=ALWAYS,
    guarantees=(
        Guarantee(
            f_0,
            "<=",
            absolute("f0") * sqrt(log(n / delta)),
            rising=(n,),
            falling=(delta,),
            probability=1 - delta,
            note="every i",
        ),
    ),
)

LEM_4_4 = Theorem(
    key="cao2020/lem4.4",
    title="gradient lower bound under random ReLU features",
    source=CAO2020.at("Lemma 4.4"),
    setting=HE_DEEP_RELU,
    hypotheses=(*ALWAYS, RANDOM_FEATURES),
    conditions=(
        Condition(
            m,
            ">=",
            absolute("large")
            * Max(
                4**L * L**2 * gamma**-2 * log(m * n * L / delta),
                L ** Rational(-8, 3) * tau ** Rational(-4, 3) * log(m / (tau * delta)),
            ),
            rising=(n,),
            falling=(gamma, delta, tau),
        ),
        Condition(
            tau,
            "<=",
            absolute("small", "small") * 8**-L * L**-2 * gamma**3 * log(m) ** Rational(-3, 2),
            rising=(gamma,),
            falling=(L, m),
        ),
    ),
    guarantees=(
        Guarantee(
            G_S,
            ">=",
            absolute("B", "small") * 2**-L * gamma * sqrt(m) * E_S,
            rising=(gamma, m, E_S),
            falling=(L,),
            probability=1 - delta,
            note="layer L, all W within τ of the initialization; so (3.1) holds with B = C·2^(−L)·γ",
        ),
    ),
    supplies={E_S: epsilon},
)

LEM_4_5 = Theorem(
    key="cao2020/lem4.5",
    title="gradient lower bound under the conjugate kernel",
    source=CAO2020.at("Lemma 4.5"),
    setting=HE_DEEP_RELU,
    hypotheses=(*ALWAYS, CONJUGATE_KERNEL),
    conditions=(
        Condition(
            m,
            ">=",
            absolute("large")
            * Max(
                gamma**-2 * log(m * n / delta),
                tau ** Rational(-4, 3) * log(m / (tau * delta)),
            ),
            rising=(n,),
            falling=(gamma, delta, tau),
        ),
        Condition(
            tau,
            "<=",
            absolute("small", "small") * gamma**3 * log(m) ** Rational(-3, 2),
            rising=(gamma,),
            falling=(m,),
        ),
    ),
    guarantees=(
        Guarantee(
            G_S,
            ">=",
            absolute("B", "small") * gamma * sqrt(m) * E_S,
            rising=(gamma, m, E_S),
            probability=1 - delta,
            note="layer L, all W within τ of the initialization; so (3.1) holds with B = C·γ",
        ),
    ),
    supplies={E_S: epsilon},
)

THEOREMS: tuple[Theorem, ...] = (
    THM_1_1,
    THM_3_1,
    REM_3_1,
    THM_3_2,
    REM_3_2,
    COR_3_1,
    COR_3_1_UNFOLDED,
    COR_3_2,
    COR_3_2_UNFOLDED,
    COR_3_3,
    COR_3_3_UNFOLDED,
    LEM_4_1,
    LEM_4_2,
    LEM_4_3,
    LEM_4_4,
    LEM_4_5,
)
