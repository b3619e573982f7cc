"""Peaceman-Rachford splitting against FISTA, LMMSE and linear algebra, in float64."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.baselines.estimate import fista
from wlam.baselines.estimate.splitting import (
    dual_step,
    gaussian_prior,
    primal_step,
    prox_fit,
    soft_threshold,
    split,
)
from wlam.nn.fixed_point import Solver, solve

RNG = np.random.default_rng(0)
M, D, N = 16, 32, 2
GAMMA = 0.7


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def normal(*shape):
    return RNG.normal(size=(*shape, 2)) @ [1, 1j] / np.sqrt(2)


SENSING = normal(M, D) / np.sqrt(M)
SPARSE = normal(N, D) * (RNG.random((N, D)) < 0.1)
OBSERVED = SPARSE @ SENSING.T + 0.1 * normal(N, M)


@pytest.fixture
def problem():
    return split(jnp.asarray(SENSING), GAMMA), jnp.asarray(OBSERVED)


def estimate(splitting, prox, observed, weight=0.8):
    step = partial(primal_step, splitting, prox, observed)
    start = jnp.zeros((N, splitting.sensing.shape[1]), complex)
    found = solve(step, start, Solver(weight, tolerance=1e-13, most=3000))
    return prox(found.z)


def test_the_prox_minimises_its_objective(problem):
    splitting, observed = problem
    v = jnp.asarray(normal(N, D))
    found = prox_fit(splitting, v, observed)
    # The gradient of |y - A h|^2 / 2 + |h - v|^2 / (2 gamma) is 0 there.
    miss = found @ SENSING.T - observed
    gradient = miss @ SENSING.conj() + (found - v) / GAMMA
    np.testing.assert_allclose(gradient, 0, atol=1e-12)


def test_the_fit_reflects_without_expanding():
    matrix = 2 * np.linalg.inv(np.eye(D) + GAMMA * SENSING.conj().T @ SENSING)
    values = np.linalg.eigvalsh(matrix - np.eye(D))
    assert (abs(values) <= 1 + 1e-12).all()
    first, other = (jnp.asarray(normal(N, D)) for _ in range(2))
    splitting, observed = split(jnp.asarray(SENSING), GAMMA), jnp.asarray(OBSERVED)
    mirror = [2 * prox_fit(splitting, v, observed) - v for v in (first, other)]
    before, after = (np.linalg.norm(a - b) for a, b in ((first, other), mirror))
    assert after <= before


def test_primal_and_dual_iterates_are_the_same(problem):
    splitting, observed = problem
    prox = soft_threshold(0.05 * GAMMA)
    z = w = jnp.zeros((N, D), complex)
    for _ in range(50):
        z = primal_step(splitting, prox, observed, z)
        w = dual_step(splitting, prox, observed, w)
        np.testing.assert_allclose(w, z / GAMMA, atol=1e-10)
    assert abs(z).max() > 0.1


def test_with_a_soft_threshold_it_is_the_lasso(problem):
    splitting, observed = problem
    penalty = 0.08
    found = estimate(splitting, soft_threshold(penalty * GAMMA), observed)
    known = fista(
        observed,
        jnp.full(N, penalty),
        jnp.asarray(SENSING),
        jnp.eye(D, dtype=complex),
        20_000,
    )
    np.testing.assert_allclose(found, known, atol=1e-7)

    def objective(h):
        fit = (abs(observed - h @ SENSING.T) ** 2).sum() / 2
        return float(fit + penalty * abs(h).sum())

    assert abs(objective(found) - objective(known)) < 1e-12


def test_with_a_gaussian_prior_it_is_the_linear_estimate(problem):
    splitting, observed = problem
    root = normal(D, D) / np.sqrt(D)
    covariance = root @ root.conj().T
    found = estimate(
        splitting, gaussian_prior(jnp.asarray(covariance), GAMMA), observed
    )
    cross = covariance @ SENSING.conj().T
    weights = cross @ np.linalg.inv(SENSING @ cross + np.eye(M))
    np.testing.assert_allclose(found, OBSERVED @ weights.T, atol=1e-9)


def test_without_noise_an_orthonormal_sensing_is_inverted():
    unitary = np.linalg.qr(normal(M, M))[0]
    channel = jnp.asarray(normal(N, M))
    splitting = split(jnp.asarray(unitary), 1e6)
    found = estimate(splitting, lambda v: v, channel @ unitary.T)
    np.testing.assert_allclose(found, channel, atol=1e-6)
