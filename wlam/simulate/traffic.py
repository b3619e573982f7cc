"""Traffic of cells: random compositions of seasons, trends, noise, bursts and zeros.

Every rate, period and memory is in physical time and never in samples, and what varies
within a sampling interval is averaged over it, so that one cell sampled every minute
and every day has consistent statistics.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from wlam.phy.noise import RandomBlock
from wlam.simulate import traffic_parts as parts
from wlam.types import Traffic

HOUR_S = 3600.0
DAY_S = 86_400.0
WEEK_DAYS = 7.0
# Strengths of the random harmonics of a season, but the second of two-peak days.
HARMONICS = (1.0, 0.4, 0.25, 0.15, 0.1, 0.06)

# How fields of TrafficConfig are drawn: the first from a list, the next uniformly, all
# other ranges log-uniformly; and these are 0 in the series without that part.
LISTS = ("time_steps_s", "gap_fillings")
UNIFORM = (
    *("two_peak_strength", "trend_per_day", "active_share", "night_threshold"),
    *("inflated_share", "gap_share"),
)
PART_OF = {
    "daily_log_std": "daily",
    "two_peak_strength": "two_peak",
    "short_log_std": "short",
    "long_log_std": "long",
    "trend_per_day": "trend",
    "shift_log_std": "shift",
    "noise_log_std": "noise",
    "oscillation_cycles": "oscillation",
    "heavy_scale": "heavy",
    "burst_size": "burst",
    "inflated_share": "inflation",
    "gap_share": "gap",
}


@dataclass(frozen=True)
class TrafficConfig:
    """Components of a series, which draws its own value of every range (lo, hi).

    A `_probability` is the share of series that have the component at all. A `_log_std`
    is a standard deviation of the logarithm; in the additive form, of the load itself
    over its typical level.
    """

    num_times: int = 512  # samples in a series
    time_steps_s: tuple[float, ...] = (  # sampling intervals, one for a series
        *(60.0, 300.0, 600.0, 900.0, 1800.0),
        *(3600.0, 7200.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0),
    )
    scale: tuple[float, float] = (1e-2, 1e6)  # typical level, log-uniform
    additive_probability: float = 0.3  # parts are summed up, not multiplied
    daily_probability: float = 0.9  # a season of one day
    daily_log_std: tuple[float, float] = (0.03, 1.2)  # its rms
    two_peak_probability: float = 0.4  # share of daily seasons with two busy hours
    two_peak_strength: tuple[float, float] = (0.3, 1.5)  # of the second harmonic
    weekly_probability: float = 0.6  # weekends differ
    weekend_factor: tuple[float, float] = (0.3, 1.3)  # weekend over weekday level
    short_probability: float = 0.25  # a season of hours
    short_period_h: tuple[float, float] = (0.5, 16.0)  # its period
    short_log_std: tuple[float, float] = (0.03, 0.6)  # its rms
    scheduled_probability: float = 0.6  # share of these whose period divides the day
    long_probability: float = 0.2  # a season of weeks, months or a year
    long_period_days: tuple[float, float] = (10.0, 400.0)  # its period
    long_log_std: tuple[float, float] = (0.03, 0.6)  # its rms
    trend_probability: float = 0.3  # growth or decline
    trend_per_day: tuple[float, float] = (-0.03, 0.03)  # its rate
    trend_limit: float = 2.0  # of the logarithm, over the series
    shift_probability: float = 0.15  # the level changes abruptly now and then
    shifts_per_day: tuple[float, float] = (0.005, 0.5)  # how often
    shift_log_std: tuple[float, float] = (0.05, 0.8)  # spread of the levels
    noise_probability: float = 0.95  # Gaussian noise with memory
    noise_log_std: tuple[float, float] = (0.03, 0.6)  # its standard deviation
    noise_memory_h: tuple[float, float] = (0.1, 100.0)  # its memory
    oscillation_probability: float = 0.25  # share of the noises that oscillate
    oscillation_cycles: tuple[float, float] = (0.2, 3.0)  # periods in a memory
    heavy_probability: float = 0.2  # heavy-tailed noise without memory
    heavy_scale: tuple[float, float] = (0.01, 0.2)  # in hourly means, over the level
    heavy_dof: tuple[float, float] = (2.0, 10.0)  # degrees of freedom of its t law
    burst_probability: float = 0.4  # bursts that start at random and decay
    bursts_per_day: tuple[float, float] = (0.1, 8.0)  # Poisson rate
    burst_size: tuple[float, float] = (0.1, 5.0)  # mean height over typical level
    burst_decay_h: tuple[float, float] = (0.05, 6.0)  # time in which one falls to 1/e
    pareto_probability: float = 0.3  # share of the bursts with heavy-tailed heights
    pareto_index: tuple[float, float] = (1.3, 4.0)  # their tail index
    counts_per_hour: tuple[float, float] = (50.0, 1e6)  # events behind typical level
    idle_probability: float = 0.15  # intermittent: idle at random times
    active_share: tuple[float, float] = (0.1, 0.9)  # share of time it is not idle
    idle_memory_h: tuple[float, float] = (0.3, 12.0)  # memory of being idle
    night_probability: float = 0.1  # nothing while the daily season is low
    night_threshold: tuple[float, float] = (-1.2, 0.6)  # how low, in units of its rms
    inflation_probability: float = 0.1  # zero inflation: single samples are 0
    inflated_share: tuple[float, float] = (0.02, 0.5)  # how many
    gap_probability: float = 0.15  # stretches are missing
    gap_share: tuple[float, float] = (0.01, 0.3)  # share of time
    gap_memory_h: tuple[float, float] = (0.5, 72.0)  # memory of being missing
    # What gaps are filled with, one of these for a series: zero, last or linear.
    gap_fillings: tuple[str, ...] = parts.FILLINGS

    def __post_init__(self) -> None:
        for name, (low, high) in self.ranges().items():
            if low > high or (low <= 0 and name not in UNIFORM):
                needed = "lo <= hi" if name in UNIFORM else "0 < lo <= hi"
                raise ValueError(f"{name}: found {(low, high)}; needed {needed}")
        if self.num_times < 1 or not all(step > 0 for step in self.time_steps_s):
            raise ValueError(
                f"num_times, time_steps_s: found {self.num_times}, "
                f"{self.time_steps_s}; needed at least 1 and only positive intervals"
            )
        if not self.gap_fillings or set(self.gap_fillings) - set(parts.FILLINGS):
            raise ValueError(
                f"gap_fillings: found {self.gap_fillings}; needed one or more of "
                + ", ".join(parts.FILLINGS)
            )

    def ranges(self) -> dict[str, tuple[float, float]]:
        """The fields that are ranges (lo, hi)."""
        return {
            name: value
            for name, value in vars(self).items()
            if isinstance(value, tuple) and name not in LISTS
        }


def draw_parameters(
    uniforms: Float[Array, "count"], config: TrafficConfig
) -> dict[str, Float[Array, ""]]:
    """Parameters of one series, by the names of the config.

    A range gives a number in it, and 0 without the part that it belongs to; every other
    `_probability` gives 1 or 0, under its name without that; a list gives an index.

    All are drawn at once: separate draws compile longer than everything else.

    Args:
      uniforms: in (0, 1], at least two for each field.
      config: ranges, probabilities and lists.
    """
    ranges = {}  # lo, hi, whether log-uniform, probability
    for name, (low, high) in config.ranges().items():
        part = PART_OF.get(name)
        probability = getattr(config, f"{part}_probability") if part else 1.0
        if name in UNIFORM:
            ranges[name] = (low, high, 0.0, probability)
        else:
            ranges[name] = (np.log(low), np.log(high), 1.0, probability)
    for name, value in vars(config).items():
        part = name.removesuffix("_probability")
        if name in LISTS:
            ranges[name] = (0.0, len(value), 0.0, 1.0)
        elif part != name and part not in PART_OF.values():
            ranges[part] = (1.0, 1.0, 0.0, value)
    low, high, is_log, probability = np.array(list(ranges.values()), np.float32).T
    drawn = low + (high - low) * uniforms[: len(ranges)]
    drawn = jnp.where(is_log > 0, jnp.exp(drawn), drawn)
    drawn *= uniforms[len(ranges) : 2 * len(ranges)] <= probability
    return dict(zip(ranges, drawn, strict=True))


def choice(values: tuple[float, ...], position: Float[Array, ""]) -> Float[Array, ""]:
    """The value of a list at a drawn position in (0, length]."""
    index = jnp.ceil(position).astype(jnp.int32) - 1
    return jnp.array(values, jnp.float32)[jnp.clip(index, 0, len(values) - 1)]


class Seasons(NamedTuple):
    """The periodic part of a typical load, averaged over each sampling interval."""

    total: Float[Array, "time"]
    lost: Float[Array, ""]  # variance that the averaging removes
    daily: Float[Array, "time"]  # the daily season, of rms 1 before the averaging
    daily_lost: Float[Array, ""]  # of that 1
    labels: dict[str, Array]


def random_seasons(
    drawn: dict[str, Float[Array, ""]],
    normals: Float[Array, "2 3 harmonic"],
    time_days: Float[Array, "time"],
    step_days: Float[Array, ""],
) -> Seasons:
    """Daily, weekly, short and long season of one series.

    Args:
      drawn: from `draw_parameters`. In the additive form, seasons are shares of the
        load, and in the multiplicative one logarithms.
      normals: standard normal numbers for all seasons but the weekly.
      time_days: middle of every sampling interval; 0 is the middle of a weekend.
      step_days: sampling interval.
    """
    strength = jnp.array([HARMONICS] * 3).at[0, 1].add(drawn["two_peak_strength"])
    random = strength * jax.lax.complex(normals[0], normals[1])
    random /= jnp.sqrt(jnp.sum(jnp.abs(random) ** 2, axis=1, keepdims=True) / 2)
    week = parts.weekend_coefficients(len(HARMONICS))[None]
    whole = jnp.concatenate([random[:1], week, random[1:]])

    factor = drawn["weekend_factor"]
    weekly = jnp.where(drawn["additive"] > 0, factor - 1, jnp.log(factor))
    weekly *= drawn["weekly"]
    short_days = drawn["short_period_h"] * (HOUR_S / DAY_S)
    fraction = 1 / jnp.maximum(jnp.round(1 / short_days), 1.0)
    short_days = jnp.where(drawn["scheduled"] > 0, fraction, short_days)
    period_days = jnp.stack(
        [jnp.ones(()), jnp.array(WEEK_DAYS), short_days, drawn["long_period_days"]]
    )
    amplitude = jnp.stack(
        [drawn["daily_log_std"], weekly, drawn["short_log_std"], drawn["long_log_std"]]
    )

    kept = parts.averaged(whole, step_days / period_days)
    seasons = parts.fourier_series(kept, time_days[None] / period_days[:, None])
    lost = jnp.sum(jnp.abs(whole) ** 2 - jnp.abs(kept) ** 2, axis=1) / 2
    total = jnp.sum(amplitude[:, None] * seasons, axis=0) + weekly * 2 / WEEK_DAYS
    labels = {
        "weekend_factor": jnp.where(drawn["weekly"] > 0, factor, 1.0),
        "short_period_s": short_days * DAY_S,
        "long_period_s": drawn["long_period_days"] * DAY_S,
    }
    return Seasons(total, jnp.sum(amplitude**2 * lost), seasons[0], lost[0], labels)


def random_series(
    key: PRNGKeyArray, config: TrafficConfig
) -> tuple[Float[Array, "time"], dict[str, Array]]:
    """One series and its labels; `generate` states the model."""
    num_times, num_fields = config.num_times, len(vars(config))
    scalars = 2 * num_fields + 12 * len(HARMONICS) + 5
    block = RandomBlock(key, scalars + 17 * num_times)
    drawn = draw_parameters(block.uniform((2 * num_fields,)), config)
    step_s = choice(config.time_steps_s, drawn["time_steps_s"])
    step_days = step_s / DAY_S
    start_days = WEEK_DAYS * block.uniform()
    time_days = start_days + (jnp.arange(num_times) + 0.5) * step_days

    # Typical load.
    normals = block.normal((2, 3, len(HARMONICS)))
    seasons = random_seasons(drawn, normals, time_days, step_days)
    most = config.trend_limit / (num_times * step_days)
    trend = jnp.clip(drawn["trend_per_day"], -most, most)
    shift, activity, reports = random_renewals(drawn, block, step_s, num_times)
    noise_std = drawn["noise_log_std"]
    lag = step_s / (HOUR_S * drawn["noise_memory_h"])
    noise, noise_kept = parts.noise_with_memory(
        block.normal((2,)),
        block.normal((3, num_times)),
        lag,
        lag * drawn["oscillation_cycles"],
    )
    course = seasons.total + trend * (time_days - time_days[num_times // 2])
    # A uniform number spreads by 1 / sqrt(12).
    course += drawn["shift_log_std"] * jnp.sqrt(12.0) * (shift - 0.5)
    course += noise_std * noise
    # The mean of logarithms lies below the logarithm of the mean, for Gaussian noise by
    # half of the variance that the averaging removes.
    lost = seasons.lost + noise_std**2 * (1 - noise_kept)
    multiplied, added = jnp.exp(course + lost / 2), jnp.maximum(1 + course, 0.0)
    level = jnp.where(drawn["additive"] > 0, added, multiplied)

    level = with_events(level, drawn, block, seasons, activity, step_s)

    # Empty or missing reports; the first one is there.
    level *= block.uniform((num_times,)) > drawn["inflated_share"]
    is_missing = (reports <= drawn["gap_share"]) & (jnp.arange(num_times) > 0)
    fillings = tuple(float(parts.FILLINGS.index(name)) for name in config.gap_fillings)
    filling = choice(fillings, drawn["gap_fillings"])
    traffic = drawn["scale"] * parts.fill_gaps(level, is_missing, filling)
    labels = {
        **labels_of(drawn),
        "time_step_s": step_s,
        "start_s": start_days * DAY_S,
        **seasons.labels,
        "trend_per_day": trend,
        "zero_share": jnp.mean(traffic == 0),
        "gap_share": jnp.mean(is_missing),
    }
    return traffic, labels


def random_renewals(
    drawn: dict[str, Float[Array, ""]],
    block: RandomBlock,
    step_s: Float[Array, ""],
    num_times: int,
) -> Float[Array, "3 time"]:
    """Processes of level shifts, idle states and gaps, uniform in (0, 1]."""
    memory_h = jnp.stack(
        [
            DAY_S / HOUR_S / drawn["shifts_per_day"],
            drawn["idle_memory_h"],
            drawn["gap_memory_h"],
        ]
    )
    chance = -jnp.expm1(-step_s / (HOUR_S * memory_h))
    return parts.renewals(block.uniform((3, num_times)), chance)


def with_events(
    level: Float[Array, "time"],
    drawn: dict[str, Float[Array, ""]],
    block: RandomBlock,
    seasons: Seasons,
    activity: Float[Array, "time"],
    step_s: Float[Array, ""],
) -> Float[Array, "time"]:
    """A typical load with bursts, idle times and white noise.

    Args:
      level: over the typical level.
      drawn: from `draw_parameters`.
      block: random numbers.
      seasons: of the series.
      activity: uniform process of idle states.
      step_s: sampling interval.
    """
    num_times = len(level)
    level += drawn["burst_size"] * parts.bursts(
        block.uniform((3, num_times)),
        step_s,
        drawn["bursts_per_day"] / DAY_S,
        HOUR_S * drawn["burst_decay_h"],
        drawn["pareto"] / drawn["pareto_index"],
    )
    # Without idle times the load is active all the time.
    level *= activity > idle_share(drawn)
    # The edge of the night is 0.3 wide, and as blurred as the averaged season.
    edge = 0.3 + 3 * jnp.sqrt(jnp.maximum(seasons.daily_lost, 0.0))
    awake = 0.5 + (seasons.daily - drawn["night_threshold"]) / edge
    level *= 1 - drawn["night"] * (1 - jnp.clip(awake, 0.0, 1.0))

    counts = drawn["counts_per_hour"] * step_s / HOUR_S
    counting = jnp.sqrt(level / counts) * block.normal((num_times,))
    heavy = parts.student_t(block.uniform((2, num_times)), drawn["heavy_dof"])
    heavy *= drawn["heavy_scale"] * jnp.sqrt(HOUR_S / step_s)
    return jnp.maximum(level + level * heavy + counting, 0.0)


def idle_share(drawn: dict[str, Float[Array, ""]]) -> Float[Array, ""]:
    """Share of time that a series is idle at random; 0 where it has no idle times."""
    return drawn["idle"] * (1 - drawn["active_share"])


def labels_of(drawn: dict[str, Float[Array, ""]]) -> dict[str, Float[Array, ""]]:
    """Labels that are parameters of `draw_parameters`."""
    same = (
        *("daily_log_std", "short_log_std", "long_log_std", "shift_log_std"),
        *("noise_log_std", "oscillation_cycles", "burst_size", "heavy_scale"),
        "inflated_share",
    )
    return {name: drawn[name] for name in same} | {
        "is_additive": drawn["additive"],
        "noise_memory_s": HOUR_S * drawn["noise_memory_h"],
        "active_share": 1 - idle_share(drawn),
        "has_night": drawn["night"],
    }


def generate(key: PRNGKeyArray, config: TrafficConfig, samples: int) -> Traffic:
    """Random series of the load of a cell, each from a random subset of components.

    These make up the typical load, averaged over each sampling interval:

    - daily season: a Fourier series of six random harmonics, hence a random busy hour,
      and often two of them: people's day;
    - weekly season: two days of seven differ, with soft edges: offices or leisure;
    - short season: a random period of hours, often a fraction of the day: shifts,
      timetables, scheduled jobs;
    - long season: a random period of weeks to a year: billing months, holidays;
    - trend: steady growth or decline: users come or leave;
    - level shifts: a new level from a random time on: cells are built or reconfigured;
    - noise: Gaussian with exponential memory (autoregressive of order 1), or a damped
      oscillation (order 2): activity of the crowd, with and without overshoot.

    Its logarithm is their sum in the multiplicative form, where all of them scale with
    the load, as under a changing number of users. In the additive form it is 1 plus
    their sum, cut off at 0: independent groups of users. Then come

    - bursts, added: random starts, exponential decay, exponential or Pareto heights:
      events, large downloads, flash crowds;
    - idle times: the load is multiplied by an on-off process (intermittent use) and by
      0 while the daily season is low (night): rural cells, offices, energy saving;
    - counting noise: variance proportional to the load, as of a Poisson number of
      sessions in the interval (Gaussian, cut off at 0);
    - heavy-tailed noise: Student's t times the load, independent between samples and
      cut off at 0: outliers of a few large users and of the measurement;
    - zero inflation: single samples are 0 at any load: empty reports;
    - gaps: stretches without reports, filled with zeros, the last value or a line, as
      operators do;
    - scale: log-uniform over many decades, as units differ between operators.

    Level shifts, idle states and gaps are taken at the sampling times; empty reports
    belong to samples. White noises fall with the square root of the interval. What is
    averaged in the logarithm is corrected so that the mean load stays (exact for the
    Gaussian noise, to second order for seasons).
    Pure: same key, same bits; jit with `config` and `samples` static.

    Args:
      key: PRNG key.
      config: ranges and probabilities.
      samples: number of series.

    Returns:
      Traffic [series, time], >= 0, in units of the random scale; it can be zero
      throughout where a series stays idle. Labels [series]: `time_step_s`; `start_s`,
      start of the first interval, time 0 being midnight in the middle of the weekend;
      `zero_share` and `gap_share`, of the samples; and what was drawn for the series,
      named as in `TrafficConfig`: 0 where it has no such part, 1 as `weekend_factor`
      and `active_share`.
    """
    keys = jax.random.split(key, samples)
    traffic, labels = jax.vmap(lambda key: random_series(key, config))(keys)
    return Traffic(traffic, labels["time_step_s"], labels)
