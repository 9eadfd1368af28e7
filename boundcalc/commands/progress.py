"""How far a long command is, on stderr."""

from __future__ import annotations

import math
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from boundcalc.verify.progress import State


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
            # Back to the start of the line; what was there goes.
            click.echo(f"\r\033[K{text[: shutil.get_terminal_size().columns - 1]}", nl=False, err=True)
            self._open = True
        else:
            click.echo(text, err=True)

    def _end(self) -> None:
        if self._open:
            click.echo(err=True)
        self._open = False


class ProgressBar:
    """One line on stderr for each stage of a run."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""
        self._said = time.monotonic()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, stage: str, step: int, steps: int, detail: str = "") -> None:
        """Show how far a stage is."""
        from tqdm import tqdm

        if stage != self._stage:
            if self._bar is not None:
                self._bar.close()
            # A bar that is rewritten in place only where there is someone to see it; else a line now and then.
            self._bar = tqdm(total=steps, desc=stage, file=sys.stderr, mininterval=0.2 if sys.stderr.isatty() else 10)
            self._stage = stage
        self._bar.update(step - self._bar.n)
        if detail and time.monotonic() - self._said > self._bar.mininterval:
            self._bar.set_postfix_str(detail)
            self._said = time.monotonic()
