"""From the rays of a track to the power of every beam at every sweep.

Every antenna of the user receives every beam over all paths. Paths have delays of their
own, so that over a wide band their powers add; the rays of a path add as waves.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from wlam.ops.phasor import cis
from wlam.phy.channels.tr38901.antennas import fields
from wlam.phy.channels.tr38901.coefficients import SUB_CLUSTERS, LineOfSight, Rays
from wlam.phy.channels.tr38901.geometry import (
    components,
    dot,
    rotated,
    rotation,
    spherical_basis,
)
from wlam.phy.codebooks import beam_amplitude, beam_directions, beam_phase
from wlam.simulate.sweeps.config import SweepConfig


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Waves:
    """Every ray at the base station's array; the line of sight is the last."""

    # [user antenna and polarisation of the base, time, cluster, ray]
    coefficient: Any
    vertical: Any  # [time, cluster, ray], direction as in `wlam.phy.codebooks`
    horizontal: Any  # [time, cluster, ray]
    strongest: Any  # int [2]


def incident_waves(
    config: SweepConfig,
    rays: Rays,
    los: LineOfSight,
    bearing: Float[Array, ""],
) -> Waves:
    """Step 11 but for the base station's array: equations 7.5-28 to 7.5-30 per ray.

    Args:
        config: both arrays.
        rays, los: with a leading axis of time.
        bearing: direction of the user's array.
    """
    base, user = config.base.build(), config.user.build()
    base_axes = rotation(jnp.array([0.0, math.radians(config.downtilt_deg), 0.0]))
    user_axes = rotation(jnp.stack([bearing, 0.0, 0.0]))

    def with_direct(scattered, direct):
        """The line of sight as one more ray of every cluster."""
        shape = (*scattered.shape[:2], 1)
        direct = jnp.broadcast_to(direct.reshape(-1, 1, 1), shape)
        return jnp.concatenate([scattered, direct], axis=-1)

    departure, arrival = (
        spherical_basis(
            with_direct(
                getattr(rays, f"{end}_azimuth"), getattr(los, f"{end}_azimuth")
            ),
            with_direct(getattr(rays, f"{end}_zenith"), getattr(los, f"{end}_zenith")),
        )
        for end in ("departure", "arrival")
    )
    share = 1 / (los.k_factor + 1)
    amplitude = jnp.sqrt(share[:, None] * rays.power / rays.phase.shape[2])[..., None]
    crossed = amplitude * jax.lax.rsqrt(rays.cross_polarisation)
    cycles = rays.phase / (2 * jnp.pi)
    # The line of sight belongs to the first cluster alone.
    first = (jnp.arange(rays.power.shape[1]) == 0)[None, :, None]
    direct = jnp.sqrt(los.k_factor * share) * cis(-los.cycles)
    direct = jnp.where(first, direct[:, None, None], 0.0)
    none = jnp.zeros_like(direct)
    matrix = [
        [
            jnp.concatenate([size * cis(cycles[..., 2 * i + j]), last], axis=-1)
            for j, (size, last) in enumerate(row)
        ]
        for i, row in enumerate(
            (
                ((amplitude, direct), (crossed, none)),
                ((crossed, none), (amplitude, -direct)),
            )
        )
    ]

    _, left, up = ((axis[0], axis[1], axis[2]) for axis in base_axes.T)
    step = 2 * config.base.spacing
    vertical, horizontal = (step * dot(departure[0], axis) for axis in (up, left))
    rows, columns = config.num_active or (config.base.rows, config.base.columns)
    centre = beam_phase(vertical, rows) * beam_phase(horizontal, columns)
    slants = np.unique(base.slant)
    sent = fields(replace(base, slant=slants), base_axes, departure)
    received = fields(user, user_axes, arrival)
    offsets = rotated(user_axes, jnp.asarray(user.positions))
    coefficient = []
    for (theta, phi), offset in zip(received, offsets, strict=True):
        phase = centre * cis(dot(arrival[0], components(offset)))
        for sent_theta, sent_phi in sent:
            by_theta = matrix[0][0] * sent_theta + matrix[0][1] * sent_phi
            by_phi = matrix[1][0] * sent_theta + matrix[1][1] * sent_phi
            coefficient.append((theta * by_theta + phi * by_phi) * phase)
    return Waves(jnp.stack(coefficient), vertical, horizontal, rays.strongest[0])


def beam_power(config: SweepConfig, waves: Waves) -> Float[Array, "time beam"]:
    """Power of every DFT beam, sum over paths of |w_b^H h|^2.

    The mean over the antennas of the user and the polarisations of the base station,
    of which a beam uses one at a time. Relative to that of one isotropic antenna.

    The array is applied to rays, by closed forms, before they are summed: a panel has
    no fewer antennas than beams, and the two directions of a planar codebook separate.
    """
    rows, columns = config.num_active or (config.base.rows, config.base.columns)
    beams = [beam_directions(number) for number in config.num_beams]
    # Sums over the rays of each sub-cluster; the line of sight is with the first.
    sums = []
    for of_part in np.pad(SUB_CLUSTERS, ((0, 0), (0, 1)), constant_values=False):
        (rays,) = np.nonzero(of_part)
        rays = np.append(rays, SUB_CLUSTERS.shape[1]) if not sums else rays
        vertical = beam_amplitude(waves.vertical[..., rays], beams[0], rows)
        horizontal = beam_amplitude(waves.horizontal[..., rays], beams[1], columns)
        weighted = waves.coefficient[..., rays, None] * vertical[None]
        parts = jnp.stack([weighted.real, weighted.imag])
        sums.append(
            jnp.einsum("catnmv,tnmh->catnvh", parts, horizontal, precision="highest")
        )
    is_strong = (
        jnp.arange(waves.vertical.shape[1])[:, None] == waves.strongest[None]
    ).any(-1)
    together = jnp.square(sums[0] + sums[1] + sums[2])
    apart = jnp.square(sums[0]) + jnp.square(sums[1]) + jnp.square(sums[2])
    power = jnp.where(is_strong[:, None, None], apart, together)
    return power.sum((0, 3)).mean(0).reshape(power.shape[2], -1)
