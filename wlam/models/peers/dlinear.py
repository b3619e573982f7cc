"""DLinear: two linear layers continue a series, one its trend, one what remains.

Zeng et al., "Are Transformers effective for time series forecasting?", AAAI 2023, arXiv
2205.13504, and the code of its authors: a moving average splits the context into trend
and remainder, each is mapped to all steps of the horizon at once, and both are added.
The same layers serve every series (their DLinear-S).

What differs from the publication: series are scaled by their context instead of a whole
set's statistics, the loss is that of the predictor's forecast (Huber), and biases start
at 0.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from wlam.data.checked import checked_series, horizon_of, like
from wlam.models.base import Card, Model, Network, NetworkConfig
from wlam.models.golden import golden_answers
from wlam.models.series_rows import SeriesRows
from wlam.nn.scale import INPUT_LIMIT, fit_scale
from wlam.ops.pieces import in_pieces
from wlam.types import LINEAR_BEYOND, TIME, Batch, Series, SeriesBatch

CHUNK = 4096
"""Rows that a call forecasts at once. Fixed: one compilation serves a case."""


@dataclass(frozen=True)
class DLinearConfig(NetworkConfig):
    """Sizes of DLinear: 2 horizon (context + 1) parameters."""

    # Steps that the layers see; shorter contexts begin with copies of their first.
    context: int = 144
    # Steps that they forecast at once; longer horizons are rolled out.
    horizon: int = 48
    # Steps of the moving average; odd, so that it has a middle. As published.
    kernel: int = 25
    # Windows that a training row gives, at random places.
    windows: int = 8

    def __post_init__(self) -> None:
        for name in ("context", "horizon", "kernel", "windows"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"model.{name}: found {getattr(self, name)}; needed at least 1"
                )
        if self.kernel % 2 == 0:
            raise ValueError(f"model.kernel: found {self.kernel}; needed an odd number")

    def build(self, rngs: nnx.Rngs) -> "DLinear":
        return DLinear(self, rngs)


def moving_average(x: Float[Array, "b l"], kernel: int) -> Float[Array, "b l"]:
    """The mean of `kernel` steps around each, beyond the edges copies of them."""
    beside = kernel // 2
    padded = jnp.pad(x, ((0, 0), (beside, beside)), "edge")
    total = jax.lax.reduce_window(
        padded, 0.0, jax.lax.add, (1, kernel), (1, 1), "VALID"
    )
    return total / kernel


class DLinear(Network):
    """The two layers, their loss and their forecasts."""

    def __init__(self, config: DLinearConfig, rngs: nnx.Rngs):
        self.config = config
        # Uniform within 1 / sqrt(context), where the published code starts.
        start = jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
        layer = partial(
            nnx.Linear, config.context, config.horizon, kernel_init=start, rngs=rngs
        )
        self.trend, self.remainder = layer(), layer()

    def __call__(self, x: Float[Array, "b l"]) -> Float[Array, "b h"]:
        """Forecasts normalised series, each from its `config.context` last steps."""
        trend = moving_average(x, self.config.kernel)
        return self.trend(trend) + self.remainder(x - trend)

    def loss(self, batch: Batch, key: PRNGKeyArray) -> Float[Array, ""]:
        """Mean Huber error of windows at random places, in units of their contexts.

        Raises:
            ValueError: anything but single real series, or such that are too short.
        """
        if not isinstance(batch, SeriesBatch) or batch.values.shape[1] > 1:
            raise ValueError(
                "mixture: found an ingredient of channels or beams; needed traffic "
                "or other real series, DLinear takes nothing else"
            )
        given, horizon = self.config.context, self.config.horizon
        n, _, steps = batch.values.shape
        last = steps - given - horizon
        if last < 0:
            raise ValueError(
                f"source: found sequences of {steps} steps; needed at least "
                f"model.context + model.horizon, {given} + {horizon}"
            )
        begin = jax.random.randint(key, (n, self.config.windows, 1), 0, last + 1)
        index = begin + jnp.arange(given + horizon)[None, None]
        row = jnp.arange(n)[:, None, None]

        def cut(x: Float[Array, "b 1 t"]) -> Float[Array, "n 1 lh"]:
            return rearrange(x[:, 0][row, index], "b w lh -> (b w) 1 lh")

        context, target = cut(batch.values)[..., :given], cut(batch.clean)[..., given:]
        scale = fit_scale(context, jnp.ones_like(context, bool), center=True)
        target = jnp.clip(scale.apply(target), -INPUT_LIMIT, INPUT_LIMIT)[:, 0]
        forecast = self(scale.apply(context)[:, 0])
        error = optax.losses.huber_loss(forecast, target, delta=LINEAR_BEYOND)
        # A constant context has no unit to measure in.
        weight = (scale.spread > 0).astype(jnp.float32)
        return jnp.sum(weight * error.mean(1)) / jnp.maximum(weight.sum(), 1.0)

    def continue_series(
        self, context: Float[Array, "b l"], horizon: int
    ) -> Float[Array, "b {horizon}"]:
        """Forecasts `horizon` steps of series in their own units.

        Beyond `config.horizon` its own forecasts become the context; statistics stay
        those of the context that was given, `config.context` steps.
        """
        given, calls = self.config.context, math.ceil(horizon / self.config.horizon)
        values = context[:, None]
        scale = fit_scale(values, jnp.ones_like(values, bool), center=True)

        def step(seen: Array, _: None) -> tuple[Array, Array]:
            ahead = self(seen)
            return jnp.concatenate([seen, ahead], axis=1)[:, -given:], ahead

        _, found = jax.lax.scan(step, scale.apply(values)[:, 0], length=calls)
        found = rearrange(found, "call b h -> b 1 (call h)")
        return scale.invert(found)[:, 0, :horizon]

    def model(self) -> "SeriesForecaster":
        return SeriesForecaster(self)


def last_steps(
    rows: Float[np.ndarray, "b t"], known: Bool[np.ndarray, "b t"], count: int
) -> Float[np.ndarray, "b {count}"]:
    """The last `count` steps, each unknown one a copy of the last known one before it.

    Before the first known step stand copies of it, as many as are needed.
    """
    index = np.where(known, np.arange(rows.shape[1]), 0)
    latest = np.maximum.accumulate(index, axis=1)
    latest = np.maximum(latest, known.argmax(axis=1)[:, None])
    filled = np.take_along_axis(rows, latest, axis=1)
    missing = max(0, count - rows.shape[1])
    return np.pad(filled, ((0, 0), (missing, 0)), "edge")[:, -count:]


class SeriesForecaster(Model):
    """A trained network of single real series that takes and gives what users have."""

    accepts = frozenset({Series})

    def __init__(self, network: DLinear, card: Card | None = None):
        super().__init__(network, card)
        graph = self._graph

        @partial(jax.jit, static_argnames="horizon")
        def continued(params, context, horizon):
            return nnx.merge(graph, params).continue_series(context, horizon)

        self._continued = continued

    def predict(self, question: Any, horizon: int, axis: str = "time") -> Series:
        horizon, data = horizon_of(horizon), checked_series(question)
        asked = SeriesRows(data.series, data.mask, data.time_step_s, TIME)
        rows, known, _, _ = asked.rows()
        seen = last_steps(rows[:, 0], known, self.network.config.context)
        found = in_pieces(
            lambda _, piece: self._continued(self._params, piece, horizon=horizon),
            min(CHUNK, 1 << (len(seen) - 1).bit_length()),
            seen,
        )
        values = asked.back(found[:, None])
        return like(question, Series(values, data.time_step_s, labels=data.labels))

    def golden(self) -> dict[str, np.ndarray]:
        return golden_answers(self)
