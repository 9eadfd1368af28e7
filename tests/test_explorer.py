"""The explorer's page in a real browser: its numbers against the library's, and that a link reproduces a view."""

from __future__ import annotations

import html
import json
import math
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import CHROMIUM, browser
from click.testing import CliRunner
from mpmath import mp, mpf

from boundcalc.arrays import programs
from boundcalc.catalogue import CATALOGUE
from boundcalc.commands.asking import evaluate_quantity
from boundcalc.commands.explore import explore
from boundcalc.constants import ConstantPolicy
from boundcalc.errors import InputError, NumericsError, UnknownNameError
from boundcalc.explorer import write_page
from boundcalc.explorer.content import FIRST, MOST_FIRST, catalogue_json
from boundcalc.explorer.page import render
from boundcalc.explorer.plans import optional
from boundcalc.explorer.programs import NAMES
from boundcalc.solving import Solution, evaluate
from boundcalc.sweeps import sweep
from boundcalc.symbols import VOCABULARY, T, eta
from boundcalc.theorem import Catalogue, Prescription, Theorem

OPTIONAL = optional(CATALOGUE)
RNG = np.random.default_rng(20260731)

RANGES = {
    "epsilon": (1e-4, 0.5), "delta": (1e-6, 0.3), "gamma": (1e-3, 0.9), "phi": (1e-3, 1.9), "lambda_0": (1e-4, 0.9),
    "L": (2, 300), "m": (2, 1e15), "n": (2, 1e9), "R": (1e-2, 1e3), "B": (1e-3, 10), "alpha": (0.05, 0.5),
    "tau": (1e-16, 1e-2), "eta": (1e-12, 0.5), "T": (1, 1e9), "K": (1, 1e9), "error": (1e-3, 0.9), "L_S": (1e-4, 3),
    "E_S": (1e-4, 0.9), "L_F": (1e-4, 3), "D_1": (1e-14, 1e-3), "D_2": (1e-27, 1e-6), "v_norm": (0.1, 1e4),
    "P_2": (0.1, 1e4), "S_21": (0.1, 1e4), "S_F": (0.1, 1e4),
}  # fmt: skip


