"""What completes a word, for each kind of argument. Nothing heavy is loaded: whoever presses a key waits for it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from boundcalc.errors import BoundcalcError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from boundcalc.theorem import Catalogue, Theorem


def complete_theorem(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Keys of statements, with their titles."""
    return _starting(incomplete, _titles(ctx))


def complete_quantity(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Quantities of the statement that is named before, or all."""
    return _starting(incomplete, _quantities(_named(ctx)))


def complete_unknown(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What a statement can be solved for: its symbols, hidden constants and quantities."""
    theorem = _named(ctx)
    return _starting(incomplete, [*_symbols(theorem), *_constants(theorem), *_quantities(theorem)])


def complete_value(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """`name=` for the symbols of the statement that is named before, or for all, without those that are given."""
    return _assignments(_symbols(_named(ctx)), _given(ctx, param), incomplete)


def complete_range(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """`name=` for what can be swept: symbols and hidden constants."""
    theorem = _named(ctx)
    return _assignments([*_symbols(theorem), *_constants(theorem)], _given(ctx, param), incomplete)


def complete_side(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What is compared: statements, and `name=` for what is put into them."""
    given = _given(ctx, param)
    keys = [(key, title) for key, title in _titles(ctx) if key not in given]
    return [*_starting(incomplete, keys), *_assignments(_symbols(None), given, incomplete)]


def complete_query(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Words of a query: quantities, statements, and `name=`."""
    words = [*_quantities(None), *_titles(ctx)]
    return [*_starting(incomplete, words), *_assignments(_symbols(None), _given(ctx, param), incomplete)]


def complete_constant(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """`name=` for the hidden constants of the statement that is named before, and for all factors at once."""
    every = [("C", "every hidden factor"), ("k", "every hidden power of a logarithm")]
    return _assignments([*every, *_constants(_named(ctx))], (), incomplete)


def complete_source(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Bundled data sets, generators, and files."""
    from click.shell_completion import CompletionItem

    from boundcalc.data import BUNDLED, GENERATORS

    named = _starting(incomplete, [*((name, "") for name in BUNDLED), *((name, "generator") for name in GENERATORS)])
    return named or [CompletionItem(incomplete, type="file")]


def complete_measure(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What can be measured of data, after the last comma."""
    before, comma, _last = incomplete.rpartition(",")
    hypotheses = [hypothesis for theorem in _catalogue(ctx).all() for hypothesis in theorem.hypotheses]
    names = dict.fromkeys(hypothesis.measure for hypothesis in hypotheses if hypothesis.measure)
    taken = before.split(",")
    return _starting(incomplete, [(f"{before}{comma}{name}", "") for name in names if name not in taken])


def complete_page(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Pages of the manual."""
    from boundcalc.report.manual import PAGES

    return _starting(incomplete, PAGES.items())


def _starting(incomplete: str, words: Iterable[tuple[str, str]]) -> list[CompletionItem]:
    """The words that begin with what is typed, each with what it means."""
    from click.shell_completion import CompletionItem

    found = {word: meaning for word, meaning in words if word.startswith(incomplete)}
    return [CompletionItem(word, help=meaning or None) for word, meaning in found.items()]


def _assignments(names: Iterable[tuple[str, str]], given: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """`name=` for the names that are not given yet; nothing where a value is due, which only the user knows."""
    given = list(given)
    if "=" in incomplete or (given and given[-1].endswith("=")):
        return []
    taken = {assignment.partition("=")[0] for assignment in given}
    return _starting(incomplete, [(f"{name}=", meaning) for name, meaning in names if name not in taken])


def _given(ctx: click.Context, param: click.Parameter) -> list[str]:
    """The values before the word: bash takes `L=5` apart into three words, and `L=` into two, the last one typed."""
    words = " ".join(ctx.params.get(param.name or "") or ())
    joined = words.replace(" = ", "=").replace(" =", "=").split()
    symbols = {name for name, _ in _symbols(None)}
    return [f"{word}=" if index == len(joined) - 1 and word in symbols else word for index, word in enumerate(joined)]


def _catalogue(ctx: click.Context) -> Catalogue:
    from boundcalc.catalogue import CATALOGUE, load

    try:
        return load([Path(file) for file in ctx.params.get("theorem_files") or ()])
    except BoundcalcError:
        return CATALOGUE  # A completion is no place to complain: the command itself will.


def _titles(ctx: click.Context) -> list[tuple[str, str]]:
    return [(theorem.key, theorem.title) for theorem in _catalogue(ctx).values()]


def _named(ctx: click.Context) -> Theorem | None:
    """The statement that is named before, if it is known.

    Where an option still lacks its value, click reads no arguments, and leaves them.
    """
    catalogue = _catalogue(ctx)
    keys = set(catalogue)
    return next((catalogue[word] for word in (ctx.params.get("theorem"), *ctx.args) if word in keys), None)


def _quantities(theorem: Theorem | None) -> list[tuple[str, str]]:
    from boundcalc.symbols import QUANTITIES, VOCABULARY

    return [(name, VOCABULARY[QUANTITIES[name][0]].meaning) for name in (theorem.quantities if theorem else QUANTITIES)]


def _symbols(theorem: Theorem | None) -> list[tuple[str, str]]:
    from boundcalc.symbols import VOCABULARY

    names = [symbol.name for symbol in theorem.symbols] if theorem else list(VOCABULARY)
    return [(name, VOCABULARY[name].meaning) for name in names if name in VOCABULARY]


def _constants(theorem: Theorem | None) -> list[tuple[str, str]]:
    from boundcalc.notation import hidden_by

    constants = theorem.constants if theorem else ()
    return [(constant.name, f"hidden by {hidden_by(constant.hides)}") for constant in constants]
