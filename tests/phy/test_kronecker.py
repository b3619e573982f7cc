"""Kronecker channels against their covariances and the bound that these give."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.phy.kronecker import (
    Covariances,
    KroneckerConfig,
    draw_channels,
    draw_covariances,
    generate,
    lmmse_known,
    toeplitz_covariance,
)

KEY = jax.random.key(0)
SMALL = KroneckerConfig(num_rx=6, num_tx=3)


@pytest.fixture(scope="module")
def covariances():
    return jax.jit(partial(draw_covariances, config=SMALL, samples=1))(KEY)


def test_a_narrow_path_is_a_plane_wave():
    """At the angle 30 degrees: a phase of -pi / 2 from antenna to antenna."""
    one = jnp.ones((1, 1))
    found = toeplitz_covariance(30.0 * one, one, 0.05, 4)[0]
    lag = np.arange(4)[:, None] - np.arange(4)[None]
    np.testing.assert_allclose(found, np.exp(-0.5j * np.pi * lag), atol=5e-3)


def test_paths_from_everywhere_fade_as_jakes():
    """A density that is level over the circle has the correlation J0(pi lag)."""
    one = jnp.ones((1, 1))
    found = toeplitz_covariance(0 * one, one, 1e6, 4)[0, 0]
    j0 = [1.0, -0.3042, 0.2203, -0.1812]  # Abramowitz & Stegun, table 9.1
    np.testing.assert_allclose(found, j0, atol=1e-3)


def test_the_spread_is_a_standard_deviation():
    """Few degrees around broadside: the correlation falls as 1 - (pi spread)^2 / 2."""
    one, spread = jnp.ones((1, 1)), 1.0
    found = toeplitz_covariance(0 * one, one, spread, 2)[0, 1, 0]
    expected = 1 - (np.pi * np.radians(spread)) ** 2 / 2
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_covariances_are_of_unit_power_and_positive(covariances):
    for side in (covariances.rx[0], covariances.tx[0]):
        np.testing.assert_allclose(jnp.diagonal(side), 1, atol=1e-5)
        np.testing.assert_allclose(side, side.conj().T, atol=1e-6)
        assert jnp.linalg.eigvalsh(side).min() > -1e-5


def test_channels_have_their_covariance(covariances):
    many = 40_000
    same = jax.tree.map(lambda x: jnp.repeat(x, many, axis=0), covariances)
    channels = np.asarray(jax.jit(draw_channels)(KEY, same)).reshape(many, -1)
    found = channels.T @ channels.conj() / many
    expected = np.kron(covariances.rx[0], covariances.tx[0])
    assert abs(found - expected).max() < 5 / np.sqrt(many)


def test_generate_says_what_it_draws():
    data = jax.jit(partial(generate, config=SMALL, samples=400))(KEY)
    assert data.csi.shape == (400, 1, 3, 6)
    np.testing.assert_allclose((abs(data.clean) ** 2).mean(), 1, rtol=0.1)
    noise = (abs(data.csi - data.clean) ** 2).mean((1, 2, 3))
    found = -10 * np.log10(np.asarray(noise))
    assert abs(found - np.asarray(data.labels["snr_db"])).mean() < 1.5


def test_the_genie_is_the_linear_estimate_of_the_whole_covariance(covariances):
    channel = draw_channels(KEY, covariances)
    variance = jnp.array([0.1])
    found = jax.jit(lmmse_known)(channel, variance, covariances)
    whole = np.kron(covariances.rx[0], covariances.tx[0]).astype(np.complex128)
    weights = whole @ np.linalg.inv(whole + 0.1 * np.eye(18))
    expected = weights @ np.asarray(channel[0]).ravel()
    np.testing.assert_allclose(found[0].ravel(), expected, atol=1e-3)


def test_the_genie_reaches_its_own_bound():
    """The mean error is the trace of the posterior covariance."""
    samples, variance = 2000, 0.1
    found = jax.jit(partial(draw_covariances, config=SMALL, samples=samples))(KEY)
    channels = draw_channels(jax.random.key(1), found)
    noise = np.sqrt(variance) * draw_channels(
        jax.random.key(2),
        Covariances(0 * found.rx + jnp.eye(6)[None], 0 * found.tx + jnp.eye(3)[None]),
    )
    estimate = jax.jit(lmmse_known)(
        channels + noise, jnp.full(samples, variance), found
    )
    error = (abs(estimate - channels) ** 2).mean()
    rx, tx = (np.maximum(jnp.linalg.eigvalsh(s), 0) for s in (found.rx, found.tx))
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
