"""Bessel function and noise ratio against their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from wlam import baselines


def test_bessel_function():
    x = np.concatenate([np.linspace(-8, 8, 4001), np.linspace(8, 600, 4000)])
    x = np.append(x, [0, 3, np.nextafter(np.float32(3), 4)]).astype(np.float32)
    error = abs(jax.jit(baselines.bessel_j0)(x) - special.j0(x.astype(np.float64)))
    assert error[x <= 100].max() < 1e-6
    assert error.max() < 3e-6


def test_correlation_of_isotropic_scattering():
    """The mean phase rotation of waves from all directions."""
    doppler = np.array([0.0, 0.02, 0.3], np.float32)
    angle = 2 * np.pi * (np.arange(256) + 0.5) / 256
    turns = doppler[:, None, None] * np.arange(9)[:, None] * np.cos(angle)
    expected = np.cos(2 * np.pi * turns).mean(-1)
    found = jax.jit(baselines.jakes_correlation, static_argnums=1)(doppler, 9)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_noise_is_common_to_all_channels():
    """Powers 4, 1, 1 at 0 dB: half of 6 / 3 is noise, which leaves 3, 0, 0."""
    context = np.ones((3, 8, 3), np.float32) * np.array([2, 1, 1], np.float32)
    context[2] = 0
    snr_db = np.array([0.0, 80.0, 10.0], np.float32)
    for scale in (1, 2.0**-60):
        ratio = baselines.noise_to_signal(jnp.asarray(scale * context), snr_db)
        np.testing.assert_allclose(ratio[0], [1 / 3, np.inf, np.inf], rtol=1e-5)
        np.testing.assert_allclose(ratio[1], np.array([0.5, 2, 2]) * 1e-8, rtol=1e-5)
        assert np.isinf(ratio[2]).all()
