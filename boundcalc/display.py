"""Whole theorems in the paper's notation: LaTeX to paste into a paper, HTML with MathML for notebooks and pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from itertools import groupby
from types import MappingProxyType

from boundcalc.constants import HiddenConstant
from boundcalc.mathml import GREEK, from_latex
from boundcalc.notation import bound_latex, bound_mathml, hidden_by, latex, mathml
from boundcalc.symbols import show_fraction
from boundcalc.theorem import Bound, Guarantee, Theorem

_COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        **{letter: f"\\{name}" for name, letter in GREEK.items()},
        "Σ": r"\sum", "≤": r"\le", "≥": r"\ge", "≠": r"\ne", "≈": r"\approx", "±": r"\pm", "·": r"\cdot",
        "×": r"\times", "−": "-", "‖": r"\|", "∇": r"\nabla", "√": r"\surd", "∞": r"\infty", "∫": r"\int",
        "⋯": r"\cdots", "…": r"\ldots", "→": r"\to", "⟨": r"\langle", "⟩": r"\rangle", "⌈": r"\lceil",
        "⌉": r"\rceil", "ℓ": r"\ell", "∈": r"\in", "⊤": r"\top", "Õ": r"\tilde{O}", "Ŵ": r"\hat{W}", "~": r"\sim",
        "\\": r"\backslash", "|": "|", "<": "<", ">": ">",
    }
)  # fmt: skip
PROVENANCES: Mapping[str, str] = MappingProxyType(
    {
        "stated": "printed in the paper",
        "reconstructed": "read off a proof",
        "secondary": "known from a citation only",
    }
)
"""What is meant by the provenance of a statement."""

_ACCENTS: Mapping[str, str] = MappingProxyType({"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar"})
_ESCAPED: Mapping[str, str] = MappingProxyType({sign: f"\\{sign}" for sign in "{}$&#%_"} | {"^": r"\hat{}"})
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹ᵀ", "0123456789⊤")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_OF_A_FORMULA = re.compile("[" + re.escape("".join(_COMMANDS)) + "_^⁰¹²³⁴⁵⁶⁷⁸⁹ᵀ₀₁₂₃₄₅₆₇₈₉\u0302\u0303\u0304]")
_PIECE = re.compile(
    r"(?P<below>[₀-₉]+)|(?P<above>[⁰¹²³⁴-⁹ᵀ]+)"
    r"|(?P<script>[_^])(?:\{(?P<braced>[^{}]*)\}|(?P<whole>\([^()]*\)|[-−]?(?:\d+\.\d+|[A-Za-z0-9Α-ω]+)|[^\s_^{}]))"
    r"|(?P<letter>\w)(?P<accent>[\u0302-\u0304])|(?P<word>[A-Za-z]{2,})|(?P<sign>.)",
    re.DOTALL,
)
_EXPONENT = re.compile(r"\(([-−][^()]*|[^()]*/[^()]*)\)")
"""An exponent that plain text has to put into brackets: −α, 4/3. Those of W^(0) and W^(n−1) are part of the name."""
_NAME = re.compile(r"[“‘'\"(\[]*[A-Za-z]{2,}(?:_\w*[A-Za-z]\w*)+[”’'\")\],;:.]*")
"""A name such as gamma_ji2020, which is no formula; lambda_0 and C_m are."""


def prose_latex(text: str) -> str:
    r"""Plain text as LaTeX, each word of it that holds a formula between dollars.

    `‖x_i‖₂ = 1 for every i` becomes `$\| x_{i}\| _{2}$ = 1 for every i`.
    """
    return " ".join(
        f"${_formula(word)}$"
        if _OF_A_FORMULA.search(word) and not _NAME.fullmatch(word)
        else re.sub("[{}$&#%_]", r"\\\g<0>", word)
        for word in text.split(" ")
    )


def prose_html(text: str) -> str:
    """Plain text as HTML, well-formed XML, its formulas in MathML: those words that `prose_latex` puts in dollars.

    Words side by side that hold formulas are one; the punctuation after it, or a bracket closed there, is none of it.
    """
    shown = []
    for is_formula, run in groupby(text.split(" "), key=lambda word: prose_latex(word)[:1] == "$"):
        words = list(run)
        last, behind = _without_punctuation(words.pop(), " ".join(words)) if is_formula else (words.pop(), "")
        if is_formula:
            pieces = (prose_latex(word)[1:-1] for word in (*words, last))
            shown.append(from_latex(" ".join(pieces)) + escape(behind))
        else:
            shown.append(escape(" ".join((*words, last))))
    return " ".join(shown)


def _without_punctuation(word: str, before: str) -> tuple[str, str]:
    """A word without what ends a sentence or a bracket that was opened in prose, and that."""
    held = word
    while held[1:] and (held[-1] in ",;:." or (held[-1] == ")" and _open(f"{before} {held}") < 0)):
        held = held[:-1]
    return (held, word[len(held) :]) if _OF_A_FORMULA.search(held) else (word, "")


def _open(text: str) -> int:
    """How many brackets are opened and not closed."""
    return text.count("(") - text.count(")")


def _formula(text: str) -> str:
    written = ""
    scripts: set[str] = set()  # those that the last sign bears already; TeX allows one of each
    for piece in _PIECE.finditer(text):
        found = {name: part for name, part in piece.groupdict().items() if part is not None}
        script = "_" if "below" in found else "^" if "above" in found else found.get("script", "")
        if not script:
            scripts.clear()
            written += _sign(found)
            continue
        if script in scripts:
            scripts.clear()
            written += "{}"
        scripts.add(script)
        digits = found.get("below", "").translate(_LOWERED) + found.get("above", "").translate(_RAISED)
        whole = _EXPONENT.sub(r"\1", found.get("whole", ""))
        written += f"{script}{{{_formula(digits or found.get('braced') or whole)}}}"
    return written


def _sign(found: Mapping[str, str]) -> str:
    if "letter" in found:
        return rf"\{_ACCENTS[found['accent']]}{{{_COMMANDS.get(found['letter'], found['letter'])}}}"
    if "word" in found:
        word = found["word"]
        return rf"\{word} " if word in GREEK or word in ("log", "max", "min", "exp") else rf"\mathrm{{{word}}}"
    sign = found["sign"]
    command = _COMMANDS.get(sign) or _ESCAPED.get(sign, sign)
    return f"{command} " if command[-1].isalpha() and command[0] == "\\" else command


def theorem_latex(theorem: Theorem) -> str:
    """A statement in LaTeX, to be pasted into a document that loads amsmath."""
    setting = theorem.setting
    settings = (setting.network, f"initialization {setting.init}", f"loss {setting.loss}", setting.algorithm)
    lines = [
        f"% {theorem.key} (reading {theorem.reading}, provenance {theorem.provenance}); needs amsmath",
        rf"\paragraph{{{prose_latex(theorem.title)}}} ({prose_latex(str(theorem.source))}.)",
        rf"\emph{{Setting:}} {prose_latex('; '.join((*settings, setting.depth.counts)))}.",
    ]
    if theorem.hypotheses:
        assumed = "; ".join(f"{h.name}: {h.statement}" for h in theorem.hypotheses)
        lines.append(rf"\emph{{Assumptions:}} {prose_latex(assumed)}.")
    for heading, bounds in (
        ("If", theorem.conditions),
        ("Use", theorem.prescriptions),
        ("Then", theorem.guarantees),
    ):
        if bounds:
            rows = " \\\\\n".join(map(_row_latex, bounds))
            lines += [rf"\emph{{{heading}}}", r"\begin{align*}", rows, r"\end{align*}"]
    if theorem.supplies:
        supplied = ", ".join(f"${latex(symbol)} = {latex(expr)}$" for symbol, expr in theorem.supplies.items())
        lines.append(rf"\emph{{Unless given otherwise:}} {supplied}.")
    if theorem.constants:
        hidden = "; ".join(f"${latex(c)}$, {prose_latex(_constant(c))}" for c in theorem.constants)
        lines.append(rf"\emph{{Hidden constants:}} {hidden}.")
    lines += [rf"\emph{{Note:}} {prose_latex(note)}." for note in theorem.notes]
    return "\n".join(lines)


def _row_latex(bound: Bound) -> str:
    """One line of an alignment: the inequality, and what is to be said of it."""
    row = bound_latex(bound, aligned="&")
    remarks = [prose_latex(remark) for remark in _remarks(bound)]
    if isinstance(bound, Guarantee) and bound.probability is not None:
        remarks.insert(0, f"with probability at least ${latex(bound.probability)}$ over the {prose_latex(bound.over)}")
    return f"{row} && \\text{{{'; '.join(remarks)}}}" if remarks else row


def _remarks(bound: Bound) -> list[str]:
    return [remark for remark in (bound.note, bound.provenance) if remark]


def _constant(constant: HiddenConstant) -> str:
    parts = [f"hidden by {hidden_by(constant.hides)}"]
    parts += [] if constant.direction == "any" else [f"{constant.direction} enough"]
    parts += [] if constant.value is None else [f"value {show_fraction(constant.value)}"]
    return ", ".join(parts) + (f" ({constant.origin})" if constant.origin else "")


def theorem_html(theorem: Theorem) -> str:
    """A statement as one HTML element, well-formed XML, with its formulas in MathML."""
    return table_html(f"{theorem.key}: {theorem.title}", _cells(theorem))


def table_html(heading: str, rows: Iterable[tuple[str, str]]) -> str:
    """A table under a heading: labels as plain text on the left, cells of HTML on the right."""
    body = "".join(
        f'<tr><th scope="row" style="text-align: left; vertical-align: top">{escape(label)}</th>'
        f'<td style="text-align: left">{cell}</td></tr>'
        for label, cell in rows
    )
    return f"<section><h4>{escape(heading)}</h4><table>{body}</table></section>"


def _cells(theorem: Theorem) -> Iterator[tuple[str, str]]:
    """The rows of a statement's table: a label, and HTML."""
    setting = theorem.setting
    yield "source", prose_html(str(theorem.source))
    yield "reading", escape(theorem.reading)
    yield "provenance", escape(f"{theorem.provenance}: {PROVENANCES[theorem.provenance]}")
    yield "network", prose_html(setting.network)
    yield "initialization", prose_html(setting.init)
    yield "loss", prose_html(setting.loss)
    yield "algorithm", prose_html(setting.algorithm)
    yield "depth", prose_html(setting.depth.counts)
    for hypothesis in theorem.hypotheses:
        yield "hypothesis", prose_html(f"{hypothesis.name}: {hypothesis.statement}")
    for bound in theorem.bounds:
        promise = ""
        if isinstance(bound, Guarantee) and bound.probability is not None:
            promise = f", with probability ≥ {mathml(bound.probability)} over the {escape(bound.over)}"
        remarks = f" ({prose_html('; '.join(_remarks(bound)))})" if _remarks(bound) else ""
        yield type(bound).__name__.lower(), bound_mathml(bound) + promise + remarks
    for symbol, expr in theorem.supplies.items():
        yield "supplies", f"{mathml(symbol)} = {mathml(expr)}"
    for constant in theorem.constants:
        yield "constant", f"{mathml(constant)}: {prose_html(_constant(constant))}"
    for note in theorem.notes:
        yield "note", prose_html(note)
