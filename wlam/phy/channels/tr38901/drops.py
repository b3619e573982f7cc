"""Steps 1 to 3, and whole data sets: drops of users around one base station.

`generate` is what the training stream calls. Every sample is a drop of its own, with
its own user, large-scale parameters and rays; base station at the departure side.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jax.typing import ArrayLike
from jaxtyping import Array, Complex64, PRNGKeyArray

from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy.channels.tr38901 import tables
from wlam.phy.channels.tr38901.antennas import POLARISATIONS
from wlam.phy.channels.tr38901.coefficients import (
    LineOfSight,
    Rays,
    frequency_response,
    impulse_response,
)
from wlam.phy.channels.tr38901.config import LAYOUT, DropConfig, PanelConfig
from wlam.phy.channels.tr38901.consistency import follow
from wlam.phy.channels.tr38901.large_scale import LargeScale, Link, large_scale
from wlam.phy.channels.tr38901.pathloss import (
    environment_height_m,
    los_probability,
    path_loss_db,
    penetration_loss_db,
)
from wlam.phy.channels.tr38901.rays import draw_rays, power_decay_hz
from wlam.phy.channels.tr38901.tables import LOS, NLOS, O2I, SCENARIOS, STATES
from wlam.phy.noise import RandomBlock, awgn
from wlam.types import Antennas, Csi

__all__ = ["Drop", "DropConfig", "PanelConfig", "draw_drop", "generate"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Drop:
    """A user, where and how fast he is, and the rays that reach him."""

    link: Link
    scale: LargeScale
    rays: Rays
    los: LineOfSight
    distance_m: Any  # [], length of the straight line
    power_decay_hz: Any  # [], how powers follow delays, for `follow`
    heading: Any  # [], rad: where the user goes
    subcarrier_spacing_hz: Any  # []
    labels: dict[str, Array]  # of `generate`


def direct_path(link: Link, azimuth: Array, k_factor: Array) -> LineOfSight:
    """Directions and length of the straight line, the user at `azimuth` in rad."""
    rise = link.h_ut_m - link.h_bs_m
    length = jnp.sqrt(link.d2d_m**2 + rise**2)
    zenith = jnp.arctan2(link.d2d_m, rise)
    return LineOfSight(
        arrival_azimuth=azimuth + jnp.pi,
        arrival_zenith=jnp.pi - zenith,
        departure_azimuth=azimuth,
        departure_zenith=zenith,
        cycles=jnp.mod(length * link.carrier_hz / SPEED_OF_LIGHT, 1.0),
        k_factor=k_factor,
    )


def draw_drop(key: PRNGKeyArray, config: DropConfig) -> Drop:
    """Steps 1 to 10: one user, and his rays.

    Args:
        key: randomness of everything.
        config: what to draw from.

    Returns:
        Scalars and the rays of one link; vmap for more. Labels are those of `generate`.
    """
    keys = jax.random.split(key, 3)
    columns = tables.parameters(config.scenario, config.spec_version)
    draws = RandomBlock(keys[0], 14 + max(column.clusters for column in columns))

    def choose(values):
        number = (draws.uniform() * len(values)).astype(jnp.int32)
        return jnp.asarray(values, jnp.float32)[jnp.minimum(number, len(values) - 1)]

    def between(low, high, shape=()):
        return low + (high - low) * draws.uniform(shape)

    height, near_and_far = LAYOUT[config.scenario]
    height = config.base_height_m or height
    near, far = config.distances_m or near_and_far
    carrier = choose(config.carriers_hz)
    time_step = choose(config.time_steps_s)
    spacing = choose(config.subcarrier_spacings_hz)
    speed = between(*config.speeds_kmh)
    snr_db = between(*config.snr_db)
    azimuth = jnp.deg2rad(between(*config.azimuths_deg))
    heading = between(0.0, 2 * math.pi)
    d2d = jnp.sqrt(between(near**2, far**2))
    depth = jnp.minimum(between(0.0, 25.0), d2d)  # of users inside, 7.4.3.1
    state = _state(config, d2d, height, draws)
    link = Link(state, carrier, d2d, height, config.user_height_m)

    scale = large_scale(
        keys[1], config.scenario, link, config.spec_version, config.factory
    )
    k_factor = jnp.where(state == LOS, 10 ** (scale.k_db / 10), 0.0)
    los = direct_path(link, azimuth, k_factor)
    rays = draw_rays(keys[2], config.scenario, link, scale, los, config.spec_version)
    length = jnp.sqrt(d2d**2 + (link.h_ut_m - link.h_bs_m) ** 2)
    if config.wavefront == "spherical":
        share = between(*config.first_bounce, rays.delay_s.shape)
        rays, los = _with_distances(rays, los, share, length)
    loss_db = _loss_db(config, link, depth, draws.uniform((2,)))
    labels = {
        "speed_kmh": speed,
        "snr_db": snr_db,
        "carrier_hz": carrier,
        "time_step_s": time_step,
        "max_doppler_hz": speed / 3.6 * carrier / SPEED_OF_LIGHT,
        "scenario": jnp.asarray(SCENARIOS.index(config.scenario)),
        "state": state,
        "distance_m": d2d,
        "azimuth_rad": azimuth,
        "zenith_rad": los.departure_zenith,
        "position_m": _vector(d2d, azimuth, config.user_height_m),
        "velocity_mps": speed / 3.6 * _vector(1.0, heading, 0.0),
        "path_loss_db": loss_db,
        "shadowing_db": scale.shadowing_db,
        "delay_spread_s": scale.delay_spread_s,
        "k_db": scale.k_db,
    }
    return Drop(
        link=link,
        scale=scale,
        rays=rays,
        los=los,
        distance_m=length,
        power_decay_hz=power_decay_hz(
            config.scenario, link, scale, config.spec_version
        ),
        heading=heading,
        subcarrier_spacing_hz=spacing,
        labels=labels,
    )


def _with_distances(
    rays: Rays, los: LineOfSight, share: Array, length: Array
) -> tuple[Rays, LineOfSight]:
    """Both with the distances that spherical wavefronts need.

    `share` is that of the first bounce of every cluster's path.
    """
    path = length + SPEED_OF_LIGHT * rays.delay_s
    rays = replace(
        rays,
        departure_distance_m=share * path,
        arrival_distance_m=(1 - share) * path,
    )
    return rays, replace(los, distance_m=length)


def _loss_db(config: DropConfig, link: Link, depth: Array, uniforms: Array) -> Array:
    """Path loss, with that of walls where the user is `depth` m inside."""
    wall_db, _ = penetration_loss_db(
        config.penetration, link.carrier_hz, depth, link.state
    )
    loss_db = path_loss_db(
        config.scenario,
        link.state,
        link.carrier_hz,
        link.d2d_m,
        link.h_bs_m,
        link.h_ut_m,
        config.factory,
        environment_height_m(uniforms, link.d2d_m, link.h_ut_m),
    )
    return loss_db + wall_db


def _vector(length: ArrayLike, azimuth: Array, z: float) -> Array:
    """[3], `length` long in the horizontal plane."""
    return jnp.stack(
        [length * jnp.cos(azimuth), length * jnp.sin(azimuth), jnp.asarray(z)]
    )


def respond(
    key: PRNGKeyArray, drop: Drop, config: DropConfig
) -> Complex64[Array, "time subcarrier antenna"]:
    """Step 11 and the sum over paths at every subcarrier, without noise.

    Args:
        key: randomness of consistent mobility.
        drop: of `draw_drop`.
        config: the arrays, the grid, and how the user moves.
    """
    base, user = config.base.build(), config.user.build()
    times = drop.labels["time_step_s"] * jnp.arange(config.num_times)
    velocity = drop.labels["velocity_mps"]

    def channel(rays, los, velocity, times):
        coefficients, delays = impulse_response(
            rays,
            los,
            base,
            jnp.deg2rad(jnp.array(config.base_orientation_deg)),
            user,
            jnp.deg2rad(jnp.array(config.user_orientation_deg)).at[0].add(drop.heading),
            velocity,
            times,
            drop.link.carrier_hz,
        )
        if config.absolute_delays:
            delays = delays + drop.distance_m / SPEED_OF_LIGHT
        return frequency_response(
            coefficients, delays, drop.subcarrier_spacing_hz, config.num_subcarriers
        )

    if config.mobility == "doppler":
        response = channel(drop.rays, drop.los, velocity, times)
    else:
        rays, los = follow(
            key,
            drop.rays,
            drop.los,
            drop.distance_m,
            times[:, None] * velocity[None],
            drop.link.carrier_hz,
            drop.power_decay_hz,
        )
        one, still = jnp.zeros(1), jnp.zeros(3)
        response = jax.vmap(lambda r, s: channel(r, s, still, one)[0])(rays, los)
    return rearrange(response, "t f u s -> t f (u s)").astype(jnp.complex64)


def generate(key: PRNGKeyArray, config: DropConfig, samples: int) -> Csi:
    """Draws channels of the kind that `config` describes, with noise.

    The mean power of the channel between two isotropic antennas is 1: path loss and
    shadowing are labels. The noise has the drawn signal-to-noise ratio relative to the
    mean power of the sample, per resource element and receive antenna.

    May be jitted with `config` closed over and `samples` static.

    Args:
        key: randomness of everything.
        config: what to draw from.
        samples: how many channels.

    Returns:
        Csi; its antennas are the pairs (user, base), the base station's running
        fastest. Labels: speed_kmh, snr_db, carrier_hz, time_step_s, max_doppler_hz,
        scenario and state (numbers of `tables.SCENARIOS` and `tables.STATES`),
        distance_m (horizontal), azimuth_rad and zenith_rad of the user at the base
        station, position_m and velocity_mps [.., 3] at the first snapshot, path_loss_db
        (with walls), shadowing_db, delay_spread_s and k_db.
    """
    keys = jax.vmap(lambda key: jax.random.split(key, 3))(
        jax.random.split(key, samples)
    )
    drops = jax.vmap(lambda key: draw_drop(key, config))(keys[:, 0])
    # Or XLA would compute rays anew in every loop over antennas.
    drops = jax.lax.optimization_barrier(drops)
    clean = jax.vmap(lambda key, drop: respond(key, drop, config))(keys[:, 1], drops)
    noisy = jax.vmap(awgn)(keys[:, 2], clean, drops.labels["snr_db"])
    base = config.base.build()
    return Csi(
        csi=noisy,
        time_step_s=drops.labels["time_step_s"],
        subcarrier_spacing_hz=drops.subcarrier_spacing_hz,
        carrier_hz=drops.labels["carrier_hz"],
        antennas=Antennas(
            np.tile(base.positions, (len(config.user.build().slant), 1)), _pairs(config)
        ),
        clean=clean,
        labels=drops.labels,
    )


def _state(config, d2d, base_height, draws):
    """Step 2: how the two ends see each other."""
    if config.state in STATES:
        return jnp.asarray(STATES.index(config.state))
    probability = los_probability(
        config.scenario,
        d2d,
        config.user_height_m,
        base_height,
        factory=config.factory,
    )
    state = jnp.where(draws.uniform() <= probability, LOS, NLOS)
    if config.scenario.startswith("In"):
        return state
    return jnp.where(draws.uniform() <= config.indoor, O2I, state)


def _pairs(config: DropConfig) -> np.ndarray:
    """A number for every pair of a user's antenna and a polarisation of the base."""
    kinds = len(POLARISATIONS[config.base.polarisation])
    places = config.base.rows * config.base.columns
    users = config.user.rows * config.user.columns
    users *= len(POLARISATIONS[config.user.polarisation])
    return np.repeat(np.arange(users * kinds), places).astype(np.int32)
