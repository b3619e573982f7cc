"""The diagonal cell of liquid resistance and capacitance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.nn.liquid import LrcConfig
from wlam.nn.liquid.cell import LiquidCell

B, T, I, N = 2, 40, 3, 5
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(B, T, I)), jnp.float32)
ELAPSED = jnp.asarray(RNG.uniform(0.1, 3.0, size=(B, T)), jnp.float32)
STATE = jnp.asarray(RNG.normal(size=(B, N)), jnp.float32)
CELL = LrcConfig(N).build(I, nnx.Rngs(0))


def slope(cell, state, x):
    """dh/dt of the published equation, in NumPy and double precision."""

    def s(a):
        return 1 / (1 + np.exp(-np.asarray(a, np.float64)))

    p = {name: np.asarray(a, np.float64)[None] for name, a in cell._arrays().items()}
    own, heard = s(p["a"] * state + p["b"]), s(cell.synapses(x))
    f = p["g_h"] * own + p["g_x"] * heard + p["g_l"]
    z = p["k_h"] * own + p["k_x"] * heard + p["g_l"]
    e = p["w"] * state + np.asarray(cell.elastance(x), np.float64)
    return s(e) * (np.tanh(z) * p["v"] - s(f) * state)


def after(time, state=STATE):
    return CELL(state, X[:, 0], jnp.full(B, time, jnp.float32))[0]


def test_for_short_times_it_is_the_published_step():
    rise = slope(CELL, np.asarray(STATE, np.float64), X[:, 0])
    errors = [
        abs(np.asarray(after(t)) - (np.asarray(STATE) + t * rise)).max()
        for t in (0.2, 0.1, 0.05)
    ]
    # Of second order in the step: a quarter for half of it.
    assert errors[0] < 0.01
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 4, rtol=0.1)


def test_limits_of_time():
    np.testing.assert_allclose(after(1e-9), STATE, atol=1e-6)
    # The rest state at the present rates: where the slope is zero.
    rest, moved = np.asarray(after(1e9), np.float64), np.asarray(STATE, np.float64)
    rise = slope(CELL, moved, X[:, 0])
    at_rest = (rest - moved) * rise
    assert (at_rest > 0).all()  # towards its rest state
    np.testing.assert_allclose(after(2e9), rest, atol=1e-6)


def test_states_stay_within_twice_the_potential():
    loud = jax.tree.map(lambda a: 10 * a, nnx.state(CELL))
    cell = nnx.merge(nnx.graphdef(CELL), loud)
    _, out = cell.unroll(cell.start(B), 30 * X, 100 * ELAPSED, None)
    bound = 2 * abs(cell.drive["v"][...])
    assert (abs(out) <= bound[None, None] + 1e-5).all()
    assert abs(out).max() > 1


@pytest.mark.parametrize("form", ["sequential", "parallel"])
def test_a_sequence_is_the_cell_step_by_step(form):
    cell = LrcConfig(N, form).build(I, nnx.Rngs(0))
    seen = jnp.asarray(RNG.random((B, T)) < 0.7)
    for elapsed in (ELAPSED, None):
        state, out = cell.unroll(STATE, X, elapsed, seen)
        want = LiquidCell.unroll(cell, STATE, X, elapsed, seen)
        mask = np.asarray(seen)
        np.testing.assert_allclose(out[mask], want[1][mask], atol=1e-5)
        np.testing.assert_allclose(state, want[0], atol=1e-5)


def test_no_neuron_depends_on_another():
    jacobian = jax.jacobian(lambda h: CELL(h[None], X[:1, 0])[0][0])(STATE[0])
    off = np.asarray(jacobian)[~np.eye(N, dtype=bool)]
    np.testing.assert_array_equal(off, 0)
    assert abs(np.diag(jacobian)).min() > 0


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="units, inputs: found 4, 0; needed 1 or more"):
        LrcConfig(4).build(0, nnx.Rngs(0))
