"""What a verification's report says, from its report.json alone; one run, or several side by side."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context
from typing import Any

from boundcalc.errors import InputError
from boundcalc.notation import hidden_by
from boundcalc.report.document import (
    NONE,
    Block,
    Bullets,
    Code,
    Command,
    Document,
    Formula,
    Inline,
    Mark,
    Paragraph,
    Pictures,
    Section,
    Table,
    Text,
    Tone,
    capital,
    joined,
    number,
    pieces,
    plain,
    size,
    symbol,
)
from boundcalc.report.figures import intervals_facts, overlaid
from boundcalc.report.runs import LIMIT, data_words, digest_words, float_of, input_value, origin_words, origins_table
from boundcalc.symbols import VOCABULARY

Facts = Mapping[str, Any]

_TONES: Mapping[str, Tone] = {
    "supported": "good",
    "holds in the limit": "good",
    "refuted at these constants": "bad",
    "fails in the limit": "bad",
    "premise unmet": "bad",
}

_OWN = ("success", "constants", "terms of the bound")
"""Pictures that have a section of their own."""

_AT_LEAST = ("width", "samples", "iterations")
"""Prescribed is no less than these."""

_MOST = 12
"""So many runs fit side by side."""

_SHORT_NAME = re.compile(r"[A-Za-z0-9.,=+ -]{1,20}")

_MOST_LISTED = 4

_MANY_DIGITS = re.compile(r"(?<![\d.^])(?:\d{8,}|\d+\.\d{9,})(?![\d.e])")
_LOGARITHM = re.compile(r"(?<![\d.])10\^(-?\d{1,2}\.(\d{3,}))")
"""Digits behind the point of a logarithm are the significant ones of its number; beyond 10^100 it stays as it is."""

_WHAT_A_VERDICT_SAYS = (
    "A theorem says: there are constants such that, with probability at least 1 − δ, the guarantee holds. A verdict is "
    "about the constants in use, this data and this width; “supported” is no proof, and a failure at other constants "
    "refutes nothing."
)
_SLACK = "Slack is bound over measured value, or the inverse where the bound is one from below: above 1 there is room."
_PROBED = (
    "Multiplied is what was run, which need not be what is prescribed. Where the width was multiplied, everything else "
    "was prescribed anew; where η or T was, all else stayed. Success beyond a sufficient condition is slack, and "
    "failure short of it refutes nothing; neither enters the verdict."
)
_CONSTANTS = (
    "A statement hides its constants. “In use” is the value the run was made at; “would just do” is the one at which "
    "the bound equals what was measured, in the worst init."
)


def verification_document(facts: Facts) -> Document:
    """The report of one run."""
    sections = (
        ("The statement", _statement),
        ("Success probability", _success),
        ("Both sides of what was run", _probes),
        ("Premises", _premises),
        ("Prescribed, and run", _prescribed),
        ("Measured against the bounds", _checks),
        ("Hidden constants", _constants),
        ("To weigh these numbers", _notes),
        ("Inputs", _inputs),
        ("Every init", _inits),
        ("To reproduce it", _reproduce),
    )
    built = ((title, tuple(blocks(facts))) for title, blocks in sections)
    return Document(
        f"{facts['theorem']}: {facts['verdict']}",
        (_readable(facts["sentence"]), _readable(_sentence(facts["width_sentence"])), data_words(facts["data"])),
        _TONES.get(facts["verdict"], "open"),
        tuple(Section(title, blocks) for title, blocks in built if blocks),
        "report.json",
    )


def _readable(words: str) -> str:
    """Words whose numbers of many digits, and powers of ten as exact logarithms, are written as m·10^k."""
    words = _MANY_DIGITS.sub(lambda found: plain(number(_to_six(found[0], words[: found.start()]), 6)), words)
    return _LOGARITHM.sub(lambda found: plain(number(10 ** float(found[1]), len(found[2]))), words)


def _to_six(value: str, before: str) -> float:
    """A number to six digits, rounded to the side on which it is still enough: up behind “≥”, down behind “≤”."""
    rounding = {"≥": ROUND_CEILING, "≤": ROUND_FLOOR}.get(before.rstrip()[-1:], ROUND_HALF_EVEN)
    return float(Context(prec=6, rounding=rounding).create_decimal(value))


def _sentence(line: str) -> str:
    return f"{capital(line)}."


def _statement(facts: Facts) -> Iterator[Block]:
    statement = facts["statement"]
    yield Paragraph(
        (
            capital(statement["title"]),
            f" ({facts['source']}; {statement['provenance']}).",
        )
    )
    rows: list[tuple[Text, ...]] = [(name, shown) for name, shown in statement["setting"].items()]
    rows += [("hypothesis", f"{one['name']}: {one['statement']}") for one in statement["hypotheses"]]
    rows += [(bound["kind"], _bound(bound)) for bound in statement["bounds"]]
    rows += [("note", note) for note in statement["notes"]]
    yield Table(("", "as the paper has it"), tuple(rows))


def _bound(bound: Facts) -> Text:
    parts: list[Inline] = [Formula(bound["latex"], bound["text"])]
    probability = bound.get("probability")
    if probability:
        shown = Formula(probability["latex"], probability["text"])
        parts += [", with probability at least ", shown, f" over the {probability['over']}"]
    remarks = [remark for remark in (bound["note"], bound["provenance"]) if remark]
    return tuple(parts + ([f" ({'; '.join(remarks)})"] if remarks else []))


def _success(facts: Facts) -> Iterator[Block]:
    low, high = facts["interval"]
    undecided = f" ({facts['undecided']} undecided)" if facts["undecided"] else ""
    yield Paragraph(
        f"{facts['successes']} of {facts['trials']} inits {_readable(facts['success'])}{undecided}. The "
        f"{_percent(facts['confidence'])} interval of the success probability is [{low:.4f}, {high:.4f}] "
        f"({facts['interval_is']}); the statement asserts at least {facts['required']:g}."
    )
    yield Pictures(tuple(figure for figure in facts["figures"] if figure["name"] == "success"))


def _probes(facts: Facts) -> Iterator[Block]:
    if facts["probes"]:
        yield Table(
            ("quantity", "multiplied by", "to", "inits that succeeded", "95 % interval"),
            tuple(map(_probe, facts["probes"])),
        )
        yield Paragraph(_PROBED)


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _probe(probe: Facts) -> tuple[Text, ...]:
    name: Text = (f"{_spaced(probe['quantity'] or 'prescription')} ", symbol(probe["symbol"]))
    if probe["problem"]:
        return name, number(probe["factor"]), probe["value"], f"could not be run: {probe['problem']}", "–"
    undecided = f" ({probe['undecided']} undecided)" if probe["undecided"] else ""
    low, high = probe["interval"]
    done = f"{probe['successes']} of {probe['trials']}{undecided}"
    return name, number(probe["factor"]), _text_number(probe["value"]), done, f"[{low:.3f}, {high:.3f}]"


def _spaced(quantity: str) -> str:
    """The name of a quantity in words."""
    return quantity.replace("-", " ")


def _text_number(value: str) -> Inline:
    try:
        return number(float(value) if "." in value or "e" in value else int(value))
    except ValueError:  # words, or a factor such as 3×
        return value


def _premises(facts: Facts) -> Iterator[Block]:
    yield Table(
        ("premise", "met", "evidence"),
        tuple((premise["name"], _met(premise), _readable(premise["evidence"])) for premise in facts["premises"]),
    )
    yield from _premises_explained(facts["premises"])


def _premises_explained(premises: Sequence[Facts]) -> Iterator[Block]:
    if any("m*" in premise["name"] for premise in premises):
        yield Paragraph("m* is the width that the statement asks for.")
    if not all(premise["certified"] for premise in premises):
        yield Paragraph(
            "“Not certified”: nothing contradicts it, and nothing proves it either, or it was met by a choice that the "
            "statement leaves open; then nothing that happens afterwards can refute the statement."
        )


def _met(premise: Facts) -> Mark:
    if not premise["met"]:
        return Mark("not met", False)
    return Mark("certified", True) if premise["certified"] else Mark("met, not certified", None)


def _prescribed(facts: Facts) -> Iterator[Block]:
    run = facts["run"]
    ran = {
        **{VOCABULARY[one["name"]].quantity or "": one["value"] for one in facts["origins"]},
        "width": _width(run),
        "step-size": run["step_size"],
        "iterations": run["iterations"],
        "samples": facts["data"]["train"],
    }
    rows = []
    for name, value in facts["prescribed"].items():
        if set(facts["formulas"][name]) <= set(facts["guarantee"]):
            continue  # promised, not prescribed
        written = zip(facts["formulas_latex"][name], facts["formulas"][name], strict=True)
        formulas = joined([Formula(latex, text) for latex, text in written])
        least = isinstance(value, int) and name in _AT_LEAST
        asked: Text = "none" if value is None else number(_to_six(str(value), "≥") if least else float_of(value), 6)
        if facts["chosen"].get(name):
            asked = (*pieces(asked), f" (as {', '.join(facts['chosen'][name])} was chosen)")
        rows.append((_spaced(name), formulas, asked, number(float_of(ran.get(name, "–")), 6)))
    for name in ("width", "step-size", "iterations"):
        if name not in facts["prescribed"]:
            rows.append((_spaced(name), "–", "not prescribed", number(ran[name])))
    yield Table(("quantity", "formula", "prescribed", "run"), tuple(rows))


def _width(run: Facts) -> int | str:
    return LIMIT if run["width"] is None else int(run["width"])


def _checks(facts: Facts) -> Iterator[Block]:
    yield Table(
        ("check", "measured", "bound", "slack", "holds", "refuted if"),
        tuple(
            (
                check["name"],
                number(check["measured"]),
                _check_bound(check),
                number(check["slack"]),
                _holds(check),
                check["refuted_if"] if check["claimed"] else "not claimed by the statement",
            )
            for check in facts["checks"]
        ),
    )
    yield Paragraph(_SLACK)
    shown = tuple(figure for figure in facts["figures"] if figure["name"] not in _OWN)
    if shown:
        yield Pictures(shown)
    for terms in facts["terms"]:
        rows: list[tuple[Text, ...]] = [
            (f"term {i + 1}", Formula(term["latex"], term["text"]), _size(term["log10"]))
            for i, term in enumerate(terms["terms"])
        ]
        value = next((check["bound"] for check in facts["checks"] if check["name"] == terms["check"]), None)
        whole = ("the bound", Formula(terms["guarantee_latex"], terms["guarantee"]), number(value))
        yield Table(("", "term by term", "value at these inputs"), (whole, *rows))
    bars = tuple(figure for figure in facts["figures"] if figure["name"] == "terms of the bound")
    if bars:
        yield Pictures(bars)


def _size(log10: float | None) -> Text:
    return "measured along the run" if log10 is None else size(log10)


def _check_bound(check: Facts) -> Text:
    if check["bound"] is None:
        return check["bound_is"] or "–"
    return (*pieces(number(check["bound"])), f" ({check['bound_is']})" if check["bound_is"] else "")


def _holds(check: Facts) -> Inline:
    if check["holds"] is None:
        return "–"
    shown = "yes" if check["holds"] else "no"
    # What is not claimed may fail without anything being wrong.
    return Mark(shown, check["holds"]) if check["claimed"] else shown


def _constants(facts: Facts) -> Iterator[Block]:
    if not facts["constants"]:
        return
    yield Paragraph((_CONSTANTS, f" Policy: {facts['policy']}."))
    yield Table(
        ("constant", "hidden by", "has to be", "in use", "would just do", "origin of the value in use"),
        tuple(_constant(constant) for constant in facts["constants"]),
    )
    shown = tuple(figure for figure in facts["figures"] if figure["name"] == "constants")
    if shown:
        yield Pictures(shown)


def _constant(constant: Facts) -> tuple[Text, ...]:
    size = {"large": "large enough", "small": "small enough"}.get(constant["direction"], "any")
    needed = [(*pieces(number(one["value"])), f" ({one['check']})") for one in constant["needed"]]
    return (
        Code(constant["name"]),
        hidden_by(constant["hides"]),
        size,
        number(float_of(constant["value"])),
        joined(needed) if needed else "not measured",
        origin_words(constant["origin"]),
    )


def _notes(facts: Facts) -> Iterator[Block]:
    yield Bullets((_WHAT_A_VERDICT_SAYS, *facts["notes"]))


def _inputs(facts: Facts) -> Iterator[Block]:
    yield origins_table(facts["origins"])


def _inits(facts: Facts) -> Iterator[Block]:
    inits = facts["initializations"]
    columns = list(dict.fromkeys(name for init in inits for name in init))
    yield Table(
        tuple(name.replace("_", " ") for name in columns),
        tuple(tuple(_cell(init.get(name)) for name in columns) for init in inits),
        folded=f"{len(inits)} inits, one a row",
    )


def _cell(value: Any) -> Text:
    """A fact of an init."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return joined([_cell(part) for part in value], ", ")
    return number(value) if value is None or isinstance(value, int | float) else str(value)


