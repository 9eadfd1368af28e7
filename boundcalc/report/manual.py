"""The manual: its pages, and the one that is generated from the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from textwrap import indent
from types import MappingProxyType
from typing import TYPE_CHECKING

from boundcalc.errors import InputError, UnknownNameError
from boundcalc.files import write_file
from boundcalc.report.tables import fitted, line_width, markdown_prose, markdown_table, wrapped

if TYPE_CHECKING:
    from boundcalc.auditing import Audit
    from boundcalc.constants import HiddenConstant
    from boundcalc.theorem import Bound, Catalogue, Theorem

PAGES: Mapping[str, str] = MappingProxyType(
    {
        "index": "what there is, and where to begin",
        "verdicts": "what a verdict says and does not say",
        "theorems": "every statement: what it says, its constants, its provenance, its audit",
        "own_theorem": "how to add a theorem, its derivation and its experiment",
        "engines": "which engine trains: dense, matrixfree, infinite, sharded",
        "json": "what the JSON objects hold, key by key",
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


def terminal_text(markdown: str, width: int) -> str:
    """A page for a terminal of so many columns: prose and tables fit it, commands stay on one line."""
    blocks: list[str] = []
    for is_code, lines in groupby(_with_fences(markdown), key=lambda line: line[0]):
        text = "\n".join(line for _, line in lines)
        blocks += [indent(text, "    ")] if is_code else [_laid_out(part, width) for part in text.strip().split("\n\n")]
    return "\n\n".join(blocks)


def _with_fences(markdown: str) -> Iterator[tuple[bool, str]]:
    """The lines of a page, each with whether it is code; the fences are left out."""
    fenced = False
    for line in markdown.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        else:
            yield fenced, line


_ITEMS = re.compile(r"\n(?=- )")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
_ESCAPED = re.compile(r"\\([\\`*_<>|])")


def _laid_out(part: str, width: int) -> str:
    """A paragraph, a list or a table."""
    part = _LINK.sub(r"\1", part)
    if part.startswith("|"):
        cells = ([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in part.split("\n"))
        head, _, *rows = ([_ESCAPED.sub(r"\1", cell) for cell in row] for row in cells)
        return fitted(rows, head, width)
    return "\n".join(
        wrapped(_ESCAPED.sub(r"\1", " ".join(item.split())), line_width(width), "  " if item.startswith("- ") else "")
        for item in _ITEMS.split(part)
    )


def write_manual(folder: Path, catalogue: Catalogue) -> tuple[Path, ...]:
    """Write every page into a folder, that of the theorems from the catalogue.

    Raises:
        InputError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(f"-o {str(folder)!r} cannot be written: {problem.strerror}; give another folder") from None
    return tuple(write_file(folder / f"{name}.md", page(name, catalogue).encode()) for name in PAGES)


def theorems_page(catalogue: Catalogue) -> str:
    """The reference of a catalogue's statements, in Markdown with LaTeX formulas."""
    from boundcalc.auditing import audit_all

    audits = {audit.theorem.key: audit for audit in audit_all(catalogue)}
    contents = (f"- [`{theorem.key}`](#{_anchor(theorem)}): {theorem.title}" for theorem in catalogue.values())
    entries = (
        "\n".join([*_entry(theorem, catalogue.readings(key)), f"\nAudit: {_audited(audits.get(key))}"])
        for key, theorem in catalogue.items()
    )
    return "\n\n".join([_HEAD + "\n".join([*contents, _SYMBOLS]), *entries, _symbols()]) + "\n"


_SYMBOLS = "- [symbols](#symbols): what inputs are called, on the command line and in files"


def _symbols() -> str:
    """The vocabulary: every symbol that a statement can have."""
    from boundcalc.symbols import VOCABULARY, show_fraction

    rows = [
        (
            f"`{symbol.name}`",
            f"$`{symbol.latex}`$",
            ", ".join(f"`{alias}`" for alias in symbol.aliases),
            markdown_prose(symbol.meaning),
            markdown_prose(str(symbol.domain)),
            "" if symbol.default is None else show_fraction(symbol.default),
        )
        for symbol in VOCABULARY.values()
    ]
    headers = ("name", "in formulas", "also", "what it is", "takes", "assumed where none is given")
    return f"## symbols\n\n{markdown_table(rows, headers)}"


