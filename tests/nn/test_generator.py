"""The generator: its loss, its conditions, and what it draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.nn.dit import DitConfig
from wlam.nn.generator import CONDITIONS, GeneratorConfig, condition_values
from wlam.phy.noise import complex_normal
from wlam.tasks.sequences import Snapshots

COUNTS = tuple(map(len, CONDITIONS.values()))
DIT = DitConfig(width=16, layers=1, heads=2, mlp_ratio=1, conditions=COUNTS)
CONFIG = GeneratorConfig(DIT, size=(8, 4), steps=11)


@pytest.fixture(scope="module")
def network():
    """Heads that are not 0, or conditions would say nothing."""
    made = CONFIG.build(nnx.Rngs(0))
    graph, params = nnx.split(made)
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    moved = [
        x + 0.3 * jax.random.normal(key, x.shape)
        for x, key in zip(leaves, keys, strict=True)
    ]
    return nnx.merge(graph, jax.tree.unflatten(tree, moved))


@pytest.fixture(scope="module")
def model(network):
    return network.forecaster()


def part(labels):
    clean = complex_normal(jax.random.key(0), (3, 8, 8))
    two_lines = (tuple(range(4)), tuple(range(4, 8)))
    return Snapshots(clean, two_lines, labels=labels)


def test_an_untrained_loss_is_the_power_of_the_velocity():
    """Its heads are 0; data and noise of power 1 make velocities of power 1."""
    labels = {name: jnp.zeros(3, jnp.int32) for name in CONDITIONS}
    network = CONFIG.build(nnx.Rngs(0))
    losses = [network.loss(part(labels), jax.random.key(i)) for i in range(20)]
    assert np.mean(losses) == pytest.approx(1, abs=0.1)


def test_a_part_without_conditions_is_named(network):
    with pytest.raises(ValueError, match="with labels scenario, state"):
        network.loss(part({"scenario": jnp.zeros(3, jnp.int32)}), jax.random.key(0))


def test_draws_have_their_seed_and_condition(model):
    los, nlos = ({"state": state, "scenario": "UMa"} for state in ("los", "nlos"))
    drawn = model.draw(3, los, calls=3)
    assert (drawn.shape, drawn.dtype) == ((3, 8, 4), np.complex64)
    assert np.isfinite(drawn).all()
    np.testing.assert_array_equal(model.draw(3, los, calls=3), drawn)
    np.testing.assert_allclose(model.draw(2, los, calls=3), drawn[:2], atol=1e-6)
    for other in (model.draw(3, nlos, calls=3), model.draw(3, los, calls=3, seed=1)):
        assert abs(other - drawn).max() > 1e-3


def test_guidance_is_from_no_condition_through_the_condition(model):
    los, few = {"state": "los"}, {"calls": 1}
    without, told = model.draw(2, None, **few), model.draw(2, los, **few)
    np.testing.assert_allclose(model.draw(2, los, 0.0, **few), without, atol=1e-4)
    # One call is linear in the prediction, and so in the scale.
    wanted = without + 3 * (told - without)
    np.testing.assert_allclose(model.draw(2, los, 3.0, **few), wanted, atol=1e-3)


def test_conditions_have_names():
    assert condition_values({}).tolist() == [*COUNTS]
    assert condition_values({"scenario": "UMa"}).tolist() == [1, COUNTS[1]]
    with pytest.raises(ValueError, match=r"condition: found weather"):
        condition_values({"weather": "rain"})
    with pytest.raises(ValueError, match=r"found state 'wet'; needed one of los"):
        condition_values({"state": "wet"})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"number": 0}, "number, calls: found 0"),
        ({"number": 1, "calls": 12}, "1 to 11 calls"),
    ],
)
def test_draws_that_cannot_be(model, wrong, message):
    with pytest.raises(ValueError, match=message):
        model.draw(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dit": DitConfig()}, r"dit.conditions: found \(\)"),
        ({"size": (6, 4)}, r"size: found \(6, 4\)"),
        ({"untold": 1.5}, "untold: found 1.5"),
        ({"steps": 1}, "num_steps"),
    ],
)
def test_configs_that_make_no_generator(wrong, message):
    with pytest.raises(ValueError, match=message):
        GeneratorConfig(**{"dit": DIT, "size": (8, 4), **wrong})
