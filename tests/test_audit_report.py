"""Audits as people and programs get them: certificates, curves, points, repairs checked from the output alone."""

from __future__ import annotations

import ast
import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sympy
from click.testing import CliRunner
from mpmath import mp, mpf
from shown import run_here
from test_shell import TABLES

from boundcalc.auditing import Audit, audit_all
from boundcalc.auditing import audit as audit_of
from boundcalc.catalogue import CATALOGUE, load
from boundcalc.cli import cli
from boundcalc.constants import ConstantPolicy
from boundcalc.proofs import PROOFS
from boundcalc.report.audits import (
    audit_latex,
    audit_markdown,
    audit_text,
    audits_latex,
    audits_markdown,
    audits_text,
)
from boundcalc.report.styles import TEX, TEXT

ROOT = Path(__file__).parents[1]
OWN = ROOT / "examples" / "own_derivation.toml"
KEYS = [key for key in CATALOGUE if key in PROOFS]

# --- a small calculator of its own: products of powers, read from the printed strings -------------------------------

Powers = dict[str, Fraction]
GROWING = "2^"


def read(formula: str) -> Powers:
    """The exponents of a product of powers; 2^(c·x) is the power c of a variable 2^x, a logarithm one of its own."""
    return _product(ast.parse(formula, mode="eval").body)


def _product(node: ast.expr) -> Powers:
    if isinstance(node, ast.Constant):
        assert node.value == 1
        return {}
    if isinstance(node, ast.Name):
        return {node.id: Fraction(1)}
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        (argument,) = node.args
        if node.func.id == "sqrt":
            return times((_product(argument), Fraction(1, 2)))
        assert node.func.id == "log"
        return {ast.unparse(node).replace(" ", ""): Fraction(1)}
    assert isinstance(node, ast.BinOp), ast.dump(node)
    if isinstance(node.op, ast.Pow):
        if isinstance(node.left, ast.Constant) and node.left.value != 1:
            ((name, factor),) = _linear(node.right).items()
            bits = node.left.value.bit_length() - 1
            assert 2**bits == node.left.value
            return {GROWING + name: factor * bits}
        return times((_product(node.left), _number(node.right)))
    sign = {ast.Mult: Fraction(1), ast.Div: Fraction(-1)}[type(node.op)]
    return times((_product(node.left), Fraction(1)), (_product(node.right), sign))


