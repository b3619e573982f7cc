"""The expert bank against the baselines among its experts."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam import baselines
from wlam.baselines.bank.ar_bank import (
    BANK,
    NUM_EXPERTS,
    TINY,
    ar_bank,
    backtest_logits,
    bank_forecasts,
    fit_bank,
    fit_whole,
)

N, L, H, U, V = 2, 26, 4, 3, 4
RNG = np.random.default_rng(0)
KNOWN = jnp.ones((N, L), bool)
ALL = jnp.tile(jnp.arange(U * V), (N, 1))


def noise(*shape):
    return (RNG.normal(size=(*shape, 2)) @ [1, 1j]).astype(np.complex64)


X = noise(N, L, U, V)


@jax.jit
def run(x, chosen):
    flat = x.reshape(N, L, -1)
    series = jnp.take_along_axis(flat, chosen[:, None], axis=2)
    return bank_forecasts(series, fit_bank(x, KNOWN, H), chosen, H)


@pytest.mark.parametrize("order", [8, 12])
def test_the_baselines_are_experts(order):
    """AR(8) of csi_time and AR(12) of csi_frequency, coefficients for all bins."""
    (number,) = (
        i
        for i, expert in enumerate(BANK)
        if (expert.method, expert.order) == ("whole", order) and not expert.backward
    )
    expected = baselines.ar_shared(X.reshape(N, L, -1), H, order=order)
    forecasts = run(X, ALL).forecasts
    np.testing.assert_allclose(
        forecasts[..., number], expected, rtol=1e-2, atol=1e-2 * abs(X).max()
    )


def test_a_neighbourhood_is_that_of_the_baseline():
    """At any index, in any group of fits."""
    forecasts = run(X, ALL).forecasts
    for number, expert in enumerate(BANK):
        if expert.method != "normal" or number % 2:  # each is compiled separately
            continue
        local = partial(
            baselines.ar_local,
            order=expert.order,
            reach=expert.reach,
            ridge=expert.ridge,
        )
        expected = local(X, H).reshape(N, H, -1)
        np.testing.assert_allclose(
            forecasts[..., number], expected, rtol=1e-2, atol=1e-2 * abs(X).max()
        )


def test_forecasts_are_those_of_the_chosen_bins():
    everything = run(X, ALL)
    chosen = jnp.array([[5, 0, 11], [2, 3, 7]])
    some = run(X, chosen)
    for sample in range(N):
        bins = np.asarray(chosen[sample])
        expected = np.asarray(everything.forecasts)[sample][:, bins]
        np.testing.assert_allclose(
            some.forecasts[sample], expected, rtol=1e-4, atol=1e-4
        )
        for name in ("unexplained", "backtest_error", "pooled_error"):
            np.testing.assert_allclose(
                getattr(some, name)[sample],
                np.asarray(getattr(everything, name))[sample, bins],
                rtol=1e-4,
                atol=1e-6,
            )


def tones(*frequencies):
    time = np.arange(L)[None, :, None, None]
    parts = [np.exp(2j * np.pi * f * time) * noise(N, 1, U, V) for f in frequencies]
    return np.sum(parts, axis=0).astype(np.complex64)


def test_tones_are_explained_and_noise_is_not():
    explained = run(tones(0.1), ALL).unexplained
    assert (np.asarray(explained) < 1e-2).all()
    rests = run(X, ALL).unexplained
    assert ((rests >= 0) & (rests <= 1)).all()
    pooled = [i for i, expert in enumerate(BANK) if expert.reach == (None, None)]
    assert (np.asarray(rests)[..., pooled] > 0.5).all()


def test_the_zero_forecast_has_the_power_of_the_last_steps_as_its_error():
    """Half a horizon of them, over the mean power of the bin."""
    expected = (abs(X[:, -H // 2 :]) ** 2).mean(1) / (abs(X) ** 2).mean(1)
    found = np.asarray(run(X, ALL).backtest_error)[..., -1]
    np.testing.assert_allclose(found, expected.reshape(N, -1) + TINY, rtol=1e-4)


def test_weights_prefer_small_backtest_errors():
    """Five tones: order 4 cannot follow them in one bin, order 6 and more can."""
    bank = run(tones(0.05, 0.12, -0.2, 0.31, -0.43), ALL)
    weights = np.asarray(jax.nn.softmax(backtest_logits(bank), axis=-1))
    short = [i for i, expert in enumerate(BANK) if expert.order < 5]
    long = [i for i, expert in enumerate(BANK) if expert.order >= 6]
    assert weights[..., short].sum(-1).max() < 1e-2
    assert weights[..., long].sum(-1).min() > 0.9
    assert weights[..., -1].max() < 1e-2  # the zero forecast


def test_without_a_signal_all_weights_are_equal():
    bank = run(np.zeros_like(X), ALL)
    weights = np.asarray(jax.nn.softmax(backtest_logits(bank), axis=-1))
    np.testing.assert_allclose(weights, 1 / (NUM_EXPERTS + 1), rtol=1e-4)
    assert not np.asarray(bank.forecasts).any()


def test_one_step_is_repeated_by_the_baseline_and_refused_by_its_fits():
    one = X[:, :1].reshape(N, 1, U * V)
    found = ar_bank(one, H, (U, V))
    np.testing.assert_array_equal(found, np.repeat(one, H, axis=1))
    with pytest.raises(ValueError, match="context: found 1 step; needed 2 or more"):
        fit_bank(jnp.asarray(X[:, :1]), KNOWN[:, :1], H)


def test_fits_use_full_precision_on_accelerators():
    """By default GPUs round factors, and residuals are small differences."""
    program = str(jax.make_jaxpr(lambda x: fit_whole(x, KNOWN, 4, False))(X))
    products = program.count("dot_general[")
    assert products > 0
    assert program.count("precision=(Precision.HIGHEST, Prec") == products
