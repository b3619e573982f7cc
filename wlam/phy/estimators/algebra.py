"""Products at full precision."""

import jax
import jax.numpy as jnp


def einsum(subscripts: str, *operands: jax.Array) -> jax.Array:
    """Return `jnp.einsum`, without the rounding of factors to few digits on GPUs."""
    return jnp.einsum(subscripts, *operands, precision="highest")
