"""A trained network of irregular samples that takes and gives what users have."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx

from wlam.data.checked import checked_series, horizon_of, like
from wlam.models.base import Card, Model
from wlam.models.channel_steps import ChannelSteps
from wlam.models.continuous.network import Continuous
from wlam.models.golden import as_bins, as_csi, golden_answers, golden_channel
from wlam.models.series_rows import SeriesRows
from wlam.nn.scale import INPUT_LIMIT, fit_scale
from wlam.ops.pieces import in_pieces
from wlam.phy.transforms import from_bins, to_bins
from wlam.types import TIME, Csi, DataError, Series

CHUNK = 1024
"""Rows that a call forecasts at once. Fixed: one compilation serves a case."""


class ContinuousForecaster(Model):
    """A trained network that takes and gives what users have.

    A network of two channels takes channels, each delay-angle bin by itself; one of a
    single channel takes real series.
    """

    def __init__(self, network: Continuous, card: Card | None = None):
        super().__init__(network, card)
        graph = self._graph

        @partial(jax.jit, static_argnames=("horizon", "center"))
        def continued(params, values, seen, horizon, center):
            scale = fit_scale(values, seen[:, None], center)
            x = jnp.clip(scale.apply(values), -INPUT_LIMIT, INPUT_LIMIT)
            steps = seen.shape[1]
            last = jnp.max(jnp.where(seen, jnp.arange(steps)[None], 0), axis=1)
            ahead = steps + jnp.arange(horizon)[None] - last[:, None]
            x = rearrange(x, "b g t -> b t g")
            model = nnx.merge(graph, params)
            found = model(x, seen, ahead.astype(jnp.float32))
            return scale.invert(rearrange(found, "b h g -> b g h"))

        self._continued = continued

    @property
    def accepts(self) -> frozenset[type]:  # type: ignore[override]
        return frozenset({Csi if self.network.config.channels == 2 else Series})

    def predict(self, question: Any, horizon: int, axis: str = "time") -> Any:
        """See `Model.predict`. Time is counted in steps, so that none is without
        influence; entries of a snapshot that is not complete count as missing."""
        horizon = horizon_of(horizon)
        if why := self.why_not(question):
            raise DataError(f"question: {why}")
        if not isinstance(question, Csi):
            data = checked_series(question)
            rows = SeriesRows(data.series, data.mask, data.time_step_s, TIME)
            found = self._ahead(rows, horizon)
            return like(question, Series(found, data.time_step_s, labels=data.labels))
        steps = ChannelSteps.of(question, axis)
        bins = np.asarray(to_bins(steps.values, steps.axis, steps.antennas))
        flat = rearrange(bins, "n l u v -> n l (u v)")
        there = np.asarray(np.all(steps.measured, axis=(2, 3)))[..., None]
        known = np.broadcast_to(there, flat.shape)
        rows = SeriesRows(flat, known, steps.interval, steps.axis)
        found = rearrange(
            self._ahead(rows, horizon), "n h (u v) -> n h u v", u=bins.shape[2]
        )
        return steps.answer(from_bins(found, steps.axis, steps.antennas))

    def golden(self) -> dict[str, np.ndarray]:
        if Series in self.accepts:
            return golden_answers(self)
        answer = self.predict(as_csi(golden_channel(), TIME), 24)
        return {"channel_forecast": as_bins(answer, TIME)}

    def _ahead(self, asked: SeriesRows, horizon: int) -> np.ndarray:
        rows, known, _, _ = asked.rows()
        found = in_pieces(
            lambda _, x, seen: self._continued(
                self._params, x, seen, horizon=horizon, center=not asked.is_complex
            ),
            min(CHUNK, 1 << (len(rows) - 1).bit_length()),
            rows,
            known,
        )
        return asked.back(found)
