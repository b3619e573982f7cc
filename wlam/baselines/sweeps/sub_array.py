"""A full sweep of narrow beams from a coarse sweep."""

from functools import partial

import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from wlam.baselines.forecast.bounds import unit_scale
from wlam.simulate.beams import array_gain, beam_directions

FINE = 9  # directions tried within each narrow beam; odd, so that its axis is one
DEEPEST_DB = 40.0  # the sweep is cut off this far below its best beam


@partial(jax.jit, static_argnames=("num_beams", "coarse_ant"))
def sub_array_sweep(
    coarse_db: Float[Array, "n coarse"],
    num_beams: int,
    coarse_ant: int | None = None,
    directions: Float[Array, " coarse"] | None = None,
) -> Float[Array, "n {num_beams}"]:
    """Predict a sweep of narrow beams from one of a few, usually wide, beams.

    A sub-array has wide beams, so that few cover all directions, and the powers of the
    two or three that illuminate a path determine its direction: the first stage of a
    search with a hierarchical codebook, Alkhateeb, El Ayach, Leus & Heath, "Channel
    estimation and hybrid precoding for millimeter wave cellular systems", IEEE J. Sel.
    Topics Signal Process. 8(5), 2014. In place of its second stage the narrow beams are
    interpolated: each gets the power of a path within it, the correlation of the
    coarse sweep with the pattern of such a path. A single path is found (Cauchy &
    Schwarz), to one beam where it lies between two, and power that is the same in all
    beams, as of noise, has no influence.

    Args:
        coarse_db: that sweep in dB, of a uniform linear array half a wavelength apart.
        num_beams: beams of the full sweep, a DFT codebook (`wlam.simulate.beams`).
        coarse_ant: elements that formed it; as many as its beams if not given.
        directions: sin(theta) of its beams; those of a DFT codebook if not given. With
            the full array instead of a sub-array, and every fourth of its beams, say,
            it is a sparse sweep.

    Returns:
        [n, num_beams] dB; the best beam has the array gain of `num_beams` elements.
        Nothing is more than 40 dB below it.
    """
    coarse = coarse_db.shape[1]
    if directions is None:
        directions = beam_directions(coarse)
    coarse_ant = coarse if coarse_ant is None else coarse_ant
    top_db = coarse_db.max(axis=1, keepdims=True)
    power = 10 ** ((coarse_db - top_db) / 10)
    pattern = array_gain(beam_directions(FINE * num_beams), directions, coarse_ant)
    pattern = pattern - pattern.mean(axis=1, keepdims=True)
    norm = jnp.linalg.norm(pattern, axis=1)
    unit = pattern / unit_scale(norm)[:, None]
    # The mean of a pattern is subtracted, so that of the coarse sweep need not be.
    fit = jnp.einsum("nc,bc->nb", power, unit, precision="highest")
    path = fit.max(axis=1) / unit_scale(norm)[fit.argmax(axis=1)]  # at one antenna
    fit = rearrange(fit, "n (b fine) -> n b fine", fine=FINE).max(axis=2)
    least = 10 ** (-DEEPEST_DB / 10)
    relative = jnp.maximum(fit / unit_scale(fit.max(axis=1, keepdims=True)), least)
    best = num_beams * jnp.maximum(path, least)[:, None]
    return top_db + 10 * jnp.log10(relative * best)
