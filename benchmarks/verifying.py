"""What measuring costs: the training of each verification against the bare steps that it takes, CPU time in one run.

The first table's ratio should stay below 1.15. Of cao2019, the least loss of the tangent features is found before the
training, and is listed by itself; of Theorem 3.1, what is done besides the steps of gradient descent is all that the
check is: points of W_τ, adversarial ascents, and fresh examples to judge them on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import torch

from boundcalc.estimate.tangent_class import tangent_infimum
from boundcalc.train import sgd
from boundcalc.train.dense import DenseEngine
from boundcalc.train.descent import LOGISTIC, SQUARE
from boundcalc.verify.case import Case, Options, make_case
from boundcalc.verify.experiment import Prescribed
from boundcalc.verify.experiments.cao2020_near_init.base import NearInitialization, inputs_of
from boundcalc.verify.experiments.online import train_online
from boundcalc.verify.record import Record

STEPS, INITS, WIDTH, REPEATS = 400, 8, 256, 3
ONLINE_WIDTHS, ONLINE_REPEATS = (64, 256, 1024), 7


def seconds(*works: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    """The least CPU time of each over several runs, in turns, so that a busy machine hinders all alike."""
    least = [float("inf")] * len(works)
    for _ in range(repeats):
        for number, work in enumerate(works):
            start = time.process_time()
            work()
            least[number] = min(least[number], time.process_time() - start)
    return least


def case_of(key: str, given: dict[str, Fraction], width: int = WIDTH, points: int = 8, ascent_steps: int = 60) -> Case:
    """A verification on digits."""
    iterations = None if key in ("chen2019/thm2.3", "cao2019") else STEPS
    options = Options(
        "digits", ("3", "8"), width=width, trials=INITS, iterations=iterations, dtype="float32", points=points,
        ascent_steps=ascent_steps, device="cpu",
    )  # fmt: skip
    return make_case(key, options, given)


def engine_of(case: Case, rows: int | None = None) -> DenseEngine:
    """The inits, drawn from their seeds: that is no measuring."""
    return DenseEngine(case.network, case.train.X[:rows], trials=range(INITS), seed=0, dtype=case.dtype)


def bare_descent(case: Case, prescribed: Prescribed) -> None:
    """The steps alone, losses not even looked at."""
    loss = SQUARE if case.theorem.key == "du2019" else LOGISTIC
    engine = engine_of(case)
    slope = loss.slope(torch.tensor(case.train.y).to(engine.dtype))
    for _ in range(prescribed.steps):
        engine.step(slope, prescribed.step_size)


def bare_online(case: Case, prescribed: Prescribed) -> None:
    """The steps of online SGD alone."""
    engine = engine_of(case, 1)
    X, y = inputs_of(case)
    rows = torch.from_numpy(sgd.sample_orders(case.train.n, trials=range(INITS), seed=0))
    for t in range(prescribed.steps):
        sgd._step(engine, X[rows[:, t]], y[rows[:, t]], prescribed.step_size)


def bare_path(case: Case, prescribed: Prescribed) -> None:
    """The steps of gradient descent within W_τ alone."""
    assert isinstance(case.experiment, NearInitialization)
    near = case.experiment.neighbourhood(case, prescribed, range(INITS))
    with torch.no_grad():
        for _ in near.path(*inputs_of(case), prescribed.step_size, prescribed.steps):
            pass


def tangent_features(case: Case) -> None:
    """What cao2019's bound needs of every start."""
    tangent_infimum(
        case.network, case.train.X, case.train.y, radius=case.number("R") / case.width**0.5, trials=range(INITS), seed=0
    )


def silence(step: int) -> None:
    """Nobody is told how far it is."""


def row(name: str, whole: Callable[[], object], bare: Callable[[], object], repeats: int = REPEATS) -> None:
    """One line of a table."""
    measured, steps = seconds(whole, bare, repeats=repeats)
    print(f"{name:36} {measured / steps:.3f}   ({measured:.3f} s against {steps:.3f} s)", flush=True)


def main() -> None:
    torch.set_num_threads(1)
    print(f"{INITS} inits, digits 3 against 8; least of {REPEATS} runs, of SGD {ONLINE_REPEATS}")
    searched = {"searched_radius": 0.1, "B_tried": 0.25, "least_ratio": 0.3}
    for key, given in (
        ("chen2019/thm2.1", {"L": Fraction(3), "R": Fraction(9)}),
        ("chen2019/thm2.2", {"L": Fraction(3), "R": Fraction(9)}),
        ("ji2020", {"gamma": Fraction(1, 20)}),
        ("du2019", {"lambda_0": Fraction(1, 50)}),
        ("cao2020/cor3.1", {"B": Fraction(1, 4)}),
        ("cao2020/cor3.2", {"gamma": Fraction(1, 20)}),
    ):
        case = case_of(key, given)
        prescribed = case.experiment.prescribe(case, {0: Record(0, True, searched)})
        row(
            f"{key}, m = {WIDTH}, {prescribed.steps} steps",
            partial(case.experiment.train, case, prescribed, range(INITS), silence),
            partial(bare_descent, case, prescribed),
        )
    for width in ONLINE_WIDTHS:
        for key, given in (("chen2019/thm2.3", {"L": Fraction(3), "R": Fraction(9)}), ("cao2019", {"L": Fraction(3)})):
            case = case_of(key, given, width)
            prescribed = case.experiment.prescribe(case, {})
            row(
                f"{key}, m = {width}, {prescribed.steps} steps",
                partial(train_online, case, prescribed.step_size, range(INITS), silence),
                partial(bare_online, case, prescribed),
                ONLINE_REPEATS,
            )

    print("beside the training")
    row("cao2019, tangent features", partial(tangent_features, case), partial(bare_online, case, prescribed), 1)
    for name, points, ascent_steps in (("GD alone", 0, 0), ("points and ascents", 8, 60)):
        near = case_of("cao2020/thm3.1", {"tau": Fraction(1, 10)}, points=points, ascent_steps=ascent_steps)
        prescribed = near.experiment.prescribe(near, {})
        row(
            f"cao2020/thm3.1, {name}",
            partial(near.experiment.train, near, prescribed, range(INITS), silence),
            partial(bare_path, near, prescribed),
            1,
        )


if __name__ == "__main__":
    main()
