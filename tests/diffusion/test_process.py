"""The forward process against its moments; parametrisations against each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.diffusion import (
    Estimates,
    add_noise,
    denoising_loss,
    estimates,
    linear,
    prediction_of,
    standard_noise,
)

SCHEDULE = linear(100, 1e-3, 0.1)
KEY = jax.random.key(0)
DRAWS = 100_000


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.complex64])
def test_moments_of_noisy_data(dtype):
    """Mean sqrt(signal) x_0 and variance 1 - signal, within four standard errors."""
    data = jnp.full((DRAWS, 1), 1.5, dtype)
    noise = standard_noise(KEY, data.shape, data.dtype)
    x = np.asarray(add_noise(SCHEDULE, data, jnp.array([30]), noise))
    signal = float(SCHEDULE.signal[30])
    error = 4 / np.sqrt(DRAWS)
    assert abs(x.mean() - 1.5 * np.sqrt(signal)) < error
    variance = (abs(x - 1.5 * np.sqrt(signal)) ** 2).mean()
    assert abs(variance / (1 - signal) - 1) < error * np.sqrt(2)
    if dtype == jnp.complex64:  # circular
        np.testing.assert_allclose(x.real.var(), x.imag.var(), rtol=0.03)


def test_one_jump_equals_many_steps():
    """x_t = sqrt(1 - beta) x_{t-1} + sqrt(beta) noise, iterated, has those moments."""
    steps = 10

    def step(x, inputs):
        signal, key = inputs
        return jnp.sqrt(signal) * x + jnp.sqrt(1 - signal) * jax.random.normal(
            key, x.shape
        ), None

    ratio = SCHEDULE.signal[1 : steps + 1] / SCHEDULE.signal[:steps]
    data = jnp.full((DRAWS,), 2.0)
    keys = jax.random.split(KEY, steps)
    many = np.asarray(jax.lax.scan(step, data, (ratio, keys))[0])
    signal, error = float(SCHEDULE.signal[steps]), 4 / np.sqrt(DRAWS)
    assert abs(many.mean() - 2 * np.sqrt(signal)) < error * np.sqrt(1 - signal)
    assert abs(many.var() / (1 - signal) - 1) < error * np.sqrt(2)


@pytest.mark.parametrize("parametrisation", ["noise", "data", "velocity"])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.complex64])
def test_parametrisations_are_equivalent(parametrisation, dtype):
    keys = jax.random.split(KEY)
    data, noise = (standard_noise(key, (4, 3), dtype) for key in keys)
    step = jnp.array([1, 20, 60, 100])
    x = add_noise(SCHEDULE, data, step, noise)
    truth = Estimates(data, noise)
    prediction = prediction_of(SCHEDULE, step, truth, parametrisation)
    found = estimates(SCHEDULE, x, step, prediction, parametrisation)
    # x of the first step has little noise.
    np.testing.assert_allclose(found.data, data, atol=3e-5)
    np.testing.assert_allclose(found.noise, noise, atol=3e-5)


@pytest.mark.parametrize("parametrisation", ["noise", "data", "velocity"])
def test_step_0_has_no_noise(parametrisation):
    x = jnp.array([[1.0, -2.0]])
    prediction = jnp.array([[7.0, 7.0]])
    found = estimates(SCHEDULE, x, jnp.array([0]), prediction, parametrisation)
    np.testing.assert_array_equal(found.data, x)
    assert np.isfinite(found.noise).all()


def test_the_posterior_mean_from_data_is_that_from_noise():
    """Equations 7 and 11 of arXiv 2006.11239."""
    t = jnp.array([40])
    data, noise = (standard_noise(key, (1, 5), float) for key in jax.random.split(KEY))
    x = add_noise(SCHEDULE, data, t, noise)
    now, before = SCHEDULE.signal[40], SCHEDULE.signal[39]
    alpha = now / before
    by_data = (
        jnp.sqrt(before) * (1 - alpha) * data + jnp.sqrt(alpha) * (1 - before) * x
    ) / (1 - now)
    by_noise = (x - (1 - alpha) / jnp.sqrt(1 - now) * noise) / jnp.sqrt(alpha)
    np.testing.assert_allclose(by_data, by_noise, atol=1e-5)


def test_the_loss_is_least_for_the_conditional_mean():
    """Data N(0, 1): the noise to expect in x is sqrt(1 - signal) x."""
    data = jax.random.normal(KEY, (DRAWS, 1))

    def loss(factor):
        def predict(x, step):
            return factor * jnp.sqrt(1 - SCHEDULE.signal[step])[:, None] * x

        return denoising_loss(predict, SCHEDULE, data, jax.random.key(1))

    best = float(loss(1.0))
    assert best < min(float(loss(0.97)), float(loss(1.03)))
    # 1 - (1 - signal) of the noise's variance is unpredictable.
    np.testing.assert_allclose(best, SCHEDULE.signal[1:].mean(), rtol=0.01)


@pytest.mark.parametrize("parametrisation", ["noise", "data", "velocity"])
def test_weights_are_of_the_data_error(parametrisation):
    """For any parametrisation, equal errors of the data have equal loss."""
    data = jnp.ones((2000, 1))

    def predict(x, step):
        signal = SCHEDULE.signal[step][:, None]
        noise = (x - 1.1 * jnp.sqrt(signal)) / jnp.sqrt(1 - signal)
        wrong = Estimates(jnp.full_like(x, 1.1), noise)
        return prediction_of(SCHEDULE, step, wrong, parametrisation)

    found = denoising_loss(predict, SCHEDULE, data, KEY, parametrisation, most_snr=5.0)
    step = jax.random.randint(jax.random.split(KEY)[0], (2000,), 1, 101)
    expected = 0.01 * jnp.minimum(SCHEDULE.snr[step], 5).mean()
    np.testing.assert_allclose(found, expected, rtol=1e-2)
