"""Schedules against their formulas."""

import jax.numpy as jnp
import numpy as np
import pytest

from wlam.diffusion import cosine, linear, linear_to, sigmoid


@pytest.mark.parametrize("make", [linear, cosine, sigmoid])
def test_signal_falls_from_one(make):
    signal = np.asarray(make(100).signal)
    assert signal.shape == (101,)
    assert signal[0] == 1
    assert (np.diff(signal) < 0).all()
    assert signal[-1] > 0


def test_linear_is_the_product_of_its_betas():
    betas = np.linspace(1e-4, 0.02, 1000)
    expected = np.cumprod(1 - betas)
    np.testing.assert_allclose(linear(1000).signal[1:], expected, rtol=1e-5)
    np.testing.assert_allclose(linear(1000).signal[-1], 4.036e-5, rtol=1e-3)


def test_linear_to_begins_at_its_snr():
    schedule = linear_to(1e4, 0.1, 100)
    np.testing.assert_allclose(schedule.snr[1], 1e4, rtol=1e-2)
    # SNR of the last step in arXiv 2403.03545 for these values, about -22.5 dB.
    np.testing.assert_allclose(10 * jnp.log10(schedule.snr[-1]), -22.5, atol=0.2)


def test_cosine_has_half_the_signal_in_the_middle():
    schedule = cosine(1000, offset=0.0)
    np.testing.assert_allclose(schedule.signal[500], 0.5, rtol=1e-4)
    np.testing.assert_allclose(schedule.signal[250], np.cos(np.pi / 8) ** 2, rtol=1e-4)


def test_sigmoid_is_symmetric():
    signal = np.asarray(sigmoid(100).signal)
    np.testing.assert_allclose(signal + signal[::-1], 1, atol=1e-6)


def test_nearest_step_of_an_snr():
    schedule = linear(100)
    steps = jnp.array([1, 40, 100])
    np.testing.assert_array_equal(schedule.nearest(schedule.snr[steps] * 1.0001), steps)
    np.testing.assert_array_equal(schedule.nearest(jnp.array([1e9, 1e-9])), [1, 100])


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: linear(0), "num_steps: found 0"),
        (lambda: linear(10, last=1.0), "last: found 1.0; needed between 0 and 1"),
        (lambda: cosine(0), "num_steps: found 0"),
        (lambda: sigmoid(0), "num_steps: found 0"),
        (lambda: sigmoid(10, 3.0, -3.0), "start, end: found 3.0, -3.0"),
    ],
)
def test_bad_schedules_are_named(make, named):
    with pytest.raises(ValueError, match=named):
        make()
