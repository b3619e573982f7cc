"""Answers of a predictor about series, each by itself in rows."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from wlam.models.predictor.network import Predictor
from wlam.models.predictor.rollout import (
    SeriesContext,
    roll_out,
    row_bounds,
    row_features,
)
from wlam.models.series_rows import SeriesRows
from wlam.nn.quantiles import score
from wlam.ops.pieces import in_pieces
from wlam.types import DataError

ROWS = 4096
"""Rows that a call forecasts at once. Fixed: one compilation serves a task."""
PATHS = 39
"""Sampled paths whose quantiles are the bounds beyond the first patch. Of 39 the second
from either end bound 90 %: 2 / 40 of the distribution is expected beyond each."""


class RowAnswers:
    """Forecasts, bounds, samples and features of `SeriesRows`, compiled once."""

    def __init__(self, network: Predictor, graph: Any, params: Any):
        self.network, self._params = network, params

        @partial(jax.jit, static_argnames="horizon")
        def forecast(params, rows, key, horizon):
            return roll_out(nnx.merge(graph, params), rows, horizon, key)[0]

        @partial(jax.jit, static_argnames="horizon")
        def bounds(params, rows, reach, horizon):
            return row_bounds(nnx.merge(graph, params), rows, horizon, reach)

        self._forecast, self._bounds = forecast, bounds
        self._features = jax.jit(
            lambda params, rows: row_features(nnx.merge(graph, params), rows)
        )

    def forecast(self, rows: SeriesRows, horizon: int) -> np.ndarray:
        """[sample, step, channel]."""
        found = _by_rows(
            rows, lambda _, x: self._forecast(self._params, x, None, horizon=horizon)
        )
        return rows.back(found)

    def features(self, rows: SeriesRows) -> np.ndarray:
        """[sample, width], the mean over channels."""
        found = _by_rows(rows, lambda _, x: self._features(self._params, x))
        return found.reshape(len(rows.values), -1, found.shape[-1]).mean(1)

    def bounds(
        self, rows: SeriesRows, horizon: int, tail: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Quantiles `tail` and 1 - `tail`, [sample, step, channel] each.

        Raises:
            DataError: beyond what the quantiles of the network span.
        """
        levels = self._levels()
        if min(tail - levels[0], levels[-1] - (1 - tail)) < -1e-9:
            raise DataError(
                f"coverage: found {1 - 2 * tail:g}; needed at most what the model's "
                f"quantiles {levels} span"
            )
        first = self.network.horizon

        def bounds_of(begin: int, x: SeriesContext) -> list[np.ndarray]:
            normal = np.float32(score(1 - tail))
            near = min(horizon, first)
            found = self._bounds(self._params, x, normal, horizon=near)
            found = [np.asarray(bound) for bound in found]
            if horizon <= first:
                return found
            paths = self._paths(x, horizon, PATHS, 0, begin)[..., first:]
            far = np.quantile(paths, [tail, 1 - tail], axis=1, method="weibull")
            both = zip(found, far.astype(np.float32), strict=True)
            return [np.concatenate(pair, axis=-1) for pair in both]

        low, high = _by_rows(rows, bounds_of)
        return rows.back(low), rows.back(high)

    def samples(
        self, rows: SeriesRows, horizon: int, samples: int, seed: int
    ) -> list[np.ndarray]:
        """Paths [sample, step, channel].

        Raises:
            DataError: the network has no quantiles.
        """
        self._levels()
        paths = _by_rows(
            rows, lambda begin, x: self._paths(x, horizon, samples, seed, begin)
        )
        return [rows.back(paths[:, i]) for i in range(samples)]

    def _paths(
        self, rows: SeriesContext, horizon: int, samples: int, seed: int, begin: int
    ) -> np.ndarray:
        """[row, sample, group, step] of rows that are a piece, from row `begin` on."""
        piece = jax.random.fold_in(jax.random.key(seed), begin)
        paths = [
            self._forecast(
                self._params, rows, jax.random.fold_in(piece, i), horizon=horizon
            )
            for i in range(samples)
        ]
        return np.stack(paths, axis=1)

    def _levels(self) -> tuple[float, ...]:
        levels = self.network.config.quantiles
        if not levels:
            raise DataError("quantiles: found none in the model; needed levels")
        return levels


def _by_rows(rows: SeriesRows, function) -> Any:
    """function(begin, rows) by pieces; its outputs begin with the axis of rows."""
    arrays = rows.rows()
    most = max(1, ROWS // arrays[0].shape[1])
    size = min(most, 1 << (len(arrays[0]) - 1).bit_length())
    return in_pieces(
        lambda begin, *piece: function(
            begin,
            SeriesContext(*map(jnp.asarray, piece), center=not rows.is_complex),
        ),
        size,
        *arrays,
    )
