"""Your own data, judged in a notebook: `wlam.evaluate`."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from wlam.data.checked import checked_csi, checked_series, checked_sweeps
from wlam.evaluation.cases import add_noise
from wlam.evaluation.evaluator import Result
from wlam.evaluation.forecast import Case, Given
from wlam.evaluation.judge import judge
from wlam.evaluation.table import short_table, text, wide_table
from wlam.models.base import Model
from wlam.tasks.task import Task
from wlam.types import AXES, Csi, DataError, Question, Series, Sweeps, Traffic

CSI_TASKS: dict[str, str] = dict(
    zip(AXES, ("csi_time", "csi_frequency", "csi_antenna"), strict=True)
)
"""The task of each axis."""


@dataclasses.dataclass(frozen=True)
class Judgement:
    """A result that prints as a table; `wide` has every metric and baseline."""

    result: Result
    forecasts: dict[str, Any]
    """By predictor, like the data: what was forecast of every window."""

    def __repr__(self) -> str:
        return text(short_table([self.result], self.result.models))

    @property
    def wide(self) -> str:
        return text(wide_table([self.result], self.result.models))


def evaluate(
    models: Model | Sequence[Model],
    data: Question,
    context: int,
    horizon: int,
    axis: str = "time",
    task: str | Task | None = None,
    snr_db: float | None = None,
) -> Judgement:
    """Judges models on your own data beside every training-free baseline.

    >>> print(wlam.evaluate(model, csi, context=16, horizon=8, snr_db=20.0))

    Args:
        models: one, or several whose names differ.
        data: `wlam.Csi`, `wlam.Sweeps`, `wlam.Series` or `wlam.Traffic`.
        context: steps that are given.
        horizon: steps that follow and are forecast.
        axis: of channels, what the steps run along.
        task: a name of `wlam.tasks.TASKS` or a task of your own; what data and axis
            suggest if not given.
        snr_db: adds noise to the context of channels; targets stay as they are.

    Raises:
        DataError: naming the field, what was found and what is needed.
    """
    models = [models] if isinstance(models, Model) else list(models)
    whole, usual = _as_task_takes(data, axis)
    if snr_db is not None:
        whole = add_noise(whole, snr_db)
    case = Case("your data", task or usual, whole, context, horizon)
    ((_, result, skipped),) = judge({case.name: Given(case)}, models)
    if result is None or skipped:
        raise DataError("; ".join(skipped).replace("skipped ", ""))
    return Judgement(result, dict(result.detail.forecasts))


def _as_task_takes(data: Question, axis: str) -> tuple[Any, str]:
    """Data with all fields, and the task for them."""
    if isinstance(data, Csi):
        csi = checked_csi(data, axis)
        if np.ndim(csi.csi) == 5:
            raise DataError(
                "csi: found receive antennas; needed [sample, time, subcarrier, "
                "antenna], a receive antenna at a time"
            )
        values = np.where(csi.mask, csi.csi, np.complex64(np.nan))
        holes = not np.all(csi.mask)
        name = "csi_irregular" if holes and axis == "time" else CSI_TASKS[axis]
        return dataclasses.replace(csi, csi=values), name
    if isinstance(data, Sweeps):
        sweeps = checked_sweeps(data)
        values = np.where(sweeps.mask, sweeps.rsrp_db, np.float32(np.nan))
        name = "beam" if np.all(sweeps.mask) else "beam_irregular"
        return dataclasses.replace(sweeps, rsrp_db=values), name
    series = checked_series(data)
    values = np.where(series.mask, series.series, np.float32(np.nan))
    if isinstance(data, Traffic):
        return Traffic(values[..., 0], series.time_step_s, series.labels), "traffic"
    return Series(values, series.time_step_s, series.labels), "series"
