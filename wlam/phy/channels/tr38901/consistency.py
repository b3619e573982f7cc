"""A user who moves on: spatially consistent mobility, procedure A of clause 7.6.3.2.

The procedure updates delays and angles step by step, from the velocity and from a
rotation R_n that maps the world as the user sees it in a cluster's direction to the
world as the base station sees it. Its steps are the derivative of a simple picture: a
ray comes from the base station's mirror image, and the base station sees the user's
mirror image, which moves as R_n says. With R_n as it was at the start the picture is
the exact solution for any track, without a loop over time and without the limit of
steps of 1 m.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Num, PRNGKeyArray

from wlam.ops.phasor import angle
from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy.channels.tr38901.coefficients import LineOfSight, Rays
from wlam.phy.channels.tr38901.geometry import Vector, components, dot, spherical_basis

SHORTEST_M = 1.0  # no image comes nearer than this


def follow(
    key: PRNGKeyArray,
    rays: Rays,
    los: LineOfSight,
    distance_m: Num[ArrayLike, ""],
    displacement_m: Num[Array, "time 3"],
    carrier_hz: Num[ArrayLike, ""],
    power_decay_hz: Num[ArrayLike, ""] = 0.0,
) -> tuple[Rays, LineOfSight]:
    """The rays of one drop at later places of its user.

    Delays stay relative to the travel time of the direct path at the start, so that
    they grow when the user goes away. Phases turn with the length of every ray: the
    Doppler shift is in them, and `impulse_response` is to be called without a velocity,
    once for each time. Powers follow their delays as in step 6, and sum to 1.

    Args:
        key: randomness of the mirrors, of which half change left and right (X_n).
        rays, los: of the drop at displacement 0.
        distance_m: length of the direct path at displacement 0.
        displacement_m: how far the user has come, along any track.
        carrier_hz: carrier frequency.
        power_decay_hz: (r_tau - 1) / (r_tau DS) of step 6; 0 keeps the powers.

    Returns:
        Both with a leading axis of time.
    """
    mirrored = jnp.where(jax.random.bernoulli(key, shape=rays.delay_s.shape), -1.0, 1.0)
    distance_m = jnp.asarray(distance_m)
    cycles_per_m = jnp.asarray(carrier_hz) / SPEED_OF_LIGHT
    length = distance_m + SPEED_OF_LIGHT * rays.delay_s
    shape = rays.arrival_azimuth.shape
    away = spherical_basis(rays.departure_azimuth, rays.departure_zenith)
    back = spherical_basis(rays.arrival_azimuth, rays.arrival_zenith)
    direct_away, direct_back = (
        spherical_basis(azimuth[None], zenith[None])
        for azimuth, zenith in (
            (los.departure_azimuth, los.departure_zenith),
            (los.arrival_azimuth, los.arrival_zenith),
        )
    )

    def at(displacement):
        later, extra = _seen_from(
            jnp.broadcast_to(length[:, None], shape),
            away,
            back,
            jnp.broadcast_to(mirrored[:, None], shape),
            displacement,
        )
        # Rays of a cluster have one delay in the model, so they get their mean here.
        delay = rays.delay_s + extra.mean(1) / SPEED_OF_LIGHT
        decay = (delay - delay.min()) - (rays.delay_s - rays.delay_s.min())
        power = rays.power * jnp.exp(-jnp.asarray(power_decay_hz) * decay)
        cycles = _whole_cycles_off(extra * cycles_per_m)
        moved = replace(
            rays,
            **later,
            **_bounces(rays, delay * SPEED_OF_LIGHT + distance_m, length),
            delay_s=delay,
            power=power / power.sum(),
            phase=rays.phase - 2 * jnp.pi * cycles[..., None],
        )
        one = jnp.ones(1)
        later, extra = _seen_from(
            distance_m * one, direct_away, direct_back, one, displacement
        )
        later = {name: angle[0] for name, angle in later.items()}
        cycles = _whole_cycles_off(los.cycles + extra[0] * cycles_per_m)
        if los.distance_m is not None:
            later["distance_m"] = los.distance_m + extra[0]
        return moved, replace(los, **later, cycles=cycles)

    return jax.vmap(at)(displacement_m)


def _seen_from(
    length: Float[Array, "*b"],
    away: tuple[Vector, Vector, Vector],
    back: tuple[Vector, Vector, Vector],
    mirrored: Float[Array, "*b"],
    displacement: Float[Array, "3"],
) -> tuple[dict[str, Array], Float[Array, "*b"]]:
    """Angles of rays after a displacement, and by how many metres they are longer.

    `away` and `back` hold the unit vectors r, theta and phi of departure and arrival.
    """
    move = components(displacement)
    ahead, down, left = (dot(axis, move) for axis in back)
    # Equation 7.6-9 and the rotation R_n: towards the last bounce is towards the base
    # station, up is up, left is left or right.
    image = length - ahead, down, -mirrored * left
    now = jnp.maximum(jnp.sqrt(dot(image, image)), SHORTEST_M)
    # The difference of two lengths, without the digits that they share.
    extra = (dot(move, move) - 2 * length * ahead) / (now + length)
    departure = [
        image[0] * r + image[1] * theta + image[2] * phi
        for r, theta, phi in zip(*away, strict=True)
    ]
    arrival = [length * r - d for r, d in zip(back[0], move, strict=True)]
    angles = {}
    for name, (x, y, z) in (("departure", departure), ("arrival", arrival)):
        angles[f"{name}_azimuth"] = angle(y, x)
        angles[f"{name}_zenith"] = angle(jnp.hypot(x, y), z)
    return angles, extra


def _bounces(
    rays: Rays, after: Float[Array, "cluster"], before: Float[Array, "cluster"]
) -> dict[str, Array]:
    """Distances to the first and last bounce, whose shares of the path are constant."""
    return {
        name: distance * after / before
        for name, distance in (
            ("departure_distance_m", rays.departure_distance_m),
            ("arrival_distance_m", rays.arrival_distance_m),
        )
        if distance is not None
    }


def _whole_cycles_off(cycles: Array) -> Array:
    return cycles - jnp.round(cycles)
