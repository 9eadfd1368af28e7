"""Audits of derivations: what follows, what is loose, what is violated, and the smallest repair."""

from boundcalc.audit.auditing import Audit, Verdict, audit, audit_all, growth_expr
from boundcalc.audit.choices import Choice, Repair, smallest_choices
from boundcalc.audit.confirming import Counterexample
from boundcalc.audit.judging import Judgement, Premises, judge

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
