"""The B of cao2020's gradient lower bound (3.1), from above: how small the ratio gets in the neighbourhood W_τ.

(3.1): ‖∇_{W_L} L_S(W)‖_F ≥ B √m E_S(W) for every W ∈ W_τ, ‖W_l − W_l^(0)‖_F ≤ τ for every layer. So no B is larger
than the ratio of the two sides at any W of W_τ. W_L is the last trained layer; the output signs v stay fixed.

With p_i = −ℓ'(y_i f(x_i)) / Σ_k −ℓ'(y_k f(x_k)), the samples' shares in the surrogate error, E_S cancels:

    ratio(W) = ‖Σ_i p_i y_i (v ⊙ 1[W_L h_i > 0]) h_iᵀ‖_F / √m,     h_i = σ(W_{L−1} ⋯ σ(W_1 x_i)),

so that a network that fits every sample is no harder to measure than another. The ratio is made small by moving the
shares (through f), the h_i, and the signs of W_L h_i.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.errors import InputError
from boundcalc.estimate.estimate import Estimate
from boundcalc.train.dense import DenseEngine, peak_bytes
from boundcalc.train.descent import logistic_slope
from boundcalc.train.devices import available_bytes, full_precision, resolve_device
from boundcalc.train.networks import Network, check_trials

Vector = NDArray[np.float64]
Layers = list[torch.Tensor]

# The search. None of these numbers touches what is reported: they set how small the ratio gets and how soon.
_FIRST_STEP, _LAST_STEP = 0.5, 0.005  # length of a step of each layer, as a share of τ
_WINDOW = 3.0  # how near 0 a unit counts as about to turn: in what each moves if all share a step
_MARGIN = 1e-5  # share of τ left free, so that float32 rounding does not lead out of W_τ
_AGREED = 0.1  # two descents whose ends differ by less than this share have found the same

LEMMAS: Mapping[str, tuple[str, Callable[[int], float]]] = MappingProxyType(
    {"gamma_random_feature": ("lem4.4", lambda L: 2.0**-L), "gamma_conjugate_kernel": ("lem4.5", lambda L: 1.0)}
)
"""By the name of γ: cao2020's lemma that gives B = C·(factor)·γ, and the factor for L hidden layers."""


@dataclass(frozen=True)
class Search:
    """Where to look for small ratios.

    iterations: steps of gradient descent on L_S, of size step_size (None: 1/(L m), which is stable and reaches the
    distance m^{−1/2} in some tens of steps). points: random points of W_τ. steps: of each of the projected
    descents on the ratio, which start from W^(0), from gradient descent's least and from every random point.
    """

    iterations: int = 100
    step_size: float | None = None
    points: int = 1
    steps: int = 50

    def __post_init__(self) -> None:
        for name in ("iterations", "points", "steps"):
            count = getattr(self, name)
            if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 0:
                raise InputError(f"{name} = {count!r}; give a whole number ≥ 0")
        if self.step_size is not None and not (self.step_size > 0 and math.isfinite(self.step_size)):
            raise InputError(f"step size {self.step_size!r}; use a positive number")


