"""Maps: their numbers are those of the evaluator, their lines those of the decided regions, and the plot is a file."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure

from boundcalc.catalogue import CATALOGUE
from boundcalc.cli import cli
from boundcalc.comparison.maps import Map, smallest_map
from boundcalc.constants import ConstantPolicy
from boundcalc.errors import InputError
from boundcalc.formula import parse_formula
from boundcalc.report.maps import caption, draw_map, write_map
from boundcalc.solving import evaluate

NAMES = ["chen2019/thm2.1", "zou2020", "zou2019", "cao2020/cor3.3"]
AXES = {"n": "1:1e9:log7", "L": "2,5,11,60,200"}


def plane(names: list[str] | None = None, axes: dict[str, str] | None = None, **given: str | int) -> Map:
    return smallest_map(names or NAMES, axes or AXES, given=given)


def test_the_numbers_are_those_of_the_evaluator() -> None:
    drawn = plane(R=3, epsilon="1e-3", gamma="0.2", delta="0.1")
    assert drawn.log10.shape == (4, 5, 7)
    for index, name in enumerate(NAMES):
        for (i, y), (j, x) in itertools.product(enumerate(drawn.y_values), enumerate(drawn.x_values)):
            inputs = {"n": int(x), "H": int(y), "R": 3, "epsilon": "1e-3", "gamma": "0.2", "delta": "0.1"}
            used = {k: v for k, v in inputs.items() if k == "H" or k in {s.name for s in CATALOGUE[name].symbols}}
            assert drawn.log10[index, i, j] == pytest.approx(evaluate(CATALOGUE[name], "width", used).log10, rel=1e-9)
    assert np.array_equal(drawn.smallest, drawn.log10.argmin(axis=0))
    assert sum(drawn.shares().values()) == pytest.approx(1)


def test_the_dashed_line_is_the_decided_region() -> None:
    """chen2019 below zou2020 exactly where L ≤ max(n^(1/3), ε^(−1/6))."""
    given = {"R": parse_formula("n^(3/2)*phi^(-1/2)"), "epsilon": Fraction(1, 10**9), "alpha": "1/2"}
    drawn = smallest_map(["chen2019/thm2.1", "zou2020"], {"n": "1:1e9:log40", "L": "2:300"}, given=given)
    assert drawn.asymptotic is not None
    below = drawn.asymptotic[0] < drawn.asymptotic[1]
    claimed = drawn.y_values[:, None] < np.maximum(drawn.x_values[None, :] ** (1 / 3), 10**1.5)
    assert np.array_equal(below, claimed)
    assert 0.1 < below.mean() < 0.9


def test_exponentials_and_formulas_are_drawn_in_hidden_layers() -> None:
    drawn = smallest_map(["2^H", "L^3"], {"L": "1:20", "n": "1:9:lin3"}, given={})
    assert drawn.quantity is None
    by_depth = drawn.smallest[0]
    assert [bool(index) for index in by_depth] == [2**depth > depth**3 for depth in range(1, 21)]
    assert drawn.asymptotic is not None
    assert np.array_equal(drawn.asymptotic.argmin(axis=0)[0], by_depth)


def test_what_is_assumed_or_left_out_is_said() -> None:
    drawn = plane(epsilon="1e-3")
    assert drawn.assumed.keys() >= {"delta", "R", "gamma", "phi", "alpha"}
    assert drawn.given == {"epsilon": "0.001"}
    assert "R = 1 (assumed)" in caption(drawn)
    assert "unit policy" in caption(drawn)
    deep = plane([*NAMES, "ji2020"])
    assert deep.names == tuple(NAMES)
    assert any(note.startswith("ji2020 is left out") for note in deep.notes)


def test_bounds_that_are_equally_small_are_said_to_be() -> None:
    drawn = smallest_map(
        ["cao2020/thm3.2", "cao2020/cor3.1", "zou2020"], {"n": "2:9", "delta": "0.1:0.9:lin9"}, given={}
    )
    assert drawn.shares()["cao2020/thm3.2"] == 1
    assert "where cao2020/thm3.2 is the smallest, cao2020/cor3.1 is as small" in drawn.notes
    assert not any("zou2020" in note for note in drawn.notes)


def test_a_plane_on_which_there_is_no_bound_is_refused() -> None:
    with pytest.raises(InputError, match="has a bound anywhere on this plane"):
        smallest_map(["cao2020/thm3.1", "cao2020/lem4.5"], {"tau": "10:1e8:log20", "n": "2:9"}, given={"L": 2})


def test_a_map_says_of_which_statement_a_constant_is_calibrated() -> None:
    name = "chen2019/thm2.1:C_m"
    policy = ConstantPolicy({name: "1e-9"}, {name: "calibrated on digits"})
    drawn = smallest_map(["chen2019/thm2.1", "cao2020/thm3.2"], {"n": "2:9", "epsilon": ""}, given={}, policy=policy)
    assert "calibrated (chen2019/thm2.1), unit (cao2020/thm3.2)" in caption(drawn)


def test_a_symbol_without_a_value_leaves_out_the_lines_only() -> None:
    drawn = smallest_map(["ji2020", "zou2019"], {"n": "2:9", "epsilon": ""}, "iterations", given={})
    assert drawn.asymptotic is None
    assert set(np.unique(drawn.smallest)) <= {0, 1}


@pytest.mark.parametrize(
    ("axes", "given", "message"),
    [
        ({"n": ""}, {}, "a map has two different axes, not 1"),
        ({"L": "", "H": ""}, {}, "a map has two different axes, not 1"),
        ({"n": "5", "L": ""}, {}, "n = 5 is no range"),
        ({"n": "1:2:pow3", "L": ""}, {}, "does not say how to space its values"),
        ({"n": "", "L": ""}, {"H": 3}, "L is an axis and given as well"),
        ({"n": "", "L": ""}, {"epsilon": 7}, "epsilon = 7"),
    ],
)
def test_what_cannot_be_drawn_is_refused(axes: dict[str, str], given: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        smallest_map(NAMES, axes, given=given)


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_the_plot_is_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"map.{suffix}"
    write_map(plane(R=3, epsilon="0.5"), path)
    magic = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(magic)


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_the_same_map_gives_the_same_file(tmp_path: Path, suffix: str) -> None:
    drawn = plane(R="1e-2", epsilon="0.5")
    paths = [tmp_path / f"{name}.{suffix}" for name in ("one", "two")]
    for path in paths:
        write_map(drawn, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_depth_counts_hidden_layers_whether_axis_or_number_and_that_is_said() -> None:
    sides = ["chen2019/thm2.1", "zou2020"]  # The L of the first counts weight matrices, that of the second does not.
    by_axis = plane(sides)
    given, hidden = (smallest_map(sides, {"n": "1:1e9:log7", "R": "1,2"}, given={name: 11}) for name in "LH")
    assert np.array_equal(given.log10, hidden.log10)
    assert np.allclose(given.log10[:, 0], by_axis.log10[:, 2], rtol=1e-12)
    for drawn in (by_axis, given, hidden):
        assert "L is read as the number of hidden layers H, the same networks" in caption(drawn)
    assert "L is what each statement calls so" in caption(plane(sides, {"n": "1:9:lin3", "R": "1,2"}))
    with pytest.raises(InputError, match="L and H"):
        plane(sides, {"n": "1:9:lin3", "R": "1,2"}, H=2, L=2)


@pytest.mark.parametrize("name", ["delta", "epsilon", "alpha", "R"])
def test_the_range_that_an_axis_has_by_default_lies_in_its_domain(name: str) -> None:
    assert not plane(NAMES[:2], {"n": "1:9:lin3", name: ""}).notes


def test_every_bound_that_is_the_smallest_somewhere_looks_different() -> None:
    names = tuple(f"bound {index}" for index in range(12))
    smallest = np.repeat(np.array([-1, *range(1, 11)]), 4).reshape(11, 4)  # The first and the last never are.
    drawn = Map(
        "width", names, "n", "R", np.geomspace(1, 1e6, 4), np.linspace(1, 9, 11), np.zeros((12, 11, 4)), smallest,
        None, {}, {}, "unit", (),
    )  # fmt: skip
    axes = Figure().add_subplot()
    draw_map(axes, drawn)
    *patches, nothing = axes.get_legend().get_patches()
    assert [patch.get_label() for patch in patches] == list(names[1:11])
    assert nothing.get_label() == "no bound"
    assert len({(patch.get_facecolor(), patch.get_hatch()) for patch in patches}) == 10
    hatched = [patch for patch in patches if patch.get_hatch()]
    assert len(hatched) == 2
    # What the legend hatches is hatched in the plane.
    assert sum(isinstance(one, QuadContourSet) and one.hatches != [None] for one in axes.collections) == 2


def test_a_map_says_below_it_what_was_compared_and_left_out(tmp_path: Path) -> None:
    write_map(plane([*NAMES[:2], "du2019"], {"n": "1:9:lin3", "L": "2:4"}), tmp_path / "map.svg")
    said = (tmp_path / "map.svg").read_text("utf-8")
    assert "<dc:title>Which statement has the smallest width</dc:title>" in said
    below = " ".join(re.findall(r"<!-- (.*?) -->", said, re.DOTALL))
    for words in ("compared: chen2019/thm2.1, zou2020", "R = 1 (assumed)", "du2019 is left out: "):
        assert words in below


def test_other_formats_and_folders_are_refused(tmp_path: Path) -> None:
    drawn = plane()
    with pytest.raises(InputError, match=r"maps are written as \.svg, \.png, \.pdf"):
        write_map(drawn, tmp_path / "map.txt")
    with pytest.raises(InputError, match=r"cannot write .*map\.svg': there is no folder"):
        write_map(drawn, tmp_path / "nowhere" / "map.svg")


def test_the_command_draws(tmp_path: Path) -> None:
    path = tmp_path / "map.svg"
    arguments = ["compare", "chen2019/thm2.1", "zou2020", "--map", "n,L", "n=1:1e6:log20", "L=2:50:lin7"]
    substitution = ["R=n^(3/2)*phi^(-1/2)", "-o", str(path)]
    done = CliRunner().invoke(cli, [*arguments, *substitution], catch_exceptions=False)
    assert done.exit_code == 0
    assert "chen2019/thm2.1: smallest on" in done.output
    assert path.exists()
    done = CliRunner().invoke(cli, [*arguments, *substitution, "--json"], catch_exceptions=False)
    answer = json.loads(done.output)
    assert (answer["x"], answer["y"], answer["quantity"]) == ("n", "L", "width")
    assert set(answer["shares"]) == {"chen2019/thm2.1", "zou2020"}
    for extra in (["--strict"], ["--md"], ["--for", "L"]):
        done = CliRunner().invoke(cli, [*arguments, *substitution, *extra])
        assert "--map draws into a file" in str(done.exception)
    done = CliRunner().invoke(cli, arguments)
    assert "give -o map.svg" in str(done.exception)


def test_a_comparison_without_a_map_loads_neither_numpy_nor_matplotlib() -> None:
    code = (
        "import sys; sys.argv = ['boundcalc', 'compare', 'zou2019', 'zou2020']\n"
        "from boundcalc.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print({'numpy', 'scipy', 'matplotlib', 'torch'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8")
    assert done.stdout.splitlines()[-1] == "set()"
