"""Sweeps against the whole channel matrix and a codebook, and the pair's two halves."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.phy.channels.tr38901.coefficients import impulse_response
from wlam.phy.channels.tr38901.config import PanelConfig
from wlam.phy.channels.tr38901.pathloss import path_loss_db
from wlam.phy.codebooks import upa_codebook
from wlam.simulate.sweeps import PairConfig, SweepConfig, generate, generate_pair
from wlam.simulate.sweeps.scenes import (
    at_carrier,
    draw_scene,
    level_db,
    move,
    user_places,
)
from wlam.simulate.sweeps.waves import beam_power, incident_waves

# Unoptimised code compiles three times as fast and runs long enough not to matter.
FAST = {"xla_backend_optimization_level": 0}
PANEL = PanelConfig(2, 4, "cross", "38.901")
CONFIG = PairConfig(
    num_times=4,
    base=PANEL,
    user=PanelConfig(1, 2, "VH"),
    num_beams=(3, 6),
    state="los",
    measured_every=(1, 3),
    low_base=PanelConfig(1, 2),
    num_subcarriers=4,
)
POSITION = jnp.array([[5.0, 40.0], [6.0, 40.5], [7.5, 41.0], [10.0, 41.0]])
CARRIERS = jnp.array([3.5e9, 28e9])


@jax.jit
def compare(key, state):
    """Beam powers, and the same from channel matrices; and levels."""
    places = user_places(POSITION, 1.5)
    scene = draw_scene(key, CONFIG, places[0], state, CARRIERS[1])
    rays, los = move(key, scene, places)
    bearing = jnp.float32(0.4)
    ours = beam_power(CONFIG, incident_waves(CONFIG, rays, los, bearing))

    def channel(rays, los):
        return impulse_response(
            rays,
            los,
            PANEL.build(),
            jnp.array([0.0, np.deg2rad(10.0), 0.0]),
            CONFIG.user.build(),
            jnp.stack([bearing, 0.0, 0.0]),
            jnp.zeros(3),
            jnp.zeros(1),
            CARRIERS[1],
        )[0][..., 0]

    return ours, jax.vmap(channel)(rays, los), upa_codebook((3, 6), (2, 4))


@pytest.mark.parametrize("state", [0, 1])
def test_beam_powers_are_those_of_the_channel_matrix(state):
    ours, channel, codebook = map(np.asarray, compare(jax.random.key(3), state))
    # Antennas of one polarisation after those of the other.
    by_beam = np.einsum(
        "tpuqa,ba->tpuqb", channel.reshape(*channel.shape[:3], 2, 8), codebook.conj()
    )
    expected = (abs(by_beam) ** 2).sum(1).mean((1, 2))
    assert ours.shape == (4, 18)
    np.testing.assert_allclose(ours, expected, rtol=2e-2, atol=1e-3 * expected.max())
    np.testing.assert_allclose(ours.max(-1), expected.max(-1), rtol=2e-3)


@jax.jit
def two_carriers(key, state):
    keys = jax.random.split(key)
    places = user_places(POSITION, 1.5)
    low = draw_scene(keys[0], CONFIG, places[0], state, CARRIERS[0])
    same = at_carrier(keys[1], keys[0], CONFIG, low, CARRIERS[0])
    return low, same, at_carrier(keys[1], keys[0], CONFIG, low, CARRIERS[1])


@pytest.fixture(scope="module")
def pairs():
    draw = jax.jit(jax.vmap(two_carriers, in_axes=(0, None)), compiler_options=FAST)
    return draw(jax.random.split(jax.random.key(4), 400), 1)


def test_two_carriers_share_delays_and_angles_but_not_phases(pairs):
    low, _, high = pairs
    for name in (
        "delay_s",
        "arrival_azimuth",
        "arrival_zenith",
        "departure_azimuth",
        "departure_zenith",
    ):
        np.testing.assert_array_equal(getattr(low.rays, name), getattr(high.rays, name))
    for name in ("phase", "cross_polarisation"):
        ours = [np.asarray(getattr(x.rays, name)).ravel() for x in (low, high)]
        assert abs(np.corrcoef(*ours)[0, 1]) < 0.01
    assert np.all(np.asarray(high.rays.power)[np.asarray(low.rays.power) == 0] == 0)
    np.testing.assert_allclose(high.rays.power.sum(1), 1.0, rtol=1e-5)


def delay_spread(rays):
    power, delay = np.asarray(rays.power, float), np.asarray(rays.delay_s, float)
    mean = (power * delay).sum(1)
    return np.sqrt((power * delay**2).sum(1) - mean**2)


def test_large_scale_parameters_and_powers_are_of_the_carrier(pairs):
    # The lower carrier, the same one again, and the higher.
    logs = [np.log10(np.asarray(x.scale.delay_spread_s)) for x in pairs]
    np.testing.assert_allclose(logs[0], logs[1], rtol=1e-6)
    assert np.corrcoef(logs[0], logs[2])[0, 1] > 0.999
    # At the same carrier powers have the same law: so have the spreads.
    spreads = [np.log10(delay_spread(x.rays)).mean() for x in pairs]
    np.testing.assert_allclose(spreads[0], spreads[1], atol=0.03)
    # UMi of release 19 without a line of sight: -0.22 log10(1 + f), 3.5 to 28 GHz.
    expected = -0.22 * np.log10(29 / 4.5)
    np.testing.assert_allclose((logs[2] - logs[0]).mean(), expected, atol=0.03)
    np.testing.assert_allclose(spreads[2] - spreads[0], expected, atol=0.06)


def test_shadowing_starts_with_the_scene_and_decorrelates_along_the_track():
    @jax.jit
    @jax.vmap
    def draw(key):
        keys = jax.random.split(key)
        places = user_places(POSITION, 1.5)
        scene = draw_scene(keys[0], CONFIG, places[0], jnp.asarray(1), CARRIERS[1])
        d2d = jnp.hypot(places[:, 0], places[:, 1])
        loss = path_loss_db("UMi", 1, CARRIERS[1], d2d, 10.0, 1.5)
        return level_db(keys[1], CONFIG, scene, places) + loss, scene.scale.shadowing_db

    shadowing, first = map(np.asarray, draw(jax.random.split(jax.random.key(5), 4000)))
    np.testing.assert_allclose(shadowing[:, 0], first, atol=1e-3)
    np.testing.assert_allclose(shadowing.std(0), 7.82, rtol=0.05)
    steps = np.linalg.norm(np.diff(np.asarray(POSITION), axis=0), axis=1)
    got = (shadowing * shadowing[:, :1]).mean(0)[1:] / 7.82**2
    np.testing.assert_allclose(got, np.exp(-np.cumsum(steps) / 13), atol=0.06)


@pytest.mark.slow
def test_pairs_are_finite_and_reproducible():
    draw = jax.jit(generate_pair, static_argnums=(1, 2), compiler_options=FAST)
    (csi, beams), again = (draw(jax.random.key(6), CONFIG, 16) for _ in range(2))
    assert np.array_equal(csi.csi, again[0].csi)
    assert np.array_equal(beams.rsrp_db, again[1].rsrp_db)
    assert csi.csi.shape == (16, 4, 4, 8)
    assert csi.antennas.positions.shape == (8, 3)
    assert np.array_equal(csi.antennas.polarisation, np.repeat(range(4), 2))
    assert np.isfinite(csi.csi).all()
    for name in ("state", "distance_m", "position_m"):
        assert np.array_equal(csi.labels[name], beams.labels[name])
    noise = (abs(csi.csi - csi.clean) ** 2).mean((1, 2, 3))
    snr_db = 10 * np.log10((abs(csi.clean) ** 2).mean((1, 2, 3)) / noise)
    np.testing.assert_allclose(snr_db, csi.labels["snr_db"], atol=2.0)


def test_pairs_have_their_shapes():
    csi, beams = jax.eval_shape(
        lambda key: generate_pair(key, CONFIG, 2), jax.random.key(0)
    )
    assert csi.csi.shape == csi.clean.shape == (2, 4, 4, 8)
    assert beams.rsrp_db.shape == (2, 4, 18)


@pytest.mark.slow
def test_labels_are_what_was_drawn():
    draw = jax.jit(generate, static_argnums=(1, 2), compiler_options=FAST)
    beams, again = (draw(jax.random.key(6), CONFIG, 16) for _ in range(2))
    assert np.array_equal(beams.rsrp_db, again.rsrp_db)
    assert beams.rsrp_db.shape == beams.clean.shape == (16, 4, 18)
    assert np.isfinite(beams.rsrp_db).all()
    labels = {name: np.asarray(x) for name, x in beams.labels.items()}
    assert np.array_equal(labels["best_beam"], np.argmax(beams.clean, axis=-1))
    assert np.all(labels["state"] == 0)
    assert labels["measured"].shape == (16, 18)
    columns = labels["measured"].reshape(16, 3, 6)
    assert np.all(columns == (np.arange(6) % 3 == 1)[None, None])
    noise = np.std(beams.rsrp_db - beams.clean, axis=(1, 2))
    np.testing.assert_allclose(np.mean(noise / labels["noise_db"]), 1.0, atol=0.1)
    spread = np.max(beams.clean, (1, 2)) - np.min(beams.clean, (1, 2))
    assert np.all(spread < CONFIG.dynamic_range_db[1] + 0.1)
    # Near the middle of the array's view: the best beams are on the user's side.
    side = labels["position_m"][:, :, 1] / np.hypot(
        labels["position_m"][:, :, 0], labels["position_m"][:, :, 1]
    )
    direction = (2 * (labels["best_beam"] % 6) + 1) / 6 - 1
    assert np.corrcoef(side.ravel(), direction.ravel())[0, 1] > 0.8


def test_random_sparse_sweeps_have_their_number_of_beams():
    config = replace(CONFIG, num_measured=5)
    beams = jax.eval_shape(lambda key: generate(key, config, 2), jax.random.key(0))
    assert beams.labels["measured"].shape == (2, 18)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scenario": "UMx"}, "scenario: found"),
        ({"num_active": (9, 1)}, "num_active: found"),
        ({"num_measured": 65}, "num_measured: found 65"),
        ({"measured_every": (9, 1)}, "step: found"),
        ({"base": PanelConfig(4, 16, spacing=0.7)}, "base.spacing: found 0.7"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        SweepConfig(**change)


def test_the_lower_carrier_must_be_lower():
    with pytest.raises(ValueError, match="low_carriers_hz: found"):
        PairConfig(low_carriers_hz=(60e9,))
