"""`doctor`: what this machine can do."""

from __future__ import annotations

import gc

import click

from boundcalc.commands.common import json_option, show_answer, terminal_width


@click.command("doctor", short_help="Say what this machine can do.")
@json_option
def doctor(as_json: bool) -> None:
    """Say what this machine can do: versions, devices, memory, rates, widths in reach of each engine, extras.

    Rates are measured, in a second or so. What an engine takes is computed from them: memory is what it allocates at
    most, time is good to a factor of about two.

    \b
    boundcalc doctor
    boundcalc doctor --json
    """
    gc.enable()
    from boundcalc.machine import examine
    from boundcalc.report.machine import machine_json, machine_text

    machine = examine()
    show_answer(machine_json(machine) if as_json else machine_text(machine, terminal_width()))
