"""Moving users, and the memory processes that their surroundings share.

All processes are exact samples of continuous-time processes: what a time step does is
computed from its length in units of the memory, so that a track drawn every 20 ms and
one drawn every 2 s have the same statistics.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from wlam.simulate.tracks import mean_distance, street_track, waypoint_track
from wlam.types import Series

Scalar = Float[Array, ""] | float


@dataclass(frozen=True)
class MobilityConfig:
    """How users move past a base station at the origin; pairs are ranges (lo, hi)."""

    # "gauss_markov": speed and heading change smoothly at random; "straight": neither
    # changes; "waypoint": from one random place of an area to the next; "street": along
    # a grid of streets.
    kind: Literal["gauss_markov", "straight", "waypoint", "street"] = "gauss_markov"
    num_times: int = 64  # positions in a track
    time_steps_s: tuple[float, ...] = (0.1, 0.2, 0.5, 1.0)  # one drawn for a track
    speeds_kmh: tuple[float, float] = (3.0, 120.0)  # mean speed of a track
    # Its std over its mean; of the speeds between waypoints too.
    speed_variation: tuple[float, float] = (0.0, 0.25)
    speed_memory_s: tuple[float, float] = (2.0, 60.0)  # memory of the speed
    turn_rates_deg_s: tuple[float, float] = (0.0, 8.0)  # std of the turn rate
    turn_memory_s: tuple[float, float] = (1.0, 20.0)  # memory of the turn rate
    straight_share: float = 0.3  # share of time at constant speed and heading
    straight_memory_s: float = 10.0  # memory of being on such a straight piece
    distances_m: tuple[float, float] = (5.0, 200.0)  # of the middle of the track
    sector_deg: float = 120.0  # the middle lies within half of this off broadside
    course_spread_deg: float = 90.0  # largest angle between track and x axis
    # Waypoints: width along x and depth along y of their area, which begins at the
    # lowest of `distances_m` in front of the origin; mean pause at each.
    area_m: tuple[float, float] = (100.0, 100.0)
    pause_s: float = 5.0
    # Streets: distance of crossings, radius of a turn, probabilities of turning left
    # and right.
    block_m: float = 80.0
    corner_radius_m: float = 8.0
    turn_probabilities: tuple[float, float] = (0.25, 0.25)

    def __post_init__(self) -> None:
        if self.kind not in ("gauss_markov", "straight", "waypoint", "street"):
            raise ValueError(
                f"kind: found {self.kind!r}; needed gauss_markov, straight, waypoint "
                "or street"
            )
        if self.kind == "waypoint" and (min(self.area_m) <= 0 or self.pause_s < 0):
            raise ValueError(
                f"area_m, pause_s: found {self.area_m}, {self.pause_s}; needed more "
                "than 0, and 0 or more"
            )
        if self.kind == "waypoint" and not 0 <= self.speed_variation[1] < 3**-0.5:
            raise ValueError(
                f"speed_variation: found {self.speed_variation}; needed less than "
                "0.577 for waypoints, whose speeds are uniform and above 0"
            )
        if not 0 < 2 * self.corner_radius_m <= self.block_m:
            raise ValueError(
                f"corner_radius_m: found {self.corner_radius_m}; needed more than 0 "
                f"and at most half of block_m, {self.block_m}"
            )
        left, right = self.turn_probabilities
        if min(left, right) < 0 or left + right > 1:
            raise ValueError(
                f"turn_probabilities: found {self.turn_probabilities}; needed 0 or "
                "more, and at most 1 together"
            )


class Track(NamedTuple):
    """One user's way: metres and metres per second in the plane, origin at the BS."""

    position: Float[Array, "time 2"]
    velocity: Float[Array, "time 2"]
    time_step_s: Float[Array, ""]
    speed_kmh: Float[Array, ""]  # mean of the speed process


def gauss_markov(
    key: PRNGKeyArray, lag: Float[Array, "time *batch"]
) -> Float[Array, "time *batch"]:
    """Stationary Gaussian process of unit variance with exponential memory.

    The correlation of two samples is exp(-sum of the lags between them): the
    Ornstein-Uhlenbeck process, in the field the Gauss-Markov process of Liang and Haas
    (INFOCOM 1999) and, along distance, Gudmundson's shadowing (Electron. Lett. 1991).

    Args:
      key: PRNG key.
      lag: what passed since the sample before, in units of the memory: time step over
        memory in time, or distance over correlation distance. `lag[0]` has no effect.
    """
    decay = jnp.exp(-lag).at[0].set(0.0)
    gain = jnp.sqrt(-jnp.expm1(-2 * lag)).at[0].set(1.0)
    drive = gain * jax.random.normal(key, lag.shape)

    def step(state, inputs):
        decay, drive = inputs
        state = decay * state + drive
        return state, state

    return jax.lax.scan(step, jnp.zeros_like(lag[0]), (decay, drive))[1]