def _number(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant):
        return Fraction(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(node.operand)
    assert isinstance(node, ast.BinOp)
    assert isinstance(node.op, ast.Div)
    return _number(node.left) / _number(node.right)


def _linear(node: ast.expr) -> dict[str, Fraction]:
    """A number times a symbol."""
    if isinstance(node, ast.Name):
        return {node.id: Fraction(1)}
    if isinstance(node, ast.UnaryOp):
        ((name, factor),) = _linear(node.operand).items()
        return {name: -factor}
    assert isinstance(node, ast.BinOp)
    if isinstance(node.op, ast.Div):
        ((name, factor),) = _linear(node.left).items()
        return {name: factor / _number(node.right)}
    ((name, factor),) = _linear(node.right).items()
    return {name: factor * _number(node.left)}


def times(*parts: tuple[Powers, Fraction]) -> Powers:
    """The product of products, each to a power."""
    found: Powers = {}
    for powers, outer in parts:
        for name, inner in powers.items():
            found[name] = found.get(name, Fraction(0)) + inner * outer
    return {name: power for name, power in found.items() if power}


def over(x: Powers, y: Powers) -> Powers:
    return times((x, Fraction(1)), (y, Fraction(-1)))


def ray(powers: Powers) -> frozenset[tuple[str, Fraction]]:
    """What positive powers of one product have in common."""
    if not powers:
        return frozenset()
    scale = abs(powers[min(powers)])
    return frozenset((name, power / scale) for name, power in powers.items())


def rays(formulas: Iterable[str]) -> frozenset[frozenset[tuple[str, Fraction]]]:
    return frozenset(ray(read(formula)) for formula in formulas)


def outer_powers(pairs: Iterable[tuple[str, str]]) -> list[tuple[Powers, Fraction]]:
    return [(read(formula), Fraction(power)) for formula, power in pairs]


# --- what a program gets ---------------------------------------------------------------------------------------------


def invoke(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["audit", *arguments])
    if isinstance(done.exception, Exception):
        raise done.exception
    return done.exit_code, done.output


@cache
def everything() -> dict[str, Any]:
    code, output = invoke("--json")
    assert code == 3
    return json.loads(output)


def all_audits() -> Iterator[dict[str, Any]]:
    """Every audit in the JSON of the catalogue, other derivations and other repairs included, and an example's."""
    pending = [*everything()["audits"], json.loads(invoke("doe2030/thm2", "--theorems", str(OWN), "--json")[1])]
    while pending:
        found = pending.pop()
        yield found
        pending += [*found["alternatives"], *found["under"].values()]


def steps() -> Iterator[dict[str, Any]]:
    for found in all_audits():
        yield from found["steps"]


def step(key: str, name: str) -> dict[str, Any]:
    (found,) = (one for one in everything()["audits"] if one["theorem"] == key)
    return next(one for one in found["steps"] if one["id"] == name)


def test_every_derivation_of_the_catalogue_is_in_the_table_of_audits() -> None:
    assert [found["theorem"] for found in everything()["audits"]] == KEYS
    assert all(found["verified"] for found in all_audits())
    for found in all_audits():
        assert {"id", "claim", "status", "claimed", "derived", "excess"} <= set().union(*found["steps"])
        assert isinstance(found["repair"], dict)
    assert sum(1 for _ in steps()) > 50


def is_exponential_fact(powers: Powers) -> bool:
    """L^M/2^L, which is bounded for every M."""
    growing = [name for name in powers if name.startswith(GROWING)]
    return len(growing) == 1 and powers[growing[0]] < 0 and set(powers) <= {growing[0], growing[0][2:]}


def check_identity(certificate: Mapping[str, Any], allowed: Iterable[str]) -> None:
    """Π conclusions^weight = Π premises^power; weights are positive and add up to 1; only what is allowed is used."""
    assert "bounded" not in certificate, "no example of this; the checks below do not cover it"
    conclusions, premises = outer_powers(certificate["conclusions"]), outer_powers(certificate["premises"])
    assert times(*conclusions) == times(*premises)
    assert sum(weight for _, weight in conclusions) == 1
    assert all(power > 0 for _, power in (*conclusions, *premises))
    known = [read(formula) for formula in allowed]
    assert all(premise in known or is_exponential_fact(premise) for premise, _ in premises)


def clauses(small: list[list[str]], large: list[list[str]]) -> Iterator[frozenset[Any]]:
    """What small ≤ large says: for each term of the one, and each choice from all terms of the other, some quotient."""
    for term in small:
        for choice in itertools.product(*large):
            yield frozenset(ray(over(read(x), read(y))) for x in term for y in set(choice))


def check_cases(found: list[Mapping[str, Any]], given: list[frozenset[Any]], depth: int = 0) -> None:
    """The cases in which certificates are used are all that there are."""
    if any(len(one["where"]) <= depth for one in found):
        assert len(found) == 1
        return
    cases: dict[frozenset[Any], list[Mapping[str, Any]]] = {}
    for one in found:
        cases.setdefault(ray(read(one["where"][depth])), []).append(one)
    assert frozenset(cases) in given
    for part in cases.values():
        check_cases(part, given, depth + 1)


def check_inequality(found: Mapping[str, Any], certificates: list[Mapping[str, Any]], *, converse: bool) -> None:
    """Every clause of the inequality has a proof from what the step may use."""
    given = [rays(clause) for clause in found["clauses"]]
    proofs: dict[frozenset[Any], list[Mapping[str, Any]]] = {}
    for certificate in certificates:
        check_identity(certificate, (*found["regime"], *found["given"], *certificate["where"]))
        clause = rays(certificate["clause"])
        assert rays(x for x, _ in certificate["conclusions"]) <= clause
        proofs.setdefault(clause, []).append(certificate)
    for group in proofs.values():
        check_cases(group, given)
    sides = (found["large"], found["small"]) if converse else (found["small"], found["large"])
    assert all(any(proven <= clause for proven in proofs) for clause in clauses(*sides))


def test_certificates_prove_what_holds() -> None:
    proven = 0
    for found in steps():
        if found["status"] in ("holds", "loose"):
            check_inequality(found, found["certificate"], converse=False)
            proven += 1
        else:
            assert not found["certificate"]
        if found["because"] is not None and found["status"] == "holds" and not found["exponents"]:
            check_inequality(found, found["converse"], converse=True)
    assert proven > 30


def along(formula: Powers, curve: Mapping[str, Powers]) -> tuple[Fraction, Fraction]:
    """(q, p), where the formula is s^p·2^(q·s) on the curve."""
    moved = []
    for name, power in formula.items():
        if name.startswith(GROWING):
            exponent = curve.get(name[2:], {})
            assert exponent in ({}, {"s": Fraction(1)})
            moved.append(({"2^s": Fraction(1)} if exponent else {}, power))
        else:
            moved.append((curve.get(name, {}), power))
    total = times(*moved)
    assert set(total) <= {"s", "2^s"}
    return total.get("2^s", Fraction(0)), total.get("s", Fraction(0))


def growth_along(terms: list[list[str]], curve: Mapping[str, Powers]) -> tuple[Fraction, Fraction]:
    return max(min(along(read(x), curve) for x in term) for term in terms)


def test_along_the_curve_the_premises_hold_and_the_inequality_fails() -> None:
    seen = 0
    for found in steps():
        if found["status"] == "holds":
            assert "witness" not in found
            continue
        witness = found["witness"]
        curve = {name: read(formula) for name, formula in witness["curve"].items()}
        constant = (Fraction(0), Fraction(0))
        assert all(along(read(x), curve) <= constant for x in (*found["regime"], *found["given"]))
        assert all(any(along(read(x), curve) <= constant for x in clause) for clause in found["clauses"])
        small, large = growth_along(found["small"], curve), growth_along(found["large"], curve)
        above, below = (small, large) if witness["of"] == "claim" else (large, small)
        assert witness["of"] == ("converse" if found["status"] == "loose" else "claim")
        assert above > below
        assert along(read(witness["quotient"]), {"s": {"s": Fraction(1)}}) == (above[0] - below[0], above[1] - below[1])
        # A logarithm moves as that of which it is one does.
        for name, powers in curve.items():
            if name.startswith("log"):
                inner = re.fullmatch(r"log\((?:1/)?(\w+)\)", name)
                assert inner is not None
                assert abs(curve[inner[1]]["2^s"]) == powers["s"]
        seen += 1
    assert seen > 8


def number(printed: str) -> mpf:
    """A number such as 1/20, 2*10**(-8) or 1.5e+27."""
    factors = [re.fullmatch(r"(.*?)(?:\*\*\(?(-?\d+)\)?)?", factor) for factor in re.split(r"(?<!\*)\*(?!\*)", printed)]
    result = mpf(1)
    for factor in factors:
        assert factor is not None
        above, _, below = factor[1].partition("/")
        result *= (mpf(above) / mpf(below or 1)) ** int(factor[2] or 1)
    return result


def value(formula: str, point: Mapping[str, mpf]) -> mpf:
    """The value of a formula at a point, by mpmath."""
    expr = sympy.sympify(formula, locals={name: sympy.Symbol(name) for name in point})
    names = sorted(point)
    return sympy.lambdify(names, expr, "mpmath")(*(point[name] for name in names))


def test_at_the_point_the_formulas_have_the_sizes_that_are_printed() -> None:
    seen = 0
    for found in steps():
        witness = found.get("witness", {})
        if "point" not in witness:
            assert found["status"] in ("holds", "undecided")
            continue
        point = {name: number(printed) for name, printed in witness["point"].items()}
        logs = [mp.log10(value(witness["formulas"][side], point)) for side in ("small", "large")]
        assert logs[0] == pytest.approx(witness["log10_small"], rel=1e-9, abs=1e-9)
        assert logs[1] == pytest.approx(witness["log10_large"], rel=1e-9, abs=1e-9)
        factor = logs[0] - logs[1] if witness["of"] == "claim" else logs[1] - logs[0]
        assert factor == pytest.approx(witness["log10_factor"], rel=1e-6)
        assert witness["log10_factor_further"] > witness["log10_factor"] >= 1
        seen += 1
    assert seen > 8


def test_known_verdicts_and_factors() -> None:
    """(4.2) falls short by 1/B as printed; Theorem 3.1 lacks √(1/n); Corollary 3.1 gives away a factor L."""
    found = step("cao2020/thm3.2", "(4.2)")
    assert (found["status"], found["up_to"]) == ("violated", "constants and logarithms")
    assert over(read(found["derived"]), read(found["claimed"])) == read(found["excess"]) == {"B": Fraction(-1)}
    error = step("cao2020/cor3.1", "error")
    assert (error["status"], error["excess"]) == ("loose", "L")
    assert step("cao2020/thm3.1", "error")["status"] == "violated"
    assert step("cao2020/thm3.2", "(4.3)")["excess"] is None


# --- the repair -------------------------------------------------------------------------------------------------------


def ends(formula: str) -> list[str]:
    """The monomials of a maximum or minimum."""
    node = ast.parse(formula, mode="eval").body
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Max", "Min"):
        return [ast.unparse(part) for part in node.args]
    return [formula]


def test_the_repair_is_forced_and_is_enough() -> None:
    seen = 0
    for found in all_audits():
        proof = found["proof"]
        if proof is None:
            continue
        facts: list[str] = []
        for choice in proof["choices"]:
            own = choice["symbol"]
            large = choice["as"] == "large"
            bounds = [over({own: Fraction(1)}, read(x)) for x in ends(choice["value"])]
            bounds = bounds if large else [over({}, bound) for bound in bounds]
            assert [ray(read(reason["bound"])) for reason in choice["reasons"]] == [ray(bound) for bound in bounds]
            for reason in choice["reasons"]:
                check_identity(reason, (*proof["system"], *proof["regime"]))
                assert [x for x, _ in reason["conclusions"]] == [reason["bound"]]
            if len(bounds) == 1:
                facts.append(f"1/({reason['bound']})")
            facts += [reason["bound"] for reason in choice["reasons"]]
        assert rays(x for one in proof["certificate"] for x in one["clause"]) == rays(proof["system"])
        for certificate in proof["certificate"]:
            known = (*proof["regime"], *certificate["where"])
            check_identity(certificate, (*known, *facts))
            seen += 1
    assert seen > 20


def test_the_repair_is_the_choices_with_the_earlier_ones_put_in() -> None:
    seen = 0
    for found in all_audits():
        values: dict[str, Powers] = {}
        for choice in (found["proof"] or {"choices": []})["choices"]:
            put_in = read(choice["value"])
            for name in ("K", "eta", "tau", "T"):
                if name in values and name in put_in:
                    power = put_in.pop(name)
                    put_in = times((put_in, Fraction(1)), (values[name], power))
            values[choice["symbol"]] = put_in
            assert read(found["repair"][choice["symbol"]]) == put_in
            seen += 1
    assert seen > 10


def test_the_repaired_width_of_theorem_3_2() -> None:
    (found,) = (one for one in everything()["audits"] if one["theorem"] == "cao2020/thm3.2")
    assert read(found["repair"]["m"]) == read("L**18/(B**16*epsilon**2)")
    assert read(found["repair"]["tau"]) == read("1/(B**2*epsilon*sqrt(m))")
    (sharper,) = found["alternatives"]
    assert read(sharper["repair"]["m"]) == read("L**15/(B**8*epsilon**2)")
    (carried,) = (one for one in everything()["audits"] if one["theorem"] == "cao2020/cor3.1")
    assert carried["upstream"]
    assert carried["repair"]["m"] == found["repair"]["m"]
    assert {under["repair"]["m"] for under in carried["under"].values()} == {sharper["repair"]["m"]}


# --- what a person gets ----------------------------------------------------------------------------------------------


@cache
def catalogue_audits() -> tuple[Audit, ...]:
    return audit_all()


def audited(key: str) -> Audit:
    return next(found for found in catalogue_audits() if found.theorem.key == key)


def blocks(text: str) -> list[list[str]]:
    return [block.splitlines() for block in text.split("\n\n")]


@pytest.mark.parametrize("key", KEYS)
def test_a_text_names_every_step_with_its_verdict_and_factor(key: str) -> None:
    found, text = audited(key), audit_text(audited(key))
    assert max(map(len, text.splitlines())) <= 118
    heads = {block[0] for block in blocks(text)}
    for verdict in found.verdicts:
        (head,) = (head for head in heads if re.match(rf"{re.escape(verdict.step.id)} {{2,}}\w", head))
        assert head.split(verdict.step.id, 1)[1].strip().startswith(verdict.status)
        assert ("by a factor" in head) == (verdict.excess is not None)
        assert head.endswith("constants and logarithms" if verdict.up_to_logarithms else "constants")
    assert ("does not refute the statement" in " ".join(text.split())) == (found.status == "violated")


SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def typed(formula: str) -> str:
    """A formula as it is printed, as one for the calculator above."""
    plain = formula.translate(SUBSCRIPTS).replace("^", "**").replace("·", "*")
    return re.sub(r"√(\w+)", r"sqrt(\1)", plain).replace("√(", "sqrt(")


def whole_lines(block: list[str]) -> list[str]:
    """The lines of a block with those put together that were wrapped."""
    joined: list[str] = []
    for line in block:
        if line.startswith(" " * 15):
            joined[-1] += " " + line.strip()
        else:
            joined.append(line)
    return joined


@pytest.mark.parametrize("key", KEYS)
def test_printed_identities_are_true(key: str) -> None:
    """a·L^5·(1/ε)^(5/6) = b, for the a and b that are printed above it."""
    count = 0
    for block in blocks(audit_text(audited(key))):
        sides: dict[str, Powers] = {}
        for line in whole_lines(block):
            shown = line[13:]
            named = re.fullmatch(r"([ab][₀-₉]*) = ([^,]*)(, .*)?", shown)
            if named and not named[2].startswith(("max", "min")):
                sides[typed(named[1])] = read(typed(named[2]))
            identity = re.fullmatch(r"([ab][₀-₉]*\S*·\S.*) = (\S+), (?:for|where) .*", shown)
            if identity:
                left, right = (read(typed(side)) for side in identity.groups())
                for name, powers in sides.items():
                    left, right = (
                        times(
                            ({k: v for k, v in side.items() if k != name}, Fraction(1)),
                            (powers, side.get(name, Fraction(0))),
                        )
                        for side in (left, right)
                    )
                assert left == right, line
                count += 1
    expected = sum(
        bool(one["premises"])
        for found in next(one for one in everything()["audits"] if one["theorem"] == key)["steps"]
        for one in (*found["certificate"], *(found.get("converse", []) if found["status"] == "holds" else []))
        if found["small"] != found["large"]
    )
    assert count == expected


def test_the_text_shows_where_everything_comes_from() -> None:
    text = audit_text(audited("cao2020/thm3.2"))
    for shown in (
        "as stated: K = Õ(L^3/(B^4·ε^2)), η = O(B^2/(L^3·m)), τ = Õ(1/(B·ε·√m))",
        "cao2020/lem4.1: G_S ≤ C_G·√m·E_S",
        "a/b = s^4 grows without bound",
        "every hidden factor C is 1",
        "m ≥ Õ(L^12/(B^4·ε^2))·log(1/δ) → m ≥ Õ(L^18/(B^16·ε^2))",
        "hence m ≥ L^18/(B^16·ε^2)",
        "Another derivation: keeping every layer's gradient",
        "m ≥ Õ(L^12/(B^4·ε^2))·log(1/δ) → m ≥ Õ(L^15/(B^8·ε^2))",
    ):
        assert shown in text
    chen = audit_text(audited("chen2019/thm2.1"))
    assert "alpha = 1/2" in chen
    assert "p_L = 11, p_R = 4: reconstructed" in " ".join(chen.split())
    assert "Repair" not in chen
    assert "cao2020/thm3.2: taken as their own audits repair them" in audit_text(audited("cao2020/cor3.1"))


def test_terms_that_both_sides_have_stay_exact_in_a_repaired_promise() -> None:
    text = " ".join(audit_text(audited("cao2020/thm3.1")).split())
    assert "without 2·E_S, which both sides have exactly" in text
    assert re.search(r"→ error ≤ 2·E_S \+ Õ\(", text)


def test_what_is_undecided_is_said_to_be() -> None:
    found = audited("cao2020/thm3.2")
    first = replace(found.verdicts[0], status="undecided", point=None, notes=("violated: no point was found",))
    undecided = replace(found, verdicts=(first,), repair={}, choices=None, alternatives=(), notes=("why not",))
    text = audit_text(undecided)
    assert "undecided, 1 of 1 steps: (4.2)" in text
    assert "(4.2)        undecided, up to constants and logarithms" in text
    assert "violated: no point was found" in text
    assert "note         why not" in text
    assert "at L = 2" not in text


def test_the_table_has_a_row_for_every_derivation() -> None:
    audits = catalogue_audits()
    text = audits_text(audits)
    assert max(map(len, text.splitlines())) <= 118
    rows = [line for line in text.splitlines() if line.startswith("│")]
    for found in audits:
        (row,) = (row for row in rows if row.split()[1] == found.theorem.key)
        assert [cell.strip() for cell in row.split("│")][2:4] == [str(len(found.verdicts)), found.status]
    for cell in (
        "(4.2) by 1/B",
        "m ≥ L^18/(B^16·ε^2)",
        "by keeping every",
        "m ≥ L^15/(B^8·ε^2)",
        "with upstream repaired:",
    ):
        assert cell in text


# --- LaTeX ------------------------------------------------------------------------------------------------------------


def formulas(tex: str) -> set[str]:
    found = set(re.findall(r"\$([^$]*)\$", tex))
    for group in re.findall(r"\\begin\{align\*\}(.*?)\\end\{align\*\}", tex, re.DOTALL):
        for row in group.strip().split("\\\\\n"):
            equation = re.sub(r"&& \\text\{.*\}", "", row)
            assert equation.count("&") == 1
            found.add(equation.replace("&", "").strip())
    return found


@pytest.mark.parametrize("key", [*KEYS, ""])
def test_latex_is_well_formed_and_read_by_another_program(key: str) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib.mathtext import MathTextParser

    tex = audit_latex(audited(key)) if key else audits_latex(catalogue_audits())
    assert tex.isascii()
    assert re.findall(r"\\begin\{(\w+\*?)\}", tex)
    assert not re.search(r"\\begin\{itemize\}\s*\\end\{itemize\}", tex), "LaTeX has no empty list"
    assert sorted(re.findall(r"\\begin\{(\w+\*?)\}", tex)) == sorted(re.findall(r"\\end\{(\w+\*?)\}", tex))
    bare = re.sub(r"\\[{}$%&#_\\|]", "", tex)
    depth = 0
    for sign in bare:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    assert bare.count("$") % 2 == 0
    outside = re.sub(r"\$[^$]*\$|\\begin\{align\*\}.*?\\end\{align\*\}|^%.*$", "", bare, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"[_^~#]", outside)
    other = {r"\le ": r"\leq ", r"\ge ": r"\geq ", r"\surd": r"\int", r"\Bigl": r"\left", r"\Bigr": r"\right"}
    other |= {r"\sqrt m": r"\sqrt{m}"}
    parser = MathTextParser("agg")
    for formula in formulas(tex):
        for ours, theirs in other.items():
            formula = formula.replace(ours, theirs)
        parser.parse(f"${formula}$")


def test_the_latex_table_is_for_booktabs() -> None:
    rows = audits_latex(catalogue_audits()).splitlines()
    assert rows[0] == r"\begin{tabular}{lrlll}"
    assert [row for row in rows if "rule" in row] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert all(row.count("&") == 4 for row in rows if row.endswith(r"\\"))


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_all_latex_that_commands_print_is_compiled_with_amsmath_and_booktabs_alone(tmp_path: Path) -> None:
    asked = [
        *(["show", theorem.key, "--reading", theorem.reading] for theorem in CATALOGUE.all()),
        *TABLES,
        ["solve", "cao2020/thm3.1", "tau", "width=1e6", "L=2"],
        ["error for n=1e6, L=2"],
        ["compare", "--all", "--quantity", "error"],
    ]
    printed = [run_here([*words, "--tex"], tmp_path) for words in asked]
    assert {code for code, _, _ in printed} == {0}
    own = audit_of("doe2030/thm2", catalogue=load([OWN]))
    audits = (audits_latex(catalogue_audits()), *map(audit_latex, (*catalogue_audits(), own)))
    head = r"\documentclass{article}\usepackage[a0paper]{geometry}\usepackage{amsmath,booktabs}\begin{document}"
    lines = [head, *(tex for _, tex, _ in printed), *audits, r"\end{document}"]
    (tmp_path / "all.tex").write_text("\n\n".join(lines), encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-file-line-error", "-no-shell-escape", "all.tex"],
        cwd=tmp_path, capture_output=True, encoding="latin-1", timeout=120,
    )  # fmt: skip
    assert re.findall(r"^(?:\./all\.tex:\d+:|!).*", done.stdout, re.MULTILINE) == []
    assert done.returncode == 0


@pytest.mark.parametrize("key", [*KEYS, ""])
def test_markdown_says_every_verdict(key: str) -> None:
    audits = (audited(key),) if key else catalogue_audits()
    text = audit_markdown(audits[0]) if key else audits_markdown(audits)
    if not key:
        (table,) = re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
        assert all(f"| {found.theorem.key} | {len(found.verdicts)} | {found.status} |" in table for found in audits)
        return
    headings = [line.replace("\\", "") for line in re.findall(r"^### (.*)$", text, re.MULTILINE)]
    for verdict, heading in zip(audits[0].verdicts, headings, strict=False):
        assert heading.startswith(f"{verdict.step.id}: {verdict.status}")
    assert not re.search(r"(?<!\\)[<>|`]", text)


# --- the command ------------------------------------------------------------------------------------------------------


def test_exit_codes_say_whether_something_is_violated() -> None:
    assert invoke("cao2020/thm3.2")[0] == 3
    assert invoke("cao2020/cor3.1")[0] == 0, "loose is no violation"
    assert invoke("chen2019/thm2.1", "--format", "latex")[0] == 0
    code, text = invoke("doe2030/thm2", "--theorems", str(OWN))
    assert code == 3
    assert "m ≥ Õ(L^12/(γ^6·ε)) → m ≥ Õ(L^12/(ε·γ^8))" in text
    code, text = invoke("--theorems", str(OWN))
    assert code == 3
    assert audits_text((*catalogue_audits(), audit_of("doe2030/thm2", catalogue=load([OWN])))) == text.rstrip("\n")


def test_the_forms_are_those_of_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boundcalc.auditing.audit_all", lambda *_: catalogue_audits())
    assert invoke("--format", "latex") == (3, audits_latex(catalogue_audits()) + "\n")
    assert invoke("cao2020/cor3.1", "--format", "json") == invoke("cao2020/cor3.1", "--json")
    assert invoke("cao2020/cor3.1", "--format", "latex")[1].startswith("% cao2020/cor3.1")


def test_constants_go_into_the_numbers_and_exponents_into_the_orders(tmp_path: Path) -> None:
    file = tmp_path / "constants.toml"
    file.write_text("C_gen = 100\n", "utf-8")
    plain, other = (
        next(
            one for one in json.loads(invoke("cao2020/thm3.1", "--json", *options)[1])["steps"] if one["id"] == "error"
        )
        for options in ((), ("--constants", str(file)))
    )
    assert (plain["excess"], plain["small"], plain["large"]) == (other["excess"], other["small"], other["large"])
    assert other["witness"]["formulas"]["large"] != plain["witness"]["formulas"]["large"]
    claim = next(
        one
        for one in json.loads(invoke("chen2019/thm2.1", "--json", "--set", "p_L=100")[1])["steps"]
        if one["id"] == "(d)"
    )
    assert claim["status"] != "holds"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere/thm1"], "nowhere/thm1"),
        (["zou2020"], "zou2020 has no derivation to audit"),
        (["cao2020"], "cao2020 is a paper"),
        (["cao2020/thm3.1", "--set", "C_gon=2"], "C_gon"),
        (["chen2019/thm2.1", "--strict"], "alpha"),
        (["cao2020/thm3.1", "--json", "--format", "latex"], "--json and --format latex"),
    ],
)
def test_bad_usage_is_answered_in_one_line(arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "boundcalc", "audit", *arguments], capture_output=True, text=True, encoding="utf-8"
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_the_function_is_exported_and_its_package_does_not_hide_it() -> None:
    import boundcalc.auditing

    assert boundcalc.audit is boundcalc.auditing.audit
    assert boundcalc.audit("cao2020/thm3.1", policy=ConstantPolicy({"C": 2})).status == "violated"


def test_a_query_loads_neither_audits_nor_proofs() -> None:
    code = (
        "import sys\nsys.argv = ['boundcalc', 'required width for eps=0.01']\nfrom boundcalc.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('LOADED', *(name for name in sys.modules if name.startswith('boundcalc.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8")
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert "boundcalc.query" in loaded
    assert not {name for name in loaded if name.split(".")[1] in ("auditing", "proofs", "derivation", "tropical")}
    assert not loaded & {"boundcalc.report.audits", "boundcalc.report.audit_json", "boundcalc.report.certificates"}


def test_numbers_are_written_as_readers_take_them_in() -> None:
    from flint import arb

    from boundcalc.numerics import Scaled

    shown = {
        Fraction(1, 20): "0.05",
        Fraction(16): "16",
        Scaled(1, 50): "10^50",
        Scaled(1, -8192): "10^-8192",
        arb(1) / 8: "0.125",
        arb(2) ** 40: "10^12.04",
    }
    for number, text in shown.items():
        assert TEXT.number(number) == text
    assert TEX.number(Scaled(1, -8)) == "10^{-8}"
