"""Conflicts between the gradients of the data sources of a mixture.

Two conflict where their cosine is negative: a step along one raises the loss of the
other (Yu et al., "Gradient surgery for multi-task learning", arXiv 2001.06782).
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def gradient_cosines(
    losses: Callable[[Any], Float[Array, " n"]], params: Any
) -> Float[Array, "n n"]:
    """Cosines between the gradients of several losses; 0 where a gradient is 0.

    One forward pass and a backward pass for each loss, one after the other. All
    gradients are in memory at once: n times the memory of the parameters.
    """
    values, pull = jax.vjp(losses, params)
    gradients = jax.lax.map(lambda one: pull(one)[0], jnp.eye(len(values)))
    rows = [x.reshape(len(values), -1) for x in jax.tree.leaves(gradients)]
    products = sum(jnp.matmul(x, x.T, precision="highest") for x in rows)
    norms = jnp.sqrt(jnp.diagonal(products))
    norms = jnp.where(norms > 0, norms, 1)
    return products / (norms[:, None] * norms[None])


def conflicts(
    losses: Callable[[Any], Float[Array, " n"]], params: Any, names: Sequence[str]
) -> dict[str, Float[Array, ""]]:
    """Logged figures of the gradients of a mixture.

    Args:
        losses: parameters -> the total loss, then those of all data sources.
        params: where gradients are taken.
        names: of the data sources.

    Returns:
        `conflict/NAME`, the cosine between the gradient of a source and that of
        the total, and `conflict`, the share of pairs of sources with a negative
        cosine (0 of a single one).
    """
    cosines = gradient_cosines(losses, params)
    one, other = np.triu_indices(len(names), 1)
    negative = cosines[1:, 1:][one, other] < 0
    share = negative.sum() / max(len(one), 1)
    return {"conflict": share} | {
        f"conflict/{name}": cosines[0, i + 1] for i, name in enumerate(names)
    }
