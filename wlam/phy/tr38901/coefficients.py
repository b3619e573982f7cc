"""Steps 10 and 11: from rays to the impulse response between two arrays.

TR 38.901 clause 7.5, equations 7.5-22, 7.5-28, 7.5-29 and 7.5-30. One link; vmap for
more. Works in the precision of its inputs.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Float, Num

from wlam.phy.tr38901.antennas import Antennas, fields, rotation, spherical_basis

SPEED_OF_LIGHT = 299792458.0  # m/s

# Rays of the three sub-clusters of a strong cluster and their delays in units of the
# cluster's delay spread, table 7.5-5.
SUB_CLUSTERS = np.zeros((3, 20), bool)
SUB_CLUSTERS[0, [0, 1, 2, 3, 4, 5, 6, 7, 18, 19]] = True
SUB_CLUSTERS[1, [8, 9, 10, 11, 16, 17]] = True
SUB_CLUSTERS[2, [12, 13, 14, 15]] = True
SUB_CLUSTER_DELAYS = np.array([0.0, 1.28, 2.56])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Rays:
    """The scattered rays of a link, as steps 5 to 10 draw them."""

    delay_s: Any  # [cluster]
    power: Any  # [cluster], sum 1; a cluster that does not exist has power 0
    arrival_azimuth: Any  # [cluster, ray], all angles in rad
    arrival_zenith: Any  # [cluster, ray]
    departure_azimuth: Any  # [cluster, ray]
    departure_zenith: Any  # [cluster, ray]
    cross_polarisation: Any  # [cluster, ray], kappa, linear
    phase: Any  # [cluster, ray, 4] rad: theta-theta, theta-phi, phi-theta, phi-phi
    strongest: Any  # int [2], the clusters that are split in three
    cluster_delay_spread_s: Any  # []


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LineOfSight:
    """The direct ray."""

    arrival_azimuth: Any  # [], rad
    arrival_zenith: Any  # []
    departure_azimuth: Any  # []
    departure_zenith: Any  # []
    # Length in wavelengths, modulo 1: a float32 has no digits left for the phase of
    # 10,000 wavelengths, so whoever knows the length takes off the whole ones.
    cycles: Any  # []
    k_factor: Any  # [], linear; 0 without a line of sight


def impulse_response(
    rays: Rays,
    los: LineOfSight | None,
    transmitter: Antennas,
    transmitter_orientation: Num[ArrayLike, "3"],
    receiver: Antennas,
    receiver_orientation: Num[ArrayLike, "3"],
    velocity: Num[ArrayLike, "3"],
    times_s: Num[ArrayLike, " time"],
    carrier_hz: Num[ArrayLike, ""],
) -> tuple[Complex[Array, "path rx tx time"], Float[Array, " path"]]:
    """Coefficients and delays of all paths.

    A path is a cluster; the two strongest clusters have two more each, their second and
    third sub-cluster, at the end. The line of sight is part of path 0.

    Args:
        rays, los: from `wlam.phy.tr38901.rays`, or made by hand; no `los`, no K factor.
        transmitter, receiver: antennas at the departure and at the arrival side.
        transmitter_orientation, receiver_orientation: bearing, downtilt, slant in rad.
        velocity: of the receiver, in m/s.
        times_s: when.
        carrier_hz: carrier frequency.
    """
    ends = (
        (transmitter, rotation(jnp.asarray(transmitter_orientation))),
        (receiver, rotation(jnp.asarray(receiver_orientation))),
    )
    wavelengths_per_second = jnp.asarray(velocity) * (carrier_hz / SPEED_OF_LIGHT)
    times_s = jnp.asarray(times_s)
    arrival = rays.arrival_azimuth, rays.arrival_zenith
    departure = rays.departure_azimuth, rays.departure_zenith
    sent, received = (
        _fields_with_phase(*end, *angles)
        for end, angles in zip(ends, (departure, arrival), strict=True)
    )
    motion = _motion(*arrival, wavelengths_per_second, times_s)

    # Equation 7.5-28.
    kappa = jax.lax.rsqrt(rays.cross_polarisation)
    size = jnp.stack([jnp.ones_like(kappa), kappa, kappa, jnp.ones_like(kappa)], -1)
    matrix = (size * _cis(rays.phase)).reshape(*kappa.shape, 2, 2)
    amplitude = jnp.sqrt(rays.power / rays.arrival_azimuth.shape[1])[:, None]
    still = jnp.einsum("nm,nmui,nmij,nmsj->nmus", amplitude, received, matrix, sent)
    coefficient, delay = _sum_to_paths(still, motion, rays)
    if los is None:
        return coefficient, delay

    # Equations 7.5-29 and 7.5-30.
    arrival = los.arrival_azimuth[None], los.arrival_zenith[None]
    departure = los.departure_azimuth[None], los.departure_zenith[None]
    sent, received = (
        _fields_with_phase(*end, *angles)
        for end, angles in zip(ends, (departure, arrival), strict=True)
    )
    motion = _motion(*arrival, wavelengths_per_second, times_s)
    sign = jnp.array([1.0, -1.0], received.real.dtype)
    direct = jnp.einsum("nui,i,nsi,nt->ust", received, sign, sent, motion)
    direct *= _cis(-2 * jnp.pi * los.cycles)
    scattered = jnp.sqrt(1 / (los.k_factor + 1))
    coefficient = scattered * coefficient
    share = jnp.sqrt(los.k_factor / (los.k_factor + 1))
    return coefficient.at[0].add(share * direct), delay


def _cis(phase: Array) -> Array:
    return jax.lax.complex(jnp.cos(phase), jnp.sin(phase))


def _fields_with_phase(antennas, turn, azimuth, zenith):
    """Fields times the phase of the antenna's place, equation 7.5-22."""
    towards = spherical_basis(azimuth, zenith)[..., 0, :]
    place = jnp.asarray(antennas.positions) @ turn.T
    cycles = jnp.einsum("...i,ai->...a", towards, place, precision="highest")
    field = fields(antennas, turn, azimuth, zenith)
    return field * _cis(2 * jnp.pi * cycles)[..., None]