def dump(page: Path, fragment: str = "", size: str = "1000,900") -> str:
    """What the browser makes of a page, as text."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={size}",
        f"--user-data-dir={page.parent / 'profile'}", "--virtual-time-budget=5000", "--dump-dom",
        page.as_uri() + fragment,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def scripted(folder: Path, text: str, script: str, size: str = "1000,900") -> Any:
    """What a script that is put at the end of the page gives: it calls `answer` with it."""
    page = folder / "scripted.html"
    say = (
        'const answer = (x) => { const held = document.createElement("pre"); held.id = "answer"; '
        "held.textContent = JSON.stringify(x, (k, v) => typeof v === 'number' && !isFinite(v) ? String(v) : v); "
        "document.body.append(held); };"
        'window.addEventListener("error", (e) => answer(e.message));'
        'window.addEventListener("unhandledrejection", (e) => answer(String(e.reason.stack)));'
    )
    page.write_text(text.replace("</body>", f"<script>{say}{script}</script></body>"), "utf-8")
    found = re.search(r'<pre id="answer">(.*?)</pre>', dump(page, size=size), re.DOTALL)
    assert found is not None, "the page did not run to its end"
    return json.loads(html.unescape(found[1]))


@pytest.fixture(scope="module")
def page_text() -> str:
    return render(CATALOGUE)


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return catalogue_json(CATALOGUE)


def drawn(name: str, count: int) -> np.ndarray:
    low, high = RANGES[name]
    values = np.exp(RNG.uniform(math.log(low), math.log(high), count))
    return np.rint(values) if VOCABULARY[name].domain.integer else values


def cases() -> Iterator[tuple[Theorem, str, list[str]]]:
    """Every curve: with nothing given that need not be, with each such input, with all, and with some at random.

    What need not be given is every optional symbol of the statement, whether or not the page says that it enters.
    """
    for theorem in CATALOGUE.all():
        for symbol in dict.fromkeys(bound.symbol.name for bound in theorem.bounds):
            own = [name for name in RANGES if name in {one.name for one in theorem.symbols} - {symbol}]
            open_ = [name for name in own if name in OPTIONAL]
            some = [name for name in open_ if RNG.random() < 0.5]
            for given in {frozenset(one) for one in ([], *([name] for name in open_), open_, some)}:
                yield theorem, symbol, [name for name in own if name in given or name not in OPTIONAL]


def close(own: float, other: float) -> bool:
    """Equal to 1e-9 in log₁₀, or to 12 digits of it where it is huge."""
    if not (math.isfinite(own) and math.isfinite(other)):
        return str(own) == str(other)
    return abs(own - other) <= max(1e-9, 1e-12 * abs(other))


Question = tuple[str, str, dict[str, float], dict[str, Any]]


def asked_at_random() -> list[tuple[Question, tuple[Any, ...]]]:
    """Two points of every curve, for many choices of what is given, with what a sweep says there."""
    found = []
    for theorem, symbol, names in cases():
        arrays = {name: drawn(name, 2) for name in names}
        constants = {
            f"{theorem.key}:{constant.name}": float(
                np.exp(RNG.uniform(-3, 3)) if constant.role == "C" else RNG.uniform(0, 4)
            )
            for constant in theorem.constants
        }
        swept = sweep(theorem, symbol, arrays, ConstantPolicy(constants), broadcast=True)
        logs, status, unmet = (np.broadcast_to(x, 2) for x in (swept.log10, swept.status, swept.unmet))
        uppers = np.full(2, math.nan) if swept.ends is None else np.broadcast_to(swept.ends.upper, 2)
        for i in range(2):
            inputs = {name: values[i] for name, values in arrays.items()}
            filled = {one.name: np.broadcast_to(one.log10, 2)[i] for one in swept.assumed}
            found.append((
                (theorem.key, symbol, inputs, {"reading": theorem.reading, "constants": constants}),
                (logs[i], status[i], bool(unmet[i]), uppers[i] if status[i] == "interval" else None, filled),
            ))  # fmt: skip
    return found


def asked_and_proven() -> list[tuple[Question, Solution]]:
    """One point of every quantity, with everything else left to the statement, and what `evaluate` proves there."""
    found = []
    for theorem in CATALOGUE.all():
        for quantity in theorem.quantities:
            own = {symbol.name for symbol in theorem.symbols}
            inputs = {name: float(f"{drawn(name, 1)[0]:.4g}") for name in RANGES if name in own - OPTIONAL}
            try:
                solution = evaluate(theorem, quantity, {name: Fraction(repr(x)) for name, x in inputs.items()})
            except NumericsError:
                continue  # a bound without a finite value, of which the points above have some
            found.append(((theorem.key, quantity, inputs, {"reading": theorem.reading}), solution))
    return found


DEEP = {"L": 10**6, "gamma": 0.1, "epsilon": 0.01, "delta": 0.05}
NEAR = {"L": 3, "n": 1000, "delta": 0.05, "epsilon": 0.01, "tau": 1e-9}
SINGLE: dict[str, Question] = {
    "deep": ("cao2020/cor3.2", "width", DEEP, {}),
    "implicit": ("cao2020/thm3.1", "width", NEAR, {}),
    "hidden": ("chen2019/thm2.1", "width", {"L": 4}, {"depth": "hidden"}),
    "shallow": ("chen2019/thm2.1", "width", {"L": 1}, {}),
    "least": ("chen2019/thm2.1", "width", {"L": 1}, {"depth": "hidden"}),
    "sure": ("chen2019/thm2.1", "width", {"delta": 1}, {}),
    "factors": ("du2019", "width", {}, {"constants": {"C": 10}}),
    "unmet": ("chen2019/thm2.3", "error", {"L": 3, "m": 1e5, "n": 1000, "R": 1, "epsilon": 0.01}, {}),
    "met": ("chen2019/thm2.3", "error", {"L": 3, "m": 1e12, "n": 1000, "R": 1, "epsilon": 0.01}, {}),
    "own factor": ("du2019", "width", {}, {"constants": {"C": 10, "du2019:C_m": 3}}),
}


ARGUMENTS = {
    "logSum": (2, 3), "plus": (2,), "minus": (2,), "times": (2,), "power": (2,), "maximum": (2,), "minimum": (2,),
    "masked": (3,), "logDifference": (2,), "scaledSum": (5,), "logLog1p": (2,),
}  # fmt: skip
"""How many arguments operations take, where it is not one."""


def asked_of_operations() -> list[tuple[str, float, list[float], list[float], float]]:
    """Name, value, arguments, slopes of the arguments, and slope: as arrays compute them."""
    found = []
    for operation, name in NAMES.items():
        for count in ARGUMENTS.get(name, (1,)) * 4:
            x, d = RNG.uniform(0.1, 3, count), RNG.uniform(-2, 2, count)
            if name == "logAbs":
                x[0] *= RNG.choice([-1, 1])
            if name == "scaledSum":
                x = np.array([x[1:3].max(), *x[1:3], *RNG.choice([-1.0, 1.0], 2)])
            if name == "logLog1p":
                x = np.array([RNG.choice([-60.0, -x[0]]), RNG.choice([-1.0, 1.0])])
            if name == "masked":
                x[1] = RNG.choice([-1.0, 1.0])
                d[2] = d[0]
            if name == "power":
                d[1] = 0
            args, slopes = [np.float64(one) for one in x], [np.float64(one) for one in d]
            value = operation.value(args)
            found.append((name, float(value), x.tolist(), d.tolist(), float(operation.slope(value, args, slopes))))
    return found


@dataclass(frozen=True)
class Asked:
    """What the page was asked, what it answered, and what the library says."""

    random: list[tuple[Question, dict[str, Any], tuple[Any, ...]]]
    proven: list[tuple[Question, dict[str, Any], Solution]]
    single: dict[str, dict[str, Any]]
    operations: list[tuple[tuple[Any, ...], list[float]]]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, page_text: str) -> Asked:
    """Everything that is asked of the page, at once: to open a browser takes its time."""
    random, proven = asked_at_random(), asked_and_proven()
    questions = [question for question, _ in (*random, *proven)] + [*SINGLE.values()]
    operations = asked_of_operations()
    script = f"""
        const computed = ([name, , x, d]) => {{
            const [value, slope] = boundcalc.operations[name], y = value(x);
            return [y, slope(y, x, d)];
        }};
        const answers = {json.dumps(questions)}.map((one) => boundcalc.evaluate(...one));
        answer({{answers, operations: {json.dumps(operations)}.map(computed)}});"""
    held = scripted(tmp_path_factory.mktemp("asked"), page_text, script)
    answers = held["answers"]
    assert len(answers) == len(questions)
    first, second = len(random), len(random) + len(proven)
    return Asked(
        [(question, own, known) for own, (question, known) in zip(answers[:first], random, strict=True)],
        [(question, own, known) for own, (question, known) in zip(answers[first:second], proven, strict=True)],
        dict(zip(SINGLE, answers[second:], strict=True)),
        list(zip(operations, held["operations"], strict=True)),
    )


@browser
def test_every_operation_and_its_slope_is_that_of_arrays(asked: Asked) -> None:
    for (name, value, x, d, slope), (own, own_slope) in asked.operations:
        assert float(own) == pytest.approx(value, rel=1e-12, abs=1e-14), (name, x)
        assert float(own_slope) == pytest.approx(slope, rel=1e-9, abs=1e-13), (name, x, d)


@browser
def test_every_bound_is_the_librarys_at_random_points(asked: Asked) -> None:
    wrong = []
    for question, answer, (log10, status, unmet, upper, filled) in asked.random:
        agrees = close(float(answer["log10"]), log10) and answer["status"] == status
        agrees &= bool(answer["unmet"]) == unmet
        agrees &= upper is None or close(float(answer["upper"]), upper)
        agrees &= {one["name"] for one in answer["filled"]} == filled.keys()
        agrees &= all(close(float(one["log10"]), filled[one["name"]]) for one in answer["filled"])
        if not agrees:
            wrong.append((question, answer, log10, status, unmet, upper, filled))
    assert not wrong, f"{len(wrong)} of {len(asked.random)}: {wrong[:3]}"
    assert len(asked.random) > 1000
    statuses = {known[1] for _, _, known in asked.random}
    assert {known[2] for _, _, known in asked.random} == {False, True}
    assert statuses >= {"ok", "interval", "empty", "vacuous"}


@browser
def test_a_condition_on_an_input_that_does_not_enter_the_bound_is_checked(asked: Asked) -> None:
    # m ≥ (L^11·R^4)^(1/α)·log(n/δ)^(2/(2 − α)) = 3^22·log(20000)^(4/3) = 10^11.82 at these inputs.
    assert [one["status"] for one in (asked.single["unmet"], asked.single["met"])] == ["ok", "ok"]
    assert [one.split()[:3] for one in asked.single["unmet"]["unmet"]] == [["condition", "m", "≥"]]
    assert asked.single["met"]["unmet"] == []


@browser
def test_points_are_those_of_evaluate_which_proves_them(asked: Asked) -> None:
    assert len(asked.proven) > 60
    for question, answer, solution in asked.proven:
        assert answer["status"] == solution.status, question
        if solution.log10 is not None:
            assert close(float(answer["log10"]), solution.log10), (question, answer, solution.log10)


@browser
def test_no_number_is_too_large_and_the_closed_form_is_met(asked: Asked) -> None:
    # 2^(8L) at a depth of a million: L^24 · 2^(8L) · γ^(−8) · ε^(−14) · log(1/δ).
    exact = 24 * mp.log10(mpf(10) ** 6) + 8 * mpf(10) ** 6 * mp.log10(2) + 8 + 28 + mp.log10(mp.log(20))
    assert abs(asked.single["deep"]["log10"] - exact) < 1e-8
    # x = a·log(b·x) has its largest root on Lambert's branch W₋₁.
    tau, delta = mpf(NEAR["tau"]), mpf(NEAR["delta"])
    a = mpf(3) ** (-mpf(8) / 3) * tau ** (-mpf(4) / 3)
    root = (-a * mp.lambertw(-tau * delta / a, -1)).real
    assert root > 9 * mp.log(root * 1000 / delta)
    implicit = asked.single["implicit"]
    assert abs(implicit["log10"] - mp.log10(root)) < 1e-12
    cap = (mpf(3) ** -6 / tau) ** (mpf(2) / 3) / mp.log(10)  # log(m)^(3/2) ≤ L^(−6)/τ
    assert abs(implicit["upper"] / cap - 1) < 1e-12
    assert implicit["status"] == "interval"


@browser
def test_depth_in_hidden_layers_constants_and_values_outside_domains(asked: Asked) -> None:
    one = asked.single
    thm, du = CATALOGUE["chen2019/thm2.1"], CATALOGUE["du2019"]
    assert close(one["hidden"]["log10"], evaluate(thm, "width", {"H": 4}).log10 or 0)
    assert (one["shallow"]["status"], one["shallow"]["problem"]) == ("outside", "L = 1 is not ≥ 2")
    assert one["least"]["status"] == "ok"
    assert one["sure"]["problem"] == "δ = 1 is not in (0, 1)"
    assert close(one["factors"]["log10"], evaluate(du, "width", {}, ConstantPolicy({"C": 10})).log10 or 0)
    assert close(one["own factor"]["log10"], evaluate(du, "width", {}, ConstantPolicy({"C_m": 3})).log10 or 0)


NUMBERS = {
    "0.01": 0.01, "1/3": 1 / 3, "1e-2": 0.01, "10^-2": 0.01, "10⁻²": 0.01, "2**10": 1024, "1%": 0.01, "−3": -3,
    ".5": 0.5, "1e300": 1e300, "10^(-7)": 1e-7, "three": math.nan, "1e": math.nan, "": math.nan,
}  # fmt: skip


@browser
def test_the_link_carries_the_whole_state(tmp_path: Path, page_text: str) -> None:
    # Moves what a person moves, takes the link, and looks at what stands on the page.
    script = (
        """
        const texts = (what) => [...document.querySelectorAll(what)].map((e) => e.textContent);
        const plot = () => document.querySelector("#plot svg").outerHTML;
        const seen = () => [...texts("#rows td.value, #caption, .card h3"), plot()];
        const set = (id, value, kind) => {
            const held = document.getElementById(id);
            held.value = value;
            held.dispatchEvent(new Event(kind, {bubbles: true}));
        };
        const wait = () => new Promise((done) => setTimeout(done, 50));
        (async () => {
            set("quantity", "error", "change");
            await wait();
            const before = seen();
            set("across", "m", "change");
            set("row-epsilon", "1/300", "change");
            set("row-c-C", "2.5", "change");
            set("scale", "loglog", "change");
            set("depth", "own", "change");
            set("from", "10^3", "change");
            await wait();
            document.querySelector("#rows input").click();
            document.querySelectorAll(".card details").forEach((one) => one.open = true);
            await wait();
            const own = document.getElementById("row-cao2020-cor3-1-error-c-cao2020-cor3-1-C_gen");
            own.value = "0.125";
            own.dispatchEvent(new Event("change"));
            document.querySelector("#row-m-given").click();
            const slider = document.getElementById("row-m").closest(".row").querySelector("input[type=range]");
            slider.value = 700;
            slider.dispatchEvent(new Event("input"));
            set("row-delta", "7", "change");
            await wait();
            const after = seen();
            const [link, wrong] = [boundcalc.link(), document.getElementById("row-delta-wrong").textContent];
            const href = document.getElementById("link").getAttribute("href");
            await new Promise((done) => setTimeout(done, 400));
            const address = location.hash;
            location.hash = "";
            await wait();
            const fresh = boundcalc.state().quantity;
            location.hash = link;
            await wait();
            const [again, state] = [seen(), boundcalc.state()];
            location.hash = "#epsilon=7&nonsense=1&show=mine";
            await wait();
            const refused = document.getElementById("message").textContent;
            const numbers = """
        + json.dumps(list(NUMBERS))
        + """.map(boundcalc.parseNumber);
                        answer({before, after, again, address, link, href, wrong, refused, fresh, numbers, state});
        })();"""
    )
    held = scripted(tmp_path, page_text, script)
    assert held["before"] != held["after"] == held["again"]
    assert held["fresh"] == "width"
    assert held["link"] == held["href"] == held["address"]
    for part in ("quantity=error", "across=m", "epsilon=1/300", "c.C=2.5", "scale=loglog", "depth=own",
                 "c.cao2020/cor3.1:C_gen=0.125", "from=10%5E3"):  # fmt: skip
        assert part in held["link"], part
    assert held["wrong"] == "7 is not in (0, 1); still 0.05"
    assert held["refused"] == "Not taken from the link: show=mine, epsilon=7, nonsense=1"
    assert held["state"]["values"]["delta"] == "0.05"
    assert held["state"]["values"]["m"] == "3980000000000"  # 10^(18·0.7), to three digits
    for (text, value), read in zip(NUMBERS.items(), held["numbers"], strict=True):
        assert str(float(read)) == str(float(value)), text
    # And in a page that is opened with the link.
    page = tmp_path / "page.html"
    page.write_text(page_text, "utf-8")
    opened = dump(page, held["link"])
    for text in held["after"][:-1]:
        assert text in html.unescape(re.sub(r"<[^>]+>", "", opened)), text
    assert 'id="message" class="message" role="status" hidden' in opened


@browser
def test_everything_that_can_be_moved_has_a_name_and_fits_a_phone(tmp_path: Path, page_text: str) -> None:
    script = """
        const labelled = (e) => e.labels && [...e.labels].some((label) => label.textContent.trim());
        const named = (e) => e.getAttribute("aria-label") || labelled(e) || e.textContent.trim();
        (async () => {
            const words = ["phi", "R"].map((name) => byId(`row-${name}`).closest(".row").innerHTML);
            const found = await views(), nameless = [], wide = [], empty = [];
            for (const quantity of boundcalc.data.quantities) {
                document.getElementById("quantity").value = quantity;
                document.getElementById("quantity").dispatchEvent(new Event("change"));
                await wait();
                nameless.push(...all("input, select, button, a, summary").filter((e) => !named(e)));
                if (document.documentElement.scrollWidth > innerWidth) wide.push(quantity);
                const svg = document.querySelector("#plot svg");
                const described = svg.getAttribute("role") === "img" && svg.querySelector("desc").textContent;
                if (!described || !svg.querySelector(".curve, .curve + circle, g circle")) empty.push(quantity);
            }
            const quantities = boundcalc.data.quantities.length;
            const headless = all("#rows tr").filter((e) => !e.querySelector("th[scope=row]")).length;
            const without = nameless.map((e) => e.outerHTML);
            answer({words, found, nameless: without, wide, empty, quantities, headless, width: innerWidth});
        })();"""
    held = scripted(tmp_path, page_text, LOOK + script, size="390,844")
    assert "‖x<sub>i</sub> − x<sub>j</sub>‖" in held["words"][0]
    assert "R·m<sup>−α</sup>" in held["words"][1]
    check_views(held["found"])
    assert held["width"] <= 500  # the narrowest window that some versions open
    assert held["quantities"] == len({quantity for theorem in CATALOGUE.all() for quantity in theorem.quantities})
    assert held["nameless"] == []
    assert held["headless"] == 0
    assert held["wide"] == []
    assert held["empty"] == []


# What a person does, and sees: each a piece of script that gives what was seen.
LOOK = """
    const wait = () => new Promise((done) => setTimeout(done, 40));
    const all = (what) => [...document.querySelectorAll(what)];
    const byId = (id) => document.getElementById(id);
    const set = (id, value) => {
        byId(id).value = value;
        byId(id).dispatchEvent(new Event("change", {bubbles: true}));
    };
    const open = async (fragment) => {
        location.hash = fragment;
        await wait();
        return byId("message").textContent;
    };
    // Curves by their statements, colours, and names at their ends: how many overlap or are cut.
    const look = () => {
        const boxes = all("#plot text.end").map((e) => e.getBoundingClientRect());
        const apart = (a, b) => a.bottom <= b.top + 3 || b.bottom <= a.top + 3;
        const right = byId("plot").getBoundingClientRect().right;
        return {
            drawn: all("#plot [data-curve]").map((e) => e.dataset.curve),
            named: all("#plot [data-label]").map((e) => e.dataset.label),
            colours: all("#plot [data-curve] .curve").map((e) => e.style.stroke),
            overlap: boxes.filter((a, i) => boxes.some((b, j) => j > i && !apart(a, b))).length,
            cut: boxes.filter((a) => a.right > right + 1).length,
            ticked: all("#rows input:checked").length,
        };
    };
    const views = async () => {
        const found = {first: look()};
        byId("all").click();
        await wait();
        found.all = look();
        for (const quantity of boundcalc.data.quantities) {
            set("quantity", quantity);
            await wait();
            found[quantity] = look();
        }
        return found;
    };
