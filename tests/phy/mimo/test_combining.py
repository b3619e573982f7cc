"""Receivers with few RF chains: sensing matrix and white noise."""

import jax
import numpy as np
import pytest

from wlam.phy import noise
from wlam.phy.channels import hybrid_field
from wlam.phy.channels.hybrid_field import HybridFieldConfig
from wlam.phy.mimo.combining import Receiver

observe = jax.jit(hybrid_field.observe)
complex_normal = jax.jit(noise.complex_normal, static_argnums=1)
CONFIG = HybridFieldConfig(sub_arrays=(1, 2), antennas=(2, 4), num_measurements=8)
N = 4000


@pytest.fixture(scope="module")
def receiver():
    return Receiver(CONFIG, 1)


def test_rows_are_orthonormal(receiver):
    for part in receiver.sensing:
        np.testing.assert_allclose(part @ part.conj().T, np.eye(4), atol=1e-5)


def test_without_noise_it_is_the_sensing_of_the_channel(receiver):
    channel = np.asarray(complex_normal(jax.random.key(0), (3, 16)))
    level = np.full(3, 200.0, np.float32)  # dB
    seen = observe(jax.random.key(1), channel, receiver.weights, level)
    white = receiver.white(np.asarray(seen)).reshape(3, -1)
    np.testing.assert_allclose(white, channel @ receiver.whole().T, atol=1e-4)


def test_noise_of_the_antennas_comes_out_white(receiver):
    channel = np.ones((N, 16), np.complex64)
    noisy, clean = (
        np.asarray(
            observe(
                jax.random.key(2),
                channel,
                receiver.weights,
                np.full(N, level_db, np.float32),
            )
        )
        for level_db in (3.0, 200.0)
    )
    white = receiver.white(noisy - clean).reshape(N, -1)
    covariance = white.T @ white.conj() / N
    wanted = 10**-0.3 * np.eye(8)
    np.testing.assert_allclose(covariance, wanted, atol=5 * 0.5 / np.sqrt(N))
