"""The manual: its pages, and the one that is generated from the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from boundcalc.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from boundcalc.auditing import Audit
    from boundcalc.theorem import Bound, Catalogue, Theorem

PAGES: Mapping[str, str] = MappingProxyType(
    {
        "index": "what there is, and where to begin",
        "verdicts": "what a verdict says and does not say",
        "theorems": "every statement: what it says, its constants, its provenance, its audit",
        "own_theorem": "how to add a theorem, its derivation and its experiment",
        "engines": "which engine trains: dense, matrixfree, infinite, sharded",
    }
)
"""The pages by name, with what they are about."""

GENERATED = "theorems"
"""The page that is written from the catalogue."""

_HEAD = """# The theorems

Written from the catalogue by `boundcalc manual -o DIR`; not edited by hand.

Formulas are as the paper writes them, up to names: Õ(g) stands for C·g·max(1, log g)^k with a factor C and a power k
that the paper does not give, and every such constant is listed. A constant that is "large enough" must be no smaller
than some number that nobody has published. *Provenance* is `stated` (printed in the paper), `reconstructed` (read off a
proof) or `secondary` (known from a citation only). The *audit* is of the algebra by which a statement is derived from
those it uses: a violated step does not follow from what is printed, which does not refute the statement (see
[verdicts](verdicts.md)).

"""


def page(name: str, catalogue: Catalogue | None = None) -> str:
    """A page in Markdown; that of the theorems is generated if a catalogue is given, else as it was shipped.

    Raises:
        UnknownNameError: there is no such page.
    """
    if name not in PAGES:
        raise UnknownNameError("page", name, PAGES, f"the pages are {', '.join(PAGES)}")
    if name == GENERATED and catalogue is not None:
        return theorems_page(catalogue)
    return files("boundcalc").joinpath("manual", f"{name}.md").read_text("utf-8")


def write_manual(folder: Path, catalogue: Catalogue) -> tuple[Path, ...]:
    """Write every page into a folder, that of the theorems from the catalogue.

    Raises:
        InputError: the folder cannot be written to.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in PAGES:
            path = folder / f"{name}.md"
            path.write_text(page(name, catalogue), encoding="utf-8")
            written.append(path)
    except OSError as problem:
        raise InputError(f"-o {str(folder)!r} cannot be written: {problem.strerror}; give another folder") from None
    return tuple(written)


def theorems_page(catalogue: Catalogue) -> str:
    """The reference of a catalogue's statements, in Markdown with LaTeX formulas."""
    from boundcalc.auditing import audit_all

    audits = {audit.theorem.key: audit for audit in audit_all(catalogue)}
    contents = (f"- [`{theorem.key}`](#{_anchor(theorem)}): {theorem.title}" for theorem in catalogue.values())
    entries = (_entry(theorem, catalogue, audits.get(theorem.key)) for theorem in catalogue.values())
    return _HEAD + "\n".join(contents) + "\n\n" + "\n\n".join("\n".join(entry) for entry in entries) + "\n"


def _anchor(theorem: Theorem) -> str:
    """The address that a heading gets from its text: letters and digits of it."""
    return "".join(letter for letter in theorem.key if letter.isalnum() or letter in "-_")


def _entry(theorem: Theorem, catalogue: Catalogue, audit: Audit | None) -> Iterator[str]:
    setting = theorem.setting
    yield f"## {theorem.key}\n"
    yield f"**{theorem.title}.** {theorem.source}. Provenance: {theorem.provenance}.\n"
    facts = {
        "network": setting.network, "initialization": setting.init, "loss": setting.loss,
        "algorithm": setting.algorithm, "depth": setting.depth.counts,
    }  # fmt: skip
    yield from (f"- {label}: {_prose(fact)}" for label, fact in facts.items())
    if theorem.hypotheses:
        yield "\nAssumed:\n"
    for hypothesis in theorem.hypotheses:
        measured = f" (measured as `{hypothesis.measure}`)" if hypothesis.measure else ""
        yield f"- {hypothesis.name}: {_prose(hypothesis.statement)}{measured}"
    for reading in catalogue.readings(theorem.key):
        if reading is not theorem:
            yield f"\n*{reading.reading.capitalize()} reading*, with what the proof plugs in:"
        yield from _bounds(reading)
    yield from _constants(theorem)
    yield from (f"\nNote: {_prose(note)}" for note in theorem.notes)
    yield "\nAudit: " + (_audited(audit) if audit else "its derivation is not in the catalogue.")


def _prose(text: str) -> str:
    """Plain text, in which Markdown would take some signs for its own."""
    return "".join(f"\\{sign}" if sign in "\\`*_<>|" else sign for sign in text)


def _bounds(theorem: Theorem) -> Iterator[str]:
    from boundcalc.notation import latex

    for heading, bounds in (
        ("If", theorem.conditions),
        ("Use", theorem.prescriptions),
        ("Then", theorem.guarantees),
    ):
        if bounds:
            yield f"\n{heading}\n"
            yield from map(_bound, bounds)
    if theorem.supplies:
        supplied = (f"$`{latex(symbol)} = {latex(expr)}`$" for symbol, expr in theorem.supplies.items())
        yield f"\nUnless given otherwise: {', '.join(supplied)}."


def _bound(bound: Bound) -> str:
    from boundcalc.notation import bound_latex, latex
    from boundcalc.theorem import Guarantee

    said = f"- $`{bound_latex(bound)}`$"
    if isinstance(bound, Guarantee) and bound.probability is not None:
        said += f", with probability at least $`{latex(bound.probability)}`$ over the {bound.over}"
    remarks = [_prose(remark) for remark in (bound.note, bound.provenance) if remark]
    return f"{said} ({'; '.join(remarks)})" if remarks else said


def _constants(theorem: Theorem) -> Iterator[str]:
    from boundcalc.display import NOTATIONS
    from boundcalc.report.tables import markdown_table
    from boundcalc.symbols import show_fraction

    if not theorem.constants:
        yield "\nHidden constants: none."
        return
    yield "\nHidden constants:\n"
    rows = [
        (
            f"`{constant.name}`",
            _prose(NOTATIONS.get(constant.hides, constant.hides)),
            "any" if constant.direction == "any" else f"{constant.direction} enough",
            "" if constant.value is None else show_fraction(constant.value),
            _prose(constant.origin),
        )
        for constant in theorem.constants
    ]
    yield markdown_table(rows, ("name", "hidden by", "must be", "value", "origin"))


def _audited(audit: Audit) -> str:
    from boundcalc.report.repairs import repaired
    from boundcalc.report.steps import verdict_words
    from boundcalc.report.styles import TEXT

    said = f"**{audit.status}**, {len(audit.verdicts)} steps."
    worst = [verdict for verdict in audit.verdicts if verdict.status == audit.status != "holds"]
    said += "".join(f" {_prose(v.step.id)}: {_prose(verdict_words(v, TEXT))}." for v in worst)
    changed = [f"`{bare}`" for _, _, bare in repaired(audit, TEXT)]
    upstream = "with what it builds on repaired, " if audit.upstream else ""
    said += f" Smallest repair: {upstream}{', '.join(changed)}." if changed else ""
    return f"{said} In full: `boundcalc audit {audit.theorem.key}`."
