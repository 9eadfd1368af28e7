"""Budgets: the internal accuracy, samples, width and iterations that meet a target error at the least cost.

A statement bounds the error by a sum of terms: one falls with the samples, one with the width, one with the internal
accuracy ε. How a target is best divided among them is a geometric program; its solution is rounded to numbers that can
be used, and those are checked in certified arithmetic against the statement as it stands in the catalogue, not as the
program read it. A plan that fails this is never returned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

import sympy
from flint import ctx

from boundcalc.budget.cost import RESOURCES, check_cost, read_cost
from boundcalc.budget.posynomial import BITS, Reader
from boundcalc.budget.problem import ERROR, Check, Choices, Problem, checks, guarantee, restatements
from boundcalc.budget.program import Optimum, Program, minimise
from boundcalc.budget.proof import impossible, lower_bound
from boundcalc.budget.solver import require_cvxpy
from boundcalc.constants import ConstantPolicy, ConstantUse, policy_of
from boundcalc.errors import InputError, NumericsError
from boundcalc.notation import bound_text, text
from boundcalc.numerics import Rounding, Scaled, Value, Values, enclose, log10, round_significant
from boundcalc.parsing import Number, exact
from boundcalc.solving import UNIT, Assumed, evaluate
from boundcalc.symbols import VOCABULARY, show_fraction
from boundcalc.theorem import Theorem

Status = Literal["planned", "infeasible", "not found"]

_LEAST_DIGITS, _RATIO_DIGITS = 9, 6
"""As many as the solver of geometric programs gives, and as many as a comparison needs."""

_PROVEN = sympy.Dummy("proven")

_AGREES = 1e-6
"""A proven bound this near to an optimum, relatively, shows that nothing is cheaper."""


@dataclass(frozen=True)
class Amount:
    """A positive number of any size: to 12 digits, rounded up, and its log₁₀."""

    value: str
    log10: float


@dataclass(frozen=True)
class Part:
    """One resource of a plan: how much of it, and its weight in the cost (None where it is not charged)."""

    resource: str
    unit: str
    formula: sympy.Expr
    amount: Amount
    weight: Fraction | None


@dataclass(frozen=True)
class Term:
    """One term of the error bound, its value, and its share of the target."""

    expr: sympy.Expr
    value: Amount
    share: float


@dataclass(frozen=True)
class Split:
    """A choice of everything, what it costs, and how it divides the target among the terms of the error bound."""

    choices: Mapping[str, Fraction]
    cost: Amount
    parts: tuple[Part, ...]
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Optimality:
    """How good a plan is.

    Attributes:
        scope: `global`, if no choice is cheaper than the real-valued optimum; `local`, if logarithms of the choices
            make the program a succession of convex ones, of which only a stationary point is known.
        attained: whether some choice attains the least cost; else it is only approached.
        free: choices that the cost does not charge for: they can go on without it rising.
        programs: geometric programs solved one after the other.
        least: the real-valued least cost that was found, or approached.
        excess: by what fraction the plan, rounded, costs more than `least`.
        proven: a lower bound on the cost of every choice, proven in ball arithmetic; None where no proof was found.
        gap: by what fraction the plan costs more than `proven`.
        exponent: −d log(least cost)/d log(target): a target 1 % lower costs about `exponent` % more.
    """

    scope: Literal["global", "local"]
    attained: bool
    free: tuple[str, ...]
    programs: int
    least: Amount
    excess: float
    proven: Amount | None
    gap: float | None
    exponent: float


@dataclass(frozen=True)
class Plan:
    """What to use so that the error bound of a statement is at most `target`, and what that costs.

    `explanation` says why there is no plan where `status` is not `planned`; `best` and what belongs to it is then None
    or empty. `even` gives each term of the error bound an equal share of the target, and chooses the rest at the least
    cost; None where that cannot be done. `ratio` is its cost divided by the plan's. `prescribed` is what else the
    statement tells one to use, by symbol.
    """

    theorem: Theorem
    target: Fraction
    weights: Mapping[str, Fraction]
    status: Status
    explanation: str
    best: Split | None
    even: Split | None
    ratio: Amount | None
    optimality: Optimality | None
    checks: tuple[Check, ...]
    prescribed: Mapping[str, str]
    inputs: Mapping[str, Fraction]
    assumed: tuple[Assumed, ...]
    unused: tuple[str, ...]
    constants: tuple[ConstantUse, ...]
    policy: str
    notes: tuple[str, ...]


def plan(
    theorem: Theorem,
    target: Number,
    given: Mapping[str, Number] = MappingProxyType({}),
    cost: str | Mapping[str, Number] = "flops",
    policy: ConstantPolicy = UNIT,
    *,
    strict: bool = False,
) -> Plan:
    """Choose ε, n, m, the iterations (and τ, where the statement leaves it open) for a target error, at least cost.

    Args:
        theorem: a statement that bounds the error, in the reading that is wanted.
        target: the error to be guaranteed, in (0, 1).
        given: numbers by symbol name or alias, as `evaluate` takes them. What could be chosen and is given is kept;
            the input dimension `d` enters the cost.
        cost: a resource (`flops`, `memory`, `samples`), a weighted sum as in `flops=1,samples=1e6`, or the weights by
            name.
        policy: where the values of hidden constants come from.
        strict: refuse to assume an input, or a constant's unit value.

    Raises:
        InputError: a value or name that cannot be used, a statement that bounds no error or not by a posynomial,
            nothing left to choose, or cvxpy is not installed.
        IncompleteError: `strict`, and something would have had to be assumed.
        NumericsError: a solver failed.
    """
    goal = exact(target, "error")
    if not 0 < goal < 1:
        raise InputError(
            f"error={show_fraction(goal)} is no target: a bound on the error says something in (0, 1) only"
        )
    weights = read_cost(cost) if isinstance(cost, str) else check_cost({k: exact(v, k) for k, v in cost.items()})
    numbers = {name: exact(value, name) for name, value in given.items()}
    with ctx.workprec(BITS):
        problem = Problem(theorem, goal, weights, numbers, policy, strict=strict)
        require_cvxpy()
        return _planned(problem)


def verify(plan: Plan) -> tuple[Check, ...]:
    """Check a plan again from what it reports (target, choices, inputs, constants) and nothing else."""
    if plan.best is None:
        return ()
    constants = {use.name: use.value for use in plan.constants}
    values: dict[sympy.Symbol, Value] = {c: constants[c.name] for c in plan.theorem.constants if c.name in constants}
    numbers = {**plan.inputs, **{a.name: a.value for a in plan.assumed}, **plan.best.choices}
    values |= {VOCABULARY[name].expr: value for name, value in numbers.items()}
    return checks(plan.theorem, plan.target, values)


@dataclass(frozen=True)
class _Branch:
    """One branch of the error bound (an argument of its Min), the best choice under it, and the program behind that."""

    bound: sympy.Expr
    program: Program
    optimum: Optimum
    chosen: Choices


def _planned(problem: Problem) -> Plan:
    found = [branch for bound in problem.branches if (branch := _branch(problem, bound)) is not None]
    if not found:
        return _refusal(problem)
    evens = [branch for bound in problem.branches if (branch := _branch(problem, bound, even=True)) is not None]

    def log_cost(branch: _Branch) -> float:
        return float(problem.cost(branch.chosen).log())

    even = min(evens, key=log_cost, default=None)
    best = min([*found, *evens], key=log_cost)  # rounded to integers, an even split can come out on top
    split = _split(problem, best)
    verified = checks(problem.theorem, problem.target, {**problem.values, **best.chosen})
    if not all(check.holds for check in verified):
        raise NumericsError(f"the plan for {problem.theorem.key} failed its verification; nothing is returned")
    return replace(
        _blank(problem),
        status="planned",
        best=split,
        even=None if even is None else _split(problem, even),
        ratio=None if even is None else _near(log_cost(even) - log_cost(best), _RATIO_DIGITS),
        optimality=_optimality(problem, found, log_cost(best)),
        checks=verified,
        prescribed=_prescribed(problem, split.choices),
    )


def _branch(problem: Problem, bound: sympy.Expr, *, even: bool = False) -> _Branch | None:
    program = problem.program(bound, even=even)
    optimum = minimise(program)
    if optimum is None and program.logarithms and not even:
        # The first tangents may have been too far off: start where the error bound is least.
        reached = minimise(problem.reach(bound))
        optimum = minimise(program, reached) if reached is not None else None
    if optimum is None:
        return None
    return _Branch(bound, program, optimum, problem.settled(bound, optimum, even=even))


def _refusal(problem: Problem) -> Plan:
    """No plan, and why: the least error bound that any choice reaches, or conditions that contradict each other."""
    programs = [problem.reach(bound) for bound in problem.branches]
    reached = [optimum for program in programs if (optimum := minimise(program)) is not None]
    convex = not any(program.logarithms for program in programs)
    if reached:
        least = min(optimum.infimum for optimum in reached)
        proven = convex or all(_out_of_reach(problem, bound) for bound in problem.branches)
        explanation = (
            f"no choice brings the error bound below {math.exp(least) * float(problem.target):.6g}, and "
            f"{show_fraction(problem.target)} is asked for"
        )
    else:
        proven = convex or all(impossible(program) for program in programs)
        explanation = "no choice satisfies the conditions of the statement at these inputs"
    return replace(
        _blank(problem),
        status="infeasible" if proven else "not found",
        explanation=explanation + ("" if proven else ": none was found, which does not prove that there is none"),
    )


def _out_of_reach(problem: Problem, bound: sympy.Expr) -> bool:
    """Whether a branch of the error bound is proven to exceed the target at every choice."""
    least = lower_bound(problem.reach(bound))
    return least is not None and bool(least > 0)


def _blank(problem: Problem) -> Plan:
    """What went in, and no plan yet."""
    theorem, context = problem.theorem, problem.context
    promise = guarantee(theorem)
    notes = [promise.note] if promise.note else []
    if promise.probability is not None:
        notes.append(f"with probability ≥ {text(promise.probability)} over the {promise.over}")
    assumed = {VOCABULARY[one.name].expr for one in context.assumed}
    notes += [
        f"taken to hold, with the {text(hypothesis.symbol)} {'assumed' if hypothesis.symbol in assumed else 'given'}, "
        f"at what is chosen: {hypothesis.name}, {hypothesis.statement}"
        for hypothesis in theorem.hypotheses
        if hypothesis.symbol in problem.values
    ]
    notes += [
        f"not imposed: {bound_text(bound)} ({bound.note}); the error bound says what {text(bound.symbol)} it takes"
        for bound in restatements(theorem)
    ]
    return Plan(
        theorem=theorem,
        target=problem.target,
        weights=problem.weights,
        status="not found",
        explanation="",
        best=None,
        even=None,
        ratio=None,
        optimality=None,
        checks=(),
        prescribed=MappingProxyType({}),
        inputs={name: value for name, value in context.inputs.items() if name in context.used},
        assumed=tuple(context.assumed),
        unused=tuple(name for name in context.inputs if name not in context.used),
        constants=tuple(context.constants),
        policy=policy_of(context.constants),
        notes=tuple(dict.fromkeys((*context.cautions, *notes, *theorem.notes))),
    )


def _split(problem: Problem, branch: _Branch) -> Split:
    values = {**problem.values, **branch.chosen}
    terms = []
    for expr in Reader(problem.choices, problem.values).summands(branch.bound):
        ball = enclose(expr, values, BITS)
        terms.append(Term(expr, _amount(expr, values), float(ball / enclose(sympy.Rational(problem.target), {}, BITS))))
    parts = tuple(
        Part(name, RESOURCES[name].unit, formula, _amount(formula, values), problem.weights.get(name))
        for name, formula in problem.costs.items()
    )
    chosen = {symbol.name: value for symbol, value in branch.chosen.items()}
    return Split(chosen, _amount(problem.price, values), parts, tuple(terms))


def _optimality(problem: Problem, found: list[_Branch], cost: float) -> Optimality:
    """How good a plan is that costs e^cost."""
    optimum = min((branch.optimum for branch in found), key=lambda optimum: optimum.infimum)
    convex = not any(branch.program.logarithms for branch in found)
    bounds = [lower_bound(branch.program, float(problem.cost(branch.chosen).log())) for branch in found]
    proofs = [bound.lower() for bound in bounds if bound is not None]
    # A branch that was not planned, and is not proven out of reach, might hide a cheaper plan.
    missing = [bound for bound in problem.branches if bound not in [branch.bound for branch in found]]
    complete = len(proofs) == len(found) and all(_out_of_reach(problem, bound) for bound in missing)
    proven = min(proofs, key=float) if complete else None
    agrees = proven is not None and optimum.infimum - float(proven) < _AGREES
    return Optimality(
        scope="global" if convex or agrees else "local",
        attained=optimum.attained,
        free=tuple(symbol.name for symbol in problem.choices if symbol.name in optimum.free),
        programs=optimum.steps,
        least=_near(optimum.infimum, _LEAST_DIGITS),
        excess=max(math.expm1(cost - optimum.infimum), 0.0),
        proven=None if proven is None else _amount(_PROVEN, {_PROVEN: proven.exp()}, "down"),
        gap=None if proven is None else max(math.expm1(cost - float(proven)), 0.0),
        exponent=optimum.multipliers.get(ERROR, 0.0),
    )


def _prescribed(problem: Problem, chosen: Mapping[str, Fraction]) -> dict[str, str]:
    """What else the statement tells one to use: the step size, the radius."""
    theorem = problem.theorem
    given = {**problem.context.inputs, **chosen}
    return {
        bound.symbol.name: evaluate(theorem, bound.symbol.name, given, problem.policy).number
        for bound in theorem.prescriptions
        if bound.relation == "=" and bound.symbol.name not in given
    }


def _amount(expr: sympy.Expr, values: Values, rounding: Rounding = "up") -> Amount:
    return Amount(str(round_significant(expr, values, rounding)), log10(enclose(expr, values, BITS)))


def _near(log: float, digits: int) -> Amount:
    """e^log, to the nearest of so many digits."""
    exponent = math.floor(log / math.log(10)) - digits + 1
    return Amount(str(Scaled(round(math.exp(log - exponent * math.log(10))), exponent)), _rounded(log / math.log(10)))


def _rounded(number: float) -> float:
    return float(f"{number:.12g}")
