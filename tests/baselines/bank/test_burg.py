"""Burg's recursion: closed forms, limits and stability."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.baselines.bank import burg
from wlam.baselines.forecast import local

fit = jax.jit(burg.burg, static_argnums=(2, 3))
iterate = jax.jit(local.iterate, static_argnums=2)

N, L, U, V = 2, 24, 3, 4
RNG = np.random.default_rng(0)
KNOWN = np.ones((N, L), bool)


def noise(*shape):
    return (RNG.normal(size=(*shape, 2)) @ [1, 1j]).astype(np.complex64)


def alone(x, known):
    found = fit(x, known, (1, 2, 6), (0, 0))
    return jax.tree.map(np.asarray, found)


def together(x, known):
    found = fit(x, known, (1, 6), (None, None))
    return jax.tree.map(np.asarray, found)


def test_the_first_coefficient_is_twice_the_cross_power_over_both_powers():
    x = noise(N, L, U, V)
    found, rest = alone(x, KNOWN)[1]
    now, before = x[:, 1:], x[:, :-1]
    cross = (now * before.conj()).sum(1)
    power = (abs(now) ** 2 + abs(before) ** 2).sum(1)
    np.testing.assert_allclose(found[..., 0], 2 * cross / power, rtol=1e-4)
    np.testing.assert_allclose(rest, 1 - abs(2 * cross / power) ** 2, rtol=1e-4)
    pooled = 2 * cross.sum((1, 2)) / power.sum((1, 2))
    found = together(x, KNOWN)[1][0][..., 0]
    np.testing.assert_allclose(
        found, np.broadcast_to(pooled[:, None, None], found.shape), rtol=1e-4
    )


def test_a_tone_is_continued_without_decay():
    t = np.arange(L + 200)
    wave = np.exp(2j * np.pi * 0.137 * t).astype(np.complex64)
    x = wave[None, :, None, None] * noise(N, 1, U, V)
    found, rest = alone(x[:, :L], KNOWN)[2]
    forecast = iterate(jnp.asarray(x[:, :L]), found, 200)
    np.testing.assert_allclose(forecast, x[:, L:], atol=1e-2)
    assert rest.max() < 1e-5


def test_no_pole_lies_outside_the_unit_circle():
    for found in (alone, together):
        coefficients = np.asarray(found(noise(N, L, U, V), KNOWN)[6][0])
        for a in coefficients.reshape(-1, 6):
            assert abs(np.roots([1, *-a])).max() <= 1 + 1e-5


def test_unknown_steps_have_no_influence():
    """A series with unknown first steps is a shorter series."""
    x = noise(N, L, U, V)
    known = KNOWN.copy()
    known[:, :5] = False
    for order, (found, rest) in alone(x, known).items():
        other = np.concatenate([noise(N, 5, U, V), x[:, 5:]], axis=1)
        np.testing.assert_allclose(found, alone(other, known)[order][0], atol=1e-5)
        short = fit(x[:, 5:], KNOWN[:, 5:], (order,), (0, 0))[order]
        np.testing.assert_allclose(found, short[0], atol=1e-5)
        np.testing.assert_allclose(rest, short[1], atol=1e-5)


def test_an_autoregression_is_found():
    """AR(2) of 4,000 steps, to its statistical error."""
    poles, steps = (0.8 * np.exp(1j), 0.7 * np.exp(-0.5j)), 4000
    a = -np.poly(poles)[1:]
    x, drive = np.zeros(steps, complex), noise(steps)
    for t in range(2, steps):
        x[t] = a[0] * x[t - 1] + a[1] * x[t - 2] + drive[t]
    series = x.astype(np.complex64)[None, :, None, None]
    found, _ = fit(series, np.ones((1, steps), bool), (2,), (0, 0))[2]
    np.testing.assert_allclose(np.asarray(found)[0, 0, 0], a, atol=0.05)


@pytest.mark.parametrize("scale", [0.0, 1e-12, 1e12])
def test_coefficients_do_not_depend_on_the_unit(scale):
    x = noise(N, L, U, V)
    found = alone(scale * x, KNOWN)[6][0]
    expected = alone(x, KNOWN)[6][0] if scale else np.zeros_like(found)
    np.testing.assert_allclose(found, expected, atol=1e-4)
