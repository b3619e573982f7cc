"""Sparse sweeps: the next sweep of all beams from every n-th beam of those so far."""

from dataclasses import replace
from functools import partial
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from wlam.data.tensors import Beams
from wlam.phy import floors
from wlam.phy.codebooks import beam_directions
from wlam.tasks.real import BeamTask
from wlam.tasks.sequences import Sequences, Windows
from wlam.tasks.task import Forecaster


class BeamScan(BeamTask):
    """The next H sweeps from L sparse ones; a channel is a beam.

    Floors: "repeat last" serves with the strongest beam that was measured; "matched
    path" with that of the single path that fits the last sparse sweep best.
    """

    every: ClassVar[int]

    def sequences(self, data: Beams) -> Sequences:
        return replace(super().sequences(data), every=self.every)

    def floors(self, data: Beams, windows: Windows) -> dict[str, Forecaster]:
        return {
            "repeat last": repeat_measured,
            "matched path": partial(matched_path, every=self.every),
        }


class BeamScan4(BeamScan):
    """Every fourth beam measured."""

    name = "beam_scan_4"
    every = 4


class BeamScan8(BeamScan):
    """Every eighth beam measured."""

    name = "beam_scan_8"
    every = 8


def repeat_measured(context: np.ndarray, horizon: int) -> np.ndarray:
    """The last sparse sweep; beams that are not in it are weaker than all that are."""
    last = np.asarray(context)[:, -1]
    least = np.nanmin(last, axis=1, keepdims=True) - 1
    filled = np.where(np.isnan(last), least, last)
    return np.repeat(filled[:, None], horizon, axis=1).astype(np.float32)


def matched_path(context: np.ndarray, horizon: int, every: int) -> np.ndarray:
    """See `wlam.phy.floors.subarray_scan`, on the last sparse sweep."""
    beams = context.shape[2]
    coarse = jnp.asarray(context[:, -1, ::every])
    directions = jnp.asarray(beam_directions(beams))[::every]
    sweep = floors.subarray_scan(coarse, beams, beams, directions)
    return np.repeat(np.asarray(sweep)[:, None], horizon, axis=1)
