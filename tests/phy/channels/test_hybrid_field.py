"""Near and far paths at a large array, and their measurements by a combiner."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy import arrays
from wlam.phy.channels.hybrid_field import (
    HybridFieldConfig,
    channel,
    combiner,
    generate,
    linear,
    observe,
    positions,
    rayleigh_distance_m,
    reflection_coefficient,
)

KEY = jax.random.key(0)
THZ = HybridFieldConfig()
PLACES = positions(THZ)


@pytest.fixture(scope="module")
def make():
    return jax.jit(lambda key: generate(key, THZ, 64))


@pytest.fixture(scope="module")
def thz(make):
    return make(KEY)


@pytest.fixture(scope="module")
def line():
    return jax.jit(lambda key: generate(key, linear(), 64))(KEY)


# Geometry.


def test_aperture_and_rayleigh_distance_of_the_array_of_sub_arrays():
    diagonal = np.linalg.norm(np.ptp(PLACES, axis=0)) * SPEED_OF_LIGHT / 300e9
    # The paper's figures take light to travel at 3e8 m/s.
    assert diagonal == pytest.approx(0.0877, rel=2e-3)
    assert rayleigh_distance_m(THZ) == pytest.approx(15.38, rel=2e-3)


def test_sub_arrays_follow_each_other_across_the_gap():
    assert PLACES.shape == (1024, 3)
    np.testing.assert_array_equal(PLACES[:256], arrays.upa(16, 16, 0.2))
    second = PLACES[256:512] - PLACES[:256]
    np.testing.assert_allclose(second, np.tile([0, 15 * 0.2 + 56, 0], (256, 1)), 1e-6)
    third = PLACES[512:768] - PLACES[:256]
    np.testing.assert_allclose(third, np.tile([0, 0, 15 * 0.2 + 56], (256, 1)), 1e-6)


def test_a_line_is_a_plain_array():
    np.testing.assert_array_equal(positions(linear()), arrays.ula(256))


# Waves.

AZIMUTH = jnp.array([0.3, -1.2])
ZENITH = jnp.array([1.4, 0.7])


@jax.jit
def waves(distance):
    """One path at a time [path, antenna], from `distance` wavelengths away."""
    towards = arrays.direction(AZIMUTH, ZENITH)
    one = jnp.ones((1,), jnp.complex64)
    place = jax.vmap(lambda unit: channel(one, unit[None], distance[None], PLACES))
    return place(towards)


def test_near_waves_have_the_phases_of_their_distances():
    distance = 8e3
    azimuth, zenith = np.float64(AZIMUTH), np.float64(ZENITH)
    flat = np.stack([np.cos(azimuth), np.sin(azimuth)], axis=-1)
    towards = np.column_stack([np.sin(zenith)[:, None] * flat, np.cos(zenith)])
    ways = np.linalg.norm(distance * towards[:, None] - PLACES[None], axis=-1)
    want = np.exp(-2j * np.pi * (ways - distance))
    np.testing.assert_allclose(waves(jnp.float32(distance)), want, atol=1e-3)


def test_waves_from_far_away_are_plane():
    plane = np.asarray(jax.jit(arrays.response)(PLACES, AZIMUTH, ZENITH))
    distances = np.array([1e6, 2e6, 1e12], np.float32)
    apart = [np.abs(np.asarray(waves(x)) - plane).max() for x in distances]
    assert apart[0] > 1e-3
    assert apart[1] == pytest.approx(apart[0] / 2, rel=0.1)  # one over the distance
    assert apart[2] < 2e-4


@pytest.mark.parametrize(
    ("incidence", "index", "roughness", "want"),
    [
        (0.0, 2.24 - 0.025j, 0.0, (1 - 2.24 + 0.025j) / (1 + 2.24 - 0.025j)),
        (np.pi / 2, 2.24 - 0.025j, 8.8e-5, -1.0),
        (0.7, 1.0 + 0j, 8.8e-5, 0.0),
        (np.pi / 3, np.sqrt(3) + 0j, 0.0, -0.5),  # refracted at 30 degrees
        # Normal incidence on roughness of a 4 pi-th of a wavelength: exp(-1/2).
        (0.0, 3.0 + 0j, SPEED_OF_LIGHT / 300e9 / (4 * np.pi), -0.5 * np.exp(-0.5)),
    ],
)
def test_reflection_coefficients_in_closed_form(incidence, index, roughness, want):
    got = reflection_coefficient(jnp.float32(incidence), 300e9, index, roughness)
    np.testing.assert_allclose(got, want, atol=2e-6)


# Channels.


def test_channels_have_as_much_power_as_antennas(thz, line):
    for data, antennas in ((thz, 1024), (line, 256)):
        assert data.clean.shape == data.csi.shape == (64, 1, 1, antennas)
        power = (np.abs(data.clean) ** 2).sum((1, 2, 3))
        np.testing.assert_allclose(power, antennas, rtol=1e-5)
        noise = (np.abs(data.csi - data.clean) ** 2).mean((1, 2, 3))
        ratio = noise * 10 ** (data.labels["snr_db"] / 10)
        np.testing.assert_allclose(ratio, 1, atol=6 / np.sqrt(antennas))


def test_the_number_of_far_paths_follows_from_distances_or_config(thz, line):
    far = np.asarray(thz.labels["far_paths"])
    share = (25 - rayleigh_distance_m(THZ)) / (25 - 10)
    # The line of sight of 30 m and a share of four others.
    deviation = np.sqrt(4 * share * (1 - share) / 64)
    assert far.mean() == pytest.approx(1 + 4 * share, abs=4 * deviation)
    assert far.min() >= 1
    assert (np.asarray(line.labels["far_paths"]) == 3).all()


def energy_in_sight(data, spacing):
    """Share of the energy in bins whose sines are at most 1 for a spacing of 0.2."""
    matrix = arrays.beamspace(data.antennas.positions, data.antennas.polarisation)
    bins = np.abs(np.asarray(data.clean)[:, 0, 0] @ matrix.T) ** 2
    assert bins.sum() == pytest.approx(64 * 1024, rel=1e-4)
    frequency = np.fft.fftfreq(16)
    near = np.hypot(*np.meshgrid(frequency, frequency)) <= spacing
    assert near.mean() == pytest.approx(0.13, abs=0.02)
    return bins.reshape(64, 4, 256)[..., near.ravel()].sum() / bins.sum()


def test_close_antennas_confine_the_energy_to_an_eighth_of_the_bins(thz):
    assert energy_in_sight(thz, 0.2) > 0.8
    wide = replace(THZ, spacing=0.5)
    other = jax.jit(lambda key: generate(key, wide, 64))(KEY)
    assert energy_in_sight(other, 0.2) < 0.5


def test_a_lone_line_of_sight_is_a_plane_wave_of_known_phase():
    config = replace(THZ, num_paths=1, antennas=(2, 2), sub_arrays=(1, 1))
    data = jax.jit(lambda key: generate(key, config, 8))(KEY)
    clean = np.asarray(data.clean)[:, 0, 0]
    phase = np.exp(-2j * np.pi * (30.0 * 300e9 / SPEED_OF_LIGHT % 1))
    np.testing.assert_allclose(clean[:, 0], phase, atol=1e-4)
    np.testing.assert_allclose(np.abs(clean), 1, rtol=1e-5)
    # A plane wave turns along each row alike.
    np.testing.assert_allclose(
        clean[:, 1] * clean[:, 2], clean[:, 0] * clean[:, 3], atol=1e-4
    )
    assert np.unique(clean[:, 1]).size == 8


def test_gains_without_a_line_of_sight_are_gaussian(line):
    # Normalised channels: phases at the first antenna are uniform.
    first = np.asarray(line.clean)[:, 0, 0, 0]
    assert abs((first / np.abs(first)).mean()) < 4 / np.sqrt(64)


def test_equal_keys_give_equal_channels_and_others_other(make, thz):
    np.testing.assert_array_equal(make(KEY).csi, thz.csi)
    assert not np.any(make(jax.random.key(1)).csi == thz.csi)


# Combining.

draw_combiner = jax.jit(combiner, static_argnums=1)
SMALL = replace(THZ, sub_arrays=(1, 2), antennas=(2, 3), num_measurements=6)


def test_one_bit_combiner_of_every_sub_array():
    weights = np.asarray(draw_combiner(KEY, SMALL))
    assert weights.shape == (12, 6)
    assert (np.abs(weights) ** 2).sum() == pytest.approx(12, rel=1e-5)
    for measurement in range(6):
        own = slice(6 * (measurement % 2), 6 * (measurement % 2) + 6)
        signs = weights[own, measurement] * np.sqrt(6 / 2)
        np.testing.assert_allclose(np.abs(signs.real), 1, atol=1e-5)
        np.testing.assert_allclose(signs.imag, 0, atol=1e-5)
        other = np.delete(weights[:, measurement], np.r_[own])
        assert not other.any()
    large = np.asarray(draw_combiner(KEY, THZ))[:256, ::4].real
    assert abs(np.sign(large).mean()) < 4 / np.sqrt(large.size)
    assert np.linalg.matrix_rank(large) == 128


def test_combiner_of_any_phase():
    weights = np.asarray(draw_combiner(KEY, linear()))
    assert weights.shape == (256, 128)
    np.testing.assert_allclose(np.abs(weights), np.sqrt(1 / 128), rtol=1e-5)
    assert abs((weights**2).mean()) * 128 < 4 / np.sqrt(weights.size)


def test_noise_is_added_before_combining():
    weights = draw_combiner(KEY, SMALL)
    clean = jnp.ones((20000, 12), jnp.complex64) * 1j
    snr_db = jnp.full((20000,), 3.0)
    noise = jax.jit(observe)(KEY, clean, weights, snr_db) - (clean[:1] @ weights.conj())
    noise = np.asarray(noise)
    covariance = noise.T @ noise.conj() / len(noise)
    w = np.asarray(weights)
    want = 10**-0.3 * (w.conj().T @ w)
    assert np.abs(want - np.diag(np.diag(want))).max() > 0.1  # it has a colour
    np.testing.assert_allclose(covariance, want, atol=6 * want.max() / np.sqrt(20000))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sub_arrays", (0, 2)),
        ("num_paths", 0),
        ("scatterer_distances_m", (0.0, 3.0)),
        ("scatterer_distances_m", (5.0, 3.0)),
        ("far_share", 1.5),
        ("phase_bits", 0),
        ("num_measurements", 510),
    ],
)
def test_impossible_configs_are_refused(field, value):
    with pytest.raises(ValueError, match=f"^{field}: found"):
        HybridFieldConfig(**{field: value})
