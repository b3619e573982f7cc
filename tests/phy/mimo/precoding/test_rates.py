"""Spectral efficiency, power, errors of channels, and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.phy import noise
from wlam.phy.mimo.precoding import rates

B, K, N, M = 3, 4, 2, 8
complex_normal = jax.jit(noise.complex_normal, static_argnums=1)
spectral_efficiency = jax.jit(rates.spectral_efficiency)
H = complex_normal(jax.random.key(0), (B, K, N, M))
W = complex_normal(jax.random.key(1), (B, M, K))


def by_determinants(h, w, level):
    """log2 [det(A + B) / det(B)] of one user after another."""
    h, w = np.asarray(h, np.complex128), np.asarray(w, np.complex128)
    found = np.zeros(h.shape[:2])
    for b in range(h.shape[0]):
        for k in range(h.shape[1]):
            received = h[b, k] @ w[b]
            rest = np.delete(received, k, axis=1)
            other = rest @ rest.conj().T + level * np.eye(h.shape[2])
            both = other + np.outer(received[:, k], received[:, k].conj())
            ratio = np.linalg.det(both) / np.linalg.det(other)
            found[b, k] = np.log2(ratio.real)
    return found


@pytest.mark.parametrize("rx", [1, 2, 3])
def test_efficiency_is_that_of_the_determinants(rx):
    h = complex_normal(jax.random.key(2), (B, K, rx, M))
    found = spectral_efficiency(h, W, 0.3)
    np.testing.assert_allclose(found, by_determinants(h, W, 0.3), rtol=1e-4)


@pytest.mark.parametrize("rx", [2, 3])
def test_gradients_are_those_of_automatic_differentiation(rx):
    received = complex_normal(jax.random.key(6), (B, K, rx, K))
    level = jnp.array([0.1, 1.0, 2.0, 5.0])[None] * jnp.ones((B, 1))

    def total(received, level):
        return rates.efficiency_of(received, level).sum()

    want = jax.jit(jax.grad(total, argnums=(0, 1)))(received, level)
    rate, of_received, of_noise = jax.jit(rates.efficiency_gradient)(received, level)
    np.testing.assert_allclose(rate, rates.efficiency_of(received, level), rtol=1e-5)
    # jax.grad gives twice the derivative by z, the conjugate of that by z*.
    np.testing.assert_allclose(of_received, want[0].conj() / 2, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(of_noise, want[1], rtol=1e-4)


def test_phases_of_beams_have_no_influence():
    phase = jnp.exp(1j * jnp.arange(K, dtype=jnp.float32))[None, None]
    turned = spectral_efficiency(H, W * phase, 1.0)
    np.testing.assert_allclose(turned, spectral_efficiency(H, W, 1.0), rtol=1e-4)


def test_every_user_can_have_another_noise():
    levels = jnp.array([0.1, 1.0, 2.0, 5.0])
    found = spectral_efficiency(H, W, levels[None])
    for k, level in enumerate(levels):
        alone = spectral_efficiency(H, W, level)
        np.testing.assert_allclose(found[:, k], alone[:, k], rtol=1e-4)


def test_power_is_the_given_one_to_a_millionth():
    w = rates.normalise_power(1e3 * W, 7.5)
    spent = (abs(np.asarray(w, np.complex128)) ** 2).sum((1, 2))
    np.testing.assert_allclose(spent, 7.5, rtol=1e-6)
    assert not np.asarray(rates.normalise_power(0 * W, 7.5)).any()


def test_the_error_has_its_ratio_and_is_estimated_from_the_channel():
    h = 3 * complex_normal(jax.random.key(3), (200, K, N, M))
    seen = jax.jit(rates.with_error)(jax.random.key(4), h, 5.0)
    ratio = (abs(h) ** 2).sum() / (abs(seen - h) ** 2).sum()
    count = h.size
    assert abs(10 * np.log10(ratio) - 5) < 5 * 4.34 / np.sqrt(count)
    told = np.asarray(rates.error_variance(seen, 5.0)).mean()
    assert told == pytest.approx(9 * 10**-0.5, rel=0.02)
    # And users who are not there do not dilute it.
    some = jnp.array([True, True, False, False])[None]
    fewer = rates.keep_active(seen, jnp.broadcast_to(some, (200, K)))
    told = np.asarray(rates.error_variance(fewer, 5.0)).mean()
    assert told == pytest.approx(9 * 10**-0.5, rel=0.02)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"power": 0.0}, "power: found 0.0; needed more than 0"),
        ({"power": float("nan")}, "power: found nan; needed more than 0"),
        ({"noise": -1.0}, "noise: found -1.0; needed more than 0"),
        ({"h": H.at[0, 1].set(jnp.nan)}, "h: found NaN or infinity"),
        ({"h": H.at[0, 1].set(0.0)}, "h: found a channel of zeros"),
        ({"active": jnp.ones((B, K + 1), bool)}, r"active: found \(3, 5\)"),
        ({"active": jnp.zeros((B, K), bool)}, "active: found nobody"),
    ],
)
def test_input_without_a_precoder_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        rates.check_downlink(**({"h": H, "power": 1.0} | given))


def test_channels_of_absent_users_may_be_anything():
    active = jnp.ones((B, K), bool).at[:, 1].set(False)
    rates.check_downlink(H.at[:, 1].set(jnp.nan), 1.0, active=active)
