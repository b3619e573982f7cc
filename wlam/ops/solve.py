"""Small linear systems, many at once, tall ones, and factors of many matrices."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

ROUNDING = 1e-7
"""Smallest pivot over the diagonal: those below are rounding."""


def solve_positive(
    matrix: Inexact[Array, "*b k k"], right: Inexact[Array, "*b k"]
) -> Inexact[Array, "*b k"]:
    """Solves many small positive definite systems by Gauss-Jordan elimination.

    Plain array operations: a LAPACK call per system is slow on accelerators, and inside
    a jitted scan on the CPU it can block the threads that it waits for.

    An unknown that depends on those before it, in float32, is 0.
    """
    return _eliminated(matrix, right[..., None])[..., 0]


def inverse_positive(matrix: Inexact[Array, "*b k k"]) -> Inexact[Array, "*b k k"]:
    """Inverses of many small positive definite matrices, see `solve_positive`."""
    return _eliminated(matrix, _identities(matrix))


def inverse_factor(matrix: Inexact[Array, "*b k k"]) -> Inexact[Array, "*b k k"]:
    """Inverses of the lower Cholesky factors of many small positive definite matrices.

    A form x^H R^-1 x as |W x|^2, with W the factor's inverse, is a sum of squares. It
    stays accurate where R is almost singular and its inverse is not. Plain
    array operations, as `solve_positive`; `inverse_factor_each` calls LAPACK.

    The row of an unknown that depends on those before it, see `solve_positive`, is 0.
    """
    size = matrix.shape[-1]
    table = _triangular(matrix, _identities(matrix))
    pivot = jnp.diagonal(table, axis1=-2, axis2=-1).real
    usable = pivot > _least_pivots(matrix)
    scale = jnp.where(usable, jnp.where(usable, pivot, 1) ** -0.5, 0)
    return scale[..., None] * table[..., size:]


def _eliminated(
    matrix: Inexact[Array, "*b k k"], right: Inexact[Array, "*b k r"]
) -> Inexact[Array, "*b k r"]:
    """Solutions for all columns of the right side: elimination, then substitution."""
    size = matrix.shape[-1]
    table, least = _triangular(matrix, right), _least_pivots(matrix)

    def substitute(i: Array, found: Array) -> Array:
        k = size - 1 - i
        row, pivot, usable = _row_of(table, least, k)
        # Unknowns that are not solved yet are 0.
        rest = row[..., size:] - jnp.matmul(row[..., :size], found, precision="highest")
        value = jnp.where(usable, rest / pivot, 0)
        return jax.lax.dynamic_update_slice_in_dim(found, value, k, axis=-2)

    # Loops, since a system of 16 written out takes seconds to compile.
    return jax.lax.fori_loop(0, size, substitute, jnp.zeros_like(table[..., size:]))


def _triangular(
    matrix: Inexact[Array, "*b k k"], right: Inexact[Array, "*b k r"]
) -> Inexact[Array, "*b k s"]:
    """The matrix with zeros below its diagonal, beside what that makes of the right."""
    size = matrix.shape[-1]
    least = _least_pivots(matrix)
    index = jnp.arange(size).reshape((1,) * (matrix.ndim - 2) + (size, 1))

    def eliminate(k: Array, table: Array) -> Array:
        # No pivoting: the remaining diagonal stays positive.
        row, pivot, usable = _row_of(table, least, k)
        column = jax.lax.dynamic_index_in_dim(table, k, axis=-1)
        below = jnp.where(usable & (index > k), column / pivot, 0)
        return table - below * row

    table = jnp.concatenate([matrix, right], axis=-1)
    return jax.lax.fori_loop(0, size, eliminate, table)


def _row_of(
    table: Inexact[Array, "*b k s"], least: Float[Array, "*b k"], k: Array
) -> tuple[Array, Array, Array]:
    """Row k, its pivot, and whether that is more than rounding.

    The pivot is real but for rounding; without that part of it, what it leaves of
    its column is off, and solutions by up to 100 % at a condition number of 1e6.
    """
    row = jax.lax.dynamic_index_in_dim(table, k, axis=-2)
    pivot = jax.lax.dynamic_index_in_dim(row, k, axis=-1)
    smallest = jax.lax.dynamic_index_in_dim(least, k, axis=-1)[..., None]
    usable = pivot.real > smallest
    return row, jnp.where(usable, pivot, 1), usable


def _least_pivots(matrix: Inexact[Array, "*b k k"]) -> Float[Array, "*b k"]:
    return ROUNDING * jnp.diagonal(matrix, axis1=-2, axis2=-1).real


def _identities(matrix: Inexact[Array, "*b k k"]) -> Inexact[Array, "*b k k"]:
    return jnp.broadcast_to(jnp.eye(matrix.shape[-1], dtype=matrix.dtype), matrix.shape)


def solve_tall(
    matrix: Inexact[Array, "*b r k"], right: Inexact[Array, "*b r"]
) -> Inexact[Array, "*b k"]:
    """Least squares of many equations for few unknowns, without their normal equations.

    Those have the square of the condition number, and where a channel has no noise
    float32 is at its end there: an AR(8) of such channels gains 5 to 20 dB. Modified
    Gram-Schmidt with the right side as a last column is as stable as Householder's
    reflections (Bjorck, "Solving linear least squares problems by Gram-Schmidt
    orthogonalization", BIT 7, 1967), and is plain array operations.

    An unknown without equations is 0.
    """
    count = matrix.shape[-1]
    table = jnp.concatenate([matrix, right[..., None]], axis=-1)
    index = jnp.arange(count + 1).reshape((1,) * (right.ndim - 1) + (count + 1,))

    def orthogonalise(k: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        table, triangle = state
        column = jax.lax.dynamic_index_in_dim(table, k, axis=-1, keepdims=False)
        norm = jnp.sqrt((abs(column) ** 2).sum(-1, keepdims=True))
        unit = column / jnp.where(norm > 0, norm, 1)
        row = jnp.einsum("...r,...rj->...j", unit.conj(), table, precision="highest")
        row = jnp.where(index > k, row, 0)
        table = table - unit[..., None] * row[..., None, :]
        row = jnp.where(index == k, norm.astype(row.dtype), row)
        triangle = jax.lax.dynamic_update_slice_in_dim(
            triangle, row[..., None, :], k, axis=-2
        )
        return table, triangle

    triangle = jnp.zeros((*right.shape[:-1], count, count + 1), table.dtype)
    triangle = jax.lax.fori_loop(0, count, orthogonalise, (table, triangle))[1]

    def substitute(i: Array, found: Array) -> Array:
        k = count - 1 - i
        row = jax.lax.dynamic_index_in_dim(triangle, k, axis=-2, keepdims=False)
        pivot = jax.lax.dynamic_index_in_dim(row, k, axis=-1, keepdims=False)
        rest = row[..., -1] - (row[..., :-1] * found).sum(-1)
        value = jnp.where(pivot != 0, rest / jnp.where(pivot != 0, pivot, 1), 0)
        return jax.lax.dynamic_update_slice_in_dim(found, value[..., None], k, axis=-1)

    unknown = jnp.zeros((*right.shape[:-1], count), table.dtype)
    return jax.lax.fori_loop(0, count, substitute, unknown)


def eigh_each(
    matrix: Inexact[Array, "n k k"],
) -> tuple[Float[Array, "n k"], Inexact[Array, "n k k"]]:
    """Eigenvalues, rising, and eigenvectors of Hermitian matrices.

    On a CPU one after the other: jaxlib 0.10 shares a batch among the threads that
    also run the program around it, and with few threads all may wait for each other
    for ever (seen with two; see also jax-ml/jax issue 39292).
    """
    return jax.lax.platform_dependent(
        matrix,
        cpu=lambda x: jax.lax.map(lambda one: tuple(jnp.linalg.eigh(one)), x),
        default=lambda x: tuple(jnp.linalg.eigh(x)),
    )


def inverse_factor_each(matrix: Inexact[Array, "n k k"]) -> Inexact[Array, "n k k"]:
    """Inverses of the lower Cholesky factors of positive definite matrices.

    What they multiply becomes white. See `eigh_each` for how.
    """

    def one(x: Inexact[Array, "k k"]) -> Inexact[Array, "k k"]:
        eye = jnp.eye(len(x), dtype=x.dtype)
        return jax.scipy.linalg.solve_triangular(
            jnp.linalg.cholesky(x), eye, lower=True
        )

    return jax.lax.platform_dependent(
        matrix, cpu=lambda x: jax.lax.map(one, x), default=jax.vmap(one)
    )
