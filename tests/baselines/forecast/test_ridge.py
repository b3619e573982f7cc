"""Ridge regression against the normal equations and cross-validation by definition."""

import jax.numpy as jnp
import numpy as np
import pytest

from wlam import baselines

N, L, H, C = 40, 6, 3, 2
RNG = np.random.default_rng(0)
PENALTIES = (1e-6, 1e-2, 1e-1, 1.0)


def complex_normal(*shape):
    return (RNG.normal(size=(*shape, 2)) @ [1, 1j]).astype(np.complex64)


CONTEXT = complex_normal(N, L, C)
TRUTH = complex_normal(L, H) / 8  # forecasts stay well within the bound


def rows(x):
    return np.moveaxis(x, 1, 2).reshape(-1, x.shape[1]).astype(complex)


def test_a_linear_map_is_learnt_exactly():
    target = np.einsum("nlc,lh->nhc", CONTEXT, TRUTH).astype(np.complex64)
    fitted = baselines.fit_ridge(CONTEXT, target, PENALTIES)
    assert fitted.penalty == np.float32(1e-6)
    np.testing.assert_allclose(fitted.weights, TRUTH, atol=1e-4)
    forecast = baselines.ridge(CONTEXT, H, fitted)
    np.testing.assert_allclose(forecast, target, atol=1e-3)


def test_penalty_and_weights_are_those_of_the_definition():
    """GCV from the trace of the hat matrix; weights from the penalised equations."""
    target = np.einsum("nlc,lh->nhc", CONTEXT, TRUTH / 2) + complex_normal(N, H, C)
    fitted = baselines.fit_ridge(CONTEXT, target.astype(np.complex64), PENALTIES)
    scale = np.sqrt((abs(CONTEXT) ** 2).mean(1, keepdims=True))
    x, y = rows(CONTEXT / scale), rows(target / scale)
    power = (abs(x) ** 2).sum() / L
    scores, weights = [], []
    for penalty in PENALTIES:
        inverse = np.linalg.inv(x.conj().T @ x + penalty * power * np.eye(L))
        hat = x @ inverse @ x.conj().T
        residual = np.sum(abs(y - hat @ y) ** 2)
        scores.append(residual / (1 - np.trace(hat).real / len(x)) ** 2)
        weights.append(inverse @ x.conj().T @ y)
    best = int(np.argmin(scores))
    assert best > 0  # noise asks for a penalty, or this test would say nothing
    assert fitted.penalty == np.float32(PENALTIES[best])
    np.testing.assert_allclose(fitted.weights, weights[best], atol=1e-4)


def test_real_series_keep_their_level_and_scale():
    series = np.cumsum(RNG.normal(size=(N, L + H, C)), axis=1).astype(np.float32)
    fitted = baselines.fit_ridge(series[:, :L], series[:, L:], PENALTIES)
    forecast = baselines.ridge(series[:, :L], H, fitted)
    moved = baselines.ridge(50 + 4 * series[:, :L], H, fitted)
    np.testing.assert_allclose(moved, 50 + 4 * np.asarray(forecast), atol=1e-3)
    error = np.mean((np.asarray(forecast) - series[:, L:]) ** 2)
    assert error < np.mean((series[:, L - 1 : L] - series[:, L:]) ** 2) * 1.05


def test_zeros_and_errors():
    silent = np.zeros((N, L, C), np.float32)
    fitted = baselines.fit_ridge(silent, np.zeros((N, H, C), np.float32), PENALTIES)
    assert not fitted.weights.any()
    assert not baselines.ridge(silent, H, fitted).any()
    assert baselines.ridge(silent, 1, fitted).shape == (N, 1, C)
    with pytest.raises(ValueError, match="context, horizon: found 6 and 4"):
        baselines.ridge(silent, H + 1, fitted)
    with pytest.raises(ValueError, match="penalties: found"):
        baselines.fit_ridge(silent, jnp.zeros((N, H, C)), (0.0,))
