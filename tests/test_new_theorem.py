"""A new theorem is data: about twenty lines, and everything else works on it."""

from __future__ import annotations

from fractions import Fraction

import sympy
from mpmath import ceil, log, mpf

from boundcalc.constants import Otilde, Theta
from boundcalc.query import ask
from boundcalc.report.answers import theorem_text
from boundcalc.solving import evaluate
from boundcalc.symbols import HIDDEN_LAYERS, L, delta, eta, m, n
from boundcalc.theorem import Catalogue, Condition, Paper, Prescription, Setting, Theorem

THEOREM = Theorem(
    key="nobody2030/thm1",
    title="wide networks train",
    source=Paper("nobody2030", "Nobody", "On wide networks", "nowhere", "v1").at("Theorem 1"),
    setting=Setting("deep ReLU network", "Gaussian", "logistic", "gradient descent", HIDDEN_LAYERS),
    conditions=(Condition(m, ">=", Otilde(L**3 * n * sympy.log(n / delta), "m"), rising=(L, n), falling=(delta,)),),
    prescriptions=(Prescription(eta, "=", Theta(1 / (L * m), "eta"), falling=(L, m)),),
)


def test_it_is_evaluated() -> None:
    width = evaluate(THEOREM, "width", {"L": 2, "n": 100, "delta": "5%"})
    assert width.value == str(int(ceil(8 * 100 * log(mpf(2000)))))
    assert width.proven
    step = evaluate(THEOREM, "step-size", {"L": 2, "m": 128})
    assert Fraction(step.value or 0) == Fraction(1, 256)


def test_it_is_asked_and_shown() -> None:
    reply = ask("width for L=2", Catalogue([THEOREM]))
    assert [answer.theorem.key for answer in reply.answers] == ["nobody2030/thm1"]
    (condition,) = (line for line in theorem_text(THEOREM).splitlines() if line.startswith("condition"))
    assert all(part in condition for part in ("m ≥ Õ(", "L^3", "log(n/δ)"))
