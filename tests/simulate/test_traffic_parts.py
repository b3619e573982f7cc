"""Every part of traffic against its closed form, at several sampling intervals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from wlam.simulate import traffic_parts as parts

# Unoptimised code compiles three times as fast and runs long enough not to matter.
QUICK = {"xla_backend_optimization_level": 0}
SERIES, TIMES = 400, 300
# One draw for all tests, in (0, 1].
UNIFORMS = 1 - jax.random.uniform(jax.random.key(0), (3, SERIES, TIMES))


def over_series(function):
    """`function` of random numbers [kind, time], for many series and parameters."""
    many = jax.vmap(function, in_axes=(1,) + (None,) * 4)
    return jax.jit(many, compiler_options=QUICK)


def mean_of_exponential(lag):
    """Variance of the mean over an interval, of a process of correlation exp(-lag)."""
    return 2 * (lag - 1 + np.exp(-lag)) / lag**2


@jax.jit
def season(coefficients, width, cycles):
    return parts.fourier_series(parts.averaged(coefficients, width), cycles)


def test_season_is_averaged_over_the_interval():
    rng = np.random.default_rng(0)
    coefficients = rng.normal(size=(3, 5)) + 1j * rng.normal(size=(3, 5))
    width = np.array([0.01, 0.3, 1.0])
    cycles = np.linspace(-3.0, 40.0, 50)
    # The midpoint rule with 500 points in an interval.
    offsets = (np.arange(500) + 0.5) / 500 - 0.5
    inside = cycles[None, :, None] + width[:, None, None] * offsets
    turns = np.exp(2j * np.pi * inside[..., None] * np.arange(1, 6))
    wanted = np.einsum("kth,kh->kt", turns.mean(2), coefficients).real

    times = np.broadcast_to(cycles, (3, 50)).astype(np.float32)
    got = season(coefficients.astype(np.complex64), width.astype(np.float32), times)
    np.testing.assert_allclose(got, wanted, atol=3e-4)
    np.testing.assert_allclose(got[2], 0.0, atol=1e-5)  # a whole period


def test_weekend_is_two_days_of_seven():
    days = np.arange(0, 7, 0.125)
    harmonics = np.exp(2j * np.pi * np.outer(days / 7, np.arange(1, 7)))
    week = 2 / 7 + np.real(harmonics @ parts.weekend_coefficients(6))
    np.testing.assert_allclose(week.mean(), 2 / 7, atol=1e-6)
    assert np.all(week[(days < 0.3) | (days > 6.7)] > 0.85)
    assert np.all(abs(week[(days > 2) & (days < 5)]) < 0.05)
    np.testing.assert_allclose(week[8], week[-8], atol=1e-6)  # even in time
    np.testing.assert_allclose(week[8], 0.5, atol=0.03)  # the edge, a day from 0


@pytest.fixture(scope="module")
def noise_with_memory():
    def many(start, normals, lag, cycles):
        return jax.vmap(parts.noise_with_memory, in_axes=(0, 1, None, None))(
            start, normals, lag, cycles
        )

    return jax.jit(many, compiler_options=QUICK)


@pytest.mark.parametrize(
    ("lag", "cycles"),
    [(0.0007, 0.0), (0.05, 0.0), (0.05, 0.02), (0.6, 0.0), (0.4, 0.3), (30.0, 2.5)],
)
def test_noise_is_the_interval_mean_of_a_damped_oscillation(
    noise_with_memory, lag, cycles
):
    normals = jax.random.normal(jax.random.key(1), (4, SERIES, TIMES))
    noise, variance = noise_with_memory(normals[3, :, :2], normals[:3], lag, cycles)

    def correlation(apart):
        # Two points, one in each of two intervals: their distance is triangular.
        s = np.linspace(-1, 1, 20_001)
        distance = abs(apart + s)
        rho = np.exp(-lag * distance) * np.cos(2 * np.pi * cycles * distance)
        return np.trapezoid((1 - abs(s)) * rho, s)

    np.testing.assert_allclose(variance, correlation(0), rtol=2e-3, atol=1e-5)
    noise = np.asarray(noise)
    for apart in (0, 1, 7):
        got = np.mean(noise[:, apart:] * noise[:, : TIMES - apart])
        independent = SERIES * np.clip(TIMES * lag / 2, 1, TIMES)
        error = correlation(0) * np.sqrt(2 / independent)
        np.testing.assert_allclose(got, correlation(apart), atol=4 * error)


def test_noise_hardly_changes_in_a_short_interval(noise_with_memory):
    # What one step changes is far below the variance: the terms that cancel are exact.
    lag = 0.0007
    normals = jax.random.normal(jax.random.key(2), (4, SERIES, TIMES))
    noise, _ = noise_with_memory(normals[3, :, :2], normals[:3], lag, 0.0)
    change = np.var(noise[:, 1:] - noise[:, :-1])
    np.testing.assert_allclose(change, 4 / 3 * lag, rtol=0.02)


def test_coarse_and_fine_intervals_are_one_noise(noise_with_memory):
    normals = jax.random.normal(jax.random.key(3), (4, SERIES, TIMES))
    fine, _ = noise_with_memory(normals[3, :, :2], normals[:3], 0.1, 0.05)
    means = np.asarray(fine).reshape(SERIES, TIMES // 6, 6).mean(-1)
    _, variance = noise_with_memory(normals[3, :, :2], normals[:3], 0.6, 0.3)
    np.testing.assert_allclose(np.var(means), variance, rtol=0.04)


@pytest.mark.parametrize("dof", [2.0, 5.0])
def test_student_t_has_its_tail(dof):
    student = jax.jit(parts.student_t, compiler_options=QUICK)
    got = np.asarray(student(UNIFORMS[:2].reshape(2, -1), dof))
    for threshold in (0.5, 2.0, 6.0):
        share = 2 * stats.t.sf(threshold, dof)
        error = np.sqrt(share / got.size)
        np.testing.assert_allclose(
            np.mean(abs(got) > threshold), share, atol=4 * float(error)
        )
    np.testing.assert_allclose(np.mean(got > 0), 0.5, atol=0.006)


@pytest.fixture(scope="module")
def bursts():
    return over_series(parts.bursts)


@pytest.mark.parametrize("step_s", [60.0, 1800.0, 86_400.0])
@pytest.mark.parametrize("heaviness", [0.0, 0.25])
def test_bursts_have_their_moments_at_any_step(bursts, step_s, heaviness):
    rate, decay_s = 1 / 10_000, 900.0  # 8.6 a day
    values = np.asarray(bursts(UNIFORMS, step_s, rate, decay_s, heaviness))
    assert np.all(values >= 0)
    # Campbell's theorem, with E(h**2) = 2 (1 - xi) / (1 - 2 xi) of the heights.
    square = 2 * (1 - heaviness) / (1 - 2 * heaviness)
    variance = rate * decay_s * square / 2 * mean_of_exponential(step_s / decay_s)
    independent = SERIES * TIMES * min(1, step_s / decay_s)
    error = np.sqrt(variance / independent)
    np.testing.assert_allclose(values.mean(), rate * decay_s, atol=4 * error)
    if step_s > decay_s:  # of short steps, the first ones lack the variance
        # Those of one interval start together, which adds some per cent.
        tolerance = 0.09 if heaviness == 0 else 0.15
        np.testing.assert_allclose(values.var(), variance, rtol=tolerance)


def test_heights_of_bursts_have_the_tail_index_they_state(bursts):
    # One burst at most, at the start of an interval that it does not outlast.
    uniforms = UNIFORMS.at[1].set(1.0)
    means = np.asarray(bursts(uniforms, 1000.0, 1e-4, 1.0, 0.5)) * 1000
    heights = np.sort(means[means > 0])
    # P(height > h) = (1 + xi h / (1 - xi))**(-1 / xi), times ten per cent with one.
    for height in (1.0, 10.0, 30.0):
        wanted = (1 + height) ** -2.0
        error = np.sqrt(wanted / heights.size)
        got = np.mean(heights > height)
        # Two bursts in an interval, five per cent of the cases, are a little larger.
        np.testing.assert_allclose(got, wanted, atol=4 * error + 0.06 * wanted)


def test_renewals_are_uniform_and_hold_as_long_as_they_state():
    renewals = jax.jit(jax.vmap(parts.renewals, in_axes=(1, None)))
    lag = np.array([0.01, 0.1, 1.0])
    values = np.asarray(renewals(UNIFORMS, jnp.array(-np.expm1(-lag))))
    for kind in range(3):
        held = values[:, kind]
        assert np.all((held > 0) & (held <= 1))
        error = 1 / np.sqrt(SERIES * max(1, TIMES * lag[kind] / 2))
        for threshold in (0.2, 0.7):  # an on-off process of this share
            np.testing.assert_allclose(
                np.mean(held <= threshold), threshold, atol=4 * 0.46 * error
            )
        for apart in (1, 5):
            same = np.mean(held[:, apart:] == held[:, :-apart])
            wanted = np.exp(-lag[kind] * apart)
            np.testing.assert_allclose(same, wanted, atol=0.02)


@pytest.mark.parametrize(
    ("filling", "wanted"),
    [
        ("zero", [4, 0, 0, 1, 5, 0, 3, 0, 0]),
        ("last", [4, 4, 4, 1, 5, 5, 3, 3, 3]),
        ("linear", [4, 3, 2, 1, 5, 4, 3, 3, 3]),
    ],
)
def test_gaps_are_filled_as_named(filling, wanted):
    values = jnp.array([4.0, 9, 9, 1, 5, 9, 3, 9, 9])
    index = jnp.array(float(parts.FILLINGS.index(filling)))
    filled = jax.jit(parts.fill_gaps)(values, values == 9, index)
    np.testing.assert_allclose(filled, wanted, rtol=1e-6)
