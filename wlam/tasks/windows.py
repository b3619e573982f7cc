"""The common form of all tasks: sequences to be forecast, windows to be judged.

A task turns its tensor into `Sequences` [sample, step, channel]; what a step is (a
time, a subcarrier) and what a channel is (a delay-angle bin, a beam, a cell) is the
task's business. Training takes single channels from them, evaluation cuts windows.
"""

from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jaxtyping import Array, Float, PRNGKeyArray

from wlam.phy.channels.tr38901.tables import LOS
from wlam.types import (
    LINEAR_BEYOND,
    Antennas,
    DataError,
    Pilots,
    SeriesBatch,
    SweepBatch,
)
from wlam.types import Array as AnyArray


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Sequences:
    """Multivariate sequences, real or complex."""

    # [sample, step, channel], what a forecaster may see; NaN where it was not measured.
    values: AnyArray
    clean: AnyArray  # like values, what it is judged by (values where nothing cleaner)
    interval: AnyArray  # float32 [sample], spacing of the steps in s or Hz
    axis: int = field(metadata={"static": True})  # index into AXES
    labels: dict[str, AnyArray] = field(default_factory=dict)  # name -> [sample]
    # One scale and one linear guess for all channels of a sample. For beams, whose
    # levels tell as much as their shapes: one in the noise may rise, the best hardly.
    # Along frequency, where all times and angles share one delay profile.
    joint: bool = field(default=False, metadata={"static": True})
    # Rows and columns that the channels are, see `wlam.phy.transforms`; None: none.
    grid: tuple[int, int] | None = field(default=None, metadata={"static": True})
    antennas: Antennas | None = None  # where the columns are antennas
    # A forecaster sees every n-th, from n // 2 on, and completes the others: steps of a
    # grid, such as subcarriers with pilots; else channels, beams of the last sweep.
    every: int = field(default=1, metadata={"static": True})
    # All steps are to be estimated from these; the grid is (time, antenna).
    pilots: Pilots | None = None


def real_rows(x: AnyArray) -> AnyArray:
    """[sample, step, channel] -> [sample * channel, g, step], g = 2 if complex."""
    parts = jnp.stack([x.real, x.imag]) if jnp.iscomplexobj(x) else jnp.asarray(x)[None]
    return rearrange(parts, "g n t c -> (n c) g t").astype(jnp.float32)


def choose_series(
    key: PRNGKeyArray,
    sequences: Sequences,
    per_sample: int,
    linear_beyond: float = LINEAR_BEYOND,
) -> SeriesBatch:
    """Draws `per_sample` channels of every sequence as training rows.

    Half of them are drawn in proportion to a channel's power and half uniformly: a
    delay-angle representation is sparse, so that uniform draws would show almost only
    noise, and draws by power would never show the noise that has to be suppressed.
    Sequences with a joint scale are taken whole.

    Raises:
        ValueError: sparse sweeps or pilots: what is missing no row can know.
    """
    if sequences.every > 1:
        raise ValueError(
            "context: found None for sparse sweeps or pilots; needed their number"
        )
    if sequences.joint:
        n = len(sequences.interval)
        values, clean = (
            rearrange(real_rows(x), "(n c) g t -> n (g c) t", n=n)
            for x in (sequences.values, sequences.clean)
        )
        center = not jnp.iscomplexobj(sequences.values)
        interval = jnp.asarray(sequences.interval)
        return SeriesBatch(
            values, clean, interval, sequences.axis, center, linear_beyond
        )
    channels = sequences.values.shape[2]
    if per_sample < channels:
        power = jnp.mean(abs(sequences.clean) ** 2, axis=1)  # [sample, channel]
        share = power / power.sum(-1, keepdims=True)
        logits = jnp.log(0.5 * share + 0.5 / channels)
        # Gumbel noise and top-k: draws without replacement.
        gumbel = jax.random.gumbel(key, logits.shape)
        chosen = jax.lax.top_k(logits + gumbel, per_sample)[1][:, None, :]
        values, clean = (
            jnp.take_along_axis(x, chosen, axis=2)
            for x in (sequences.values, sequences.clean)
        )
    else:
        values, clean = sequences.values, sequences.clean
    return SeriesBatch(
        values=real_rows(values),
        clean=real_rows(clean),
        interval=jnp.repeat(sequences.interval, values.shape[2]),
        axis=sequences.axis,
        center=not jnp.iscomplexobj(values),
        linear_beyond=linear_beyond,
    )


def sweeps_batch(sequences: Sequences, context: int) -> SweepBatch:
    """Sweeps as a whole.

    Raises:
        ValueError: the task's channels are no beams, or the context leaves no target.
    """
    steps = sequences.values.shape[1]
    are_sweeps = sequences.joint and sequences.grid is None
    if not are_sweeps or not 0 < context < steps:
        raise ValueError(
            f"context: found {context} of {steps} steps; needed a task whose channels "
            "are beams or whole channels, and a context that leaves steps to predict"
        )
    values, clean = map(jnp.asarray, (sequences.values, sequences.clean))
    return SweepBatch(values, clean, jnp.asarray(sequences.interval), context)


def line_of_sight(labels: dict[str, AnyArray], samples: int) -> Float[Array, " n"]:
    """1 where a drop's label `state` says that there is one, 0 where not, else NaN."""
    if "state" not in labels:
        return jnp.full(samples, jnp.nan)
    return (jnp.asarray(labels["state"]) == LOS).astype(jnp.float32)


