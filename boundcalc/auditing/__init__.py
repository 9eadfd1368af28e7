"""Audits of derivations: what follows, what is loose, what is violated, and the smallest repair."""

from boundcalc.auditing.audits import Audit, Verdict, audit, audit_all, growth_expr
from boundcalc.auditing.choices import Choice, Repair, smallest_choices
from boundcalc.auditing.confirming import Counterexample
from boundcalc.auditing.judging import Judgement, Premises, judge

__all__ = [
    "Audit",
    "Choice",
    "Counterexample",
    "Judgement",
    "Premises",
    "Repair",
    "Verdict",
    "audit",
    "audit_all",
    "growth_expr",
    "judge",
    "smallest_choices",
]