def _reproduce(facts: Facts) -> Iterator[Block]:
    yield Command(facts["command"])
    run = facts["run"]
    yield Table(
        ("", "this run"),
        (
            ("engine", f"{run['engine']}, {run['dtype']}, {run['batch']} inits together"),
            ("device", (f"{run['device']}: ", Code(facts["machine"]))),
            ("seed", str(run["seed"])),
            ("examples", digest_words(facts["data"])),
            ("time", _duration(run["seconds"])),
            ("versions", ", ".join(f"{name} {version}" for name, version in facts["versions"].items())),
        ),
    )
    yield Paragraph(
        "The same command in the same folder trains nothing again. Time is that of the batches that were finished; "
        "what was cut off and done again is not in it, nor are the probes."
    )


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "not known"
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


Run = tuple[str, Facts]
"""What a run is called, and its report.json."""


def side_by_side(runs: Sequence[Run]) -> Document:
    """Several runs in one report: what they have in common, where they differ.

    Raises:
        InputError: fewer than two, or more than fit beside each other.
    """
    if not 2 <= len(runs) <= _MOST:
        raise InputError(f"{len(runs)} runs cannot be put side by side; give 2 to {_MOST} folders")
    verdicts = Counter(facts["verdict"] for _, facts in runs)
    told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    theorems = list(dict.fromkeys(facts["theorem"] for _, facts in runs))
    tones = {_TONES.get(verdict, "open") for verdict in verdicts}
    called = [(_called(name, i), facts) for i, (name, facts) in enumerate(runs)]
    sections = (
        ("The statement", _statement_of_all),
        ("Success probability", _successes),
        ("Premises", _premises_beside),
        ("Where they differ", _differences),
        ("Measured against the bounds", _checks_beside),
        ("Hidden constants", _constants_beside),
        ("Over the run", _pictures_beside),
        ("To reproduce them", _reproduce_beside),
    )
    built = ((title, tuple(blocks(called))) for title, blocks in sections)
    return Document(
        f"{len(runs)} runs side by side: {', '.join(theorems)}",
        (f"Of {len(runs)} runs: {told}.",),
        tones.pop() if len(tones) == 1 else "open",
        (
            Section("Verdicts", tuple(_verdicts(runs))),
            *(Section(title, blocks) for title, blocks in built if blocks),
        ),
    )


