"""The direction of imports: nothing on the left imports from its right, and a width query loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import boundcalc

ROOT = Path(boundcalc.__file__).parent
SYMBOLIC = [
    {"errors"}, {"parsing", "symbols", "documents", "files", "plugins", "mathml"}, {"constants"}, {"numerics"},
    {"theorem", "derivation", "notation", "display"}, {"formula", "tropical", "arrays"}, {"exchange"}, {"catalogue"},
    {"proofs"}, {"solving"}, {"sweeps"}, {"comparison", "auditing", "query", "budget"},
]  # fmt: skip
NUMERIC = [{"errors"}, {"data"}, {"estimate", "train"}, {"machine"}]
TOP = [{"measuring"}, {"verify"}, {"report"}, {"explorer"}, {"commands"}, {"cli"}]
COMMAND_LINE = {"commands", "cli"}
HEAVY = {"torch", "scipy", "sklearn", "matplotlib", "pandas", "cvxpy"}

ROOMS = set().union(*SYMBOLIC, *NUMERIC, *TOP)
SYMBOLIC_ROOMS, NUMERIC_ROOMS = set().union(*SYMBOLIC), set().union(*NUMERIC)


def allowed() -> dict[str, set[str]]:
    """The rooms that each room may import, itself included."""
    rules: dict[str, set[str]] = {}
    for side in (SYMBOLIC, NUMERIC):
        below: set[str] = set()
        for level in side:
            below |= level
            for room in level:
                rules[room] = rules.get(room, set()) | below
    both = SYMBOLIC_ROOMS | NUMERIC_ROOMS
    # The two rooms that join the sides: one hands measured numbers to statements, one tests statements on networks.
    rules["measuring"] = both | {"measuring"}
    rules["verify"] = both | {"verify"}
    rules["report"] = both | {"verify", "report"}
    rules["explorer"] = SYMBOLIC_ROOMS | {"explorer"}
    rules["commands"] = both | {"measuring", "verify", "report", "explorer", "commands"}
    rules["cli"] = {"errors", "commands", "cli"}
    return rules


ALLOWED = allowed()
FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.stem not in ("__init__", "__main__"))


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(nodes: Iterator[ast.AST]) -> set[str]:
    """The dotted names that import statements among the nodes name."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == "boundcalc" else {module}
    return found


def at_the_top(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node that runs when the module is imported: not the bodies of functions, not TYPE_CHECKING blocks."""
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending += node.orelse
            continue
        yield node
        pending += ast.iter_child_nodes(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_stands_left_of_it(path: Path) -> None:
    assert room(path) in ROOMS, "a new room needs its place in this test"
    named = imports(ast.walk(ast.parse(path.read_text("utf-8"))))
    rooms = {name.split(".")[1] for name in named if name.startswith("boundcalc.")} & ROOMS
    assert rooms <= ALLOWED[room(path)], f"{room(path)} may not import {rooms - ALLOWED[room(path)]}"


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if room(path) in SYMBOLIC_ROOMS | COMMAND_LINE],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_the_symbolic_side_and_the_command_line_load_nothing_heavy_at_the_top(path: Path) -> None:
    named = imports(at_the_top(ast.parse(path.read_text("utf-8"))))
    assert not {name.partition(".")[0] for name in named} & HEAVY
    if room(path) in COMMAND_LINE:
        assert not {name.split(".")[1] for name in named if name.startswith("boundcalc.")} & (
            NUMERIC_ROOMS - {"errors"}
        )


@pytest.mark.parametrize("path", [*FILES, ROOT / "__main__.py"], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_is_evaluated(path: Path) -> None:
    forbidden = {"eval", "exec", "compile", "sympify", "parse_expr", "literal_eval", "__import__"}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name == "sympify" and path.name == "constants.py":
                continue  # of expressions that the catalogue writes, never of text
            if name == "eval" and not node.args:
                continue  # torch's switch between training and evaluation
            # re.compile, torch.compile: only a bare compile is Python's.
            if name == "compile" and isinstance(node.func, ast.Attribute):
                continue
            assert name not in forbidden, f"line {node.lineno}: {name}"


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after running the code."""
    script = f"import sys\n{code}\nprint('MODULES', *{{m.partition('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, encoding="utf-8")
    return set(done.stdout.rpartition("MODULES")[2].split())


@pytest.mark.parametrize(
    "arguments",
    [["required width for ε=0.01, L=5"], ["eval", "cao2020/thm3.1", "width", "tau=1e-6"], ["list"], ["--help"]],
    ids=lambda arguments: arguments[0],
)
def test_a_query_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        f"sys.argv = ['boundcalc', *{arguments!r}]\n"
        "from boundcalc.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert stop.code == 0, stop.code"
    )
    loaded = modules_after(code)
    assert "boundcalc" in loaded
    assert not loaded & HEAVY


def test_importing_the_package_alone_loads_next_to_nothing() -> None:
    assert not modules_after("import boundcalc") & (HEAVY | {"sympy", "click", "flint", "numpy"})
