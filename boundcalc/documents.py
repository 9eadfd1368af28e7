"""TOML files whose every value knows the line it stands on, so that a message about it can say so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from boundcalc.errors import InputError, nearest

LARGEST_FILE = 1_000_000
"""Bytes that a file may have."""
DEEPEST = 30
"""Parts that a dotted name may have."""

Steps = tuple[str | int, ...]
"""The way to a value: names of fields, and numbers of elements counted from 0."""


@dataclass(frozen=True)
class Node:
    """A value of a document: a table, an array, a text, a number or a truth value.

    Numbers with a decimal point are kept as the text that was written, so that they can be read exactly.
    """

    value: object
    origin: str
    lines: Mapping[Steps, int]
    steps: Steps = ()

    @property
    def place(self) -> str:
        """The file, the line and the field, for a message."""
        known = next((self.steps[:end] for end in range(len(self.steps), 0, -1) if self.steps[:end] in self.lines), ())
        line = f", line {self.lines[known]}" if known else ""
        field = ".".join(step[:60] for step in self.steps if isinstance(step, str))
        return f"{self.origin}{line}" + (f", {field}" if field else "")

    def fail(self, problem: str) -> NoReturn:
        """Refuse this value.

        Raises:
            InputError: always; the message names the file, the line and the field.
        """
        raise InputError(f"{self.place}: {problem}")

    def entries(self) -> dict[str, Node]:
        """The fields of a table, whatever their names."""
        if not isinstance(self.value, dict):
            self.fail(f"{_shown(self.value)} is not a table; write name = value pairs")
        return {name: self._step(name, value) for name, value in self.value.items()}

    def fields(self, known: Iterable[str], required: Iterable[str] = ()) -> dict[str, Node]:
        """The fields of a table that may have only the `known` ones and must have the `required` ones."""
        entries, known = self.entries(), tuple(known)
        for name, node in entries.items():
            if name not in known:
                offers = nearest(name, known)
                offer = f"did you mean {' or '.join(offers)}?" if offers else f"known are {', '.join(known)}"
                node.fail(f"unknown field {name[:60]!r}; {offer}")
        for name in required:
            if name not in entries:
                self.fail(f"the field {name!r} is missing")
        return entries

    def items(self) -> tuple[Node, ...]:
        """The elements of an array."""
        if not isinstance(self.value, list):
            self.fail(f"{_shown(self.value)} is not a list; write it in brackets, [{_shown(self.value)}]")
        return tuple(self._step(number, value) for number, value in enumerate(self.value))

    def text(self, *choices: str) -> str:
        """The text, which must be one of the `choices` if there are any."""
        if not isinstance(self.value, str):
            self.fail(f'{_shown(self.value)} is not a text; write it in quotes, "{_shown(self.value)}"')
        if choices and self.value not in choices:
            self.fail(f"{self.value[:60]!r} is none of {', '.join(choices)}")
        return self.value

    def flag(self) -> bool:
        """Whether the value is true."""
        if not isinstance(self.value, bool):
            self.fail(f"{_shown(self.value)} is neither true nor false; write one of these two words, without quotes")
        return self.value

    def _step(self, step: str | int, value: object) -> Node:
        return Node(value, self.origin, self.lines, (*self.steps, step))


def _shown(value: object) -> str:
    text = "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else str(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def read_document(text: str, origin: str) -> Node:
    """The top table of a TOML text.

    Raises:
        InputError: the text is no TOML; the message says where.
    """
    import tomllib  # Only here: few commands read a file.

    if _DEEP_KEY.search(text):  # which takes tomllib a time that grows with the square of its length
        raise InputError(f"{origin}: a name of more than {DEEPEST} parts with dots between them; nest less deeply")
    try:
        return Node(tomllib.loads(text, parse_float=str), origin, _lines(text))
    except RecursionError:
        raise InputError(f"{origin}: not TOML that a person wrote: nested too deeply") from None
    except ValueError as problem:  # a number of too many digits is one, too
        raise InputError(f"{origin}: not TOML: {problem}") from None


def read_file(path: Path) -> Node:
    """The top table of a TOML file.

    Raises:
        InputError: there is no such file, it is too large, or it is not TOML in UTF-8.
    """
    return read_document(read_text(path), str(path))


def read_text(path: Path, what: str = "file") -> str:
    """The text of a TOML file; `what` is what a message calls it.

    Raises:
        InputError: there is no such file, it cannot be read, it is too large, or it is not UTF-8.
    """
    shown = str(path) if len(str(path)) <= 200 else f"{str(path)[:60]}…"
    try:
        if path.is_dir():
            raise InputError(f"{what} {shown!r} is a folder; give a TOML file in it")
        if path.exists() and not path.is_file():
            raise InputError(f"{what} {shown!r} is a device or a pipe; give a TOML file")
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{what} {shown!r} has more than {LARGEST_FILE} bytes; give a TOML file of fewer")
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise InputError(f"no {what} {shown!r}; give the path of a TOML file") from None
    except UnicodeDecodeError:
        raise InputError(f"{what} {shown!r} is not text in UTF-8; give a TOML file") from None
    except OSError as problem:
        raise InputError(f"cannot read {what} {shown!r}: {problem.strerror}; mend that, or give another") from None


_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_DEEP_KEY = re.compile(rf"(?<![\w-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{DEEPEST}}}")
_TOKEN = re.compile(
    r'"""(?:\\[\s\S]|(?!""")[^\\])*"""{1,3}'
    r"|'''(?:(?!''')[\s\S])*'''{1,3}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[\[\]{}=,.\n]"
    r"|[^\s\[\]{}=,.\"'\#]+"
)


def _lines(text: str) -> dict[Steps, int]:
    """The line of every value of a text that is known to be TOML: where its name or its header stands first."""
    scanner = _Scanner(text)
    arrays: dict[Steps, int] = {}
    lines: dict[Steps, int] = {}
    table: Steps = ()
    while scanner.more:
        line = scanner.line
        if scanner.take("["):
            element = scanner.take("[")
            named = scanner.key()
            table = ()
            for position, name in enumerate(named, start=1):
                table += (name,)
                lines.setdefault(table, line)
                if element and position == len(named):
                    arrays[table] = arrays.get(table, -1) + 1
                if table in arrays:
                    table += (arrays[table],)
                    lines.setdefault(table, line)
            scanner.take("]")
            scanner.take("]")
        elif not scanner.take("\n"):
            for steps, line in scanner.assignment(table):
                lines.setdefault(steps, line)
    return lines


class _Scanner:
    """A walk over the tokens of a TOML text, comments left out."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, int]] = []
        self.index = 0
        line, counted = 1, 0
        for match in _TOKEN.finditer(text):
            line += text.count("\n", counted, match.start())
            counted = match.start()
            if not match[0].startswith("#"):
                self.tokens.append((match[0], line))

    @property
    def more(self) -> bool:
        return self.index < len(self.tokens)

    @property
    def line(self) -> int:
        return self.tokens[self.index][1]

    def take(self, token: str) -> bool:
        if self.more and self.tokens[self.index][0] == token:
            self.index += 1
            return True
        return False

    def skip(self, *tokens: str) -> None:
        while self.more and self.tokens[self.index][0] in tokens:
            self.index += 1

    def key(self) -> list[str]:
        """A dotted key; a quoted part of it is read as TOML reads it."""
        import tomllib

        parts = [self.tokens[self.index][0]]
        self.index += 1
        while self.take("."):
            parts.append(self.tokens[self.index][0])
            self.index += 1
        return [next(iter(tomllib.loads(f"{part} = 0"))) if part[0] in "\"'" else part for part in parts]

    def assignment(self, table: Steps) -> Iterator[tuple[Steps, int]]:
        line = self.line
        steps = table
        for name in self.key():
            steps += (name,)
            yield steps, line
        self.take("=")
        yield from self.value(steps)

    def value(self, steps: Steps) -> Iterator[tuple[Steps, int]]:
        if self.take("["):
            number = 0
            self.skip("\n", ",")
            while not self.take("]"):
                yield (*steps, number), self.line
                yield from self.value((*steps, number))
                self.skip("\n", ",")
                number += 1
        elif self.take("{"):
            self.skip("\n", ",")
            while not self.take("}"):
                yield from self.assignment(steps)
                self.skip("\n", ",")
        else:
            while self.more and self.tokens[self.index][0] not in ("\n", ",", "]", "}"):
                self.index += 1
