"""Beams of linear and planar arrays, and which of them a sweep measures.

A direction is given per axis of the array, as the phase step from one element to the
next over pi: for half-wavelength spacing the cosine between the direction and the axis,
which for a horizontal line array is sin(theta), theta off broadside. Both ends of
(-1, 1) are the same direction to the array.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex64, Float, PRNGKeyArray

from wlam.ops.phasor import cis


def beam_directions(
    num_beams: int, field_of_view_deg: float | None = None
) -> Float[Array, "beam"]:
    """sin(theta) of every beam of a codebook, in increasing order.

    Args:
      num_beams: beams.
      field_of_view_deg: None for the DFT grid, uniform in sin(theta) from -1 to 1; else
        beams uniform in theta over this many degrees, as phased arrays are often set up
        (DeepSense 6G: 64 beams over 90 degrees).
    """
    grid = (2 * jnp.arange(num_beams) + 1.0) / num_beams - 1
    if field_of_view_deg is None:
        return grid
    return jnp.sin(jnp.deg2rad(field_of_view_deg / 2) * grid)


def steering(
    direction: Float[Array, "*batch"], num_ant: int
) -> Complex64[Array, "*batch antenna"]:
    """Response of the ULA, exp(j pi n sin(theta)), to `direction` = sin(theta)."""
    element = jnp.arange(num_ant).reshape((1,) * direction.ndim + (-1,))
    return cis(direction[..., None] / 2 * element)


def dft_codebook(
    num_beams: int, num_ant: int, num_active: int | None = None
) -> Complex64[Array, "beam antenna"]:
    """Unit-norm DFT beams in order of direction, oversampled if num_beams > num_ant.

    Beam b points to sin(theta) = (2 b + 1) / num_beams - 1. With num_beams = num_ant
    the beams are orthonormal; with more they are a tight frame, W^H W = num_beams /
    num_ant times the identity.

    Args:
      num_beams: beams.
      num_ant: elements of the array.
      num_active: elements that a beam uses, the first ones; the others have weight 0.
        Fewer make wider beams, of which fewer cover all directions, as those of
        synchronisation signal blocks do (up to 64 of them, TS 38.213 clause 4.1).

    Raises:
      ValueError: `num_active` is not in 1 to `num_ant`.
    """
    active = _active(num_active, num_ant)
    beams = steering(beam_directions(num_beams), active) / jnp.sqrt(1.0 * active)
    return jnp.pad(beams, ((0, 0), (0, num_ant - active)))


def upa_codebook(
    num_beams: tuple[int, int],
    num_ant: tuple[int, int],
    num_active: tuple[int, int] | None = None,
) -> Complex64[Array, "beam antenna"]:
    """DFT beams of a planar array: the Kronecker product of those of its two lines.

    Antennas are in the order of `wlam.phy.arrays.upa`, beams in that of
    `upa_directions`. This is the codebook of TS 38.214 clause 5.2.2.2.1 for one
    polarisation, in another order; its oversampling is num_beams / num_ant.

    Args:
      num_beams: beams in vertical and in horizontal direction.
      num_ant: rows and columns.
      num_active: rows and columns that a beam uses, see `dft_codebook`.

    Raises:
      ValueError: `num_active` is not in 1 to `num_ant`.
    """
    vertical, horizontal = (
        dft_codebook(b, n, a)
        for b, n, a in zip(num_beams, num_ant, num_active or num_ant, strict=True)
    )
    product = vertical[:, None, :, None] * horizontal[None, :, None, :]
    return product.reshape(num_beams[0] * num_beams[1], num_ant[0] * num_ant[1])


def upa_directions(num_beams: tuple[int, int]) -> Float[Array, "beam 2"]:
    """Direction cosines along z and y of every beam, the horizontal one fastest.

    Beams whose squares sum to more than 1 point nowhere: with half-wavelength spacing
    no plane wave has that direction.

    Args:
      num_beams: beams in vertical and in horizontal direction.
    """
    vertical, horizontal = (beam_directions(number) for number in num_beams)
    grid = jnp.meshgrid(vertical, horizontal, indexing="ij")
    return jnp.stack([x.ravel() for x in grid], axis=-1)


def beam_amplitude(
    direction: Float[Array, "*batch"], beams: Float[Array, "beam"], num_ant: int
) -> Float[Array, "*batch beam"]:
    """Amplitude of w_b^H a(direction) of unit-norm beams, up to sqrt(num_ant).

    The Dirichlet kernel sin(N x) / (sqrt(N) sin(x)), x = pi / 2 times the difference of
    the directions. The full product has the phase pi (N - 1) / 2 times that difference
    too, `beam_phase` of one direction less that of the other. Taken apart by the
    addition theorem, so that sines are evaluated per direction and per beam, but not
    per pair. Its sign is wrong where the difference comes within 1e-4 of 2.
    """
    shape = (1,) * direction.ndim + (-1,)

    def sine_of_difference(scale):
        a = cis(scale / 4 * direction[..., None])
        b = cis(scale / 4 * beams.reshape(shape))
        return a.imag * b.real - a.real * b.imag

    # Where both sines vanish the limit is N; this small number leads there.
    small = 1e-8
    top, bottom = sine_of_difference(num_ant), sine_of_difference(1)
    return (top * bottom + num_ant * small) / (num_ant**0.5 * (bottom * bottom + small))


def beam_phase(
    direction: Float[Array, "*batch"], num_ant: int
) -> Complex64[Array, "*batch"]:
    """Phase of a direction at the middle of the array, see `beam_amplitude`."""
    return cis((num_ant - 1) / 4 * direction)


def every_nth(
    num_beams: tuple[int, int], step: tuple[int, int]
) -> Bool[np.ndarray, "beam"]:
    """A sparse sweep: of a planar codebook every n-th beam in both directions.

    Args:
      num_beams: beams in vertical and in horizontal direction.
      step: n in both directions; the first measured beam is number n // 2, so that the
        sweep lies in the middle of the codebook.

    Raises:
      ValueError: a step is not in 1 to the number of beams.
    """
    if not all(1 <= n <= b for n, b in zip(step, num_beams, strict=True)):
        raise ValueError(f"step: found {step}; needed 1 to {num_beams}")
    vertical, horizontal = (
        np.arange(b) % n == n // 2 for n, b in zip(step, num_beams, strict=True)
    )
    return np.outer(vertical, horizontal).ravel()


def random_subset(
    key: PRNGKeyArray, num_beams: int, num_measured: int
) -> Bool[Array, "beam"]:
    """A sparse sweep: `num_measured` beams of `num_beams`, all subsets as likely.

    Raises:
      ValueError: `num_measured` is not in 1 to `num_beams`.
    """
    if not 1 <= num_measured <= num_beams:
        raise ValueError(f"num_measured: found {num_measured}; needed 1 to {num_beams}")
    words = jax.random.bits(key, (num_beams,))
    # Equal words, which are rare, are ordered by index.
    index = jnp.arange(num_beams)
    before = words[:, None] > words[None]
    tied = (words[:, None] == words[None]) & (index[:, None] > index[None])
    return (before | tied).sum(-1) < num_measured


def _active(num_active: int | None, num_ant: int) -> int:
    active = num_ant if num_active is None else num_active
    if not 1 <= active <= num_ant:
        raise ValueError(f"num_active: found {active}; needed 1 to {num_ant}")
    return active
