"""The manual's page of JSON objects: the keys that it lists are those that there are, no more and no fewer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from shown import arguments, joined, run_here

from boundcalc.report.manual import page

SECTIONS = re.findall(r"```sh\n(.*?)```\n(.*?)(?=```sh|\Z)", page("json"), re.DOTALL)


@pytest.mark.parametrize(("shown", "described"), SECTIONS, ids=[shown.split(" --json")[0] for shown, _ in SECTIONS])
def test_the_keys_that_are_listed_are_the_keys_of_the_object(shown: str, described: str, tmp_path: Path) -> None:
    objects = []
    for command in joined(shown):
        code, out, err = run_here(arguments(command), tmp_path)
        assert code in (0, 3), err
        objects.append(json.loads(out))
    cells = re.findall(r"^\| (`.*?`) \|", described, re.MULTILINE)
    listed = {key for cell in cells for key in re.findall(r"`([^`]+)`", cell)}
    assert {key for key in listed if "." not in key} == {key for one in objects for key in one}
    for inner in {key for key in listed if "." in key}:
        whole, part = inner.split(".")
        assert part in set(keys(one.get(whole) for one in objects)), inner


def keys(values: Iterable[Any]) -> Iterator[str]:
    """The keys of objects, and of those in lists."""
    for value in values:
        if isinstance(value, dict):
            yield from value
        elif isinstance(value, list):
            yield from keys(value)


def test_every_object_is_there() -> None:
    assert len(SECTIONS) == 15
