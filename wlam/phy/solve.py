"""Many small linear systems at once."""

import jax.numpy as jnp
from jaxtyping import Array, Inexact


def solve_positive(
    matrix: Inexact[Array, "*b k k"], right: Inexact[Array, "*b k"]
) -> Inexact[Array, "*b k"]:
    """Solves many small positive definite systems by Gauss-Jordan elimination.

    Plain array operations: a LAPACK call per system is slow on accelerators, and inside
    a jitted scan on the CPU it can block the threads that it waits for.
    """
    table = jnp.concatenate([matrix, right[..., None]], axis=-1)
    for k in range(matrix.shape[-1]):  # no pivoting: the diagonal stays positive
        row = table[..., k, :] / table[..., k, k, None]
        table = table - table[..., :, k, None] * row[..., None, :]
        table = table.at[..., k, :].set(row)
    return table[..., -1]
