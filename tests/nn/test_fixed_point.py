"""Fixed points against linear algebra, and gradients against unrolling."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.nn.fixed_point import Solver, fixed_point, solve

N, D = 3, 6
EXACT = Solver(weight=1.0, tolerance=1e-7, most=300)


def affine(about, z):
    """A contraction whose fixed point is (I - A)^-1 b."""
    matrix, offset = about
    return jnp.einsum("ij,nj->ni", matrix, z) + offset


def bent(about, z):
    """The same with a 1-Lipschitz nonlinearity."""
    return jnp.tanh(affine(about, z))


@pytest.fixture(scope="module", params=[jnp.float32, jnp.complex64])
def about(request):
    keys = jax.random.split(jax.random.key(0))
    matrix = jax.random.normal(keys[0], (D, D), request.param)
    matrix = 0.7 * matrix / jnp.linalg.norm(matrix, 2)
    return matrix, jax.random.normal(keys[1], (N, D), request.param)


def truth(about):
    matrix, offset = (np.asarray(x, np.complex128) for x in about)
    return np.linalg.solve(np.eye(D) - matrix, offset.T).T


@pytest.mark.parametrize("solver", [EXACT, Solver(0.8, 5, 1e-8, 1e-7, 100)])
def test_the_fixed_point_is_found(about, solver):
    found = solve(partial(affine, about), jnp.zeros_like(about[1]), solver)
    np.testing.assert_allclose(found.z, truth(about), atol=1e-4)
    calls = int(found.evaluations)
    assert found.residuals[calls - 1] <= solver.tolerance
    assert np.isnan(found.residuals[calls:]).all()


def test_acceleration_needs_fewer_evaluations(about):
    calls = [
        int(solve(partial(affine, about), jnp.zeros_like(about[1]), solver).evaluations)
        for solver in (
            Solver(1.0, 0, tolerance=1e-5, most=200),
            Solver(1.0, 5, 1e-8, tolerance=1e-5, most=200),
        )
    ]
    assert calls[1] < 0.7 * calls[0]


def test_residuals_of_a_contraction_fall_as_its_constant(about):
    found = solve(partial(affine, about), jnp.zeros_like(about[1]), EXACT)
    residuals = np.asarray(found.residuals)[5:20]
    assert (residuals[1:] <= 0.75 * residuals[:-1]).all()


def test_a_reflection_needs_damping():
    """z = -z: no convergence at weight 1, and 0 at once at one half."""
    start = jnp.ones((1, 2))
    turning = solve(lambda z: -z, start, Solver(1.0, most=10))
    assert int(turning.evaluations) == 10
    found = solve(lambda z: -z, start, Solver(0.5, most=10))
    np.testing.assert_array_equal(found.z, 0)


def test_two_starts_reach_the_same_fixed_point(about):
    first, other = (
        solve(partial(bent, about), s * jnp.ones_like(about[1]), EXACT).z
        for s in (0.0, 2.0)
    )
    np.testing.assert_allclose(first, other, atol=1e-5)


def test_the_implicit_gradient_is_that_of_unrolling(about):
    start = jnp.zeros_like(about[1])

    def loss(z):
        return (abs(z - 1) ** 2).sum()

    def unrolled(about):
        z = start
        for _ in range(60):
            z = bent(about, z)
        return loss(z)

    exact = jax.jit(jax.grad(unrolled))(about)
    found = jax.jit(jax.grad(lambda a: loss(fixed_point(bent, a, start, EXACT))))(about)
    for one, other in zip(found, exact, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    # Through the last evaluation alone it is another, of nearly the same direction.
    short = Solver(1.0, tolerance=1e-7, most=300, gradient="one step")
    near = jax.grad(lambda a: loss(fixed_point(bent, a, start, short)))(about)
    a, b = (np.concatenate([np.asarray(x).ravel() for x in g]) for g in (near, exact))
    cosine = np.vdot(a, b).real / np.linalg.norm(a) / np.linalg.norm(b)
    assert 0.6 < cosine < 0.9999


def test_bad_solvers_are_named():
    with pytest.raises(ValueError, match="weight: found 0"):
        Solver(weight=0.0)
    with pytest.raises(ValueError, match="memory, most, tolerance: found"):
        Solver(most=0)