"""

REFUSED = """
    const image = "<img src=x onerror=window.run=1>", typed = {}, links = [];
    for (const text of ["7", "", "1e-400", "1e400", "NaN", image]) {
        set("row-epsilon", text);
        set("row-delta", "0.1");
        await wait();
        const why = byId("row-epsilon-wrong");
        typed[text] = [why.hidden, why.textContent, byId("row-epsilon").value];
    }
    set("from", "0");
    set("row-delta", "0.2");
    await wait();
    const end = [byId("message").textContent, byId("from").value];
    byId("reset").click();
    await wait();
    const mended = [byId("message").textContent, byId("from").value, byId("row-epsilon").value];
    for (const link of ["#c.constructor=2&toString=3&__proto__=1", "#from=5&to=5", "#across=L&from=100&to=abc",
        "#across=n&from=0.5&to=10", "#across=n&to=10", "#constants=mine", "#show=mine", `#quantity=${image}`,
        `#show=${encodeURIComponent(image)}`, `#${encodeURIComponent(image)}=1&epsilon=${image}`]) {
        const said = await open(link), {from, to} = boundcalc.state();
        links.push([said, look().drawn.length, from, to]);
    }
    return {typed, end, mended, links, images: all("img").length, run: window.run ?? null};
"""

READ = """
    const plot = byId("plot"), box = byId("reading"), keys = {};
    const key = async (name) => {
        plot.dispatchEvent(new KeyboardEvent("keydown", {key: name, cancelable: true}));
        await wait();
        return [boundcalc.state().values.n, box.hidden, plot.getAttribute("aria-valuetext"), box.innerText];
    };
    for (const name of ["ArrowRight", "Home", "ArrowUp", "End", "Escape"]) keys[name] = await key(name);
    const frame = plot.querySelector(".frame").getBoundingClientRect();
    const at = {clientX: frame.left + frame.width / 2, clientY: frame.top + 9, pointerType: "mouse", bubbles: true};
    plot.dispatchEvent(new PointerEvent("pointermove", at));
    const pointed = [box.hidden, box.innerText, boundcalc.state().values.n];
    plot.dispatchEvent(new PointerEvent("pointerleave", at));
    const left = box.hidden;
    plot.dispatchEvent(new MouseEvent("click", at));
    await wait();
    const clicked = [box.hidden, boundcalc.state().values.n];
    await open("#across=L&from=2&to=4&L=2");
    await key("ArrowRight");
    const next = boundcalc.state().values.L;
    await open("#across=L&L=500");
    const outside = byId("caption").textContent;
    return {keys, pointed, left, clicked, next, outside, role: plot.getAttribute("role"), index: plot.tabIndex};
