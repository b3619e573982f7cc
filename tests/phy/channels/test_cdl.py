"""CDL channels against the tables, a direct sum of rays, and theory."""

import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import j0

from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy.arrays import ula, upa
from wlam.phy.channels import cdl, cdl_tables
from wlam.phy.channels.cdl import PROFILES, CdlConfig, CdlPaths, generate, paths
from wlam.phy.channels.cdl_tables import TABLES, Scaling, angle_spread, scaled

KEY = jax.random.key(0)
CARRIER = 3.5e9
SPREAD = 1e-7
VELOCITY = jnp.array([12.0, -16.0, 0.0])  # 20 m/s
EVERY_PROFILE = jnp.arange(len(PROFILES))
DROPS = 400


# Called three times, and unoptimised code would run ten times as long.
@partial(jax.jit, compiler_options={"xla_backend_optimization_level": 1})
def draw(key, velocity, bearing):
    """Rays of every profile [profile, drop, path, ray]."""

    def one(key, profile):
        return paths(key, profile, SPREAD, CARRIER, velocity, bearing)

    keys = jax.random.split(key, (len(PROFILES), DROPS))
    return jax.vmap(jax.vmap(one, (0, None)))(keys, EVERY_PROFILE)


csi = jax.jit(cdl.csi, static_argnums=(2, 4))


@partial(jax.jit, static_argnums=(2, 4))
def csi_of_each(drops, *grid):
    return jax.vmap(lambda drop: cdl.csi(drop, *grid))(drops)


@pytest.fixture(scope="module")
def rays():
    return jax.tree.map(np.asarray, draw(KEY, VELOCITY, 0.3))