def _motion(azimuth, zenith, wavelengths_per_second, times_s):
    """The phase of movement, equations 7.5-22 and 7.5-25."""
    towards = spherical_basis(azimuth, zenith)[..., 0, :]
    doppler_hz = jnp.einsum("...i,i->...", towards, wavelengths_per_second)
    return _cis(2 * jnp.pi * jnp.multiply.outer(doppler_hz, times_s))


def _sum_to_paths(still, motion, rays):
    """Sums rays [n, m, u, s] times [n, m, t]; strong clusters become three paths."""
    is_strong = (jnp.arange(len(rays.delay_s))[:, None] == rays.strongest[None]).any(-1)
    first = (~is_strong[:, None] | SUB_CLUSTERS[0][None]).astype(motion.dtype)
    clusters = jnp.einsum("nm,nmus,nmt->nust", first, still, motion)
    later = jnp.einsum(
        "km,nmus,nmt->nkust",
        SUB_CLUSTERS[1:].astype(motion.dtype),
        still[rays.strongest],
        motion[rays.strongest],
    )
    late = rays.delay_s[rays.strongest][:, None] + (
        jnp.asarray(SUB_CLUSTER_DELAYS[None, 1:], rays.delay_s.dtype)
        * rays.cluster_delay_spread_s
    )
    return (
        jnp.concatenate([clusters, later.reshape(4, *later.shape[2:])]),
        jnp.concatenate([rays.delay_s, late.ravel()]),
    )


def frequency_response(
    coefficients: Complex[Array, "path rx tx time"],
    delays_s: Float[Array, " path"],
    subcarrier_spacing_hz: Num[ArrayLike, ""],
    num_subcarriers: int,
) -> Complex[Array, "time subcarrier rx tx"]:
    """The channel of every subcarrier; number s is (s - S // 2) spacings off."""
    offset = jnp.arange(num_subcarriers) - num_subcarriers // 2
    cycles = -jnp.multiply.outer(delays_s * subcarrier_spacing_hz, offset)
    # Whole cycles come off first, so that large phases lose no digits of their own.
    turn = _cis(2 * jnp.pi * (cycles - jnp.round(cycles)))
    return jnp.einsum("pust,pf->tfus", coefficients, turn, precision="highest")
