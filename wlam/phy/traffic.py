"""Traffic of cells: random seasons, noise with memory, bursts and idle times.

Every rate and memory is per second, hour or day and never per sample, and noise is
averaged over the sampling interval, so that one cell looked at every 10 minutes and
every hour has consistent statistics.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from wlam.data.tensors import Traffic
from wlam.phy.mobility import Draws, gauss_markov, interval_mean, two_state

HOUR_S = 3600.0
DAY_S = 86_400.0


@dataclass(frozen=True)
class TrafficConfig:
    """What a series may be made of; it draws its own value of every range (lo, hi).

    A `_probability` is the share of series that have the component at all.
    """

    num_times: int = 512  # samples in a series
    time_steps_s: tuple[float, ...] = (600.0, 1800.0, 3600.0)  # one per series
    scale: tuple[float, float] = (1e-2, 1e6)  # typical level, log-uniform
    daily_probability: float = 0.9  # a season of one day
    daily_log_std: tuple[float, float] = (0.03, 1.2)  # rms of its logarithm
    two_peak_probability: float = 0.4  # share of daily seasons with two busy hours
    weekly_probability: float = 0.6  # weekends differ
    weekend_factor: tuple[float, float] = (0.3, 1.3)  # weekend over weekday level
    trend_probability: float = 0.3  # exponential growth or decline
    trend_per_day: tuple[float, float] = (-0.03, 0.03)  # its rate
    shift_probability: float = 0.15  # the level changes abruptly now and then
    shifts_per_day: tuple[float, float] = (0.03, 0.5)  # how often
    shift_log_std: tuple[float, float] = (0.05, 0.8)  # spread of the log of the levels
    noise_probability: float = 0.95  # multiplicative lognormal noise with memory
    noise_log_std: tuple[float, float] = (0.03, 0.6)  # std of its logarithm
    noise_memory_h: tuple[float, float] = (0.1, 24.0)  # memory of its logarithm
    burst_probability: float = 0.4  # bursts that start at random and decay
    bursts_per_day: tuple[float, float] = (0.1, 8.0)  # Poisson rate
    burst_size: tuple[float, float] = (0.1, 5.0)  # mean height over typical level
    burst_decay_h: tuple[float, float] = (0.05, 2.0)  # time in which one falls to 1/e
    counts_per_hour: tuple[float, float] = (50.0, 1e6)  # events behind typical level
    idle_probability: float = 0.15  # intermittent: idle at random times
    active_share: tuple[float, float] = (0.1, 0.9)  # share of time it is not idle
    idle_memory_h: tuple[float, float] = (0.3, 12.0)  # memory of being idle
    night_probability: float = 0.1  # nothing while the daily season is low
    night_threshold: tuple[float, float] = (-1.2, 0.6)  # how low, in units of its rms


def daily_profile(
    coefficients: Float[Array, "2 harmonic"], time_days: Float[Array, "time"]
) -> Float[Array, "time"]:
    """Fourier series of period one day, zero mean, rms 1.

    Args:
      coefficients: of cosine and sine of each harmonic, in any scale.
      time_days: when, in days.
    """
    coefficients = coefficients * jnp.sqrt(2 / jnp.sum(coefficients**2))
    angle = 2 * jnp.pi * (time_days % 1.0)
    turn = jax.lax.complex(jnp.cos(angle), jnp.sin(angle))
    series = jnp.zeros_like(turn)
    for cosine, sine in coefficients.T[::-1]:  # Horner's scheme in exp(j angle)
        series = turn * (series + jax.lax.complex(cosine, -sine))
    return series.real


def weekend(time_days: Float[Array, "time"]) -> Float[Array, "time"]:
    """1 on the two days of seven about time 0 and 0 on the others, with soft edges."""
    edge = jnp.cos(2 * jnp.pi / 7)
    return jax.nn.sigmoid((jnp.cos(2 * jnp.pi / 7 * time_days) - edge) / 0.15)


def bursts(
    uniforms: Float[Array, "time 3"],
    time_step_s: Float[Array, ""],
    rate: Float[Array, ""],
    decay_s: Float[Array, ""],
) -> Float[Array, "time"]:
    """Shot noise, averaged over each step: Poisson starts, exponential decay and size.

    Stationary mean: rate times decay_s. Bursts of the same step share start and size;
    of more than three in a step, three count.

    Args:
      uniforms: in [0, 1): number, start within the step and size of the new bursts.
      time_step_s: step.
      rate: bursts per second, of mean height 1.
      decay_s: time in which a burst falls to 1/e.
    """
    expected = rate * time_step_s
    none = jnp.exp(-expected)
    one, two = none * expected, none * expected**2 / 2
    below = jnp.stack([none, none + one, none + one + two])
    number = jnp.sum(uniforms[:, :1] >= below[None], axis=-1)
    # 1 - u > 0 keeps the logarithm finite.
    height = -number * jnp.log(1 - uniforms[:, 2])
    left = (1 - uniforms[:, 1]) * time_step_s / decay_s
    new = height * jnp.exp(-left)
    new_mean = -height * jnp.expm1(-left) * decay_s / time_step_s
    decay = jnp.exp(-time_step_s / decay_s)
    old_mean = -jnp.expm1(-time_step_s / decay_s) * decay_s / time_step_s

    def step(state, new):
        return decay * state + new, state

    # What bursts before the first step left: its mean.
    before = jax.lax.scan(step, rate * decay_s, new)[1]
    return old_mean * before + new_mean


def level_shifts(
    starts: Float[Array, "time"],
    levels: Float[Array, "time"],
    probability: Float[Array, ""],
) -> Float[Array, "time"]:
    """Steps between levels: from each new start on, the level drawn there.

    Args:
      starts: uniform in [0, 1); below `probability` a new level starts.
      levels: candidates, of which the starts pick.
      probability: of a new level in a step.
    """
    start = jnp.where(starts < probability, jnp.arange(len(starts)), 0)
    return levels[jax.lax.cummax(start)]


def random_series(
    key: PRNGKeyArray, config: TrafficConfig
) -> tuple[Float[Array, "time"], dict[str, Array]]:
    """One series and its labels; `generate` states the model."""
    num_times = config.num_times
    keys = jax.random.split(key, 7)
    draws = Draws(keys[0], 27)
    step_s = draws.choice(config.time_steps_s)
    start_days = draws.uniform((0.0, 7.0))
    # The middle of every sampling interval.
    time_days = start_days + (jnp.arange(num_times) + 0.5) * (step_s / DAY_S)

    # Harmonics fall off, except for the second one of days with two busy hours.
    strength = jnp.array([1.0, 0.4, 0.25, 0.15])
    two_peaks = draws.bernoulli(config.two_peak_probability)
    strength = strength.at[1].add(two_peaks * draws.uniform((0.3, 1.5)))
    season = daily_profile(
        strength[None] * jax.random.normal(keys[1], (2, 4)), time_days
    )
    daily_std = draws.bernoulli(config.daily_probability)
    daily_std *= draws.log_uniform(config.daily_log_std)
    weekly = draws.bernoulli(config.weekly_probability)
    weekly *= jnp.log(draws.log_uniform(config.weekend_factor))
    trend = draws.bernoulli(config.trend_probability)
    trend *= draws.uniform(config.trend_per_day)

    normals = jax.random.normal(keys[2], (num_times, 2))
    uniforms = jax.random.uniform(keys[3], (num_times, 4))
    shift_std = draws.bernoulli(config.shift_probability)
    shift_std *= draws.log_uniform(config.shift_log_std)
    shifts_per_step = draws.log_uniform(config.shifts_per_day) * step_s / DAY_S
    shift = level_shifts(uniforms[:, 0], normals[:, 0], -jnp.expm1(-shifts_per_step))

    noise_std = draws.bernoulli(config.noise_probability)
    noise_std *= draws.log_uniform(config.noise_log_std)
    noise_memory_h = draws.log_uniform(config.noise_memory_h)
    lag = jnp.full(num_times + 1, step_s / (HOUR_S * noise_memory_h))
    noise = interval_mean(keys[4], gauss_markov(keys[5], lag), lag)

    level = daily_std * season + weekly * weekend(time_days)
    level += trend * (time_days - time_days[num_times // 2])
    level = jnp.exp(level + shift_std * shift + noise_std * noise)

    size = draws.bernoulli(config.burst_probability)
    size *= draws.log_uniform(config.burst_size)
    rate = draws.log_uniform(config.bursts_per_day) / DAY_S
    decay_s = HOUR_S * draws.log_uniform(config.burst_decay_h)
    level += size * bursts(uniforms[:, 1:], step_s, rate, decay_s)

    # Not intermittent is the same as active all the time.
    idle = draws.bernoulli(config.idle_probability)
    active_share = 1 - idle * (1 - draws.uniform(config.active_share))
    idle_lag = step_s / (HOUR_S * draws.log_uniform(config.idle_memory_h))
    level *= two_state(keys[6], jnp.full(num_times, idle_lag), active_share)
    night = draws.bernoulli(config.night_probability)
    awake = (season - draws.uniform(config.night_threshold)) / 0.3
    level *= 1 - night * (1 - jnp.clip(awake, 0.0, 1.0))

    counts = draws.log_uniform(config.counts_per_hour) * step_s / HOUR_S
    level = jnp.maximum(level + jnp.sqrt(level / counts) * normals[:, 1], 0.0)
    labels = {
        "time_step_s": step_s,
        "start_s": start_days * DAY_S,
        "daily_log_std": daily_std,
        "weekend_factor": jnp.exp(weekly),
        "noise_log_std": noise_std,
        "noise_memory_s": HOUR_S * noise_memory_h,
        "zero_share": jnp.mean(level == 0),
    }
    return draws.log_uniform(config.scale) * level, labels


def generate(key: PRNGKeyArray, config: TrafficConfig, num_series: int) -> Traffic:
    """Random series of the load of a cell, each from a random subset of components.

    - daily season: the logarithm is a Fourier series of four random harmonics, hence a
      random busy hour, and often two of them: people's day. Period 86,400 s, any step;
    - weekly season: a factor on two days of seven, with soft edges: offices or leisure;
    - trend: exponential growth or decline: users come or leave;
    - level shifts: a new level from a random time on: cells are built or reconfigured;
    - lognormal noise with exponential memory: activity of the crowd;
    - bursts: random starts, exponential height and decay: events and large downloads;
    - idle times: on-off process (intermittent use) and nothing at all while the daily
      season is low (night): rural cells, office cells, energy saving;
    - counting noise: variance proportional to the level, as of a Poisson number of
      sessions in the interval (Gaussian, cut off at 0);
    - scale: log-uniform over many decades, as units differ between operators.

    The first five multiply, bursts add, idle times multiply the sum. Seasons, shifts
    and idle states are taken at the middle of the interval, the rest is its mean.
    Pure: same key, same bits; jit with `config` and `num_series` static.

    Args:
      key: PRNG key.
      config: ranges and probabilities.
      num_series: series.

    Returns:
      Traffic [series, time], >= 0, in units of the random scale; it can be zero
      throughout where a series stays idle. Labels [series]: `time_step_s`, `start_s`
      (start of the first interval, time 0 being midnight in the middle of the weekend),
      `daily_log_std`, `weekend_factor`, `noise_log_std`, `noise_memory_s`,
      `zero_share` (of the samples).
    """
    keys = jax.random.split(key, num_series)
    traffic, labels = jax.vmap(lambda key: random_series(key, config))(keys)
    return Traffic(traffic, labels["time_step_s"], labels)