def _called(name: str, index: int) -> str:
    """What a run is called in pictures and above columns: a short name as it is, a number for any other.

    Signs such as _ and ^ would be set as scripts there.
    """
    return name if _SHORT_NAME.fullmatch(name) else f"run {index + 1}"


def _verdicts(runs: Sequence[Run]) -> Iterator[Block]:
    yield Table(
        ("run", "statement", "verdict"),
        tuple(
            (
                Code(name) if _called(name, i) == name else (f"{_called(name, i)}: ", Code(name)),
                Code(facts["theorem"]),
                (Mark(facts["verdict"], _good(facts["verdict"])), _rest(facts)),
            )
            for i, (name, facts) in enumerate(runs)
        ),
    )
    yield Paragraph(_WHAT_A_VERDICT_SAYS)


def _good(verdict: str) -> bool | None:
    return {"good": True, "bad": False, "open": None}[_TONES.get(verdict, "open")]


def _rest(facts: Facts) -> str:
    """The verdict's sentence without the verdict, which it begins with."""
    return str(facts["sentence"])[len(facts["verdict"]) :]


def _statement_of_all(runs: Sequence[Run]) -> Iterator[Block]:
    """The statement, where it is one and the same."""
    (_, first), *others = runs
    if all((facts["theorem"], facts["statement"]) == (first["theorem"], first["statement"]) for _, facts in others):
        yield from _statement(first)


