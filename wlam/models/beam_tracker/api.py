"""A trained tracker that takes and gives sweeps as users have them."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from wlam.data.checked import checked_sweeps, horizon_of, like
from wlam.models.base import Card, Model
from wlam.models.beam_tracker.network import BeamTracker
from wlam.models.golden import golden_sweeps
from wlam.ops.pieces import in_pieces
from wlam.types import DataError, Sweeps

CHUNK = 64
"""Tracks that a call forecasts at once. Fixed: one compilation serves a case."""


class BeamTrackerForecaster(Model):
    """A trained tracker that takes and gives what users have."""

    accepts = frozenset({Sweeps})

    def __init__(self, network: BeamTracker, card: Card | None = None):
        super().__init__(network, card)
        graph = self._graph

        @partial(jax.jit, static_argnames="horizon")
        def continued(params, sweeps, seen, interval, horizon):
            steps = seen.shape[1]
            last = jnp.max(jnp.where(seen, jnp.arange(steps)[None], 0), axis=1)
            ahead = steps + jnp.arange(horizon)[None] - last[:, None]
            origin = jnp.full(ahead.shape, -1)
            model = nnx.merge(graph, params)
            return model(sweeps, seen, interval, origin, ahead * interval[:, None])

        self._continued = continued

    def predict(self, question: Any, horizon: int, axis: str = "time") -> Sweeps:
        """How likely every beam is to be the best at the steps that follow.

        A sweep of which any beam is missing counts as not made.

        Returns:
            Sweeps whose `rsrp_db` are log-probabilities of the beams.
        """
        horizon, data = horizon_of(horizon), checked_sweeps(question)
        if axis != "time":
            raise DataError(f"axis: found {axis!r}; needed 'time'")
        seen = np.asarray(np.all(data.mask, axis=2))
        if not seen.any(axis=1).all():
            row = int(np.argmin(seen.any(axis=1)))
            raise DataError(
                f"mask: found no whole sweep in sample {row}; needed one or more"
            )
        found = in_pieces(
            lambda _, *given: self._continued(self._params, *given, horizon=horizon),
            min(CHUNK, 1 << (len(seen) - 1).bit_length()),
            np.where(seen[..., None], data.rsrp_db, 0).astype(np.float32),
            seen,
            data.time_step_s,
        )
        return like(question, Sweeps(found, data.time_step_s, labels=data.labels))

    def golden(self) -> dict[str, np.ndarray]:
        sweeps = Sweeps(golden_sweeps(), time_step_s=0.1)
        return {"sweep_forecast": self.predict(sweeps, 10).rsrp_db}
