"""Forecasts of rows, patch by patch: normalise, predict, append, predict again."""

import math

import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from wlam.nn.guess import Guesses, make_guesses, steps_per_day
from wlam.nn.predictor import Predictor
from wlam.nn.quantiles import draw_scores, quantile
from wlam.nn.scale import Scale, fit_scale


def normalised(
    context: Float[Array, "b g t"],
    visible: Bool[Array, "b t"],
    patch: int,
    center: bool,
) -> tuple[Float[Array, "b g n"], Bool[Array, "b n"], Scale]:
    """Whole patches, their first samples hidden, and the context's statistics."""
    pad = -context.shape[2] % patch
    context = jnp.pad(context, ((0, 0), (0, 0), (pad, 0)))
    visible = jnp.pad(visible, ((0, 0), (pad, 0)))
    scale = fit_scale(context, visible[:, None], center)
    return scale.apply(context), ~visible, scale


def guesses_of_rows(
    values: Float[Array, "b g t"],
    hidden: Bool[Array, "b t"],
    given: Bool[Array, "b t"],
    season: Int[Array, " b"],
    patch: int,
    horizon: int,
    is_complex: bool,
) -> Guesses:
    """`make_guesses`, of every row of every group by itself."""
    found = make_guesses(values, hidden, given, season, patch, horizon, is_complex)
    return jax.tree.map(lambda x: rearrange(x, "b g ... -> (b g) ..."), found)


def roll_out(
    model: Predictor,
    context: Float[Array, "b g t"],
    visible: Bool[Array, "b t"],
    interval: Float[Array, " b"],
    axis: Int[Array, " b"],
    center: bool,
    horizon: int,
    key: PRNGKeyArray | None = None,
) -> tuple[Float[Array, "b g {horizon}"], Float[Array, "b g {horizon} level"]]:
    """Forecasts `horizon` samples; its own patches become the input for later ones.

    Args:
        context: rows in their own units, in groups that share one scale (g = 2 for the
            real and imaginary part of a complex series).
        visible: False where a sample is missing.
        center: subtract the mean of the context (real series).
        key: draw every patch from its quantiles, instead of taking the forecast.

    Returns:
        The path, and the quantiles of each patch, given the path before it, minus the
        forecast.

    Statistics are those of the context throughout; the roll-out does not renormalise.
    """
    p, q, group = model.config.patch, model.horizon, context.shape[1]
    # One buffer of the final length: patches that are not there yet are hidden, and
    # causality keeps them from mattering.
    values, hidden, scale = normalised(context, visible, p, center)
    known, calls = values.shape[2], math.ceil(horizon / q)
    values = jnp.pad(values, ((0, 0), (0, 0), (0, calls * q)))
    hidden = jnp.pad(hidden, ((0, 0), (0, calls * q)), constant_values=True)
    season, given = steps_per_day(interval, axis), ~hidden
    interval, axis = jnp.repeat(interval, group), jnp.repeat(axis, group)

    def step(
        carry: tuple[Array, Array], begin: Array
    ) -> tuple[tuple[Array, Array], Array]:
        values, hidden = carry
        outputs = model.distribution(
            rearrange(values, "b g t -> (b g) t"),
            jnp.repeat(hidden, group, axis=0),
            guesses_of_rows(values, hidden, given, season, p, q, not center),
            interval,
            axis,
        )
        patch, offsets = (
            jax.lax.dynamic_index_in_dim(x, begin // p - 1, 1, False) for x in outputs
        )
        if key is not None:
            scores = draw_scores(jax.random.fold_in(key, begin), offsets)
            patch += quantile(offsets, scores, model.config.quantiles)
        patch = rearrange(patch, "(b g) q -> b g q", g=group)
        shown = jnp.zeros((patch.shape[0], q), bool)
        return (
            jax.lax.dynamic_update_slice_in_dim(values, patch, begin, 2),
            jax.lax.dynamic_update_slice_in_dim(hidden, shown, begin, 1),
        ), offsets

    begins = known + q * jnp.arange(calls)
    (values, _), offsets = jax.lax.scan(step, (values, hidden), begins)
    offsets = rearrange(offsets, "call (b g) q l -> b g (call q) l", g=group)
    offsets = offsets * scale.spread[:, None, None, None]
    return scale.invert(values[..., known:])[..., :horizon], offsets[:, :, :horizon]


def row_bounds(
    model: Predictor,
    context: Float[Array, "b g t"],
    visible: Bool[Array, "b t"],
    interval: Float[Array, " b"],
    axis: Int[Array, " b"],
    center: bool,
    horizon: int,
    score: Float[Array, ""],
) -> tuple[Float[Array, "b g {horizon}"], Float[Array, "b g {horizon}"]]:
    """Quantiles at -score and at score, for horizons of one patch of the model."""
    path, offsets = roll_out(model, context, visible, interval, axis, center, horizon)
    scores = jnp.full(path.shape, score)
    levels = model.config.quantiles
    low, high = (quantile(offsets, sign * scores, levels) for sign in (-1, 1))
    return path + low, path + high


def row_features(
    model: Predictor,
    context: Float[Array, "b g t"],
    visible: Bool[Array, "b t"],
    interval: Float[Array, " b"],
    axis: Int[Array, " b"],
    center: bool,
) -> Float[Array, "b g d"]:
    """What the backbone makes of the last patch and those before it."""
    p, q, group = model.config.patch, model.horizon, context.shape[1]
    values, hidden, _ = normalised(context, visible, p, center)
    season = steps_per_day(interval, axis)
    features = model.features(
        rearrange(values, "b g t -> (b g) t"),
        jnp.repeat(hidden, group, axis=0),
        guesses_of_rows(values, hidden, ~hidden, season, p, q, not center),
        jnp.repeat(interval, group),
        jnp.repeat(axis, group),
    )
    return rearrange(features[:, -1], "(b g) d -> b g d", g=group)
