"""The update of powers that are fitted."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def root_of_ratio(
    found: Float[Array, "*n"], expected: Float[Array, "*n"]
) -> Float[Array, "*n"]:
    """The factor of a power: above 1 where more power is found than expected.

    Sun, Babu & Palomar, IEEE Trans. Signal Process. 64, 2016, section IV. In any unit;
    0 where the expected power is 0.
    """
    some = expected > 0
    return jnp.sqrt(
        jnp.where(some, jnp.maximum(found, 0) / jnp.where(some, expected, 1), 0)
    )
