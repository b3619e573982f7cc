"""Peers that see whole channels: from bins to antennas and back, forecasts."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Complex

from wlam.models.base import Network
from wlam.models.peers.forecaster import PeerForecaster
from wlam.ops.pieces import in_pieces
from wlam.phy.arrays import from_beamspace, to_beamspace
from wlam.types import FREQUENCY, TIME, ArrayShape

CHANNELS = 4
"""Channels that a call forecasts at once. Fixed: one compilation serves a case."""


def to_channel(
    bins: Complex[Array, "n step u v"], axis: int, array_shape: ArrayShape
) -> Complex[Array, "n t a k"]:
    """Bins of the tasks csi_time or csi_frequency back to time, antenna, subcarrier.

    The transforms of those tasks act on each step of the axis by itself, so that a part
    of the steps gives that part of the channel.
    """
    x = from_beamspace(bins, array_shape)
    if axis == TIME:
        return rearrange(jnp.fft.fft(x, axis=2, norm="ortho"), "n t k a -> n t a k")
    return rearrange(jnp.fft.ifft(x, axis=2, norm="ortho"), "n k t a -> n t a k")


def to_bins(
    channel: Complex[Array, "n t a k"], axis: int, array_shape: ArrayShape
) -> Complex[Array, "n step u v"]:
    """The inverse of `to_channel`."""
    if axis == TIME:
        x = jnp.fft.ifft(rearrange(channel, "n t a k -> n t k a"), axis=2, norm="ortho")
    else:
        x = jnp.fft.fft(rearrange(channel, "n t a k -> n k t a"), axis=2, norm="ortho")
    return to_beamspace(x, array_shape)


class ChannelNetwork(Network):
    """Base of the networks that continue channels as a whole and nothing else."""

    def continue_bins(
        self,
        bins: Complex[Array, "n l u v"],
        known: Bool[Array, "n l"],
        horizon: int,
        axis: int,
        array_shape: ArrayShape,
    ) -> Complex[Array, "n {horizon} u v"]:
        """The bins of the next steps; values of unknown steps have no influence."""
        raise NotImplementedError

    def model(self) -> "ChannelForecaster":
        return ChannelForecaster(self)


class ChannelForecaster(PeerForecaster):
    """A trained network of whole channels that takes and gives numpy arrays."""

    takes_channels, only = True, "channels"

    def __init__(self, model: ChannelNetwork):
        self.model = model
        graph, self._params = nnx.split(model)

        @partial(jax.jit, static_argnames=("horizon", "axis", "grid", "array_shape"))
        def continued(params, context, known, horizon, axis, grid, array_shape):
            model = nnx.merge(graph, params)
            bins = rearrange(context, "n l (u v) -> n l u v", u=grid[0])
            found = model.continue_bins(bins, known, horizon, axis, array_shape)
            return rearrange(found, "n h u v -> n h (u v)")

        self._continued = continued

    def predict(
        self,
        context: np.ndarray,
        interval: float | list[float] | np.ndarray,
        horizon: int,
        axis: str = "time",
        joint: bool = False,
        grid: tuple[int, int] | None = None,
        array_shape: ArrayShape = (),
    ) -> np.ndarray:
        """Forecasts the steps that follow a context of channels.

        Args:
            context: complex [sample, step, bin] of the task csi_time or csi_frequency.
                A step with a NaN is missing.
            interval, joint: ignored.
            horizon: how many steps to forecast.
            axis: "time" or "frequency", what the steps run along.
            grid: rows and columns of the bins.
            lattice: of the array whose angles the columns are; empty if they are its
                antennas.

        Returns:
            complex64 [sample, horizon, bin].

        Raises:
            ValueError: naming the argument, what was found and what is needed.
        """
        x = np.asarray(context)
        bins = 0 if grid is None else grid[0] * grid[1]
        if grid is None or x.ndim != 3 or x.shape[2] != bins or x.dtype.kind != "c":
            raise ValueError(
                f"grid: found {grid} for {x.dtype} context of shape {x.shape}; this "
                "model takes complex channels [sample, step, bin] and their grid only"
            )
        if horizon < 1 or axis not in ("time", "frequency"):
            raise ValueError(
                f"horizon, axis: found {horizon}, {axis!r}; needed at least 1, and "
                "'time' or 'frequency'"
            )
        antennas = sum(map(math.prod, array_shape))
        if array_shape and antennas != grid[1]:
            raise ValueError(
                f"lattice: found {antennas} antennas; needed the {grid[1]} columns of "
                "the grid, or none"
            )
        known = np.asarray(np.isfinite(x).all(axis=2))
        x = np.where(known[..., None], x, 0).astype(np.complex64)
        continued = partial(
            self._continued,
            horizon=horizon,
            axis=FREQUENCY if axis == "frequency" else TIME,
            grid=tuple(grid),
            array_shape=array_shape,
        )
        return in_pieces(
            lambda _, *piece: continued(self._params, *piece), CHANNELS, x, known
        )
