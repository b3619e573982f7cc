"""Autoregressions fitted to neighbourhoods of a channel's angle-delay grid."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Inexact

from wlam.baselines.forecast.bounds import BOUND, at_least_one, keep_within, unit_scale
from wlam.ops.einsum import einsum
from wlam.ops.solve import solve_positive

Reach = tuple[int | None, int | None]
"""Bins on either side, along both axes of a grid, whose equations are pooled; None for
all of them."""


@partial(jax.jit, static_argnames=("horizon", "order", "reach", "ridge"))
def ar_local(
    context: Complex[Array, "n l u v"],
    horizon: int,
    order: int = 6,
    reach: Reach = (1, 1),
    ridge: float = 1e-4,
) -> Complex[Array, "n h u v"]:
    """AR(p) of every bin, fitted to its past and to that of its neighbours.

    Between `ar_per_channel`, which has few equations for each bin, and `ar_shared`,
    which fits all paths of a channel at once: neighbours in angle and delay share the
    rays that leak into both, hence their Doppler shifts, and few other rays. Strong
    bins weigh more. Equations run forward and backward (the modified covariance method;
    Marple, "A new autoregressive spectrum analysis algorithm", IEEE Trans. ASSP 28(4),
    1980), since a sum of exponentials obeys the conjugate recurrence in reverse.

    Args:
        context: [n, L, U, V], series of every bin of a circular grid U x V: bins of
            a discrete Fourier transform follow each other in a circle.
        horizon: steps to forecast.
        order: p, reduced to L // 2 where the context is short.
        reach: how far neighbours are pooled along U and V.
        ridge: penalty relative to the mean power of the regressors.

    Returns:
        [n, H, U, V], kept within twice the largest magnitude of each bin.

    Raises:
        ValueError: the order is below 1.
    """
    at_least_one(order=order)
    order = max(1, min(order, context.shape[1] // 2))
    known = jnp.ones(context.shape[:2], bool)
    scale = unit_scale(abs(context).max(axis=(1, 2, 3), keepdims=True))
    x = context / scale
    moments = pool(lag_moments(x, known, order), reach)
    coefficients, _ = fit(moments, ridge)
    return iterate(x, coefficients, horizon) * scale


def lag_moments(
    x: Complex[Array, "n l u v"],
    known: Bool[Array, "n l"],
    order: int,
    backward: bool = True,
) -> Complex[Array, "n u v p1 p1"]:
    """Sums of lag products of every bin, of forward and of backward equations.

    Only equations of p + 1 known steps are used. Lag 0, the target, comes first.
    """
    length = x.shape[1]
    lags = jnp.stack([x[:, order - k : length - k] for k in range(order + 1)])
    usable = jnp.stack([known[:, order - k : length - k] for k in range(order + 1)])
    lags = jnp.where(usable.all(0)[None, :, :, None, None], lags, 0)
    if backward:  # the oldest first and conjugate: the same recurrence in reverse
        lags = jnp.concatenate([lags, lags[::-1].conj()], axis=2)
    return jnp.einsum("intuv,jntuv->nuvij", lags.conj(), lags, precision="highest")


def pool(
    moments: Inexact[Array, "n u v *m"], reach: Reach
) -> Inexact[Array, "n u v *m"]:
    """Sums over the neighbours along both axes of the grid."""
    for axis, bins in enumerate(reach, start=1):
        if bins is None or 2 * bins + 1 >= moments.shape[axis]:
            whole = moments.sum(axis, keepdims=True)
            moments = jnp.broadcast_to(whole, moments.shape)
        elif bins:
            shifts = range(-bins, bins + 1)
            moments = sum((jnp.roll(moments, s, axis) for s in shifts), 0 * moments)
    return moments


def fit(
    moments: Complex[Array, "*b p1 p1"], ridge: float | Float[Array, "*#b"]
) -> tuple[Complex[Array, "*b p"], Float[Array, "*b"]]:
    """Penalised least squares: coefficients, and the unexplained share of the power."""
    order = moments.shape[-1] - 1
    gram, right = moments[..., 1:, 1:], moments[..., 1:, 0]
    power = jnp.trace(gram, axis1=-2, axis2=-1).real / order
    # The small constant keeps a fit of zeros solvable.
    load = (ridge * power + 1e-20)[..., None, None]
    identity = jnp.eye(order).reshape((1,) * power.ndim + (order, order))
    coefficients = solve_positive(gram + load * identity, right)
    explained = einsum("...i,...i->...", coefficients, right.conj()).real
    energy = moments[..., 0, 0].real
    rest = 1 - explained / jnp.where(energy > 0, energy, 1)
    return coefficients, jnp.clip(rest, 0.0, 1.0)


def iterate(
    x: Complex[Array, "n l *b"], coefficients: Complex[Array, "n *b p"], horizon: int
) -> Complex[Array, "n h *b"]:
    """Feeds forecasts back, each within twice the largest magnitude of its bin."""
    length, order = x.shape[1], coefficients.shape[-1]
    bound = BOUND * abs(x).max(axis=1)
    weights = jnp.moveaxis(coefficients, -1, 0)

    def step(past: Array, _: None) -> tuple[Array, Array]:
        after = keep_within((weights * past).sum(0), bound)
        return jnp.concatenate([after[None], past[:-1]]), after

    past = jnp.stack([x[:, length - 1 - k] for k in range(order)])
    _, forecast = jax.lax.scan(step, past, length=horizon)
    return jnp.moveaxis(forecast, 0, 1)
