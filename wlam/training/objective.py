"""The loss: next-patch prediction under random contexts, all tasks at once."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from wlam.models.base import Network
from wlam.models.predictor.channel_loss import channel_losses
from wlam.models.predictor.series_loss import series_loss
from wlam.models.predictor.sweep_loss import sweep_loss
from wlam.nn.experts import Load, in_all
from wlam.types import Batch, ChannelBatch, SeriesBatch, SweepBatch

Figures = dict[str, Float[Array, ""]]
"""Scalars by name."""


def mixture_loss(
    graph: Any,
    params: Any,
    batch: Mapping[str, Batch],
    shares: Mapping[str, float],
    key: PRNGKeyArray,
) -> tuple[Float[Array, ""], tuple[Figures, Figures]]:
    """The share-weighted sum of the losses of all tasks, and each of them.

    Experts of the backbone add how unevenly they are used, over the tokens of all tasks
    together: each task may have experts of its own. What they got is the last output,
    empty without experts: `experts/balance`, the mean over layers, and
    `experts/largest_share`, the largest over layers.
    """
    model = nnx.merge(graph, params)
    keys = {name: jax.random.fold_in(key, i) for i, name in enumerate(sorted(batch))}
    loads: list[Load | None] = []
    if isinstance(model, Network):
        losses = {name: model.loss(batch[name], keys[name]) for name in keys}
    else:
        rows = {
            name: part for name, part in batch.items() if isinstance(part, SeriesBatch)
        }
        channels = {
            n: part for n, part in batch.items() if isinstance(part, ChannelBatch)
        }
        last_key = jax.random.fold_in(key, len(keys))
        losses, loads = channel_losses(model, channels, last_key)
        for name in rows:
            losses[name], load = series_loss(model, rows[name], keys[name])
            loads.append(load)
        for name, part in batch.items():
            if isinstance(part, SweepBatch):
                losses[name], load = sweep_loss(model, part, keys[name])
                loads.append(load)
    total = jnp.sum(jnp.stack([shares[name] * losses[name] for name in losses]))
    known = [load for load in loads if load is not None]
    if not known:
        return total, (losses, {})
    load = in_all(known)
    balance = load.balance()
    figures = {
        "experts/balance": balance.mean(),
        "experts/largest_share": load.shares().max(),
    }
    return total + load.weight * balance.sum(), (losses, figures)
