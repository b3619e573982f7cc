"""Products at full precision, and the update of powers that are fitted."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

SMALLEST = 1e-20
"""Keeps quotients finite."""


def einsum(subscripts: str, *operands: jax.Array) -> jax.Array:
    """Return `jnp.einsum`, without the rounding of factors to few digits on GPUs."""
    return jnp.einsum(subscripts, *operands, precision="highest")


def root_of_ratio(
    found: Float[Array, "*n"], expected: Float[Array, "*n"]
) -> Float[Array, "*n"]:
    """What a power is multiplied by: more where more is found than expected.

    Sun, Babu & Palomar, IEEE Trans. Signal Process. 64, 2016, section IV.
    """
    return jnp.sqrt(jnp.maximum(found, 0) / jnp.maximum(expected, SMALLEST))
