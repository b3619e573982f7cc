"""Small systems against the library's solution."""

import jax
import jax.numpy as jnp
import numpy as np

from wlam.phy.solve import solve_positive


def test_solves_positive_systems():
    a = jax.random.normal(jax.random.key(0), (5, 8, 12))
    matrix = jnp.einsum("bik,bjk->bij", a, a) + 0.1 * jnp.eye(8)[None]
    right = jax.random.normal(jax.random.key(1), (5, 8))
    np.testing.assert_allclose(
        solve_positive(matrix, right),
        jnp.linalg.solve(matrix, right[..., None])[..., 0],
        rtol=1e-3,
        atol=1e-4,
    )


def test_singular_systems_have_a_solution_too():
    """Of rank 2, and of rank 0: nothing overflows, and what is found solves them."""
    a = jax.random.normal(jax.random.key(2), (50, 6, 2)).at[0].set(0)
    matrix = jnp.einsum("bik,bjk->bij", a, a)
    x = jax.random.normal(jax.random.key(3), (50, 6))
    right = jnp.einsum("bij,bj->bi", matrix, x)
    found = solve_positive(matrix, right)
    assert not found[0].any()
    again = jnp.einsum("bij,bj->bi", matrix, found)
    np.testing.assert_allclose(again, right, rtol=1e-3, atol=1e-3)
