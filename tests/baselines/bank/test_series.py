"""The training-free forecasts of series, and their backtest errors."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np

from wlam.baselines.bank.series import (
    ABSENT,
    FADE,
    FORECASTS,
    OF_ALL_LEADS,
    RARE,
    STRIDE,
    baseline_forecasts,
    steps_per_day,
)
from wlam.types import FREQUENCY, TIME

P = 16
SEASONAL = FORECASTS.index("seasonal AR")
T = np.arange(6 * P)
NOTHING_HIDDEN = np.zeros((1, 6 * P), bool)
NO_SEASON = np.zeros(1, int)
compiled = jax.jit(
    baseline_forecasts, static_argnames=("patch", "horizon", "is_complex")
)


def everything(
    values,
    hidden=NOTHING_HIDDEN,
    season=NO_SEASON,
    is_complex=False,
    given=None,
    patch=P,
):
    """Of numpy arrays, in numpy."""
    arrays = values, hidden, ~hidden if given is None else given, season
    found = compiled(
        *map(jnp.asarray, arrays), patch=patch, horizon=P, is_complex=is_complex
    )
    return SimpleNamespace(**{name: np.asarray(x) for name, x in vars(found).items()})


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def forecast(name, *args, **kwargs):
    found = everything(*args, **kwargs).forecasts
    return found[..., FORECASTS.index(name)]


def after_patches(function):
    """The values of a function of time after every patch, [n, q]."""
    return function(T[P - 1 :: P, None] + 1 + np.arange(P)[None])


def test_continues_tones():
    """A complex tone obeys a complex recurrence of order one, and so does any other."""
    phase = 0.3 * T
    tone = np.stack([np.cos(phase), np.sin(phase)])[None]
    truth = after_patches(lambda t: np.stack([np.cos(0.3 * t), np.sin(0.3 * t)]))
    error = ((forecast("long AR", tone, is_complex=True)[0] - truth) ** 2).mean((0, 2))[
        :-1
    ] / 0.5
    assert (error[1:] < 1e-3).all()  # a penalty, so close but not exact
    assert (np.diff(error) < 1e-6).all()  # and better with more context


def test_follows_a_pattern_that_moves_over_the_beams():
    """Steps of one beam a sweep: each beam does next what its neighbour does now."""
    # The bounds below are of this draw.
    pattern = np.asarray(jax.random.normal(jax.random.key(0), (200,)))
    beams = np.arange(32)

    def sweep(t):
        return pattern[beams.reshape((-1,) + (1,) * t.ndim) - t[None] + 150]

    truth = after_patches(sweep)
    together = forecast("long AR", sweep(T)[None])[0]
    nothing = np.zeros((32, 6 * P), bool), np.zeros(32, int)
    alone = forecast("long AR", sweep(T)[:, None], *nothing)
    far = slice(P, None)  # the first P beams depend on what enters at the edge
    power = (truth[far] ** 2).mean((0, 2))[1:-1]
    error = ((together - truth)[far] ** 2).mean((0, 2))[1:-1]
    # At the edge nothing predicts what enters, which affects the fit of all beams.
    assert (error < 0.1 * power).all()
    assert (((alone[:, 0] - truth)[far] ** 2).mean((0, 2))[1:-1] > 0.5 * power).all()


def test_repeats_yesterday_where_recent_samples_predict_nothing():
    day = 20
    profile = normal(day)
    series, truth = (
        profile[T % day][None, None],
        after_patches(lambda t: profile[t % day]),
    )
    season = np.array([day])
    for name in FORECASTS[SEASONAL:]:
        error = ((forecast(name, series, season=season)[0, 0] - truth) ** 2).mean(1)
        assert (error[4:-1] < 1e-2).all()
    # A day longer than the context: there is no yesterday.
    for name in FORECASTS[SEASONAL:]:
        np.testing.assert_array_equal(
            forecast(name, series, season=np.array([10_000])),
            forecast("short AR", series),
        )


def test_a_day_shorter_than_the_horizon_is_repeated():
    day = 6
    profile = normal(day)
    series, truth = (
        profile[T % day][None, None],
        after_patches(lambda t: profile[t % day]),
    )
    for name in ("yesterday", "yesterday from here", "days' mean"):
        found = forecast(name, series, season=np.array([day]))[0, 0]
        np.testing.assert_allclose(found[1:], truth[1:], atol=1e-6)


def test_means_of_days_and_yesterday_from_here():
    """Days of one shape at levels 0, 3, 6, ...: the next is a step of 3 up."""
    day = P
    shape = np.sin(2 * np.pi * np.arange(day) / day)
    level = shape[T % day] + 3.0 * (T // day)
    series, season = level[None, None], np.array([day])
    last = forecast("yesterday", series, season=season)[0, 0, 3]
    np.testing.assert_allclose(last, shape + 9, atol=1e-6)
    np.testing.assert_allclose(
        forecast("days' mean", series, season=season)[0, 0, 3], shape + 6, atol=1e-5
    )
    start = series[0, 0, 3 * day - 1]
    moved = series[0, 0, 4 * day - 1] + last - start
    np.testing.assert_allclose(
        forecast("yesterday from here", series, season=season)[0, 0, 3],
        moved,
        atol=1e-5,
    )


def test_lines():
    series = (2.0 + 0.5 * T)[None, None]
    after = after_patches(lambda t: 2.0 + 0.5 * t)
    slope = forecast("constant slope", series)[0, 0]
    np.testing.assert_allclose(slope[2:], after[2:], rtol=1e-5)  # within the bound
    hold = forecast("last value", series)[0, 0]
    np.testing.assert_allclose(
        hold, np.broadcast_to(after[:, :1] - 0.5, (6, P)), rtol=1e-6
    )
    mean = np.cumsum(series)[P - 1 :: P] / (T[P - 1 :: P] + 1)
    np.testing.assert_allclose(
        forecast("mean", series)[0, 0],
        np.broadcast_to(mean[:, None], (6, P)),
        rtol=1e-6,
    )


def test_continues_changes():
    """Each change is half of the last: an AR of changes of order one, without noise."""
    series = -(0.9**T)[None, None]
    truth = after_patches(lambda t: -(0.9**t))
    found = forecast("AR of changes", series)[0, 0]
    missed = (
        abs(found - truth)[1:, -1] / abs(series[0, 0, P - 1 :: P] - truth[:, -1])[1:]
    )
    assert (missed < 0.1).all()  # a penalty, so close but not exact


def test_a_level_moves_the_forecasts_and_not_their_errors(monkeypatch):
    """None uses the mean of the context before its end."""
    # Without the penalty that large levels have in single precision.
    monkeypatch.setattr("wlam.baselines.bank.series.ROUNDING", 0.0)
    with jax.enable_x64(True):
        series = np.asarray(jax.random.normal(jax.random.key(0), (1, 1, 6 * P)))
        series, season = series.cumsum(-1) / 10, np.array([20])
        # Far enough from 0 that no bound is reached, which depends on the draw.
        first, moved = (everything(series + c, season=season) for c in (2.0, 5.0))
        there = np.isfinite(first.backtest_error) & (first.backtest_error < ABSENT)
        np.testing.assert_allclose(moved.forecasts, first.forecasts + 3.0, atol=1e-9)
        np.testing.assert_allclose(
            moved.backtest_error[there], first.backtest_error[there], rtol=2e-3
        )


def test_backtest_errors_are_those_of_past_forecasts():
    """Up to every lead, by forecasts made every STRIDE samples."""
    x = normal(1, 1, 6 * P)
    found = everything(x)
    every = everything(x, patch=STRIDE)
    patch, number = 2, FORECASTS.index("short AR")
    end = (patch + 1) * P
    total, count = np.zeros(P), np.zeros(P)
    for i, begin in enumerate(range(STRIDE, end, STRIDE)):
        leads = np.arange(min(P, end - begin))
        error = every.forecasts[0, 0, i, : len(leads), number] - x[0, 0, begin + leads]
        weight = FADE ** ((end - begin) / P)
        total[leads] += weight * error**2
        count[leads] += weight
    whole = (total.sum() + RARE) / (count.sum() + RARE)
    expected = total.cumsum() + OF_ALL_LEADS * whole
    expected /= count.cumsum() + OF_ALL_LEADS
    np.testing.assert_allclose(
        found.backtest_error[0, 0, patch, :, number], expected, rtol=1e-4
    )


def test_backtest_errors_are_of_the_context():
    x = normal(1, 1, 6 * P)
    found = everything(x).backtest_error
    # Without forecasts there is no error, and samples after the context are in none.
    np.testing.assert_array_equal(found[..., SEASONAL:], ABSENT)
    given = T[None] < 3 * P
    part = everything(x, given=given).backtest_error
    np.testing.assert_array_equal(part[:, :, :3], found[:, :, :3])
    np.testing.assert_allclose(
        part[0, 0, 5, -1, :SEASONAL], part[0, 0, 2, -1, :SEASONAL], rtol=2e-3
    )


def test_a_day_in_steps():
    interval = jnp.array([3600.0, 600.0, 1e-6])
    np.testing.assert_array_equal(steps_per_day(interval, TIME)[:2], [24, 144])
    assert steps_per_day(interval, TIME)[2] > 1e8
    np.testing.assert_array_equal(steps_per_day(interval, FREQUENCY), 0)


def test_short_sweeps_are_fitted_by_the_equations_of_all_beams():
    """Nine sweeps hold no equation of nine known samples but the last."""
    level = normal(1, 32, 1) * 0.9 ** T[None, None]
    hidden = T[None] < P - 8
    found = forecast("short AR", level, hidden)[:, :, 0]  # after the first patch
    np.testing.assert_allclose(found, level[..., P : 2 * P], atol=0.05)
    # One series of seven samples has too few equations even for that.
    hidden = T[None] < P - 7
    mean = level[:, :1, P - 7 : P].mean()
    np.testing.assert_allclose(
        forecast("short AR", level[:, :1], hidden)[:, :, 0], mean
    )


def test_uses_the_past_only():
    x = normal(1, 2, 6 * P)
    for values, complex_, season in (
        (x, True, 0),
        (x, False, 0),
        (x[:, :1], False, P + 4),
        (x[:, :1], False, 5),
    ):
        first, again = (
            everything(v, season=np.array([season]), is_complex=complex_)
            for v in (values, values + (T >= 3 * P))
        )
        for now, before in zip(vars(again).values(), vars(first).values(), strict=True):
            np.testing.assert_array_equal(now[:, :, :3], before[:, :, :3])
            assert (now[:, :, 3:] != before[:, :, 3:]).any()


def test_hidden_samples_have_no_influence():
    x = normal(1, 2, 6 * P)
    hidden = T[None] < 2 * P
    masked = everything(np.where(hidden[:, None], np.nan, x), hidden, is_complex=True)
    short = everything(x[..., 2 * P :], hidden[:, 2 * P :], is_complex=True)
    for now, other in zip(vars(masked).values(), vars(short).values(), strict=True):
        np.testing.assert_allclose(now[:, :, 2:], other, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(masked.forecasts[:, :, :2], 0)


def test_forecasts_stay_within_their_bound():
    growth = (1.5**T).reshape(1, 1, -1) / 1.5 ** (6 * P)
    largest = growth[0, 0, P - 1 :: P, None]
    bound = 3 * largest + 1e-6  # twice that from the mean, which is no larger
    found = everything(growth).forecasts[0, 0]
    assert (abs(found) <= bound[..., None]).all()


def test_diverging_changes_are_limited():
    """Each change is three hundred times the last: sixteen more would overflow."""
    x = np.zeros(6 * P)
    x[4 * P - 3 : 4 * P] = 0.01, 3.0, 1e3
    found = everything(x[None, None])
    last = found.forecasts[0, 0, 3, :, FORECASTS.index("AR of changes")]
    np.testing.assert_allclose(abs(last[1:]), 2e3)  # the bound
    assert all(np.isfinite(part).all() for part in vars(found).values())
