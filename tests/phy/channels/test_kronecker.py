"""Kronecker channels against their covariances and the resulting bound."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.phy.channels import kronecker
from wlam.phy.channels.kronecker import Covariances, KroneckerConfig, generate

KEY = jax.random.key(0)
SMALL = KroneckerConfig(num_rx=6, num_tx=3)
ONE = np.ones((1, 1), np.float32)

draw_covariances = jax.jit(kronecker.draw_covariances, static_argnums=(1, 2))
draw_channels = jax.jit(kronecker.draw_channels)
lmmse_known = jax.jit(kronecker.lmmse_known)
toeplitz_covariance = jax.jit(kronecker.toeplitz_covariance, static_argnums=(2, 3))


def sides(covariances):
    return np.asarray(covariances.rx), np.asarray(covariances.tx)


@pytest.fixture(scope="module")
def covariances():
    return draw_covariances(KEY, SMALL, 1)


def test_a_narrow_path_is_a_plane_wave():
    """At the angle 30 degrees: a phase of -pi / 2 from antenna to antenna."""
    found = np.asarray(toeplitz_covariance(30 * ONE, ONE, 0.05, 4))[0]
    lag = np.arange(4)[:, None] - np.arange(4)[None]
    np.testing.assert_allclose(found, np.exp(-0.5j * np.pi * lag), atol=5e-3)


def test_paths_from_all_directions_fade_as_jakes():
    """A density that is uniform over the circle has the correlation J0(pi lag)."""
    found = np.asarray(toeplitz_covariance(0 * ONE, ONE, 1e6, 4))[0, 0]
    j0 = [1.0, -0.3042, 0.2203, -0.1812]  # Abramowitz & Stegun, table 9.1
    np.testing.assert_allclose(found, j0, atol=1e-3)


def test_the_spread_is_a_standard_deviation():
    """Few degrees around broadside: the correlation falls as 1 - (pi spread)^2 / 2."""
    spread = 1.0
    found = np.asarray(toeplitz_covariance(0 * ONE, ONE, spread, 2))[0, 1, 0]
    expected = 1 - (np.pi * np.radians(spread)) ** 2 / 2
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_covariances_are_of_unit_power_and_positive(covariances):
    for (side,) in sides(covariances):
        np.testing.assert_allclose(np.diagonal(side), 1, atol=1e-5)
        np.testing.assert_allclose(side, side.conj().T, atol=1e-6)
        assert np.linalg.eigvalsh(side).min() > -1e-5


def test_channels_have_their_covariance(covariances):
    many = 40_000
    rx, tx = sides(covariances)
    same = Covariances(*(jnp.asarray(np.repeat(x, many, axis=0)) for x in (rx, tx)))
    channels = np.asarray(draw_channels(KEY, same)).reshape(many, -1)
    found = channels.T @ channels.conj() / many
    expected = np.kron(rx[0], tx[0])
    assert abs(found - expected).max() < 5 / np.sqrt(many)


def test_labels_are_of_the_channels():
    data = jax.jit(partial(generate, config=SMALL, samples=400))(KEY)
    data = jax.tree.map(np.asarray, data)
    assert data.csi.shape == (400, 1, 3, 6)
    np.testing.assert_allclose((abs(data.clean) ** 2).mean(), 1, rtol=0.1)
    noise = (abs(data.csi - data.clean) ** 2).mean((1, 2, 3))
    found = -10 * np.log10(noise)
    assert abs(found - data.labels["snr_db"]).mean() < 1.5


def test_the_genie_is_the_linear_estimate_of_the_whole_covariance(covariances):
    channel = np.asarray(draw_channels(KEY, covariances))
    variance = np.array([0.1], np.float32)
    found = np.asarray(lmmse_known(channel, variance, covariances))
    (rx,), (tx,) = sides(covariances)
    whole = np.kron(rx, tx).astype(np.complex128)
    weights = whole @ np.linalg.inv(whole + 0.1 * np.eye(18))
    expected = weights @ channel[0].ravel()
    np.testing.assert_allclose(found[0].ravel(), expected, atol=1e-3)


def test_the_genie_reaches_its_own_bound():
    """The mean error is the trace of the posterior covariance."""
    samples, variance = 2000, 0.1
    found = draw_covariances(KEY, SMALL, samples)
    channels = np.asarray(draw_channels(jax.random.key(1), found))
    flat = (np.repeat(np.eye(n, dtype=np.complex64)[None], samples, 0) for n in (6, 3))
    white = Covariances(*map(jnp.asarray, flat))
    noise = np.sqrt(variance) * np.asarray(draw_channels(jax.random.key(2), white))
    variances = np.full(samples, variance, np.float32)
    estimate = np.asarray(lmmse_known(channels + noise, variances, found))
    error = (abs(estimate - channels) ** 2).mean()
    rx, tx = (np.maximum(np.linalg.eigvalsh(side), 0) for side in sides(found))
    power = rx[:, :, None] * tx[:, None]
    expected = (power * variance / (power + variance)).mean()
    np.testing.assert_allclose(error, expected, rtol=0.05)


@pytest.mark.parametrize(
    ("field", "value"),
    [("num_rx", 0), ("spread_tx_deg", 0.0), ("snr_db", (10.0, 0.0))],
)
def test_bad_configs_are_named(field, value):
    with pytest.raises(ValueError, match=f"{field}: found"):
        KroneckerConfig(**{field: value})
