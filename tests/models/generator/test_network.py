"""The generator: its loss, its conditions, and what it draws."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.models.generator.api import condition_values
from wlam.models.generator.network import (
    KINDS,
    LABELS,
    SECTORS_DEG,
    GeneratorConfig,
    sector,
)
from wlam.nn.denoisers.dit import DitConfig
from wlam.phy.noise import complex_normal
from wlam.types import SnapshotBatch

DIT = DitConfig(width=16, layers=1, heads=2, mlp_ratio=1, conditions=(*KINDS, 5))
CONFIG = GeneratorConfig(DIT, size=(8, 4), steps=16)


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
    return network.model()


def part(labels):
    clean = complex_normal(jax.random.key(0), (3, 8, 8))
    two_lines = (tuple(range(4)), tuple(range(4, 8)))
    return SnapshotBatch(clean, two_lines, labels=labels)


def test_an_untrained_loss_is_the_power_of_the_velocity():
    """Its heads are 0; data and noise of power 1 make velocities of power 1.

    Shortcuts of a network that says 0 learn -tan(a / 2) x / 2 of a turn by a, hardly
    anything: their share of the samples has nearly no loss.
    """
    labels = {name: jnp.zeros(3) for name in LABELS}
    keys = jax.random.split(jax.random.key(0), 20)
    for share in (0.0, 0.5):
        network = replace(CONFIG, shortcuts=share).build(nnx.Rngs(0))
        loss = jax.jit(lambda key, network=network: network.loss(part(labels), key))
        found = np.mean([loss(key) for key in keys])
        assert found == pytest.approx(1 - share, abs=0.1)


def test_a_part_without_conditions_is_named(network):
    with pytest.raises(ValueError, match="with labels scenario, state, azimuth"):
        network.loss(part({"scenario": jnp.zeros(3, jnp.int32)}), jax.random.key(0))


def test_draws_have_their_seed_and_condition(model):
    los, nlos = ({"state": state, "scenario": "UMa"} for state in ("los", "nlos"))
    drawn = model.draw(3, los, nfe=3)
    assert (drawn.shape, drawn.dtype) == ((3, 8, 4), np.complex64)
    np.testing.assert_allclose((abs(drawn) ** 2).mean((1, 2)), 1, rtol=1e-5)
    np.testing.assert_array_equal(model.draw(3, los, nfe=3), drawn)
    np.testing.assert_allclose(model.draw(2, los, nfe=3), drawn[:2], atol=1e-6)
    for other in (model.draw(3, nlos, nfe=3), model.draw(3, los, nfe=3, seed=1)):
        assert abs(other - drawn).max() > 1e-3


def test_guidance_is_from_no_condition_through_the_condition(model):
    los, few = {"state": "los"}, {"nfe": 1}
    without, told = model.draw(2, None, **few), model.draw(2, los, **few)
    np.testing.assert_allclose(model.draw(2, los, 0.0, **few), without, atol=1e-4)
    # One call is linear in the prediction, and so in the scale, but for its power.
    beyond = model.draw(2, los, 3.0, **few)
    for x, a, b in zip(beyond, without, told, strict=True):
        both = np.stack([a.ravel(), b.ravel()], axis=1)
        left = np.linalg.lstsq(both, x.ravel(), rcond=None)[1]
        assert left < 1e-6 * (abs(x) ** 2).sum()


def test_shortcuts_are_other_calls(model):
    los = {"state": "los", "azimuth_deg": 30.0}
    drawn = model.draw(3, los, nfe=2, shortcuts=True)
    assert np.isfinite(drawn).all()
    for other in (
        model.draw(3, los, nfe=2),
        model.draw(3, los, nfe=4, shortcuts=True),
        model.draw(3, {"state": "los", "azimuth_deg": -30}, nfe=2, shortcuts=True),
    ):
        assert abs(other - drawn).max() > 1e-3


def test_noise_is_added_to_a_draw(model):
    clean = model.draw(64, nfe=1)
    noise = model.draw(64, nfe=1, snr_db=10.0) - clean
    power = (abs(clean) ** 2).mean((1, 2))
    ratio = (abs(noise) ** 2).mean((1, 2)) / power
    assert ratio.mean() == pytest.approx(0.1, rel=0.1)
    # White: no correlation between neighbours.
    inner = (noise[:, 1:] * noise[:, :-1].conj()).mean((1, 2)) / power
    assert abs(inner.mean()) < 0.01


def test_positions_are_sectors():
    azimuths = np.array([-60.0, -40.1, -39.9, 0.1, 59.9])
    found = sector(jnp.deg2rad(jnp.asarray(azimuths)))
    assert found.tolist() == [0, 0, 1, 3, 5]
    for azimuth, wanted in zip(azimuths, found, strict=True):
        assert condition_values({"azimuth_deg": float(azimuth)})[-1] == wanted
    assert len(SECTORS_DEG) - 1 == KINDS[-1]


def test_conditions_have_names():
    assert condition_values({}).tolist() == [*KINDS]
    assert condition_values({"scenario": "UMa"}).tolist() == [1, *KINDS[1:]]
    with pytest.raises(ValueError, match=r"condition: found weather"):
        condition_values({"weather": "rain"})
    with pytest.raises(ValueError, match=r"found state 'wet'; needed one of los"):
        condition_values({"state": "wet"})
    for wrong in (61.0, "north", float("nan")):
        with pytest.raises(ValueError, match=r"found azimuth_deg .*; needed -60 to 60"):
            condition_values({"azimuth_deg": wrong})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"number": 0}, "number, nfe: found 0"),
        ({"number": 1, "nfe": 17}, "1 to 16 network evaluations"),
        (
            {"number": 1, "nfe": 3, "shortcuts": True},
            "nfe: found 3; needed a power",
        ),
        ({"number": 1, "nfe": 1, "snr_db": np.inf}, "snr_db: found inf"),
        ({"number": 1, "nfe": 1, "guidance": np.nan}, "guidance: found nan"),
        ({"number": 1, "nfe": 1, "guidance": np.inf}, "guidance: found inf"),
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
        ({"shortcuts": -1.0}, "shortcuts: found -1"),
        ({"steps": 1}, "num_steps"),
        ({"steps": 12}, "num_steps: found 12; needed a power of 2"),
    ],
)
def test_configs_that_make_no_generator(wrong, message):
    with pytest.raises(ValueError, match=message):
        GeneratorConfig(**{"dit": DIT, "size": (8, 4), "steps": 16, **wrong})
