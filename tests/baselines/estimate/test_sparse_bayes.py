"""Sparse Bayesian learning against closed forms, its own likelihood and LMMSE."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.baselines.estimate import Moments, lmmse
from wlam.baselines.estimate.sparse_bayes import ROUNDING, fit_spectrum, sparse_bayes

RNG = np.random.default_rng(0)
N, PARTS, M, D, K = 3, 2, 8, 12, 16
VARIANCE = jnp.full(N, 0.05)


def normal(*shape):
    return (RNG.normal(size=(*shape, 2)) @ [1, 1j] / np.sqrt(2)).astype(np.complex64)


SENSING, DICTIONARY = normal(PARTS, M, D) / np.sqrt(M), normal(D, K)
SPARSE = normal(N, PARTS, K) * (RNG.random((N, 1, K)) < 0.15)
OBSERVED = np.einsum("smd,dk,nsk->nsm", SENSING, DICTIONARY, SPARSE)
OBSERVED += np.sqrt(0.05) * normal(N, PARTS, M)
UNITARY = np.linalg.qr(normal(M, M))[0]


def log_likelihood(fit, seen):
    """Of the observations, sample by sample."""
    total = np.zeros(N)
    for n in range(N):
        for s in range(PARTS):
            y, atoms = np.complex128(OBSERVED[n, s]), np.complex128(seen[s])
            expected = (atoms * np.asarray(fit.power[n])) @ atoms.conj().T
            expected += float(fit.noise_variance[n]) * np.eye(M)
            total[n] -= np.linalg.slogdet(np.pi * expected)[1]
            total[n] -= (y.conj() @ np.linalg.solve(expected, y)).real
    return total


@pytest.mark.parametrize("fit_noise", [False, True])
def test_no_update_lowers_the_likelihood(fit_noise):
    seen = SENSING @ DICTIONARY
    found = [
        log_likelihood(fit_spectrum(OBSERVED, VARIANCE, seen, i, fit_noise), seen)
        for i in (0, 1, 2, 5, 30)
    ]
    assert (np.diff(found, axis=0) > -1e-3).all()
    assert (found[-1] > found[0] + 1).all()


def test_without_updates_it_is_the_linear_estimate_of_a_flat_spectrum():
    found = sparse_bayes(OBSERVED, VARIANCE, SENSING, DICTIONARY, iterations=0)
    level = (abs(OBSERVED) ** 2).mean((1, 2))
    level /= (abs(SENSING @ DICTIONARY) ** 2).sum(-1).mean()
    for n in range(N):
        covariance = level[n] * DICTIONARY @ DICTIONARY.conj().T
        moments = Moments(jnp.zeros(D, jnp.complex64), jnp.asarray(covariance))
        for s in range(PARTS):
            y = jnp.asarray(OBSERVED[n, s][None])
            expected = lmmse(y, VARIANCE[:1], jnp.asarray(SENSING[s]), moments)[0]
            np.testing.assert_allclose(found[n, s], expected, atol=2e-4)


def test_atoms_that_do_not_overlap_have_a_spectrum_in_closed_form():
    """The observed power of each, over all parts, less the noise, at least 0."""
    y = normal(N, PARTS, M)
    found = fit_spectrum(y, jnp.full(N, 0.5), UNITARY[None], 2000).power
    seen = (abs(np.einsum("mk,nsm->nsk", UNITARY.conj(), y)) ** 2).mean(1)
    np.testing.assert_allclose(found, np.maximum(seen - 0.5, 0), atol=5e-3)


def test_noise_is_what_no_atom_explains():
    atoms, rest = UNITARY[:, :2], UNITARY[:, 2:]
    y = normal(N, PARTS, M) + 10 * normal(N, PARTS, 2) @ atoms.T
    found = fit_spectrum(y, jnp.full(N, 0.1), atoms[None], 300, True).noise_variance
    expected = (abs(np.einsum("mk,nsm->nsk", rest.conj(), y)) ** 2).mean((1, 2))
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.parametrize("fit_noise", [False, True])
def test_shared_sensing_is_given_once(fit_noise):
    about = (OBSERVED, VARIANCE)
    both = np.repeat(SENSING[:1], PARTS, axis=0)
    once = sparse_bayes(*about, SENSING[:1], DICTIONARY, fit_noise=fit_noise)
    each = sparse_bayes(*about, both, DICTIONARY, fit_noise=fit_noise)
    np.testing.assert_allclose(once, each, atol=1e-4)


@pytest.mark.parametrize("fit_noise", [False, True])
def test_a_zero_observation_has_a_zero_estimate(fit_noise):
    """The estimate of another sample does not change."""
    some = OBSERVED * np.array([0, 1, 1])[:, None, None]
    told = VARIANCE.at[0].set(0)
    found = sparse_bayes(some, told, SENSING, DICTIONARY, fit_noise=fit_noise)
    np.testing.assert_array_equal(np.asarray(found[0]), 0)
    about = (OBSERVED, VARIANCE, SENSING, DICTIONARY)
    whole = sparse_bayes(*about, fit_noise=fit_noise)
    np.testing.assert_array_equal(found[1:], whole[1:])


def test_the_fitted_noise_is_zero_without_noise():
    """Up to rounding, below which a covariance has no factor."""
    clean = np.einsum("smd,dk,nsk->nsm", SENSING, DICTIONARY, SPARSE)
    seen = SENSING @ DICTIONARY
    fit = fit_spectrum(clean, VARIANCE, seen, 200, True)
    assert np.isfinite(fit.power).all()
    least = ROUNDING * (abs(clean) ** 2).mean((1, 2))
    assert (np.asarray(fit.noise_variance) >= 0.999 * least).all()


def test_the_estimate_scales_with_the_unit():
    one = sparse_bayes(OBSERVED, VARIANCE, SENSING, DICTIONARY)
    many = sparse_bayes(1e3 * OBSERVED, 1e6 * VARIANCE, SENSING, DICTIONARY)
    np.testing.assert_allclose(many, 1e3 * np.asarray(one), rtol=1e-2, atol=1.0)
    assert jax.tree.all(jax.tree.map(jnp.isfinite, abs(many).max()))


@pytest.mark.parametrize("unit", [2.0**-40, 2.0**40])
def test_units_cause_no_rounding(unit):
    one = sparse_bayes(OBSERVED, VARIANCE, SENSING, DICTIONARY)
    many = sparse_bayes(unit * OBSERVED, unit**2 * VARIANCE, SENSING, DICTIONARY)
    np.testing.assert_array_equal(many / unit, one)
