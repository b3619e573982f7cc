"""Placement of arrays: a mesh of data x model devices, and rules by path.

Batches are split over "data"; XLA then averages gradients. Matrices are split
over "model" in the pattern of Megatron: the first of a pair by columns, the second by
rows, so that a block needs one reduction. A rule names a pattern of the parameter's
path; the first that matches is used, and the optimiser's moments have the partition of
their parameter, since their paths end alike. Axes that do not divide are not split.
"""

import re
from dataclasses import dataclass
from typing import Any

import jax
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

RULES: tuple[tuple[str, P], ...] = (
    (r"experts/up/kernel$", P(None, None, "model")),
    (r"experts/down/kernel$", P(None, "model", None)),
    (r"(qkv|up|w1)/kernel$", P(None, "model")),
    (r"(out|down|w2)/kernel$", P("model", None)),
)
"""(pattern of the path, partition of the array); anything else is replicated."""


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


def make_mesh(config: MeshConfig) -> Mesh:
    """The mesh of the first data * model devices.

    Raises:
        ValueError: there are fewer devices.
    """
    needed, found = config.data * config.model, jax.device_count()
    if needed > found:
        raise ValueError(
            f"mesh: {config.data} x {config.model} devices needed; found {found}"
        )
    return jax.make_mesh(
        (config.data, config.model),
        ("data", "model"),
        axis_types=(AxisType.Auto, AxisType.Auto),
        devices=jax.devices()[:needed],
    )


def partition(path: str, shape: tuple[int, ...], mesh: Mesh | AbstractMesh) -> P:
    """The partition of an array with this path ("params/.../kernel") and shape."""
    for pattern, spec in RULES:
        if re.search(pattern, path) and len(shape) == len(spec):
            fits = all(
                axis is None or size % mesh.shape[axis] == 0
                for size, axis in zip(shape, spec, strict=True)
            )
            return spec if fits else P()
    return P()


def tree_shardings(tree: Any, mesh: Mesh | AbstractMesh) -> Any:
    """The sharding of every leaf of a tree of arrays or shapes."""

    def sharding(path: tuple, leaf: Any) -> NamedSharding:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return NamedSharding(mesh, partition(name, leaf.shape, mesh))

    return jax.tree_util.tree_map_with_path(sharding, tree)
