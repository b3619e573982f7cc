"""Plug and play: a denoiser as the prior of the data, in few evaluations.

Half-quadratic splitting under a falling noise level (Zhang et al., "Plug-and-play
image restoration with deep denoiser prior", arXiv 2008.13751, equations 6 and 7): in
turn the denoiser estimates the data from x, taken as data in noise of the level, and x
becomes

    argmin |y - A x|^2 / noise variance + |x - data|^2 / (weight * level).

The estimate is deterministic, whereas `sample_posterior` draws samples.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Int

from wlam.diffusion.posterior import Pull

X = Inexact[Array, "n *d"]
WEIGHT = 3.0
"""Weight of y over that of the denoiser: the paper's 1 / lambda, 4.3 there. This one
and LAST were chosen among five pairs, on three-path channels that no table reports."""
LAST = 0.3
"""The last level over the noise variance."""
LEAST = 1e-30
"""Smallest level: the logarithm of 0, and of numbers that float32 rounds to 0, is not
finite."""


def falling_levels(
    noise_variance: Float[Array, " n"], nfe: int
) -> Float[Array, "nfe n"]:
    """From 1, the power of the data, to LAST of the noise, evenly spaced in dB.

    For data in more noise than that, all levels are equal.
    """
    last = jnp.log(jnp.maximum(LAST * noise_variance, LEAST))
    first = jnp.maximum(last, 0.0)
    share = jnp.linspace(0, 1, nfe)[:, None]
    return jnp.exp(first[None] + share * (last - first)[None])


def plug_and_play(
    denoise: Callable[[X, Float[Array, " n"], Int[Array, ""]], X],
    pull: Pull,
    shape: tuple[int, ...],
    levels: Float[Array, "nfe n"],
    weight: float = WEIGHT,
    dtype: str = "complex64",
) -> Inexact[Array, "n *d"]:
    """Data, of mean power about 1, consistent with an observation and a denoiser.

    Args:
        denoise: x [n, ...], the variance of its noise and the index of the evaluation.
        pull: see `wlam.diffusion.posterior`.
        shape: of the data, [n, ...].
        levels: of every evaluation and sample, see `falling_levels`.
        weight: see `WEIGHT`.
    """

    def spread(level: Array) -> Array:
        return level.reshape(-1, *(1,) * (len(shape) - 1))

    def step(x: X, inputs: tuple[Array, Array]) -> tuple[X, None]:
        level, number = inputs
        return pull(denoise(x, level, number), weight * spread(level)), None

    nothing = jnp.zeros(shape, jnp.dtype(dtype))
    start = pull(nothing, spread(jnp.ones(shape[0])))
    return jax.lax.scan(step, start, (levels, jnp.arange(len(levels))))[0]
