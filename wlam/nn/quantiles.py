"""Predictive distributions of series: quantiles around a forecast, and samples."""

from itertools import pairwise
from statistics import NormalDist

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray


def check_levels(levels: tuple[float, ...]) -> None:
    """ValueError unless levels rise in (0, 1), on both sides of 0.5 and without it."""
    rising = all(a < b for a, b in pairwise((0.0, *levels, 1.0)))
    both_sides = levels and levels[0] < 0.5 < levels[-1] and 0.5 not in levels
    if levels and not (rising and both_sides):
        raise ValueError(
            f"quantiles: found {levels}; needed none, or increasing levels in (0, 1) "
            "on both sides of 0.5, which is the forecast itself"
        )


def offsets_of(
    gaps: Float[Array, "*b level"], levels: tuple[float, ...]
) -> Float[Array, "*b level"]:
    """Quantiles minus the forecast, from unconstrained numbers.

    Sums of softplus, counted from the forecast outwards: quantiles cannot cross.
    """
    gaps = jax.nn.softplus(gaps)
    below = sum(level < 0.5 for level in levels)
    lower = jnp.cumsum(gaps[..., :below][..., ::-1], axis=-1)[..., ::-1]
    return jnp.concatenate([-lower, jnp.cumsum(gaps[..., below:], axis=-1)], axis=-1)


def pinball(
    offsets: Float[Array, "*b level"],
    error: Float[Array, "*b"],
    levels: tuple[float, ...],
) -> Float[Array, "*b"]:
    """Mean over levels of the loss that is least at the quantiles of the error.

    Koenker & Bassett, "Regression quantiles", Econometrica 1978.

    Args:
        offsets: quantiles minus the forecast.
        error: target minus the forecast.
    """
    level = jnp.array(levels).reshape((1,) * error.ndim + (-1,))
    beyond = error[..., None] - offsets
    return jnp.maximum(level * beyond, (level - 1) * beyond).mean(-1)


def score(level: float) -> float:
    """The normal score of a level: the quantile of the standard normal distribution."""
    return NormalDist().inv_cdf(level)


def quantile(
    offsets: Float[Array, "*b level"],
    scores: Float[Array, "*b"],
    levels: tuple[float, ...],
) -> Float[Array, "*b"]:
    """The quantile function minus the forecast, at normal scores.

    Linear in the score between levels, as for a normal distribution; beyond the
    outermost levels the last slope continues.
    """
    below = sum(level < 0.5 for level in levels)
    knot_scores = np.array([score(x) for x in (*levels[:below], 0.5, *levels[below:])])
    middle = jnp.zeros_like(offsets[..., :1])
    knots = jnp.concatenate([offsets[..., :below], middle, offsets[..., below:]], -1)
    found = knots[..., 0]
    last = len(knot_scores) - 2
    for i, (begin, end) in enumerate(pairwise(knot_scores)):
        share = (scores - begin) / (end - begin)
        share = share if i == 0 else jnp.maximum(share, 0)
        share = share if i == last else jnp.minimum(share, 1)
        found += share * (knots[..., i + 1] - knots[..., i])
    return found


def draw_scores(
    key: PRNGKeyArray, offsets: Float[Array, "*b q level"]
) -> Float[Array, "*b q"]:
    """Normal scores for the q steps of a patch, correlated as forecast errors are.

    Quantiles give the spread of every step, not the correlation of errors of two steps.
    But spread that grows with the step shows that errors accumulate. Samples are those
    of the AR(1) process whose spread grows alike, x[t+1] = phi x[t] + w with errors

        s_k^2 = (1 - phi^2k) / (1 - phi^2),  corr(e_k, e_k+1) = phi s_k / s_k+1:

    independent scores where the spread is the same at all steps (white noise), and the
    increments of a random walk where spread grows with the root of the step.
    """
    spread = offsets[..., -1] - offsets[..., 0]
    spread = jnp.maximum(spread, 1e-30)
    start = spread[..., :1] / spread.max(-1, keepdims=True)
    phi = jnp.sqrt(1 - start**2)
    carried = jnp.minimum(phi * spread[..., :-1] / spread[..., 1:], 1)
    carried = jnp.concatenate([jnp.zeros_like(start), carried], axis=-1)
    fresh = jax.random.normal(key, spread.shape)

    def step(before: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        share, new = now
        after = share * before + jnp.sqrt(1 - share**2) * new
        return after, after

    first = jnp.zeros_like(spread[..., 0])
    steps = (jnp.moveaxis(carried, -1, 0), jnp.moveaxis(fresh, -1, 0))
    return jnp.moveaxis(jax.lax.scan(step, first, steps)[1], 0, -1)
