"""Series are nonnegative and finite, and have the parts in their labels."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from wlam.simulate import traffic

# Unoptimised code compiles three times as fast and runs long enough not to matter.
generate = jax.jit(
    traffic.generate,
    static_argnums=(1, 2),
    compiler_options={"xla_backend_optimization_level": 0},
)
CONFIG = traffic.TrafficConfig(num_times=96)
PARTS = [name for name in vars(CONFIG) if name.endswith("_probability")]
PLAIN = replace(
    CONFIG, **dict.fromkeys(PARTS, 0.0), scale=(1.0, 1.0), counts_per_hour=(1e8, 1e8)
)


@pytest.fixture(scope="module")
def any_series():
    return generate(jax.random.key(0), CONFIG, 2000)


def test_any_series_is_nonnegative_finite_and_reproducible(any_series):
    values = np.asarray(any_series.traffic)
    assert values.shape == (2000, 96)
    assert np.all(np.isfinite(values))
    assert np.all(values >= 0)
    assert np.array_equal(values, generate(jax.random.key(0), CONFIG, 2000).traffic)
    # Most have something to forecast; series that stay idle, or missing, do not.
    assert np.mean(np.ptp(values, axis=1) > 0) > 0.95


def test_every_interval_is_as_likely(any_series):
    steps, counts = np.unique(any_series.time_step_s, return_counts=True)
    assert set(steps) == set(CONFIG.time_steps_s)
    assert (steps.min(), steps.max()) == (60.0, 86_400.0)
    np.testing.assert_allclose(counts / 2000, 1 / len(steps), atol=0.025)


def test_parts_are_as_frequent_as_configured(any_series):
    labels = {name: np.asarray(label) for name, label in any_series.labels.items()}
    assert all(label.shape == (2000,) for label in labels.values())
    np.testing.assert_allclose(
        labels["zero_share"], np.mean(any_series.traffic == 0, axis=1), atol=1e-6
    )
    absent = {
        "additive": labels["is_additive"] == 0,
        "daily": labels["daily_log_std"] == 0,
        "weekly": labels["weekend_factor"] == 1,
        "short": labels["short_log_std"] == 0,
        "long": labels["long_log_std"] == 0,
        "trend": labels["trend_per_day"] == 0,
        "shift": labels["shift_log_std"] == 0,
        "noise": labels["noise_log_std"] == 0,
        "oscillation": labels["oscillation_cycles"] == 0,
        "heavy": labels["heavy_scale"] == 0,
        "burst": labels["burst_size"] == 0,
        "idle": labels["active_share"] == 1,
        "inflation": labels["inflated_share"] == 0,
    }
    for name, without in absent.items():
        wanted = 1 - getattr(CONFIG, f"{name}_probability")
        np.testing.assert_allclose(np.mean(without), wanted, atol=0.04, err_msg=name)
    # Not every short record of a series with gaps has one.
    assert 0.05 < np.mean(labels["gap_share"] > 0) < CONFIG.gap_probability + 0.03
    growth = labels["trend_per_day"] * 96 * labels["time_step_s"] / traffic.DAY_S
    assert np.max(abs(growth)) < CONFIG.trend_limit * 1.001
    # Scheduled seasons repeat every day.
    per_day = traffic.DAY_S / labels["short_period_s"]
    whole = np.mean(abs(per_day - np.round(per_day)) < 1e-4)
    np.testing.assert_allclose(whole, CONFIG.scheduled_probability, atol=0.04)


@pytest.fixture(scope="module")
def seasonal_series():
    """The part without randomness: seasons of days and weeks, and trends."""
    config = replace(
        PLAIN,
        num_times=216,
        time_steps_s=(3600.0, 10_800.0, 86_400.0),
        daily_probability=1.0,
        daily_log_std=(0.1, 0.1001),
        weekly_probability=0.5,
        weekend_factor=(0.7, 0.7001),
        short_probability=0.5,
        short_period_h=(3.4, 3.45),
        short_log_std=(0.1, 0.1001),
        scheduled_probability=1.0,
        long_probability=0.5,
        long_period_days=(7.0, 7.0001),
        long_log_std=(0.1, 0.1001),
        trend_probability=0.5,
        trend_limit=0.2,
        additive_probability=0.5,
        night_probability=0.3,
    )
    series = generate(jax.random.key(1), config, 3000)
    labels = {name: np.asarray(label) for name, label in series.labels.items()}
    return np.asarray(series.traffic), labels


@pytest.mark.parametrize("step_s", [3600.0, 10_800.0, 86_400.0])
@pytest.mark.parametrize("is_additive", [0, 1])
def test_seasons_repeat_and_trends_go_on(seasonal_series, step_s, is_additive):
    values, labels = seasonal_series
    chosen = (labels["time_step_s"] == step_s) & (labels["is_additive"] == is_additive)
    chosen &= labels["has_night"] == 0
    assert chosen.sum() > 100
    values, trend = values[chosen], labels["trend_per_day"][chosen]
    level = values if is_additive else np.log(values)
    week = round(7 * 86_400 / step_s)
    growth = level[:, week:] - level[:, :-week]
    np.testing.assert_allclose(
        growth, np.broadcast_to(7 * trend[:, None], growth.shape), atol=0.004
    )
    assert np.max(abs(trend)) > 1e-4

    # After a day, only where weeks have no influence.
    is_weekly = (labels["weekend_factor"] < 1)[chosen]
    is_long = labels["long_log_std"][chosen] > 0
    day = round(86_400 / step_s)
    change = abs(level[:, day:] - level[:, :-day] - trend[:, None]).max(1)
    assert np.all(change[~is_weekly & ~is_long] < 0.004)
    assert np.all(change[is_weekly | is_long] > 0.02)

    # The interval takes sinc of its width from the first harmonics, and more from the
    # others: all of a day from daily samples. The mean load stays.
    is_steady = ~is_weekly & ~is_long & (trend == 0)
    is_short = labels["short_log_std"][chosen] > 0
    kept = 0.1 * np.sinc(np.array([1, 7]) * step_s / 86_400)
    daily, both = (
        level[is_steady & ~is_short].std(1),
        level[is_steady & is_short].std(1),
    )
    assert min(len(daily), len(both)) > 5
    assert np.all(daily < 1.01 * kept[0] + 1e-3)
    if step_s < 4000:  # seven seasons a day are not aliased
        assert 0.95 * kept[0] < np.mean(daily)
        wanted = np.hypot(*kept)
        assert 0.9 * wanted < np.mean(both) < 1.01 * wanted
    mean = np.where(is_additive, 1, np.exp(0.1**2 / 2 * (1 + is_short[is_steady])))
    np.testing.assert_allclose(values[is_steady].mean(1), mean, rtol=0.004)
    if day == 1:
        week_long = level[is_long & ~is_weekly & (trend == 0)].std(1)
        assert np.all(week_long < 0.1 * np.sinc(1 / 7) * 1.01)
        assert np.mean(week_long) > 0.085


@pytest.mark.parametrize("is_additive", [0, 1])
def test_weekends_differ_by_their_factor(seasonal_series, is_additive):
    values, labels = seasonal_series
    chosen = (labels["time_step_s"] == 86_400) & (labels["is_additive"] == is_additive)
    chosen &= (labels["has_night"] == 0) & (labels["trend_per_day"] == 0)
    chosen &= labels["weekend_factor"] < 1
    np.testing.assert_allclose(labels["weekend_factor"][chosen], 0.7, atol=1e-3)
    days = labels["start_s"][chosen] / 86_400 + 0.5
    week = (days[:, None] + np.arange(216) + 3.5) % 7 - 3.5  # 0 within the weekend
    inside, outside = abs(week) < 0.3, abs(week) > 2
    weekend, workdays = (values[chosen][where].mean() for where in (inside, outside))
    np.testing.assert_allclose(weekend / workdays, 0.7, atol=0.05)


def test_nights_come_every_day_and_daily_samples_have_none(seasonal_series):
    values, labels = seasonal_series
    hourly = (labels["time_step_s"] == 3600) & (labels["has_night"] == 1)
    is_zero = values[hourly] == 0
    np.testing.assert_array_equal(is_zero[:, 24:], is_zero[:, :-24])
    nights = is_zero.mean(1)
    assert np.mean(nights > 0.05) > 0.8
    assert np.max(nights) < 0.9
    daily = (labels["time_step_s"] == 86_400) & (labels["has_night"] == 1)
    assert np.all(values[daily] > 0)


@pytest.fixture(scope="module")
def noisy_series():
    """All that is random within a series, of known size, under zeros of three kinds."""
    config = replace(
        PLAIN,
        num_times=160,
        time_steps_s=(600.0, 7200.0),
        noise_probability=1.0,
        noise_log_std=(0.5, 0.5001),
        noise_memory_h=(2.0, 2.0001),
        shift_probability=1.0,
        shift_log_std=(0.3, 0.3001),
        shifts_per_day=(5.0, 5.001),
        burst_probability=1.0,
        bursts_per_day=(20.0, 20.001),
        burst_size=(0.6, 0.6001),
        burst_decay_h=(0.5, 0.5001),
        heavy_probability=1.0,
        heavy_scale=(0.1, 0.1001),
        heavy_dof=(10.0, 10.001),
        counts_per_hour=(100.0, 100.01),
        idle_probability=1.0,
        active_share=(0.5, 0.5001),
        idle_memory_h=(1.0, 1.0001),
        inflation_probability=1.0,
        inflated_share=(0.2, 0.2001),
        gap_probability=1.0,
        gap_share=(0.1, 0.1001),
        gap_memory_h=(1.0, 1.0001),
        gap_fillings=("zero",),
    )
    return generate(jax.random.key(3), config, 2500)


@pytest.mark.slow
@pytest.mark.parametrize("step_s", [600.0, 7200.0])
def test_load_has_its_moments_at_any_step(noisy_series, step_s):
    chosen = np.asarray(noisy_series.time_step_s) == step_s
    values = np.asarray(noisy_series.traffic)[chosen]
    active = values[values > 0]

    def kept(memory_s):
        """Variance of the mean over an interval."""
        lag = step_s / memory_s
        return 2 * (lag - 1 + np.exp(-lag)) / lag**2

    # Lognormal noise, whose mean no averaging changes, times levels that are uniform in
    # their logarithm.
    half = np.sqrt(3) * 0.3
    level, level2 = np.sinh(half) / half, np.sinh(2 * half) / (2 * half)
    mean = np.exp(0.5**2 / 2) * level
    square = np.exp(0.5**2 * (1 + kept(7200))) * level2
    # Shot noise (Campbell's theorem) is added.
    overlap = 20 / 24 * 0.5
    variance = square - mean**2 + 0.6**2 * overlap * kept(1800)
    mean += 0.6 * overlap
    # Student's t has the variance dof / (dof - 2); counts are Poisson.
    hours = step_s / 3600
    heavy = (variance + mean**2) * 0.1**2 / hours * 10 / 8
    variance += heavy + mean / (100 * hours)
    np.testing.assert_allclose(active.mean(), mean, rtol=0.012)
    np.testing.assert_allclose(active.var(), variance, rtol=0.035)


def test_zeros_and_gaps_have_the_shares_they_state(noisy_series):
    labels = noisy_series.labels
    np.testing.assert_allclose(np.mean(labels["gap_share"]), 0.1, atol=0.01)
    present = 0.5 * (1 - 0.2) * (1 - 0.1)
    zeros = np.mean(noisy_series.traffic == 0)
    np.testing.assert_allclose(zeros, 1 - present, atol=0.015)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gap_fillings": ("cubic",)}, "gap_fillings: found"),
        ({"time_steps_s": (60.0, 0.0)}, "num_times, time_steps_s: found"),
        ({"burst_size": (0.0, 1.0)}, "burst_size: found"),
        ({"gap_share": (0.2, 0.1)}, "gap_share: found"),
    ],
)
def test_bad_configs_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **change)
