"""From "required width for ε=0.01, L=5" to a request, by a grammar of our own.

    query    := { clause | filler }
    clause   := quantity                      what is asked for, e.g. `width`, `how many samples`
              | symbol [link] number          an input, e.g. `ε=0.01`, `depth 5`, `error at most 5%`
              | number symbol                 the same, e.g. `1000 samples`, `95% confidence`
              | theorem key or paper key      only these statements
    link     := `=` | `≤` | `of` | `is` | `at most` | …

Nothing that is typed is evaluated. A word outside the grammar is an error that names it, and the nearest word inside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import ConstantPolicy, explicit
from boundcalc.errors import InputError, NumericsError, nearest
from boundcalc.parsing import NUMBER, normalize, parse_number
from boundcalc.solving import UNIT, Facts, IncompleteError, Solution, evaluate
from boundcalc.symbols import ALIASES, QUANTITIES, VOCABULARY, epsilon, show_fraction
from boundcalc.theorem import Catalogue, Theorem

LONGEST_QUERY = 2000

_QUANTITY_WORDS: Mapping[str, str] = MappingProxyType(
    {
        **{quantity: quantity for quantity in QUANTITIES},
        **{
            alias: VOCABULARY[name].quantity or ""
            for alias, name in ALIASES.items()
            if VOCABULARY[name].quantity and len(alias) > 1
        },
        "how wide": "width", "how many neurons": "width", "how many nodes": "width", "wide": "width",
        "how many iterations": "iterations", "how many steps": "iterations", "how long": "iterations",
        "how many samples": "samples", "how many examples": "samples", "how much data": "samples",
        "step": "step-size", "stepsize": "step-size", "step size": "step-size",
        "training loss": "loss",
    }
)  # fmt: skip

_TARGETS: Mapping[str, str] = MappingProxyType(
    {
        **{alias: "error" for alias, name in ALIASES.items() if name == "error"},
        "accuracy": "accuracy", "test accuracy": "accuracy",
        "confidence": "confidence", "probability": "confidence", "success probability": "confidence",
        "training loss": "loss", "loss": "loss", "train loss": "loss",
    }
)  # fmt: skip
"""Words that a number turns into an input by way of a conversion."""

_LINKS = (
    "=", ":", "<=", ">=", "<", ">", "≤", "≥", "~", "≈", "of", "is", "equal to", "equals", "at most", "at least",
    "about", "up to", "below", "under", "being",
)  # fmt: skip

_UPPER = ("<=", "<", "≤", "at most", "up to", "below", "under")
_LOWER = (">=", ">", "≥", "at least")
_BOUNDED_ABOVE = ("epsilon", "delta", "error", "loss", "L_S")
_BOUNDED_BELOW = ("confidence", "accuracy", "m", "n", "gamma", "phi", "lambda_0")
"""What it is natural to bound from one side; there, the bound is the value that matters."""

_FILLERS = frozenset(
    "a an the only what whats what's is are be i we me my our you give tell show compute calculate find get please "
    "need needs needed require required requires requirement must should do does can will would for with "
    "at to of in on and where when if given that which how many much large small big wide long minimum "
    "minimal min least smallest number deep relu network networks net neural dnn model training train "
    "trained reach reaches achieve achieves achieving have has bound bounds by under using use from set "
    "sets size guarantee guaranteed sufficient necessary target it there so hold holds prescribed theory "
    "theorem theorems statement statements probability data it's gradient descent gd , ; ? . ! ( ) and/or".split()
)

_PHRASES: dict[str, list[str]] = {}
for _phrase in sorted({*_QUANTITY_WORDS, *ALIASES, *_TARGETS, *_LINKS}, key=lambda phrase: -len(phrase)):
    _PHRASES.setdefault(_phrase[0].casefold(), []).append(_phrase)
MOST_COMPLAINTS = 6
"""How many words that are not understood a message names."""


@dataclass(frozen=True)
class Request:
    """What a query asks: a quantity, at these inputs, of these statements (all, if none are named)."""

    query: str
    quantity: str
    inputs: Mapping[str, Fraction]
    targets: Mapping[str, Fraction]
    statements: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Token:
    kind: str  # "number", "link", "phrase", "key", "filler"
    text: str


def parse(query: str, keys: Iterable[str] = CATALOGUE) -> Request:
    """Read a query.

    Args:
        query: what the user typed.
        keys: the catalogue's keys; `chen2019` stands for all that begin with it.

    Raises:
        InputError: a word that is not understood, no or several quantities, a symbol given twice, a number that
            belongs to nothing. The message names each offending word.
    """
    if len(query) > LONGEST_QUERY:
        raise InputError(f"the query has {len(query)} characters; ask in at most {LONGEST_QUERY}")
    tokens = _tokenize(query, tuple(keys))
    quantities: list[str] = []
    found: dict[str, Fraction] = {}
    targets: dict[str, Fraction] = {}
    statements: list[str] = []

    def bind(phrase: str, text: str, link: str = "") -> None:
        value = parse_number(text, phrase)
        name = _TARGETS.get(phrase.casefold()) or ALIASES.get(phrase) or ALIASES[phrase.casefold()]
        natural = _BOUNDED_ABOVE if link in _UPPER else _BOUNDED_BELOW if link in _LOWER else (name,)
        if name not in natural:
            raise InputError(f"{phrase} {link} {text} is a range; a query takes one value, {phrase}={text}")
        if name in ("confidence", "accuracy") and value > 1:
            raise InputError(f"{phrase} {text} is more than 1; write it as {text}% or as a fraction of 1")
        if name == "confidence":
            name, value = "delta", 1 - value
        elif name == "accuracy":
            name, value = "error", 1 - value
        elif name == "loss":
            name = "L_S"
        VOCABULARY[name].check(value)
        into = targets if VOCABULARY[name].quantity in ("error", "loss") else found
        if into.get(name, value) != value:
            raise InputError(
                f"{name} is given twice, as {show_fraction(into[name])} and as {show_fraction(value)}; give it once"
            )
        into[name] = value

    index = 0
    while index < len(tokens):
        token = tokens[index]
        after = tokens[index + 1 :]
        if token.kind == "phrase":
            links = 0
            while links < len(after) and after[links].kind == "link":
                links += 1
            if links < len(after) and after[links].kind == "number" and _takes_number(token.text):
                if not links and token.text.casefold() in _QUANTITY_WORDS and _could_take(after[0].text, after[1:]):
                    raise InputError(
                        f"'{token.text} {after[0].text} {after[1].text}' can be read in two ways; write "
                        f"{token.text}={after[0].text} or {after[1].text}={after[0].text}"
                    )
                bind(token.text, after[links].text, after[links - 1].text.casefold() if links else "")
                index += links + 2
                continue
            quantity = _QUANTITY_WORDS.get(token.text.casefold()) or _quantity_of_symbol(token.text)
            if quantity is None or (links and after[0].text in "=:<>≤≥"):
                raise InputError(
                    f"{token.text!r} has no value; give one, e.g. {token.text}=0.1"
                    if not links
                    else f"{token.text!r} is followed by no number; give one, e.g. {token.text}=0.1"
                )
            quantities.append(quantity)
        elif token.kind == "number":
            following = after[0] if after else None
            if following is None or following.kind != "phrase" or not _takes_number(following.text):
                raise InputError(
                    f"the number {token.text[:40]!r} belongs to nothing; say of what it is, e.g. "
                    f"epsilon={token.text[:40]}"
                )
            bind(following.text, token.text)
            index += 1
        elif token.kind == "key":
            statements.append(token.text)
        index += 1

    asked = tuple(dict.fromkeys(quantities))
    if len(asked) > 1:
        raise InputError(f"the query asks for {' and '.join(asked)}; ask for one at a time")
    if not asked:
        read = ", ".join(f"{name}={show_fraction(value)}" for name, value in {**found, **targets}.items())
        raise InputError(
            f"{query[:80]!r} does not say what it asks for"
            + (f", only the inputs {read}" if read else "")
            + f"; name one of {', '.join(QUANTITIES)}"
        )
    return Request(query, asked[0], found, targets, tuple(statements))


def _could_take(number: str, tokens: list[_Token]) -> bool:
    """Whether the tokens begin with a word that could take this number and is given no other."""
    if not tokens or tokens[0].kind != "phrase" or (len(tokens) > 1 and tokens[1].kind in ("link", "number")):
        return False
    symbol = ALIASES.get(tokens[0].text) or ALIASES.get(tokens[0].text.casefold())
    return symbol is not None and parse_number(number) in VOCABULARY[symbol].domain


def _takes_number(phrase: str) -> bool:
    folded = phrase.casefold()
    return folded in _TARGETS or phrase in ALIASES or folded in ALIASES


def _quantity_of_symbol(phrase: str) -> str | None:
    name = ALIASES.get(phrase)
    return VOCABULARY[name].quantity if name else None


def _tokenize(query: str, keys: tuple[str, ...]) -> list[_Token]:
    text = normalize(query)
    papers = {key.partition("/")[0] for key in keys}
    number = re.compile(NUMBER)
    tokens: list[_Token] = []
    unknown: list[str] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        rest = text[position:]
        key = re.match(r"[a-z]+\d{4}(?:/[\w.]+\w)?", rest, re.IGNORECASE)
        if key and (key[0].lower() in papers or key[0].lower() in keys):
            tokens.append(_Token("key", key[0].lower()))
            position += key.end()
            continue
        phrase = _phrase_at(rest)
        if phrase:
            kind = "link" if phrase.casefold() in _LINKS else "phrase"
            tokens.append(_Token(kind, phrase))
            position += len(phrase)
            continue
        matched = number.match(rest)
        thousands = re.match(r"\d{1,3}(?:,\d{3})+(?![\d.])", rest)
        if thousands:
            raise InputError(
                f"{thousands[0]!r} could be one number or two; write {thousands[0].replace(',', '')}, or put a space "
                "after the comma"
            )
        comma = re.match(r"0,\d+|\d+,0\d*(?![\d,])", rest)
        if comma:
            raise InputError(f"{comma[0]!r} has a comma in it; write it with a point, {comma[0].replace(',', '.')}")
        if matched and not re.match(r"[^\W\d_]", rest[len(matched[0].rstrip()) :]):
            tokens.append(_Token("number", matched[0].strip()))
            position += matched.end()
            continue
        word = re.match(r"[\w'./+*^-]+|.", rest, re.DOTALL)
        assert word is not None
        stripped = word[0].rstrip(".") or word[0]
        if stripped.casefold() in _FILLERS:
            # Kept, because it parts what stands on its two sides: `width for 5` gives no width.
            tokens.append(_Token("filler", stripped))
        else:
            unknown.append(stripped)
        position += len(stripped)
    if unknown:
        words = list(dict.fromkeys(unknown))
        complaints = [_not_understood(word, keys) for word in words[:MOST_COMPLAINTS]]
        more = [f"nor are {len(words) - MOST_COMPLAINTS} others"] if len(words) > MOST_COMPLAINTS else []
        raise InputError("; ".join(complaints + more))
    return tokens


def _phrase_at(rest: str) -> str | None:
    """The longest phrase of the vocabulary that the text begins with, as typed."""
    for phrase in _PHRASES.get(rest[0].casefold(), ()):
        head = rest[: len(phrase)]
        same = head == phrase or (len(phrase) > 1 and head.casefold() == phrase.casefold())
        following = rest[len(phrase) : len(phrase) + 1]
        word_ends = not phrase[-1].isalnum() or not (following.isalnum() or following == "_")
        # `eps1e-2` and `L5` are not split; `2.5` is no word.
        if same and word_ends:
            return head
    return None


def _not_understood(word: str, keys: tuple[str, ...]) -> str:
    known = [w for w in {*_QUANTITY_WORDS, *ALIASES, *_TARGETS, *_FILLERS, *keys} if len(w) > 1]
    offers = nearest(word, known) if any(letter.isalpha() for letter in word) else ()
    return f"{word[:40]!r} is not understood" + (f" (did you mean {' or '.join(offers)}?)" if offers else "")


@dataclass(frozen=True)
class Reply:
    """The answers to a query, one for each statement that prescribes or bounds the quantity."""

    request: Request
    inputs: Mapping[str, Fraction]
    answers: tuple[Solution, ...]
    refused: Mapping[str, str]
    notes: tuple[str, ...]


def ask(
    query: str,
    catalogue: Catalogue = CATALOGUE,
    policy: ConstantPolicy = UNIT,
    *,
    strict: bool = False,
    reading: str = "stated",
    facts: Facts | None = None,
) -> Reply:
    """Answer a query over every statement that bounds the quantity asked for.

    Statements whose assumptions the inputs contradict (a depth below the least they allow, say) are listed under
    `refused`, with the reason.

    Args:
        query: such as "required width for ε=0.01, L=5": a quantity, values of inputs, statements or papers.
        catalogue: the statements that are asked.
        policy: where the values of hidden constants come from.
        strict: refuse to assume an input, or a constant's unit value.
        reading: `unfolded` takes what a corollary's proof plugs in, where a statement has this reading.
        facts: data from which each statement's inputs that are not given are taken; see `boundcalc.measuring`.

    Raises:
        InputError: the query is not understood, or no statement can answer it.
    """
    request = parse(query, catalogue)
    chosen = [
        theorem
        for theorem in catalogue.all()
        if request.quantity in theorem.quantities
        and theorem.reading == (reading if len(catalogue.readings(theorem.key)) > 1 else "stated")
        and (not request.statements or any(_names(name, theorem) for name in request.statements))
    ]
    if not chosen:
        scope = f" in {', '.join(request.statements)}" if request.statements else ""
        raise InputError(f"no statement{scope} bounds {request.quantity}; see boundcalc list")
    policy.check_names((theorem.key, constant) for theorem in chosen for constant in theorem.constants)
    answers: list[Solution] = []
    refused: dict[str, str] = {}
    for theorem in chosen:
        try:
            inputs = with_targets(theorem, request)
            for symbol in theorem.bounded_symbols(request.quantity):
                answers.append(evaluate(theorem, symbol.name, inputs, policy, strict=strict, facts=facts))
        except (InputError, NumericsError) as problem:
            refused[theorem.key] = str(problem)
    if not answers:
        raise (IncompleteError if strict else InputError)(next(iter(refused.values())))
    notes = tuple(
        f"{name} ≤ {show_fraction(value)} is read as a bound on ε where the statement promises {name} in terms of ε"
        for name, value in request.targets.items()
    )
    return Reply(request, {**request.inputs, **request.targets}, tuple(answers), refused, notes)


def _names(name: str, theorem: Theorem) -> bool:
    return theorem.key == name or theorem.key.startswith(f"{name}/")


def _needs_epsilon(theorem: Theorem, quantity: str) -> bool:
    bounds = (bound for symbol in theorem.bounded_symbols(quantity) for bound in theorem.bounds_on(symbol))
    return any(bound.expr.has(epsilon) for bound in bounds)


def with_targets(theorem: Theorem, request: Request) -> dict[str, Fraction]:
    """The request's inputs, its target error or loss turned into the ε with which the statement promises it.

    A guarantee of c·ε on the target makes ε = target/c.

    Raises:
        InputError: the target gives another ε than the one given.
    """
    inputs = dict(request.inputs)
    for name, target in request.targets.items():
        quantity = VOCABULARY[name].quantity
        promises = [b for b in theorem.guarantees if VOCABULARY[b.symbol.name].quantity == quantity]
        factors = [explicit(bound.expr) / epsilon for bound in promises]
        multiple = next((factor for factor in factors if factor.is_Rational), None)
        if multiple is not None:
            value = target / Fraction(int(multiple.p), int(multiple.q))
            if inputs.setdefault("epsilon", value) != value:
                raise InputError(
                    f"{name} ≤ {show_fraction(target)} means epsilon={show_fraction(value)} in {theorem.key}, but "
                    f"epsilon={show_fraction(inputs['epsilon'])} is given too; give one of them"
                )
        elif any(b.expr.has(VOCABULARY[name].expr) for b in theorem.bounds) or not promises:
            inputs[name] = target
        elif "epsilon" not in inputs and _needs_epsilon(theorem, request.quantity):
            raise InputError(
                f"{theorem.key} bounds {name} by more than a multiple of ε, so that {name} ≤ "
                f"{show_fraction(target)} fixes no ε; give epsilon=… instead"
            )
        else:
            inputs[name] = target
    return inputs
