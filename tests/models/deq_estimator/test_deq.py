"""The fixed-point estimator: its certificate, its gradient, its depth."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.baselines.estimate.splitting import primal_step
from wlam.models.deq_estimator.deq import Deq, DeqConfig, plane_waves
from wlam.nn.fixed_point import Solver
from wlam.nn.lipschitz import LipschitzConfig
from wlam.phy.noise import complex_normal

EXACT = Solver(0.9, tolerance=1e-6, most=400)
SMALL = {"grids": 2, "rows": 3, "columns": 4}
CONFIG = DeqConfig(
    **SMALL,
    network=LipschitzConfig(planes=4, width=8, blocks=1),
    damping=0.9,
    solver=EXACT,
)
M, D, N = 12, 24, 3


@pytest.fixture(scope="module")
def model():
    """With steep parameters, which the network does not let through."""
    model = Deq(CONFIG, nnx.Rngs(0))
    state = nnx.state(model.network, nnx.Param)
    nnx.update(model.network, jax.tree.map(lambda x: 2 * x, state))
    return model


@pytest.fixture(scope="module")
def sensing():
    matrix = complex_normal(jax.random.key(0), (M, D))
    return matrix / jnp.linalg.norm(matrix, 2)


@pytest.fixture(scope="module")
def observed():
    return complex_normal(jax.random.key(1), (N, M))


def test_a_layer_contracts_by_its_damping(model, sensing, observed):
    splitting = jax.jit(model.split)(sensing)
    keys = jax.random.split(jax.random.key(2))
    a, b = (3 * complex_normal(key, (N, D)) for key in keys)
    step = jax.jit(lambda z: primal_step(splitting, model.prox, observed, z))
    moved = [step(z) for z in (a, b)]
    apart = jnp.linalg.norm(moved[0] - moved[1])
    assert apart <= CONFIG.damping * jnp.linalg.norm(a - b) * (1 + 1e-5)


def test_residuals_fall_as_the_damping_and_the_place_is_one(model, sensing, observed):
    splitting = jax.jit(model.split)(sensing)
    solver = Solver(1.0, tolerance=1e-6, most=400)
    estimate, found = jax.jit(
        lambda s, y: nnx.merge(*nnx.split(model)).solve(s, y, solver)
    )(splitting, observed)
    residuals = np.asarray(found.residuals)[: int(found.evaluations)]
    assert residuals[-1] <= 1e-6
    # Over the size of z, which settles after a few calls.
    assert (residuals[11:] <= 1.02 * CONFIG.damping * residuals[10:-1]).all()
    np.testing.assert_allclose(model(splitting, observed), estimate, atol=1e-4)


def test_more_calls_than_enough_change_nothing(model, sensing, observed):
    splitting = jax.jit(model.split)(sensing)
    found = [
        model.solve(splitting, observed, Solver(0.9, tolerance=0.0, most=most))[0]
        for most in (150, 250)
    ]
    np.testing.assert_allclose(*found, atol=1e-4)


def test_the_implicit_gradient_is_that_of_unrolling(model, sensing, observed):
    splitting = jax.jit(model.split)(sensing)
    graph, params = nnx.split(model)
    target = complex_normal(jax.random.key(3), (N, D))

    def loss(estimate):
        return (abs(estimate - target) ** 2).sum()

    def implicit(params):
        return loss(nnx.merge(graph, params)(splitting, observed))

    def unrolled(params):
        model = nnx.merge(graph, params)

        def call(z, _):
            step = primal_step(splitting, model.prox, observed, z)
            return 0.1 * z + 0.9 * step, None

        start = jnp.zeros((N, D), observed.dtype)
        return loss(model.prox(jax.lax.scan(call, start, length=200)[0]))

    one, other = (jax.jit(jax.grad(f))(params) for f in (implicit, unrolled))
    one, other = (
        np.concatenate([np.ravel(x) for x in jax.tree.leaves(g)]) for g in (one, other)
    )
    np.testing.assert_allclose(one, other, atol=1e-3 * abs(other).max())


def test_bad_configs_are_named():
    with pytest.raises(
        ValueError, match=r"network\.planes: found 8; needed twice the grids, 4"
    ):
        DeqConfig(**SMALL)
    with pytest.raises(ValueError, match=r"damping: found 1\.0"):
        DeqConfig(damping=1.0)


@pytest.fixture(scope="module")
def told():
    """One with all three reflections, none of which is small, told the noise."""
    model = Deq(replace(CONFIG, spacing=0.5), nnx.Rngs(0))
    model.weights[...] = jnp.array([[0.0, 0.5, 0.5], [0.1, -0.1, 0.0]])
    state = nnx.state(model.network, nnx.Param)
    nnx.update(model.network, jax.tree.map(lambda x: 2 * x, state))
    return model


def test_it_contracts_whatever_the_noise(told, sensing, observed):
    splitting = jax.jit(told.split)(sensing)
    keys = jax.random.split(jax.random.key(2))
    a, b = (3 * complex_normal(key, (N, D)) for key in keys)

    @jax.jit
    def step(z, level):
        return primal_step(
            splitting, lambda z: told.prox(z, jnp.full(N, level)), observed, z
        )

    for level in (0.03, 3.0):
        moved = [step(z, level) for z in (a, b)]
        apart = jnp.linalg.norm(moved[0] - moved[1])
        assert apart <= CONFIG.damping * jnp.linalg.norm(a - b) * (1 + 1e-5)


def test_unit_and_noise_scale_together(model, sensing, observed):
    """Without a prior that has a unit of its own."""
    splitting = jax.jit(model.split)(sensing)
    estimate = jax.jit(lambda y, level: model(splitting, y, level))
    one = estimate(observed, jnp.ones(N))
    other = estimate(100 * observed, jnp.full(N, 100.0))
    np.testing.assert_allclose(other, 100 * one, rtol=1e-3, atol=1e-2)


def test_without_its_network_it_is_the_linear_estimate(sensing, observed):
    """C A^H (A C A^H + v)^-1 y, but for the damping."""
    solver = Solver(0.9, tolerance=1e-7, most=2000)
    config = replace(CONFIG, spacing=0.5, damping=1 - 1e-6, solver=solver)
    model, level = Deq(config, nnx.Rngs(0)), 0.5
    model.weights[...] = jnp.array([[50.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    power, vectors = plane_waves(3, 4, 0.5)
    one = vectors @ np.diag(power) @ vectors.conj().T
    covariance = np.kron(np.eye(2), one)
    a = np.asarray(sensing, np.complex128)
    total = a @ covariance @ a.conj().T + level**2 * np.eye(M)
    wanted = np.asarray(observed) @ np.linalg.solve(total, a @ covariance).conj()
    estimate = jax.jit(lambda s, y: model(model.split(s), y, jnp.full(N, level)))
    found = estimate(sensing, observed)
    np.testing.assert_allclose(found, wanted, atol=5e-3)


def test_parts_that_are_seen_apart_are_a_matrix_of_blocks(told, observed):
    blocks = complex_normal(jax.random.key(5), (2, M // 2, D // 2)) / 8
    zero = jnp.zeros_like(blocks[0])
    whole = jnp.block([[blocks[0], zero], [zero, blocks[1]]])
    estimate = jax.jit(lambda s: told(told.split(s), observed, jnp.ones(N)))
    found = [estimate(s) for s in (blocks, whole)]
    np.testing.assert_allclose(*found, atol=1e-4)
