"""Samplers on Gaussian data, whose score and solutions have closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.diffusion import (
    Ddim,
    DpmSolver,
    PosteriorMean,
    evenly_spaced,
    linear,
    linear_to,
    sample,
    scale_to_step,
    standard_noise,
)

KEY = jax.random.key(0)
SCHEDULE = linear(1000)


def gaussian(schedule, variance):
    """The noise to expect in x where data are N(0, diag(variance))."""

    def denoise(x, step):
        signal = schedule.signal[step]
        gain = jnp.sqrt(1 - signal) / (signal * variance + 1 - signal)
        return gain.reshape(1, -1) * x

    return denoise


def decibel(x):
    return 10 * np.log10(np.asarray(x))


def test_ddim_is_the_probability_flow():
    """x_0 = sqrt(C) x_T in every direction, with an error that falls as 1 / steps."""
    variance = jnp.array([4.0, 1.0, 0.25, 0.01])
    denoise = gaussian(SCHEDULE, variance)
    x = jnp.ones((1, 4))
    errors = []
    for nfe in (50, 100, 200):
        found = sample(denoise, SCHEDULE, x, evenly_spaced(1000, nfe))[0]
        errors.append(np.asarray(abs(found / jnp.sqrt(variance) - 1)))
    assert (errors[-1][:3] < 0.03).all()
    ratio = errors[0][0] / errors[1][0], errors[1][0] / errors[2][0]
    np.testing.assert_allclose(ratio, 2, rtol=0.2)


def test_the_second_order_solver_needs_fewer_evaluations():
    variance = jnp.array([4.0, 0.25])
    denoise, x = gaussian(SCHEDULE, variance), jnp.ones((1, 2))
    grid = evenly_spaced(1000, 50)
    errors = {
        type(method): np.asarray(
            abs(sample(denoise, SCHEDULE, x, grid, method)[0] / jnp.sqrt(variance) - 1)
        )
        for method in (Ddim(), DpmSolver())
    }
    assert (errors[DpmSolver] < 0.5 * errors[Ddim]).all()


def test_one_evaluation_is_the_estimate_of_the_data():
    denoise = gaussian(SCHEDULE, jnp.array([1.0]))
    x = jnp.array([[0.7]])
    signal = SCHEDULE.signal[300]
    expected = jnp.sqrt(signal) * 0.7  # E[x_0 | x_t] of unit variance
    for method in (Ddim(), DpmSolver(), PosteriorMean()):
        found = sample(denoise, SCHEDULE, x, (300, 0), method)
        np.testing.assert_allclose(found[0, 0], expected, rtol=1e-5)


def test_a_point_distribution_needs_one_evaluation():
    """Constant data: x_t determines its noise at any step."""
    point = jnp.array([1.0, -2.0])

    def denoise(x, step):
        signal = SCHEDULE.signal[step]
        return (x - jnp.sqrt(signal) * point[None]) / jnp.sqrt(1 - signal)

    x = jax.random.normal(KEY, (3, 2))
    for grid in ((1000, 0), (1000, 400, 0)):
        found = sample(denoise, SCHEDULE, x, grid)
        np.testing.assert_allclose(found, jnp.stack([point] * 3), atol=2e-3)


def test_a_step_to_nearly_itself_changes_nearly_nothing():
    denoise = gaussian(SCHEDULE, jnp.array([2.0]))
    x = jnp.array([[1.3]])
    for method in (Ddim(), DpmSolver(), PosteriorMean()):
        found = sample(denoise, SCHEDULE, x, (500, 499), method)
        assert abs(float(found[0, 0]) - 1.3) < 0.02


# Long runs, which are slow with the compiler flags of `make test`.
OPTIMISED = {"xla_backend_optimization_level": 1}


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.complex64])
def test_drawn_data_have_the_variance_of_the_data(dtype):
    """DDPM, eta = 1 with all steps; and DDIM in between."""
    schedule = linear(400, 2.5e-4, 0.05)
    variance = jnp.array([2.0, 0.3])
    x = standard_noise(KEY, (8_000, 2), dtype)
    for eta in (0.5, 1.0):
        draw = jax.jit(
            lambda x, key, eta=eta: sample(
                gaussian(schedule, variance),
                schedule,
                x,
                tuple(range(400, -1, -1)),
                Ddim(eta),
                key=key,
            ),
            compiler_options=OPTIMISED,
        )
        found = (abs(draw(x, jax.random.key(1))) ** 2).mean(0)
        np.testing.assert_allclose(found, variance, rtol=0.06)


def test_the_same_noise_gives_the_same_data():
    denoise, grid = gaussian(SCHEDULE, jnp.array([1.0])), evenly_spaced(1000, 5)
    x = jnp.ones((1, 1))
    first, again = (sample(denoise, SCHEDULE, x, grid) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    drawn = [
        sample(denoise, SCHEDULE, x, grid, Ddim(1.0), key=jax.random.key(seed))
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert drawn[0] != drawn[2]


# The reference values of the specification: eigenvalues exp(-i / 3), 16 of them.
SPECTRUM = np.exp(-np.arange(16) / 3)
SPECTRUM = SPECTRUM / SPECTRUM.mean()
LMMSE_DB = {-10.0: -0.965, 0.0: -4.651, 10.0: -11.502, 20.0: -20.271}


@pytest.fixture(scope="module")
def estimator():
    """NMSE in dB of the chain of posterior means at an SNR, on a schedule."""

    def nmse(snr_db, num_steps, last):
        schedule = linear_to(1e4, last, num_steps)
        snr = jnp.array([10 ** (snr_db / 10)])
        first = int(schedule.nearest(snr)[0])
        # A linear estimator in every direction: its output for 1 is its gain.
        scale = jnp.sqrt(snr / (1 + snr))[:, None]
        gain = sample(
            gaussian(schedule, jnp.asarray(SPECTRUM, jnp.float32)),
            schedule,
            scale * jnp.ones((1, 16)),
            tuple(range(first, -1, -1)),
            PosteriorMean(),
        )[0]
        gain, power = np.asarray(gain, np.float64), float(snr[0])
        error = SPECTRUM * (1 - gain) ** 2 + gain**2 / power
        return decibel(error.sum() / SPECTRUM.sum())

    return nmse


@pytest.mark.parametrize(("snr_db", "expected"), LMMSE_DB.items())
def test_the_chain_of_posterior_means_is_the_linear_estimate(
    estimator, snr_db, expected
):
    """Of Gaussian channels, with a hundred steps and the step 0 included."""
    lmmse = SPECTRUM / (1 + 10 ** (snr_db / 10) * SPECTRUM)
    assert abs(decibel(lmmse.sum() / SPECTRUM.sum()) - expected) < 1e-3
    assert abs(estimator(snr_db, 100, 0.1) - expected) < 0.01


def test_the_chain_of_posterior_means_is_exact_for_any_number_of_steps():
    """By the tower property, where the SNR is one of the schedule's."""
    variance = jnp.asarray(SPECTRUM, jnp.float32)
    for num_steps, last in ((5, 0.95), (10, 0.7), (50, 0.2)):
        schedule = linear_to(1e4, last, num_steps)
        step = jnp.array([num_steps // 2])
        signal = schedule.signal[step]
        x = scale_to_step(schedule, jnp.ones((1, 16)), step)
        grid = tuple(range(num_steps // 2, -1, -1))
        found = sample(gaussian(schedule, variance), schedule, x, grid, PosteriorMean())
        expected = variance / (variance + (1 - signal) / signal)
        np.testing.assert_allclose(found[0], expected, rtol=1e-4)


def test_for_a_mixture_one_evaluation_is_exact_and_the_chain_is_close():
    """N(1, 0.3) or N(-1, 0.3), and their exact score: a gap below 0.1 dB."""
    spread = 0.3

    def denoise_on(schedule):
        def denoise(x, step):
            signal = schedule.signal[step]
            total = signal * spread + 1 - signal
            mean = jnp.tanh(jnp.sqrt(signal) * x / total)  # of the two, by Bayes' rule
            data = mean + jnp.sqrt(signal) * spread / total * (
                x - jnp.sqrt(signal) * mean
            )
            return (x - jnp.sqrt(signal) * data) / jnp.sqrt(1 - signal)

        return denoise

    keys = jax.random.split(KEY, 3)
    data = jnp.sign(jax.random.normal(keys[0], (50_000, 1)))
    data += jnp.sqrt(spread) * jax.random.normal(keys[1], data.shape)
    noise = jax.random.normal(keys[2], data.shape)
    schedule = linear_to(1e4, 0.1, 100)
    step = int(schedule.nearest(jnp.array([10 ** (10 / 10)]))[0])
    signal = schedule.signal[step]
    x = jnp.sqrt(signal) * data + jnp.sqrt(1 - signal) * noise
    errors = []
    for grid in ((step, 0), tuple(range(step, -1, -1))):
        found = sample(denoise_on(schedule), schedule, x, grid, PosteriorMean())
        errors.append(float(((found - data) ** 2).mean()))
    one, chain = decibel(errors)
    assert one <= chain + 1e-3
    assert chain - one < 0.1


def test_prepared_inputs_are_those_of_each_step():
    denoise = gaussian(SCHEDULE, jnp.array([2.0]))
    x, grid = jnp.ones((1, 1)), evenly_spaced(1000, 7)

    def prepared(x, about):
        return about["gain"] * x

    def prepare(steps):
        return {"gain": jax.vmap(lambda t: denoise(jnp.ones((1, 1)), t))(steps)}

    np.testing.assert_allclose(
        sample(prepared, SCHEDULE, x, grid, prepare=prepare),
        sample(denoise, SCHEDULE, x, grid),
        rtol=1e-6,
    )


def test_bad_grids_are_named():
    denoise, x = gaussian(SCHEDULE, jnp.array([1.0])), jnp.ones((1, 1))
    for grid in ((1000,), (3, 5, 0), (1001, 0), (5, -1)):
        with pytest.raises(ValueError, match="grid: found"):
            sample(denoise, SCHEDULE, x, grid)
    with pytest.raises(ValueError, match="key: found None"):
        sample(denoise, SCHEDULE, x, (5, 0), Ddim(0.5))
    for nfe in (0, 11):
        with pytest.raises(ValueError, match=f"nfe: found {nfe}; needed 1 to 10"):
            evenly_spaced(10, nfe)
