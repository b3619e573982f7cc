"""Linear recurrences: both forms, gradients, and the form on each backend."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.kernels.linear_scan import FEW, dispatch, linear_scan

T, B, N = 37, 2, 3
RNG = np.random.default_rng(0)
DECAY = RNG.uniform(-1.1, 1.1, size=(T, B, N)).astype(np.float32)
DRIVE = RNG.normal(size=(T, B, N)).astype(np.float32)
START = RNG.normal(size=(B, N)).astype(np.float32)
WEIGHT = RNG.normal(size=(T, B, N)).astype(np.float32)


def by_hand(decay, drive, start):
    """In NumPy and double precision."""
    states, h = [], start.astype(np.float64)
    for a, b in zip(decay, drive, strict=True):
        h = a * h + b
        states.append(h)
    return np.stack(states)


def score(form):
    def scored(decay, drive, start):
        return (linear_scan(decay, drive, start, form) ** 2 * WEIGHT).sum()

    return scored


@pytest.mark.parametrize("form", ["auto", "sequential", "parallel"])
def test_states_are_those_of_the_loop(form):
    found = linear_scan(*map(jnp.asarray, (DECAY, DRIVE, START)), form)
    np.testing.assert_allclose(found, by_hand(DECAY, DRIVE, START), atol=1e-5)


@pytest.mark.parametrize("form", ["sequential", "parallel"])
def test_gradients_are_those_of_the_loop(form):
    given = tuple(map(jnp.asarray, (DECAY, DRIVE, START)))

    def loop(decay, drive, start):
        def advance(h, now):
            h = now[0] * h + now[1]
            return h, h

        return (jax.lax.scan(advance, start, (decay, drive))[1] ** 2 * WEIGHT).sum()

    want = jax.grad(loop, argnums=(0, 1, 2))(*given)
    found = jax.grad(score(form), argnums=(0, 1, 2))(*given)
    for a, b in zip(found, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-4)


@pytest.mark.parametrize(
    ("platform", "steps", "loops"),
    [("cpu", T, True), ("cuda", T, False), ("tpu", T, False), ("cuda", FEW, True)],
)
def test_the_dispatcher_picks_by_backend_and_steps(platform, steps, loops):
    given = (jnp.asarray(x) for x in (DECAY[:steps], DRIVE[:steps], START))
    program = jax.jit(lambda *x: linear_scan(*x)).trace(*given)
    text = program.lower(lowering_platforms=(platform,)).as_text()
    assert ("stablehlo.while" in text) == loops


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="form: found 'quick'; needed auto"):
        dispatch(jnp.sin, jnp.cos, "quick", jnp.asarray(START))