def _anchor(theorem: Theorem) -> str:
    """The address that a heading gets from its text: letters and digits of it."""
    return "".join(letter for letter in theorem.key if letter.isalnum() or letter in "-_")


def theorem_markdown(theorem: Theorem) -> str:
    """One statement in one reading, as the reference has it, in Markdown with LaTeX formulas."""
    return "\n".join(_entry(theorem, (theorem,)))


def _entry(theorem: Theorem, readings: Iterable[Theorem]) -> Iterator[str]:
    setting = theorem.setting
    yield f"## {theorem.key}\n"
    yield f"**{theorem.title}.** {theorem.source}. Provenance: {theorem.provenance}.\n"
    facts = {
        "network": setting.network, "initialization": setting.init, "loss": setting.loss,
        "algorithm": setting.algorithm, "depth": setting.depth.counts,
    }  # fmt: skip
    yield from (f"- {label}: {markdown_prose(fact)}" for label, fact in facts.items())
    if theorem.hypotheses:
        yield "\nAssumed:\n"
    for hypothesis in theorem.hypotheses:
        measured = f" (measured as `{hypothesis.measure}`)" if hypothesis.measure else ""
        yield f"- {hypothesis.name}: {markdown_prose(hypothesis.statement)}{measured}"
    for reading in readings:
        if reading is not theorem:
            yield f"\n*{reading.reading.capitalize()} reading*, with what the proof plugs in:"
        yield from _bounds(reading)
    yield from _constants(theorem)
    yield from (f"\nNote: {markdown_prose(note)}" for note in theorem.notes)


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
    remarks = [markdown_prose(remark) for remark in (bound.note, bound.provenance) if remark]
    return f"{said} ({'; '.join(remarks)})" if remarks else said


def _constants(theorem: Theorem) -> Iterator[str]:
    from boundcalc.notation import hidden_by

    if not theorem.constants:
        yield "\nHidden constants: none."
        return
    yield "\nHidden constants:\n"
    rows = [
        (
            f"`{constant.name}`",
            markdown_prose(hidden_by(constant.hides)),
            "any" if constant.direction == "any" else f"{constant.direction} enough",
            _value(constant),
            markdown_prose(_origin(constant)),
        )
        for constant in theorem.constants
    ]
    yield markdown_table(rows, ("name", "hidden by", "must be", "value", "origin"))


def _value(constant: HiddenConstant) -> str:
    """The value that a source gives; of an exponent that none gives, the one that is put in."""
    from boundcalc.symbols import show_fraction

    if constant.value is None:
        return "1" if constant.placeholder else ""
    return show_fraction(constant.value)


def _origin(constant: HiddenConstant) -> str:
    if not constant.placeholder:
        return constant.origin
    return f"put in by the unit policy, a guess: {constant.origin or 'no source gives it'}"


def _audited(audit: Audit | None) -> str:
    if audit is None:
        return "its derivation is not in the catalogue."
    from boundcalc.report.repairs import repaired
    from boundcalc.report.steps import verdict_words
    from boundcalc.report.styles import TEXT

    said = f"**{audit.status}**, {len(audit.verdicts)} steps."
    worst = [verdict for verdict in audit.verdicts if verdict.status == audit.status != "holds"]
    said += "".join(f" {markdown_prose(v.step.id)}: {markdown_prose(verdict_words(v, TEXT))}." for v in worst)
    changed = [f"`{bare}`" for _, _, bare in repaired(audit, TEXT)]
    upstream = "with what it builds on repaired, " if audit.upstream else ""
    said += f" Smallest repair: {upstream}{', '.join(changed)}." if changed else ""
    return f"{said} In full: `boundcalc audit {audit.theorem.key}`."
