"""PAD against sums of tones, and the pseudo-inverse that it replaces."""

import jax.numpy as jnp
import numpy as np
import pytest

from wlam import baselines
from wlam.baselines.forecast.prony import strongest

L, H, BINS = 24, 6, 3
RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=(*shape, 2)) @ [1, 1j]


def tones(count, samples=4):
    """Every bin has tones of its own: [n, L + H, bin]."""
    # Well apart, so that float32 can tell them from each other within the context.
    frequency = RNG.uniform(0, 0.1, (samples, 1, BINS))
    frequency = frequency + np.arange(count)[:, None] / count
    wave = np.exp(2j * np.pi * frequency[:, None] * np.arange(L + H)[:, None, None])
    return (wave * normal(samples, 1, count, BINS)).sum(2).astype(np.complex64)


def relative(forecast, future):
    return np.linalg.norm(forecast - future) / np.linalg.norm(future)


@pytest.mark.parametrize("count", [1, 3, 4])
def test_as_many_tones_as_the_order_are_continued_exactly(count):
    signal = tones(count)
    forecast = baselines.pad(signal[:, :L], H, order=4, share=1.0)
    assert relative(forecast, signal[:, L:]) < 1e-3


def test_a_context_of_twice_the_order_is_enough():
    signal = tones(2)[:, : 4 + H]
    forecast = baselines.pad(signal[:, :4], H, order=2, share=1.0)
    assert relative(forecast, signal[:, 4:]) < 2e-3


def test_the_coefficients_are_those_of_the_pseudo_inverse():
    context = (tones(2)[:, :L] + 0.3 * normal(4, L, BINS)).astype(np.complex64)
    order, expected = 4, np.zeros((4, H, BINS), complex)
    for n, b in np.ndindex(4, BINS):
        x = context[n, :, b].astype(complex)
        hankel = np.stack([x[t : t + order] for t in range(L - order)])
        weights = np.linalg.pinv(hankel) @ x[order:]
        for _ in range(H):
            x = np.append(x, x[-order:] @ weights)
        expected[n, :, b] = x[L:]
    forecast = baselines.pad(jnp.asarray(context), H, order=order, share=1.0)
    np.testing.assert_allclose(forecast, expected, atol=1e-3)


def test_the_strongest_bins_are_forecast_and_the_others_are_zero():
    gain = np.sqrt(np.array([[0.05, 0.15, 0.8]], np.float32))
    context = np.broadcast_to(gain[:, None], (1, L, BINS)).astype(np.complex64)
    for share, kept in [(0.7, [0, 0, 1]), (0.9, [0, 1, 1]), (1.0, [1, 1, 1])]:
        forecast = baselines.pad(context, H, order=4, share=share)
        np.testing.assert_allclose(forecast, kept * context[:, :H], rtol=1e-3)
    energy = jnp.array([[1.0, 3.0, 1.0, 5.0], [0.0, 0.0, 0.0, 0.0]])
    assert strongest(energy, 0.8).tolist()[0] == [False, True, False, True]


def test_zero_stays_zero_and_growth_is_bounded():
    silent = np.zeros((4, L, BINS), np.complex64)
    assert not baselines.pad(silent, H, order=4, share=1.0).any()
    growth = np.broadcast_to(1.5 ** np.arange(L)[:, None], (4, L, BINS))
    forecast = np.abs(baselines.pad(growth.astype(np.complex64), H, order=4, share=1.0))
    np.testing.assert_allclose(forecast[:, 2:], 2 * growth.max(), rtol=1e-4)


def test_numbers_out_of_range():
    context = np.ones((4, L, BINS), np.complex64)
    with pytest.raises(ValueError, match="share: found 0"):
        baselines.pad(context, H, share=0.0)
    with pytest.raises(ValueError, match="order: found 0"):
        baselines.pad(context, H, order=0)
    assert np.isfinite(baselines.pad(context[:, :1], H)).all()
