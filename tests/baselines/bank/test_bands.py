"""The predictor for bands against the one with known width and noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import j0

from wlam import baselines
from wlam.baselines.bank.bands import (
    bands_forecasts,
    fit_bands,
    hypotheses,
    order_of,
    predictors,
)

N, L, H, RAYS = 600, 64, 3, 32
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def forecast():
    @jax.jit
    def run(x, known):
        return bands_forecasts(x[..., 0], fit_bands(x, known), H)

    def forecast(x, known=None):
        known = jnp.ones(x.shape[:2], bool) if known is None else jnp.asarray(known)
        return np.asarray(run(jnp.asarray(x, jnp.complex64)[:, :, None, None], known))[
            ..., 0
        ]

    return forecast


def fading(doppler, snr_db):
    """[N, L + H] of isotropic scattering without noise, and with it."""
    directions = RNG.uniform(0, 2 * np.pi, (N, RAYS))
    phases = RNG.uniform(0, 1, (N, RAYS))
    steps = np.arange(L + H)
    cycles = doppler * np.cos(directions)[:, :, None] * steps + phases[..., None]
    clean = np.exp(2j * np.pi * cycles).sum(1) / np.sqrt(RAYS)
    noise = RNG.normal(size=(N, L + H, 2)) @ [1, 1j] / np.sqrt(2)
    return clean, clean + 10 ** (-snr_db / 20) * noise


def error_db(forecast, clean):
    return 10 * np.log10((abs(forecast - clean) ** 2).mean() / (abs(clean) ** 2).mean())


@pytest.mark.parametrize(("doppler", "snr_db"), [(0.02, 10), (0.05, 20), (0.1, 20)])
def test_an_unknown_doppler_shift_costs_less_than_a_decibel(forecast, doppler, snr_db):
    clean, noisy = fading(doppler, snr_db)
    ratio = jnp.full((N, 1), 10 ** (-snr_db / 10))
    known = baselines.wiener(
        jnp.asarray(noisy[:, :L, None], jnp.complex64),
        H,
        jnp.full(N, doppler),
        ratio,
        order=16,
    )
    known = error_db(np.asarray(known)[..., 0], clean[:, L:])
    assert known - 0.1 < error_db(forecast(noisy[:, :L]), clean[:, L:]) < known + 1


def test_every_hypothesis_has_the_wiener_filter_of_its_width_and_noise():
    widths, noises = hypotheses()
    order = 8
    # With less noise single precision matters, and the baseline limits forecasts.
    some = np.flatnonzero(noises > 0.01)[::5]
    impulses = jnp.eye(order)[None].repeat(len(widths[some]), 0)
    known = baselines.wiener(
        impulses,
        H,
        jnp.asarray(widths[some], jnp.float32),
        jnp.asarray(noises[some, None].repeat(order, 1), jnp.float32),
        order=order,
    )
    np.testing.assert_allclose(predictors(order, H)[some], known, atol=1e-3)


def test_the_bessel_function_is_that_of_scipy():
    x = np.linspace(0, 90, 200)
    np.testing.assert_allclose(
        jax.jit(baselines.bessel_j0)(jnp.asarray(x)), j0(x), atol=1e-5
    )


def test_forecasts_scale_with_the_context_and_zero_stays_zero(forecast):
    _, noisy = fading(0.05, 20)
    context = noisy[:, :L]
    context[0] = 0
    found = forecast(context)
    np.testing.assert_array_equal(found[0], 0)
    np.testing.assert_allclose(forecast(8j * context), 8j * found, rtol=1e-3, atol=1e-3)


def test_unknown_steps_before_the_last_ones_have_no_influence(forecast):
    _, noisy = fading(0.05, 20)
    known = np.arange(L)[None].repeat(N, 0) >= L - 2 * order_of(L)
    context = np.where(known, noisy[:, :L], 0)
    short = context[:, -2 * order_of(L) :]
    np.testing.assert_allclose(forecast(context, known), forecast(short), atol=5e-3)
