"""The denoiser's transforms, and what holds for it whatever its parameters are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.nn.spectral_denoiser import (
    SpectralConfig,
    SpectralDenoiser,
    centred_fft,
    centred_ifft,
    neighbour,
)
from wlam.phy.kronecker import toeplitz_covariance
from wlam.phy.noise import complex_normal

SHAPE = (3, 6, 8)


@pytest.fixture(scope="module")
def observed():
    return complex_normal(jax.random.key(0), SHAPE)


@pytest.fixture(scope="module")
def estimate():
    """A denoiser with random parameters, in its head too."""
    model = SpectralDenoiser(SpectralConfig(width=8, blocks=1), nnx.Rngs(0))
    graph, params = nnx.split(model)
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    moved = [
        x + 0.3 * jax.random.normal(k, x.shape)
        for x, k in zip(leaves, keys, strict=True)
    ]
    params = jax.tree.unflatten(tree, moved)
    return jax.jit(lambda x, v: nnx.merge(graph, params)(x, v))


def test_transforms_keep_power_and_have_an_inverse(observed):
    bins = centred_fft(observed)
    power = [(abs(x) ** 2).sum() for x in (observed, bins)]
    np.testing.assert_allclose(*power, rtol=1e-5)
    np.testing.assert_allclose(centred_ifft(bins), observed, atol=1e-6)


def test_line_covariances_are_real_between_bins():
    """F C F^H of a Hermitian Toeplitz C: what makes real filters enough."""
    covariance = toeplitz_covariance(
        jnp.array([[20.0, -50.0]]), jnp.array([[0.7, 0.3]]), 5.0, 8
    )
    bins = centred_fft(covariance[0][:, :, None])[..., 0]  # along the rows
    bins = centred_fft(bins.conj().T[:, :, None])[..., 0].conj().T
    assert abs(bins.imag).max() < 1e-5 < abs(bins.real).max()


@pytest.mark.parametrize("size", [5, 6])
def test_neighbours_go_round_as_spectra_do(size):
    """The spectrum of `size` samples at any whole frequency, by its definition."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=size) + 1j * rng.normal(size=size)
    n = np.arange(size) - (size - 1) / 2

    def bin_at(k: int) -> complex:
        return (x * np.exp(-2j * np.pi * k * n / size)).sum() / np.sqrt(size)

    bins = jnp.asarray(np.complex64([bin_at(k) for k in range(size)]))[None, :, None]
    np.testing.assert_allclose(
        centred_fft(jnp.asarray(np.complex64(x))[None, :, None]), bins, atol=1e-5
    )
    for by in (-2, 1):
        found = neighbour(bins, 1, by)[0, :, 0]
        wanted = [bin_at(k + by) for k in range(size)]
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_unit_and_phase_go_through(estimate, observed):
    base = estimate(observed, jnp.full(3, 0.5))
    other = estimate(100j * observed, jnp.full(3, 0.5e4))
    np.testing.assert_allclose(other, 100j * base, rtol=1e-3, atol=1e-3)


def test_untrained_it_is_a_gain_for_every_bin(observed):
    model = SpectralDenoiser(SpectralConfig(width=8, blocks=1), nnx.Rngs(0))
    ratio = centred_fft(model(observed, jnp.full(3, 0.5))) / centred_fft(observed)
    assert abs(ratio.imag).max() < 1e-4
    assert 0 <= ratio.real.min() <= ratio.real.max() <= 1
    power = abs(centred_fft(observed)) ** 2
    order = jnp.argsort(power.ravel())
    assert (np.diff(ratio.real.ravel()[order]) > -1e-4).all()


def test_white_noise_is_seen_for_what_it_is():
    model = SpectralDenoiser(SpectralConfig(width=8, blocks=1), nnx.Rngs(0))
    noise = 3 * complex_normal(jax.random.key(2), (4, 16, 64))
    np.testing.assert_allclose(model.noise_variance(noise), 9 * np.ones(4), rtol=0.15)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"kernel": 2}, {"taps": (3, 4)}])
def test_sizes_that_make_no_network(wrong):
    with pytest.raises(ValueError, match="found"):
        SpectralConfig(**wrong)
