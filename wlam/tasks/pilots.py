"""Channels on all subcarriers from pilots on some: estimation without training."""

from dataclasses import replace
from functools import partial

import numpy as np

from wlam.baselines.bank.smoothers import between_pilots
from wlam.baselines.estimate import linear_matrix, spline_matrix
from wlam.data.files import CSI
from wlam.tasks.csi import CsiFrequency, in_bins
from wlam.tasks.task import Baseline
from wlam.tasks.windows import Sequences, Windows
from wlam.types import Csi, DataError

FEWEST = 4
"""Pilots that a spline needs."""


class CsiPilots(CsiFrequency):
    """All L subcarriers from every n-th of them.

    Baselines: "repeat last" holds a pilot until the next; "interpolation" and "spline"
    are linear and cubic between the pilots (least squares, so noise stays); "IAA" is a
    Wiener filter whose delay profile is found from the pilots of a bin and those around
    it; "smoother bank" mixes thirteen such filters, which is what the predictor starts
    from (`wlam.baselines.bank.smoothers`).
    """

    verb = "complete"
    layout = replace(CSI, target="subcarrier", completes=True)
    window = (64, 64)

    def sequences(self, data: Csi) -> Sequences:
        """DataError where there are too few pilots."""
        subcarriers = data.csi.shape[2]
        if subcarriers < FEWEST * self.every:
            raise DataError(
                f"csi: found {subcarriers} subcarriers; needed at least "
                f"{FEWEST * self.every} for {self.name}"
            )
        return super().sequences(data)

    def baselines(self, data: Csi, windows: Windows) -> dict[str, Baseline]:
        assert windows.grid is not None
        bins = partial(in_bins, windows)
        return {
            "zero": lambda context, horizon: np.zeros_like(np.nan_to_num(context)),
            "repeat last": hold,
            "interpolation": partial(interpolated, matrix=linear_matrix),
            "spline": partial(interpolated, matrix=spline_matrix),
            "IAA": bins(partial(smoothed, grid=windows.grid, weighted=False)),
            "smoother bank": bins(partial(smoothed, grid=windows.grid, weighted=True)),
        }


class CsiPilots4(CsiPilots):
    """Pilots on every fourth subcarrier."""

    name = "csi_pilots_4"
    every = 4


class CsiPilots8(CsiPilots):
    """Pilots on every eighth subcarrier."""

    name = "csi_pilots_8"
    every = 8


def pilots_of(context: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pilots [window, pilot, bin] and the steps they are at."""
    at = np.flatnonzero(np.isfinite(context[0, :, 0]))
    return context[:, at], at


def hold(context: np.ndarray, horizon: int) -> np.ndarray:
    """The pilot before each step, the first one before it."""
    pilots, at = pilots_of(context)
    before = np.searchsorted(at, np.arange(horizon), side="right") - 1
    return pilots[:, np.maximum(before, 0)]


def interpolated(context: np.ndarray, horizon: int, matrix) -> np.ndarray:
    """A linear map from the pilots, see `wlam.baselines.estimate.interpolation`."""
    pilots, at = pilots_of(context)
    weights = matrix(at[None].astype(np.float32), horizon)[0]
    return np.einsum("lp,npb->nlb", weights, pilots).astype(np.complex64)


def smoothed(
    context: np.ndarray, horizon: int, grid: tuple[int, int], weighted: bool
) -> np.ndarray:
    """See `wlam.baselines.bank.smoothers.between_pilots`."""
    pilots, at = pilots_of(context)
    return between_pilots(pilots, at, horizon, grid, weighted)
