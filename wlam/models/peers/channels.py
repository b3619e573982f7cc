"""Networks that continue channels as a whole, in snapshots, antennas, subcarriers."""

from functools import partial
from typing import Any

import jax
import numpy as np
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Complex

from wlam.data.checked import horizon_of
from wlam.models.base import Card, Model, Network
from wlam.models.channel_steps import ChannelSteps
from wlam.models.golden import as_bins, as_csi, golden_channel
from wlam.ops.pieces import in_pieces
from wlam.types import ANTENNA, AXES, TIME, Csi, DataError

CHANNELS = 4
"""Channels that a call forecasts at once. Fixed: one compilation serves a case."""


def to_channel(x: Complex[Array, "n step u v"], axis: int) -> Complex[Array, "n t a k"]:
    """Steps along time or frequency as snapshots, antennas and subcarriers."""
    layout = "n t k a -> n t a k" if axis == TIME else "n k t a -> n t a k"
    return rearrange(x, layout)


def to_steps(
    channel: Complex[Array, "n t a k"], axis: int
) -> Complex[Array, "n step u v"]:
    """The inverse of `to_channel`."""
    layout = "n t a k -> n t k a" if axis == TIME else "n t a k -> n k t a"
    return rearrange(channel, layout)


class ChannelNetwork(Network):
    """Base of the networks that continue channels as a whole and nothing else."""

    def continue_steps(
        self,
        x: Complex[Array, "n l u v"],
        known: Bool[Array, "n l"],
        horizon: int,
        axis: int,
    ) -> Complex[Array, "n {horizon} u v"]:
        """The next steps; values of unknown steps have no influence."""
        raise NotImplementedError

    def model(self) -> "ChannelForecaster":
        return ChannelForecaster(self)


class ChannelForecaster(Model):
    """A trained network of whole channels that takes and gives what users have."""

    accepts = frozenset({Csi})

    def __init__(self, network: ChannelNetwork, card: Card | None = None):
        super().__init__(network, card)
        graph = self._graph

        @partial(jax.jit, static_argnames=("horizon", "axis"))
        def continued(params, x, known, horizon, axis):
            model = nnx.merge(graph, params)
            return model.continue_steps(x, known, horizon, axis)

        self._continued = continued

    def predict(self, question: Any, horizon: int, axis: str = "time") -> Csi:
        horizon = horizon_of(horizon)
        steps = ChannelSteps.of(question, axis)
        if steps.axis == ANTENNA:
            raise DataError(f"axis: found {axis!r}; needed {AXES[0]!r} or {AXES[1]!r}")

        def forecast(values, known, interval, horizon):
            found = in_pieces(
                lambda _, *x: self._continued(
                    self._params, *x, horizon=horizon, axis=steps.axis
                ),
                CHANNELS,
                values,
                known,
            )
            return (found,)

        return steps.answer(steps.forecast(forecast, horizon)[0])

    def golden(self) -> dict[str, np.ndarray]:
        # Columns of the golden channel are antennas here.
        answer = self.predict(as_csi(golden_channel(), TIME, None), 8)
        return {"channel_forecast": as_bins(answer, TIME, None)}
