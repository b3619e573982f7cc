"""The forward process, parametrisations of its prediction, and the training loss."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Int, PRNGKeyArray

from wlam.diffusion.schedule import Schedule

Parametrisation = Literal["noise", "data", "velocity"]
"""Prediction of a network from x_t: the noise (epsilon), the data (x_0), or v =
sqrt(signal) noise - sqrt(1 - signal) data (Salimans & Ho, arXiv 2202.00512)."""

X = Inexact[Array, "n *d"]


class Estimates(NamedTuple):
    """Data and noise of x_t."""

    data: X
    noise: X


def standard_noise(key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any) -> Array:
    """Noise of variance 1; circular, 1/2 in each part, where the dtype is complex."""
    return jax.random.normal(key, shape, dtype)


def rates(
    schedule: Schedule, step: Int[Array, "#n"], ndim: int
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Amplitudes of data and noise at a step, shaped to multiply [n, ...]."""
    signal = schedule.signal[step].reshape(-1, *(1,) * (ndim - 1))
    return jnp.sqrt(signal), jnp.sqrt(1 - signal)


def add_noise(
    schedule: Schedule, data: X, step: Int[Array, "#n"], noise: X
) -> Inexact[Array, "n *d"]:
    """x_t (arXiv 2006.11239, equation 4)."""
    of_data, of_noise = rates(schedule, step, data.ndim)
    return of_data * data + of_noise * noise


def estimates(
    schedule: Schedule,
    x: X,
    step: Int[Array, "#n"],
    prediction: X,
    parametrisation: Parametrisation,
) -> Estimates:
    """Data and noise, from x_t and the prediction of a network.

    At step 0 the data are x for any prediction. The noise is the predicted one, or 0
    where the network predicts data.
    """
    of_data, of_noise = rates(schedule, step, x.ndim)
    if parametrisation == "noise":
        return Estimates((x - of_noise * prediction) / of_data, prediction)
    if parametrisation == "velocity":
        return Estimates(
            of_data * x - of_noise * prediction, of_noise * x + of_data * prediction
        )
    there = of_noise > 0
    noise = (x - of_data * prediction) / jnp.where(there, of_noise, 1)
    return Estimates(jnp.where(there, prediction, x), jnp.where(there, noise, 0))


def prediction_of(
    schedule: Schedule,
    step: Int[Array, "#n"],
    parts: Estimates,
    parametrisation: Parametrisation,
) -> Inexact[Array, "n *d"]:
    """The ideal prediction, given data and noise."""
    if parametrisation == "noise":
        return parts.noise
    if parametrisation == "data":
        return parts.data
    of_data, of_noise = rates(schedule, step, parts.data.ndim)
    return of_data * parts.noise - of_noise * parts.data


def denoising_loss(
    predict: Callable[[X, Int[Array, " n"]], X],
    schedule: Schedule,
    data: X,
    key: PRNGKeyArray,
    parametrisation: Parametrisation = "noise",
    most_snr: float | None = None,
) -> Float[Array, ""]:
    """Mean square error of the prediction at a random step of every sample.

    Args:
        predict: (x_t [n, ...], steps [n], 1..T) -> the prediction.
        data: x_0.
        most_snr: weight of noise errors is min(SNR, most_snr) / SNR (Hang et al., arXiv
            2303.09556, with 5), and those of data and velocity give the error of the
            data the same weight; None: all steps have equal weight.
    """
    step_key, noise_key = jax.random.split(key)
    step = jax.random.randint(step_key, (len(data),), 1, schedule.num_steps + 1)
    noise = standard_noise(noise_key, data.shape, data.dtype)
    x = add_noise(schedule, data, step, noise)
    wanted = prediction_of(schedule, step, Estimates(data, noise), parametrisation)
    error = abs(predict(x, step) - wanted) ** 2
    error = error.reshape(len(data), -1).mean(1)
    if most_snr is None:
        return error.mean()
    snr = schedule.snr[step]
    weight = jnp.minimum(snr, most_snr)  # of the data's error
    unit = {"noise": snr, "data": jnp.ones_like(snr), "velocity": snr + 1}
    return (weight / unit[parametrisation] * error).mean()
