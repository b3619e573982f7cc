"""Beam tracking at irregular times: the best beam between and after sweeps."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from wlam import baselines, metrics
from wlam.data.files import BEAM
from wlam.metrics import Statistic
from wlam.tasks.series import BeamTask
from wlam.tasks.task import Baseline
from wlam.tasks.windows import Windows
from wlam.types import Sweeps

FLOOR = "floor_dbm"
"""Label: the power that a beam shows which receives nothing."""


class BeamIrregular(BeamTask):
    """The best beam at each of the next H steps, from the sweeps made among L others.

    A sweep that was not made is NaN. Where nobody knows what a target was, NaN, the
    forecast does not count. Baselines: "repeat last" serves with the best beam of the
    last sweep; "linear tracker" draws a line through the best beams of the last eight;
    "EKF" is an extended Kalman filter of the bearing and its rate. "SE ratio", where
    the noise floor is known, is the spectral efficiency log2(1 + SNR) of the chosen
    beam over that of the best one.
    """

    name = "beam_irregular"
    layout = replace(BEAM, irregular=True)
    window = (86, 10)

    def baselines(self, data: Sweeps, windows: Windows) -> dict[str, Baseline]:
        interval = np.float32(windows.interval)
        return {
            "repeat last": baselines.hold,
            "linear tracker": baselines.line_tracker,
            "EKF": partial(baselines.bearing_tracker, interval_s=interval),
        }

    def scores(
        self, forecast: np.ndarray, data: Sweeps, windows: Windows
    ) -> dict[str, Statistic]:
        target = windows.target
        most = min(3, forecast.shape[-1])
        found = {
            "top-1": _where_known(forecast, target, metrics.topk_accuracy, k=1),
            "top-3": _where_known(forecast, target, metrics.topk_accuracy, k=most),
            "±1 beam": _where_known(forecast, target, metrics.within_one_beam),
            "power ratio": _where_known(forecast, target, metrics.power_ratio),
        }
        if FLOOR in windows.labels:
            baseline = np.asarray(windows.labels[FLOOR], np.float64)
            found["SE ratio"] = _where_known(
                forecast, target - baseline[:, None, None], metrics.efficiency_ratio
            )
        return found


def _where_known(
    forecast: np.ndarray,
    target: np.ndarray,
    metric: Callable[..., Statistic],
    **more: int,
) -> Statistic:
    """A mean over sweeps, of those whose target is known."""
    shape, beams = target.shape[:2], target.shape[2]
    known = np.all(np.isfinite(target), axis=2)
    shown = np.where(known[..., None], target, 0.0)
    one = metric(forecast.reshape(-1, beams), shown.reshape(-1, beams), **more)
    numerator, denominator = (
        np.where(known, x.reshape(shape), 0.0).sum(1)
        for x in (one.numerator, one.denominator)
    )
    return replace(one, numerator=numerator, denominator=denominator)
