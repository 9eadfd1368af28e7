"""The notebook: its cells run, and its displays are what a notebook would show."""

from __future__ import annotations

import ast
import json
from typing import Any
from xml.etree import ElementTree

import pytest
from shown import ROOT

NOTEBOOK = json.loads((ROOT / "examples" / "tour.ipynb").read_text("utf-8"))


def test_it_is_a_notebook_without_outputs() -> None:
    assert (NOTEBOOK["nbformat"], NOTEBOOK["metadata"]["kernelspec"]["language"]) == (4, "python")
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    for cell in NOTEBOOK["cells"]:
        assert cell["cell_type"] in ("markdown", "code")
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


@pytest.fixture(scope="module")
def values() -> list[Any]:
    """The value of each cell's last line."""
    names: dict[str, Any] = {}
    found = []
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            *program, last = ast.parse("".join(cell["source"])).body
            assert isinstance(last, ast.Expr)
            exec(compile(ast.Module(program, []), "cell", "exec"), names)
            found.append(eval(compile(ast.Expression(last.value), "cell", "eval"), names))
    return found


def test_every_cell_shows_something(values: list[Any]) -> None:
    assert len(values) >= 7
    assert all(value is not None for value in values)


def test_rich_displays_are_well_formed_mathematics(values: list[Any]) -> None:
    shown = [value._repr_html_() for value in values if hasattr(value, "_repr_html_")]
    assert len(shown) >= 4
    for html in shown:
        assert list(ElementTree.fromstring(html).iter("math")) or "<math" in html