"""

# On a page made with `--set C=2 --set du2019:C_m=1/4`, and on one made without.
CONSTANTS = """
    const {data} = boundcalc, own = {C: "2", "du2019:C_m": "0.25"}, held = {};
    const read = async (name, link) => {
        await open("#show=none-of-them");
        await open(link);
        held[name] = {...boundcalc.state().constants};
    };
    const plain = boundcalc.link();
    data.start = {...own};
    await read("silent", "#L=7");
    await read("one more", "#c.k=1");
    await read("from a page without", plain);
    await read("set back", "#");
    set("row-c-C", "1");
    await wait();
    all(".card details").forEach((one) => one.open = true);
    await wait();
    byId("row-du2019-m-c-du2019-C_m-given").click();
    await wait();
    const back = boundcalc.link();
    await read("set back", back);
    await read("unchanged", "#");
    const whole = boundcalc.link();
    data.start = {};
    await read("to a page without", whole);
    return held;
"""

POINTS = [
    "#", "#depth=own", "#quantity=width&L=7&n=123456&c.C=3&c.k=1", "#quantity=width&tau=1e-5&delta=1e-9&L=2&depth=own",
    "#quantity=error&m=1e5&tau=1e-3&eta=1e-6", "#quantity=iterations&m=1e9&eta=1e-3", "#quantity=step-size&m=1e7",
    "#quantity=error&epsilon=1/300&n=1e9&c.chen2019/thm2.2:C_gen=0.1", "#quantity=samples&epsilon=10^-3",
    "#quantity=gap&m=5000&n=70",
]  # fmt: skip

SHOWN = f"""
    const text = (e) => {{
        const copy = e.cloneNode(true);
        copy.querySelectorAll("sup").forEach((one) => one.replaceWith("^" + one.textContent));
        copy.querySelectorAll(".why").forEach((one) => one.remove());
        return copy.textContent;
    }};
    const seen = [];
    for (const point of {json.dumps(POINTS)}) {{
        await open(point);
        byId("all").click();
        await wait();
        const values = all("#rows td.value").map(text);
        seen.push(...all(".card").map((e, i) => [
            e.querySelector(".command code").textContent, values[i], e.querySelectorAll(".warn").length,
        ]));
    }}
    return seen;
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, page_text: str) -> dict[str, Any]:
    """What is seen on a laptop, one thing after the other in one browser."""
    parts = {"views": "return views();", "refused": REFUSED, "read": READ, "constants": CONSTANTS, "shown": SHOWN}
    run = "".join(
        f'await open("#"); found.{name} = await (async () => {{ {part} }})();' for name, part in parts.items()
    )
    script = f"{LOOK} (async () => {{ const found = {{}}; {run} answer(found); }})();"
    found: dict[str, Any] = scripted(tmp_path_factory.mktemp("seen"), page_text, script, size="1280,900")
    return found


