"""A user's file as a source of training data, and the part of it that is held out.

The first share of its samples is trained on and the rest is evaluated; of a file with
one long series it is the first share of the time. Batches are random samples and, where
they are longer than needed, random windows of them: pure functions of a key, like those
of every generator. Measured data have no noise-free version, so that targets are the
values themselves.
"""

import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from wlam.data.files import (
    Data,
    Layout,
    check_window,
    infer_task,
    read_npz,
    whole_block,
)
from wlam.tasks import TASKS, layout_of, task_of
from wlam.types import DataError

MOST_BYTES = 256 << 20
"""Of a part. It becomes a constant of the compiled program, of which 256 MiB take some
seconds more to compile."""


@dataclass(frozen=True)
class UserData:
    """A user's file and its task; options of train.py and eval.py."""

    # An .npz file of your own, see docs/data_formats.md.
    data: str | None = None
    # A name of wlam.tasks.TASKS; train.py infers it from the file's array.
    task: str | None = None
    # Known steps (subcarriers, antennas for those tasks); train.py has defaults.
    context: int | None = None
    # Steps (subcarriers) to forecast; train.py has defaults.
    horizon: int | None = None


@dataclass(frozen=True)
class OwnFile(UserData):
    """A user's file to train on."""

    # Share of the samples (of the time, if there is one) that may be trained on.
    train_share: float = 0.8
    # Samples of these that are trained on (windows, if there is one); None: all.
    shots: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.train_share < 1:
            raise ValueError(
                f"train_share: found {self.train_share}; needed more than 0, less "
                "than 1"
            )
        if self.shots is not None and self.shots < 1:
            raise ValueError(f"shots: found {self.shots}; needed at least 1")


@dataclass(frozen=True)
class FileConfig:
    """One part of a user's file, as a generator; `own` has no None but for shots."""

    # The file.
    own: OwnFile
    # What is trained on, or the rest.
    part: Literal["train", "held_out"]
    # Steps of a random window of what is trained on.
    steps: int
    # CRC-32 of the file: another one would be another stream.
    checksum: int

    def generate(self, key: PRNGKeyArray, samples: int) -> Data:
        return generate(key, self, samples)


def settle(own: OwnFile) -> tuple[OwnFile, Data, list[str]]:
    """Reads the file: `own` without open questions, the data, notes for the user.

    Raises:
        DataError: the file or an option cannot be used; one line says which and why.
    """
    path = str(own.data)
    layouts = {name: task.layout for name, task in TASKS.items() if task.layout}
    task = own.task or infer_task(path, layouts)
    layout, (context, horizon) = layout_of(task), task_of(task).window
    data, notes = read_npz(path, layout)
    if layout.pilots:
        context = horizon = whole_block(data, own.context, own.horizon)
    own = replace(
        own,
        task=task,
        context=context if own.context is None else own.context,
        horizon=horizon if own.horizon is None else own.horizon,
    )
    check_window(layout, data, own.context or 0, own.horizon or 0)
    training, held_out = split(own, data)
    name = layout.name
    for part in (training, held_out):
        if getattr(part, name).nbytes > MOST_BYTES:
            raise DataError(
                f"data: found {getattr(part, name).nbytes >> 20} MiB of {name} in one "
                f"part of {path}; needed at most {MOST_BYTES >> 20}"
            )
    counts = [np.shape(getattr(part, name)) for part in (training, held_out)]
    axes = ", ".join(layout.axes)
    notes.append(
        f"{path}: {task}, {own.context} -> {own.horizon}; trained on {counts[0]}, "
        f"held out {counts[1]} [{axes}]"
    )
    return own, data, notes


