"""The bank against the floors that are among its members."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.nn.bank import BANK, bank_forecasts, fit_bank
from wlam.phy import floors

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
    return bank_forecasts(series, fit_bank(x, KNOWN), chosen, H)


@pytest.mark.parametrize(("order", "ridge"), [(8, 1e-5), (12, 1e-6)])
def test_the_floors_are_members(order, ridge):
    """AR(8) of csi_time and AR(12) of csi_frequency, coefficients for all bins."""
    (member,) = (
        i
        for i, fit in enumerate(BANK)
        if fit.order == order and fit.reach == (None, None)
    )
    expected = floors.ar_shared(X.reshape(N, L, -1), H, order=order, ridge=ridge)
    forecasts, _ = run(X, ALL)
    np.testing.assert_allclose(
        forecasts[..., member], expected, rtol=1e-2, atol=1e-2 * abs(X).max()
    )


def test_a_neighbourhood_is_that_of_the_floor():
    member = [fit.reach for fit in BANK].index((2, 2))
    fit = BANK[member]
    local = partial(floors.ar_local, order=fit.order, reach=fit.reach, ridge=fit.ridge)
    expected = local(X, H).reshape(N, H, -1)
    forecasts, _ = run(X, ALL)
    np.testing.assert_allclose(
        forecasts[..., member], expected, rtol=1e-2, atol=1e-2 * abs(X).max()
    )


def test_chosen_bins_are_those_asked_for():
    everything, all_rests = run(X, ALL)
    chosen = jnp.array([[5, 0, 11], [2, 3, 7]])
    some, rests = run(X, chosen)
    for sample in range(N):
        bins = np.asarray(chosen[sample])
        expected = np.asarray(everything)[sample][:, bins]
        np.testing.assert_allclose(some[sample], expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(
            rests[sample], np.asarray(all_rests)[sample, bins], rtol=1e-4, atol=1e-6
        )


def test_tones_are_explained_and_noise_is_not():
    time = np.arange(L)[None, :, None, None]
    tone = np.exp(2j * np.pi * 0.1 * time) * noise(N, 1, U, V)
    _, explained = run(tone.astype(np.complex64), ALL)
    assert (np.asarray(explained) < 1e-2).all()
    _, rests = run(X, ALL)
    assert ((rests >= 0) & (rests <= 1)).all()
    pooled = [i for i, fit in enumerate(BANK) if fit.reach == (None, None)]
    assert (np.asarray(rests)[..., pooled] > 0.5).all()
