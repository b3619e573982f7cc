"""Plug and play: a denoiser in place of the distribution of the data, in few calls.

Half-quadratic splitting under a noise level that falls (Zhang et al., "Plug-and-play
image restoration with deep denoiser prior", arXiv 2008.13751, equations 6 and 7): in
turn the denoiser says what the data are, x taken for data in noise of the level, and x
becomes

    argmin |y - A x|^2 / noise variance + |x - data|^2 / (weight * level).

One estimate, and nothing is random, where `sample_posterior` draws.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Int

from wlam.diffusion.posterior import Pull

X = Inexact[Array, "n *d"]
WEIGHT = 3.0
"""Trust in y over the denoiser's: the paper's 1 / lambda, 4.3 there. This one, and
LAST, were chosen among five pairs on three-path channels that no table has."""
LAST = 0.3
"""Share of the noise variance that the last level is."""
LEAST = 1e-30
"""Level below which there is no noise: 0 has no logarithm, nor has what float32 makes
0."""


def falling_levels(
    noise_variance: Float[Array, " n"], calls: int
) -> Float[Array, "call n"]:
    """From 1, the power of the data, to LAST of the noise, evenly spaced in dB.

    Of data in more noise than that all levels are the same.
    """
    last = jnp.log(jnp.maximum(LAST * noise_variance, LEAST))
    first = jnp.maximum(last, 0.0)
    place = jnp.linspace(0, 1, calls)[:, None]
    return jnp.exp(first[None] + place * (last - first)[None])


def plug_and_play(
    denoise: Callable[[X, Float[Array, " n"], Int[Array, ""]], X],
    pull: Pull,
    shape: tuple[int, ...],
    levels: Float[Array, "call n"],
    weight: float = WEIGHT,
    dtype: str = "complex64",
) -> Inexact[Array, "n *d"]:
    """The data, of mean power about 1, that an observation and a denoiser agree on.

    Args:
        denoise: x [n, ...], the variance of its noise and the number of the call.
        pull: see `wlam.diffusion.posterior`.
        shape: of the data, [n, ...].
        levels: of every call and sample, see `falling_levels`.
        weight: see above.
    """

    def spread(level: Array) -> Array:
        return level.reshape(-1, *(1,) * (len(shape) - 1))

    def call(x: X, inputs: tuple[Array, Array]) -> tuple[X, None]:
        level, number = inputs
        return pull(denoise(x, level, number), weight * spread(level)), None

    nothing = jnp.zeros(shape, jnp.dtype(dtype))
    start = pull(nothing, spread(jnp.ones(shape[0])))
    return jax.lax.scan(call, start, (levels, jnp.arange(len(levels))))[0]
