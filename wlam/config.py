"""The configuration of an experiment, and how it is read.

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
from wlam.evaluation.evaluator import Evaluator
from wlam.models.base import NetworkConfig
from wlam.models.predictor.network import PredictorConfig
from wlam.tasks.mixture import DataSource
from wlam.tasks.own import OwnFile
from wlam.training.checkpoint import CheckpointConfig
from wlam.training.learners.base import LearnerConfig
from wlam.training.learners.supervised import Supervised
from wlam.training.optimisers import OptimizerConfig
from wlam.training.sharding import MeshConfig


@dataclass(frozen=True)
class Config:
    """An experiment."""

    # Folder that holds checkpoints, metrics and reports.
    run: str
    # Data sources of training, by name.
    mixture: dict[str, DataSource]
    # Evaluators, by name.
    evaluation: dict[str, Evaluator]
    # Config of the network, of any class; with `init` that of the given model.
    model: NetworkConfig = field(default_factory=PredictorConfig)
    # Run or released model (folder or name) to start from.
    init: str | None = None
    # Which parameters are trained.
    adapt: AdaptConfig = field(default_factory=AdaptConfig)
    # Your own data, which replace the mixture and the evaluation.
    own: Annotated[OwnFile, tyro.conf.OmitArgPrefixes] = field(default_factory=OwnFile)
    # Optimiser steps.
    steps: int = 1000
    # Series in a batch, over all sources.
    rows: int = 512
    # Exponent of the shares of sources.
    temperature: float = 0.5
    # Of parameters and training data.
    seed: int = 0
    # Steps that run on the device before the host reads their metrics.
    steps_per_dispatch: int = 10
    # Steps between two validations on fresh data of the training distribution; 0 never.
    validate_every: int = 500
    # Steps between two measurements of gradient conflicts between sources; 0 never.
    conflicts_every: int = 0
    # Config of the learner, of any class; see wlam/training/learners.
    learner: LearnerConfig = field(default_factory=Supervised)
    # Config of the optimiser, of any class: update rule, schedule, regularisation.
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    # Device layout.
    mesh: MeshConfig = field(default_factory=MeshConfig)
    # Checkpoints.
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


def read_config(file: str) -> Config:
    """`config` of a Python file; does not read the command line.

    FILE.py:NAME reads `configs[NAME]` of a file that defines several. The file may
    import modules that lie beside it.

    Raises:
        ValueError: the file is missing or defines no such config.
    """
    path, several, name = file.partition(".py:")
    path += ".py" if several else ""
    if not Path(path).is_file():
        raise ValueError(
            f"CONFIG: no file {path!r}; needed a Python file, see configs/"
        )
    if (beside := str(Path(path).absolute().parent)) not in sys.path:
        sys.path.append(beside)
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
    return config


def load_config(file: str, arguments: list[str] | None = None) -> Config:
    """`read_config` with overrides from a command line; None: `sys.argv`.

    Raises:
        ValueError: the file is missing or defines no such config.
    """
    config, program = read_config(file), f"{sys.argv[0]} {file}"
    return tyro.cli(Config, default=config, args=arguments, prog=program)
