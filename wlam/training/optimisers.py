"""Optimisers, as configs with `build`.

To add one, write a dataclass that inherits from `OptimizerConfig`, override `rule`, and
name it in an experiment's `Config(optimizer=...)`: schedule, clipping, accumulation,
learning rates by path and averaging then apply to it.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

SCHEDULES = ("cosine", "linear", "constant")


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW (Loshchilov and Hutter, arXiv 1711.05101) with linear warm-up."""

    # Peak of the schedule.
    learning_rate: float = 1e-3
    # Steps of linear warm-up.
    warmup_steps: int = 200
    # Decoupled; on matrices only.
    weight_decay: float = 0.05
    # Global norm that gradients are clipped to.
    clip_norm: float = 1.0
    # Decay of the second moment.
    beta2: float = 0.98
    # The rate after the warm-up: cosine or linear decay to zero at the last step, or
    # constant.
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    # Steps whose mean gradient gives one update; the batch is larger by this factor.
    accumulate: int = 1
    # Decay of an exponential moving average of the parameters, which is validated,
    # loaded and released; None: the last parameters are.
    ema: float | None = None
    # (pattern, factor of the learning rate): the first pattern that a parameter's path,
    # such as backbone/blocks/0/up/kernel, contains; a factor of 0 freezes.
    rates: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if self.accumulate < 1:
            raise ValueError(
                f"optimizer.accumulate: found {self.accumulate}; needed 1 or more"
            )
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(
                f"optimizer.ema: found {self.ema}; needed a decay between 0 and 1"
            )
        if self.schedule not in SCHEDULES:
            raise ValueError(
                f"optimizer.schedule: found {self.schedule!r}; needed one of "
                f"{', '.join(SCHEDULES)}"
            )
        for pattern, factor in self.rates:
            if not 0 <= factor < float("inf"):
                raise ValueError(
                    f"optimizer.rates: found {factor} for {pattern!r}; needed a factor "
                    "of at least 0"
                )
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(
                    f"optimizer.rates: found {pattern!r}, {error}; needed a pattern of "
                    "regular expressions"
                ) from error

    def build(self, steps: int) -> optax.GradientTransformation:
        """The optimiser of a run of `steps` steps.

        Raises:
            ValueError: the run is shorter than one update.
        """
        if self.accumulate > steps:
            raise ValueError(
                f"optimizer.accumulate: found {self.accumulate} in a run of {steps} "
                "steps; needed at most as many"
            )
        parts = [optax.clip_by_global_norm(self.clip_norm)]
        parts.append(self.rule(self.learning_rates(steps)))
        if self.rates:
            parts.append(scale_by_path(self.rates))
        if self.ema is not None:
            parts.append(average_parameters(self.ema))
        whole = optax.chain(*parts)
        if self.accumulate == 1:
            return whole
        return optax.MultiSteps(whole, self.accumulate).gradient_transformation()

    def rule(self, learning_rate: optax.Schedule) -> optax.GradientTransformation:
        """The update rule, applied to clipped gradients."""
        return optax.adamw(
            learning_rate,
            b2=self.beta2,
            weight_decay=self.weight_decay,
            mask=matrices,
        )

    def learning_rates(self, steps: int) -> optax.Schedule:
        """The learning rate of every update of a run of `steps` steps."""
        updates = steps // self.accumulate
        warmup = min(self.warmup_steps // self.accumulate, updates - 1)
        if self.schedule == "cosine":
            return optax.warmup_cosine_decay_schedule(
                init_value=0.0,
                peak_value=self.learning_rate,
                warmup_steps=warmup,
                decay_steps=updates,
            )
        peak = self.learning_rate
        end = 0.0 if self.schedule == "linear" else peak
        return optax.join_schedules(
            [
                optax.linear_schedule(0.0, peak, warmup),
                optax.linear_schedule(peak, end, updates - warmup),
            ],
            [warmup],
        )


@dataclass(frozen=True)
class MuonConfig(OptimizerConfig):
    """Muon for matrices, AdamW for all other parameters.

    Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024: the
    momentum of a matrix is replaced by the nearest matrix with orthonormal rows or
    columns, which Newton-Schulz iterations approximate. Updates are scaled by the root
    of max(1, outputs over inputs). AdamW updates stacks of matrices, as of experts.
    """

    # Peak of the schedule, for matrices.
    learning_rate: float = 1e-2
    # Learning rate of AdamW for other parameters, as a factor of that of matrices.
    adam_rate: float = 0.1
    # Decay of the momentum of matrices.
    momentum: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise ValueError(
                f"optimizer.momentum: found {self.momentum}; needed at least 0 and "
                "less than 1"
            )
        if not 0 <= self.adam_rate < float("inf"):
            raise ValueError(
                f"optimizer.adam_rate: found {self.adam_rate}; needed a factor of at "
                "least 0"
            )

    def rule(self, learning_rate: optax.Schedule) -> optax.GradientTransformation:
        def of_the_rest(count: Any) -> Any:
            return self.adam_rate * learning_rate(count)

        def kinds(params: Any) -> Any:
            return jax.tree.map(lambda x: "muon" if x.ndim == 2 else "adam", params)

        # The AdamW within optax's Muon would also decay biases and norms.
        muon = optax.contrib.muon(
            learning_rate, beta=self.momentum, weight_decay=self.weight_decay
        )
        return optax.partition({"muon": muon, "adam": super().rule(of_the_rest)}, kinds)


def matrices(params: Any) -> Any:
    """Which parameters have more than one axis."""
    return jax.tree.map(lambda x: x.ndim > 1, params)


def scale_by_path(
    rates: tuple[tuple[str, float], ...],
) -> optax.GradientTransformation:
    """Multiplies updates by the factor of the first pattern in their path, else by 1.

    `init` raises a ValueError if a pattern matches no parameter.
    """

    def path_of(path: tuple) -> str:
        return jax.tree_util.keystr(path, simple=True, separator="/")

    def scaled(path: tuple, update: jax.Array) -> jax.Array:
        for pattern, factor in rates:
            if re.search(pattern, path_of(path)):
                return update * factor if factor else jnp.zeros_like(update)
        return update

    def init(params: Any) -> optax.EmptyState:
        paths = [path_of(p) for p, _ in jax.tree_util.tree_leaves_with_path(params)]
        for pattern, _ in rates:
            if not any(re.search(pattern, path) for path in paths):
                raise ValueError(
                    f"optimizer.rates: found {pattern!r}, which is in no path; needed "
                    f"one of paths such as {paths[0]}"
                )
        return optax.EmptyState()

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        return jax.tree_util.tree_map_with_path(scaled, updates), state

    return optax.GradientTransformation(init, update)


class AverageState(NamedTuple):
    """State of `average_parameters`."""

    average: Any  # like the parameters


def average_parameters(decay: float) -> optax.GradientTransformation:
    """Keeps a <- decay a + (1 - decay) p of the parameters p after each update.

    It begins with the initial parameters. It does not change updates, and comes last.
    """

    def init(params: Any) -> AverageState:
        return AverageState(jax.tree.map(jnp.copy, params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        new = optax.apply_updates(params, updates)
        average = jax.tree.map(
            lambda a, p: decay * a + (1 - decay) * p, state.average, new
        )
        return updates, AverageState(average)

    return optax.GradientTransformation(init, update)


def averaged(optimizer: Any) -> Any | None:
    """The average of the parameters in an optimiser's state, if any."""

    def is_average(node: Any) -> bool:
        return isinstance(node, AverageState)

    leaves = jax.tree.leaves(optimizer, is_leaf=is_average)
    found = [leaf.average for leaf in leaves if is_average(leaf)]
    return found[0] if found else None
