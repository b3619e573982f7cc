"""The last measurements of a series with missing steps."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num


class Recent(NamedTuple):
    """Steps of the last measurements, in order; empty slots come first."""

    at: Int[Array, "b m"]  # 0 in an empty slot
    made: Bool[Array, "b m"]

    @staticmethod
    def of(seen: Bool[Array, "b t"], memory: int) -> "Recent":
        """The last `memory` measured steps, or all of them where t is less."""
        step = jnp.where(seen, jnp.arange(seen.shape[1])[None], -1)
        at = jnp.sort(step, axis=1)[:, -memory:]
        return Recent(jnp.maximum(at, 0), at >= 0)

    def take(self, x: Num[Array, "b t c"]) -> Num[Array, "b m c"]:
        """The measurements, and zeros in empty slots."""
        found = jnp.take_along_axis(x, self.at[..., None], axis=1)
        return jnp.where(self.made[..., None], found, 0.0)

    def elapsed(
        self, step: float | Float[Array, "b 1"], timed: bool
    ) -> Float[Array, "b m"]:
        """Time before each measurement, 0 in empty slots.

        Args:
            step: time from step to step of the series, in any unit.
            timed: False: every time is 1. That before the first measurement is unknown
                and always 1.
        """
        since = jnp.diff(self.at, axis=1, prepend=0) * step
        first = jnp.cumsum(self.made, axis=1) == 1
        return jnp.where(self.made, jnp.where(first | (not timed), 1.0, since), 0.0)