def directly(rays, time_step, num_times, spacing, num_subcarriers, positions):
    """The defining sum in double precision, in one piece."""
    zenith, azimuth = np.float64(rays.zenith), np.float64(rays.azimuth)
    towards = np.stack(
        [
            np.sin(zenith) * np.cos(azimuth),
            np.sin(zenith) * np.sin(azimuth),
            np.cos(zenith),
        ],
        axis=-1,
    )
    times = np.arange(num_times) * time_step
    frequencies = (np.arange(num_subcarriers) - num_subcarriers // 2) * spacing
    doppler, delay = np.float64(rays.doppler_hz), np.float64(rays.delay_s)
    turn = np.exp(2j * np.pi * doppler[..., None] * times)
    band = np.exp(-2j * np.pi * delay[:, None] * frequencies)
    array = np.exp(2j * np.pi * towards @ positions.T)
    return np.einsum("pr,prt,ps,prn->tsn", rays.gain, turn, band, array)


@pytest.mark.parametrize(("profile", "k_db"), [("D", 13.3), ("E", 22.0)])
def test_k_factor_of_the_line_of_sight(rays, profile, k_db):
    index = PROFILES.index(profile)
    power = np.abs(rays.gain[index, 0]) ** 2
    assert 10 * np.log10(power[-1, 0] / power[0].sum()) == pytest.approx(k_db, abs=0.01)
    assert not power[-1, 1:].any()
    # It comes from the direction of the first cluster, without spread, at once.
    assert rays.delay_s[index, 0, -1] == 0
    np.testing.assert_allclose(rays.azimuth[index, :, -1, 0], -0.3, rtol=1e-6)


# The rays.


def test_delay_spread_is_the_requested_one(rays):
    power = (np.abs(np.complex128(rays.gain[:, 0])) ** 2).sum(-1)
    delay = np.float64(rays.delay_s[:, 0])
    mean = (power * delay).sum(1)
    spread = np.sqrt((power * delay**2).sum(1) - mean**2)
    # The table of CDL-D itself has a spread of 0.9937.
    np.testing.assert_allclose(spread, SPREAD * np.array([1, 1, 1, 0.9937, 1]), 1e-4)
    np.testing.assert_allclose(power.sum(1), 1, rtol=1e-6)


def test_delay_spread_of_channels_is_that_of_another_implementation(rays):
    # In units of the requested one, from the mean power of every path over 2,000 draws
    # of sionna-no-rt 2.2.0, isotropic antennas (benchmarks/remake_oracle.py). A path of
    # 20.6 delay spreads is half of CDL-E's; that of 400 draws has a deviation of 5 %,
    # and the whole of 1.3 %.
    text = (Path(__file__).parent / "cdl_delay_spreads.json").read_text()
    reference = list(json.loads(text).values())
    power = (np.abs(rays.gain.sum(-1)) ** 2).mean(1)
    power = power / power.sum(1, keepdims=True)
    delay = np.float64(rays.delay_s[:, 0]) / SPREAD
    spread = np.sqrt((power * delay**2).sum(1) - (power * delay).sum(1) ** 2)
    np.testing.assert_allclose(spread, reference, rtol=0.04)


def test_doppler_is_bounded_by_the_speed(rays):
    bound = 20 * CARRIER / SPEED_OF_LIGHT
    largest = np.abs(rays.doppler_hz).max()
    assert 0.9 * bound < largest <= bound * (1 + 1e-6)


def test_no_phase_rotates_for_a_user_at_rest():
    assert not draw(KEY, 0 * VELOCITY, 0.3).doppler_hz.any()


def test_doppler_of_the_line_of_sight_is_the_speed_of_approach(rays):
    zenith = np.deg2rad(81.5)  # CDL-D, azimuth of arrival 180 degrees
    want = -np.sin(zenith) * 12.0 * CARRIER / SPEED_OF_LIGHT
    got = rays.doppler_hz[PROFILES.index("D"), 0, -1, 0]
    assert got == pytest.approx(want, rel=1e-5)


def test_rays_of_a_cluster_are_coupled_at_random(rays):
    offsets = np.sort(cdl_tables.RAY_OFFSETS)
    azimuth = np.rad2deg(rays.azimuth[1, :, 15] + 0.3)
    zenith = np.rad2deg(rays.zenith[1, :, 15])
    for angles, centre, spread in ((azimuth, 30.6, 10), (zenith, 103.0, 3)):
        want = np.broadcast_to(centre + spread * offsets, angles.shape)
        np.testing.assert_allclose(np.sort(angles, axis=1), want, atol=1e-3)
    pairs = np.corrcoef(azimuth.ravel(), zenith.ravel())[0, 1]
    assert abs(pairs) < 4 / np.sqrt(azimuth.size)
    doppler = np.corrcoef(azimuth.ravel(), rays.doppler_hz[1, :, 15].ravel())[0, 1]
    assert abs(doppler) < 4 / np.sqrt(azimuth.size)


def test_phases_are_uniform(rays):
    phasors = rays.gain[2] / np.abs(rays.gain[2])
    for power in (1, 2, 3):
        assert abs(np.mean(phasors**power)) < 4 / np.sqrt(phasors.size)


def test_bearing_rotates_departures_and_nothing_else(rays):
    turned = draw(KEY, VELOCITY, 1.3)
    np.testing.assert_allclose(turned.azimuth, rays.azimuth - 1, atol=1e-5)
    np.testing.assert_array_equal(turned.doppler_hz, rays.doppler_hz)


def test_directional_elements_weight_the_rays():
    weighted, plain = (
        jax.jit(paths, static_argnums=6)(
            KEY, 3, SPREAD, CARRIER, VELOCITY, 0.0, element
        )
        for element in ("38.901", "isotropic")
    )
    gain = np.abs(weighted.gain[-1, 0]) ** 2 / np.abs(plain.gain[-1, 0]) ** 2
    want = 8 - 12 * (8.5 / 65) ** 2  # the line of sight is 8.5 degrees down
    assert 10 * np.log10(gain) == pytest.approx(want, abs=1e-3)


def test_unknown_element_is_refused():
    with pytest.raises(ValueError, match="element: 'dipole'"):
        # Not checked at run time as an annotation, which would refuse it first.
        paths.__wrapped__(KEY, 0, SPREAD, CARRIER, VELOCITY, 0.0, "dipole")


def test_rays_of_scaled_profiles_have_the_wanted_angles():
    wanted = Scaling(k_db=6.0, asd_deg=12.0, aod_deg=20.0, zsd_deg=2.0)
    tables = scaled(wanted)

    def one(key, profile):
        return paths(key, profile, SPREAD, CARRIER, VELOCITY, tables=tables)

    keys = jax.random.split(KEY, len(PROFILES))
    drawn = jax.jit(jax.vmap(one))(keys, EVERY_PROFILE)
    power = np.abs(np.complex128(drawn.gain)) ** 2
    for profile in range(len(PROFILES)):
        azimuth = angle_spread(np.rad2deg(drawn.azimuth[profile]), power[profile])
        np.testing.assert_allclose(azimuth, (12.0, 20.0), atol=1e-3)
        zenith = angle_spread(np.rad2deg(drawn.zenith[profile]), power[profile])
        assert zenith[0] == pytest.approx(2.0, abs=1e-3)
    np.testing.assert_array_equal(tables.angles_deg[:, :2], TABLES.angles_deg[:, :2])
    np.testing.assert_allclose(power[3, -1, 0], 1 / (1 + 10**-0.6), rtol=1e-5)


# The channel.


@pytest.mark.parametrize(("num_times", "profile"), [(1, 0), (14, 2), (33, 3)])
def test_channel_is_the_sum_of_its_rays(rays, num_times, profile):
    drop = jax.tree.map(lambda x: x[profile, 0], rays)
    grid = 1e-3, num_times, 360e3, 9, upa(2, 3)
    want = directly(drop, *grid)
    got = np.asarray(csi(drop, *grid))
    assert np.linalg.norm(got - want) < 1e-5 * np.linalg.norm(want)


def test_mean_power_is_one(rays):
    # The phases are drawn anew for every drop, so one element a drop is enough.
    power = np.abs(rays.gain.sum((-2, -1))) ** 2
    error = power.std(1) / np.sqrt(DROPS)
    np.testing.assert_array_less(np.abs(power.mean(1) - 1), 4 * error)


def test_autocorrelation_in_time_is_a_bessel_function():
    # Many rays from all round with a maximum Doppler shift of 100 Hz.
    angle = 2 * np.pi * (np.arange(64) + 0.5) / 64
    doppler = 100 * np.cos(angle).reshape(1, 64)
    shape = (2000, 1, 64)
    phase = np.random.default_rng(0).uniform(0, 2 * np.pi, shape)
    made = CdlPaths(
        gain=np.complex64(np.exp(1j * phase) / 8),
        delay_s=np.zeros(shape[:2], np.float32),
        doppler_hz=np.broadcast_to(np.float32(doppler), shape),
        azimuth=np.zeros(shape, np.float32),
        zenith=np.zeros(shape, np.float32),
    )
    grid = 1e-3, 24, 1e5, 1, ula(1)
    channel = np.asarray(csi_of_each(made, *grid))[:, :, 0, 0]
    got = np.mean(channel * channel[:, :1].conj(), axis=0)
    want = j0(2 * np.pi * 100 * 1e-3 * np.arange(24))
    np.testing.assert_allclose(got, want, atol=4 / np.sqrt(2000))


@pytest.mark.parametrize("profile", [0, 4])
def test_correlation_in_frequency_transforms_the_delay_profile(rays, profile):
    drops = jax.tree.map(lambda x: x[profile], rays)
    grid = 1e-3, 1, 5e5, 16, ula(1)
    channel = np.asarray(csi_of_each(drops, *grid))[:, 0, :, 0]
    got = np.mean(channel * channel[:, :1].conj(), axis=0)
    power = (np.abs(drops.gain[0]) ** 2).sum(-1)
    lags = 5e5 * np.arange(16)
    want = np.exp(-2j * np.pi * np.outer(lags, drops.delay_s[0])) @ power
    np.testing.assert_allclose(got, want, atol=4 / np.sqrt(DROPS))


# Data sets.

CONFIG = CdlConfig(
    profiles=("A", "D"),
    carriers_hz=(2e9, 28e9),
    time_steps_s=(1e-3, 5e-4),
    num_times=6,
    num_subcarriers=8,
    subcarrier_spacings_hz=(15e3, 30e3),
    array=(2, 2),
    element="38.901",
    snr_db=(5.0, 15.0),
    scaling=Scaling(k_db=40.0),
)


@pytest.fixture(scope="module")
def make():
    return jax.jit(lambda key: generate(key, CONFIG, 100))


def test_generated_channels(make):
    data = make(KEY)
    assert data.csi.shape == data.clean.shape == (100, 6, 8, 4)
    assert data.csi.dtype == data.clean.dtype == jnp.complex64
    np.testing.assert_array_equal(data.antennas.positions, upa(2, 2))
    np.testing.assert_array_equal(data.antennas.polarisation, np.zeros(4))
    labels = jax.tree.map(np.asarray, data.labels)
    assert set(np.unique(labels["profile"])) == {0, 3}
    assert labels["profile"].dtype == np.int32
    assert set(np.unique(data.carrier_hz)) == {np.float32(2e9), np.float32(28e9)}
    assert set(np.unique(data.time_step_s)) == {np.float32(1e-3), np.float32(5e-4)}
    assert set(np.unique(data.subcarrier_spacing_hz)) == {15e3, 30e3}
    for name, low, high in (
        ("speed_kmh", *CONFIG.speeds_kmh),
        ("delay_spread_s", *CONFIG.delay_spreads_s),
        ("snr_db", *CONFIG.snr_db),
    ):
        assert low * (1 - 1e-6) <= labels[name].min() < low + 0.1 * (high - low)
        assert high * (1 + 1e-6) >= labels[name].max() > high - 0.1 * (high - low)
    doppler = labels["speed_kmh"] / 3.6 / (SPEED_OF_LIGHT / data.carrier_hz)
    np.testing.assert_allclose(labels["max_doppler_hz"], doppler, rtol=1e-5)
    # The line of sight alone has one magnitude everywhere; the rest is a hundredth.
    size = np.abs(data.clean)[labels["profile"] == 3]
    assert np.median(size.std((1, 2, 3)) / size.mean((1, 2, 3))) < 0.02
    noise = np.mean(np.abs(data.csi - data.clean) ** 2, axis=(1, 2, 3))
    signal = np.mean(np.abs(data.clean) ** 2, axis=(1, 2, 3))
    ratio = noise / signal * 10 ** (labels["snr_db"] / 10)
    np.testing.assert_allclose(ratio, 1, atol=5 / np.sqrt(6 * 8 * 4))


def test_equal_keys_give_equal_channels_and_others_other(make):
    first, again, other = (make(jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.csi, again.csi)
    assert not np.any(first.csi == other.csi)
    assert np.unique(first.labels["speed_kmh"]).size == 100


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("profiles", ("F",)),
        ("profiles", ()),
        ("carriers_hz", ()),
        ("snr_db", (10.0, 0.0)),
        ("delay_spreads_s", (0.0, 1e-7)),
    ],
)
def test_configs_that_cannot_be_drawn_from_are_refused(field, value):
    with pytest.raises(ValueError, match=f"^{field}: "):
        CdlConfig(**{field: value})


def test_spreads_out_of_reach_are_refused():
    with pytest.raises(ValueError, match=r"^asa_deg: CDL-D found 30"):
        CdlConfig(profiles=("A", "D"), scaling=Scaling(asa_deg=30.0))
