"""The loss of channels that enter as a whole."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Complex, Float, Int, PRNGKeyArray

from wlam.models.predictor.channels import LEAST_SPREAD, Channel
from wlam.nn.experts import Load
from wlam.phy.transforms import to_bins
from wlam.types import Antennas, ChannelBatch

if TYPE_CHECKING:
    import wlam.models.predictor.network

STRONGEST = 0.6
"""How often the strongest bins are trained on; else any bins that follow each other in
power, since all of them have to be forecast in the end."""
LATE = 0.25
"""How often the context begins late."""
FLOOR = 0.05
"""Share of the context's power that errors are measured in where targets are empty."""
SPREAD = 0.1
"""Weight of the likelihood beside the error: forecasts come first."""
LINE_OF_SIGHT = 0.05
"""The same of the likelihood of there being a line of sight or not."""
FAR = 25.0
"""Errors count squared up to this many variances, and beyond as the logarithm goes on:
a spread far off must not own the batch. Errors have heavier tails than a Gaussian; with
9 variances the spread fitted their middle: 90 % intervals of a short run held 87 %."""


def channel_losses(
    model: "wlam.models.predictor.network.Predictor",
    parts: Mapping[str, ChannelBatch],
    key: PRNGKeyArray,
) -> tuple[dict[str, Float[Array, ""]], list[Load | None]]:
    """The mean of `channel_loss` over the samples of every part, and all loads.

    Parts of one shape go through the model together: the step then holds it once for
    every shape, which compiles in a fraction of the time.
    """
    parts = {name: in_bins(part) for name, part in parts.items()}
    alike: dict[tuple, list[str]] = {}
    for name, grids in sorted(parts.items()):
        shape = (*grids.values.shape[1:], grids.context, grids.every, grids.axis)
        alike.setdefault(shape, []).append(name)
    losses, loads = {}, []
    for i, names in enumerate(alike.values()):
        group = [parts[name] for name in names]
        together = jax.tree.map(lambda *arrays: jnp.concatenate(arrays), *group)
        found, load = channel_loss(model, together, jax.random.fold_in(key, i))
        loads.append(load)
        ends = np.cumsum([len(grids.values) for grids in group])
        pieces = jnp.split(found, ends[:-1])
        losses |= {n: piece.mean() for n, piece in zip(names, pieces, strict=True)}
    return losses, loads


def in_bins(batch: ChannelBatch) -> ChannelBatch:
    """Channels as the bins that the predictor works on, see `wlam.phy.transforms`.

    Bins have no antennas any more, so that batches of any arrays go together.
    """
    antennas = Antennas.of(batch.antennas)
    values, clean = (
        to_bins(x, batch.axis, antennas) for x in (batch.values, batch.clean)
    )
    return replace(batch, values=values, clean=clean, antennas=())


def channel_loss(
    model: "wlam.models.predictor.network.Predictor",
    grids: ChannelBatch,
    key: PRNGKeyArray,
) -> tuple[Float[Array, " n"], Load | None]:
    """Of every sample the root of the normalised error of the chosen bins.

    The error in decibels is what is reported, and the squared error what a linear fit
    minimises; the root lies between: easy samples count, hard ones do not own a batch.
    The spread is trained beside it, on errors that it does not see as its own, and the
    line of sight where the model is asked for it. Also the load of the backbone's
    experts, if any.

    Raises:
        ValueError: the model takes no channels as a whole.
    """
    if model.channels is None:
        raise ValueError(
            "model.channels: found None; needed for channels with a context"
        )
    late_key, first_key, group_key, begin_key = jax.random.split(key, 4)
    n, steps, u, v = grids.values.shape
    if grids.every > 1:
        at = jnp.arange(grids.every // 2, steps, grids.every)
        channel = Channel.sparse(grids.values, at, grids.interval, grids.axis)
        horizon, asked = 0, slice(None)
    else:
        length = grids.context
        late = jax.random.bernoulli(late_key, LATE, (n,))
        first = jax.random.randint(first_key, (n,), 0, length // 2)
        known = jnp.arange(length)[None] >= jnp.where(late, first, 0)[:, None]
        horizon, asked = steps - length, slice(length, None)
        channel = Channel.of(
            grids.values[:, :length], known, grids.interval, grids.axis, horizon
        )
    order = channel.strongest_first()
    k = min(model.channels.config.bins, u * v)
    begin = jax.random.randint(begin_key, (n,), 0, u * v - k + 1)
    begin = jnp.where(jax.random.bernoulli(group_key, STRONGEST, (n,)), 0, begin)
    places = begin[:, None] + jnp.arange(k)[None]
    chosen = jnp.take_along_axis(order, places, axis=1)
    tokens = model.channels.tokens(channel, chosen, horizon)
    features, load = tokens.features_and_load(model.backbone)
    forecast, spread = model.channels.answer(tokens, features)

    def pick(x: Array) -> Array:
        return jnp.take_along_axis(x.reshape(n, -1, u * v), chosen[:, None], axis=2)

    unit = jnp.where(channel.level > 0, channel.level, 1)[:, None, None]
    target = pick(grids.clean[:, asked]) / unit
    error = (abs(forecast / unit - target) ** 2).mean((1, 2))
    power = jnp.take_along_axis(channel.power, chosen, axis=1).mean(1)
    reference = (abs(target) ** 2).mean((1, 2)) + FLOOR * power
    root = jnp.sqrt(error / jnp.maximum(reference, 1e-12) + 1e-6)
    size = channel_sizes(channel, chosen)
    likelihood = gaussian_loss(
        jax.lax.stop_gradient(forecast / unit - target) / size, spread / unit / size
    )
    loss = root + SPREAD * likelihood.mean((1, 2))
    if "line_of_sight" in model.heads and grids.los is not None:
        logit = model.heads["line_of_sight"](features.mean(1))[:, 0].astype(jnp.float32)
        # Only the strongest bins are asked, and only where the answer is known.
        asked_for = (begin == 0) & jnp.isfinite(grids.los)
        los = jnp.where(asked_for, grids.los, 0)
        miss = optax.losses.sigmoid_binary_cross_entropy(logit, los)
        loss += LINE_OF_SIGHT * jnp.where(asked_for, miss, 0)
    return loss, load


def channel_sizes(channel: Channel, chosen: Int[Array, "n k"]) -> Float[Array, "n 1 k"]:
    """Sizes of the chosen bins in units of the channel's level; 1 for silent ones."""
    size = jnp.sqrt(jnp.take_along_axis(channel.power, chosen, axis=1))[:, None]
    return jnp.where(size > 0, size, 1)


def gaussian_loss(
    error: Complex[Array, "*b"], spread: Float[Array, "*b"]
) -> Float[Array, "*b"]:
    """-log likelihood |e|^2 / s^2 + ln s^2 of a circular complex Gaussian, no constant.

    Spreads are taken as `LEAST_SPREAD` at least, errors as `FAR` says.
    """
    variance = jnp.maximum(spread, LEAST_SPREAD) ** 2
    ratio = abs(error) ** 2 / variance
    beyond = FAR * (1 + jnp.log(jnp.maximum(ratio, FAR) / FAR))
    return jnp.where(ratio < FAR, ratio, beyond) + jnp.log(variance)
