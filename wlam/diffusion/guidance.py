"""Classifier-free guidance (Ho & Salimans, arXiv 2207.12598), in one convention.

    guided = without + scale * (with - without)

Scale 1 is the network with its condition, 0 the one without, more than 1 amplifies
what the condition says. (The paper's w is scale - 1.)
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Int, PRNGKeyArray

None_ = tuple[int, ...]
"""What stands for no condition, of each kind."""


def without(condition: Int[Array, "n c"], none: None_) -> Int[Array, "n c"]:
    """No condition for any sample."""
    return jnp.broadcast_to(jnp.array(none, condition.dtype)[None], condition.shape)


def drop_conditions(
    key: PRNGKeyArray, condition: Int[Array, "n c"], none: None_, share: float = 0.1
) -> Int[Array, "n c"]:
    """Conditions of which a random share of the samples is replaced by `none`.

    Raises:
        ValueError: a share outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: found {share}; needed from 0 to 1")
    dropped = jax.random.bernoulli(key, share, (len(condition),))
    return jnp.where(dropped[:, None], without(condition, none), condition)


def guided(
    predict: Callable[[Inexact[Array, "m *d"], Any, Int[Array, "m c"]], Array],
    condition: Int[Array, "n c"],
    none: None_,
    scale: float | Float[Array, ""],
) -> Callable[[Inexact[Array, "n *d"], Any], Array]:
    """A denoiser for `wlam.diffusion.sample`, both branches in one batch.

    Args:
        predict: x [m, ...], what the sampler says of the step, conditions [m, ...].
        condition: of the samples that will be drawn.
        none: what stands for no condition, of each kind.
        scale: see above.
    """
    both = jnp.concatenate([condition, without(condition, none)])

    def denoise(x: Array, about: Any) -> Array:
        told, untold = jnp.split(predict(jnp.concatenate([x, x]), about, both), 2)
        return untold + scale * (told - untold)

    return denoise
