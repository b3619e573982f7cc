"""What --init and --data mean: whose parameters to start from, and on what to train."""

import math
from dataclasses import replace
from typing import Any

import jax

from wlam import hub
from wlam.config import Config
from wlam.data.files import Data
from wlam.evaluation.forecast import Forecast
from wlam.models.base import NetworkConfig
from wlam.models.predictor.network import PredictorConfig
from wlam.tasks import layout_of
from wlam.tasks.mixture import DataSource
from wlam.tasks.own import FileConfig, OwnFile, checksum, settle, split
from wlam.training.checkpoint import latest_config
from wlam.types import DataError

CSI_ROWS = 16
"""Bins of a channel that are trained on as rows."""
CHANNEL_ROWS = 48
"""Rows that a channel counts for that enters as a whole, or a series of many."""
SWEEPS_ROWS = 4
"""The same of sweeps."""


def prepare(config: Config) -> tuple[Config, list[str]]:
    """The config with the model of `init` and the data of `own`, and notes on these.

    A run that has checkpoints is its own model: `init` is not looked at again.

    Raises:
        ValueError: one line: no such model, a model besides it, nothing to train on.
        DataError: one line: the file cannot be used.
    """
    notes: list[str] = []
    if config.init is not None:
        config = replace(config, model=_model_of(config, config.init))
    if config.own.data is not None:
        own, data, notes = settle(config.own)
        config = _with_file(config, own, data)
    if not config.mixture:
        raise ValueError("mixture: found none; needed --data FILE, or ingredients")
    return config, notes


def pretrained(config: Config) -> dict[str, Any] | None:
    """The parameters that a run starts from; None: those of its seed."""
    if config.init is None:
        return None
    # On the host, from where they go to whatever devices the run has.
    return jax.device_get(hub.load_weights(config.init)[0])


def _model_of(config: Config, init: str) -> NetworkConfig:
    saved = latest_config(config.run)
    if saved is not None and saved.init == init:
        model = saved.model
    else:
        model = hub.load_weights(init)[1].model
    if config.model not in (PredictorConfig(), model):
        raise ValueError(
            f"model: found another than that of {init}, which --init takes; needed no "
            "model in the config"
        )
    return model


def _with_file(config: Config, own: OwnFile, data: Data) -> Config:
    """The config whose mixture and evaluation are the two parts of a file."""
    task, context, horizon = str(own.task), int(own.context or 0), int(own.horizon or 0)
    layout = layout_of(task)
    if layout.pilots and isinstance(config.model, PredictorConfig):
        raise DataError(
            f"task: found {task}, which trains estimators; needed csi_pilots_4 or "
            "csi_pilots_8 for this model, or an estimator as --init"
        )
    training, held_out = (getattr(part, layout.name) for part in split(own, data))
    steps = training.shape[layout.axes.index(layout.target)]
    # Data are adapted to the way they will be predicted: as a whole, or as rows.
    given, rows = context, CHANNEL_ROWS
    length = layout.span(context, horizon)
    model = config.model
    known = isinstance(model, PredictorConfig)
    if known and layout.name == "rsrp_db" and model.sweeps:
        given, rows = min(context, model.sweeps.sweeps), SWEEPS_ROWS
        length = given + min(horizon, model.sweeps.ahead)
    elif known and (layout.name != "csi" or not model.channels):
        given = None
        length = max(2, math.ceil(length / model.patch)) * model.patch
        length = min(length, steps // model.patch * model.patch)
        channels = training.shape[-1] if training.ndim > 2 else 1
        rows = CSI_ROWS if layout.name == "csi" else min(channels, CHANNEL_ROWS)
        if length < 2 * model.patch:
            raise DataError(
                f"data: found {steps} steps along the {layout.target} axis to train "
                f"on; needed at least two patches of the model, {2 * model.patch}"
            )
    source = FileConfig(own, "train", length, checksum(str(own.data)))
    part = DataSource(task, source, 1.0, rows, given)
    case = Forecast(
        task=task,
        source=replace(source, part="held_out"),
        context=context,
        horizon=horizon,
        samples=len(held_out),
        tail=1.0,  # none of it was trained on
    )
    return replace(config, mixture={"own": part}, evaluation={"held_out": case})
