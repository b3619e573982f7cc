"""Endless training data, generated on the device from (seed, step, task) alone.

A batch is a pure function of its key: the position in the stream is the step number, so
that resuming, or asking for batch 10,000 again, needs no iterator state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from wlam.data.generators import generate
from wlam.tasks import task_of
from wlam.tasks.task import Task
from wlam.types import LINEAR_BEYOND, Batch


@dataclass(frozen=True)
class DataSource:
    """One task on one generator, a part of the training mixture."""

    # A name of wlam.tasks.TASKS, or a task of your own.
    task: str | Task
    # Config of a generator; must match the task's tensor.
    source: Any
    # How many distinct series this stands for; sets its share of the mixture.
    size: float
    # Channels taken from one generated sample; a task with a joint scale takes all.
    # Where channels enter as a whole, the rows that a sample counts for.
    rows_per_sample: int = 8
    # Channels or sweeps enter as a whole, with this many steps given; None: as rows.
    context: int | None = None
    # Errors of rows beyond this many context scales count linearly, not squared.
    linear_beyond: float = LINEAR_BEYOND

    def __post_init__(self) -> None:
        task_of(self.task)  # names what is wrong
        if self.size <= 0 or self.rows_per_sample < 1:
            raise ValueError(
                f"size, rows_per_sample: found {self.size}, {self.rows_per_sample}; "
                "needed more than 0 and at least 1"
            )
        if self.linear_beyond <= 0:
            raise ValueError(
                f"linear_beyond: found {self.linear_beyond}; needed more than 0"
            )


def shares(mixture: Mapping[str, DataSource], temperature: float) -> dict[str, float]:
    """Share of each ingredient: size ** temperature, normalised.

    0.5 keeps a large set from drowning a small one; 1 is proportional, 0 uniform.
    """
    weights = {name: part.size**temperature for name, part in mixture.items()}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def samples_per_step(
    mixture: Mapping[str, DataSource],
    share: Mapping[str, float],
    rows: int,
    devices: int = 1,
) -> dict[str, int]:
    """Samples of each ingredient in a batch of about `rows` rows.

    At least one for each of the devices that share the batch, and a multiple of them.
    """
    return {
        name: devices
        * max(1, round(rows * share[name] / part.rows_per_sample / devices))
        for name, part in mixture.items()
    }


def draw_batch(
    key: PRNGKeyArray, mixture: Mapping[str, DataSource], samples: Mapping[str, int]
) -> dict[str, Batch]:
    """One training batch of every ingredient."""
    batch = {}
    for i, (name, part) in enumerate(sorted(mixture.items())):
        source_key, row_key = jax.random.split(jax.random.fold_in(key, i))
        data = generate(source_key, part.source, samples[name])
        batch[name] = task_of(part.task).batch(
            row_key, data, part.rows_per_sample, part.context, part.linear_beyond
        )
    return batch