def check_views(views: dict[str, Any]) -> None:
    """A few curves that can be told apart, each with its name; names neither overlap nor are cut."""
    first, most = views["first"], views["all"]
    assert first["ticked"] == len(first["drawn"]) == len(set(first["colours"])) == MOST_FIRST
    assert len(most["drawn"]) > 20
    assert len(most["named"]) >= 12
    for name, view in views.items():
        assert view["overlap"] == view["cut"] == 0, name
        if name != "all":
            assert sorted(view["named"]) == sorted(view["drawn"]), name
            assert 1 <= len(view["drawn"]) <= MOST_FIRST, name


@browser
def test_a_few_named_curves_are_drawn_at_first(seen: dict[str, Any]) -> None:
    check_views(seen["views"])


@browser
def test_what_is_refused_stays_and_nothing_in_a_link_is_run(seen: dict[str, Any]) -> None:
    held = seen["refused"]
    for text, (hidden, why, kept) in held["typed"].items():
        assert (hidden, kept) == (False, text)
        assert why.endswith("; still 0.01"), why
    assert held["typed"]["1e-400"][1] == "1e-400 is outside 10^±300; still 0.01"
    assert held["end"] == ["from: 0 is not > 0; still 10", "0"]
    assert held["mended"] == ["", "10", "0.01"]
    assert (held["images"], held["run"]) == (0, None)
    assert held["links"][0][0] == "Not taken from the link: c.constructor=2, toString=3, __proto__=1"
    assert [(said.removeprefix("Not taken from the link: "), *ends) for said, _, *ends in held["links"][1:6]] == [
        ("from=5, to=5", "10", "1e6"),
        ("to=abc, from=100", "1", "100"),
        ("from=0.5, to=10", "10", "1e6"),
        ("to=10", "10", "1e6"),
        ("constants=mine", "10", "1e6"),
    ]
    for said, drawn, *_ in held["links"]:
        assert said.startswith("Not taken from the link: ")
        assert drawn == MOST_FIRST, said


