"""Baselines at irregular times: the regular ones as a limit, and Gaussian fading."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import j0

from wlam import baselines

N, L, C, H = 3, 24, 2, 5
RNG = np.random.default_rng(0)
DOPPLER, NOISE = 0.04, 0.05


def fading(n, steps):
    """Isotropic scattering with that Doppler shift, and in noise."""
    lags = abs(np.arange(steps)[:, None] - np.arange(steps)[None])
    root = np.linalg.cholesky(j0(2 * np.pi * DOPPLER * lags) + 1e-9 * np.eye(steps))
    white = RNG.normal(size=(n, steps, C)) + 1j * RNG.normal(size=(n, steps, C))
    clean = np.einsum("ij,njc->nic", root, white) / np.sqrt(2)
    noise = RNG.normal(size=clean.shape) + 1j * RNG.normal(size=clean.shape)
    return clean, clean + np.sqrt(NOISE / 2) * noise


def thinned(x, share=0.5):
    seen = RNG.random(x.shape[:2]) < share
    seen[:, 0] = True
    return np.where(seen[..., None], x, np.nan).astype(np.complex64), seen


CLEAN, NOISY = fading(N, L + H)
CONTEXT, SEEN = thinned(NOISY[:, :L])
CYCLES = jnp.full(N, DOPPLER, jnp.float32)
RATIO = jnp.full(N, NOISE, jnp.float32)


def test_hold_is_the_last_measurement():
    found = baselines.hold(jnp.asarray(CONTEXT), H)
    for row, seen, said in zip(CONTEXT, SEEN, found, strict=True):
        want = np.tile(row[np.flatnonzero(seen)[-1]], (H, 1))
        np.testing.assert_array_equal(said, want)
    nothing = jnp.full((1, 4, 1), jnp.nan, jnp.complex64)
    np.testing.assert_array_equal(baselines.hold(nothing, H), np.zeros((1, H, 1)))


def test_the_wiener_predictor_is_that_of_the_measurements_alone():
    found = baselines.irregular_wiener(jnp.asarray(CONTEXT), H, CYCLES, RATIO)
    for row, seen, said in zip(CONTEXT, SEEN, found, strict=True):
        at = np.flatnonzero(seen)
        known = j0(2 * np.pi * DOPPLER * abs(at[:, None] - at[None]))
        ahead = L + np.arange(H)
        cross = j0(2 * np.pi * DOPPLER * abs(ahead[:, None] - at[None]))
        matrix = known + (NOISE + 1e-5) * np.eye(len(at))
        want = cross @ np.linalg.solve(matrix, row[at])
        np.testing.assert_allclose(said, want, atol=2e-3)


def test_with_all_measurements_it_is_the_regular_one():
    context = jnp.asarray(NOISY[:, :L], jnp.complex64)
    ratio = jnp.full((N, C), NOISE + 1e-5, jnp.float32)
    want = baselines.wiener(context, H, CYCLES, ratio, order=L)
    found = baselines.irregular_wiener(context, H, CYCLES, RATIO)
    np.testing.assert_allclose(found, want, atol=2e-3)


def test_unknown_speed_and_noise_cost_little():
    clean, noisy = fading(150, L + H)
    context, _ = thinned(noisy[:, :L])
    given = jnp.asarray(context)
    told = jnp.full(150, DOPPLER, jnp.float32), jnp.full(150, NOISE, jnp.float32)
    forecasts = {
        "told": baselines.irregular_wiener(given, H, *told),
        "unknown": baselines.irregular_bands(given, H),
        "held": baselines.hold(given, H),
    }
    target = clean[:, L:]
    errors = {
        name: 10 * np.log10(np.mean(abs(np.asarray(x) - target) ** 2))
        for name, x in forecasts.items()
    }
    assert errors["told"] < errors["unknown"] < errors["told"] + 1.0
    assert errors["unknown"] < errors["held"] - 3.0


@pytest.mark.parametrize("unit", [1e-25, 1e-6, 1e15])
def test_forecasts_follow_unit_and_phase(unit):
    turn = jnp.complex64(unit * np.exp(0.7j))
    found = baselines.irregular_bands(turn * jnp.asarray(CONTEXT), H)
    want = baselines.irregular_bands(jnp.asarray(CONTEXT), H)
    found = np.asarray(found, np.complex128) / complex(turn)
    np.testing.assert_allclose(found, want, atol=2e-3)
