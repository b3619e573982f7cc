"""Answers of a predictor about sweeps that enter as a whole."""

from functools import partial
from typing import Any

import jax
import numpy as np
from flax import nnx

from wlam.models.predictor.network import Predictor
from wlam.models.predictor.sweeps import roll_sweeps
from wlam.ops.pieces import in_pieces
from wlam.types import DataError, Sweeps

SWEEPS = 64
"""Sweeps that a call forecasts at once. Fixed: one compilation serves a task."""


class SweepAnswers:
    """Completed sweeps, forecasts, spreads and features, compiled once."""

    def __init__(self, network: Predictor, graph: Any, params: Any):
        self.network, self._params = network, params

        @partial(jax.jit, static_argnames="horizon")
        def swept(params, rsrp_db, measured, interval, horizon):
            model = nnx.merge(graph, params)
            sweeps = rsrp_db, measured, interval
            if horizon is None:
                return model.sweeps.features(model.backbone, *sweeps)[0].mean(1)
            return roll_sweeps(model.sweeps, model.backbone, *sweeps, horizon)

        self._swept = swept

    def ahead(self, data: Sweeps, horizon: int) -> tuple[np.ndarray, np.ndarray]:
        """Forecast and spread [sample, 1 + step, beam], the first step the last sweep.

        Args:
            data: as `wlam.data.checked` returns it.

        Raises:
            DataError: nothing was measured in the sweeps that the network looks at.
        """
        return self._found(data, horizon)

    def features(self, data: Sweeps) -> np.ndarray:
        """[sample, width], the mean over beams; see `ahead`."""
        return self._found(data, None)

    def _found(self, data: Sweeps, horizon: int | None) -> Any:
        assert self.network.sweeps is not None
        keep = self.network.sweeps.config.sweeps
        rsrp_db, mask = data.rsrp_db[:, -keep:], np.asarray(data.mask)[:, -keep:]
        if not mask.any((1, 2)).all():
            raise DataError(
                f"mask: found no beam measured in the last {keep} sweeps; needed at "
                "least one"
            )
        return in_pieces(
            lambda _, *sweeps: self._swept(self._params, *sweeps, horizon=horizon),
            SWEEPS,
            rsrp_db,
            mask,
            data.time_step_s,
        )
