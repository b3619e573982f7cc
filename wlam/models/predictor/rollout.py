"""Forecasts of rows, patch by patch: normalise, predict, append, predict again."""

import math
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from wlam.models.predictor.inputs import SeriesInputs
from wlam.models.predictor.network import Predictor
from wlam.nn.quantiles import draw_scores, quantile
from wlam.nn.scale import Scale, fit_scale


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SeriesContext:
    """What is known of rows, in their own units."""

    # In groups that share one scale: two, the real and the imaginary part of a complex
    # series; or all series of a sample.
    values: Float[Array, "b g t"]
    visible: Bool[Array, "b t"]  # False where a sample is missing
    interval: Float[Array, " b"]
    axis: Int[Array, " b"]
    # Subtract the mean of the context: real series.
    center: bool = field(metadata={"static": True})

    def normalised(
        self, patch: int
    ) -> tuple[Float[Array, "b g n"], Bool[Array, "b n"], Scale]:
        """Whole patches, their first samples hidden, and the context's statistics."""
        pad = -self.values.shape[2] % patch
        values = jnp.pad(self.values, ((0, 0), (0, 0), (pad, 0)))
        visible = jnp.pad(self.visible, ((0, 0), (pad, 0)))
        scale = fit_scale(values, visible[:, None], self.center)
        return scale.apply(values), ~visible, scale


def roll_out(
    model: Predictor, rows: SeriesContext, horizon: int, key: PRNGKeyArray | None = None
) -> tuple[Float[Array, "b g {horizon}"], Float[Array, "b g {horizon} level"]]:
    """Forecasts `horizon` samples; its own patches become the input for later ones.

    Args:
        key: draw every patch from its quantiles, instead of taking the forecast.

    Returns:
        The path, and the quantiles of each patch, given the path before it, minus the
        forecast.

    Statistics are those of the context throughout; the roll-out does not renormalise.
    """
    p, q, group = model.config.patch, model.horizon, rows.values.shape[1]
    # One buffer of the final length: patches that are not there yet are hidden, and
    # causality keeps them from mattering.
    values, hidden, scale = rows.normalised(p)
    known, calls = values.shape[2], math.ceil(horizon / q)
    values = jnp.pad(values, ((0, 0), (0, 0), (0, calls * q)))
    hidden = jnp.pad(hidden, ((0, 0), (0, calls * q)), constant_values=True)
    given = ~hidden

    def step(
        carry: tuple[Array, Array], begin: Array
    ) -> tuple[tuple[Array, Array], Array]:
        values, hidden = carry
        about = (rows.interval, rows.axis, model.config, not rows.center)
        outputs = model.distribution(SeriesInputs.of(values, hidden, given, *about))
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
    model: Predictor, rows: SeriesContext, horizon: int, score: Float[Array, ""]
) -> tuple[Float[Array, "b g {horizon}"], Float[Array, "b g {horizon}"]]:
    """Quantiles at -score and at score, for horizons of one patch of the model."""
    path, offsets = roll_out(model, rows, horizon)
    scores = jnp.full(path.shape, score)
    levels = model.config.quantiles
    low, high = (quantile(offsets, sign * scores, levels) for sign in (-1, 1))
    return path + low, path + high


def row_features(model: Predictor, rows: SeriesContext) -> Float[Array, "b g d"]:
    """What the backbone makes of the last patch and those before it."""
    values, hidden, _ = rows.normalised(model.config.patch)
    about = (rows.interval, rows.axis, model.config, not rows.center)
    features, _ = model.features_and_load(
        SeriesInputs.of(values, hidden, ~hidden, *about)
    )
    group = values.shape[1]
    return rearrange(features[:, -1], "(b g) d -> b g d", g=group)