@dataclass(frozen=True)
class GradientBound:
    """The least ratios ‖∇_{W_L} L_S‖_F/(√m E_S) met in W_τ, for S inits: each is at least the B of its init.

    All were evaluated in float64 at weights that lie in W_τ by their float64 distances. at_start: (S,) at W^(0).
    along_descent: (S,) the least over the gradient-descent iterates in W_τ after the start, inf where none is.
    inside: (S,) how many of them are. at_random: (S,) the least over random points of W_τ, inf without any.
    descents: (S, 2 + points) where the projected descents ended that started from W^(0), from gradient descent's least
    and from each random point; never above where they started, inf for a gradient descent that was never in W_τ.
    step_size: of gradient descent. witness: the hidden layers (S, rows, cols) with the ratio `adversarial`, on the
    CPU, if they were asked for.
    """

    L: int
    width: int
    n: int
    tau: float
    trials: tuple[int, ...]
    search: Search
    step_size: float
    at_start: Vector
    along_descent: Vector
    inside: NDArray[np.int64]
    at_random: Vector
    descents: Vector
    seconds: float
    witness: tuple[torch.Tensor, ...] | None = None

    @property
    def adversarial(self) -> Vector:
        """(S,) the least ratio met, an upper bound on the init's B: descents start from all that the others are of."""
        return np.asarray(self.descents.min(axis=1))

    def estimate(self) -> Estimate:
        """Return an upper bound on the B with which (3.1) holds for every one of the inits.

        Converged: for every init a second descent, from elsewhere, ended within a tenth of the least, or one at 0.
        """
        ends = np.sort(self.descents, axis=1)
        agreed = (ends[:, 1] * (1 - _AGREED) <= ends[:, 0]) | (ends[:, 0] == 0.0)
        search = self.search
        return Estimate(
            name="B",
            symbol="B",
            value=float(self.adversarial.min()),
            direction="upper",
            method=(
                f"least gradient ratio of {len(self.trials)} inits, L = {self.L}, m = {self.width}, in W_τ with "
                f"τ = {self.tau:.3g}: {search.iterations} gradient-descent steps of {self.step_size:.3g}, "
                f"{search.points} random points, {self.descents.shape[1]} projected descents of {search.steps} steps"
            ),
            converged=bool(agreed.all()),
            seconds=self.seconds,
        )

    def lemma_constant(self, gamma: Estimate) -> Estimate:
        """Return an upper bound on the C of lemma 4.4 (B = C 2^{−L} γ) or lemma 4.5 (B = C γ), by the γ given.

        gamma: of `gamma_random_feature` for lemma 4.4, of `gamma_conjugate_kernel` (with levels L − 1) for lemma
        4.5, on the same data. The lower end of γ divides, so that the true γ could only make C smaller; inf where
        that end is 0. Raises InputError for any other estimate.
        """
        if gamma.name not in LEMMAS:
            raise InputError(f"estimate {gamma.name!r} is in neither lemma; give one of {', '.join(LEMMAS)}")
        if gamma.direction == "upper":
            raise InputError(f"{gamma.name} is known from above only; give a γ with a lower end")
        lemma, factor = LEMMAS[gamma.name]
        low = gamma.value if gamma.lower is None else gamma.lower
        found = self.estimate()
        return Estimate(
            name=f"C of {lemma}",
            symbol="C",
            value=found.value / (factor(self.L) * low) if low > 0 else math.inf,
            direction="upper",
            method=f"{found.method}; over {factor(self.L):g}·γ, γ ≥ {low:.3g} ({gamma.method})",
            converged=found.converged and gamma.converged,
        )


def default_radius(width: int, epsilon: float = 0.1) -> float:
    """Return τ = ε^{−1} m^{−1/2}, the τ = B^{−1} ε^{−1} m^{−1/2} of cao2020, Theorem 3.2, at B = 1 and constants 1.

    The least ball that the theorem can be used with at this ε: the smaller B is, the larger is its τ, and in a
    larger ball the least ratio is smaller still.
    """
    return 1.0 / (epsilon * math.sqrt(width))