def interval_mean(
    key: PRNGKeyArray,
    process: Float[Array, "time *batch"],
    lag: Float[Array, "time *batch"],
) -> Float[Array, "time-1 *batch"]:
    """Mean of a Gauss-Markov process between neighbouring samples of it.

    Given both ends the mean is Gaussian with mean tanh(y) / y times that of the ends
    and variance (1 - tanh(y) / y) / y, y = lag / 2; it is drawn from exactly that.

    Args:
      key: PRNG key.
      process: samples as `gauss_markov` returns them.
      lag: the lags they were drawn with.
    """
    y = lag[1:] / 2
    safe = jnp.maximum(y, 1e-6)
    ratio = jnp.tanh(safe) / safe
    # The difference cancels for small y: there, the first two terms of its series.
    variance = jnp.where(y < 0.1, y / 3 * (1 - 0.4 * y**2), (1 - ratio) / safe)
    noise = jax.random.normal(key, y.shape)
    return ratio * (process[1:] + process[:-1]) / 2 + jnp.sqrt(variance) * noise


def two_state(
    key: PRNGKeyArray, lag: Float[Array, "time"], share: Scalar
) -> Bool[Array, "time"]:
    """Stationary on-off Markov process in continuous time (random telegraph).

    Args:
      key: PRNG key.
      lag: time since the sample before over the memory; the correlation of two samples
        is exp(-sum of the lags between them). `lag[0]` has no effect.
      share: probability of on. The mean stay is memory / (1 - share) in on and
        memory / share in off.
    """
    decay = jnp.exp(-lag).at[0].set(0.0)
    uniform = jax.random.uniform(key, lag.shape)

    def step(state, inputs):
        decay, uniform = inputs
        on = uniform < share + (state - share) * decay
        return on.astype(decay.dtype), on

    return jax.lax.scan(step, jnp.zeros_like(lag[0]), (decay, uniform))[1]


def gauss_markov_track(
    key: PRNGKeyArray,
    num_times: int,
    time_step_s: Scalar,
    speed_mps: Scalar,
    heading_rad: Scalar = 0.0,
    *,
    speed_std_mps: Scalar = 0.0,
    speed_memory_s: Scalar = 10.0,
    turn_rate_std: Scalar = 0.0,
    turn_memory_s: Scalar = 5.0,
    straight_share: Scalar = 0.0,
    straight_memory_s: Scalar = 10.0,
) -> tuple[Float[Array, "time 2"], Float[Array, "time 2"]]:
    """Smooth track of a user whose speed and turn rate are Gauss-Markov processes.

    The velocity process of Liang and Haas (INFOCOM 1999) in polar form: speed with its
    own mean, heading as the integral of the turn rate. Both integrals are exact and a
    step is an arc, so statistics do not depend on the time step. On straight pieces,
    which come and go at random, memory is infinite: the velocity stays what it is.
    Without turning the track is a straight line.

    Args:
      key: PRNG key.
      num_times: positions, at times 0, 1, ... time steps.
      time_step_s: seconds between two positions.
      speed_mps: mean speed, m/s.
      heading_rad: heading at time 0, from the x axis.
      speed_std_mps: standard deviation of the speed, m/s; a speed below 0 becomes 0.
      speed_memory_s: time in which the correlation of the speed falls to 1/e.
      turn_rate_std: standard deviation of the turn rate, rad/s.
      turn_memory_s: time in which the correlation of the turn rate falls to 1/e.
      straight_share: share of time spent on straight pieces.
      straight_memory_s: memory of being on one, as in `two_state`.

    Returns:
      position [time, 2], m, first one (0, 0), and velocity [time, 2], m/s.
    """
    keys = jax.random.split(key, 3)
    straight_lag = jnp.full(num_times, time_step_s / straight_memory_s)
    free = 1.0 - two_state(keys[0], straight_lag, straight_share)
    lag = jnp.stack([time_step_s / speed_memory_s, time_step_s / turn_memory_s])
    lag = free[:, None] * lag[None]
    processes = gauss_markov(keys[1], lag)
    mean_speed, mean_turn = interval_mean(keys[2], processes, lag).T

    length = time_step_s * jnp.maximum(speed_mps + speed_std_mps * mean_speed, 0.0)
    angle = time_step_s * turn_rate_std * mean_turn * free[1:]
    heading = heading_rad + jnp.concatenate([jnp.zeros(1), jnp.cumsum(angle)])
    chord = length * jnp.sinc(angle / (2 * jnp.pi))
    middle = heading[1:] - angle / 2
    steps = chord[:, None] * jnp.stack([jnp.cos(middle), jnp.sin(middle)], axis=-1)
    position = jnp.concatenate([jnp.zeros((1, 2)), jnp.cumsum(steps, axis=0)])
    speed = jnp.maximum(speed_mps + speed_std_mps * processes[:, 0], 0.0)
    direction = jnp.stack([jnp.cos(heading), jnp.sin(heading)], axis=-1)
    return position, speed[:, None] * direction


