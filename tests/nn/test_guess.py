"""The linear fit that forecasts start from."""

import jax
import jax.numpy as jnp
import numpy as np

from wlam.nn.embeddings import FREQUENCY, TIME
from wlam.nn.guess import linear_guess, steps_per_day

P = 16
T = jnp.arange(6 * P)
NOTHING_HIDDEN = jnp.zeros((1, 6 * P), bool)
NO_SEASON = jnp.zeros(1, jnp.int32)


def guess(values, hidden=NOTHING_HIDDEN, season=NO_SEASON, is_complex=False):
    return linear_guess(values, hidden, season, P, P, is_complex)


def after_patches(function):
    """What a series given as a function of time does after every patch, [n, q]."""
    return function(T[P - 1 :: P, None] + 1 + jnp.arange(P)[None])


def test_continues_tones():
    """A complex tone obeys a complex recurrence of order one, and so does any other."""
    phase = 0.3 * T
    tone = jnp.stack([jnp.cos(phase), jnp.sin(phase)])[None]
    truth = after_patches(lambda t: jnp.stack([jnp.cos(0.3 * t), jnp.sin(0.3 * t)]))
    error = ((guess(tone, is_complex=True)[0] - truth) ** 2).mean((0, 2))[:-1] / 0.5
    assert (error[1:] < 1e-3).all()  # a penalty, so close but not exact
    assert (jnp.diff(error) < 1e-6).all()  # and better with more context


def test_follows_a_pattern_that_moves_over_the_beams():
    """Steps of one beam a sweep: each beam does next what its neighbour does now."""
    pattern = jax.random.normal(jax.random.key(0), (200,))
    beams = jnp.arange(32)

    def sweep(t):
        return pattern[beams.reshape((-1,) + (1,) * t.ndim) - t[None] + 150]

    truth = after_patches(sweep)
    together = guess(sweep(T)[None])[0]
    alone = guess(sweep(T)[:, None], jnp.zeros((32, 6 * P), bool), jnp.zeros(32, int))
    far = slice(P, None)  # the first P beams hear of what enters at the edge
    power = (truth[far] ** 2).mean((0, 2))[1:-1]
    error = ((together - truth)[far] ** 2).mean((0, 2))[1:-1]
    # The edge, where what comes is not announced, spoils the fit a little for all.
    assert (error < 0.1 * power).all()
    assert (((alone[:, 0] - truth)[far] ** 2).mean((0, 2))[1:-1] > 0.5 * power).all()


def test_repeats_yesterday_where_the_own_past_says_nothing():
    day = 20
    profile = jax.random.normal(jax.random.key(0), (day,))
    series, truth = (
        profile[T % day][None, None],
        after_patches(lambda t: profile[t % day]),
    )
    error = ((guess(series, season=jnp.array([day]))[0, 0] - truth) ** 2).mean(1)
    assert (error[4:-1] < 1e-2).all()
    # A day longer than the context: no equation has a yesterday.
    np.testing.assert_array_equal(
        guess(series, season=jnp.array([10_000])), guess(series)
    )
    # Days within the horizon are left to the own past.
    np.testing.assert_array_equal(guess(series, season=jnp.array([P])), guess(series))


def test_a_day_in_steps():
    interval = jnp.array([3600.0, 600.0, 1e-6])
    np.testing.assert_array_equal(steps_per_day(interval, TIME)[:2], [24, 144])
    assert steps_per_day(interval, TIME)[2] > 1e8
    np.testing.assert_array_equal(steps_per_day(interval, FREQUENCY), 0)


def test_short_sweeps_are_fitted_by_the_equations_of_all_beams():
    """Nine sweeps hold no equation of nine known samples but the last."""
    key = jax.random.key(0)
    level = jax.random.normal(key, (1, 32, 1)) * 0.9 ** T[None, None, :P]
    hidden = NOTHING_HIDDEN[:, :P].at[:, : P - 8].set(True)
    truth = level[..., -1:] * 0.9 ** (1 + jnp.arange(P))[None, None]
    np.testing.assert_allclose(guess(level, hidden)[:, :, 0], truth, atol=0.05)
    # One series has too few equations: there is no guess.
    np.testing.assert_array_equal(guess(level[:, :1], hidden), 0)


def test_uses_the_past_only():
    x = jax.random.normal(jax.random.key(0), (1, 2, 6 * P))
    for values, complex_, season in (
        (x, True, 0),
        (x, False, 0),
        (x[:, :1], False, P + 4),
    ):
        first, again = (
            guess(v, season=jnp.array([season]), is_complex=complex_)
            for v in (values, values.at[..., 3 * P :].add(1.0))
        )
        np.testing.assert_array_equal(again[:, :, :3], first[:, :, :3])
        assert (again[:, :, 3:] != first[:, :, 3:]).any()


def test_hidden_samples_do_not_exist():
    x = jax.random.normal(jax.random.key(0), (1, 2, 6 * P))
    hidden = NOTHING_HIDDEN.at[:, : 2 * P].set(True)
    masked = guess(jnp.where(hidden[:, None], jnp.nan, x), hidden, is_complex=True)
    short = guess(x[..., 2 * P :], hidden[:, 2 * P :], is_complex=True)
    np.testing.assert_allclose(masked[:, :, 2:], short, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(masked[:, :, :2], 0)


def test_stays_within_its_bound():
    growth = (1.5 ** jnp.arange(6 * P)).reshape(1, 1, -1) / 1.5 ** (6 * P)
    bound = 2 * growth[0, 0, P - 1 :: P, None] + 1e-6
    assert (abs(guess(growth)[0, 0]) <= bound).all()