def gradient_bound(
    network: Network,
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    trials: Sequence[int],
    seed: int,
    tau: float | None = None,
    search: Search | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "auto",
    keep_witness: bool = False,
) -> GradientBound:
    """Look for the least ‖∇_{W_L} L_S‖_F/(√m E_S) in W_τ, one search per init, all inits at once.

    network: of cao2020 (`he_relu`). X: (n, d) unit rows, y: (n,) ±1. tau: radius τ > 0 (None: `default_radius`).

    Each projected descent moves every layer against its gradient of the ratio by a share of τ that shrinks from
    ½ to 1/200, and back into the ball. Where a step can turn a unit on or off, the jump of the indicator is counted
    as a slope over a narrow window of pre-activations. Searches run in `dtype`; what is reported is evaluated
    again in float64. An upper estimate by nature: a better search, a wider ball or more inits can only lower it.

    Memory: about 8 times the weights of the inits in progress together (as many as fit into half of what is
    available). Raises InputError for another network, τ not positive, labels other than ±1, and what `DenseEngine`
    refuses.
    """
    began = time.perf_counter()
    if network.layers[-1].std is not None or network.layers[-1].trained or network.output_scale != 1.0:
        raise InputError(f"{network.name}: (3.1) is of cao2020's networks, with fixed output signs; use he_relu")
    radius = default_radius(network.width) if tau is None else tau
    if not (radius > 0 and math.isfinite(radius)):
        raise InputError(f"tau = {tau!r}; use a positive number")
    labels = torch.tensor(np.asarray(y, dtype=np.float64))
    if labels.shape != (X.shape[0],) or not bool((labels.abs() == 1).all()):
        raise InputError(f"labels of shape {tuple(labels.shape)}; give {X.shape[0]} labels, each −1 or +1")
    check_trials(seed, trials)
    how = search or Search()
    step_size = how.step_size or 1.0 / (network.hidden_layers * network.width)
    at = resolve_device(str(device))
    group = max(1, available_bytes(at) // 2 // search_bytes(network, X.shape[0], dtype))
    parts = []
    for first in range(0, len(trials), group):
        engine = DenseEngine(network, X, trials=trials[first : first + group], seed=seed, dtype=dtype, device=at)
        parts.append(_searched(engine, X, labels, radius, how, step_size, keep_witness))
    witnesses = [part.witness for part in parts if part.witness is not None]
    return replace(
        parts[0],
        trials=tuple(int(trial) for trial in trials),
        at_start=np.concatenate([part.at_start for part in parts]),
        along_descent=np.concatenate([part.along_descent for part in parts]),
        inside=np.concatenate([part.inside for part in parts]),
        at_random=np.concatenate([part.at_random for part in parts]),
        descents=np.concatenate([part.descents for part in parts]),
        witness=tuple(torch.cat(layers) for layers in zip(*witnesses, strict=True)) if witnesses else None,
        seconds=time.perf_counter() - began,
    )


def search_bytes(network: Network, n: int, dtype: torch.dtype = torch.float32) -> int:
    """Return the bytes that the search takes for one init on n inputs, about.

    Beyond `peak_bytes` of training: the start, the present and the two least weights met, a gradient and a
    difference; activations and their gradients; and one init's weights and activations in float64.
    """
    hidden = [layer.rows for layer in network.layers[:-1]]
    activations = n * (sum(hidden) + 10 * max(hidden))
    searching = dtype.itemsize * (6 * network.weight_count + activations)
    return peak_bytes(network, n, 1, dtype) + searching + 8 * (4 * network.weight_count + activations)


def unit_ball_points(
    like: Sequence[torch.Tensor], *, seed: int, trials: Sequence[int], number: int, boundary: bool = False
) -> Iterator[torch.Tensor]:
    """Yield, layer by layer, the `number`-th random matrix of Frobenius norm at most 1 of every trial, (S, rows, cols).

    like: tensors of these shapes, whose precision and device they get. Uniform in the ball, or on its sphere; in so
    many dimensions nearly all of the ball lies near the sphere, and the two differ little. A trial's matrices depend
    on (seed, trial, number, layer) and the shape alone.
    """
    for layer, shaped in enumerate(like):
        points = torch.empty_like(shaped)
        for position, trial in enumerate(trials):
            # One place more than the keys from which W^(0) is drawn.
            sequence = np.random.SeedSequence(seed, spawn_key=(trial, layer, number, 0))
            generator = np.random.Generator(np.random.SFC64(sequence))
            direction = generator.standard_normal(tuple(shaped.shape[1:]), dtype=np.float32)
            share = 1.0 if boundary else float(generator.random()) ** (1.0 / direction.size)
            norm = math.sqrt(float(np.einsum("ij,ij->", direction, direction, dtype=np.float64)))
            points[position] = torch.from_numpy(direction).to(shaped) * (share / norm)
        yield points


def gradient_ratio(weights: Sequence[torch.Tensor], X: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return ‖∇_{W_L} L_S‖_F/(√m E_S), (S,), at weights W_1, …, W_L, v, one (S, rows, cols) each.

    X: (n, d), y: (n,) ±1, of the weights' dtype and device. m: the least width of a hidden layer.
    """
    with torch.no_grad(), full_precision(X.device, X.dtype):
        return _Pass.of(weights, X, y).ratio


@dataclass(frozen=True)
class _Pass:
    """One evaluation: h_0 = Xᵀ (d, n), h_1, …, h_{L−1} (S, m, n), W_L h_{L−1}, margins and shares p (S, n).

    signed: (S, m, n) p_i y_i v ⊙ 1[W_L h_i > 0]. gradient: (S, m, m), −∇_{W_L} L_S / E_S.
    """

    hidden: Layers
    above: torch.Tensor
    margins: torch.Tensor
    shares: torch.Tensor
    signed: torch.Tensor
    gradient: torch.Tensor
    ratio: torch.Tensor

    @classmethod
    def of(cls, weights: Sequence[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> _Pass:
        hidden = [x.T]
        for layer in weights[:-2]:
            hidden.append(torch.relu(layer @ hidden[-1]))
        above = weights[-2] @ hidden[-1]
        margins = y * (weights[-1] @ torch.relu(above)).squeeze(1)
        shares = torch.softmax(torch.nn.functional.logsigmoid(-margins), dim=1)
        signed = (above > 0) * ((shares * y)[:, None] * weights[-1].mT)
        gradient = signed @ hidden[-1].mT
        least = min(layer.shape[1] for layer in weights[:-1])
        ratio = torch.linalg.vector_norm(gradient, dim=(1, 2)) / math.sqrt(least)
        return cls(hidden, above, margins, shares, signed, gradient, ratio)

    def slopes(self, weights: Sequence[torch.Tensor], y: torch.Tensor, window: float) -> Iterator[torch.Tensor]:
        """Yield the gradients of m·ratio²/2 in W_L, W_{L−1}, …, W_1; each W_l may change once its own is there.

        window: standard deviation of the Gaussian that stands for the derivative of 1[z > 0]; 0: for none.
        """
        inward = self.gradient @ self.hidden[-1]  # the derivative in `signed`
        signs = y * weights[-1].mT
        by_share = (inward * signs * (self.above > 0)).sum(dim=1)
        centred = by_share - (self.shares * by_share).sum(dim=1, keepdim=True)
        by_output = -y * torch.sigmoid(self.margins) * self.shares * centred
        error = (self.above > 0) * (weights[-1].mT * by_output[:, None])
        if window:
            jump = self.shares[:, None] * signs * inward
            # A unit that is on can only be turned off, one that is off only on.
            slope = torch.exp(-0.5 * (self.above / window).square()) * (2.0 / (window * math.sqrt(2 * math.pi)))
            error += jump * slope * ((self.above > 0) == (jump > 0))
        below = self.gradient.mT @ self.signed  # the derivative in h_{L−1}, but for its part through W_L
        for layer in range(len(self.hidden) - 1, -1, -1):
            through = weights[layer].mT @ error if layer else error
            yield error @ self.hidden[layer].mT
            if layer:
                error = (through + below if layer == len(self.hidden) - 1 else through) * (self.hidden[layer] > 0)


@dataclass(frozen=True)
class _Ball:
    """W_τ around the W^(0) of a group of inits, and the samples: in the dtype of the search and in float64."""

    start: tuple[torch.Tensor, ...]  # W_1, …, W_L, v
    x: torch.Tensor
    y: torch.Tensor
    x64: torch.Tensor
    y64: torch.Tensor
    tau: float

    def ratio(self, weights: Sequence[torch.Tensor]) -> torch.Tensor:
        """(S,) the ratio in the dtype of the search."""
        return _Pass.of([*weights, self.start[-1]], self.x, self.y).ratio

    def distances(self, weights: Sequence[torch.Tensor]) -> torch.Tensor:
        """(S, L) ‖W_l − W_l^(0)‖_F in float64 but for the rows, over which a float32 sum loses little."""
        rows = (torch.linalg.vector_norm(w - w0, dim=2) for w, w0 in zip(weights, self.start[:-1], strict=True))
        return torch.stack([torch.linalg.vector_norm(row.double(), dim=1) for row in rows], dim=1)

    def inside(self, weights: Sequence[torch.Tensor]) -> torch.Tensor:
        """(S,) whether the weights lie in W_τ by a margin that covers rounding."""
        return (self.distances(weights) <= self.tau * (1 - _MARGIN / 2)).all(dim=1)

    def pull(self, weights: Sequence[torch.Tensor]) -> None:
        """Move every layer that lies outside back to the ball, in place."""
        shares = (self.tau * (1 - _MARGIN) / self.distances(weights).clamp_min(1e-30)).clamp_(max=1.0)
        for column, (layer, centre) in enumerate(zip(weights, self.start[:-1], strict=True)):
            torch.lerp(centre, layer, shares[:, column, None, None].to(layer.dtype), out=layer)

    def certified(self, weights: Sequence[torch.Tensor]) -> torch.Tensor:
        """(S,) the ratio in float64, inf where the weights are not in W_τ by their float64 distances."""
        ratios = []
        for position in range(weights[0].shape[0]):
            one = [layer[position : position + 1].double() for layer in weights]
            start = [layer[position : position + 1].double() for layer in self.start]
            far = max(float((w - w0).square().sum().sqrt()) for w, w0 in zip(one, start[:-1], strict=True))
            ratio = float(gradient_ratio([*one, start[-1]], self.x64, self.y64)) if far <= self.tau else math.inf
            ratios.append(ratio if math.isfinite(ratio) else math.inf)
        return torch.tensor(ratios, dtype=torch.float64, device=self.x.device)

    def random(self, engine: DenseEngine, point: int) -> Layers:
        """Weights whose layers are uniform in their balls; a trial's do not depend on its companions."""
        drawn = unit_ball_points(self.start[:-1], seed=engine.seed, trials=engine.trials, number=point)
        weights = [layer.add(step, alpha=self.tau) for layer, step in zip(self.start[:-1], drawn, strict=True)]
        self.pull(weights)
        return weights


class _Least:
    """The weights with the least ratio so far, trial by trial."""

    def __init__(self, weights: Sequence[torch.Tensor]) -> None:
        self.weights = [layer.clone() for layer in weights]
        self.ratio = torch.full((len(weights[0]),), math.inf, dtype=torch.float64, device=weights[0].device)

    def offer(self, weights: Sequence[torch.Tensor], ratio: torch.Tensor) -> None:
        """Keep the weights of the trials whose ratio is less."""
        better = ratio < self.ratio
        if bool(better.any()):
            rows = better.nonzero()[:, 0]
            for kept, layer in zip(self.weights, weights, strict=True):
                kept[rows] = layer[rows]
            self.ratio[rows] = ratio[rows].double()


def _searched(
    engine: DenseEngine,
    X: NDArray[np.float64],
    labels: torch.Tensor,
    tau: float,
    search: Search,
    step_size: float,
    keep_witness: bool,
) -> GradientBound:
    x64, y64 = torch.tensor(X, dtype=torch.float64, device=engine.device), labels.to(engine.device)
    start = tuple(layer.clone() for layer in engine.weights)
    ball = _Ball(start, x64.to(engine.dtype), y64.to(engine.dtype), x64, y64, tau)
    with torch.no_grad(), full_precision(engine.device, engine.dtype):
        along, inside = _along_descent(engine, ball, search, step_size)
        least = _Least(start[:-1])
        begun, ends = [], []
        for number in range(2 + search.points):
            beginning = (start[:-1], along)[number] if number < 2 else ball.random(engine, number - 2)
            found = _descended(ball, beginning, search.steps)
            ratios = [ball.certified(weights) for weights in (beginning, found)]
            least.offer(beginning, ratios[0])
            least.offer(found, ratios[1])
            begun.append(ratios[0].cpu().numpy())
            ends.append(torch.minimum(*ratios).cpu().numpy())
    # Without an iterate of gradient descent in W_τ, the second search has only repeated the first.
    begun[1], ends[1] = (np.where(inside > 0, ratios, np.inf) for ratios in (begun[1], ends[1]))
    return GradientBound(
        L=engine.network.hidden_layers,
        width=engine.network.width,
        n=engine.n,
        tau=tau,
        trials=engine.trials,
        search=search,
        step_size=step_size,
        at_start=begun[0],
        along_descent=begun[1],
        inside=inside,
        at_random=np.min(begun[2:], axis=0) if search.points else np.full(len(engine.trials), np.inf),
        descents=np.stack(ends, axis=1),
        seconds=math.nan,
        witness=tuple(layer.cpu() for layer in least.weights) if keep_witness else None,
    )


def _along_descent(
    engine: DenseEngine, ball: _Ball, search: Search, step_size: float
) -> tuple[Layers, NDArray[np.int64]]:
    """Run gradient descent; return the weights of its least ratio in W_τ (or W^(0)), and how many steps led there."""
    hidden = engine.weights[:-1]
    least = _Least(hidden)
    inside = torch.zeros(len(engine.trials), dtype=torch.int64, device=engine.device)
    slope = logistic_slope(ball.y)
    for _ in range(search.iterations):
        engine.step(slope, step_size)
        within = ball.inside(hidden)
        inside += within
        least.offer(hidden, torch.where(within, ball.ratio(hidden), math.inf))
    return least.weights, inside.cpu().numpy()


def _descended(ball: _Ball, beginning: Sequence[torch.Tensor], steps: int) -> Layers:
    """Return the weights of the least ratio met by a projected descent on it."""
    weights = [layer.clone() for layer in beginning]
    output = ball.start[-1]
    least = _Least(weights)
    for step in range(steps + 1):
        present = [*weights, output]
        here = _Pass.of(present, ball.x, ball.y)
        least.offer(weights, here.ratio)
        if step == steps:
            break
        length = ball.tau * _FIRST_STEP * (_LAST_STEP / _FIRST_STEP) ** (step / max(1, steps - 1))
        slopes = here.slopes(present, ball.y, _WINDOW * length / math.sqrt(output.shape[2]))
        for layer, slope in zip(reversed(weights), slopes, strict=True):
            norm = torch.linalg.vector_norm(slope, dim=(1, 2), keepdim=True)
            layer.addcdiv_(slope, norm.clamp_min(torch.finfo(norm.dtype).tiny), value=-length)
        ball.pull(weights)
    return least.weights
