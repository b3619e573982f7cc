"""The last measurements of a series of which not every step was measured."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num


class Recent(NamedTuple):
    """Which steps they were, in order; places for which there was none come first."""

    at: Int[Array, "b m"]  # 0 where there was none
    made: Bool[Array, "b m"]

    @staticmethod
    def of(seen: Bool[Array, "b t"], memory: int) -> "Recent":
        """Of the steps that were seen the last `memory`, or all where t is less."""
        step = jnp.where(seen, jnp.arange(seen.shape[1])[None], -1)
        at = jnp.sort(step, axis=1)[:, -memory:]
        return Recent(jnp.maximum(at, 0), at >= 0)

    def take(self, x: Num[Array, "b t c"]) -> Num[Array, "b m c"]:
        """What was measured, and zeros where there was none."""
        found = jnp.take_along_axis(x, self.at[..., None], axis=1)
        return jnp.where(self.made[..., None], found, 0.0)

    def elapsed(
        self, step: float | Float[Array, "b 1"], told: bool
    ) -> Float[Array, "b m"]:
        """Time before each measurement, 0 where there was none.

        Args:
            step: time from step to step of the series, in any unit.
            told: False: every time is 1. That before the first one always is, since
                nobody knows it.
        """
        since = jnp.diff(self.at, axis=1, prepend=0) * step
        first = jnp.cumsum(self.made, axis=1) == 1
        return jnp.where(self.made, jnp.where(first | (not told), 1.0, since), 0.0)
