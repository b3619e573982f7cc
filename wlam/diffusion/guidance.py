"""Classifier-free guidance (Ho & Salimans, arXiv 2207.12598).

    guided = without + scale * (with - without)

Scale 1 is the network with its condition, 0 the one without, and more than 1 amplifies
the effect of the condition. (The paper's w is scale - 1.)
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Int, PRNGKeyArray

None_ = tuple[int, ...]
"""The value that means no condition, of each kind."""


def without(condition: Int[Array, "n c"], none: None_) -> Int[Array, "n c"]:
    """No condition for any sample."""
    return jnp.broadcast_to(jnp.array(none, condition.dtype)[None], condition.shape)


def drop_conditions(
    key: PRNGKeyArray,
    condition: Int[Array, "n c"],
    none: None_,
    share: float = 0.1,
    each: float = 0.0,
) -> Int[Array, "n c"]:
    """Conditions, in part replaced by `none`.

    Args:
        share: of the samples, which lose all conditions.
        each: probability with which each condition of the other samples is dropped.

    Raises:
        ValueError: a share outside 0 to 1.
    """
    for name, value in (("share", share), ("each", each)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name}: found {value}; needed from 0 to 1")
    all_key, each_key = jax.random.split(key)
    dropped = jax.random.bernoulli(all_key, share, (len(condition), 1))
    dropped |= jax.random.bernoulli(each_key, each, condition.shape)
    return jnp.where(dropped, without(condition, none), condition)


def guided(
    predict: Callable[[Inexact[Array, "m *d"], Any, Int[Array, "m c"]], Array],
    condition: Int[Array, "n c"],
    none: None_,
    scale: float | Float[Array, ""],
) -> Callable[[Inexact[Array, "n *d"], Any], Array]:
    """A denoiser for `wlam.diffusion.sample`, both branches in one batch.

    Args:
        predict: x [m, ...], the sampler's input for the step, conditions [m, ...].
        condition: of the samples to draw.
        none: the value that means no condition, of each kind.
        scale: see above.
    """
    both = jnp.concatenate([condition, without(condition, none)])

    def denoise(x: Array, about: Any) -> Array:
        predictions = predict(jnp.concatenate([x, x]), about, both)
        conditional, unconditional = jnp.split(predictions, 2)
        return unconditional + scale * (conditional - unconditional)

    return denoise
