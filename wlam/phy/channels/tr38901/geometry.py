"""Directions and rotations, TR 38.901 clause 7.1.

A vector is a tuple of its three components, each an array of all rays. An axis of
length 3 would be the innermost one, and loops over it are too short for a CPU's vector
units.
"""

import jax.numpy as jnp
from jaxtyping import Array, Num

from wlam.ops.phasor import cis

Vector = tuple[Array, Array, Array]


def dot(a: Vector, b: Vector) -> Array:
    """The inner product; components broadcast against each other."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def components(vectors: Num[Array, "*b 3"]) -> Vector:
    """An array with the components as its last axis, as a tuple."""
    return vectors[..., 0], vectors[..., 1], vectors[..., 2]


def spherical_basis(
    azimuth: Num[Array, "*b"], zenith: Num[Array, "*b"]
) -> tuple[Vector, Vector, Vector]:
    """Unit vectors r, theta and phi of directions in rad, equations 7.1-13, 7.1-14."""
    horizontal, vertical = cis(azimuth / (2 * jnp.pi)), cis(zenith / (2 * jnp.pi))
    ca, sa, cz, sz = horizontal.real, horizontal.imag, vertical.real, vertical.imag
    return (
        (sz * ca, sz * sa, cz),
        (cz * ca, cz * sa, -sz),
        (-sa, ca, jnp.zeros_like(ca)),
    )


def rotation(orientation: Num[Array, "*b 3"]) -> Num[Array, "*b 3 3"]:
    """Own coordinates to global ones, equation 7.1-4.

    Args:
        orientation: bearing (about z), downtilt (about y) and slant (about x), in rad.
    """
    cosine, sine = jnp.cos(orientation), jnp.sin(orientation)
    (ca, cb, cg), (sa, sb, sg) = components(cosine), components(sine)
    rows = [
        [ca * cb, ca * sb * sg - sa * cg, ca * sb * cg + sa * sg],
        [sa * cb, sa * sb * sg + ca * cg, sa * sb * cg - ca * sg],
        [-sb, cb * sg, cb * cg],
    ]
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def rotated(
    matrix: Num[Array, "3 3"], vectors: Num[Array, "*b 3"]
) -> Num[Array, "*b 3"]:
    """Vectors in own coordinates as global ones, by `rotation`."""
    return jnp.einsum("ij,...j->...i", matrix, vectors, precision="highest")
