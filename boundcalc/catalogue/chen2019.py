"""Chen, Cao, Zou, Gu: How much over-parameterization is sufficient to learn deep ReLU networks?

Encoded from the short version with the scaling exponent α. Its L counts weight matrices.
"""

from __future__ import annotations

from sympy import Min, Rational, log, sqrt

from boundcalc.constants import HiddenConstant, O, Otilde, Theta, exponent
from boundcalc.symbols import (
    L_S,
    WEIGHT_MATRICES,
    L,
    R,
    T,
    alpha,
    delta,
    epsilon,
    error,
    eta,
    m,
    n,
    tau,
)
from boundcalc.theorem import Condition, Guarantee, Hypothesis, Paper, Prescription, Setting, Theorem

CHEN2019 = Paper(
    key="chen2019",
    authors="Chen, Cao, Zou, Gu",
    title="How Much Over-parameterization Is Sufficient to Learn Deep ReLU Networks?",
    venue="arXiv:1911.12360",
    version="short version with scaling exponent α",
)

SCALED_DEEP_RELU = Setting(
    network="f_W(x) = m^α · W_L σ(W_{L−1} ⋯ σ(W_1 x)), α in (0, 1/2], every layer trained, no biases",
    init="entries of W_1..W_{L−1} ~ N(0, 2/m), entries of W_L ~ N(0, 1/m)",
    loss="logistic, ℓ(z) = log(1 + e^(−z)), averaged over the n examples",
    algorithm="full-batch gradient descent",
    depth=WEIGHT_MATRICES,
)
SCALED_DEEP_RELU_ONLINE = Setting(
    network=SCALED_DEEP_RELU.network,
    init=SCALED_DEEP_RELU.init,
    loss=SCALED_DEEP_RELU.loss,
    algorithm="online SGD, one fresh example a step, n steps",
    depth=WEIGHT_MATRICES,
)

UNIT_INPUTS = Hypothesis("unit inputs", "‖x_i‖₂ = 1 for every i")
BINARY_LABELS = Hypothesis("binary labels", "y_i is −1 or +1")
GOOD_WEIGHTS = Hypothesis(
    "(A) good weights near the start",
    "there is W* with ‖W*_l − W_l^(0)‖_F ≤ R·m^(−α) for every l, and ℓ(y_i f_{W*}(x_i)) < ε for every i",
    symbol=R,
    measure="R",
    weaker="larger",
)
ASSUMPTIONS = (UNIT_INPUTS, BINARY_LABELS, GOOD_WEIGHTS)

READ_OFF = (
    "reconstructed: the width at which the approximation term L^(11/3) R^(4/3) m^(−α/3) of Theorem 2.2 is constant"
)


def poly_exponents() -> tuple[HiddenConstant, HiddenConstant]:
    """p_L and p_R of [poly(R, L)]^(1/α)."""
    return exponent("p_L", "R, L", 11, READ_OFF), exponent("p_R", "R, L", 4, READ_OFF)


def _width_condition() -> Condition:
    """m ≥ m*(δ, R, L, α), printed alike in Theorems 2.1 and 2.3 and assumed by 2.2."""
    p_L, p_R = poly_exponents()
    m_star = Otilde((L**p_L * R**p_R) ** (1 / alpha) * log(n / delta) ** (2 / (2 - alpha)), "m")
    return Condition(m, ">=", m_star, rising=(L, R, n), falling=(delta,))


WIDTH = _width_condition()
STEP_SIZE = Prescription(eta, "=", Theta(1 / (L * m ** (2 * alpha)), "eta"), falling=(L, m, alpha))
ITERATIONS = Prescription(T, "<=", O(L**2 * R**2 / epsilon, "T"), rising=(L, R), falling=(epsilon,))
BALL = Prescription(tau, "=", R * m**-alpha, rising=(R,), falling=(m, alpha), note="the ball of assumption (A)")

THM_2_1 = Theorem(
    key="chen2019/thm2.1",
    title="GD reaches training loss 3ε",
    source=CHEN2019.at("Theorem 2.1"),
    setting=SCALED_DEEP_RELU,
    hypotheses=ASSUMPTIONS,
    conditions=(WIDTH,),
    prescriptions=(STEP_SIZE, ITERATIONS, BALL),
    guarantees=(Guarantee(L_S, "<=", 3 * epsilon, rising=(epsilon,), probability=1 - delta, note="at some t ≤ T"),),
)

THM_2_2 = Theorem(
    key="chen2019/thm2.2",
    title="GD generalizes along its whole path",
    source=CHEN2019.at("Theorem 2.2"),
    setting=SCALED_DEEP_RELU,
    hypotheses=ASSUMPTIONS,
    conditions=(WIDTH,),
    prescriptions=(
        STEP_SIZE,
        ITERATIONS,
        BALL,
        Prescription(
            n,
            ">=",
            Otilde(error**-2, "n"),
            falling=(error,),
            note="sample complexity claimed in the introduction, for a wide range of widths; "
            "its hidden constant includes the dependence on L and R",
        ),
    ),
    guarantees=(
        Guarantee(
            error,
            "<=",
            2 * L_S
            + Otilde(
                Min(
                    4**L * L**2 * R * sqrt(m / n),
                    L ** Rational(3, 2) * R / sqrt(n) + L ** Rational(11, 3) * R ** Rational(4, 3) / m ** (alpha / 3),
                ),
                "gen",
            )
            + O(sqrt(log(1 / delta) / n), "delta"),
            rising=(L_S, L, R),
            falling=(n, delta),
            probability=1 - delta,
            over="initialization and sample",
            note="for every t = 0..T",
        ),
    ),
    supplies={L_S: 3 * epsilon, error: epsilon},
    notes=("L_S in the error bound is the loss 3ε of Theorem 2.1 unless you give one",),
)

THM_2_3 = Theorem(
    key="chen2019/thm2.3",
    title="online SGD generalizes",
    source=CHEN2019.at("Theorem 2.3"),
    setting=SCALED_DEEP_RELU_ONLINE,
    hypotheses=ASSUMPTIONS,
    conditions=(WIDTH,),
    prescriptions=(
        Prescription(
            eta,
            "=",
            Theta(m ** (-2 * alpha) * Min(L * R**2 / (n * epsilon), 1 / L), "eta"),
            rising=(R,),
            falling=(m, n, epsilon, alpha),
        ),
        BALL,
        Prescription(
            n,
            ">=",
            Otilde(1 / error, "n"),
            falling=(error,),
            note="sample complexity claimed in the introduction; "
            "its hidden constant includes the dependence on L and R",
        ),
    ),
    guarantees=(
        Guarantee(
            error,
            "<=",
            8 * L**2 * R**2 / n + 8 * log(1 / delta) / n + 24 * epsilon,
            rising=(L, R, epsilon),
            falling=(n, delta),
            probability=1 - delta,
            over="initialization and sample",
            note="in expectation over Ŵ uniform in W^(0), …, W^(n−1); the constants are the paper's",
        ),
    ),
    supplies={error: epsilon},
)

THEOREMS: tuple[Theorem, ...] = (THM_2_1, THM_2_2, THM_2_3)
