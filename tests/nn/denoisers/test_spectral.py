"""The denoiser's transforms, and its properties for any parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.nn.denoisers.spectral import (
    SpectralConfig,
    SpectralDenoiser,
    centred_fft,
    centred_ifft,
    neighbour,
)
from wlam.phy.channels.kronecker import toeplitz_covariance
from wlam.phy.noise import complex_normal

SHAPE = (3, 6, 8)
CONFIG = SpectralConfig(width=8, blocks=1)
draw = jax.jit(complex_normal, static_argnames="shape")
compiled_fft = jax.jit(centred_fft)


def bins_of(x):
    """`centred_fft` of a numpy array, in numpy."""
    return np.asarray(compiled_fft(jnp.asarray(x)))


@pytest.fixture(scope="module")
def observed():
    return draw(jax.random.key(0), SHAPE)


@pytest.fixture(scope="module")
def model():
    """Untrained."""
    return nnx.jit(lambda: SpectralDenoiser(CONFIG, nnx.Rngs(0)))()


@pytest.fixture(scope="module")
def estimate(model):
    """A denoiser with random parameters, also of its head."""
    graph, params = nnx.split(model)

    @jax.jit
    def moved(params):
        leaves, tree = jax.tree.flatten(params)
        keys = jax.random.split(jax.random.key(1), len(leaves))
        return jax.tree.unflatten(
            tree,
            [
                x + 0.3 * jax.random.normal(k, x.shape)
                for x, k in zip(leaves, keys, strict=True)
            ],
        )

    params = moved(params)
    return jax.jit(lambda x, v: nnx.merge(graph, params)(x, v))


def test_transforms_keep_power_and_have_an_inverse(observed):
    bins = bins_of(observed)
    power = [(abs(np.asarray(x)) ** 2).sum() for x in (observed, bins)]
    np.testing.assert_allclose(*power, rtol=1e-5)
    back = jax.jit(centred_ifft)(jnp.asarray(bins))
    np.testing.assert_allclose(back, observed, atol=1e-6)


def test_line_covariances_are_real_between_bins():
    """F C F^H of a Hermitian Toeplitz C is real, so that real filters are enough."""
    of_line = jax.jit(lambda centre, power: toeplitz_covariance(centre, power, 5.0, 8))
    covariance = of_line(jnp.array([[20.0, -50.0]]), jnp.array([[0.7, 0.3]]))
    bins = bins_of(np.asarray(covariance)[0][:, :, None])[..., 0]  # along the rows
    bins = bins_of(bins.conj().T[:, :, None])[..., 0].conj().T
    assert abs(np.imag(bins)).max() < 1e-5 < abs(np.real(bins)).max()


@pytest.mark.parametrize("size", [5, 6])
def test_neighbours_are_periodic_as_spectra_are(size):
    """The spectrum of `size` samples at any whole frequency, by its definition."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=size) + 1j * rng.normal(size=size)
    n = np.arange(size) - (size - 1) / 2

    def bin_at(k: int) -> complex:
        return (x * np.exp(-2j * np.pi * k * n / size)).sum() / np.sqrt(size)

    bins = np.array([bin_at(k) for k in range(size)], np.complex64)[None, :, None]
    seen = bins_of(x.astype(np.complex64)[None, :, None])
    np.testing.assert_allclose(seen, bins, atol=1e-5)
    for by in (-2, 1):
        found = np.asarray(neighbour(jnp.asarray(bins), 1, by))[0, :, 0]
        wanted = [bin_at(k + by) for k in range(size)]
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_the_estimate_scales_and_rotates_with_the_input(estimate, observed):
    base = estimate(observed, jnp.full(3, 0.5))
    other = estimate(100j * observed, jnp.full(3, 0.5e4))
    np.testing.assert_allclose(other, 100j * base, rtol=1e-3, atol=1e-3)


def test_an_untrained_denoiser_is_a_gain_for_every_bin(model, observed):
    bins = bins_of(observed)
    ratio = bins_of(jax.jit(model)(observed, jnp.full(3, 0.5))) / bins
    assert abs(ratio.imag).max() < 1e-4
    assert 0 <= ratio.real.min() <= ratio.real.max() <= 1
    power = abs(bins) ** 2
    order = np.argsort(power.ravel())
    assert (np.diff(ratio.real.ravel()[order]) > -1e-4).all()


def test_the_variance_of_white_noise_is_estimated(model):
    noise = 3 * draw(jax.random.key(2), (4, 16, 64))
    found = jax.jit(model.noise_variance)(noise)
    np.testing.assert_allclose(found, 9 * np.ones(4), rtol=0.15)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"kernel": 2}, {"taps": (3, 4)}])
def test_sizes_that_make_no_network(wrong):
    with pytest.raises(ValueError, match="found"):
        SpectralConfig(**wrong)