@browser
def test_curves_are_read_with_keys_and_pointer(seen: dict[str, Any]) -> None:
    held = seen["read"]
    keys = held["keys"]
    assert (held["role"], held["index"]) == ("slider", 0)
    assert [keys[name][0] for name in ("ArrowRight", "Home", "ArrowUp", "End")] == ["1120", "10", "11", "1000000"]
    assert [hidden for _, hidden, _, _ in keys.values()] == [False, False, False, False, True]
    width = evaluate(CATALOGUE["zou2020"], "width", {"n": 10, "L": 3, "epsilon": "0.01", "phi": "0.1"}).log10
    spoken = re.search(r"^n = 10; .*zou2020 ≥ ([0-9.]+·10\^[0-9]+)", keys["Home"][2])
    assert width is not None
    assert spoken is not None
    assert 0 <= mp.log10(as_number(spoken[1])) - width < 0.0045
    assert "chen2019/thm2.1" in keys["Home"][3]
    hidden, text, n = held["pointed"]
    assert (hidden, n) == (False, "1000000")  # pointing only reads
    assert re.match(r"n = 3[12]\d0\n", text)
    assert held["left"] is True
    assert held["clicked"][0] is False
    assert 3100 < int(held["clicked"][1]) < 3300
    assert held["next"] == "3"  # an integer is reached, however many steps it takes
    assert held["outside"].endswith("hidden layers = 500 lies outside this picture.")


