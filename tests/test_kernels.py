"""Closed-form kernels against published values, quadrature of their definitions, and finite networks."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from mpmath import mp, mpf

from boundcalc.errors import InputError
from boundcalc.estimate import kernels
from boundcalc.estimate.kernels import (
    H_INFINITY,
    Kernel,
    conjugate_kernel,
    error_norm,
    h_infinity,
    kernel_matrix,
    nngp,
    ntk,
)
from boundcalc.train.networks import Network, he_relu, initial_weights, scaled_relu

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

PUBLISHED = np.array([[0.6, 0.8, 0.0], [0.0, 1.0, 0.0], [1 / 3, 2 / 3, 2 / 3]])


def sphere(n: int, d: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def hard_rows() -> np.ndarray:
    """Ordinary pairs, pairs 1e-9 and 1e-5 apart, equal and opposite ones, one nearly opposite."""
    x = sphere(2, 4)
    aside = np.eye(4)[0] - x[0] * x[0, 0]
    rows = [*x, x[0] + 1e-9 * aside, x[0] + 1e-5 * aside, -x[1], 1e-7 * aside - x[0], x[1]]
    return np.array(rows)


# --- the definitions, by quadrature in mpmath: no arccos, no closed form ---


def normal_density(t: mpf) -> mpf:
    return mp.exp(-t * t / 2) / mp.sqrt(2 * mp.pi)


def moments(rho: mpf, rest: mpf) -> tuple[mpf, mpf]:
    """E[σ(u)σ(v)] and P[u > 0, v > 0] of standard normals with correlation ρ, rest = √(1 − ρ²) > 0.

    Given u, v is normal with mean ρu and deviation `rest`; its mean and probability above 0 are known.
    """

    def probability(u: mpf) -> mpf:
        return normal_density(u) * mp.ncdf(rho * u / rest)

    def product(u: mpf) -> mpf:
        mean = rho * u
        return normal_density(u) * u * (mean * mp.ncdf(mean / rest) + rest * normal_density(mean / rest))

    steep = sorted({mpf(0), *(min(mpf(1), k * rest) for k in (2, 6, 13)), mpf(1), mpf(4), mpf(12)})
    return mp.quad(product, steep), mp.quad(probability, steep)


class Layers:
    """The covariances of the hidden layers of one pair of inputs, and how often both units are active."""

    def __init__(self, x: np.ndarray, z: np.ndarray, levels: int) -> None:
        x, z = ([mpf(float(entry)) for entry in row] for row in (x, z))
        norms = mp.sqrt(sum(a * a for a in x)) * mp.sqrt(sum(b * b for b in z))
        rho = sum(a * b for a, b in zip(x, z, strict=True)) / norms
        # 1 − ρ² by Lagrange's identity; only to see whether the rows lie on one ray.
        rest = mp.sqrt(sum((x[i] * z[j] - x[j] * z[i]) ** 2 for i in range(len(x)) for j in range(i)) / norms**2)
        self.products, self.active = [rho], []
        for _ in range(levels):
            if rest < mpf(10) ** -20:
                half, both = (mpf(1) / 2, mpf(1) / 2) if rho > 0 else (mpf(0), mpf(0))
            else:
                half, both = moments(rho, rest)
            rho = 2 * half  # weights of variance 2/m, m units
            rest = mp.sqrt((1 - rho) * (1 + rho)) if rho < 1 else mpf(0)
            self.products.append(rho)
            self.active.append(both)

    def tangent(self, output_square: int, output_trained: bool) -> mpf:
        """Σ over trained layers of ⟨layer below⟩·⟨what comes back⟩, ‖output row‖² = `output_square`."""
        total = self.products[-1] if output_trained else mpf(0)
        back = mpf(output_square)
        for level in reversed(range(len(self.active))):
            back *= self.active[level]
            total += self.products[level] * back
            back *= 2  # the matrix below this layer, entries N(0, 2/m)
        return total


def reference(X: np.ndarray, levels: int) -> dict[str, np.ndarray]:
    names = ("conjugate", "normalised", "chen2019", "cao2020")
    found = {name: np.empty((len(X), len(X))) for name in names}
    with mp.workdps(26):
        for i in range(len(X)):
            for j in range(i + 1):
                pair = Layers(X[i], X[j], levels)
                values = (
                    pair.products[-1] / 2**levels,
                    pair.tangent(2, True),
                    pair.tangent(1, True),
                    pair.tangent(1, False),
                )
                for name, value in zip(names, values, strict=True):
                    found[name][i, j] = found[name][j, i] = float(value)
    return found


def test_published_values() -> None:
    values = ntk(PUBLISHED, 3)
    assert values[0, 1] == pytest.approx(2.0341514508, abs=6e-11)
    assert values[0, 2] == pytest.approx(1.8513172270, abs=6e-11)
    assert values[1, 2] == pytest.approx(1.6896066575, abs=6e-11)
    assert values.diagonal() == pytest.approx(3, abs=1e-15)


def test_against_quadrature_of_the_definitions() -> None:
    X, levels = hard_rows(), 3
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    expected = reference(X, levels)
    found = {name: ntk(X, levels + 1, name) for name in ("normalised", "chen2019", "cao2020")}
    found["conjugate"] = conjugate_kernel(X, levels)
    for name, matrix in found.items():
        np.testing.assert_allclose(matrix, expected[name], rtol=0, atol=1e-12, err_msg=name)
    kernel = Kernel.tangent(levels + 1)
    bound = error_norm(X, kernel)
    assert np.linalg.norm(found["normalised"] - expected["normalised"], 2) <= bound < 1e-8


def test_the_first_levels_by_hand() -> None:
    X = sphere(7, 5)
    rho = X @ X.T
    angle = np.arccos(np.clip(rho, -1, 1))
    np.testing.assert_allclose(conjugate_kernel(X, 0), rho, atol=1e-15)
    first = (np.sin(angle) + (np.pi - angle) * rho) / (2 * np.pi)
    np.testing.assert_allclose(conjugate_kernel(X, 1), first, atol=1e-8)
    assert conjugate_kernel(X, 4).diagonal() == pytest.approx(2.0**-4, abs=1e-17)
    off = ~np.eye(7, dtype=bool)
    np.testing.assert_allclose(h_infinity(X)[off], (rho * (np.pi - angle) / (2 * np.pi))[off], atol=1e-14)
    np.testing.assert_array_equal(h_infinity(X), ntk(X, 2, "cao2020"))
    np.testing.assert_array_equal(nngp(X, 3), 4 * conjugate_kernel(X, 2))


def tangent_products(network: Network, X: torch.Tensor, trial: int) -> np.ndarray:
    """Gram matrix of the gradients of f at the start, by automatic differentiation."""
    weights = [w[0].double() for w in initial_weights(network, seed=1, trials=[trial])]
    trained = [weights[index].requires_grad_() for index in network.trained_layers]
    gradients = []
    for x in X:
        hidden = x
        for weight in weights[:-1]:
            hidden = torch.relu(weight @ hidden)
        output = network.output_scale * (weights[-1] @ hidden)[0]
        gradients.append(torch.cat([part.flatten() for part in torch.autograd.grad(output, trained)]))
    stacked = torch.stack(gradients)
    return (stacked @ stacked.T).numpy()


@pytest.mark.parametrize("name", ["chen2019", "cao2020"])
def test_tangent_kernels_of_finite_networks(name: str) -> None:
    m, trials, X = 256, 80, sphere(3, 3, seed=2)
    network = scaled_relu(4, m, 3, 0.5) if name == "chen2019" else he_relu(3, m, 3)
    samples = np.array([tangent_products(network, torch.tensor(X), trial) for trial in range(trials)]) / m
    error = samples.std(axis=0, ddof=1) / math.sqrt(trials)
    off = np.abs(samples.mean(axis=0) - ntk(X, 4, name))
    assert (off < 4 * error + 2 / m).all()
    assert (off < 0.12).all()
    others = {"normalised", "chen2019", "cao2020"} - {name}
    assert all((np.abs(samples.mean(axis=0) - ntk(X, 4, other)) > 0.3).any() for other in others)


def test_output_covariances_of_finite_networks() -> None:
    X, draws = sphere(3, 3, seed=3), 40_000
    generator = torch.Generator().manual_seed(0)
    m = 8  # one hidden layer: the covariance is the same at every width
    first = torch.randn(draws, m, 3, generator=generator, dtype=torch.float64) * math.sqrt(2 / m)
    hidden = torch.relu(first @ torch.tensor(X).T)
    last = torch.randn(draws, m, generator=generator, dtype=torch.float64) / math.sqrt(m)
    signs = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat_interleave(m // 2).expand(draws, m)
    for name, row, scale in (("chen2019", last, math.sqrt(m)), ("cao2020", signs, 1.0)):
        outputs = scale * torch.einsum("sm,smn->sn", row, hidden)
        found = (outputs.T @ outputs / draws).numpy()
        np.testing.assert_allclose(found, nngp(X, 2, name), atol=0.03)
    assert nngp(X, 2, "cao2020")[0, 0] == pytest.approx(1 - 1 / math.pi)


def test_rows_of_other_norms_scale_the_kernel() -> None:
    X = sphere(6, 4)
    norms = np.array([1e-3, 1.0, 2.0, 7.0, 0.5, 1e4])
    for kernel in (Kernel.conjugate(2), Kernel.tangent(3, "chen2019"), Kernel.nngp(2, "cao2020")):
        expected = kernel_matrix(X, kernel) * np.outer(norms, norms)
        np.testing.assert_allclose(kernel_matrix(X * norms[:, None], kernel), expected, rtol=1e-12)


@pytest.mark.parametrize("side", [1, 7, 30])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_tiles_do_not_matter(side: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.concatenate([sphere(30, 6), hard_rows() @ np.eye(4, 6)])
    whole = [kernel_matrix(X, kernel) for kernel in (H_INFINITY, Kernel.tangent(4), Kernel.conjugate(2))]
    bound = error_norm(X, H_INFINITY)
    monkeypatch.setattr(kernels, "_CPU_SIDE", side)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    for before, kernel in zip(whole, (H_INFINITY, Kernel.tangent(4), Kernel.conjugate(2)), strict=True):
        after = kernel_matrix(X, kernel)
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(after, after.T)
    assert error_norm(X, H_INFINITY) == pytest.approx(bound, rel=0.2)


def test_memory_stays_below_four_matrices() -> None:
    code = (
        "import resource, numpy as np\n"
        "from boundcalc.estimate.kernels import ntk\n"
        "X = np.random.default_rng(0).standard_normal((2000, 10))\n"
        "ntk(X[:300], 3)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "ntk(X, 3)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 4 * 8 * 2000**2


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    X = sphere(3, 2)
    with pytest.raises(InputError, match="row 1 has norm 0"):
        ntk(np.array([[1.0, 0.0], [0.0, 0.0]]), 3)
    with pytest.raises(InputError, match="row 0 has norm nan"):
        ntk(np.array([[math.nan, 0.0]]), 3)
    with pytest.raises(InputError, match=r"X of shape \(3,\)"):
        h_infinity(X[:, 0])
    with pytest.raises(InputError, match="layers = 1"):
        ntk(X, 1)
    with pytest.raises(InputError, match="levels = -1"):
        conjugate_kernel(X, -1)
    with pytest.raises(InputError, match="use one of normalised, chen2019, cao2020"):
        ntk(X, 2, "standard")
    monkeypatch.setattr(kernels, "available_bytes", lambda device: 10)
    with pytest.raises(InputError, match="measure a subset"):
        ntk(X, 2)


@pytest.mark.gpu
@gpu
def test_the_same_values_on_a_gpu() -> None:
    X = np.concatenate([sphere(2500, 30), hard_rows() @ np.eye(4, 30)])
    for kernel in (H_INFINITY, Kernel.tangent(4, "chen2019"), Kernel.conjugate(3)):
        np.testing.assert_allclose(
            kernel_matrix(X, kernel, device="cuda"), kernel_matrix(X, kernel, device="cpu"), rtol=0, atol=1e-12
        )
