"""Small systems, and tall ones, against the library's solutions."""

import jax
import numpy as np

from wlam.ops import solve
from wlam.ops.solve import eigh_each, inverse_factor_each

solve_positive = jax.jit(solve.solve_positive)
inverse_positive = jax.jit(solve.inverse_positive)
solve_tall = jax.jit(solve.solve_tall)


def test_solves_positive_systems():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((5, 8, 12)).astype(np.float32)
    matrix = a @ a.swapaxes(1, 2) + 0.1 * np.eye(8, dtype=np.float32)
    right = rng.standard_normal((5, 8)).astype(np.float32)
    np.testing.assert_allclose(
        solve_positive(matrix, right),
        np.linalg.solve(matrix, right[..., None])[..., 0],
        rtol=1e-3,
        atol=1e-4,
    )


def test_singular_systems_have_a_finite_solution():
    """Of rank 2, and of rank 0: no overflow, and the result solves them."""

    @jax.jit
    def draw():
        a = jax.random.normal(jax.random.key(2), (50, 6, 2)).at[0].set(0)
        return a, jax.random.normal(jax.random.key(3), (50, 6))

    a, x = map(np.asarray, draw())
    matrix = a @ a.swapaxes(1, 2)
    right = np.einsum("bij,bj->bi", matrix, x)
    found = np.asarray(solve_positive(matrix, right))
    assert not found[0].any()
    again = np.einsum("bij,bj->bi", matrix, found)
    np.testing.assert_allclose(again, right, rtol=1e-3, atol=1e-3)


def test_ill_conditioned_hermitian_systems_are_solved_as_cholesky_would():
    """Covariances of six tones in noise 50 dB below: a condition number of 1e6."""
    random = np.random.default_rng(0)
    tones = random.uniform(-0.3, 0.3, (50, 1, 6))
    waves = np.exp(2j * np.pi * np.arange(16)[:, None] * tones)
    matrix = waves @ waves.conj().swapaxes(1, 2) / 6 + 1e-5 * np.eye(16)
    right = waves.sum(2)
    wanted = np.linalg.solve(matrix, right[..., None])[..., 0]
    given = matrix.astype(np.complex64), right.astype(np.complex64)
    found = np.asarray(solve_positive(*given))
    error = np.linalg.norm(found - wanted, axis=1) / np.linalg.norm(wanted, axis=1)
    assert error.max() < 0.05
    inverse = np.linalg.inv(matrix)
    found = np.asarray(inverse_positive(given[0]))
    error = np.linalg.norm(found - inverse, axis=(1, 2))
    assert (error < 0.05 * np.linalg.norm(inverse, axis=(1, 2))).all()


def test_quadratic_forms_are_accurate_through_the_factor():
    """x^H R^-1 x along the strongest direction, where R has a condition of 1e6."""
    rng = np.random.default_rng(0)
    normal = rng.standard_normal((2, 20, 8, 8))
    vectors = np.linalg.qr(normal[0] + 1j * normal[1])[0]
    power = np.geomspace(1, 1e-6, 8)
    matrix = (vectors * power) @ vectors.conj().swapaxes(1, 2)
    factor = np.asarray(jax.jit(solve.inverse_factor)(matrix.astype(np.complex64)))
    np.testing.assert_array_equal(np.triu(factor, 1), 0)
    form = (abs(factor @ vectors[..., :1]) ** 2).sum((1, 2))
    np.testing.assert_allclose(form, 1, rtol=1e-3)
    # And of what depends on others nothing is said.
    flat = np.ones((1, 3, 3), np.float32)
    expected = [[[1, 0, 0], [0, 0, 0], [0, 0, 0]]]
    np.testing.assert_allclose(jax.jit(solve.inverse_factor)(flat), expected, atol=1e-6)


def test_tall_systems_are_solved_by_least_squares():
    re, im = np.random.default_rng(0).normal(size=(2, 3, 40, 6)).astype(np.float32)
    matrix = re + 1j * im
    right = matrix[..., ::-1].sum(-1) ** 2
    found = np.asarray(solve_tall(matrix, right))
    for a, b, x in zip(matrix, right, found, strict=True):
        np.testing.assert_allclose(x, np.linalg.lstsq(a, b)[0], rtol=1e-3)


def test_errors_of_tall_systems_grow_with_the_condition_and_not_its_square():
    """Columns that agree to 1e-4: normal equations in float32 have rank one."""
    t = np.linspace(0, 1, 200)
    matrix = np.stack([np.ones(200), 1 + 1e-4 * t], axis=1)
    right = matrix @ [2.0, -1.0]
    given = matrix.astype(np.float32), right.astype(np.float32)
    found = np.asarray(solve_tall(given[0][None], given[1][None]))[0]
    residual = given[0] @ found.astype(np.float64) - right
    assert abs(residual).max() < 1e-6
    np.testing.assert_allclose(found, [2, -1], rtol=1e-2)


def test_an_unknown_without_equations_is_zero():
    matrix = np.eye(5, 3, dtype=np.float32)[None]
    matrix[..., 1] = 0
    found = np.asarray(solve_tall(matrix, np.ones((1, 5), np.float32)))
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
