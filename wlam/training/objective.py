"""The loss of a training step: the weighted losses of all data sources."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from wlam.models.base import Figures
from wlam.types import Batch


def total_loss(
    graph: Any,
    params: Any,
    batch: Mapping[str, Batch],
    shares: Mapping[str, float],
    key: PRNGKeyArray,
) -> tuple[Float[Array, ""], tuple[Figures, Figures]]:
    """The share-weighted sum of the losses of a network, and the losses.

    Args:
        graph, params: of the network, see `flax.nnx.split`.
        batch: by the name of its data source.
        shares: the weight of each source; a loss of another name counts in full.
        key: for all random draws.

    Returns:
        The sum, and the result of `Network.losses`.

    Raises:
        ValueError: the network cannot be trained on such a batch.
    """
    losses, figures = nnx.merge(graph, params).losses(batch, key)
    weighted = [shares[name] * x for name, x in losses.items() if name in shares]
    total = jnp.sum(jnp.stack(weighted))
    for name, extra in losses.items():
        if name not in shares:
            total += extra
    return total, (losses, figures)