def _premises_beside(runs: Sequence[Run]) -> Iterator[Block]:
    """Which premises each run met, and how that is known."""
    names = dict.fromkeys(premise["name"] for _, facts in runs for premise in facts["premises"])
    yield _beside(runs, [(name, *(_premise_beside(facts, name) for _, facts in runs)) for name in names])
    yield from _premises_explained([premise for _, facts in runs for premise in facts["premises"]])
    owners: dict[tuple[str, str], list[str]] = {}
    for run, facts in runs:
        for premise in facts["premises"]:
            owners.setdefault((premise["name"], premise["evidence"]), []).append(run)
    rows = [
        (name, "all" if len(of) == len(runs) else Code(", ".join(of)), _readable(evidence))
        for name in names
        for (premise, evidence), of in owners.items()
        if premise == name
    ]
    yield Table(("premise", "run", "evidence"), tuple(rows), folded="the evidence for each")


def _premise_beside(facts: Facts, name: str) -> Text:
    return joined([_met(premise) for premise in facts["premises"] if premise["name"] == name] or [NONE], ", ")


def _successes(runs: Sequence[Run]) -> Iterator[Block]:
    rows = []
    for name, facts in runs:
        low, high = facts["interval"]
        shown = f"{name}: {facts['successes']} of {facts['trials']}"
        rows.append((shown, facts["successes"] / facts["trials"], (low, high)))
    required: dict[float, list[str]] = {}
    for name, facts in runs:
        required.setdefault(facts["required"], []).append(name)
    levels = [
        (f"required: {level:g}" + (f" ({_listed(names)})" if len(required) > 1 else ""), level)
        for level, names in required.items()
    ]
    yield Pictures((intervals_facts("success", "success probability", rows, levels),))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _MOST_LISTED else f"{len(names)} runs"


