"""Networks that never expand, with parameters far from the initial ones."""

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

CONFIG = LipschitzConfig(planes=4, width=8, blocks=2)
SHAPE = (3, 6, 5, 4)


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    """Every parameter times three: steep without normalisation."""

    @nnx.jit
    def build():
        network = LipschitzNetwork(CONFIG, nnx.Rngs(0))
        params = nnx.state(network, nnx.Param)
        nnx.update(network, jax.tree.map(lambda x: 3 * x, params))
        return network

    return build()


@pytest.fixture(scope="module")
def answer(network):
    """Compiled; numpy array in and out."""
    run = jax.jit(network)
    return lambda x: np.asarray(run(jnp.asarray(x)))


def test_the_steepest_direction_is_not_steeper_than_one(network):
    """Power iteration on the Jacobian, at a few points."""

    @jax.jit
    def turn(direction, x):
        direction = direction / jnp.linalg.norm(direction)
        _, forward = jax.jvp(network, (x,), (direction,))
        _, back = jax.vjp(network, x)
        return back(forward)[0], jnp.linalg.norm(forward)

    for seed in range(3):
        keys = jax.random.split(jax.random.key(seed))
        x = 2 * jax.random.normal(keys[0], SHAPE)
        direction = jax.random.normal(keys[1], SHAPE)
        for _ in range(30):
            direction, steepness = turn(direction, x)
        assert 0.01 < steepness < 1 + 1e-5


def test_no_pair_is_moved_apart(answer):
    for a, b in normal(5, 2, *SHAPE):
        apart = np.linalg.norm(answer(a) - answer(b))
        assert apart <= np.linalg.norm(a - b) * (1 + 1e-5)


def test_shifts_of_the_input_shift_the_output(answer):
    x = normal(*SHAPE)
    moved = answer(np.roll(x, (2, 1), axis=(1, 2)))
    np.testing.assert_allclose(
        moved, np.roll(answer(x), (2, 1), axis=(1, 2)), atol=1e-4
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


def test_planes_and_complex_channels_are_inverse():
    real, imaginary = normal(2, 2, 3, 3, 2)
    x = jnp.asarray(real + 1j * imaginary)
    np.testing.assert_array_equal(from_planes(as_planes(x)), x)


def test_bad_sizes_are_named():
    with pytest.raises(ValueError, match="planes, width, blocks, kernel: found"):
        LipschitzConfig(width=7)
