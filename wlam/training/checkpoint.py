"""Checkpoints: parameters, optimiser, PRNG key, stream position and config.

A checkpoint is written to a temporary folder that is renamed when it is complete, so
that a process killed at any moment leaves the previous checkpoint intact.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

# orbax-checkpoint: its new API has this name only.
from orbax.checkpoint import v1 as ocp

from wlam.serialise import from_json, to_json
from wlam.training.state import samples_of

if TYPE_CHECKING:
    import wlam.config

FOLDER = "checkpoints"
# Fields that may change between a run and its resumption: no bit depends on them.
FREE = frozenset(
    {"run", "evaluation", "mesh", "checkpoint", "validate_every", "conflicts_every"}
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

    def is_due(self, steps: int, minutes: float) -> bool:
        """Whether to save, so many steps and minutes after the last checkpoint."""
        return steps >= self.every_steps or minutes > self.every_minutes


class Checkpoints:
    """The checkpoints of one run; a context manager that finishes writing on exit."""

    def __init__(self, run: str | Path, keep: int = 2):
        self.folder = Path(run).absolute() / FOLDER
        policies = (
            ocp.training.save_decision_policies,
            ocp.training.preservation_policies,
        )
        options: dict[str, Any] = {
            # The training loop decides when to save: orbax saves at every call.
            "save_decision_policy": policies[0].FixedIntervalPolicy(1),
            "preservation_policy": policies[1].LatestN(keep),
            "cleanup_tmp_directories": True,
        }
        self._orbax = ocp.training.Checkpointer(str(self.folder), **options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self._orbax.close()

    @property
    def latest(self) -> int | None:
        """Step of the newest complete checkpoint."""
        latest = self._orbax.latest
        return None if latest is None else latest.step

    @property
    def last_good(self) -> str:
        """The newest complete checkpoint's folder, or "none yet"."""
        return (
            "none yet" if self.latest is None else f"{self.folder / str(self.latest)}"
        )

    def save(self, step: int, state: Any, config: "wlam.config.Config") -> None:
        """Writes a checkpoint in the background; waits for the previous one."""
        if self.latest == step:
            return
        if jax.default_backend() == "cpu":
            # Orbax moves arrays to the host before it returns. On a CPU it does not
            # copy, and the next step overwrites the donated state.
            state = jax.tree.map(jnp.copy, state)
        self._orbax.save_checkpointables_async(
            step, {"state": state}, custom_metadata={"config": to_json(config)}
        )

    def restore(
        self, shapes: Any, shardings: Any, config: "wlam.config.Config"
    ) -> Any | None:
        """The newest state on the given shardings, or None where there is none.

        Raises:
            ValueError: the run was made with another config.
        """
        if self.latest is None:
            return None
        saved = saved_config(self._orbax, self.latest)
        check_same(saved, config, self.folder.parent)
        target = jax.tree.map(
            lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s),
            shapes,
            shardings,
        )
        restored = self._orbax.load_checkpointables(self.latest, {"state": target})
        return restored["state"]


def saved_config(orbax: Any, step: int) -> "wlam.config.Config":
    """The config that was saved with a checkpoint."""
    return from_json(orbax.checkpointables_metadata(step).custom_metadata["config"])


def check_same(
    saved: "wlam.config.Config", config: "wlam.config.Config", run: Path
) -> None:
    """ValueError: resuming with `config` would give other bits than with `saved`."""
    for field, there, here in differences(to_json(saved), to_json(config)):
        raise ValueError(
            f"{field}: {here} here but {there} in {run}; resume with the same config, "
            "or choose another --run"
        )
    samples = samples_of(config)
    for name, there in samples_of(saved).items():
        # Devices that share a batch have equal numbers of samples.
        if (here := samples[name]) != there:
            raise ValueError(
                f"mesh.data: {config.mesh.data} here, for {here} samples of {name} a "
                f"step, but {saved.mesh.data} for {there} in {run}; resume on as many "
                "devices, or choose another --run"
            )


def differences(there: Any, here: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """(field, saved value, given value) where values must agree and differ."""
    if isinstance(there, dict) and isinstance(here, dict):
        found = []
        for key in [*there, *(k for k in here if k not in there)]:
            if path or key not in FREE:
                name = f"{path}.{key}" if path else key
                found += differences(there.get(key), here.get(key), name)
        return found
    return [] if there == here else [(path, there, here)]


def latest_config(run: str | Path) -> "wlam.config.Config | None":
    """The config of a run's newest checkpoint, or None where there is none."""
    folder = Path(run).absolute() / FOLDER
    if not folder.is_dir():
        return None
    with ocp.training.Checkpointer(str(folder)) as orbax:
        latest = orbax.latest
        return None if latest is None else saved_config(orbax, latest.step)


def load_params(
    run: str | Path, shapes_of: Any
) -> tuple[Any, "wlam.config.Config", int]:
    """Parameters, config and step of a run's newest checkpoint, on the default device.

    Those of an adapted model are merged.

    Args:
        shapes_of: config -> tree of the shapes of its training state.

    Raises:
        ValueError: the run has no complete checkpoint.
    """
    folder = Path(run).absolute() / FOLDER
    if not folder.is_dir():
        raise ValueError(f"run: {run} has no folder {FOLDER}; needed a run or a model")
    with ocp.training.Checkpointer(str(folder)) as orbax:
        if orbax.latest is None:
            raise ValueError(f"run: {folder} holds no complete checkpoint")
        step = orbax.latest.step
        config = saved_config(orbax, step)
        home = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        target = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=home),
            shapes_of(config),
        )
        state = orbax.load_checkpointables(step, {"state": target})["state"]
    return config.learner.build(config).params(state), config, step
