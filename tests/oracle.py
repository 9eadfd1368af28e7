"""A second transcription of every formula, written from the papers and not from the catalogue.

`FORMULAS[statement, symbol]` holds one function for each inequality that the statement puts on the symbol, in reading
order. A function maps a `Point` to the right-hand side, in mpmath. An unfolded reading has `:unfolded` on its key.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from types import MappingProxyType

from mpmath import log, mp, mpf, sqrt


def real(value: Fraction | int) -> mpf:
    """An exact number in mpmath."""
    value = Fraction(value)
    return mpf(value.numerator) / mpf(value.denominator)


class Point:
    """Values of symbols by name; a hidden constant that is not named has its unit value: C = 1, k = 0."""

    def __init__(self, values: Mapping[str, Fraction | int]) -> None:
        self.values = {name: real(value) for name, value in values.items()}

    def __getattr__(self, name: str) -> mpf:
        return self.values[name]

    def C(self, label: str) -> mpf:
        """A factor."""
        return self.values.get(f"C_{label}", mpf(1))

    def power(self, name: str, printed: int) -> mpf:
        """An exponent of poly(…), `printed` unless it is given."""
        return self.values.get(name, mpf(printed))

    def O(self, label: str, g: mpf) -> mpf:
        """O, Θ, Ω: C·g."""
        return self.C(label) * g

    def Ot(self, label: str, g: mpf) -> mpf:
        """Õ, Ω̃: C·g·max(1, log g)^k."""
        return self.C(label) * g * max(mpf(1), log(g)) ** self.values.get(f"k_{label}", mpf(0))


Formula = Callable[[Point], mpf]

THIRD = mpf(1) / 3


def epsilon_only(p: Point) -> mpf:
    return p.epsilon


def chen_width(p: Point) -> mpf:
    poly = p.L ** p.power("p_L", 11) * p.R ** p.power("p_R", 4)
    return p.Ot("m", poly ** (1 / p.alpha) * log(p.n / p.delta) ** (2 / (2 - p.alpha)))


def chen_step_size(p: Point) -> mpf:
    return p.O("eta", p.m ** (-2 * p.alpha) / p.L)


def chen_iterations(p: Point) -> mpf:
    return p.O("T", (p.L * p.R) ** 2 / p.epsilon)


def chen_ball(p: Point) -> mpf:
    return p.R / p.m**p.alpha


def chen_error(p: Point) -> mpf:
    uniform = 4**p.L * p.L**2 * p.R * sqrt(p.m / p.n)
    linear = p.L ** (mpf(3) / 2) * p.R / sqrt(p.n) + p.L ** (11 * THIRD) * p.R ** (4 * THIRD) / p.m ** (p.alpha / 3)
    return 2 * p.L_S + p.Ot("gen", min(uniform, linear)) + p.O("delta", sqrt(log(1 / p.delta) / p.n))


def chen_sgd_step_size(p: Point) -> mpf:
    return p.O("eta", min(p.L * p.R**2 / (p.n * p.epsilon), 1 / p.L) / p.m ** (2 * p.alpha))


def chen_sgd_error(p: Point) -> mpf:
    return (8 * p.L**2 * p.R**2 + 8 * log(1 / p.delta)) / p.n + 24 * p.epsilon


def cao_width_near_start(p: Point) -> mpf:
    second = p.L ** (-8 * THIRD) * p.tau ** (-4 * THIRD) * log(p.m / (p.tau * p.delta))
    return p.C("large") * max(p.L**2 * log(p.m * p.n / p.delta), second)


def cao_radius_near_start(p: Point) -> mpf:
    return p.C("small") / (p.L**6 * log(p.m) ** (mpf(3) / 2))


def cao_error_near_start(p: Point) -> mpf:
    return 2 * p.E_S + p.C("gen") * (
        p.L * p.tau * sqrt(p.m / p.n) + p.L**4 * sqrt(p.m * log(p.m)) * p.tau ** (4 * THIRD)
    )


def width_with(B: Formula) -> Formula:
    return lambda p: p.Ot("m", p.L**12 / (B(p) ** 4 * p.epsilon**2)) * log(1 / p.delta)


def radius_with(B: Formula) -> Formula:
    return lambda p: p.Ot("tau", 1 / (B(p) * p.epsilon * sqrt(p.m)))


def step_size_with(B: Formula) -> Formula:
    return lambda p: p.O("eta", B(p) ** 2 / (p.L**3 * p.m))


def iterations_with(B: Formula) -> Formula:
    return lambda p: p.Ot("K", p.L**3 / (B(p) ** 4 * p.epsilon**2))


def given_B(p: Point) -> mpf:
    return p.B


def random_feature_B(p: Point) -> mpf:
    return p.O("B", p.gamma / 2**p.L)


def conjugate_kernel_B(p: Point) -> mpf:
    return p.O("B", p.gamma)


def cor31_error(p: Point) -> mpf:
    return p.epsilon + p.Ot(
        "gen",
        p.L**2 / (p.B * p.epsilon * sqrt(p.n)) + p.L**4 * (p.B * p.epsilon) ** (-4 * THIRD) / p.m ** (mpf(1) / 6),
    )


def cor31_error_unfolded(p: Point) -> mpf:
    tau = radius_with(given_B)(p)
    sample = p.L * tau * sqrt(p.m / p.n)
    approximation = p.L**4 * sqrt(p.m * log(p.m)) * tau ** (4 * THIRD)
    return 2 * p.epsilon + p.C("gen") * (sample + approximation)


def corollary_step_size(p: Point) -> mpf:
    return p.O("eta", p.gamma**2 / (4**p.L * p.L**3 * p.m))


def cor32_width(p: Point) -> mpf:
    poly = p.L ** p.power("p_m_L", 24) * 2 ** (p.L * p.power("p_m_two_L", 8)) / p.gamma ** p.power("p_m_gamma", 8)
    return p.Ot("m", poly) / p.epsilon**14 * log(1 / p.delta)


def cor32_samples(p: Point) -> mpf:
    poly = p.L ** p.power("p_n_L", 4) * 2 ** (p.L * p.power("p_n_two_L", 2)) / p.gamma ** p.power("p_n_gamma", 2)
    return p.Ot("n", poly) / p.epsilon**4 * log(1 / p.delta)


def cor32_iterations(p: Point) -> mpf:
    poly = p.L ** p.power("p_K_L", 3) * 2 ** (p.L * p.power("p_K_two_L", 4)) / p.gamma ** p.power("p_K_gamma", 4)
    return p.Ot("K", poly) / p.epsilon**2


def cor33_width(p: Point) -> mpf:
    poly = p.L ** p.power("p_m_L", 24) / p.gamma ** p.power("p_m_gamma", 8)
    return p.Ot("m", poly) / p.epsilon**14 * log(1 / p.delta)


def cor33_samples(p: Point) -> mpf:
    poly = p.L ** p.power("p_n_L", 4) / p.gamma ** p.power("p_n_gamma", 2)
    return p.Ot("n", poly) / p.epsilon**4 * log(1 / p.delta)


def lem42_smoothness(p: Point) -> mpf:
    drift = p.C("drift") * p.L**2 * p.tau**THIRD * sqrt(p.m * log(p.m)) * p.D_1 * p.E_S
    return drift + p.C("curvature") * p.m * p.L**3 * p.D_2


def lem44_width(p: Point) -> mpf:
    first = 4**p.L * p.L**2 / p.gamma**2 * log(p.m * p.n * p.L / p.delta)
    second = p.L ** (-8 * THIRD) * p.tau ** (-4 * THIRD) * log(p.m / (p.tau * p.delta))
    return p.C("large") * max(first, second)


def lem45_width(p: Point) -> mpf:
    first = log(p.m * p.n / p.delta) / p.gamma**2
    return p.C("large") * max(first, p.tau ** (-4 * THIRD) * log(p.m / (p.tau * p.delta)))


def ji_lambda(p: Point) -> mpf:
    return (sqrt(2 * log(4 * p.n / p.delta)) + log(4 / p.epsilon)) / (p.gamma / 4)


def cao2019_error(p: Point) -> mpf:
    return 4 * p.L_F + p.O("gen", p.L * p.R / sqrt(p.n) + sqrt(log(1 / p.delta) / p.n))


_chen = {
    "m": chen_width,
    "tau": chen_ball,
    "eta": chen_step_size,
    "T": chen_iterations,
}
_near_start = {"m": cao_width_near_start, "tau": cao_radius_near_start}
_thm32 = {
    "m": width_with(given_B),
    "tau": radius_with(given_B),
    "eta": step_size_with(given_B),
    "K": iterations_with(given_B),
}


def _unfolded(B: Formula, width: Formula, samples: Formula) -> dict[str, Formula | tuple[Formula, ...]]:
    return {
        "m": (width, width_with(B)),
        "n": samples,
        "tau": radius_with(B),
        "eta": step_size_with(B),
        "K": iterations_with(B),
        "error": epsilon_only,
    }


_STATEMENTS: dict[str, dict[str, Formula | tuple[Formula, ...]]] = {
    "chen2019/thm2.1": {**_chen, "L_S": lambda p: 3 * p.epsilon},
    "chen2019/thm2.2": {**_chen, "n": lambda p: p.Ot("n", 1 / p.error**2), "error": chen_error},
    "chen2019/thm2.3": {
        "m": chen_width,
        "tau": chen_ball,
        "eta": chen_sgd_step_size,
        "n": lambda p: p.Ot("n", 1 / p.error),
        "error": chen_sgd_error,
    },
    "cao2020/thm1.1": {
        "m": lambda p: p.Ot("m", p.epsilon**-14),
        "n": lambda p: p.Ot("n", p.epsilon**-4),
        "error": epsilon_only,
    },
    "cao2020/thm3.1": {**_near_start, "error": cao_error_near_start},
    "cao2020/rem3.1": {
        "gap": lambda p: p.Ot("gap", p.tau * sqrt(p.m) / sqrt(p.n)),
        "gap_uniform": lambda p: p.Ot("uniform", p.m * p.tau / sqrt(p.n)),
    },
    "cao2020/thm3.2": {**_thm32, "dist": lambda p: p.tau, "E_S": epsilon_only},
    "cao2020/rem3.2": {"B": lambda p: p.O("B", p.phi ** p.power("p_phi", 1) / p.n ** p.power("p_n", 1))},
    "cao2020/cor3.1": {**_thm32, "error": cor31_error},
    "cao2020/cor3.1:unfolded": {**_thm32, "error": cor31_error_unfolded},
    "cao2020/cor3.2": {
        "m": cor32_width,
        "n": cor32_samples,
        "eta": corollary_step_size,
        "K": cor32_iterations,
        "error": epsilon_only,
    },
    "cao2020/cor3.2:unfolded": _unfolded(
        random_feature_B,
        lambda p: p.Ot("proof", p.L**24 * 2 ** (8 * p.L) / p.gamma**8) / p.epsilon**14,
        lambda p: p.Ot("n", p.L**4 * 4**p.L / p.gamma**2) / p.epsilon**4,
    ),
    "cao2020/cor3.3": {
        "m": cor33_width,
        "n": cor33_samples,
        "eta": corollary_step_size,
        "K": lambda p: p.Ot("K", 1 / p.gamma ** p.power("p_K_gamma", 4)) / p.epsilon**2,
        "error": epsilon_only,
    },
    "cao2020/cor3.3:unfolded": _unfolded(
        conjugate_kernel_B,
        lambda p: p.Ot("proof", p.L**24 / p.gamma**8) / p.epsilon**14,
        lambda p: p.Ot("n", p.L**4 / p.gamma**2) / p.epsilon**4,
    ),
    "cao2020/lem4.1": {
        **_near_start,
        "J_f": lambda p: p.C("J") * sqrt(p.m),
        "G_S": lambda p: p.C("G") * sqrt(p.m) * p.E_S,
    },
    "cao2020/lem4.2": {
        **_near_start,
        "f_lin": lambda p: p.C("lin") * p.L**2 * p.tau**THIRD * sqrt(p.m * log(p.m)) * p.D_1,
        "L_lin": lem42_smoothness,
    },
    "cao2020/lem4.3": {"f_0": lambda p: p.C("f0") * sqrt(log(p.n / p.delta))},
    "cao2020/lem4.4": {
        "m": lem44_width,
        "tau": lambda p: p.C("small") * p.gamma**3 / (8**p.L * p.L**2 * log(p.m) ** (mpf(3) / 2)),
        "G_S": lambda p: p.C("B") * p.gamma * sqrt(p.m) * p.E_S / 2**p.L,
    },
    "cao2020/lem4.5": {
        "m": lem45_width,
        "tau": lambda p: p.C("small") * p.gamma**3 / log(p.m) ** (mpf(3) / 2),
        "G_S": lambda p: p.C("B") * p.gamma * sqrt(p.m) * p.E_S,
    },
    "zou2020": {
        "m": lambda p: p.Ot("m", (p.n**14 + p.n**12 / p.epsilon) * p.L**16 / p.phi**4),
    },
    "zou2019": {
        "m": lambda p: p.Ot("m", p.n**8 * p.L**12 / p.phi**4),
        "T": lambda p: p.O("T", p.n**2 * p.L**2 * log(1 / p.epsilon) / p.phi),
    },
    "allenzhu2019": {
        "m": lambda p: p.Ot("m", p.n**24 * p.L**12 / p.phi**8),
        "T": lambda p: p.O("T", p.n**6 * p.L**2 * log(1 / p.epsilon) / p.phi**2),
    },
    "du2019": {
        "m": lambda p: p.O("m", p.n**6 / (p.lambda_0**4 * p.delta**3)),
        "eta": lambda p: p.O("eta", p.lambda_0 / p.n**2),
        # (1 − ηλ₀/2)^T ≤ ε, solved for T.
        "T": lambda p: log(p.epsilon) / log(1 - p.eta * p.lambda_0 / 2),
        "loss_ratio": lambda p: (1 - p.eta * p.lambda_0 / 2) ** p.T,
    },
    "cao2019": {
        "m": lambda p: p.Ot("m", p.R ** p.power("p_R", 1) * p.L ** p.power("p_L", 1)) * p.n**7 * log(1 / p.delta),
        "eta": lambda p: p.values.get("kappa", mpf(1)) * p.R / (p.m * sqrt(p.n)),
        "error": cao2019_error,
    },
    "ji2020": {
        "m": lambda p: 4096 * ji_lambda(p) ** 2 / p.gamma**6,
        "eta": lambda p: mpf(1),
        "T": lambda p: 2 * ji_lambda(p) ** 2 / (p.eta * p.epsilon),
        "L_avg": epsilon_only,
        "dist": lambda p: 4 * ji_lambda(p) / (p.gamma * sqrt(p.m)),
    },
    "bartlett2017": {"gap_uniform": lambda p: p.Ot("gap", p.v_norm / sqrt(p.n) * p.P_2 * p.S_21)},
    "neyshabur2018": {"gap_uniform": lambda p: p.Ot("gap", p.L * p.v_norm / sqrt(p.n) * p.P_2 * p.S_F)},
}

FORMULAS: Mapping[tuple[str, str], tuple[Formula, ...]] = MappingProxyType(
    {
        (statement, symbol): formulas if isinstance(formulas, tuple) else (formulas,)
        for statement, by_symbol in _STATEMENTS.items()
        for symbol, formulas in by_symbol.items()
    }
)

RELATIONS: Mapping[str, str] = MappingProxyType({"m": ">=", "n": ">=", "T": "<=", "eta": "=", "K": "=", "B": ">="})
"""The relation of a bound on the symbol, `<=` where none is listed; the exceptions are in EXCEPTIONS."""

EXCEPTIONS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        **{
            (statement, "tau"): "="
            for statement in _STATEMENTS
            if statement.startswith(("chen2019", "cao2020/thm3.2", "cao2020/cor"))
        },
        ("ji2020", "eta"): "<=",
        ("ji2020", "T"): "=",
        ("cao2020/lem4.4", "G_S"): ">=",
        ("cao2020/lem4.5", "G_S"): ">=",
    }
)


def relation(statement: str, symbol: str) -> str:
    """The relation that the statement puts between the symbol and its formula."""
    return EXCEPTIONS.get((statement, symbol), RELATIONS.get(symbol, "<="))


_DECADES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"L": (0, 6), "n": (0, 60), "m": (1, 60), "T": (0, 6), "K": (0, 60), "R": (-20, 20), "B": (-20, 2), "eta": (-60, 0)}
)
_UNIT = frozenset("epsilon delta gamma phi lambda_0 alpha error E_S".split())


def random_values(names: Iterable[str], generator: random.Random) -> dict[str, Fraction]:
    """Values over many decades, each within its symbol's domain (m ≥ 2, L ≥ 2)."""
    values = {}
    for name in sorted(names):
        low, high = _DECADES.get(name, (-60, 0) if name in _UNIT else (-60, 20))
        # Exact in seven digits, so that the same number reaches the library and the oracle.
        decimal = generator.uniform(low, high)
        value = Fraction(f"{generator.randint(1_000_000, 9_999_999)}e-7") * Fraction(10) ** int(decimal // 1)
        if name == "alpha":
            value = Fraction(generator.randint(1, 500), 1000)
        if name in ("L", "n", "m", "T", "K"):
            value = Fraction(max(int(value * 10), 2 if name in ("L", "m") else 1))
        values[name] = value
    return values


def rounded_log10(value: mpf) -> mpf:
    """log₁₀ of a positive number."""
    return mp.log10(value)
