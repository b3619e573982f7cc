"""TDL channels against the tables and the theory of fading."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import j0

from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy.arrays import upa
from wlam.phy.channels.tdl import (
    DELAY,
    PROFILES,
    TABLES,
    TdlConfig,
    correlation_matrix,
    csi,
    generate,
    rayleigh,
    tap_tables,
    taps,
)

KEY = jax.random.key(0)
DOPPLER, STEP = 100.0, 1e-3
TIMES, DRAWS = 20, 300
ANTENNAS = correlation_matrix(1, 3, 0.5)
LAG = 2 * np.pi * DOPPLER * STEP * np.arange(TIMES)  # up to z = 12, within 32 waves


@jax.jit
def draw(key):
    """Taps of every profile [profile, draw, time, tap, antenna]."""

    def one(key, profile):
        return taps(key, profile, DOPPLER, STEP, TIMES, ANTENNAS)

    keys = jax.random.split(key, (len(PROFILES), DRAWS))
    return jax.vmap(jax.vmap(one, (0, None)))(keys, jnp.arange(len(PROFILES)))


@pytest.fixture(scope="module")
def gains():
    return np.asarray(draw(KEY))


def delay_spread(tables):
    mean = (tables.power * tables.delay).sum(1)
    return np.sqrt((tables.power * tables.delay**2).sum(1) - mean**2)


# The tables.


@pytest.mark.parametrize(
    ("profile", "tap", "delay", "power_db"),
    [
        ("A", 1, 0.0, -13.4),
        ("A", 2, 0.3819, 0.0),
        ("A", 23, 9.6586, -29.7),
        ("B", 23, 4.7834, -11.3),
        ("C", 24, 8.6523, -22.8),
        ("D", 13, 12.525, -27.7),
        ("E", 14, 20.6519, -29.2),
    ],
)
def test_rows_of_the_standard(profile, tap, delay, power_db):
    index = PROFILES.index(profile)
    # Powers in the tables are relative to the strongest, or to 0 dB with line of sight.
    strongest = {"A": 2, "B": 1, "C": 6, "D": 1, "E": 1}[profile]
    own = {"A": 0.0, "B": 0.0, "C": 0.0, "D": -13.5, "E": -22.03}[profile]
    power = TABLES.power[index]
    got = 10 * np.log10(power[tap - 1] / power[strongest - 1]) + own
    assert got == pytest.approx(power_db)
    assert DELAY[index, tap - 1] == delay
    assert not power[{"A": 23, "B": 23, "C": 24, "D": 13, "E": 14}[profile] :].any()


def test_profiles_have_unit_delay_spread_and_power():
    np.testing.assert_allclose(delay_spread(TABLES), 1, rtol=0.01)
    np.testing.assert_allclose(TABLES.power.sum(1) + TABLES.los_power, 1)


def test_k_factors_of_the_first_taps():
    assert not TABLES.los_power[:3].any()
    k_db = 10 * np.log10(TABLES.los_power[3:] / TABLES.power[3:, 0])
    np.testing.assert_allclose(k_db, [13.3, 22.0], atol=1e-6)


def test_k_factor_as_wanted_keeps_unit_delay_spread():
    tables = tap_tables(9.0)
    ratio = tables.los_power[3:] / tables.power[3:].sum(1)
    np.testing.assert_allclose(10 * np.log10(ratio), 9.0)
    np.testing.assert_allclose(delay_spread(tables)[3:], 1)
    np.testing.assert_array_equal(tables.power[:3], TABLES.power[:3])
    assert tap_tables(None) is TABLES


# Correlation of antennas.


def test_correlation_matrix_of_four_antennas():
    want = 0.9 ** np.array([0, 1 / 9, 4 / 9, 1])  # TS 36.101 table B.2.3.1-1
    np.testing.assert_allclose(correlation_matrix(1, 4, 0.9)[0], want)


def test_correlation_matrix_of_a_planar_array():
    matrix = correlation_matrix(2, 3, 0.3)
    np.testing.assert_allclose(np.diag(matrix), 1)
    np.testing.assert_allclose(matrix[0], [1, 0.3**0.25, 0.3, 0.3, 0.3**1.25, 0.09])
    np.testing.assert_array_equal(correlation_matrix(2, 3, 0.0), np.eye(6))
    # Near 1 its root must still be real.
    assert np.linalg.eigvalsh(correlation_matrix(1, 16, 0.99)).min() > -1e-12


# Fading.


def test_one_draw_of_directions_gives_gaussian_fading_of_jakes_spectrum():
    make = jax.jit(lambda key: rayleigh(key, DOPPLER, STEP, TIMES, 6000))
    series = np.asarray(make(KEY))
    covariance = series @ series.conj().T / 6000
    want = j0(LAG[:, None] - LAG[None])
    np.testing.assert_allclose(covariance, want, atol=5 / np.sqrt(6000))
    for power in np.abs(series[[0, -1]]) ** 2:
        assert stats.kstest(power, "expon").pvalue > 1e-3
    # Circular: no correlation without the conjugate.
    assert np.abs(series @ series.T).max() / 6000 < 5 / np.sqrt(6000)


def test_few_waves_suffice_for_the_mean_autocorrelation():
    keys = jax.random.split(KEY, 4000)
    make = jax.jit(jax.vmap(lambda key: rayleigh(key, DOPPLER, STEP, TIMES, 1, 3)))
    series = np.asarray(make(keys))[..., 0]
    got = np.mean(series * series[:, :1].conj(), axis=0)
    np.testing.assert_allclose(got, j0(LAG), atol=5 / np.sqrt(4000))


def test_taps_have_the_powers_of_the_table(gains):
    power = (np.abs(gains) ** 2).mean((1, 2, 4))
    want = TABLES.power.copy()
    want[:, 0] += TABLES.los_power
    # Times and antennas of a draw are correlated: count the draws alone.
    error = 5 / np.sqrt(DRAWS)
    np.testing.assert_allclose(power, want, rtol=error, atol=1e-7)
    np.testing.assert_allclose(power.sum(1), 1, atol=0.06)


@pytest.mark.parametrize("profile", ["D", "E"])
def test_the_line_of_sight_has_seven_tenths_of_the_largest_shift(gains, profile):
    index = PROFILES.index(profile)
    first = gains[index, :, :, 0]
    got = (first * first[:, :1].conj()).mean((0, 2))
    turn = np.exp(0.7j * LAG)
    want = TABLES.los_power[index] * turn + TABLES.power[index, 0] * j0(LAG)
    # What the two parts have in common is the mean over draws of a random phase.
    error = np.sqrt(TABLES.los_power[index] * TABLES.power[index, 0] / DRAWS)
    np.testing.assert_allclose(got, want, atol=10 * error)
    # It is the same at all antennas, and each draw has a phase of its own.
    direct = (first * turn.conj()[None, :, None]).mean((1, 2))
    assert np.abs(direct).mean() == pytest.approx(
        np.sqrt(TABLES.los_power[index]), rel=0.02
    )
    assert abs((direct / np.abs(direct)).mean()) < 4 / np.sqrt(DRAWS)


def test_antennas_are_correlated_as_wanted_and_taps_not_at_all(gains):
    fading = gains[2, :, 0] / np.sqrt(TABLES.power[2])[:, None]  # TDL-C, first time
    taps_apart = fading.reshape(-1, 3)
    covariance = taps_apart.T @ taps_apart.conj() / len(taps_apart)
    np.testing.assert_allclose(covariance, ANTENNAS, atol=5 / np.sqrt(len(taps_apart)))
    one_antenna = fading[..., 0]
    between = one_antenna.T @ one_antenna.conj() / DRAWS
    np.testing.assert_allclose(between, np.eye(24), atol=5 / np.sqrt(DRAWS))


@pytest.mark.parametrize("profile", [1, 3])
def test_correlation_in_frequency_transforms_the_delay_profile(gains, profile):
    delay = jnp.asarray(DELAY[profile] * 1e-7, jnp.float32)
    response = jax.jit(jax.vmap(lambda one: csi(one, delay, 5e5, 16)))
    # Times far apart are almost as good as draws.
    channel = np.asarray(response(jnp.asarray(gains[profile, :, ::8])))[..., 0]
    got = np.mean(channel * channel[:, :, :1].conj(), axis=(0, 1))
    power = TABLES.power[profile].copy()
    power[0] += TABLES.los_power[profile]
    lags = 5e5 * np.arange(16)
    want = np.exp(-2j * np.pi * np.outer(lags, DELAY[profile] * 1e-7)) @ power
    np.testing.assert_allclose(got, want, atol=4 / np.sqrt(DRAWS))


def test_carrier_is_in_the_middle_of_the_band():
    gains = jnp.ones((1, 2, 1), jnp.complex64)
    got = csi(gains, jnp.array([0.0, 1e-7]), 1e6, 5)[0, :, 0]
    want = 1 + np.exp(-2j * np.pi * 0.1 * (np.arange(5) - 2))
    np.testing.assert_allclose(got, want, atol=1e-6)


# Data sets.

CONFIG = TdlConfig(
    profiles=("B", "E"),
    carriers_hz=(2e9, 28e9),
    num_times=4,
    num_subcarriers=6,
    array=(2, 2),
    correlation=0.3,
    k_db=40.0,
    num_waves=8,
    snr_db=(5.0, 15.0),
)


def test_generated_channels():
    make = jax.jit(lambda key: generate(key, CONFIG, 200))
    data = make(KEY)
    assert data.csi.shape == data.clean.shape == (200, 4, 6, 4)
    assert data.csi.dtype == data.clean.dtype == jnp.complex64
    np.testing.assert_array_equal(data.antennas.positions, upa(2, 2))
    labels = jax.tree.map(np.asarray, data.labels)
    assert set(np.unique(labels["profile"])) == {1, 4}
    assert labels["profile"].dtype == np.int32
    assert set(np.unique(data.carrier_hz)) == {np.float32(2e9), np.float32(28e9)}
    for name, low, high in (
        ("speed_kmh", *CONFIG.speeds_kmh),
        ("delay_spread_s", *CONFIG.delay_spreads_s),
        ("snr_db", *CONFIG.snr_db),
    ):
        assert low * (1 - 1e-6) <= labels[name].min() < low + 0.1 * (high - low)
        assert high * (1 + 1e-6) >= labels[name].max() > high - 0.1 * (high - low)
    doppler = labels["speed_kmh"] / 3.6 / (SPEED_OF_LIGHT / data.carrier_hz)
    np.testing.assert_allclose(labels["max_doppler_hz"], doppler, rtol=1e-5)
    # With a K factor of 40 dB the line of sight is all: the same at all antennas.
    size = np.abs(data.clean)[labels["profile"] == 4]
    np.testing.assert_allclose(size, 1, atol=0.06)
    power = (np.abs(data.clean) ** 2)[labels["profile"] == 1].mean()
    assert power == pytest.approx(1, abs=0.2)
    noise = np.mean(np.abs(data.csi - data.clean) ** 2, axis=(1, 2, 3))
    signal = np.mean(np.abs(data.clean) ** 2, axis=(1, 2, 3))
    ratio = noise / signal * 10 ** (labels["snr_db"] / 10)
    np.testing.assert_allclose(ratio, 1, atol=5 / np.sqrt(4 * 6 * 4))
    again, other = make(KEY), make(jax.random.key(1))
    np.testing.assert_array_equal(data.csi, again.csi)
    assert not np.any(data.csi == other.csi)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("profiles", ("F",)),
        ("profiles", ()),
        ("carriers_hz", ()),
        ("time_steps_s", (0.0,)),
        ("snr_db", (10.0, 0.0)),
        ("delay_spreads_s", (0.0, 1e-7)),
        ("num_waves", 0),
        ("correlation", 1.1),
    ],
)
def test_configs_that_cannot_be_drawn_from_are_refused(field, value):
    with pytest.raises(ValueError, match=f"^{field}: found"):
        TdlConfig(**{field: value})
