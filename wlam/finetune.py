"""Options --init and --data: the model to start from, and the data to train on."""

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


def prepare(config: Config) -> tuple[Config, list[str]]:
    """The config with the model of `init` and the data of `own`, and notes on these.

    A run that has checkpoints continues with its own model and does not read `init`.

    Raises:
        ValueError: one line: no such model, another model in the config, or no data.
        DataError: one line: the file cannot be used.
    """
    notes: list[str] = []
    if config.init is not None:
        config = replace(config, model=_model_of(config, config.init))
    if config.own.data is not None:
        own, data, notes = settle(config.own)
        config = _with_file(config, own, data)
    if not config.mixture:
        raise ValueError("mixture: found none; needed --data FILE, or data sources")
    return config, notes


def pretrained(config: Config) -> dict[str, Any] | None:
    """The parameters that a run starts from; None: initial ones from its seed."""
    if config.init is None:
        return None
    # On the host, from which they are moved to the devices of the run.
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
    name = layout_of(task).name
    training, held_out = (getattr(part, name) for part in split(own, data))
    window = config.model.training_window(task, training.shape, context, horizon)
    source = FileConfig(own, "train", window.steps, checksum(str(own.data)))
    part = DataSource(task, source, 1.0, window.series, window.context)
    case = Forecast(
        task=task,
        source=replace(source, part="held_out"),
        context=context,
        horizon=horizon,
        samples=len(held_out),
        tail=1.0,  # not trained on
    )
    return replace(config, mixture={"own": part}, evaluation={"held_out": case})
