"""Per-context normalisation: radio quantities differ by nine orders of magnitude."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# Normalised inputs and targets are clipped here for the same reason.
INPUT_LIMIT = 20.0


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Scale:
    """Mean and spread of a context; `apply` normalises and `invert` undoes it."""

    mean: Float[Array, " b"]
    spread: Float[Array, " b"]

    def apply(self, x: Float[Array, "b g t"]) -> Float[Array, "b g t"]:
        # A constant context has spread 0: it becomes 0, and since `invert` multiplies
        # by 0, its forecast is that constant. An added epsilon would break scale
        # equivariance for channels of 1e-7.
        divisor = jnp.where(self.spread == 0, 1.0, self.spread)
        return (x - self.mean[:, None, None]) / divisor[:, None, None]

    def invert(self, x: Float[Array, "b g t"]) -> Float[Array, "b g t"]:
        return x * self.spread[:, None, None] + self.mean[:, None, None]


def fit_scale(
    values: Float[Array, "b g t"], visible: Bool[Array, "b #g t"], center: bool
) -> Scale:
    """Statistics of the visible samples, one mean and one spread for each group.

    Args:
        values: groups of g series with one scale: (re, im) of a complex series, all
            beams of a sweep, or a single series.
        visible: which samples count. They must lie in the context: statistics of the
            target are a leak.
        center: subtract the mean. False for complex series, whose mean is zero by
            physics and whose angle would change if an estimate were subtracted.
    """
    seen = jnp.broadcast_to(visible, values.shape)
    count = jnp.maximum(seen.sum((-2, -1), keepdims=True), 1)
    values = jnp.where(seen, values, 0.0)
    mean = values.sum((-2, -1), keepdims=True) / count * center
    deviation = jnp.where(seen, values - mean, 0.0)
    # Squares of 1e-20 underflow, so the largest deviation is taken out first.
    peak = abs(deviation).max((-2, -1), keepdims=True)
    unit = deviation / jnp.where(peak == 0, 1.0, peak)
    spread = peak * jnp.sqrt((unit**2).sum((-2, -1), keepdims=True) / count)
    return Scale(mean[:, 0, 0], spread[:, 0, 0])