def as_number(text: str) -> Any:
    """A number as the page writes it: 0.02, 12 345, 6.68 · 10^11, 10^−3."""
    mantissa, _, power = re.sub(r"\s", "", text).replace("−", "-").rpartition("·")
    return mpf(mantissa or 1) * (mpf(10) ** int(power[3:]) if power.startswith("10^") else mpf(power))


@browser
def test_the_numbers_shown_are_those_of_the_command_shown_to_the_safe_side(seen: dict[str, Any]) -> None:
    rounding = {(t.key, t.reading, b.symbol.name): b.rounding for t in CATALOGUE.all() for b in reversed(t.bounds)}
    assert len(seen["shown"]) > 80
    met: set[str] = set()
    for command, value, unmet in seen["shown"]:
        words = shlex.split(command)
        assert words[:2] == ["boundcalc", "eval"]
        done = CliRunner().invoke(evaluate_quantity, [*words[2:], "--json"])
        if value == "none":
            assert done.exit_code != 0, command
            met.add("none")
            continue
        answer = json.loads(done.output)
        assert unmet == len(answer["unmet"]), command
        met |= {"unmet"} if unmet else set()
        lower, _, upper = re.sub(r"^[≥≤] ", "", value).partition(" to ")
        ratio = as_number(lower) / mpf(answer["value"] or mpf(10) ** mpf(answer["log10"]))
        up = rounding[answer["theorem"], answer["reading"], answer["symbol"]] == "up"
        least, most = ("0.99999999999", "1.0101") if up else ("0.99", "1.00000000001")
        assert mpf(least) <= ratio <= mpf(most), command
        assert bool(upper) == (answer["status"] == "interval"), command
        if upper:
            end = answer["upper"]["log10"]
            assert 0 <= end - mp.log10(as_number(upper)) < max(0.0045, 1e-8 * end), command
        met |= {answer["status"], answer["relation"]}
    assert met >= {"none", "ok", "interval", "unmet", ">=", "<=", "="}


@browser
def test_curves_are_of_the_same_network_at_first(seen: dict[str, Any]) -> None:
    count = len([one for one in CATALOGUE.all() if "width" in one.quantities])
    first, own = seen["shown"][:count], seen["shown"][count : 2 * count]
    deep = [command for command, _, _ in first if " H=3 " in f"{command} "]
    assert len(deep) > 10
    assert not [command for command, _, _ in first if " L=" in command]
    assert deep[0].startswith("boundcalc eval chen2019/thm2.1 width ")
    matrices = evaluate(CATALOGUE["chen2019/thm2.1"], "width", {"L": 4, "n": 1000, "R": 1}).log10
    assert matrices is not None
    assert 0 <= mp.log10(as_number(first[0][1].removeprefix("≥ "))) - matrices < 0.0045
    assert [" L=3 " in f"{command} " for command, _, _ in own] == [command in deep for command, _, _ in first]


@browser
def test_a_link_keeps_the_constants_of_its_page_or_says_others(seen: dict[str, Any]) -> None:
    own = {"C": "2", "du2019:C_m": "0.25"}
    assert seen["constants"] == {
        "silent": own,
        "one more": {**own, "k": "1"},
        "from a page without": {},
        "set back": {"C": "1"},
        "unchanged": own,
        "to a page without": own,
    }


