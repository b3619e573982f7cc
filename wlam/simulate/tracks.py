"""Tracks with a destination: random waypoints, or along streets.

The smooth random tracks are in `wlam.simulate.mobility`, which chooses among all. A
track is made of pieces, straight ones and quarters of a circle; every position is a sum
over the covered parts of the pieces, so that there is no loop over steps and a track
sampled twice as often is the same track.
"""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from wlam.phy.noise import RandomBlock

Scalar = Float[Array, ""] | float


def waypoint_track(
    key: PRNGKeyArray,
    num_times: int,
    time_step_s: Scalar,
    speeds_mps: tuple[Scalar, Scalar],
    area_m: tuple[float, float],
    pause_s: Scalar,
    num_legs: int,
) -> tuple[Float[Array, "time 2"], Float[Array, "time 2"]]:
    """Random waypoints: straight to a uniform position, a pause, and on to the next.

    The model of Johnson and Maltz (Mobile Computing, 1996), with a uniform speed for
    every leg and exponential pauses. It starts in its steady state, as Le Boudec and
    Vojnovic (INFOCOM 2005) and Navidi and Camp (IEEE Trans. Mobile Computing 2004)
    derive it: in a pause with the probability of their share of time, else on a leg
    that is drawn in proportion to its duration.

    Args:
      key: PRNG key.
      num_times: positions, at times 0, 1, ... time steps.
      time_step_s: seconds between two positions.
      speeds_mps: lowest and highest speed, above 0.
      area_m: sides of the rectangle, a corner of which is the origin.
      pause_s: mean duration of a pause.
      num_legs: after so many the user stays where he is.

    Returns:
      position [time, 2], m, and velocity [time, 2], m/s; in a pause 0.
    """
    slowest, fastest = speeds_mps
    tries = 32  # of which each succeeds with a third or more
    draws = RandomBlock(key, 4 * num_legs + 5 * tries + 5)
    area = jnp.asarray(area_m)
    ratio = jnp.maximum(fastest / slowest, 1 + 1e-5)
    # E[1 / v] of a uniform v.
    leg_s = mean_distance(area_m) * jnp.log(ratio) / (slowest * (ratio - 1))
    paused = draws.uniform() * (pause_s + leg_s) <= pause_s

    # Pairs of positions with a probability in proportion to distance: by rejection.
    ends = draws.uniform((tries, 2, 2)) * area[None, None]
    distances = jnp.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1)
    accepted = draws.uniform((tries,)) * math.hypot(*area_m) <= distances
    origin, first = ends[jnp.argmax(accepted)]
    under_way = origin + draws.uniform() * (first - origin)
    start = jnp.where(paused, draws.uniform((2,)) * area, under_way)
    targets = draws.uniform((num_legs, 2)) * area[None]
    targets = targets.at[0].set(jnp.where(paused, targets[0], first))
    speeds = slowest + (fastest - slowest) * draws.uniform((num_legs,))
    # The density of the speed at a given time is that of a leg over the speed.
    current = slowest * ratio ** draws.uniform()
    speeds = speeds.at[0].set(jnp.where(paused, speeds[0], current))
    pauses = pause_s * draws.exponential((num_legs,))
    pauses = pauses.at[0].set(jnp.where(paused, pauses[0], 0.0))  # before a leg

    ways = jnp.diff(targets, axis=0, prepend=start[None])
    durations = jnp.linalg.norm(ways, axis=-1) / speeds
    begin = jnp.cumsum(pauses + durations) - durations
    since = time_step_s * jnp.arange(num_times)[:, None] - begin[None]
    share = jnp.clip(since / jnp.maximum(durations, 1e-9)[None], 0.0, 1.0)
    moving = ((since >= 0) & (since < durations[None])).astype(share.dtype)
    velocities = ways / jnp.maximum(durations, 1e-9)[:, None]
    position = start[None] + jnp.einsum("tl,lc->tc", share, ways, precision="highest")
    velocity = jnp.einsum("tl,lc->tc", moving, velocities, precision="highest")
    return position, velocity


def mean_distance(area_m: tuple[float, float]) -> float:
    """Mean distance of two uniform positions in a rectangle (Ghosh, 1951)."""
    a, b = area_m
    d = math.hypot(a, b)
    return (a**3 / b**2 + b**3 / a**2 + d * (3 - (a / b) ** 2 - (b / a) ** 2)) / 15 + (
        b**2 / a * math.acosh(d / b) + a**2 / b * math.acosh(d / a)
    ) / 6


def street_track(
    key: PRNGKeyArray,
    num_times: int,
    time_step_s: Scalar,
    speed_mps: Scalar,
    heading_rad: Scalar = 0.0,
    *,
    block_m: float = 80.0,
    corner_radius_m: float = 8.0,
    turn_probabilities: tuple[float, float] = (0.25, 0.25),
    num_crossings: int,
) -> tuple[Float[Array, "time 2"], Float[Array, "time 2"]]:
    """Along a grid of streets, at every crossing left, right or straight on at random.

    The Manhattan grids of UMTS 30.03 and TR 36.885, whose users turn with the default
    probabilities; here along a quarter of a circle, at constant speed.

    Args:
      key: PRNG key.
      num_times: positions, at times 0, 1, ... time steps.
      time_step_s: seconds between two positions.
      speed_mps: speed.
      heading_rad: heading at time 0, from the x axis; streets have it or are at right
        angles to it.
      block_m: distance of two crossings.
      corner_radius_m: radius of a turn, at most half a block.
      turn_probabilities: of turning left, and right.
      num_crossings: after so many the user goes straight on.

    Returns:
      position [time, 2], m, first one (0, 0), and velocity [time, 2], m/s.
    """
    draws = RandomBlock(key, num_crossings + 1)
    words = draws.uniform((num_crossings,))
    left, right = turn_probabilities
    turn = jnp.where(words <= left, 1.0, jnp.where(words > 1 - right, -1.0, 0.0))
    # Pieces: straight to where a turn may begin, the turn, straight, ..., straight.
    cut = corner_radius_m * jnp.abs(turn)
    first = corner_radius_m + (block_m - corner_radius_m) * draws.uniform()
    gaps = jnp.full(num_crossings, block_m).at[0].set(first)
    straight = gaps - cut - jnp.concatenate([jnp.zeros(1), cut[:-1]])
    lengths = jnp.stack([straight, jnp.pi / 2 * cut], axis=-1).ravel()
    lengths = jnp.append(lengths, jnp.inf)
    bend = jnp.stack([jnp.zeros(num_crossings), turn / corner_radius_m], axis=-1)
    bend = jnp.append(bend.ravel(), 0.0)  # per metre
    angles = jnp.stack([jnp.zeros(num_crossings), jnp.pi / 2 * turn], axis=-1).ravel()
    start = jnp.concatenate([jnp.zeros(1), jnp.cumsum(lengths[:-1])])
    course = heading_rad + jnp.concatenate([jnp.zeros(1), jnp.cumsum(angles)])

    # How much of every piece lies behind the user, and its chord.
    gone = speed_mps * time_step_s * jnp.arange(num_times)
    part = jnp.clip(gone[:, None] - start[None], 0.0, lengths[None])
    turned = bend[None] * part
    chord = part * jnp.sinc(turned / (2 * jnp.pi))
    middle = course[None] + turned / 2
    position = jnp.stack(
        [(chord * f(middle)).sum(-1) for f in (jnp.cos, jnp.sin)], axis=-1
    )
    heading = heading_rad + turned.sum(-1)
    direction = jnp.stack([jnp.cos(heading), jnp.sin(heading)], axis=-1)
    return position, speed_mps * direction