def split(own: OwnFile, data: Data) -> tuple[Data, Data]:
    """The parts of a settled file that are trained on and held out.

    No target that is held out is trained on. Of a single series, the first held-out
    context lies in what was trained on, as it would in use; of single CSI the held-out
    time is cut into windows.

    Raises:
        DataError: the data are too few or too short for two parts.
    """
    task, context, horizon = str(own.task), int(own.context or 0), int(own.horizon or 0)
    layout = layout_of(task)
    values = getattr(data, layout.name)
    count, steps = values.shape[:2]
    if count > 1:
        cut = min(max(round(own.train_share * count), 1), count - 1)
        shots = cut if own.shots is None else min(cut, own.shots)
        parts = slice(shots), slice(cut, None)
        training, rest = (_samples(data, layout, which) for which in parts)
        return training, rest
    if layout.target != "time":
        raise DataError(f"data: found 1 sample; needed at least 2 for {task}")
    length = layout.span(context, horizon)
    cut = min(round(own.train_share * steps), steps - horizon)
    if cut < length:
        raise DataError(
            f"data: found one series of {steps} steps, of which {cut} may be trained "
            f"on; needed at least {length}, a context and what follows it, there"
        )
    shots = cut if own.shots is None else min(cut, own.shots * length)
    rest = values[:, cut - length + horizon :]
    if task == "csi_time":
        begins = range(0, rest.shape[1] - length + 1, horizon)
        rest = np.concatenate([rest[:, begin : begin + length] for begin in begins])
    training = values[:, :shots]
    return _with_values(data, layout, training), _with_values(data, layout, rest)


def generate(key: PRNGKeyArray, config: FileConfig, samples: int) -> Data:
    """Random windows of random samples of what is trained on.

    Of the part that is held out, the first `samples` as they are, whatever the key.

    Raises:
        DataError: the file is not there, or is not the one that the config was made
            for.
    """
    own = config.own
    layout, path = layout_of(str(own.task)), str(own.data)
    if not Path(path).is_file() or checksum(path) != config.checksum:
        raise DataError(f"data: {path} is gone or has changed; needed the same file")
    training, held_out = split(own, read_npz(path, layout)[0])
    if config.part == "held_out":
        return _samples(held_out, layout, slice(samples))
    values = jnp.asarray(getattr(training, layout.name))
    axis, steps = layout.axes.index(layout.target), config.steps
    sample_key, begin_key = jax.random.split(key)
    which = jax.random.randint(sample_key, (samples,), 0, len(values))
    last = values.shape[axis] - steps
    begin = jax.random.randint(begin_key, (samples,), 0, last + 1)
    sizes = [1, *values.shape[1:]]
    sizes[axis] = steps

    def window(sample: jax.Array, begin: jax.Array) -> jax.Array:
        first = [sample, *[jnp.zeros_like(sample)] * (values.ndim - 1)]
        first[axis] = begin
        return jax.lax.dynamic_slice(values, first, sizes)[0]

    drawn = _samples(training, layout, which)
    return _with_values(drawn, layout, jax.vmap(window)(which, begin))


def checksum(path: str) -> int:
    """CRC-32 of a file."""
    return zlib.crc32(Path(path).read_bytes())


def _samples(data: Data, layout: Layout, which: Any) -> Data:
    """Some of the samples, with all that is told of each of them."""
    found = _with_values(data, layout, _of(getattr(data, layout.name), which))
    clean = getattr(data, "clean", None)
    labels = {name: _of(x, which) for name, x in data.labels.items()}
    told = {} if clean is None else {"clean": _of(clean, which)}
    return replace(found, labels=labels, **told)


def _of(values: Any, which: Any) -> Any:
    # NumPy's arrays cannot be indexed by what a jitted function draws.
    return values[which] if isinstance(which, slice) else jnp.asarray(values)[which]


def _with_values(data: Data, layout: Layout, values: Any) -> Data:
    """The tensor with other values; the scalars of a file are those of all samples."""
    scalars = {
        name: np.repeat(getattr(data, name)[:1], len(values)) for name in layout.scalars
    }
    return replace(data, **{layout.name: values}, **scalars)
