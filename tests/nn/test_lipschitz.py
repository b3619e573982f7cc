"""Networks that never expand, with parameters far from their beginning."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.nn.lipschitz import (
    LipschitzConfig,
    LipschitzNetwork,
    as_planes,
    contracted,
    from_planes,
    sorted_pairs,
)
from wlam.phy.noise import complex_normal

CONFIG = LipschitzConfig(planes=4, width=8, blocks=2)
SHAPE = (3, 6, 5, 4)


@pytest.fixture(scope="module")
def network():
    """Every parameter three times what it was: steep, if nothing held it."""
    network = LipschitzNetwork(CONFIG, nnx.Rngs(0))
    nnx.update(network, jax.tree.map(lambda x: 3 * x, nnx.state(network, nnx.Param)))
    return network


def test_the_steepest_direction_is_not_steeper_than_one(network):
    """Power iteration on the Jacobian, from a few places."""
    for seed in range(3):
        keys = jax.random.split(jax.random.key(seed))
        x = 2 * jax.random.normal(keys[0], SHAPE)
        direction = jax.random.normal(keys[1], SHAPE)

        @jax.jit
        def turn(direction, x=x):
            direction = direction / jnp.linalg.norm(direction)
            _, forward = jax.jvp(network, (x,), (direction,))
            _, back = jax.vjp(network, x)
            return back(forward)[0], jnp.linalg.norm(forward)

        for _ in range(30):
            direction, steepness = turn(direction)
        assert 0.01 < steepness < 1 + 1e-5


def test_no_pair_is_brought_apart(network):
    keys = jax.random.split(jax.random.key(5), 20)
    for key in keys[:5]:
        a, b = (jax.random.normal(k, SHAPE) for k in jax.random.split(key))
        apart = jnp.linalg.norm(network(a) - network(b))
        assert apart <= jnp.linalg.norm(a - b) * (1 + 1e-5)


def test_shifts_of_the_input_shift_the_answer(network):
    x = jax.random.normal(jax.random.key(0), SHAPE)
    moved = network(jnp.roll(x, (2, 1), axis=(1, 2)))
    np.testing.assert_allclose(
        moved, jnp.roll(network(x), (2, 1), axis=(1, 2)), atol=1e-4
    )


def test_small_matrices_stay_and_large_ones_are_contracted():
    small = 0.5 * jnp.eye(3)
    np.testing.assert_array_equal(contracted(small), small)
    large = jax.random.normal(jax.random.key(0), (7, 4))
    found = np.linalg.svd(contracted(large), compute_uv=False)
    np.testing.assert_allclose(found[0], 1, rtol=1e-5)


def test_sorting_keeps_lengths():
    x = jax.random.normal(jax.random.key(0), (5, 6))
    found = sorted_pairs(x)
    assert (found[:, ::2] <= found[:, 1::2]).all()
    norms = (jnp.linalg.norm(a, axis=1) for a in (found, x))
    np.testing.assert_allclose(*norms, rtol=1e-6)


def test_planes_come_back():
    x = complex_normal(jax.random.key(0), (2, 3, 3, 2))
    np.testing.assert_array_equal(from_planes(as_planes(x)), x)


def test_bad_sizes_are_named():
    with pytest.raises(ValueError, match="planes, width, blocks, kernel: found"):
        LipschitzConfig(width=7)
