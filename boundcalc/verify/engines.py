"""Which engine trains the networks of a run: every weight stored, products alone, or the limit of infinite width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.data import Dataset
from boundcalc.train.costs import Cost, dense_cost, infinite_cost, matrixfree_cost
from boundcalc.train.dense import DenseEngine
from boundcalc.train.engine import Engine, Slope
from boundcalc.train.infinite import InfiniteEngine, Limit, he_relu_limit, scaled_relu_limit, two_layer_limit
from boundcalc.train.matrixfree import MatrixFreeEngine
from boundcalc.train.networks import Network

if TYPE_CHECKING:
    from boundcalc.verify.case import Case
    from boundcalc.verify.record import Records

EngineName = Literal["dense", "matrixfree", "infinite"]

STAND_IN_LOG10 = 200
"""The limit stands in for networks of this width, by its decimal logarithm: so large that what falls with m is next to
nothing, and so small that floats hold its step sizes. See `InPlaceOf`."""


def dense_engine_of(case: Case, trials: Sequence[int], examples: int | None = None) -> DenseEngine:
    """The inits with all their weights, ready to be trained on the training examples, so many of them at a time."""
    return DenseEngine(
        case.network,
        case.train.X[:examples],
        trials=tuple(trials),
        seed=case.options.seed,
        dtype=case.dtype,
        device=str(case.device),
    )


def engine_of(case: Case, trials: Sequence[int], steps: int, judged: Sequence[Dataset] = ()) -> Engine:
    """The inits, ready to be trained on the training examples by the engine of the run.

    steps: how many are to be taken. judged: examples on which outputs will be asked for besides those.
    """
    if case.engine == "dense":
        return dense_engine_of(case, trials)
    if case.engine == "matrixfree":
        return MatrixFreeEngine(
            case.network,
            case.train.X,
            trials=tuple(trials),
            seed=case.options.seed,
            steps=-(-steps * case.experiment.examples_a_step(case) // case.train.n),
            held_out=sum(part.n for part in judged),
            dtype=case.dtype,
            device=str(case.device),
        )
    limit = limit_of(case)
    rows = np.concatenate([case.train.X[:0], *(part.X for part in judged)])
    engine = InfiniteEngine(
        limit, case.train.X, trials=tuple(trials), seed=case.options.seed, held_out=rows, device=str(case.device)
    )
    return InPlaceOf(engine, case.network)


def limit_of(case: Case) -> Limit:
    """What the networks of a run tend to as m → ∞."""
    name, matrices = case.network.name, len(case.network.layers)
    if name == "chen2019":
        return scaled_relu_limit(matrices, case.number("alpha"))
    return he_relu_limit(matrices - 1) if name == "cao2020" else two_layer_limit()


def deterministic(case: Case) -> bool:
    """Whether nothing is random in a run: gradient descent in a limit in which f_0 = 0."""
    return case.engine == "infinite" and limit_of(case).start is None and case.experiment.examples_a_step(case) > 1


def cost_of(case: Case, trials: int, steps: int, held_out: int) -> Cost:
    """What the run's engine takes for so many inits together, with outputs on so many further examples."""
    together = case.experiment.examples_a_step(case)
    if case.engine == "dense":
        return dense_cost(case.network, together, trials, steps, case.dtype)
    if case.engine == "matrixfree":
        return matrixfree_cost(case.network, together, trials, steps, held_out)
    return infinite_cost(limit_of(case), case.train.n, trials, steps, held_out)


def engine_facts(engine: Engine) -> dict[str, float]:
    """What a record tells of the engine that trained it, as far as it has anything to tell.

    Of the matrix-free one: how far its bases are from orthonormal, and the bound on what directions that were left out
    of them may have changed an output by; for all inits of a batch together.
    """
    if not isinstance(engine, MatrixFreeEngine):
        return {}
    return {"loss_of_orthogonality": engine.loss_of_orthogonality, "output_error": engine.output_error}


def engine_notes(case: Case, trained: Records) -> tuple[str, ...]:
    """What a reader must know of the engine to weigh the numbers."""
    if case.engine == "infinite":
        start = "a draw of its Gaussian process" if limit_of(case).start is not None else "0"
        nothing = ("Nothing is random here, so that one run decides.",) if deterministic(case) else ()
        return (
            f"No network was trained: this is the limit m → ∞ of its training, where f_0 is {start}. A network of "
            "finite width differs from it by what vanishes as m grows, which nothing here bounds. Bounds that depend "
            f"on m are those at m = 10^{STAND_IN_LOG10}.",
            *nothing,
        )
    told = [record.facts for record in trained.values() if "output_error" in record.facts]
    if not told:
        return ()
    lost, error = (max(float(facts[name]) for facts in told) for name in ("loss_of_orthogonality", "output_error"))
    return (
        "Trained without its hidden weights, in law as with them: products with W^(0) are drawn given all earlier "
        f"ones. Bases were orthonormal to within {lost:.2g}; what nearly dependent directions left out changed no "
        f"output by more than {error:.2g} in any one pass.",
    )


class InPlaceOf:
    """The limit of infinite width in the place of networks of a width m that no engine reaches.

    Its step sizes and distances are those at m: η̄ = η·m^{2β} and m^β‖W − W^(0)‖ are what has a limit. It is not a
    network of that width; what a network's own outputs differ by goes to 0 as m grows, see `train.infinite`.
    """

    def __init__(self, engine: InfiniteEngine, network: Network) -> None:
        self._engine = engine
        self._scale = engine.limit.scale(network.width)
        self.network = network

    @property
    def trials(self) -> tuple[int, ...]:
        """Trial numbers of the inits: draws of f_0."""
        return self._engine.trials

    @property
    def n(self) -> int:
        """Number of training inputs."""
        return self._engine.n

    @property
    def device(self) -> torch.device:
        """Where the outputs live."""
        return self._engine.device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the outputs."""
        return self._engine.dtype

    def step(self, slope: Slope, step_size: float) -> torch.Tensor:
        """One step of size η at width m."""
        return self._engine.step(slope, step_size * self._scale**2)

    def online_step(self, X: torch.Tensor, slope: Slope, step_size: float) -> torch.Tensor:
        """One step of size η at width m on a training example of each trial's own, X (S, d)."""
        return self._engine.online_step(X, slope, step_size * self._scale**2)

    def outputs(self, X: NDArray[np.float64] | torch.Tensor | None = None) -> torch.Tensor:
        """Return f (S, n') on rows that the engine was made for."""
        return self._engine.outputs(X)

    def distances(self) -> torch.Tensor:
        """Return ‖W_l − W_l^(0)‖_F as it is at width m, (S, trained layers)."""
        return self._engine.distances() / self._scale
