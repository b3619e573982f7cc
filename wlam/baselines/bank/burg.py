"""Burg's recursion over neighbourhoods: autoregressions that are always stable."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float

from wlam.baselines.forecast.local import Reach, pool


def burg(
    x: Complex[Array, "n l u v"],
    known: Bool[Array, "n l"],
    orders: Sequence[int],
    reach: Reach,
) -> dict[int, tuple[Complex[Array, "n u v p"], Float[Array, "n u v"]]]:
    """AR coefficients of several orders, for every bin from it and its neighbours.

    Burg, "Maximum entropy spectral analysis", PhD thesis, Stanford, 1975: each order
    adds one reflection coefficient, which minimises the errors of forecasting forward
    and backward, here those of all bins within reach together. Its magnitude is at most
    1, so that no pole lies outside the unit circle and no forecast grows, whatever
    the horizon. It works on the series and not on squares of them, so that a channel
    without noise is fitted to float32 precision, and costs an order of magnitude less
    than normal equations. Errors of a neighbour are those of its own recursion.

    Args:
        x: [n, L, U, V], a circular grid of bins; unknown steps are 0.
        known: which steps are known; equations with unknown steps are left out.
        orders: each below L.
        reach: how far neighbours are pooled along U and V.

    Returns:
        For each order the coefficients, newest lag first, and the unexplained share of
        the power.
    """
    n, length, u, v = x.shape
    most = max(orders)
    times = jnp.arange(length)

    def raise_order(state: tuple, order: Array) -> tuple[tuple, tuple]:
        forward, backward, usable, coefficients, rest = state
        # The errors of a step and of the one before; there is none before the first.
        backward = jnp.roll(backward, 1, axis=1)
        usable = usable & jnp.roll(known, order, axis=1) & (times >= order)[None]
        valid = usable[:, :, None, None]
        cross = jnp.where(valid, forward * backward.conj(), 0).sum(1)
        power = jnp.where(valid, abs(forward) ** 2 + abs(backward) ** 2, 0).sum(1)
        cross, power = pool(cross, reach), pool(power, reach)
        reflection = 2 * cross / jnp.where(power > 0, power, 1)
        k = reflection[:, None]
        # The coefficients so far in reverse, and the reflection after them.
        mirror = jnp.roll(coefficients[:, ::-1], order - 1 - most, axis=1)
        here = (jnp.arange(most) == order - 1)[None, :, None, None]
        before = (jnp.arange(most) < order - 1)[None, :, None, None]
        change = jnp.where(before, k * mirror.conj(), 0)
        coefficients = jnp.where(here, k, coefficients - change)
        rest = rest * (1 - jnp.minimum(abs(reflection) ** 2, 1))
        errors = forward - k * backward, backward - k.conj() * forward
        return (*errors, usable, coefficients, rest), (coefficients, rest)

    start = (x, x, known, jnp.zeros((n, most, u, v), x.dtype), jnp.ones((n, u, v)))
    # A loop, since sixteen unrolled orders take long to compile.
    _, (coefficients, rest) = jax.lax.scan(raise_order, start, jnp.arange(1, most + 1))
    return {
        order: (
            jnp.moveaxis(coefficients[order - 1, :, :order], 1, -1),
            rest[order - 1],
        )
        for order in orders
    }
