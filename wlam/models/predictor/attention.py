"""What the predictor's Transformer attends to in a channel."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float, Int

from wlam.baselines.bank.ar_bank import BANK, backtest_logits
from wlam.models.channel_steps import ChannelSteps
from wlam.models.predictor.channels import Channel
from wlam.phy.transforms import to_bins
from wlam.types import Csi, DataError


@dataclass(frozen=True)
class Attention:
    """Of the strongest bins of one channel."""

    # Share that each patch of each bin takes of each: layer, head, to, from.
    weights: Float[np.ndarray, "layer head bin patch bin patch"]
    bins: Int[np.ndarray, "bin 2"]  # rows and columns, strongest first
    power: Float[np.ndarray, "row column"]  # mean over the steps, of all bins
    experts: dict[str, Float[np.ndarray, " bin"]]
    """Weight of every baseline forecast of a bin before the network changes it."""


def attention_of(network: Any, csi: Csi, horizon: int, axis: str) -> Attention:
    """Looks at the first sample of some channels.

    Args:
        network: a predictor that takes channels as a whole, with a Transformer.
        csi: see `wlam.models.base.Model.predict`.
        horizon: steps that are forecast.
        axis: one of `AXES`.

    Raises:
        DataError: another network, or channels that cannot be used.
    """
    if network.channels is None or not hasattr(network.backbone, "attention"):
        raise DataError(
            "attention: found a network without channels as a whole, or without a "
            "Transformer; needed both"
        )
    steps = ChannelSteps.of(csi, axis, least=2)
    bins = to_bins(steps.values[:1], steps.axis, steps.antennas)
    graph, params = nnx.split(network)

    @partial(jax.jit, static_argnames="horizon")
    def look(params: Any, bins: Any, known: Any, interval: Any, horizon: int) -> tuple:
        model = nnx.merge(graph, params)
        channel = Channel.of(bins, known, interval, steps.axis, horizon)
        chosen = channel.strongest_first()[:, : model.channels.config.bins]
        tokens = model.channels.tokens(channel, chosen, horizon)
        visible = jnp.ones(tokens.values.shape[:2], bool)
        weights = model.backbone.attention(tokens.values, visible, tokens.positions)
        record = jax.nn.softmax(backtest_logits(tokens.bank), axis=-1)
        return chosen[0], weights[:, 0], record[0]

    chosen, weights, record = map(
        np.asarray, look(params, bins, steps.known[:1], steps.interval[:1], horizon)
    )
    layers, heads, count = weights.shape[:3]
    k = len(chosen)
    names = [f"AR({fit.order}) {fit.reach} {fit.ridge:g}" for fit in BANK]
    names += ["Wiener bands", "zero"]
    return Attention(
        weights.reshape(layers, heads, k, count // k, k, count // k),
        np.stack(np.divmod(chosen, bins.shape[3]), axis=1),
        np.asarray(abs(bins[0]) ** 2).mean(0),
        dict(zip(names, record.T, strict=True)),
    )