def test_statements_of_ones_own_are_drawn_first_and_named() -> None:
    own = replace(CATALOGUE["du2019"], key="mine")
    catalogue = Catalogue([CATALOGUE["du2019"], own])
    page = render(catalogue)
    assert "its catalogue of 2 statements, among them mine, which is not built in" in page
    held = json.loads(re.findall(r'id="catalogue">(.*?)</script>', page, re.DOTALL)[0])
    assert held["own"] == ["mine"]
    assert all(names[0] == "mine" for names in held["first"].values())


def test_the_first_curves_are_of_statements_that_differ(content: dict[str, Any]) -> None:
    assert content["first"].keys() == set(content["quantities"])
    assert content["own"] == []
    curves = {(c["quantity"], c["id"]): c for one in content["statements"] for c in one["curves"]}
    for quantity, names in content["first"].items():
        bounds = [json.dumps(curves[quantity, name]["plans"][""]["bound"]) for name in names]
        assert 1 <= len(names) == len(set(bounds)) <= MOST_FIRST
    assert content["first"]["width"] == [*FIRST["width"]]


def test_measured_constants_keep_their_origin() -> None:
    policy = ConstantPolicy({"C_m": Fraction(1, 4), "C_T": 3}, {"C_m": "calibrated on digits"})
    held = catalogue_json(Catalogue([CATALOGUE["zou2019"]]), policy)
    assert held["start"] == {"zou2019:C_m": "0.25", "zou2019:C_T": "3"}
    assert held["origins"] == {"zou2019:C_m": "calibrated on digits"}


def test_the_page_is_alone_and_holds_the_catalogue(page_text: str, content: dict[str, Any]) -> None:
    addresses = set(re.findall(r"https?://[^\\\"'<>\s`]+", page_text))
    assert addresses == {"http://www.w3.org/1998/Math/MathML", "http://www.w3.org/2000/svg"}
    assert not re.search(r"<(script|link|img|iframe)[^>]*\s(src|href)=\"(?!data:,)", page_text)
    assert "default-src 'none'" in page_text
    held = re.search(r'<script type="application/json" id="catalogue">(.*?)</script>', page_text, re.DOTALL)
    assert held is not None
    data = json.loads(held[1])
    assert data == json.loads(json.dumps(content))
    assert data["unavailable"] == []
    bounded = {(t.key, t.reading, bound.symbol.name) for t in CATALOGUE.all() for bound in t.bounds}
    assert sum(len(one["curves"]) for one in data["statements"]) == len(bounded)


def test_every_operation_of_a_program_has_a_name() -> None:
    operations = {one for one in vars(programs).values() if isinstance(one, programs.Operation)}
    assert operations == NAMES.keys()
    assert len(set(NAMES.values())) == len(NAMES)
    evaluator = (Path(catalogue_json.__code__.co_filename).parent / "evaluator.js").read_text("utf-8")
    for name in NAMES.values():
        assert re.search(rf"^    {name}: \[", evaluator, re.MULTILINE), name


def test_a_bound_that_cannot_be_evaluated_is_named() -> None:
    own = replace(
        CATALOGUE["ji2020"],
        key="mine",
        title="ends </script> here",
        prescriptions=(Prescription(eta, "=", 1 / eta), Prescription(T, "=", 1 / eta)),
    )
    held = catalogue_json(Catalogue([own]))
    assert held["unavailable"] == [
        {
            "what": "mine: step-size eta",
            "why": "eta stands on both sides of η = 1/η; a sweep solves conditions on numbers ≥ 1 only: "
            "take solve, point by point",
        }
    ]
    assert "ends </script>" not in render(Catalogue([own]))


def test_the_command_writes_the_page_and_refuses_in_one_line(tmp_path: Path) -> None:
    runner = CliRunner()
    page = tmp_path / "page.html"
    own = Path(__file__).parents[1] / "examples" / "own_theorem.toml"
    arguments = ["-o", str(page), "--set", "C=2", "--set", "du2019:C_m=1/4", "--theorems", str(own)]
    done = runner.invoke(explore, arguments)
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"wrote {page}: {len(CATALOGUE) + 1} statements, ")
    assert "among them doe2030/thm1, which" in page.read_text("utf-8")
    assert '"start":{"C":"2","du2019:C_m":"0.25"}' in page.read_text("utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    for arguments, problem, message in (
        (["-o", str(tmp_path / "page.pdf")], InputError, "does not end in .html or .htm"),
        (["-o", str(tmp_path / "none" / "page.html")], InputError, "make it first"),
        (["-o", str(page), "--set", "C_nothing=2"], UnknownNameError, "C_nothing"),
    ):
        failed = runner.invoke(explore, arguments)
        assert isinstance(failed.exception, problem)
        assert message in str(failed.exception)
        assert "\n" not in str(failed.exception)
    folder = tmp_path / "folder.html"
    folder.mkdir()
    for path in (folder, tmp_path / f"{'x' * 300}.html"):
        with pytest.raises(InputError, match="cannot write"):
            write_page(path, Catalogue([CATALOGUE["du2019"]]))
    assert not list(tmp_path.glob(".*"))
