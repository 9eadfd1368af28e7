"""How far a long command is, on stderr."""

from __future__ import annotations

import math
import shutil
import sys
import time
from typing import TYPE_CHECKING

import click

from boundcalc.report.tables import folded

if TYPE_CHECKING:
    from boundcalc.verify.progress import State


def announce(line: str) -> None:
    """Say on stderr what comes next, if someone can see it."""
    if sys.stderr.isatty():
        click.echo(line, err=True)


class RunLine:
    """How far a run is, on stderr: one line, rewritten where someone can see it, else a new one now and then."""

    def __init__(self) -> None:
        self._rewritten = sys.stderr.isatty()
        self._stage = ""
        self._said = -math.inf
        self._open = False

    def __enter__(self) -> RunLine:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def show(self, state: State) -> None:
        """Show how far a stage is."""
        now, over = time.monotonic(), state.done == state.trials
        if state.name == self._stage and not over and now - self._said < (0.2 if self._rewritten else 10):
            return
        if state.name != self._stage:
            self._end()
        self._stage, self._said = state.name, now
        text = f"{state.name} {state.share:.0%}: {state.line()}"
        if self._rewritten:
            # Back to the start of the line; what was there goes. Only what stays may take several lines.
            columns = shutil.get_terminal_size().columns
            shown = folded(text, columns - 1) if over else text[: columns - 1]
            click.echo(f"\r\033[K{shown}", nl=False, err=True)
            self._open = True
        else:
            click.echo(text, err=True)

    def _end(self) -> None:
        if self._open:
            click.echo(err=True)
        self._open = False
