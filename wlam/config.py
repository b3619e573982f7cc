"""Everything that defines an experiment, and how it is written down.

A config is a tree of frozen dataclasses, made by a Python file under configs/ and
overridable from the command line. It is saved with every checkpoint as JSON that names
the dataclass of each node, and read back without running the Python file.
"""

import runpy
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from wlam.adapt.lora import AdaptConfig
from wlam.data.own import OwnFile
from wlam.evaluation.evaluator import Evaluator
from wlam.models.base import NetworkConfig
from wlam.models.predictor.network import PredictorConfig
from wlam.tasks.mixture import DataSource
from wlam.training.checkpoint import CheckpointConfig
from wlam.training.optimisers import OptimizerConfig
from wlam.training.sharding import MeshConfig


@dataclass(frozen=True)
class Config:
    """An experiment."""

    # Folder that holds checkpoints, metrics and reports.
    run: str
    # What is trained on, by name.
    mixture: dict[str, DataSource]
    # What is reported, by name.
    evaluation: dict[str, Evaluator]
    # The network, that its class chooses; that of `init` where one is given.
    model: NetworkConfig = field(default_factory=PredictorConfig)
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