class Draws:
    """Random scalars, taken one after another from one vector of uniform numbers.

    A scenario has dozens of them, and every call of jax.random compiles for about half
    a second on a CPU.
    """

    def __init__(self, key: PRNGKeyArray, count: int) -> None:
        """Provide for up to `count` scalars; more raise StopIteration."""
        self._numbers = iter(list(jax.random.uniform(key, (count,))))

    def uniform(self, bounds: tuple[float, float]) -> Float[Array, ""]:
        """Uniform in (lo, hi)."""
        return bounds[0] + (bounds[1] - bounds[0]) * next(self._numbers)

    def log_uniform(self, bounds: tuple[float, float]) -> Float[Array, ""]:
        """In (lo, hi), lo > 0, every decade as likely as the next."""
        return jnp.exp(self.uniform((math.log(bounds[0]), math.log(bounds[1]))))

    def choice(self, values: tuple[float, ...]) -> Float[Array, ""]:
        """One of `values`, each as likely."""
        index = (next(self._numbers) * len(values)).astype(jnp.int32)
        return jnp.array(values, jnp.float32)[index]

    def bernoulli(self, probability: float) -> Float[Array, ""]:
        """1 with `probability`, else 0."""
        return (next(self._numbers) < probability).astype(jnp.float32)


def random_track(key: PRNGKeyArray, config: MobilityConfig) -> Track:
    """One track drawn from the ranges of `config`, `config.num_times` positions long.

    Its middle lies in front of the origin (y > 0) at a distance drawn log-uniformly and
    an angle off the y axis (broadside) drawn uniformly in the sector. Its course at the
    start is at most `config.course_spread_deg` off the x axis, either way. Waypoints
    lie in an area that stays where it is.
    """
    key_draws, key_track = jax.random.split(key)
    draws = Draws(key_draws, 10)
    time_step_s = draws.choice(config.time_steps_s)
    speed_kmh = draws.uniform(config.speeds_kmh)
    variation = draws.uniform(config.speed_variation)
    course_deg = config.course_spread_deg * draws.uniform((-1.0, 1.0))
    course_deg += 180.0 * draws.bernoulli(0.5)
    speed, course = speed_kmh / 3.6, jnp.deg2rad(course_deg)
    farthest = (
        config.speeds_kmh[1] / 3.6 * max(config.time_steps_s) * (config.num_times - 1)
    )
    if config.kind == "waypoint":
        reach = 3**0.5 * variation
        position, velocity = waypoint_track(
            key_track,
            config.num_times,
            time_step_s,
            (speed * (1 - reach), speed * (1 + reach)),
            config.area_m,
            config.pause_s,
            # Half as many again as are expected without pauses, and some.
            num_legs=8 + math.ceil(1.5 * farthest / mean_distance(config.area_m)),
        )
        corner = jnp.array([-config.area_m[0] / 2, config.distances_m[0]])
        return Track(position + corner[None], velocity, time_step_s, speed_kmh)
    if config.kind == "gauss_markov":
        position, velocity = gauss_markov_track(
            key_track,
            config.num_times,
            time_step_s,
            speed,
            course,
            speed_std_mps=variation * speed_kmh / 3.6,
            speed_memory_s=draws.log_uniform(config.speed_memory_s),
            turn_rate_std=jnp.deg2rad(draws.uniform(config.turn_rates_deg_s)),
            turn_memory_s=draws.log_uniform(config.turn_memory_s),
            straight_share=config.straight_share,
            straight_memory_s=config.straight_memory_s,
        )
    elif config.kind == "street":
        position, velocity = street_track(
            key_track,
            config.num_times,
            time_step_s,
            speed,
            course,
            block_m=config.block_m,
            corner_radius_m=config.corner_radius_m,
            turn_probabilities=config.turn_probabilities,
            # A turn shortens the way by 2 - pi / 2 radii, at most 0.215 of a block.
            num_crossings=2 + math.ceil(1.3 * farthest / config.block_m),
        )
    else:
        way = speed * time_step_s * jnp.arange(config.num_times)
        direction = jnp.stack([jnp.cos(course), jnp.sin(course)])
        position = way[:, None] * direction[None]
        velocity = jnp.broadcast_to(speed * direction[None], position.shape)
    distance = draws.log_uniform(config.distances_m)
    angle = jnp.deg2rad(config.sector_deg / 2) * draws.uniform((-1.0, 1.0))
    middle = distance * jnp.stack([jnp.sin(angle), jnp.cos(angle)])
    position = position - position[config.num_times // 2][None] + middle[None]
    return Track(position, velocity, time_step_s, speed_kmh)


def generate(key: PRNGKeyArray, config: MobilityConfig, samples: int) -> Series:
    """Tracks as series of positions: series [track, time, 2] in metres.

    Labels: `speed_kmh`, mean speed of the track. Pure: same key, same bits; jit with
    `config` and `samples` static.
    """
    keys = jax.random.split(key, samples)
    track = jax.vmap(lambda key: random_track(key, config))(keys)
    return Series(track.position, track.time_step_s, {"speed_kmh": track.speed_kmh})
