"""Traffic is nonnegative and finite, with seasons and noise as stated."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.phy import traffic

# Unoptimised code compiles three times as fast and runs long enough not to matter.
generate = jax.jit(
    traffic.generate,
    static_argnums=(1, 2),
    compiler_options={"xla_backend_optimization_level": 0},
)
CONFIG = traffic.TrafficConfig(num_times=128)
PLAIN = replace(
    CONFIG,
    scale=(1.0, 1.0),
    daily_probability=0.0,
    weekly_probability=0.0,
    trend_probability=0.0,
    shift_probability=0.0,
    noise_probability=0.0,
    burst_probability=0.0,
    idle_probability=0.0,
    night_probability=0.0,
    counts_per_hour=(1e6, 1e6),
)


def test_any_series_is_nonnegative_finite_and_reproducible():
    series = generate(jax.random.key(0), CONFIG, 2000)
    values = np.asarray(series.traffic)
    assert values.shape == (2000, 128)
    assert np.all(np.isfinite(values))
    assert np.all(values >= 0)
    assert np.array_equal(values, generate(jax.random.key(0), CONFIG, 2000).traffic)
    assert all(label.shape == (2000,) for label in series.labels.values())
    np.testing.assert_allclose(
        series.labels["zero_share"], np.mean(values == 0, axis=1), atol=1e-6
    )
    steps = set(np.unique(series.time_step_s).tolist())
    assert steps == {600.0, 1800.0, 3600.0}


def test_daily_season_repeats_after_a_day_at_any_step():
    config = replace(
        PLAIN, num_times=1008, daily_probability=1.0, daily_log_std=(0.4, 0.5)
    )
    series = generate(jax.random.key(1), config, 60)
    for step_s in config.time_steps_s:
        chosen = np.asarray(series.traffic)[np.asarray(series.time_step_s) == step_s]
        day = round(86_400 / step_s)
        centred = chosen - chosen.mean(axis=1, keepdims=True)
        power = np.sum(centred**2, axis=1)

        def correlation(lag, centred=centred, power=power):
            ends = centred[:, lag:] * centred[:, : centred.shape[1] - lag]
            return np.sum(ends, axis=1) / power * centred.shape[1] / ends.shape[1]

        peak = correlation(day)
        assert np.all(peak > 0.98)
        for lag in (day - day // 8, day + day // 8):
            assert np.all(correlation(lag) < peak)


def test_profile_has_zero_mean_and_rms_one():
    coefficients = jnp.array([[1.0, -0.4, 0.3, 0.1], [0.5, 0.2, -0.3, 0.2]])
    profile = jax.jit(traffic.daily_profile)(coefficients, jnp.arange(144) / 144 + 3)
    np.testing.assert_allclose(np.mean(profile), 0.0, atol=1e-5)
    np.testing.assert_allclose(np.mean(profile**2), 1.0, rtol=1e-4)


def test_weekend_is_two_days_of_seven():
    week = np.asarray(traffic.weekend(jnp.arange(-3.5, 3.5, 0.05)))
    np.testing.assert_allclose(week.mean(), 2 / 7, atol=0.03)
    np.testing.assert_allclose(week[70], 0.92, atol=0.02)
    assert week[0] < 0.01


def test_noise_has_its_std_and_memory_at_any_step():
    config = replace(
        PLAIN,
        num_times=512,
        noise_probability=1.0,
        noise_log_std=(0.3, 0.3001),
        noise_memory_h=(2.0, 2.0001),
        time_steps_s=(600.0, 3600.0),
    )
    series = generate(jax.random.key(3), config, 1000)
    for step_s in config.time_steps_s:
        chosen = np.asarray(series.time_step_s) == step_s
        noise = np.log(np.asarray(series.traffic)[chosen])
        # The mean over a step has a little less variance than the process itself.
        lag = step_s / 7200
        wanted = 0.3**2 * 2 * (lag - 1 + np.exp(-lag)) / lag**2
        np.testing.assert_allclose(np.var(noise), wanted, rtol=0.05)
        steps = round(7200 / step_s)
        correlation = np.mean(noise[:, steps:] * noise[:, :-steps])
        expected = 0.3**2 * np.exp(-1.0) * (2 * np.cosh(lag) - 2) / lag**2
        np.testing.assert_allclose(correlation, expected, atol=0.006)


@pytest.mark.parametrize("step_s", [60.0, 1800.0])
def test_bursts_have_their_mean_at_any_step(step_s):
    uniforms = jax.random.uniform(jax.random.key(5), (20_000, 3))
    values = jax.jit(traffic.bursts)(
        uniforms, jnp.array(step_s), jnp.array(1 / 10_000), jnp.array(900.0)
    )
    assert np.all(np.asarray(values) >= 0)
    tolerance = 0.15 if step_s < 900 else 0.05
    np.testing.assert_allclose(np.mean(values), 0.09, rtol=tolerance)


def test_level_shifts_hold_until_the_next():
    starts = jnp.array([0.5, 0.5, 0.01, 0.5, 0.01])
    got = traffic.level_shifts(starts, jnp.arange(5.0), jnp.array(0.1))
    np.testing.assert_array_equal(got, [0, 0, 2, 2, 4])


def test_idle_series_have_the_zeros_and_counting_noise_they_state():
    config = replace(
        PLAIN,
        counts_per_hour=(900.0, 900.1),
        idle_probability=1.0,
        active_share=(0.3, 0.3),
        idle_memory_h=(1.0, 1.0),
        time_steps_s=(3600.0,),
    )
    values = np.asarray(generate(jax.random.key(6), config, 1000).traffic)
    np.testing.assert_allclose(np.mean(values == 0), 0.7, atol=0.02)
    active = values[values > 0]
    np.testing.assert_allclose(active.mean(), 1.0, rtol=0.01)
    np.testing.assert_allclose(active.std(), 1 / 30, rtol=0.03)
