"""Many small linear systems at once."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact

ROUNDING = 1e-7
"""What a pivot may fall to, over the diagonal, before it is nothing but rounding."""


def solve_positive(
    matrix: Inexact[Array, "*b k k"], right: Inexact[Array, "*b k"]
) -> Inexact[Array, "*b k"]:
    """Solves many small positive definite systems by Gauss-Jordan elimination.

    Plain array operations: a LAPACK call per system is slow on accelerators, and inside
    a jitted scan on the CPU it can block the threads that it waits for.

    An unknown that depends on those before it, as far as float32 can tell, is 0.
    """
    table = jnp.concatenate([matrix, right[..., None]], axis=-1)
    least = ROUNDING * jnp.diagonal(matrix, axis1=-2, axis2=-1).real

    def eliminate(k: Array, table: Array) -> Array:
        # No pivoting: what is left of the diagonal stays positive.
        row = jax.lax.dynamic_index_in_dim(table, k, axis=-2)
        column = jax.lax.dynamic_index_in_dim(table, k, axis=-1)
        pivot = jax.lax.dynamic_index_in_dim(row, k, axis=-1).real
        usable = pivot > jax.lax.dynamic_index_in_dim(least, k, axis=-1)[..., None]
        row = jnp.where(usable, row / jnp.where(usable, pivot, 1), 0)
        table = table - column * row
        return jax.lax.dynamic_update_slice_in_dim(table, row, k, axis=-2)

    # A loop, since a system of 16 written out takes seconds to compile.
    return jax.lax.fori_loop(0, matrix.shape[-1], eliminate, table)[..., -1]
