"""Steps 10 and 11: from rays to the impulse response between two arrays.

TR 38.901 clause 7.5, equations 7.5-22, 7.5-28, 7.5-29 and 7.5-30. One link; vmap for
more. Works in the precision of its inputs.
"""

import itertools
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Float, Num

from wlam.ops.einsum import einsum
from wlam.ops.phasor import cis, product
from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy.arrays import spherical_cycles
from wlam.phy.channels.tr38901.antennas import Antennas, fields
from wlam.phy.channels.tr38901.geometry import (
    components,
    dot,
    rotated,
    rotation,
    spherical_basis,
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
    # [cluster], from the origin of each array to where the ray is bounced first and
    # last; None: so far that waves are plane.
    departure_distance_m: Any = None
    arrival_distance_m: Any = None


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LineOfSight:
    """The direct ray."""

    arrival_azimuth: Any  # [], rad
    arrival_zenith: Any  # []
    departure_azimuth: Any  # []
    departure_zenith: Any  # []
    # Length in wavelengths, modulo 1: a float32 has no digits left for the phase of
    # 10,000 wavelengths, so whole ones are subtracted where the length is known.
    cycles: Any  # []
    k_factor: Any  # [], linear; 0 without a line of sight
    distance_m: Any = None  # [], between the origins of the arrays; None: plane wave


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
    third sub-cluster, at the end. The line of sight is part of path 0. Where distances
    are given, every antenna has its own to the source of each wave (near field), and on
    the line of sight every pair of antennas; fields are those of the arrays' origins.

    Args:
        rays, los: from `wlam.phy.channels.tr38901.rays`, or of the caller; no `los`, no
        K factor. transmitter, receiver: antennas at the departure and at the arrival
        side. transmitter_orientation, receiver_orientation: bearing, downtilt, slant in
        rad. velocity: of the receiver, in m/s. times_s: when. carrier_hz: carrier
        frequency.
    """
    ends = (
        (transmitter, rotation(jnp.asarray(transmitter_orientation))),
        (receiver, rotation(jnp.asarray(receiver_orientation))),
    )
    wavelengths_per_second = jnp.asarray(velocity) * (carrier_hz / SPEED_OF_LIGHT)
    times_s = jnp.asarray(times_s)
    wavelength = SPEED_OF_LIGHT / carrier_hz
    departure = spherical_basis(rays.departure_azimuth, rays.departure_zenith)
    arrival = spherical_basis(rays.arrival_azimuth, rays.arrival_zenith)
    bounces = [
        None if metres is None else jnp.asarray(metres)[:, None] / wavelength
        for metres in (rays.departure_distance_m, rays.arrival_distance_m)
    ]
    sent = _at_end(*ends[0], departure, bounces[0])
    received = _at_end(*ends[1], arrival, bounces[1])
    motion = _motion(arrival[0], wavelengths_per_second, times_s)

    # Equation 7.5-28.
    amplitude = jnp.sqrt(rays.power / rays.arrival_azimuth.shape[1])[:, None]
    crossed = amplitude * jax.lax.rsqrt(rays.cross_polarisation)
    cycles = rays.phase / (2 * jnp.pi)
    matrix = [
        [amplitude * cis(cycles[..., 0]), crossed * cis(cycles[..., 1])],
        [crossed * cis(cycles[..., 2]), amplitude * cis(cycles[..., 3])],
    ]
    left = _couple(received, matrix, sent, motion)
    coefficient, delay = _sum_to_paths(left, sent, rays)
    if los is None:
        return coefficient, delay

    # Equations 7.5-29 and 7.5-30.
    departure, arrival = (
        spherical_basis(azimuth[None, None], zenith[None, None])
        for azimuth, zenith in (
            (los.departure_azimuth, los.departure_zenith),
            (los.arrival_azimuth, los.arrival_zenith),
        )
    )
    sent, received = _at_end(*ends[0], departure), _at_end(*ends[1], arrival)
    motion = _motion(arrival[0], wavelengths_per_second, times_s)
    phase = cis(-jnp.asarray(los.cycles))
    left = _couple(received, [[phase, 0.0], [0.0, -phase]], sent, motion)
    direct = _to_antennas(left, *sent[1:])[0]
    if los.distance_m is not None:
        direct = direct * _bent(ends, departure, los.distance_m / wavelength)
    scattered = jnp.sqrt(1 / (los.k_factor + 1))
    coefficient = scattered * coefficient
    share = jnp.sqrt(los.k_factor / (los.k_factor + 1))
    return coefficient.at[0].add(share * direct), delay


def _at_end(antennas, matrix, basis, distance=None):
    """Every ray [n, m] at one end: fields by slant, and phase of each antenna.

    Antennas of one slant have one field, so that it is computed once for all of them.
    Returns a list of fields, phases [n, m, antenna] (equation 7.5-22, or those of a
    spherical wave from `distance` wavelengths) and the slant that each antenna has.
    """
    slants, which = np.unique(antennas.slant, return_inverse=True)
    field = fields(replace(antennas, slant=slants), matrix, basis)
    offset = rotated(matrix, jnp.asarray(antennas.positions))
    towards = basis[0]
    if distance is None:
        cycles = dot(
            tuple(x[..., None] for x in towards),
            components(offset.reshape((1,) * towards[0].ndim + offset.shape)),
        )
    else:
        distance = jnp.broadcast_to(distance, towards[0].shape)
        cycles = spherical_cycles(offset, jnp.stack(towards, -1), distance)
    return field, cis(cycles), which


def _bent(ends, departure, distance):
    """Factors from a plane line of sight to one of each antenna pair, [u, s, 1].

    The exact distance of every pair, where plane waves add up the parts of both ends.
    """
    towards = jnp.stack(departure[0], -1)[0, 0]
    sent, received = (
        rotated(matrix, jnp.asarray(antennas.positions)) for antennas, matrix in ends
    )
    apart = (sent[None] - received[:, None]).reshape(-1, 3)
    exact = spherical_cycles(apart, towards, jnp.asarray(distance))
    plane = jnp.einsum("pi,i->p", apart, towards, precision="highest")
    return cis(exact - plane).reshape(len(received), len(sent), 1)


def _couple(received, matrix, sent, motion):
    """From a slant of the transmitter to all antennas of the receiver, [p][n, u, t, m].

    All of a ray but the phases of the transmitter's antennas, which are the most. Rays
    are the last axis, since they are summed next.
    """
    (field_u, phase_u, slant_u), (field_s, _, _) = received, sent
    to_all = []
    for sent_theta, sent_phi in field_s:
        by_slant = [
            theta * (matrix[0][0] * sent_theta + matrix[0][1] * sent_phi)
            + phi * (matrix[1][0] * sent_theta + matrix[1][1] * sent_phi)
            for theta, phi in field_u
        ]
        left = jnp.stack([by_slant[slant] for slant in slant_u], axis=1)
        left = left * jnp.moveaxis(phase_u, -1, 1)
        to_all.append(left[:, :, None] * motion[:, None])
    return to_all


def _to_antennas(left, phase, slant):
    """The sum over the rays of every cluster, [n, u, s, t]."""
    # Runs of antennas of one slant, as slices: a gather would take longer than the sum.
    ends = [0, *(np.flatnonzero(np.diff(slant)) + 1), len(slant)]
    sums = [
        einsum("nutm,nms->nust", left[slant[start]], phase[..., start:stop])
        for start, stop in itertools.pairwise(ends)
    ]
    return jnp.concatenate(sums, axis=2)


def _motion(towards, wavelengths_per_second, times_s):
    """The phase of movement [n, t, m], equations 7.5-22 and 7.5-25."""
    doppler_hz = dot(towards, components(wavelengths_per_second))
    return cis(doppler_hz[:, None] * times_s.reshape(1, -1, 1))


def _sum_to_paths(left, sent, rays):
    """Sums rays to paths; strong clusters become three."""
    _, phase, slant = sent
    whole = _to_antennas(left, phase, slant)
    # The second and third sub-cluster of the strongest, then of the second strongest.
    owner = jnp.repeat(rays.strongest, 2)
    later = np.tile(SUB_CLUSTERS[1:], (2, 1))[:, None, None]
    rest = [jnp.where(later, x[owner], 0.0) for x in left]
    split = _to_antennas(rest, phase[owner], slant)
    # What is split off is taken away, which is cheaper than never adding it.
    is_owner = jnp.arange(len(whole))[:, None] == owner[None]
    for k in range(len(owner)):
        mine = is_owner[:, k].reshape(-1, 1, 1, 1)
        whole = whole - jnp.where(mine, split[k : k + 1], 0.0)
    late = rays.delay_s[rays.strongest][:, None] + (
        jnp.asarray(SUB_CLUSTER_DELAYS[None, 1:], rays.delay_s.dtype)
        * rays.cluster_delay_spread_s
    )
    return (
        jnp.concatenate([whole, split]),
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
    num_rx, num_tx = coefficients.shape[1:3]
    # Time outermost, as in the result: the remaining rotations are of small blocks.
    response = product(rearrange(coefficients, "p u s t -> (t u s) p"), cis(cycles))
    return rearrange(response, "(t u s) f -> t f u s", u=num_rx, s=num_tx)
