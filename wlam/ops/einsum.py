"""Products in full float32, wherever the program runs.

By default GPUs round factors to TF32 (10 bits) and TPUs to bfloat16 (7 bits). Networks
tolerate that; inverses, solutions and differences do not.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def einsum(subscripts: str, *operands: ArrayLike) -> jax.Array:
    """`jnp.einsum` in full float32."""
    return jnp.einsum(subscripts, *operands, precision="highest")
