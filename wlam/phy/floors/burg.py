"""Burg's recursion over neighbourhoods: autoregressions that never blow up."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float

from wlam.phy.floors.local import Reach, pool


def burg(
    x: Complex[Array, "n l u v"],
    known: Bool[Array, "n l"],
    orders: Sequence[int],
    reach: Reach,
) -> dict[int, tuple[Complex[Array, "n u v p"], Float[Array, "n u v"]]]:
    """AR coefficients of several orders, of every bin, from it and those around it.

    Burg, "Maximum entropy spectral analysis", PhD thesis, Stanford, 1975: each order
    adds one reflection coefficient, which minimises the errors of forecasting forward
    and backward, here those of all bins within reach together. Its magnitude is at most
    1, so that no pole lies outside the unit circle and no forecast grows however far
    it goes. It works on the series and not on squares of them, so that a channel
    without noise is fitted as far as float32 goes, and costs an order less than normal
    equations. Errors of a neighbour are those of its own recursion.

    Args:
        x: [n, L, U, V], a circular grid of bins; unknown steps are 0.
        known: which steps are; equations of unknown ones do not count.
        orders: any below L.
        reach: how far neighbours are pooled along U and V.

    Returns:
        For each order the coefficients, of the last step first, and the share of the
        power that is not explained.
    """
    n, _, u, v = x.shape
    forward = backward = x
    usable = known
    coefficients = jnp.zeros((n, 0, u, v), x.dtype)
    rest = jnp.ones((n, u, v))
    found = {}
    for order in range(1, max(orders) + 1):
        forward, backward = forward[:, 1:], backward[:, :-1]
        usable = usable[:, 1:] & known[:, : x.shape[1] - order]
        seen = usable[:, :, None, None]
        cross = jnp.where(seen, forward * backward.conj(), 0).sum(1)
        power = jnp.where(seen, abs(forward) ** 2 + abs(backward) ** 2, 0).sum(1)
        # The real and imaginary parts are pooled by plain sums.
        cross, power = pool(cross, reach), pool(power, reach)
        reflection = 2 * cross / jnp.where(power > 0, power, 1)
        k = reflection[:, None]
        coefficients = jnp.concatenate(
            [coefficients - k * coefficients[:, ::-1].conj(), k], axis=1
        )
        rest = rest * (1 - jnp.minimum(abs(reflection) ** 2, 1))
        forward, backward = forward - k * backward, backward - k.conj() * forward
        if order in orders:
            found[order] = jnp.moveaxis(coefficients, 1, -1), rest
    return found
