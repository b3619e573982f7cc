"""Products in full float32, wherever the program runs.

By default GPUs round factors to TF32 (10 bits) and TPUs to bfloat16 (7 bits). Networks
bear that; what is inverted, solved or subtracted afterwards does not.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def einsum(subscripts: str, *operands: ArrayLike) -> jax.Array:
    """`jnp.einsum` without that rounding."""
    return jnp.einsum(subscripts, *operands, precision="highest")
