"""Forecasts of any length from a trained predictor: pad, normalise, roll out."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from wlam.nn.embeddings import FREQUENCY, TIME
from wlam.nn.guess import linear_guess, steps_per_day
from wlam.nn.joint import Channel, continue_channel
from wlam.nn.predictor import Predictor
from wlam.nn.scale import fit_scale
from wlam.phy.arrays import Lattice

CHUNK = 4096
"""Rows that a call forecasts at once. Fixed: one compilation serves a task."""
CHANNELS = 4
"""The same for channels that enter as a whole."""


def roll_out(
    model: Predictor,
    context: Float[Array, "b g t"],
    visible: Bool[Array, "b t"],
    interval: Float[Array, " b"],
    axis: Int[Array, " b"],
    center: bool,
    horizon: int,
) -> Float[Array, "b g {horizon}"]:
    """Forecasts `horizon` samples; its own patches become the input for later ones.

    Args:
        context: rows in their own units, in groups that share one scale (g = 2 for the
            real and imaginary part of a complex series).
        visible: False where a sample is missing.
        center: subtract the mean of the context (real series).

    Statistics are those of the context throughout; the roll-out does not renormalise.
    """
    p, group = model.config.patch, context.shape[1]
    pad = -context.shape[2] % p
    context = jnp.pad(context, ((0, 0), (0, 0), (pad, 0)))
    visible = jnp.pad(visible, ((0, 0), (pad, 0)))
    scale = fit_scale(context, visible[:, None], center)
    # One buffer of the final length: patches that are not there yet are hidden, and
    # causality keeps them from mattering.
    q, known = model.horizon, context.shape[2]
    calls = math.ceil(horizon / q)
    values = jnp.pad(scale.apply(context), ((0, 0), (0, 0), (0, calls * q)))
    hidden = jnp.pad(~visible, ((0, 0), (0, calls * q)), constant_values=True)
    season = steps_per_day(interval, axis)
    interval, axis = jnp.repeat(interval, group), jnp.repeat(axis, group)

    def step(
        carry: tuple[Array, Array], begin: Array
    ) -> tuple[tuple[Array, Array], None]:
        values, hidden = carry
        guess = linear_guess(values, hidden, season, p, q, is_complex=not center)
        forecasts = model(
            rearrange(values, "b g t -> (b g) t"),
            jnp.repeat(hidden, group, axis=0),
            rearrange(guess, "b g n q -> (b g) n q"),
            interval,
            axis,
        )
        last = jax.lax.dynamic_index_in_dim(forecasts, begin // p - 1, 1, False)
        last = rearrange(last, "(b g) q -> b g q", g=group)
        shown = jnp.zeros((last.shape[0], q), bool)
        return (
            jax.lax.dynamic_update_slice_in_dim(values, last, begin, 2),
            jax.lax.dynamic_update_slice_in_dim(hidden, shown, begin, 1),
        ), None

    begins = known + q * jnp.arange(calls)
    (values, _), _ = jax.lax.scan(step, (values, hidden), begins)
    return scale.invert(values[..., known:])[..., :horizon]


class Forecaster:
    """A trained model that takes and gives numpy arrays.

    >>> model = wlam.load("runs/quickstart")
    >>> forecast = model.predict(context, interval=0.5e-3, horizon=8)
    """

    takes_rows = True

    def __init__(self, model: Predictor):
        self.model = model
        self.takes_channels = model.joint is not None
        graph, params = nnx.split(model)
        self._params = params

        @partial(jax.jit, static_argnames=("center", "horizon"))
        def forecast(params, context, visible, interval, axis, center, horizon):
            model = nnx.merge(graph, params)
            return roll_out(model, context, visible, interval, axis, center, horizon)

        self._forecast = forecast

        @partial(jax.jit, static_argnames=("axis", "horizon", "grid"))
        def continued(params, context, known, interval, axis, horizon, grid):
            model = nnx.merge(graph, params)
            x = rearrange(context, "n l (u v) -> n l u v", u=grid[0])
            channel = Channel.of(x, known, interval, axis)
            assert model.joint is not None
            return continue_channel(model.joint, model.backbone, channel, horizon)

        self._continued = continued

    @property
    def num_parameters(self) -> int:
        """Trainable numbers of the model."""
        return sum(x.size for x in jax.tree.leaves(self._params))

    def predict(
        self,
        context: np.ndarray,
        interval: float | list[float] | np.ndarray,
        horizon: int,
        axis: str = "time",
        joint: bool = False,
        grid: tuple[int, int] | None = None,
        lattice: Lattice = (),
    ) -> np.ndarray:
        """Forecasts the samples that follow a context.

        Args:
            context: [step], [sample, step] or [sample, step, channel]; real or complex,
                in any unit. Every channel is forecast by itself, from its own past. NaN
                marks a missing sample.
            interval: spacing of the steps: seconds, or Hz along frequency; one number,
                or one per sample.
            horizon: how many steps to forecast.
            axis: "time" or "frequency", what the steps run along.
            joint: scale all channels of a sample alike and fit them by one linear
                recurrence: beams of a sweep, or angles of a channel along frequency. A
                step with a NaN is then missing in all channels.
            grid: rows and columns of bins (delay and angle, or Doppler and angle) that
                complex channels are. A model that takes channels as a whole then
                continues all bins together. Others ignore it, and it is ignored where a
                last step is missing, from which the bins' frames are taken.
            lattice: ignored; peers that see antennas need it.

        Returns:
            Shaped like context, with `horizon` steps; complex64 or float32.

        Raises:
            ValueError: naming the argument, what was found and what is needed.
        """
        context = np.asarray(context)
        x, interval = _checked(context, interval, horizon, axis)
        whole = self.model.joint is not None and np.isfinite(x[:, -1]).all()
        if grid is not None and whole:
            return self._predict_channels(x, interval, horizon, axis, grid)
        samples = len(x)
        is_complex, channels = np.iscomplexobj(x), x.shape[2]
        parts = np.stack([np.real(x), np.imag(x)] if is_complex else [x])
        layout = "n (g c) t" if joint else "(n c) g t"
        rows = rearrange(parts, f"g n t c -> {layout}").astype(np.float32)
        visible = np.asarray(np.isfinite(rows).all(axis=1))
        rows = np.where(visible[:, None], rows, 0.0).astype(np.float32)
        interval = np.repeat(interval, len(rows) // samples).astype(np.float32)
        which = FREQUENCY if axis == "frequency" else TIME
        most = max(1, CHUNK // rows.shape[1])
        size = min(most, 1 << (len(rows) - 1).bit_length())
        pieces = []
        for begin in range(0, len(rows), size):
            piece = slice(begin, begin + size)
            count = len(rows[piece])
            fill = ((0, size - count),)  # repeats of the last row, cut off again
            pieces.append(
                np.asarray(
                    self._forecast(
                        self._params,
                        np.pad(rows[piece], (*fill, (0, 0), (0, 0)), "edge"),
                        np.pad(visible[piece], (*fill, (0, 0)), "edge"),
                        np.pad(interval[piece], fill, "edge"),
                        np.full(size, which),
                        center=not is_complex,
                        horizon=horizon,
                    )
                )[:count]
            )
        forecast = np.concatenate(pieces)
        parts = rearrange(forecast, f"{layout} -> g n t c", n=samples, c=channels)
        y = parts[0] + 1j * parts[1] if is_complex else parts[0]
        if context.ndim == 1:
            return y[0, :, 0]
        return y[:, :, 0] if context.ndim == 2 else y

    def _predict_channels(
        self,
        x: np.ndarray,
        interval: np.ndarray,
        horizon: int,
        axis: str,
        grid: tuple[int, int],
    ) -> np.ndarray:
        """Continues channels [sample, step, bin] as a whole."""
        if x.shape[2] != grid[0] * grid[1] or not np.iscomplexobj(x):
            raise ValueError(
                f"grid: found {grid} for {x.dtype} context of {x.shape[2]} channels; "
                "needed complex channels, one for each bin"
            )
        known = np.asarray(np.isfinite(x).all(axis=2))
        x = np.where(known[..., None], x, 0).astype(np.complex64)
        pieces = []
        for begin in range(0, len(x), CHANNELS):
            piece = slice(begin, begin + CHANNELS)
            count = len(x[piece])
            fill = ((0, CHANNELS - count),)  # repeats of the last, cut off again
            pieces.append(
                np.asarray(
                    self._continued(
                        self._params,
                        np.pad(x[piece], (*fill, (0, 0), (0, 0)), "edge"),
                        np.pad(known[piece], (*fill, (0, 0)), "edge"),
                        np.pad(interval[piece].astype(np.float32), fill, "edge"),
                        axis=FREQUENCY if axis == "frequency" else TIME,
                        horizon=horizon,
                        grid=tuple(grid),
                    )
                )[:count]
            )
        return np.concatenate(pieces)


def _checked(
    context: np.ndarray,
    interval: float | list[float] | np.ndarray,
    horizon: int,
    axis: str,
) -> tuple[np.ndarray, np.ndarray]:
    """context as [sample, step, channel] and interval as [sample], or a ValueError."""
    if context.ndim not in (1, 2, 3) or 0 in context.shape:
        raise ValueError(
            f"context: found shape {context.shape}; needed [step], [sample, step] or "
            "[sample, step, channel] without empty axes"
        )
    if context.dtype.kind not in "fciu":
        raise ValueError(
            f"context: found dtype {context.dtype}; needed real or complex numbers"
        )
    if horizon < 1:
        raise ValueError(f"horizon: found {horizon}; needed at least 1")
    if axis not in ("time", "frequency"):
        raise ValueError(f"axis: found {axis!r}; needed 'time' or 'frequency'")
    shape = {1: (1, -1, 1), 2: (*context.shape, 1), 3: context.shape}[context.ndim]
    x = context.reshape(shape)
    interval = np.asarray(interval, np.float64)
    if interval.shape not in ((), (1,), (len(x),)) or not np.all(
        np.isfinite(interval) & (interval > 0)
    ):
        raise ValueError(
            f"interval: found {interval.shape} {interval.ravel()[:3]}; needed one "
            f"positive number, or one for each of {len(x)} samples"
        )
    if not np.isfinite(x).any(axis=1).all():
        raise ValueError("context: a channel has no finite sample; needed at least one")
    return x, np.broadcast_to(interval.reshape(-1), (len(x),))
