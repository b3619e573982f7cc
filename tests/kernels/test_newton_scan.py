"""Newton iterations on trained cells, their gradients, and the fallback."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from wlam.kernels.newton_scan import most_iterations, newton, nonlinear_scan
from wlam.nn.liquid import LrcConfig
from wlam.nn.liquid.lrc import flow

T, B, I, N = 200, 2, 3, 8
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(B, T, I)), jnp.float32)
ELAPSED = jnp.asarray(RNG.uniform(0.2, 2.0, size=(B, T)), jnp.float32)
FORMS = ("sequential", "parallel")


@cache
def trained():
    """A cell trained to sum its inputs, and its initial weights."""
    cell = LrcConfig(N).build(I, nnx.Rngs(0))
    graph, fresh = nnx.split(cell)
    summed = jnp.cumsum(X[..., :1] * ELAPSED[..., None], axis=1)
    wanted = jnp.sin(0.15 * summed)

    def loss(params):
        cell = nnx.merge(graph, params[0])
        _, out = cell.unroll(cell.start(B), X, ELAPSED, None)
        return ((out @ params[1] - wanted) ** 2).mean()

    optimizer = optax.adam(2e-2)

    @jax.jit
    def step(now, _):
        params, state = now
        value, gradients = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradients, state)
        return (optax.apply_updates(params, updates), state), value

    params = fresh, jnp.zeros((N, 1))
    begin = params, optimizer.init(params)
    (params, _), losses = jax.lax.scan(step, begin, None, length=400)
    assert losses[-1] < 0.3 * losses[0]
    return nnx.merge(graph, params[0]), nnx.merge(graph, fresh)


def parts(cell):
    inputs = cell._driven(jnp.swapaxes(X, 0, 1), ELAPSED.T)
    return cell._arrays(), cell.start(B), inputs


def loop(p, start, inputs):
    """The loop that back-propagation through time differentiates."""

    def advance(h, now):
        h = flow(p, h, now)
        return h, h

    return jax.lax.scan(advance, start, inputs)[1]


LOOP = jax.jit(loop)


def test_trained_weights_need_more_iterations():
    learned, fresh = (jax.jit(lambda c: newton(flow, *parts(c)))(c) for c in trained())
    assert learned.converged
    assert fresh.iterations < learned.iterations < most_iterations(T)
    for cell, found in zip(trained(), (learned, fresh), strict=True):
        np.testing.assert_allclose(found.states, LOOP(*parts(cell)), atol=1e-5)


def test_the_residual_is_rounding():
    """In double precision the residual is far below single precision."""
    given = jax.tree.map(np.asarray, parts(trained()[0]))
    with jax.enable_x64(True):
        given = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), given)
        found = jax.jit(lambda *g: newton(flow, *g))(*given)
        want = jax.jit(loop)(*given)
        assert found.converged
        np.testing.assert_allclose(found.states, want, atol=1e-8)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_are_those_through_time(form):
    cell, _ = trained()
    weight = jnp.asarray(RNG.normal(size=(T, B, N)), jnp.float32) / T
    given = parts(cell)

    def of(states):
        return jax.jit(
            jax.grad(lambda *g: (states(*g) * weight).sum(), argnums=(0, 1, 2))
        )(*given)

    want = of(loop)
    found = of(lambda *g: nonlinear_scan(flow, *g, form))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def chaotic(p, state, x):
    """The logistic map, which is not contractive."""
    return p * state * (1 - state) + 0 * x


def test_without_convergence_the_loop_is_run():
    start = jnp.full((1, 1), 0.3, jnp.float32)
    given = jnp.float32(3.9), start, jnp.zeros((300, 1, 1))
    assert not newton(chaotic, *given).converged
    by_loop, found = (nonlinear_scan(chaotic, *given, form) for form in FORMS)
    np.testing.assert_array_equal(found, by_loop)


def test_every_iteration_makes_one_more_step_exact():
    start = jnp.full((1, 1), 0.3, jnp.float32)
    given = jnp.float32(3.9), start, jnp.zeros((8, 1, 1))
    found = newton(chaotic, *given)
    assert found.converged
    assert found.iterations <= 8 + 2  # for what rounding leaves of large corrections
    want = nonlinear_scan(chaotic, *given, "sequential")
    np.testing.assert_allclose(found.states, want, atol=1e-4)
