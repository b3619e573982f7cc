"""What moves when a trained model is adapted: everything, its head, or low ranks.

Parameters are split into those that move and those that are frozen, and merged again
before every use: whatever takes a model's parameters takes the merged ones, and nothing
but the training state knows of the split.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import PRNGKeyArray

Method = Literal["full", "head", "lora"]


@dataclass(frozen=True)
class AdaptConfig:
    """Which parameters of a trained model move."""

    # All; those of the heads; low-rank changes of the backbone's matrices.
    method: Method = "full"
    # Of the changes (lora).
    rank: int = 8
    # Changes are scaled by alpha / rank (lora).
    alpha: float = 16.0

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            known = ", ".join(get_args(Method))
            raise ValueError(
                f"adapt.method: found {self.method!r}; needed one of {known}"
            )
        if self.rank < 1:
            raise ValueError(f"adapt.rank: found {self.rank}; needed at least 1")
        if not (math.isfinite(self.alpha) and self.alpha > 0):
            raise ValueError(f"adapt.alpha: found {self.alpha}; needed more than 0")


def split_params(
    params: dict[str, Any], config: AdaptConfig, key: PRNGKeyArray
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Splits parameters into (those that move, those that are frozen).

    Low-rank adaptation (Hu et al., arXiv 2106.09685, eq. 3): every matrix W [in, out]
    of the backbone is frozen and becomes W + alpha / rank A B. A [in, rank] is Gaussian
    and B [rank, out] zero, so that the model is unchanged at first. The paper leaves
    the variance of A open; ours is 1 / in, which keeps the size of what A is given.

    Args:
        params: nested dict of the parameters of a model.
        key: of A.

    Raises:
        ValueError: the model has no parameters that the method would move.
    """
    flat = _flat(params)
    if config.method == "full":
        return params, {}
    if config.method == "head":
        moved = {path: x for path, x in flat.items() if "head" in path}
        frozen = {path: x for path, x in flat.items() if path not in moved}
    else:
        moved, frozen = {}, flat
        matrices = (
            path
            for path in sorted(flat)
            if path[0] == "backbone" and path[-1] == "kernel" and flat[path].ndim > 1
        )
        for i, path in enumerate(matrices):
            # Axes before the last two, as of a stack of experts, have matrices each.
            *stack, inputs, outputs = flat[path].shape
            a = jax.random.normal(
                jax.random.fold_in(key, i), (*stack, inputs, config.rank)
            )
            moved[*path, "a"] = a / math.sqrt(inputs)
            moved[*path, "b"] = jnp.zeros((*stack, config.rank, outputs))
    if not moved:
        raise ValueError(
            f"adapt.method: found {config.method!r} for a model that has no such "
            "parameters; needed 'full'"
        )
    return unflatten_dict(moved), unflatten_dict(frozen)


def merge_params(
    moved: dict[str, Any], frozen: dict[str, Any], config: AdaptConfig
) -> dict[str, Any]:
    """The parameters of the adapted model, shaped as those that were split."""
    flat, merged = _flat(moved), _flat(frozen)
    if config.method != "lora":
        return unflatten_dict(merged | flat)
    scale = config.alpha / config.rank
    for *path, factor in flat:
        if factor == "a":
            b = flat[*path, "b"]
            # Accelerators would round the factors to few digits.
            change = jnp.matmul(flat[*path, "a"], b, precision="highest")
            merged[tuple(path)] = merged[tuple(path)] + scale * change
    return unflatten_dict(merged)


def _flat(tree: dict[str, Any]) -> dict[tuple, Any]:
    """Leaves by path."""
    return dict(flatten_dict(tree))
