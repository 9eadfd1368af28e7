"""The one vocabulary of parameters: names, aliases, domains, defaults and depth conventions.

Every formula of the catalogue is written in the sympy symbols of this file, every number that a user gives is
checked against the domain found here, and every name that a user types is looked up here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import sympy

from boundcalc.errors import InputError, UnknownNameError


@dataclass(frozen=True)
class Domain:
    """The numbers a symbol may take: an interval, perhaps only its integers."""

    lower: Fraction | None = Fraction(0)
    upper: Fraction | None = None
    lower_open: bool = True
    upper_open: bool = False
    integer: bool = False

    def __contains__(self, value: Fraction) -> bool:
        below = self.lower is not None and (value < self.lower or (self.lower_open and value == self.lower))
        above = self.upper is not None and (value > self.upper or (self.upper_open and value == self.upper))
        return not (below or above or (self.integer and value.denominator != 1))

    def __str__(self) -> str:
        if self.integer:
            return f"an integer ≥ {self.lower}" if self.upper is None else f"{self.lower}..{self.upper}"
        if self.upper is None:
            return f"a number {'>' if self.lower_open else '≥'} {self.lower}"
        return f"in {'(' if self.lower_open else '['}{self.lower}, {self.upper}{')' if self.upper_open else ']'}"


POSITIVE = Domain()
COUNT = Domain(lower=Fraction(1), lower_open=False, integer=True)
UNIT = Domain(upper=Fraction(1))
PROBABILITY = Domain(upper=Fraction(1), upper_open=True)


@dataclass(frozen=True)
class Symbol:
    """A parameter of the field.

    `default` is the value assumed, and always reported, where the user gives none and the statement itself
    supplies none. `quantity` is the word under which a bound on this symbol is asked for.
    """

    name: str
    latex: str
    meaning: str
    domain: Domain = POSITIVE
    default: Fraction | None = None
    aliases: tuple[str, ...] = ()
    quantity: str | None = None
    unicode: str = ""

    @property
    def expr(self) -> sympy.Symbol:
        """The sympy symbol in which formulas are written (positive, otherwise without assumptions)."""
        return sympy.Symbol(self.name, positive=True)

    @property
    def text(self) -> str:
        """The symbol as printed in a table."""
        return self.unicode or self.name

    def check(self, value: Fraction, domain: Domain | None = None) -> Fraction:
        """Return `value` if it lies in the domain.

        Raises:
            InputError: it does not; the message echoes the value and names the domain.
        """
        allowed = domain or self.domain
        if value not in allowed:
            raise InputError(f"{self.name} = {show_fraction(value)} is not {allowed}: {self.name} is {self.meaning}")
        return value


def show_fraction(value: Fraction) -> str:
    """Write an exact number as a person would: 5, 0.01, 1/3, 1e+40."""
    if value.denominator == 1:
        return f"{value.numerator}" if abs(value.numerator) < 10**16 else _scientific(value)
    decimal = f"{float(value):.15g}" if abs(value) > Fraction(1, 10**300) else ""
    if decimal and Fraction(decimal) == value:
        return decimal
    text = f"{value.numerator}/{value.denominator}"
    return text if len(text) <= 25 else _scientific(value)


def _scientific(value: Fraction) -> str:
    """Write `value` with up to 15 significant digits, exactly marked by ≈ where digits were dropped."""
    sign = "-" if value < 0 else ""
    magnitude = abs(value)
    exponent = len(str(magnitude.numerator)) - len(str(magnitude.denominator))
    if magnitude < Fraction(10) ** exponent:
        exponent -= 1
    scaled = magnitude / Fraction(10) ** (exponent - 14)
    if round(scaled) == 10**15:  # rounded up to the next power of ten
        scaled, exponent = scaled / 10, exponent + 1
    digits = str(round(scaled))
    mantissa = (digits[0] + "." + digits[1:]).rstrip("0").rstrip(".")
    return f"{'' if scaled.denominator == 1 else '≈'}{sign}{mantissa}e{exponent:+03d}"


_SYMBOLS = (
    Symbol(
        "epsilon", r"\epsilon", "the target accuracy ε", UNIT, Fraction(1, 100),
        ("eps", "ε", "ϵ", "accuracy parameter", "target accuracy", "tolerance"), unicode="ε",
    ),
    Symbol(
        "delta", r"\delta", "the failure probability δ", PROBABILITY, Fraction(1, 20),
        ("δ", "failure probability", "failure"), unicode="δ",
    ),
    Symbol(
        "gamma", r"\gamma", "the separation margin γ of the statement's own assumption", UNIT,
        Fraction(1, 10), ("γ", "margin", "separation margin"), unicode="γ",
    ),
    Symbol(
        "phi", r"\phi", "the least distance φ = min ‖x_i − x_j‖ between inputs", Domain(upper=Fraction(2)),
        Fraction(1, 10), ("φ", "ϕ", "separation", "data separation"), unicode="φ",
    ),
    Symbol(
        "lambda_0", r"\lambda_0", "the least eigenvalue λ₀ of H^∞", UNIT, Fraction(1, 100),
        ("lambda0", "λ0", "λ_0", "least eigenvalue", "lambda"), unicode="λ₀",
    ),
    Symbol(
        "L", "L", "the depth L, as the statement counts it", COUNT, Fraction(3),
        ("depth", "layers", "layer"),
    ),
    Symbol(
        "H", "H", "the number of hidden layers, whatever the statement's depth counts", COUNT, None,
        ("hidden layers", "hidden layer", "hidden_layers"),
    ),
    Symbol(
        "m", "m", "the width m of every hidden layer", COUNT, Fraction(1024),
        ("width", "neurons", "nodes", "hidden units", "hidden nodes", "units"), "width",
    ),
    Symbol(
        "n", "n", "the number n of training examples", COUNT, Fraction(1000),
        ("samples", "sample size", "samplesize", "sample complexity", "examples", "training examples",
         "training samples", "data points", "sample"), "samples",
    ),
    Symbol(
        "d", "d", "the input dimension d", COUNT, Fraction(10),
        ("dimension", "input dimension", "dim", "features"),
    ),
    Symbol(
        "R", "R", "the radius R: weights within R·m^(−α) of the initialization (in cao2019, R·m^(−1/2))", POSITIVE,
        Fraction(1), ("distance constant",),
    ),
    Symbol(
        "B", "B", "the gradient lower bound B of inequality (3.1)", POSITIVE, Fraction(1, 10),
        ("gradient lower bound",), "gradient-constant",
    ),
    Symbol(
        "alpha", r"\alpha", "the output scaling exponent α", Domain(upper=Fraction(1, 2)), Fraction(1, 2),
        ("α", "scaling exponent", "scaling"), unicode="α",
    ),
    Symbol(
        "tau", r"\tau", "the radius τ of the neighbourhood of the initialization", POSITIVE,
        Fraction(1, 10**12), ("τ", "radius", "neighborhood radius", "neighbourhood radius"), "radius",
        unicode="τ",
    ),
    Symbol(
        "eta", r"\eta", "the step size η", POSITIVE, None,
        ("η", "step size", "step-size", "stepsize", "learning rate", "learning-rate", "lr"), "step-size",
        unicode="η",
    ),
    Symbol(
        "T", "T", "the number T of iterations", COUNT, None,
        ("iterations", "iteration", "steps", "gradient steps", "training steps", "iteration count"),
        "iterations",
    ),
    Symbol("K", "K", "the number K of iterations", COUNT, None, (), "iterations"),
    Symbol(
        "error", r"\mathrm{err}", "the population 0-1 error P[y f(x) < 0]", UNIT, None,
        ("test error", "population error", "generalization error", "generalisation error",
         "classification error", "0-1 error", "expected error"), "error",
    ),
    Symbol(
        "gap", r"\mathrm{gap}", "the generalization gap, population minus training error", POSITIVE, None,
        ("generalization gap", "generalisation gap"), "gap",
    ),
    Symbol(
        "gap_uniform", r"\mathrm{gap}_{\mathrm{unif}}",
        "the generalization gap by uniform convergence over norm-bounded networks", POSITIVE, None, (),
        "gap",
    ),
    Symbol(
        "L_S", "L_S", "the training loss L_S(W)", POSITIVE, None,
        ("loss", "training loss", "train loss"), "loss",
    ),
    Symbol(
        "E_S", r"\mathcal{E}_S", "the training surrogate error E_S(W) = −(1/n) Σ ℓ'(y_i f(x_i))", UNIT, None,
        ("surrogate error", "training surrogate error"), "loss",
    ),
    Symbol(
        "L_avg", r"\bar L_S", "the training loss averaged over the iterates", POSITIVE, None,
        ("average loss",), "loss",
    ),
    Symbol(
        "loss_ratio", r"L_S(T)/L_S(0)", "the training loss relative to that at initialization", POSITIVE,
        None, (), "loss",
    ),
    Symbol(
        "L_F", r"L_{\mathcal F}",
        "the least average loss (1/n) Σ ℓ(y_i f(x_i)) over the tangent features F(W^(0), R)", POSITIVE, None,
    ),
    Symbol(
        "dist", r"\|W_l - W_l^{(0)}\|", "the distance of a layer (in ji2020 of a neuron) from its start",
        POSITIVE, None, ("distance", "movement"), "distance",
    ),
    Symbol(
        "J_f", r"\|\nabla_{W_l} f_{W^{(0)}}(x_i)\|_F", "the gradient norm of the output at initialization",
        POSITIVE, None, (), "gradient",
    ),
    Symbol(
        "G_S", r"\|\nabla_{W_l} L_S(W)\|_F", "the gradient norm of the training loss", POSITIVE, None,
        ("gradient", "gradient norm"), "gradient",
    ),
    Symbol(
        "f_0", r"|f_{W^{(0)}}(x_i)|", "the size of the network output at initialization", POSITIVE, None,
        ("output", "initial output"), "output",
    ),
    Symbol(
        "f_lin", r"|f_{\hat W}(x_i) - F_{\tilde W,\hat W}(x_i)|",
        "the distance of the network output from its linearization", POSITIVE, None,
        ("linearization", "linearisation", "linearization error"), "linearization",
    ),
    Symbol(
        "L_lin",
        r"L_S(\hat W) - L_S(\tilde W) - \sum_l\langle\hat W_l - \tilde W_l,\nabla_{W_l}L_S(\tilde W)\rangle",
        "the excess of the training loss over its linearization", POSITIVE, None,
        ("smoothness", "semi-smoothness"), "smoothness",
    ),
    Symbol(
        "D_1", r"\sum_l\|\hat W_l - \tilde W_l\|_2", "the sum over the layers of ‖Ŵ_l − W̃_l‖₂", POSITIVE,
        Fraction(1, 10**12),
    ),
    Symbol(
        "D_2", r"\sum_l\|\hat W_l - \tilde W_l\|_2^2", "the sum over the layers of ‖Ŵ_l − W̃_l‖₂²", POSITIVE,
        Fraction(1, 10**24),
    ),
    Symbol(
        "v_norm", r"\|v\|_2", "the norm ‖v‖₂ of the output vector", POSITIVE, None,
    ),
    Symbol(
        "P_2", r"\prod_l\|W_l\|_2", "the product of the layers' spectral norms", POSITIVE, Fraction(1),
    ),
    Symbol(
        "S_21", r"\Bigl[\sum_l\|W_l^\top - W_l^{(0)\top}\|_{2,1}^{2/3}/\|W_l\|_2^{2/3}\Bigr]^{3/2}",
        "the (2,1)-norm movement relative to the spectral norms, of Bartlett et al.", POSITIVE, Fraction(1),
    ),
    Symbol(
        "S_F", r"\Bigl[\sum_l(\sqrt m\|W_l - W_l^{(0)}\|_F)^2/\|W_l\|_2^2\Bigr]^{1/2}",
        "the Frobenius movement relative to the spectral norms, of Neyshabur et al.", POSITIVE, Fraction(1),
    ),
)  # fmt: skip

VOCABULARY: Mapping[str, Symbol] = MappingProxyType({symbol.name: symbol for symbol in _SYMBOLS})

ALIASES: Mapping[str, str] = MappingProxyType(
    {alias: symbol.name for symbol in _SYMBOLS for alias in (symbol.name, *symbol.aliases)}
)

QUANTITIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        quantity: tuple(symbol.name for symbol in _SYMBOLS if symbol.quantity == quantity)
        for quantity in dict.fromkeys(symbol.quantity for symbol in _SYMBOLS if symbol.quantity)
    }
)

epsilon, delta, gamma, phi, lambda_0, L, m, n, d, R, B, alpha, tau, eta, T, K = (
    VOCABULARY[name].expr for name in "epsilon delta gamma phi lambda_0 L m n d R B alpha tau eta T K".split()
)
error, gap, gap_uniform, L_S, E_S, L_avg, loss_ratio, L_F, dist, J_f, G_S, f_0, f_lin, L_lin = (
    VOCABULARY[name].expr
    for name in "error gap gap_uniform L_S E_S L_avg loss_ratio L_F dist J_f G_S f_0 f_lin L_lin".split()
)
D_1, D_2, v_norm, P_2, S_21, S_F = (VOCABULARY[name].expr for name in "D_1 D_2 v_norm P_2 S_21 S_F".split())


def lookup(name: str) -> Symbol:
    """Find a symbol by name or alias; only a name that no case tells apart is matched regardless of case.

    Raises:
        UnknownNameError: no symbol has this name or alias; the message offers the nearest ones.
    """
    if name in ALIASES:
        return VOCABULARY[ALIASES[name]]
    folded = {alias.casefold(): canonical for alias, canonical in ALIASES.items() if len(alias) > 1}
    if name.casefold() in folded:
        return VOCABULARY[folded[name.casefold()]]
    raise UnknownNameError("symbol", name, ALIASES)


def symbol_of(expr: sympy.Symbol) -> Symbol:
    """Return the vocabulary entry of a sympy symbol of this module."""
    return VOCABULARY[expr.name]


@dataclass(frozen=True)
class Depth:
    """What a paper's L counts; `hidden` says how many hidden layers a network of depth L has beyond L.

    It is None where the number of hidden layers is fixed and L does not enter.
    """

    counts: str
    hidden: int | None
    minimum: int = 1

    def from_hidden_layers(self, hidden_layers: Fraction) -> Fraction:
        """The L of this convention for a network with that many hidden layers."""
        return hidden_layers - (self.hidden or 0)


WEIGHT_MATRICES = Depth("L weight matrices: L − 1 hidden layers and a trained output layer", -1, 2)
HIDDEN_LAYERS = Depth("L hidden layers, and a fixed output vector besides", 0)
TWO_LAYER = Depth("one hidden layer; L does not enter", None)
