"""Steps 10 and 11: from rays to the impulse response between two arrays.

TR 38.901 clause 7.5, equations 7.5-22, 7.5-28, 7.5-29 and 7.5-30. One link; vmap for
more. Works in the precision of its inputs.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Float, Num

from wlam.phy.arrays import cis
from wlam.phy.constants import SPEED_OF_LIGHT
from wlam.phy.tr38901.antennas import (
    Antennas,
    fields,
    rotation,
    spherical_basis,
    turned,
)

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
        _seen(*end, *angles)
        for end, angles in zip(ends, (departure, arrival), strict=True)
    )
    motion = _motion(*arrival, wavelengths_per_second, times_s)

    # Equation 7.5-28.
    kappa = jax.lax.rsqrt(rays.cross_polarisation)
    size = jnp.stack([jnp.ones_like(kappa), kappa, kappa, jnp.ones_like(kappa)], -1)
    matrix = (size * cis(rays.phase / (2 * jnp.pi))).reshape(*kappa.shape, 2, 2)
    amplitude = jnp.sqrt(rays.power / rays.arrival_azimuth.shape[1])[:, None]
    left = _couple(received, amplitude[..., None, None] * matrix, sent, motion)
    coefficient, delay = _sum_to_paths(left, sent, rays)
    if los is None:
        return coefficient, delay

    # Equations 7.5-29 and 7.5-30.
    arrival = los.arrival_azimuth[None, None], los.arrival_zenith[None, None]
    departure = los.departure_azimuth[None, None], los.departure_zenith[None, None]
    sent, received = (
        _seen(*end, *angles)
        for end, angles in zip(ends, (departure, arrival), strict=True)
    )
    motion = _motion(*arrival, wavelengths_per_second, times_s)
    sign = jnp.array([1.0, -1.0], los.k_factor.dtype)
    matrix = (jnp.diag(sign) * cis(-los.cycles))[None, None]
    direct = _to_antennas(_couple(received, matrix, sent, motion), sent)[0]
    scattered = jnp.sqrt(1 / (los.k_factor + 1))
    coefficient = scattered * coefficient
    share = jnp.sqrt(los.k_factor / (los.k_factor + 1))
    return coefficient.at[0].add(share * direct), delay


def _seen(antennas, turn, azimuth, zenith):
    """How one end sees every ray [n, m]: field of each slant, and phase of each place.

    Antennas of one slant have one field, so that it is computed once for all of them.
    Returns fields [n, m, slant, 2], phases [n, m, antenna] (equation 7.5-22) and the
    slant that each antenna has.
    """
    slants, which = np.unique(antennas.slant, return_inverse=True)
    field = fields(replace(antennas, slant=slants), turn, azimuth, zenith)
    towards = spherical_basis(azimuth, zenith)[..., 0, :]
    place = turned(turn, jnp.asarray(antennas.positions))
    cycles = turned(place, towards)
    return field, cis(cycles), which


def _couple(received, matrix, sent, motion):
    """From a slant of the transmitter to all antennas of the receiver, [n, m, u, t, p].

    All of a ray but the phases of the transmitter's antennas, which are the most.
    """
    (field_u, phase_u, slant_u), (field_s, _, _) = received, sent
    # Sums over theta and phi written out: tiny matrix products are slow to call.
    parts = [
        field_u[..., :, None, i]
        * matrix[..., None, None, i, j]
        * field_s[..., None, :, j]
        for i in range(2)
        for j in range(2)
    ]
    by_slant = parts[0] + parts[1] + parts[2] + parts[3]
    left = by_slant[:, :, slant_u] * phase_u[..., None]
    return left[..., None, :] * motion[:, :, None, :, None]


def _to_antennas(left, sent):
    """The sum over the rays of every cluster, [n, u, s, t]."""
    _, phase, slant = sent
    groups = [np.flatnonzero(slant == p) for p in range(left.shape[-1])]
    sums = [
        jnp.einsum("nmut,nms->nust", left[..., p], phase[..., group])
        for p, group in enumerate(groups)
    ]
    return jnp.concatenate(sums, axis=2)[:, :, np.argsort(np.concatenate(groups))]


def _motion(azimuth, zenith, wavelengths_per_second, times_s):
    """The phase of movement, equations 7.5-22 and 7.5-25."""
    towards = spherical_basis(azimuth, zenith)[..., 0, :]
    doppler_hz = turned(wavelengths_per_second[None], towards)[..., 0]
    return cis(jnp.multiply.outer(doppler_hz, times_s))


def _sum_to_paths(left, sent, rays):
    """Sums rays to paths; strong clusters become three."""
    is_strong = (jnp.arange(len(rays.delay_s))[:, None] == rays.strongest[None]).any(-1)
    first = ~is_strong[:, None] | SUB_CLUSTERS[0][None]
    clusters = _to_antennas(jnp.where(_wide(first), left, 0.0), sent)
    # The second and third sub-cluster of the strongest, then of the second strongest.
    owner = jnp.repeat(rays.strongest, 2)
    field, phase, slant = sent
    rest = jnp.where(_wide(np.tile(SUB_CLUSTERS[1:], (2, 1))), left[owner], 0.0)
    later = _to_antennas(rest, (field, phase[owner], slant))
    late = rays.delay_s[rays.strongest][:, None] + (
        jnp.asarray(SUB_CLUSTER_DELAYS[None, 1:], rays.delay_s.dtype)
        * rays.cluster_delay_spread_s
    )
    return (
        jnp.concatenate([clusters, later]),
        jnp.concatenate([rays.delay_s, late.ravel()]),
    )


def _wide(mask):
    return mask[:, :, None, None, None]


def frequency_response(
    coefficients: Complex[Array, "path rx tx time"],
    delays_s: Float[Array, " path"],
    subcarrier_spacing_hz: Num[ArrayLike, ""],
    num_subcarriers: int,
) -> Complex[Array, "time subcarrier rx tx"]:
    """The channel of every subcarrier; number s is (s - S // 2) spacings off."""
    offset = jnp.arange(num_subcarriers) - num_subcarriers // 2
    cycles = -jnp.multiply.outer(delays_s * subcarrier_spacing_hz, offset)
    turn = cis(cycles)
    return jnp.einsum("pust,pf->tfus", coefficients, turn, precision="highest")
