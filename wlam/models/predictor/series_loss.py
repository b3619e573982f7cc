"""The loss of series: next-patch prediction under random contexts."""

from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import optax
from einops import rearrange, repeat
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from wlam.models.predictor.inputs import SeriesInputs
from wlam.nn.experts import Load
from wlam.nn.quantiles import pinball
from wlam.nn.scale import INPUT_LIMIT, fit_scale
from wlam.types import SeriesBatch

if TYPE_CHECKING:
    import wlam.models.predictor.network

# Weight of the quantiles' loss beside the forecast's. Small errors weigh more in it,
# and what it asks of the backbone must not come before the forecast.
QUANTILES = 0.1


def draw_context(
    key: PRNGKeyArray, batch: int, patches: int, patch: int
) -> tuple[Bool[Array, "b t"], Int[Array, " b"]]:
    """Draws the context of each row, so that every length 1..T-1 occurs in training.

    Patch masking of arXiv 2507.05938, details after TimesFM (arXiv 2310.10688): with
    probability 1/2 the context begins at patch k ~ U{0..N-2} instead of 0; its first
    r ~ U{0..p-1} samples are hidden; and it ends before patch n ~ U{k+1..N-1}.

    Returns:
        hidden samples [b, t] (those before the context), and n [b]. Samples from patch
        n on are not hidden: they are inputs when later patches are predicted, as in a
        roll-out, but normalisation must not see them.
    """
    k_key, late_key, r_key, n_key = jax.random.split(key, 4)
    late = jax.random.bernoulli(late_key, 0.5, (batch,))
    k = jnp.where(late, jax.random.randint(k_key, (batch,), 0, patches - 1), 0)
    r = jax.random.randint(r_key, (batch,), 0, patch)
    # Early ends leave more patches to predict, so that a row teaches more.
    n = jax.random.randint(n_key, (batch,), k + 1, patches)
    first = k * patch + r
    hidden = jnp.arange(patches * patch)[None] < first[:, None]
    return hidden, n


def next_patches(
    x: Float[Array, "b t"], patch: int, horizon: int
) -> tuple[Float[Array, "b n q"], Bool[Array, "n q"]]:
    """The `horizon` samples after every patch, and which of them exist."""
    steps = x.shape[1]
    begin = jnp.arange(patch, steps + 1, patch)
    index = begin[:, None] + jnp.arange(horizon)[None]
    return x[:, jnp.minimum(index, steps - 1)], index < steps


def series_loss(
    model: "wlam.models.predictor.network.Predictor",
    rows: SeriesBatch,
    key: PRNGKeyArray,
) -> tuple[Float[Array, ""], Load | None]:
    """Mean error of the forecasts made after the context, in units of its scale.

    Squared, as in the paper, up to `rows.linear_beyond`; halved like every Huber loss.
    The pinball loss of the quantiles comes on top; the forecast under them is taken as
    it is, so that they do not move it. Also the load of the backbone's experts, if any.

    Raises:
        ValueError: the sequences are not made of two or more whole patches.
    """
    p = model.config.patch
    batch, group, steps = rows.values.shape
    if steps % p or steps < 2 * p:
        raise ValueError(
            f"source: sequences of {steps} steps; needed a multiple of model.patch, "
            f"{p}, and at least two patches"
        )
    patches = steps // p
    hidden, n = draw_context(key, batch, patches, p)
    missing = ~jnp.isfinite(rows.values).all(1)
    rows = replace(rows, values=jnp.where(missing[:, None], 0.0, rows.values))
    hidden = hidden | missing
    in_context = ~hidden & (jnp.arange(steps)[None] < n[:, None] * p)
    scale = fit_scale(rows.values, in_context[:, None], rows.center)
    values = jnp.clip(scale.apply(rows.values), -INPUT_LIMIT, INPUT_LIMIT)
    # The slope of a linear error does not see how far off a target is, but the loss
    # does, and one target of a million scales would be all that it shows.
    clean = jnp.clip(scale.apply(rows.clean), -INPUT_LIMIT, INPUT_LIMIT)
    clean = rearrange(clean, "b g t -> (b g) t")  # NaN where nobody knows
    axis = jnp.full(batch, rows.axis)
    about = (rows.interval, axis, model.config, not rows.center)
    inputs = SeriesInputs.of(values, hidden, in_context, *about)
    features, load = model.features_and_load(inputs)
    forecast, offsets = model.answer(features, inputs)
    target, exists = next_patches(clean, p, forecast.shape[-1])
    after_context = jnp.arange(1, patches + 1)[None] >= n[:, None]  # [b, n]
    scored = repeat(after_context, "b n -> (b g) n 1", g=group) & exists[None]
    scored, target = scored & jnp.isfinite(target), jnp.nan_to_num(target)
    # Where the context is constant there is no unit to measure in.
    has_unit = repeat(scale.spread > 0, "b -> (b g) 1 1", g=group)
    weight = (scored & has_unit).astype(jnp.float32)
    beyond = rows.linear_beyond
    # Where hardly any error is squared, its slope is 1 and not the small one of Huber.
    error = optax.losses.huber_loss(forecast, target, delta=beyond) / min(beyond, 1.0)
    if model.config.quantiles:
        miss = target - jax.lax.stop_gradient(forecast)
        error += QUANTILES * pinball(offsets, miss, model.config.quantiles)
    return jnp.sum(weight * error) / jnp.maximum(weight.sum(), 1.0), load
