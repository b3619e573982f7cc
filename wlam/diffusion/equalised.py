"""Diffusion of symbols after an equaliser, each with its own noise variance (CDDM).

Wu et al., "CDDM: Channel denoising diffusion models for wireless semantic
communications", IEEE Trans. Wireless Commun. 23(9), 2024 (arXiv 2309.08895). A symbol
x goes through a gain h and noise, y = h x + n, and the linear equaliser gives

    signal x + noise sqrt(v) n',  signal = |h|^2 / (|h|^2 + v),
                                  noise = |h| / (|h|^2 + v),

with v the variance of n, and n' of variance 1. The forward process matches that: it
adds `noise` sqrt(1 - s) e to `signal` sqrt(s) x, s of `Schedule.signal`, so that the
received symbols are a step of it. A network conditioned on |h| estimates x.

Divided by `signal` this is the plain process with noise scaled by 1 / |h|, which
changes no coefficient of a reverse step: the samplers are those of
`wlam.diffusion.samplers`. The paper's network predicts the noise and its receiver keeps
the factor `signal`; here the network predicts the data and the factor is removed.
Otherwise Gaussian sources, which the equaliser already estimates best, would get worse.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int, PRNGKeyArray

from wlam.diffusion.process import rates, standard_noise
from wlam.diffusion.samplers import Method, PosteriorMean, evenly_spaced, sample
from wlam.diffusion.schedule import Schedule

GainDenoiser = Callable[
    [Complex[Array, "n *d"], Int[Array, " n"], Float[Array, "n *d"]],
    Complex[Array, "n *d"],
]
"""(equalised symbols at a step, steps, |h|) -> the transmitted symbols."""


class Equalised(NamedTuple):
    """Output of the linear equaliser."""

    symbols: Complex[Array, "n *d"]
    signal: Float[Array, "n *d"]  # factor of x in them
    noise: Float[Array, "n *d"]  # standard deviation of the noise, over that of n


def equalise(
    received: Complex[Array, "n *d"],
    gain: Complex[Array, "n *d"],
    noise_variance: float,
) -> Equalised:
    """Linear minimum mean square error estimate of symbols of unit power, one by one.

    Args:
        received: gain times symbol, plus noise.
        gain: h; where it is 0, the estimate is 0.
        noise_variance: of the noise, more than 0.

    Raises:
        ValueError: a variance that is not more than 0 and finite.
    """
    if not 0 < noise_variance < np.inf:
        raise ValueError(
            f"noise_variance: found {noise_variance}; needed more than 0, and finite"
        )
    total = abs(gain) ** 2 + noise_variance
    symbols = gain.conj() * received / total
    return Equalised(symbols, abs(gain) ** 2 / total, abs(gain) / total)


def equalised_loss(
    predict: GainDenoiser,
    schedule: Schedule,
    data: Complex[Array, "n *d"],
    gain: Complex[Array, "n *d"],
    noise_variance: float,
    key: PRNGKeyArray,
) -> Float[Array, ""]:
    """Mean square error of the symbols at a random step of every sample.

    Args:
        predict: the network.
        data: x, of unit power.
        gain, noise_variance: of the equaliser, see `equalise`.
    """
    step_key, noise_key = jax.random.split(key)
    step = jax.random.randint(step_key, (len(data),), 1, schedule.num_steps + 1)
    about = equalise(jnp.zeros_like(data), gain, noise_variance)
    of_data, of_noise = rates(schedule, step, data.ndim)
    noise = standard_noise(noise_key, data.shape, data.dtype)
    x = of_data * about.signal * data + of_noise * about.noise * noise
    return (abs(predict(x, step, abs(gain)) - data) ** 2).mean()


def first_step(
    schedule: Schedule, noise_variance: float, least_snr_db: float = -np.inf
) -> int:
    """The step of the process at the SNR of received symbols.

    Args:
        noise_variance: of the channel, for symbols of unit power.
        least_snr_db: lowest SNR to begin at, 10 or 15 dB in the paper.
    """
    snr = max(1 / noise_variance, 10 ** (least_snr_db / 10))
    return int(schedule.nearest(jnp.array([snr]))[0])


def denoise_equalised(
    predict: GainDenoiser,
    schedule: Schedule,
    equalised: Equalised,
    gain: Complex[Array, "n *d"],
    first: int,
    nfe: int = 1,
    method: Method | None = None,
) -> Complex[Array, "n *d"]:
    """The transmitted symbols, by the reverse process.

    One evaluation gives their conditional mean, which has the smallest error. A chain
    of evaluations makes a decision instead: it ends at a point of the constellation,
    which is worse than the equaliser in strong noise. The paper begins its chains at 10
    or 15 dB at the least, see `first_step`.

    Args:
        predict: a trained network.
        equalised: of `equalise`.
        gain: h, as for the equaliser.
        first: of `first_step`; the step must have the channel's SNR.
        nfe: network evaluations, at most one for each step.
        method: of the chain; `PosteriorMean` if not given.

    Raises:
        ValueError: more evaluations than steps, or none.
    """
    there = equalised.signal > 0
    unit = jnp.where(there, equalised.signal, 1)
    start = jnp.sqrt(schedule.signal[first]) * equalised.symbols / unit

    def predict_data(x: Complex[Array, "n *d"], step: Int[Array, ""]) -> Array:
        steps = jnp.full(len(x), step)
        return predict(equalised.signal * x, steps, abs(gain))

    grid = evenly_spaced(first, nfe)
    found = sample(
        predict_data, schedule, start, grid, method or PosteriorMean(), "data"
    )
    return jnp.where(there, found, 0)
