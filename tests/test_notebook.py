"""The notebook: its cells run, and what is stored of their displays is what they show today."""

from __future__ import annotations

import ast
import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from shown import ROOT

NOTEBOOK = json.loads((ROOT / "examples" / "tour.ipynb").read_text("utf-8"))


def code_cells() -> list[dict[str, Any]]:
    return [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_it_is_an_executed_notebook_that_tells_nothing_of_the_machine() -> None:
    assert (NOTEBOOK["nbformat"], NOTEBOOK["metadata"]["kernelspec"]["language"]) == (4, "python")
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    for cell in NOTEBOOK["cells"]:
        assert cell["cell_type"] in ("markdown", "code")
        assert cell["metadata"] == {}
    for number, cell in enumerate(code_cells(), start=1):
        (output,) = cell["outputs"]
        assert (cell["execution_count"], output["execution_count"]) == (number, number)
        assert (output["output_type"], output["metadata"]) == ("execute_result", {})
    assert NOTEBOOK["metadata"].keys() == {"kernelspec", "language_info"}
    assert NOTEBOOK["metadata"]["language_info"] == {"name": "python"}
    assert len(json.dumps(NOTEBOOK)) < 50_000


@pytest.fixture(scope="module")
def values() -> list[Any]:
    """The value of each cell's last line."""
    names: dict[str, Any] = {}
    found = []
    for cell in code_cells():
        *program, last = ast.parse("".join(cell["source"])).body
        assert isinstance(last, ast.Expr)
        exec(compile(ast.Module(program, []), "cell", "exec"), names)
        found.append(eval(compile(ast.Expression(last.value), "cell", "eval"), names))
    return found


def displays(value: Any) -> dict[str, str]:
    """What a notebook stores of a value; the plain text only where there is no HTML, its line breaks left out."""
    shown = {"text/plain": "".join(repr(value).split())} if not hasattr(value, "_repr_html_") else {}
    for kind, method in (("text/html", "_repr_html_"), ("text/latex", "_repr_latex_")):
        if hasattr(value, method):
            shown[kind] = getattr(value, method)()
    return shown


def test_what_is_stored_is_what_the_cells_show_today(values: list[Any]) -> None:
    for cell, value in zip(code_cells(), values, strict=True):
        stored = {kind: "".join(text) for kind, text in cell["outputs"][0]["data"].items()}
        if "text/plain" in stored:
            stored["text/plain"] = "".join(stored["text/plain"].split())
        assert stored == displays(value), "execute the notebook again, and store of each value what `displays` says"


def test_every_cell_shows_something(values: list[Any]) -> None:
    assert len(values) >= 7
    assert all(value is not None for value in values)


def test_rich_displays_are_well_formed_mathematics(values: list[Any]) -> None:
    shown = [value._repr_html_() for value in values if hasattr(value, "_repr_html_")]
    assert len(shown) >= 4
    for html in shown:
        assert list(ElementTree.fromstring(html).iter("math")) or "<math" in html


def test_displays_are_in_the_papers_signs(values: list[Any]) -> None:
    shown = "".join(value._repr_html_() for value in values if hasattr(value, "_repr_html_"))
    words = re.sub(r"<math.*?</math>", "", shown)
    assert "hidden by <math" in shown
    for raw in ("tilde", "_l", "W_", "^(", "{"):
        assert raw not in words, raw


def test_the_calibrated_constant_is_shown_where_it_says_something(values: list[Any]) -> None:
    (calibrated,) = (value for value in values if getattr(value, "policy", "") == "calibrated")
    assert calibrated.symbol.name == "m"
    assert int(calibrated.value) > 100
    assert calibrated.cautions == ()
