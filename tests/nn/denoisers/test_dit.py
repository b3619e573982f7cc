"""The diffusion Transformer: initialisation, conditioning, positions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.diffusion import evenly_spaced, guided, linear, sample
from wlam.nn.denoisers.dit import PRESETS, Dit, DitConfig
from wlam.phy.noise import complex_normal

CONFIG = DitConfig(width=16, layers=2, heads=2, patch=(2, 4), conditions=(3, 2))
STEPS, CONDITION = jnp.array([1, 9]), jnp.array([[0, 1], [2, 0]])


@pytest.fixture(scope="module")
def fresh():
    return Dit(CONFIG, nnx.Rngs(0))


@pytest.fixture(scope="module")
def model():
    """With modulations and a head that are no longer zero."""
    model, keys = Dit(CONFIG, nnx.Rngs(0)), iter(jax.random.split(jax.random.key(1), 3))
    for layer in (model.modulate, model.modulate_head, model.head):
        kernel = layer.kernel[...]
        layer.kernel[...] = 0.3 * jax.random.normal(next(keys), kernel.shape)
    return model


@pytest.fixture(scope="module")
def predict(model):
    """Compiled: (x, steps, condition or None) -> the prediction."""
    graph, state = nnx.split(model)
    return jax.jit(
        lambda x, steps, condition=None: nnx.merge(graph, state).predict(
            x, steps, condition
        )
    )


@pytest.fixture(scope="module")
def x():
    return complex_normal(jax.random.key(0), (2, 4, 8))


def test_initial_blocks_are_the_identity_and_the_prediction_is_zero(fresh, x):
    modulation = fresh.modulation(STEPS, CONDITION)
    assert (modulation.blocks == 0).all()
    tokens = jax.random.normal(jax.random.key(2), (2, 4, 16))
    positions = jnp.zeros((2, 4, 2), int)
    for i, block in enumerate(fresh.blocks):
        same = jax.jit(block)(tokens, modulation.blocks[:, i], positions)
        np.testing.assert_array_equal(same, tokens)
    np.testing.assert_array_equal(jax.jit(fresh)(x, modulation), 0)


def test_the_prediction_depends_on_steps_and_conditions(predict, x):
    base = predict(x, STEPS, CONDITION)
    assert base.shape == x.shape
    for steps, condition in (
        (STEPS + 1, CONDITION),
        (STEPS, CONDITION.at[:, 0].set(1)),
        (STEPS, None),
    ):
        assert abs(predict(x, steps, condition) - base).max() > 1e-4
    none = jnp.broadcast_to(jnp.array(CONFIG.none)[None], (2, 2))
    np.testing.assert_allclose(predict(x, STEPS, none), predict(x, STEPS), atol=1e-5)


def test_samples_are_independent_of_each_other(predict, x):
    alone = predict(x[1:], STEPS[1:], CONDITION[1:])
    together = predict(x, STEPS, CONDITION)[1:]
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_every_entry_depends_on_every_other(predict, x):
    moved = predict(x.at[0, 0, 0].add(1.0), STEPS) - predict(x, STEPS)
    assert (abs(moved[0]) > 0).all()
    assert (moved[1] == 0).all()


def test_the_prediction_depends_on_the_order_of_patches(predict):
    """Two patches are swapped: without positions their predictions would be, too."""
    x = complex_normal(jax.random.key(3), (1, 2, 8))
    first, second = (predict(a, STEPS[:1])[0] for a in (x, jnp.roll(x, 4, axis=2)))
    assert abs(jnp.roll(second, -4, axis=1) - first).max() > 1e-4


def test_equal_patches_at_different_positions_have_different_predictions(predict):
    """Distances between patches do not determine their positions."""
    x = jnp.ones((1, 8, 8), jnp.complex64)
    found = predict(x, STEPS[:1])[0]
    p, q = CONFIG.patch
    patches = found.reshape(8 // p, p, 8 // q, q).swapaxes(1, 2).reshape(-1, p * q)
    apart = abs(patches[:, None] - patches[None]).max(-1)
    assert (apart + jnp.eye(len(apart)) > 1e-4).all()


def test_a_sampler_prepares_all_steps_at_once(model, x):
    schedule, grid = linear(20, 1e-3, 0.2), evenly_spaced(20, 4)
    prepared = sample(
        lambda x, about: model(x, jax.tree.map(lambda a: a[None], about)),
        schedule,
        x,
        grid,
        prepare=model.modulation,
    )
    told = sample(
        lambda x, step: model.predict(x, jnp.full(len(x), step)), schedule, x, grid
    )
    np.testing.assert_allclose(prepared, told, rtol=1e-3, atol=1e-4)


def test_guidance_without_a_condition_changes_nothing(predict, x):
    none = jnp.broadcast_to(jnp.array(CONFIG.none)[None], (2, 2))

    def told(x, step, condition):
        return predict(x, jnp.full(len(x), step), condition)

    first, other = (guided(told, none, CONFIG.none, s)(x, 3) for s in (1.0, 4.0))
    np.testing.assert_allclose(first, other, atol=1e-5)
    np.testing.assert_allclose(first, predict(x, jnp.full(2, 3)), atol=1e-5)


def test_sizes_of_the_paper():
    """Table 1 of arXiv 2212.09748: 33 and 130 million parameters."""
    for name, millions in (("S", 33), ("B", 130)):
        config = PRESETS[name]
        shapes = nnx.eval_shape(lambda config=config: Dit(config, nnx.Rngs(0)))
        count = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(shapes, nnx.Param)))
        assert abs(count / 1e6 / millions - 1) < 0.02


def test_bad_sizes_are_named(model):
    with pytest.raises(ValueError, match="heads: 5 heads do not divide width 16"):
        DitConfig(width=16, heads=5)
    with pytest.raises(ValueError, match="layers, mlp_ratio, patch, conditions: found"):
        DitConfig(layers=0)
    with pytest.raises(ValueError, match="x: found 4 x 6; needed multiples of"):
        model.predict(jnp.zeros((2, 4, 6), jnp.complex64), STEPS)
