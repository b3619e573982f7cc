"""Adaptation of a trained model: of all parameters, its heads, or low-rank changes.

Parameters are split into trained and frozen ones, and merged again before every use:
only the training state is split, all other code takes the merged parameters.
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
    """Which parameters of a trained model are trained."""

    # All; those of the heads; low-rank changes of the backbone's matrices.
    method: Method = "full"
    # Rank of the changes (lora).
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
    """Splits parameters into (trained, frozen).

    Low-rank adaptation (Hu et al., arXiv 2106.09685, eq. 3): every matrix W [in, out]
    of the backbone is frozen and becomes W + alpha / rank A B. A [in, rank] is Gaussian
    and B [rank, out] zero, so that the model is unchanged at first. The paper does not
    give the variance of A; ours is 1 / in, which keeps the variance of its input.

    Args:
        params: nested dict of the parameters of a model.
        key: for A.

    Raises:
        ValueError: the model has no parameters that the method trains.
    """
    flat = _flat(params)
    if config.method == "full":
        return params, {}
    if config.method == "head":
        trained = {path: x for path, x in flat.items() if "head" in path}
        frozen = {path: x for path, x in flat.items() if path not in trained}
    else:
        trained, frozen = {}, flat
        matrices = (
            path
            for path in sorted(flat)
            if path[0] == "backbone" and path[-1] == "kernel" and flat[path].ndim > 1
        )
        for i, path in enumerate(matrices):
            # Axes before the last two, as of experts, are stacks of matrices.
            *stack, inputs, outputs = flat[path].shape
            a = jax.random.normal(
                jax.random.fold_in(key, i), (*stack, inputs, config.rank)
            )
            trained[*path, "a"] = a / math.sqrt(inputs)
            trained[*path, "b"] = jnp.zeros((*stack, config.rank, outputs))
    if not trained:
        raise ValueError(
            f"adapt.method: found {config.method!r} for a model that has no such "
            "parameters; needed 'full'"
        )
    return unflatten_dict(trained), unflatten_dict(frozen)


def merge_params(
    trained: dict[str, Any], frozen: dict[str, Any], config: AdaptConfig
) -> dict[str, Any]:
    """The parameters of the adapted model, in the structure before the split."""
    flat, merged = _flat(trained), _flat(frozen)
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
