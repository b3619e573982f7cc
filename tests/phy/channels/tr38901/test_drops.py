"""Whole drops: properties of every channel."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.phy.channels.tr38901.coefficients import frequency_response
from wlam.phy.channels.tr38901.config import DropConfig, PanelConfig
from wlam.phy.channels.tr38901.drops import _pairs, draw_drop, generate
from wlam.phy.channels.tr38901.pathloss import path_loss_db, penetration_loss_db
from wlam.phy.channels.tr38901.tables import LOS, NLOS, O2I, SCENARIOS

SMALL = {"num_times": 4, "num_subcarriers": 4, "base": PanelConfig(1, 2)}


@partial(jax.jit, static_argnames=("config", "samples"))
def draw(key, config, samples):
    return generate(key, config, samples)


# The others compile for as long again each. UMa is compiled below, and the presets take
# the shapes of all.
FAST = ("UMi",)
OTHERS = [pytest.param(s, marks=pytest.mark.slow) for s in SCENARIOS if s not in FAST]


@pytest.mark.parametrize("scenario", [*FAST, *OTHERS])
def test_every_scenario_is_finite_of_unit_power_and_reproducible(scenario):
    config = DropConfig(scenario, **SMALL)
    data = draw(jax.random.key(0), config, 400)
    assert data.csi.shape == (400, 4, 4, 2)
    assert jnp.isfinite(data.csi).all()
    power = (abs(data.clean) ** 2).mean((1, 2, 3))
    # Rayleigh-like fading of 400 drops: the mean power has a deviation of about 5 %.
    np.testing.assert_allclose(power.mean(), 1.0, atol=0.2)
    states = np.asarray(data.labels["state"])
    assert (states == LOS).any()
    assert (states == NLOS).any()
    again = draw(jax.random.key(0), config, 400)
    np.testing.assert_array_equal(data.csi, again.csi)


def test_no_power_outside_the_doppler_limit_and_noise_as_stated():
    """A user at 30 m/s and 3.5 GHz shifts by 350 Hz at most; the window leaks."""
    config = DropConfig(
        "UMa",
        state="nlos",
        speeds_kmh=(108.0, 108.0),
        time_steps_s=(2.5e-4,),
        num_times=256,
        num_subcarriers=1,
        snr_db=(10.0, 10.0),
    )
    data = draw(jax.random.key(1), config, 20)
    limit = data.labels["max_doppler_hz"][0]
    np.testing.assert_allclose(limit, 350.2, rtol=1e-3)
    window = np.blackman(256)[None, :, None, None]
    spectrum = abs(np.fft.fft(np.asarray(data.clean) * window, axis=1)) ** 2
    frequency = abs(np.fft.fftfreq(256, 2.5e-4))
    outside = spectrum[:, frequency > limit + 60].sum() / spectrum.sum()
    assert outside < 1e-5
    noise = abs(data.csi - data.clean) ** 2
    signal = (abs(data.clean) ** 2).mean((1, 2, 3))
    ratio = 10 * np.log10(signal / noise.mean((1, 2, 3)))
    np.testing.assert_allclose(ratio, 10.0, atol=0.5)


def test_users_inside_buildings():
    config = DropConfig("UMa", indoor=0.5, **SMALL)

    @jax.jit
    def many(keys):
        labels = jax.vmap(lambda key: draw_drop(key, config).labels)(keys)
        outside = path_loss_db("UMa", NLOS, 3.5e9, labels["distance_m"], 25.0, 1.5)
        low, _ = penetration_loss_db("low", 3.5e9, jnp.array([0.0, 25.0]))
        return labels, outside, low

    keys = jax.random.split(jax.random.key(4), 400)
    labels, outside, low = jax.tree.map(np.asarray, many(keys))
    inside = labels["state"] == O2I
    assert 0.4 < inside.mean() < 0.6
    assert (labels["k_db"][inside] == -np.inf).all()
    walls = (labels["path_loss_db"] - outside)[inside]
    assert (walls >= low[0] - 1e-3).all()
    assert (walls <= low[1] + 1e-3).all()


@pytest.mark.slow
def test_absolute_delays_rotate_the_subcarriers():
    """A delay d3D / c is a phase ramp over frequency, and nothing else."""
    # Of a line of sight a float32 knows the phase to 4e-4 rad, after 1,000 wavelengths.
    config = DropConfig("UMi", state="nlos", **SMALL)
    near = draw(jax.random.key(0), config, 400)
    far = draw(jax.random.key(0), replace(config, absolute_delays=True), 400)
    d3d = np.sqrt(near.labels["distance_m"] ** 2 + 8.5**2)
    ramp = np.exp(-2j * np.pi * 180e3 * d3d / 299792458.0)
    step, turned = (x[:, :, 1:] * x[:, :, :-1].conj() for x in (near.clean, far.clean))
    np.testing.assert_allclose(turned, step * ramp[:, None, None, None], atol=1e-3)


def test_polarisations_and_positions_are_of_the_antennas():
    config = DropConfig(
        base=PanelConfig(2, 3, "cross", "38.901"),
        user=PanelConfig(polarisation="VH"),
    )
    data = jax.eval_shape(lambda key: generate(key, config, 2), jax.random.key(0))
    assert data.csi.shape == (2, 16, 32, 24)
    assert data.antennas.positions.shape == (24, 3)
    np.testing.assert_array_equal(_pairs(config), np.repeat([0, 1, 2, 3], 6))


def test_frequency_response_of_one_path_is_its_phase():
    h = np.ones((1, 1, 1, 1), np.complex64)
    respond = jax.jit(frequency_response, static_argnums=3)
    response = respond(h, np.array([1e-6]), 100e3, 4)
    expected = np.exp(-2j * np.pi * 0.1 * (np.arange(4) - 2))
    np.testing.assert_allclose(np.asarray(response)[0, :, 0, 0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scenario": "UMx"}, "scenario: found 'UMx'"),
        ({"spec_version": "17"}, "spec_version: found '17'"),
        ({"scenario": "InH", "state": "o2i"}, "state: found 'o2i' with InH"),
        ({"carriers_hz": ()}, "carriers_hz: found"),
        ({"snr_db": (3.0, 1.0)}, "snr_db: found"),
        ({"num_times": 0}, "num_times: found 0"),
        ({"indoor": 2.0}, "indoor: found 2"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        DropConfig(**change)


def test_a_bad_panel_is_named():
    with pytest.raises(ValueError, match="polarisation: found 'circular'"):
        PanelConfig(polarisation="circular")
    with pytest.raises(ValueError, match="has no antennas"):
        PanelConfig(rows=0)
