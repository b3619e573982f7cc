"""The convolutional denoiser: its size, its step, its symmetries."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.nn.conv_denoiser import ConvDenoiser, ConvDenoiserConfig
from wlam.phy.noise import complex_normal


@pytest.fixture(scope="module")
def model():
    return ConvDenoiser(ConvDenoiserConfig(before=(4, 6), after=(5,)), nnx.Rngs(0))


def test_parameters_are_as_published():
    shapes = nnx.eval_shape(lambda: ConvDenoiser(ConvDenoiserConfig(), nnx.Rngs(0)))
    count = sum(x.size for x in jax.tree.leaves(nnx.state(shapes, nnx.Param)))
    assert count == 55_025


def test_prepared_modulations_are_those_of_the_step(model):
    x = complex_normal(jax.random.key(0), (3, 5, 4))
    steps = jnp.array([1, 7, 40])
    each = jnp.concatenate(
        [model(x[i : i + 1], model.modulation(steps)[i : i + 1]) for i in range(3)]
    )
    np.testing.assert_allclose(model.predict(x, steps), each, atol=1e-5)
    other = model.predict(x, steps + 1)
    assert abs(other - each).max() > 1e-3


def test_it_sees_what_is_near_and_not_what_is_far(model):
    """Four convolutions of three: four entries to either side."""
    x = complex_normal(jax.random.key(0), (1, 16, 16))
    step = jnp.array([5])
    moved = abs(model.predict(x.at[0, 8, 8].add(1), step) - model.predict(x, step))[0]
    edges = moved[4, 4:13], moved[12, 4:13], moved[4:13, 4], moved[4:13, 12]
    assert all(edge.max() > 0 for edge in edges)
    assert moved.at[4:13, 4:13].set(0).max() == 0


def test_bad_sizes_are_named():
    with pytest.raises(ValueError, match="before, after, kernel: found"):
        ConvDenoiserConfig(before=())
    with pytest.raises(ValueError, match="frequencies: found 1"):
        ConvDenoiserConfig(frequencies=1)
