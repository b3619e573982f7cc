"""Limits of arguments and of forecasts that all baselines share."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

BOUND = 2.0  # forecasts stay within this multiple of the context's peak


def at_least_one(**numbers: int) -> None:
    """Raises ValueError for the first of the named numbers that is below 1."""
    for name, value in numbers.items():
        if value < 1:
            raise ValueError(f"{name}: found {value}; needed at least 1")


def peak(context: Inexact[Array, "n l c"]) -> Float[Array, "n 1 c"]:
    """The largest magnitude of every channel."""
    return jnp.abs(context).max(axis=1, keepdims=True)


def unit_scale(size: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`size`, or 1 where it is zero: what a context may be divided by.

    Power squares the range of float32: fits are made at unit scale, whatever the unit.
    """
    return jnp.where(size > 0, size, 1)


def keep_within(
    values: Inexact[Array, "*shape"], bound: Float[Array, "*shape"]
) -> Inexact[Array, "*shape"]:
    """`values`, scaled down to `bound` where their magnitude exceeds it."""
    size = jnp.abs(values)
    return values * jnp.where(size > bound, bound / jnp.where(size > bound, size, 1), 1)
