"""boundcalc: the bounds of deep-learning theory, computable, with every hidden constant explicit.

    import boundcalc
    theorem = boundcalc.CATALOGUE["chen2019/thm2.1"]
    boundcalc.evaluate(theorem, "width", {"L": 5, "delta": 0.05}).value
    boundcalc.ask("required width for ε=0.01, L=5").answers
    boundcalc.sweep(theorem, "width", {"L": [2, 3, 5], "delta": 0.05}).log10
    boundcalc.compare("zou2019", "zou2020").region
    boundcalc.audit("cao2020/thm3.2").repair

What there is, and where it is described:

- `CATALOGUE`, the statements, and `load`, those of files besides: `boundcalc.catalogue`
- `ask`, a query in words: `boundcalc.query.ask`
- `evaluate` and `solve`, one question of one statement: `boundcalc.solving.evaluate`, `boundcalc.solving.solve`
- `ConstantPolicy`, where the values of hidden constants come from: `boundcalc.constants.ConstantPolicy`
- `sweep`, ranges of inputs: `boundcalc.sweeps.sweep`
- `compare`, `rank`, which bound is smaller: `boundcalc.comparison.compare`, `boundcalc.comparison.rank`
- `audit`, proofs step by step: `boundcalc.auditing.audit`
- `plan`, the cheapest way to an error: `boundcalc.budget.plan`
- data sets (`boundcalc.data.load`), what theorems assume of them (`boundcalc.estimate`, `boundcalc.measuring`),
  training (`boundcalc.train`) and verifying (`boundcalc.verify`) are imported from there
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from boundcalc.auditing import audit as audit
    from boundcalc.budget import plan as plan
    from boundcalc.catalogue import CATALOGUE as CATALOGUE
    from boundcalc.catalogue import load as load
    from boundcalc.comparison import compare as compare
    from boundcalc.comparison import rank as rank
    from boundcalc.constants import ConstantPolicy as ConstantPolicy
    from boundcalc.query import ask as ask
    from boundcalc.solving import evaluate as evaluate
    from boundcalc.solving import solve as solve
    from boundcalc.sweeps import sweep as sweep

_HOMES = {
    "CATALOGUE": "boundcalc.catalogue",
    "ConstantPolicy": "boundcalc.constants",
    "ask": "boundcalc.query",
    "audit": "boundcalc.auditing",
    "compare": "boundcalc.comparison",
    "evaluate": "boundcalc.solving",
    "load": "boundcalc.catalogue",
    "plan": "boundcalc.budget",
    "rank": "boundcalc.comparison",
    "solve": "boundcalc.solving",
    "sweep": "boundcalc.sweeps",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: `import boundcalc` alone loads nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'boundcalc' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names too, which are imported when they are first used."""
    return sorted({*globals(), *_HOMES})
