"""The trained linear baseline: ridge regression from context to horizon."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from wlam.baselines.forecast.bounds import BOUND, keep_within, peak, unit_scale

PENALTIES = tuple(10.0**k for k in range(-6, 3))


class RidgeMap(NamedTuple):
    """A linear map from L steps to H, the same for every channel."""

    weights: Inexact[Array, "l h"]
    penalty: Float[Array, ""]  # the chosen one, relative to the mean power


@partial(jax.jit, static_argnames="penalties")
def fit_ridge(
    contexts: Inexact[Array, "n l c"],
    targets: Inexact[Array, "n h c"],
    penalties: tuple[float, ...] = PENALTIES,
) -> RidgeMap:
    """Fit the map by ridge regression on training windows.

    Every channel of every window is an equation, divided by the root mean square of its
    own context; the mean of the context of real ones is subtracted before. The penalty
    is chosen by generalised cross-validation, a closed form of leave-one-out: Golub,
    Heath & Wahba, "Generalized cross-validation as a method for choosing a good ridge
    parameter", Technometrics 21(2), 1979, equation 1.4.

    Args:
        contexts: [n, L, C]; complex data get complex weights.
        targets: [n, H, C].
        penalties: candidates, relative to the mean power of the regressors.

    Returns:
        The map for `ridge`.

    Raises:
        ValueError: no penalty, or one that is not above 0.
    """
    if not penalties or min(penalties) <= 0:
        raise ValueError(f"penalties: found {penalties}; needed numbers above 0")
    mean, scale = _level(contexts)
    x, y = (contexts - mean) / scale, (targets - mean) / scale
    equations, length = x.shape[0] * x.shape[2], x.shape[1]
    gram = jnp.einsum("nlc,nmc->lm", x.conj(), x, precision="highest")
    cross = jnp.einsum("nlc,nhc->lh", x.conj(), y, precision="highest")
    values, vectors = jnp.linalg.eigh(gram)
    values = jnp.maximum(values, 0)
    along = jnp.einsum("lk,lh->kh", vectors.conj(), cross, precision="highest")
    power = unit_scale(values.sum() / length)
    loads = power * jnp.array(penalties)
    # With shrinkage d = v / (v + load) along an eigenvector, the sum of squares falls
    # by |along|^2 (v + 2 load) / (v + load)^2.
    total = values[None] + loads[:, None]
    gained = (jnp.abs(along) ** 2).sum(axis=1)[None]
    explained = (gained * (total + loads[:, None]) / total**2).sum(axis=1)
    residual = jnp.maximum((jnp.abs(y) ** 2).sum() - explained, 0)
    freedom = (values[None] / total).sum(axis=1)
    left = jnp.maximum(1 - freedom / equations, jnp.finfo(loads.dtype).eps)
    chosen = jnp.argmin(residual / left**2)
    shrunk = along / (values + loads[chosen])[:, None]
    weights = jnp.einsum("lk,kh->lh", vectors, shrunk, precision="highest")
    return RidgeMap(weights, jnp.array(penalties)[chosen])


@partial(jax.jit, static_argnames="horizon")
def ridge(
    context: Inexact[Array, "n l c"], horizon: int, fitted: RidgeMap
) -> Inexact[Array, "n h c"]:
    """Apply a map of `fit_ridge` to every channel.

    Args:
        context: [n, L, C], as long as those of the fit.
        horizon: steps to forecast, at most as many as the targets of the fit had.
        fitted: the map.

    Returns:
        [n, H, C], kept within twice the largest deviation of each channel's context.

    Raises:
        ValueError: the map has another context, or a shorter horizon.
    """
    length, most = fitted.weights.shape
    if context.shape[1] != length or horizon > most:
        raise ValueError(
            f"context, horizon: found {context.shape[1]} and {horizon}; needed "
            f"{length} and at most {most}, those of the fit"
        )
    mean, scale = _level(context)
    x = (context - mean) / scale
    forecast = jnp.einsum(
        "nlc,lh->nhc", x, fitted.weights[:, :horizon], precision="highest"
    )
    bound = jnp.broadcast_to(BOUND * peak(x), forecast.shape)
    return (keep_within(forecast, bound) * scale + mean).astype(context.dtype)


def _level(context):
    """Mean (0 for complex channels) and root mean square of the rest, [n, 1, c]."""
    mean = context.mean(axis=1, keepdims=True)
    if jnp.iscomplexobj(context):
        mean = jnp.zeros_like(mean)
    largest = unit_scale(peak(context - mean))
    power = (jnp.abs((context - mean) / largest) ** 2).mean(axis=1, keepdims=True)
    return mean, largest * unit_scale(jnp.sqrt(power))
