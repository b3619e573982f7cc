"""Many small linear systems at once."""

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
    for k in range(matrix.shape[-1]):  # no pivoting: the diagonal stays positive
        pivot = table[..., k, k].real
        usable = pivot > least[..., k]
        row = table[..., k, :] / jnp.where(usable, pivot, 1)[..., None]
        row = jnp.where(usable[..., None], row, 0)
        table = table - table[..., :, k, None] * row[..., None, :]
        table = table.at[..., k, :].set(row)
    return table[..., -1]