def _differences(runs: Sequence[Run]) -> Iterator[Block]:
    """What was put in and how it was run: what differs first, what all share after it."""
    names = dict.fromkeys(one["name"] for _, facts in runs for one in facts["origins"])
    getters: dict[str, tuple[Text, Callable[[Facts], Text]]] = {
        "data": ("data", lambda facts: Code(facts["data"]["source"])),
        "engine": ("engine", lambda facts: facts["run"]["engine"]),
        **{name: (symbol(name), _input_getter(name)) for name in names},
        "prescribed width": ("prescribed width", lambda facts: number(float_of(facts["prescribed"].get("width", "–")))),
        "step size": ("step size", lambda facts: number(facts["run"]["step_size"])),
        "iterations": ("iterations", lambda facts: number(facts["run"]["iterations"])),
        "inits": ("inits", lambda facts: number(facts["trials"])),
        "seed": ("seed", lambda facts: str(facts["run"]["seed"])),
        "precision": ("precision", lambda facts: facts["run"]["dtype"]),
        "device": ("device", lambda facts: (f"{facts['run']['device']}: ", Code(facts["machine"]))),
        "time": ("time", lambda facts: _duration(facts["run"]["seconds"])),
        "boundcalc": ("boundcalc", lambda facts: facts["versions"]["boundcalc"]),
    }
    rows = [(label, *(get(facts) for _, facts in runs)) for label, get in getters.values()]
    differing = [row for row in rows if len(set(map(plain, row[1:]))) > 1]
    yield _beside(runs, differing)
    shared = [row[:2] for row in rows if row not in differing]
    if shared:
        yield Table(("the same in all", ""), tuple(shared))


