"""Autoregressions against signals whose future is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from wlam import baselines

L, H, C = 24, 6, 3  # one shape, so that the tests share what they compile
RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(4, L, C)).astype(np.float32)


def split(signal):
    return jnp.asarray(signal[:, :L]), signal[:, L:]


def tones(count, samples=4):
    """Sums of complex exponentials that all channels of a sample share: [n, L+H, C]."""
    time = np.arange(L + H)
    # Well apart, so that float32 can tell them from each other within the context.
    frequency = RNG.uniform(0, 0.1, (samples, 1)) + np.arange(count) / count
    amplitude = RNG.normal(size=(samples, count, C, 2)) @ [1, 1j]
    wave = np.exp(2j * np.pi * frequency[..., None] * time)
    return np.einsum("nkt,nkc->ntc", wave, amplitude).astype(np.complex64)


def relative(forecast, future):
    return np.linalg.norm(forecast - future) / np.linalg.norm(future)


@pytest.mark.parametrize("count", [1, 3, 5])
def test_shared_ar_continues_tones_exactly(count):
    context, future = split(tones(count))
    assert relative(baselines.ar_shared(context, H, order=5, ridge=1e-6), future) < 1e-3


def test_shared_ar_resolves_close_tones_without_noise():
    """Five Doppler shifts within .04 cycles a step: the fifth difference is 1e-5 of
    them, and its square is below the rounding of float32."""
    time = np.arange(L + H)
    shifts = RNG.uniform(-0.02, 0.02, (4, 5))
    amplitude = RNG.normal(size=(4, 5, 64, 2)) @ [1, 1j]
    wave = np.exp(2j * np.pi * shifts[..., None] * time)
    signal = np.einsum("nkt,nkc->ntc", wave, amplitude).astype(np.complex64)
    context, future = split(signal)
    assert relative(baselines.ar_shared(context, H, order=5), future) < 1e-2


def test_shared_ar_needs_fewer_steps_than_one_channel_would():
    """Three equations for three tones, and three channels to make them nine."""
    signal = tones(3)[:, : 6 + H]
    forecast = baselines.ar_shared(jnp.asarray(signal[:, :6]), H, order=8, ridge=1e-6)
    assert relative(forecast, signal[:, 6:]) < 0.02


def test_ar_per_channel_continues_each_channel_with_its_own_tone():
    time = np.arange(L + H)
    frequency = RNG.uniform(-0.5, 0.5, (4, 1, C))
    context, future = split(
        np.exp(2j * np.pi * frequency * time[:, None]).astype(np.complex64)
    )
    own = baselines.ar_per_channel(context, H, order=2, ridge=1e-6)
    assert relative(own, future) < 1e-3


@pytest.mark.parametrize("forecaster", [baselines.ar_shared, baselines.ar_per_channel])
def test_ar_continues_real_sinusoids_around_an_offset(forecaster):
    time = np.arange(L + H)[:, None]
    phase = RNG.uniform(0, 2 * np.pi, (4, 1, C))
    # Whole periods, so that the context's mean is the offset.
    context, future = split((50 + np.cos(np.pi / 6 * time + phase)).astype(np.float32))
    forecast = forecaster(context, H, order=2, ridge=1e-6, center=True)
    assert relative(forecast - 50, future - 50) < 1e-3
    assert forecast.dtype == jnp.float32


def test_ar_of_order_one_has_the_closed_form_coefficient():
    ridge = 0.1
    x = NOISE.astype(np.float64)
    past, following = x[:, :-1], x[:, 1:]
    own = (past * following).sum(1) / ((1 + ridge) * (past**2).sum(1))
    powers = own[:, None] ** np.arange(1, H + 1)[:, None]
    np.testing.assert_allclose(
        baselines.ar_per_channel(NOISE, H, order=1, ridge=ridge),
        x[:, -1:] * powers,
        atol=1e-5,
    )
    shared = (past * following).sum((1, 2)) / ((1 + ridge) * (past**2).sum((1, 2)))
    powers = shared[:, None, None] ** np.arange(1, H + 1)[:, None]
    np.testing.assert_allclose(
        baselines.ar_shared(NOISE, H, order=1, ridge=ridge),
        x[:, -1:] * powers,
        atol=1e-5,
    )


@pytest.mark.parametrize("scale", [2.0**-60, 2.0**40])
def test_ar_is_scale_equivariant_far_beyond_the_squares_of_float32(scale):
    context = jnp.asarray(tones(3)[:, :L] + NOISE)
    expected = scale * baselines.ar_shared(context, H, order=5, ridge=1e-6)
    scaled = baselines.ar_shared(scale * context, H, order=5, ridge=1e-6)
    np.testing.assert_allclose(scaled, expected, rtol=1e-6)


@pytest.mark.parametrize("forecaster", [baselines.ar_shared, baselines.ar_per_channel])
def test_centred_ar_continues_constants_exactly(forecaster):
    constant = jnp.full((4, L, C), 7.0)
    forecast = forecaster(constant, H, order=2, ridge=1e-6, center=True)
    assert (forecast == 7).all()


def test_ar_without_centring_continues_constants_and_zeros():
    constant = jnp.full((4, L, C), 7.0)
    forecast = baselines.ar_shared(constant, H, order=2, ridge=1e-6)
    np.testing.assert_allclose(forecast, 7.0, rtol=1e-3)
    assert not baselines.ar_shared(0 * constant, H, order=2, ridge=1e-6).any()


def test_unstable_ar_is_bounded_at_twice_the_peak():
    growth = np.broadcast_to(1.5 ** np.arange(L)[None, :, None], (4, L, C))
    context = growth.astype(np.float32)
    forecast = np.asarray(baselines.ar_shared(context, H, order=2, ridge=1e-6))
    np.testing.assert_allclose(forecast[:, 1:], 2 * context.max(), rtol=1e-5)


def test_ar_on_the_shortest_contexts():
    one = NOISE[:, :1]
    np.testing.assert_array_equal(
        baselines.ar_shared(one, H), baselines.repeat_last(one, H)
    )
    assert np.isfinite(baselines.ar_shared(NOISE[:, :2], H)).all()
    with pytest.raises(ValueError, match="order: found 0"):
        baselines.ar_shared(NOISE, H, order=0)
