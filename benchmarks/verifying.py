"""What measuring costs: the training of each verification against the bare steps that it takes, CPU time in one run.

The ratio should stay below 1.15. Adversarial search in W_τ is not measuring along a training and is listed apart.
"""

from __future__ import annotations

import time
from fractions import Fraction

import torch

from boundcalc.train.descent import LOGISTIC, SQUARE
from boundcalc.verify.case import Case, Options, make_case
from boundcalc.verify.experiments.common import engine_of

STEPS, INITS, WIDTH, REPEATS = 400, 8, 256, 3


def seconds_bare(case: Case, steps: int, step_size: float) -> float:
    """The steps alone, losses not even looked at."""
    loss = SQUARE if case.theorem.key == "du2019" else LOGISTIC
    engine = engine_of(case, range(INITS))
    slope = loss.slope(torch.tensor(case.train.y).to(engine.dtype))
    start = time.process_time()
    for _ in range(steps):
        engine.step(slope, step_size)
    return time.process_time() - start


def main() -> None:
    torch.set_num_threads(1)
    print(f"{INITS} inits, m = {WIDTH}, {STEPS} steps, digits 3 against 8; least of {REPEATS} runs")
    for key, given in (
        ("chen2019/thm2.1", {"L": Fraction(3), "R": Fraction(9)}),
        ("chen2019/thm2.2", {"L": Fraction(3), "R": Fraction(9)}),
        ("ji2020", {"gamma": Fraction(1, 20)}),
        ("du2019", {"lambda_0": Fraction(1, 50)}),
    ):
        options = Options("digits", ("3", "8"), width=WIDTH, trials=INITS, iterations=STEPS, dtype="float32")
        case = make_case(key, options, given)
        prescribed = case.experiment.prescribe(case, {})
        whole, bare = [], []
        for _ in range(REPEATS):
            start = time.process_time()
            case.experiment.train(case, prescribed, range(INITS), lambda step: None)
            whole.append(time.process_time() - start)
            start = time.process_time()
            engine_of(case, range(INITS))
            drawn = time.process_time() - start
            bare.append(drawn + seconds_bare(case, prescribed.steps, prescribed.step_size))
        print(f"{key:18} {min(whole) / min(bare):.3f}   ({min(whole):.2f} s against {min(bare):.2f} s)")


if __name__ == "__main__":
    main()
