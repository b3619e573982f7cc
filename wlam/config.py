"""Everything that defines an experiment, and how it is written down.

A config is a tree of frozen dataclasses, made by a Python file under configs/ and
overridable from the command line. It is saved with every checkpoint as JSON that names
the dataclass of each node, and read back without running the Python file.
"""

import dataclasses
import importlib
import runpy
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from wlam.data.own import OwnFile
from wlam.data.streams import Ingredient
from wlam.nn.lora import AdaptConfig
from wlam.nn.model import NetworkConfig
from wlam.nn.predictor import ModelConfig
from wlam.tasks import TASKS


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW with linear warm-up and cosine decay to zero."""

    # Peak of the schedule.
    learning_rate: float = 1e-3
    # Steps of linear warm-up.
    warmup_steps: int = 200
    # Decoupled; on matrices only.
    weight_decay: float = 0.05
    # Global norm that gradients are clipped to.
    clip_norm: float = 1.0
    # Memory of the second moment.
    beta2: float = 0.98


@dataclass(frozen=True)
class MeshConfig:
    """Devices, as data x model."""

    # Devices that share the batch.
    data: int = 1
    # Devices that share each weight matrix.
    model: int = 1

    def __post_init__(self) -> None:
        if min(self.data, self.model) < 1:
            raise ValueError(
                f"mesh: found {self.data} x {self.model} devices; needed 1 or more"
            )


@dataclass(frozen=True)
class CheckpointConfig:
    """When the run is saved; whichever comes first."""

    # Steps between two checkpoints.
    every_steps: int = 1000
    # Minutes between two checkpoints.
    every_minutes: float = 5.0
    # Checkpoints that are kept.
    keep: int = 2

    def __post_init__(self) -> None:
        for name in ("every_steps", "keep"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name}: found {value}; needed 1 or more")
        if not self.every_minutes > 0:
            raise ValueError(
                f"every_minutes: found {self.every_minutes}; needed more than 0"
            )


@dataclass(frozen=True)
class Case:
    """One line of the evaluation: a task on generated data unseen in training."""

    # A name of wlam.tasks.TASKS.
    task: str
    # Config of a generator.
    source: Any
    # Steps (or subcarriers) that are given.
    context: int
    # Steps that are forecast.
    horizon: int
    # Steps of the horizon, its first, that are not scored.
    skip: int = 0
    # Generated samples.
    samples: int = 64
    # Share of each series that sliding windows have their targets in.
    tail: float = 0.2
    # Of the evaluation data; training keys come from Config.seed.
    seed: int = 10_000

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            known = ", ".join(TASKS)
            raise ValueError(f"task: found {self.task!r}; needed one of {known}")
        if not 0 <= self.skip < self.horizon:
            raise ValueError(
                f"skip: found {self.skip} of {self.horizon} steps; needed fewer"
            )


@dataclass(frozen=True)
class Config:
    """An experiment."""

    # Folder that holds checkpoints, metrics and reports.
    run: str
    # What is trained on, by name.
    mixture: dict[str, Ingredient]
    # What is reported, by name.
    evaluation: dict[str, Case]
    # The network, that its class chooses; that of `init` where one is given.
    model: NetworkConfig = field(default_factory=ModelConfig)
    # Run or released model (folder or name) whose parameters to start from.
    init: str | None = None
    # Which of them move.
    adapt: AdaptConfig = field(default_factory=AdaptConfig)
    # Your own data, in place of the mixture and the evaluation.
    own: Annotated[OwnFile, tyro.conf.OmitArgPrefixes] = field(default_factory=OwnFile)
    # Optimiser steps.
    steps: int = 1000
    # Series in a batch, over all tasks.
    rows: int = 512
    # Exponent of the task shares.
    temperature: float = 0.5
    # Of parameters and training data.
    seed: int = 0
    # Steps that run on the device before the host looks.
    steps_per_dispatch: int = 10
    # Steps between two looks at fresh data of the training distribution; 0 never.
    validate_every: int = 500
    # Steps between two looks at how the tasks' gradients conflict; 0 never.
    conflicts_every: int = 0
    # Schedule and regularisation.
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    # Device layout.
    mesh: MeshConfig = field(default_factory=MeshConfig)
    # Saving.
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)

    def __post_init__(self) -> None:
        for name in ("steps", "rows", "steps_per_dispatch"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name}: found {getattr(self, name)}; needed at least 1"
                )
        if self.init is None and self.adapt.method != "full":
            raise ValueError(
                f"adapt.method: found {self.adapt.method!r} without a trained model; "
                "needed --init MODEL, or 'full'"
            )
        for name in ("steps", "validate_every", "conflicts_every"):
            if getattr(self, name) % self.steps_per_dispatch:
                raise ValueError(
                    f"{name}: found {getattr(self, name)}; needed a multiple of "
                    f"steps_per_dispatch, {self.steps_per_dispatch}"
                )


def load_config(file: str, arguments: list[str] | None = None) -> Config:
    """Reads `config` from a Python file and applies command-line overrides.

    FILE.py:NAME reads `configs[NAME]` of a file that defines several.

    Raises:
        ValueError: the file is missing or defines no such config.
    """
    path, several, name = file.partition(".py:")
    path += ".py" if several else ""
    if not Path(path).is_file():
        raise ValueError(
            f"CONFIG: no file {path!r}; needed a Python file, see configs/"
        )
    defined = runpy.run_path(path)
    configs = defined.get("configs", {})
    if (several and name not in configs) or (configs and not several):
        names = ", ".join(configs) or "none"
        raise ValueError(f"CONFIG: found {file}; needed {path}:NAME, one of {names}")
    config = configs[name] if several else defined.get("config")
    if not isinstance(config, Config):
        raise ValueError(
            f"CONFIG: {file} defines config of type {type(config).__name__}; needed "
            "`config = wlam.config.Config(...)`"
        )
    return tyro.cli(
        Config, default=config, args=arguments, prog=f"{sys.argv[0]} {file}"
    )


def to_json(node: Any) -> Any:
    """The config as JSON values; a dataclass becomes a dict with its name under "_"."""
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        name = f"{type(node).__module__}:{type(node).__qualname__}"
        fields = {
            f.name: to_json(getattr(node, f.name)) for f in dataclasses.fields(node)
        }
        return {"_": name, **fields}
    if isinstance(node, dict):
        return {key: to_json(value) for key, value in node.items()}
    if isinstance(node, tuple | list):
        return [to_json(value) for value in node]
    return node


def from_json(node: Any) -> Any:
    """The inverse of `to_json`. Only dataclasses of the wlam package are made.

    Raises:
        ValueError: a class that is not a dataclass of wlam, or unknown fields.
    """
    if isinstance(node, list):
        return tuple(from_json(value) for value in node)
    if not isinstance(node, dict):
        return node
    values = {key: from_json(value) for key, value in node.items() if key != "_"}
    if "_" not in node:
        return values
    module, _, name = node["_"].partition(":")
    # A config comes with downloaded weights: it may name our classes, not run any code.
    if module.partition(".")[0] != "wlam":
        raise ValueError(f"config: found class {node['_']!r}; needed one of wlam's")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        found = None
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise ValueError(f"config: {node['_']!r} is no dataclass of this wlam version")
    unknown = values.keys() - {f.name for f in dataclasses.fields(found)}
    if unknown:
        raise ValueError(
            f"config: {name} has no field {sorted(unknown)}; it was written by another "
            "wlam version"
        )
    return found(**values)
