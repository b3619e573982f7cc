"""The convolutional denoiser: its size, its step, its symmetries."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.nn.denoisers.conv import ConvDenoiser, ConvDenoiserConfig
from wlam.phy.noise import complex_normal

CONFIG = ConvDenoiserConfig(before=(4, 6), after=(5,))
draw = jax.jit(complex_normal, static_argnames="shape")


@pytest.fixture(scope="module")
def model():
    return nnx.jit(lambda: ConvDenoiser(CONFIG, nnx.Rngs(0)))()


@pytest.fixture(scope="module")
def predict(model):
    """Compiled: (x, steps) in numpy to the noise in numpy."""
    run = jax.jit(model.predict)
    return lambda x, steps: np.asarray(run(jnp.asarray(x), jnp.asarray(steps)))


def test_parameters_are_as_published():
    shapes = nnx.eval_shape(lambda: ConvDenoiser(ConvDenoiserConfig(), nnx.Rngs(0)))
    count = sum(x.size for x in jax.tree.leaves(nnx.state(shapes, nnx.Param)))
    assert count == 55_025


def test_prepared_modulations_are_those_of_the_step(model, predict):
    x = np.asarray(draw(jax.random.key(0), (3, 5, 4)))
    steps = np.array([1, 7, 40])
    call, prepared = jax.jit(model), jax.jit(model.modulation)(jnp.asarray(steps))
    samples = zip(x[:, None], np.asarray(prepared)[:, None], strict=True)
    each = np.concatenate([call(*map(jnp.asarray, sample)) for sample in samples])
    np.testing.assert_allclose(predict(x, steps), each, atol=1e-5)
    other = predict(x, steps + 1)
    assert abs(other - each).max() > 1e-3


def test_the_receptive_field_is_local(predict):
    """Four convolutions of three: four entries to either side."""
    x = np.asarray(draw(jax.random.key(0), (1, 16, 16)))
    step, other = np.array([5]), x.copy()
    other[0, 8, 8] += 1
    moved = abs(predict(other, step) - predict(x, step))[0]
    edges = moved[4, 4:13], moved[12, 4:13], moved[4:13, 4], moved[4:13, 12]
    assert all(edge.max() > 0 for edge in edges)
    moved[4:13, 4:13] = 0
    assert moved.max() == 0


def test_bad_sizes_are_named():
    with pytest.raises(ValueError, match="before, after, kernel: found"):
        ConvDenoiserConfig(before=())
    with pytest.raises(ValueError, match="frequencies: found 1"):
        ConvDenoiserConfig(frequencies=1)
