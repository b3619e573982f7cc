"""Local autoregressions against least squares and signals whose future is known."""

import jax
import numpy as np
import pytest

from wlam import baselines
from wlam.baselines.forecast import local

N, L, H, U, V = 2, 16, 4, 6, 5  # one shape, so that the tests share what they compile
RNG = np.random.default_rng(0)


def complex_normal(*shape):
    return (RNG.normal(size=(*shape, 2)) @ [1, 1j]).astype(np.complex64)


NOISE = complex_normal(N, L, U, V)


def relative(forecast, future):
    return np.linalg.norm(forecast - future) / np.linalg.norm(future)


def tones_by_column(count):
    """Sums of tones; the frequencies of a column are shared by its bins."""
    time = np.arange(L + H)
    # Little further apart than ten steps can resolve.
    spread = 0.14 * np.arange(count) + RNG.uniform(0, 0.5, (N, V, 1))
    wave = np.exp(2j * np.pi * spread[..., None] * time)  # [n, v, count, t]
    amplitude = complex_normal(N, U, V, count)
    signal = np.einsum("nvct,nuvc->ntuv", wave, amplitude).astype(np.complex64)
    return signal[:, :L], signal[:, L:]


def test_one_bin_is_least_squares_forward_and_backward():
    order, x = 4, NOISE[0, :, 0, 0].astype(np.complex128)
    forward = np.stack([x[order - k : L - k] for k in range(order + 1)])
    rows = np.concatenate([forward, forward[::-1].conj()], axis=1)
    power = np.mean(np.sum(abs(rows[1:]) ** 2, axis=1))
    gram = rows[1:].conj() @ rows[1:].T + 1e-3 * power * np.eye(order)
    expected = np.linalg.solve(gram, rows[1:].conj() @ rows[0])
    following = sum(expected[k] * x[-1 - k] for k in range(order))
    found = baselines.ar_local(NOISE, H, order=order, reach=(0, 0), ridge=1e-3)
    np.testing.assert_allclose(found[0, 0, 0, 0], following, rtol=1e-3)


def test_neighbours_with_the_same_tones_compensate_few_steps():
    context, future = tones_by_column(5)
    short = context[:, -10:]  # ten equations for five unknowns, 6 x 10 if pooled
    noisy = short + 1e-2 * NOISE[:, :10]
    pooled = baselines.ar_local(noisy, H, order=5, reach=(None, 0))
    alone = baselines.ar_local(noisy, H, order=5, reach=(0, 0))
    assert relative(pooled, future) < min(0.05, 0.5 * relative(alone, future))


def test_bins_out_of_reach_have_no_influence():
    context, _ = tones_by_column(2)
    other = context.copy()
    other[..., 2:4] = NOISE[..., 2:4]
    a, b = (baselines.ar_local(x, H, reach=(1, 0)) for x in (context, other))
    np.testing.assert_allclose(a[..., :2], b[..., :2], rtol=1e-3, atol=1e-4)
    assert relative(a[..., 2:4], b[..., 2:4]) > 0.1


def test_the_grid_is_a_circle():
    turned = np.roll(NOISE, (2, 1), axis=(2, 3))
    expected = np.roll(baselines.ar_local(NOISE, H), (2, 1), axis=(2, 3))
    np.testing.assert_allclose(
        baselines.ar_local(turned, H), expected, rtol=2e-3, atol=2e-3
    )


def test_forecasts_have_the_unit_of_the_context_and_its_bound():
    forecast = np.asarray(baselines.ar_local(NOISE, H))
    scaled = baselines.ar_local(NOISE * np.float32(1e-9), H)
    np.testing.assert_allclose(1e9 * scaled, forecast, rtol=1e-2, atol=1e-3)
    most = 2.001 * abs(NOISE).max(axis=1, keepdims=True)
    assert (abs(forecast) <= most).all()
    assert not np.asarray(baselines.ar_local(0 * NOISE, H)).any()


def test_equations_with_an_unknown_step_are_left_out():
    lag_moments = jax.jit(local.lag_moments, static_argnums=2)
    known = np.arange(L)[None] >= np.array([[0], [5]])
    full = np.asarray(lag_moments(NOISE, known, 3))
    hidden = np.where(known[..., None, None], NOISE, 7)
    np.testing.assert_array_equal(full, lag_moments(hidden, known, 3))
    late = lag_moments(NOISE[1:, 5:], np.ones((1, L - 5), bool), 3)
    np.testing.assert_allclose(full[1:], late, rtol=1e-4, atol=1e-4)


def test_an_order_below_one_is_refused():
    with pytest.raises(ValueError, match="order: found 0"):
        baselines.ar_local(NOISE, H, order=0)
