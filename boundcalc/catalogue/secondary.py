"""Results that the two papers compare themselves with.

All are secondary: taken from tables and citations, not from the originals. The conventions that a citation leaves
open (what L counts, which constants are hidden) are marked as such.
"""

from __future__ import annotations

from sympy import Integer, log, sqrt

from boundcalc.catalogue.chen2019 import UNIT_INPUTS
from boundcalc.constants import HiddenConstant, O, Omega, Omegatilde, Otilde, exponent
from boundcalc.symbols import (
    HIDDEN_LAYERS,
    L_F,
    P_2,
    S_21,
    S_F,
    TWO_LAYER,
    WEIGHT_MATRICES,
    L,
    L_avg,
    R,
    T,
    delta,
    dist,
    epsilon,
    error,
    eta,
    gamma,
    gap_uniform,
    lambda_0,
    loss_ratio,
    m,
    n,
    phi,
    v_norm,
)
from boundcalc.theorem import Condition, Guarantee, Hypothesis, Paper, Prescription, Setting, Theorem

SEPARATED = Hypothesis("separation", "‖x_i − x_j‖ ≥ φ for all i ≠ j", symbol=phi, measure="phi")
DEPTH_AS_CITED = "the citation does not say what L counts; hidden layers are assumed"


def paper(key: str, authors: str, title: str, venue: str) -> Paper:
    """A paper known here through its citations."""
    return Paper(key, authors, title, venue, "as cited by chen2019 and cao2020; original not consulted")


def deep_relu(loss: str) -> Setting:
    """A deep ReLU network trained by gradient descent, as far as the citation goes."""
    return Setting("deep fully connected ReLU network", "Gaussian", loss, "gradient descent", HIDDEN_LAYERS)


ZOU2020 = Theorem(
    key="zou2020",
    title="GD trains deep ReLU networks on separated data",
    source=paper(
        "zou2020",
        "Zou, Cao, Zhou, Gu",
        "Gradient descent optimizes over-parameterized deep ReLU networks",
        "Machine Learning 2020",
    ).at("width condition"),
    setting=deep_relu("logistic"),
    hypotheses=(UNIT_INPUTS, SEPARATED),
    conditions=(
        Condition(
            m,
            ">=",
            Omegatilde(n**14 * L**16 * phi**-4 + n**12 * L**16 * phi**-4 / epsilon, "m"),
            rising=(n, L),
            falling=(phi, epsilon),
        ),
    ),
    provenance="secondary",
    notes=(DEPTH_AS_CITED,),
)

ZOU2019 = Theorem(
    key="zou2019",
    title="GD trains deep ReLU networks on separated data, improved",
    source=paper(
        "zou2019",
        "Zou, Gu",
        "An improved analysis of training over-parameterized deep neural networks",
        "NeurIPS 2019",
    ).at("width and iterations"),
    setting=deep_relu("square"),
    hypotheses=(UNIT_INPUTS, SEPARATED),
    conditions=(Condition(m, ">=", Omegatilde(n**8 * L**12 * phi**-4, "m"), rising=(n, L), falling=(phi,)),),
    prescriptions=(
        Prescription(T, "<=", O(n**2 * L**2 / phi * log(1 / epsilon), "T"), rising=(n, L), falling=(phi, epsilon)),
    ),
    provenance="secondary",
    notes=(DEPTH_AS_CITED,),
)

ALLENZHU2019 = Theorem(
    key="allenzhu2019",
    title="GD trains deep ReLU networks on separated data",
    source=paper(
        "allenzhu2019",
        "Allen-Zhu, Li, Song",
        "A convergence theory for deep learning via over-parameterization",
        "ICML 2019",
    ).at("width and iterations"),
    setting=deep_relu("square"),
    hypotheses=(UNIT_INPUTS, SEPARATED),
    conditions=(Condition(m, ">=", Omegatilde(n**24 * L**12 * phi**-8, "m"), rising=(n, L), falling=(phi,)),),
    prescriptions=(
        Prescription(T, "<=", O(n**6 * L**2 * phi**-2 * log(1 / epsilon), "T"), rising=(n, L), falling=(phi, epsilon)),
    ),
    provenance="secondary",
    notes=(DEPTH_AS_CITED,),
)

