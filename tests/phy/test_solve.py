"""Small systems, and tall ones, against the library's solutions."""

import jax
import jax.numpy as jnp
import numpy as np

from wlam.phy.solve import (
    eigh_each,
    inverse_factor_each,
    inverse_positive,
    solve_positive,
    solve_tall,
)


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


def test_ill_conditioned_hermitian_systems_are_solved_as_cholesky_would():
    """Covariances of six tones in noise 50 dB below: a condition number of 1e6."""
    random = np.random.default_rng(0)
    tones = random.uniform(-0.3, 0.3, (50, 1, 6))
    waves = np.exp(2j * np.pi * np.arange(16)[:, None] * tones)
    matrix = waves @ waves.conj().swapaxes(1, 2) / 6 + 1e-5 * np.eye(16)
    right = waves.sum(2)
    wanted = np.linalg.solve(matrix, right[..., None])[..., 0]
    given = jnp.asarray(matrix, jnp.complex64), jnp.asarray(right, jnp.complex64)
    found = solve_positive(*given)
    error = np.linalg.norm(found - wanted, axis=1) / np.linalg.norm(wanted, axis=1)
    assert error.max() < 0.05
    inverse = np.linalg.inv(matrix)
    error = np.linalg.norm(inverse_positive(given[0]) - inverse, axis=(1, 2))
    assert (error < 0.05 * np.linalg.norm(inverse, axis=(1, 2))).all()


def test_tall_systems_are_solved_by_least_squares():
    re, im = np.random.default_rng(0).normal(size=(2, 3, 40, 6)).astype(np.float32)
    matrix = re + 1j * im
    right = matrix[..., ::-1].sum(-1) ** 2
    found = solve_tall(jnp.asarray(matrix), jnp.asarray(right))
    for a, b, x in zip(matrix, right, found, strict=True):
        np.testing.assert_allclose(x, np.linalg.lstsq(a, b)[0], rtol=1e-3)


def test_tall_systems_lose_the_condition_once_and_not_twice():
    """Columns that agree to 1e-4: normal equations in float32 have rank one."""
    t = np.linspace(0, 1, 200)
    matrix = np.stack([np.ones(200), 1 + 1e-4 * t], axis=1)
    right = matrix @ [2.0, -1.0]
    found = solve_tall(
        jnp.asarray(matrix, jnp.float32)[None], jnp.asarray(right, jnp.float32)[None]
    )
    residual = matrix.astype(np.float32) @ np.asarray(found[0], np.float64) - right
    assert abs(residual).max() < 1e-6
    np.testing.assert_allclose(found[0], [2, -1], rtol=1e-2)


def test_an_unknown_without_equations_is_nought():
    matrix = jnp.asarray(np.eye(5, 3), jnp.float32).at[:, 1].set(0)[None]
    found = solve_tall(matrix, jnp.ones((1, 5)))
    np.testing.assert_allclose(found[0], [1, 0, 1], atol=1e-6)


def test_each_matrix_is_factored_by_itself():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(5, 4, 6, 2)) @ [1, 1j]).astype(np.complex64)
    matrix = x @ x.conj().swapaxes(1, 2)
    power, vectors = jax.jit(eigh_each)(matrix)
    np.testing.assert_allclose(power, np.linalg.eigvalsh(matrix), rtol=1e-4)
    back = np.einsum("nab,nb,ncb->nac", vectors, power, vectors.conj())
    np.testing.assert_allclose(back, matrix, atol=1e-4)
    factor = np.asarray(jax.jit(inverse_factor_each)(matrix))
    np.testing.assert_array_equal(np.triu(factor, 1), 0)
    white = factor @ matrix @ factor.conj().swapaxes(1, 2)
    np.testing.assert_allclose(white, np.eye(4) * np.ones((5, 1, 1)), atol=1e-3)
