"""Strings that nobody would type, and strings that someone nearly did: seeded, so that a failure comes again."""

from __future__ import annotations

import builtins
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import pytest

from boundcalc.errors import InputError

SIGNS = (
    "".join(map(chr, range(32, 127)))
    + "εδγφλταη₀²³⁻×·≤≥−–√∞½ßİſﷺ①Ⅷ٣߁𝟘"
    + "\u0303\u200b\ufeff\u202e\u2028\x00\x1b\n\r\t"
)
HOSTILE = (
    "__import__('os').system('true')",
    "L.__class__.__mro__",
    "().__class__.__bases__[0].__subclasses__()",
    "{L}",
    "%s%s%s%n",
    "9**9**9**9",
    "lambda: L",
    "\\input{/etc/passwd}",
    "';--",
)
LONG = tuple("([{-+*/^0123456789.eE,ε")


def noise(count: int, seed: int, likely: Sequence[str]) -> Iterator[str]:
    """Random strings: mostly the likely ones with a few mistakes, and some that are mad."""
    chance = random.Random(seed)
    for _ in range(count):
        kind = chance.random()
        if kind < 0.10:
            yield "".join(chance.choices(SIGNS, k=chance.randint(0, 40)))
        elif kind < 0.13:
            yield "".join(chr(chance.randrange(0x110000)) for _ in range(chance.randint(0, 20)))
        elif kind < 0.15:
            yield chance.choice(LONG) * chance.choice((1, 30, 400, 1999, 5000))
        elif kind < 0.16:
            yield "".join(chance.choices("()-+*/^12.eLm, ", k=chance.randint(1, 300)))
        elif kind < 0.18:
            yield chance.choice(HOSTILE)
        else:
            yield mistaken(chance, chance.choice(likely))


def mistaken(chance: random.Random, text: str) -> str:
    """The text with up to three characters put in, left out, exchanged or repeated."""
    letters = list(text)
    for _ in range(chance.randint(0, 3)):
        at, other = sorted((chance.randint(0, len(letters)), chance.randint(0, len(letters))))
        kind = chance.randrange(4)
        if kind == 0:
            letters.insert(at, chance.choice(SIGNS))
        elif kind == 1:
            del letters[at : at + 1]
        elif kind == 2:
            letters[at : at + 1] = chance.choice(SIGNS)
        else:
            letters[at:at] = letters[at:other]
    return "".join(letters)


def survives(read: Callable[[str], object], texts: Iterator[str], slowest: float = 2.0) -> tuple[int, int]:
    """Count the texts that were read and those that were refused.

    Every other outcome is a failure: another exception, a message without end, more than `slowest` seconds for one
    text, text that is run as code.
    """
    with suppress(InputError):
        read("?")  # what is imported at the first call may run; what is read may not
    was_read = refused = 0
    with nothing_runs():
        for text in texts:
            begun = time.perf_counter()
            message = _message(read, text)
            took = time.perf_counter() - begun
            assert took < slowest, f"{took:.1f} s for {text!r}"
            assert len(message) < 2500, text
            was_read, refused = was_read + (not message), refused + bool(message)
    return was_read, refused


def _message(read: Callable[[str], object], text: str) -> str:
    """Why a text is refused; nothing where it is read."""
    try:
        read(text)
    except InputError as problem:
        return str(problem)
    return ""


@contextmanager
def nothing_runs() -> Iterator[None]:
    """Fail where anything evaluates, compiles or executes text."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("text was run as code")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("eval", "exec", "compile"):
            patch.setattr(builtins, name, refuse)
        patch.setattr(os, "system", refuse)
        yield