DU2019 = Theorem(
    key="du2019",
    title="GD trains two-layer ReLU networks at a linear rate",
    source=paper(
        "du2019",
        "Du, Zhai, Póczos, Singh",
        "Gradient descent provably optimizes over-parameterized neural networks",
        "ICLR 2019",
    ).at("main theorem"),
    setting=Setting("two-layer ReLU network", "Gaussian", "square", "gradient descent", TWO_LAYER),
    hypotheses=(
        UNIT_INPUTS,
        Hypothesis(
            "positive H^∞",
            "H^∞_ij = ⟨x_i, x_j⟩ (π − arccos⟨x_i, x_j⟩)/(2π) has least eigenvalue λ₀ > 0",
            symbol=lambda_0,
            measure="lambda_0",
        ),
    ),
    conditions=(
        Condition(m, ">=", Omega(n**6 * lambda_0**-4 * delta**-3, "m"), rising=(n,), falling=(lambda_0, delta)),
    ),
    prescriptions=(
        Prescription(eta, "=", O(lambda_0 / n**2, "eta", "small"), rising=(lambda_0,), falling=(n,)),
        Prescription(
            T,
            "<=",
            -log(1 / epsilon) / log(1 - eta * lambda_0 / 2),
            falling=(epsilon,),
            note="steps until (1 − ηλ₀/2)^T ≤ ε",
            provenance="reconstructed",
        ),
    ),
    guarantees=(
        Guarantee(
            loss_ratio,
            "<=",
            (1 - eta * lambda_0 / 2) ** T,
            probability=1 - delta,
            note="for every T",
        ),
    ),
    provenance="secondary",
)

UNGIVEN = "no source at hand gives it"


def poly_R_L() -> tuple[HiddenConstant, HiddenConstant]:
    """The exponents of poly(R, L), unknown here."""
    return exponent("p_R", "R, L", None, UNGIVEN), exponent("p_L", "R, L", None, UNGIVEN)


def _cao2019() -> Theorem:
    p_R, p_L = poly_R_L()
    kappa = HiddenConstant("kappa", hides="small enough absolute constant", direction="small")
    return Theorem(
        key="cao2019",
        title="online SGD generalizes through neural tangent random features",
        source=paper(
            "cao2019",
            "Cao, Gu",
            "Generalization bounds of stochastic gradient descent for wide and deep neural networks",
            "NeurIPS 2019",
        ).at("main theorem"),
        setting=Setting(
            "deep fully connected ReLU network",
            "Gaussian",
            "logistic",
            "online SGD, one fresh example a step",
            WEIGHT_MATRICES,
        ),
        hypotheses=(
            UNIT_INPUTS,
            Hypothesis(
                "tangent features",
                "F(W^(0), R): tangent features within Frobenius radius R·m^(−1/2)",
                symbol=R,
            ),
        ),
        conditions=(
            Condition(
                m,
                ">=",
                Otilde(R**p_R * L**p_L, "m") * n**7 * log(1 / delta),
                rising=(n, R, L),
                falling=(delta,),
            ),
        ),
        prescriptions=(Prescription(eta, "=", kappa * R / (m * sqrt(n)), rising=(R,), falling=(m, n)),),
        guarantees=(
            Guarantee(
                error,
                "<=",
                4 * L_F + O(L * R / sqrt(n) + sqrt(log(1 / delta) / n), "gen"),
                rising=(L_F, L, R),
                falling=(n, delta),
                probability=1 - delta,
                over="initialization and sample",
                note="in expectation over Ŵ uniform in the iterates",
            ),
        ),
        provenance="secondary",
        supplies={L_F: epsilon},
        notes=(
            "L_F is taken as ε unless you give it",
            DEPTH_AS_CITED.replace("hidden layers are", "weight matrices are"),
        ),
    )