def _input_getter(name: str) -> Callable[[Facts], Text]:
    def get(facts: Facts) -> Text:
        found = next((one for one in facts["origins"] if one["name"] == name), None)
        return NONE if found is None else input_value(found)

    return get


def _beside(runs: Sequence[Run], rows: Sequence[tuple[Text, ...]]) -> Table:
    return Table(("", *(Code(name) for name, _ in runs)), tuple(rows))


def _checks_beside(runs: Sequence[Run]) -> Iterator[Block]:
    """Checks by their place, as their names hold numbers of the run; runs of one statement have them in one order."""
    for theorem in dict.fromkeys(facts["theorem"] for _, facts in runs):
        of_it = [(name, facts) for name, facts in runs if facts["theorem"] == theorem]
        most = max((facts["checks"] for _, facts in of_it), key=len)
        rows = [
            (check["name"], *(_measured_beside(facts["checks"], place) for _, facts in of_it))
            for place, check in enumerate(most)
        ]
        yield Paragraph((Code(theorem), ": measured (bound), in the words of the first run that has the check"))
        yield _beside(of_it, rows)


def _measured_beside(checks: Sequence[Facts], place: int) -> Text:
    if place >= len(checks):
        return "–"
    check = checks[place]
    bound = () if check["bound"] is None else (" (", *pieces(number(check["bound"])), ")")
    failed = (" ", Mark("not met", False)) if check["claimed"] and check["holds"] is False else ()
    return (*pieces(number(check["measured"])), *bound, *failed)


def _constants_beside(runs: Sequence[Run]) -> Iterator[Block]:
    names = dict.fromkeys(constant["name"] for _, facts in runs for constant in facts["constants"])
    rows = [(Code(name), *(_constant_beside(facts, name) for _, facts in runs)) for name in names]
    if rows:
        several = len({facts["theorem"] for _, facts in runs}) > 1
        said = " One name in different statements is not one constant." if several else ""
        yield Paragraph(f"In use, and in brackets what would just do.{said}")
        yield _beside(runs, rows)


def _constant_beside(facts: Facts, name: str) -> Text:
    found = next((constant for constant in facts["constants"] if constant["name"] == name), None)
    if found is None:
        return "–"
    needed = joined([number(one["value"]) for one in found["needed"]], ", ")
    return (*pieces(number(float_of(found["value"]))), *((" [", *pieces(needed), "]") if found["needed"] else ()))


def _pictures_beside(runs: Sequence[Run]) -> Iterator[Block]:
    """Curves of one name and one unit, laid over each other."""
    found: dict[tuple[str, str, str], list[tuple[str, Facts]]] = {}
    for name, facts in runs:
        for figure in facts["figures"]:
            if figure["kind"] == "curves":
                found.setdefault((figure["name"], figure["x"], figure["y"]), []).append((name, figure))
    pictures = tuple(overlaid(figures) for figures in found.values() if len(figures) > 1)
    if pictures:
        yield Pictures(pictures)


def _reproduce_beside(runs: Sequence[Run]) -> Iterator[Block]:
    for name, facts in runs:
        yield Paragraph(Code(name))
        yield Command(facts["command"])