@dataclass(frozen=True)
class Windows:
    """What a forecaster gets, and what it is judged by; numpy arrays."""

    context: np.ndarray  # [window, L, channel]
    target: np.ndarray  # [window, H, channel], noise-free where that is known
    interval: np.ndarray  # float32 [window]
    axis: int
    joint: bool  # one scale for all channels of a window
    grid: tuple[int, int] | None  # rows and columns that the channels are
    source: np.ndarray  # int64 [window], which sequence
    start: np.ndarray  # int64 [window], index of the first target step
    labels: dict[str, np.ndarray]  # name -> [window]
    antennas: Antennas | None = None  # where the grid's columns are antennas
    # The target as measured, like target; None where that is the target itself.
    noisy: np.ndarray | None = None
    # More than 1: the context itself is to be completed, its last sweep or, of a grid,
    # all steps. Only every n-th beam or step was measured; the others are NaN.
    every: int = 1
    # The context itself is to be estimated, in subcarriers and antennas. What is no
    # pilot is NaN; the label noise_variance tells the noise, where it is known.
    pilots: Pilots | None = None

    @property
    def horizon(self) -> int:
        return self.target.shape[1]

    @property
    def groups(self) -> np.ndarray:
        """What the bootstrap draws: the set's groups, or sequences."""
        return self.labels.get("group", self.source)

    def subset(self, keep: np.ndarray) -> "Windows":
        arrays = ("context", "target", "interval", "source", "start")
        return replace(
            self,
            **{name: getattr(self, name)[keep] for name in arrays},
            labels={name: x[keep] for name, x in self.labels.items()},
            noisy=None if self.noisy is None else self.noisy[keep],
        )

    def steps(self, keep: slice) -> "Windows":
        """The same windows, judged on some of the target steps."""
        noisy = None if self.noisy is None else self.noisy[:, keep]
        return replace(self, target=self.target[:, keep], noisy=noisy)


def cut_windows(
    sequences: Sequences,
    context: int,
    horizon: int,
    stride: int | None = None,
    tail: float = 0.2,
    sliding: bool = True,
) -> Windows:
    """Cuts every sequence into (context, target) windows.

    Args:
        sequences: numpy or JAX arrays.
        context, horizon: L and H, in steps.
        stride: steps between two windows; the horizon if not given, so that targets do
            not overlap.
        tail: the share of each sequence, at its end, that targets lie in. A tail too
            short for one window gives the last possible window.
        sliding: False gives one window: the first L steps and the H after them.

    Raises:
        DataError: L + H exceeds the length, or L, H, stride or tail make no window.
    """
    steps = sequences.values.shape[1]
    of_grid, pilots = sequences.grid is not None, sequences.pilots
    completes = sequences.every > 1 or pilots is not None
    if completes and horizon != (context if of_grid else 1):
        needed = "the context, which is" if of_grid else "1, the sweep that is"
        raise DataError(f"horizon: found {horizon}; needed {needed} completed")
    before = context  # steps before the first target
    if completes:
        before = 0 if of_grid else context - 1
    if context < 1 or horizon < 1 or before + horizon > steps:
        raise DataError(
            f"context, horizon: {context} + {horizon} steps do not fit; each must be "
            f"at least 1 and together at most the {steps} steps of the data"
        )
    if not 0 < tail <= 1 or (stride is not None and stride < 1):
        raise DataError(
            f"tail, stride: found {tail} and {stride}; tail must be in (0, 1], stride "
            "at least 1"
        )
    if sliding:
        first = max(before, min(steps - horizon, steps - round(tail * steps)))
        starts = np.arange(first, steps - horizon + 1, stride or horizon)
    else:
        starts = np.array([before])
    values, clean = np.asarray(sequences.values), np.asarray(sequences.clean)
    samples = len(values)

    def gather(x: np.ndarray, lo: int, hi: int) -> np.ndarray:
        cut = np.stack([x[:, s + lo : s + hi] for s in starts], axis=1)
        return rearrange(cut, "n w t c -> (n w) t c")

    def repeat(x: AnyArray) -> np.ndarray:
        return np.repeat(np.asarray(x), len(starts), axis=0)

    target, measured = gather(clean, 0, horizon), gather(values, 0, horizon)
    shown = _masked(sequences, gather(values, -before, context - before))
    return Windows(
        context=shown,
        target=target,
        interval=repeat(sequences.interval),
        axis=sequences.axis,
        joint=sequences.joint,
        grid=sequences.grid,
        source=repeat(np.arange(samples)),
        start=np.tile(starts, samples).astype(np.int64),
        labels={name: repeat(x) for name, x in sequences.labels.items()},
        antennas=sequences.antennas,
        noisy=None if np.array_equal(target, measured) else measured,
        every=sequences.every,
        pilots=pilots,
    )


def _masked(sequences: Sequences, context: np.ndarray) -> np.ndarray:
    """Contexts [window, step, channel] with NaN in what is to be completed."""
    if sequences.pilots is not None:
        seen = np.asarray(sequences.pilots.seen)[: context.shape[1]]
    elif sequences.every > 1:
        of_grid = sequences.grid is not None
        place = np.arange(context.shape[1 if of_grid else 2])
        seen = place % sequences.every == sequences.every // 2
        seen = seen[:, None] if of_grid else seen
    else:
        return context
    return np.where(seen, context, context.dtype.type(np.nan))