def _ji2020() -> Theorem:
    scale = 4 * (sqrt(2 * log(4 * n / delta)) + log(4 / epsilon)) / gamma
    shorthand = ("lambda", scale)
    return Theorem(
        key="ji2020",
        title="polylogarithmic width suffices for two-layer ReLU networks",
        source=paper(
            "ji2020",
            "Ji, Telgarsky",
            "Polylogarithmic width suffices for gradient descent to achieve arbitrarily small test error "
            "with shallow ReLU networks",
            "ICLR 2020",
        ).at("main theorem"),
        setting=Setting(
            "f(x) = m^(−1/2) Σ_s a_s σ(⟨w_s, x⟩), a_s = ±1 fixed, first layer trained",
            "w_s ~ N(0, I)",
            "logistic",
            "full-batch gradient descent",
            TWO_LAYER,
        ),
        hypotheses=(
            UNIT_INPUTS,
            Hypothesis(
                "NTK margin",
                "some v̄ with ‖v̄(z)‖₂ ≤ 1 has y_i E_z[⟨v̄(z), x_i⟩ 1{⟨z, x_i⟩ > 0}] ≥ γ for every i",
                symbol=gamma,
                measure="gamma_ji2020",
            ),
        ),
        conditions=(
            Condition(
                m,
                ">=",
                4096 * scale**2 / gamma**6,
                rising=(n,),
                falling=(delta, epsilon, gamma),
                shorthand=shorthand,
            ),
        ),
        prescriptions=(
            Prescription(eta, "<=", Integer(1), note="any η ≤ 1"),
            Prescription(
                T,
                "=",
                2 * scale**2 / (eta * epsilon),
                rising=(n,),
                falling=(delta, epsilon, gamma, eta),
                note="rounded up",
                shorthand=shorthand,
            ),
        ),
        guarantees=(
            Guarantee(L_avg, "<=", epsilon, rising=(epsilon,), probability=1 - 3 * delta, note="over t < T"),
            Guarantee(
                dist,
                "<=",
                4 * scale / (gamma * sqrt(m)),
                rising=(n,),
                falling=(delta, epsilon, gamma, m),
                probability=1 - 3 * delta,
                note="every neuron, every t < T",
                shorthand=shorthand,
            ),
        ),
        provenance="secondary",
    )


CAO2019 = _cao2019()
JI2020 = _ji2020()

NORM_BASED = Setting("deep fully connected ReLU network", "any", "any margin loss", "any", HIDDEN_LAYERS)

BARTLETT2017 = Theorem(
    key="bartlett2017",
    title="spectrally normalized margin bound",
    source=paper(
        "bartlett2017",
        "Bartlett, Foster, Telgarsky",
        "Spectrally-normalized margin bounds for neural networks",
        "NeurIPS 2017",
    ).at("as printed in cao2020, Remark 3.1"),
    setting=NORM_BASED,
    guarantees=(
        Guarantee(
            gap_uniform,
            "<=",
            Otilde(v_norm / sqrt(n) * P_2 * S_21, "gap"),
            rising=(v_norm, P_2, S_21),
            falling=(n,),
            over="sample",
        ),
    ),
    provenance="secondary",
    supplies={v_norm: sqrt(m)},
    notes=("‖v‖₂ = √m for the ±1 output vector of cao2020, unless you give it",),
)

NEYSHABUR2018 = Theorem(
    key="neyshabur2018",
    title="PAC-Bayesian spectrally normalized margin bound",
    source=paper(
        "neyshabur2018",
        "Neyshabur, Bhojanapalli, Srebro",
        "A PAC-Bayesian approach to spectrally-normalized margin bounds for neural networks",
        "ICLR 2018",
    ).at("as printed in cao2020, Remark 3.1"),
    setting=NORM_BASED,
    guarantees=(
        Guarantee(
            gap_uniform,
            "<=",
            Otilde(L * v_norm / sqrt(n) * P_2 * S_F, "gap"),
            rising=(L, v_norm, P_2, S_F),
            falling=(n,),
            over="sample",
        ),
    ),
    provenance="secondary",
    supplies={v_norm: sqrt(m)},
    notes=("‖v‖₂ = √m for the ±1 output vector of cao2020, unless you give it",),
)

THEOREMS: tuple[Theorem, ...] = (
    ZOU2020,
    ZOU2019,
    ALLENZHU2019,
    DU2019,
    CAO2019,
    JI2020,
    BARTLETT2017,
    NEYSHABUR2018,
)
