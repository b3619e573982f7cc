"""Sparse sweeps: all beams of a sweep from a few of it and of those before."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from scipy.interpolate import CubicSpline

from wlam import baselines
from wlam.data.files import BEAM
from wlam.tasks.series import BeamTask
from wlam.tasks.task import Baseline
from wlam.tasks.windows import Sequences, Windows
from wlam.types import DataError, Sweeps


class SparseSweep(BeamTask):
    """The last of L sparse sweeps as a full one; a channel is a beam.

    Baselines: "repeat last" serves with the strongest beam that was measured;
    "interpolation" and "spline" are linear and cubic in dB between those; "matched
    path" is the single path that fits them best.
    """

    verb = "complete"
    layout = replace(BEAM, completes=True)
    window = (4, 1)
    every: ClassVar[int]

    def sequences(self, data: Sweeps) -> Sequences:
        """DataError where fewer than two beams would be measured."""
        beams = data.rsrp_db.shape[2]
        if beams < 2 * self.every:
            raise DataError(
                f"rsrp_db: found {beams} beams; needed at least {2 * self.every} for "
                f"{self.name}"
            )
        return replace(super().sequences(data), every=self.every)

    def baselines(self, data: Sweeps, windows: Windows) -> dict[str, Baseline]:
        completions = {
            "repeat last": serve_measured,
            "interpolation": interpolated,
            "spline": spline,
            "matched path": matched_path,
        }
        return {n: partial(of_last_sweep, complete=f) for n, f in completions.items()}


class SparseSweep4(SparseSweep):
    """Every fourth beam measured."""

    name = "beam_scan_4"
    every = 4


class SparseSweep8(SparseSweep):
    """Every eighth beam measured."""

    name = "beam_scan_8"
    every = 8


def of_last_sweep(
    context: np.ndarray, horizon: int, complete: Callable[[np.ndarray], Any]
) -> np.ndarray:
    """A sparse sweep [window, beam] -> a full one, for the last of the context."""
    sweep = np.asarray(complete(np.asarray(context)[:, -1]), np.float32)
    return np.repeat(sweep[:, None], horizon, axis=1)


def serve_measured(sweep: np.ndarray) -> np.ndarray:
    """Beams that were not measured are weaker than all that were."""
    least = np.nanmin(sweep, axis=1, keepdims=True) - 1
    return np.where(np.isnan(sweep), least, sweep)


def interpolated(sweep: np.ndarray) -> Any:
    """Linear in dB, the edges held."""
    measured = np.isfinite(sweep)
    full = baselines.filled_sweeps(
        jnp.asarray(np.where(measured, sweep, 0))[:, None],
        jnp.asarray(measured)[:, None],
    )
    return full[:, 0]


def spline(sweep: np.ndarray) -> np.ndarray:
    """A cubic spline in dB (not-a-knot), the edges held."""
    beams = np.flatnonzero(np.isfinite(sweep[0]))
    through = CubicSpline(beams, sweep[:, beams], axis=1)
    return through(np.clip(np.arange(sweep.shape[1]), beams[0], beams[-1]))


def matched_path(sweep: np.ndarray) -> Any:
    """See `wlam.baselines.sweeps.fit_path`, for a DFT codebook of as many antennas."""
    measured = np.isfinite(sweep)
    shown = jnp.asarray(np.where(measured, sweep, 0))
    return baselines.fit_path(shown, jnp.asarray(measured), sweep.shape[1]).sweep_db
