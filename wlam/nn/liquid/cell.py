"""The contract of a liquid cell, whose state evolves between measurements."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

State = Any
"""State of a cell: arrays with the batch first, [b, units] or a tuple of such."""


class LiquidCell(nnx.Module):
    """One step of a recurrent network with the elapsed time as an input."""

    inputs: int  # channels of a measurement
    units: int  # of the state
    outputs: int  # channels of the output

    def start(self, batch: int) -> State:
        """The state before the first measurement: zeros."""
        return jnp.zeros((batch, self.units), jnp.float32)

    def __call__(
        self,
        state: State,
        x: Float[Array, "b inputs"],
        elapsed: Float[Array, " b"] | None = None,
    ) -> tuple[State, Float[Array, "b outputs"]]:
        """The state after a measurement, and the output.

        Args:
            state: before it.
            x: the measurement.
            elapsed: time since the previous measurement, in any unit; None: 1.
        """
        raise NotImplementedError

    def unroll(
        self,
        state: State,
        x: Float[Array, "b t inputs"],
        elapsed: Float[Array, "b t"] | None,
        seen: Bool[Array, "b t"] | None,
    ) -> tuple[State, Float[Array, "b t outputs"]]:
        """Step by step; a step without a measurement keeps the state.

        `wlam.nn.liquid.sequence.unroll` replaces the output of such steps.
        """

        def advance(state: State, now: tuple) -> tuple[State, Array]:
            x, elapsed, seen = now
            after, out = self(state, x, elapsed)
            return where_seen(seen, after, state), out

        by_time = jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), (x, elapsed, seen))
        state, out = jax.lax.scan(advance, state, by_time)
        return state, jnp.swapaxes(out, 0, 1)


def where_seen(seen: Bool[Array, " b"] | None, after: State, before: State) -> State:
    """The state after a step where it has a measurement, else the state before it."""
    if seen is None:
        return after
    pick = seen[:, None]
    return jax.tree.map(lambda a, b: jnp.where(pick, a, b), after, before)


def check_sizes(units: int, inputs: int) -> None:
    """ValueError: no neurons, or no channels of measurements."""
    if min(units, inputs) < 1:
        raise ValueError(f"units, inputs: found {units}, {inputs}; needed 1 or more")


def check_measured(
    x: Any, inputs: int, elapsed: Any, seen: Any, some: bool = True
) -> None:
    """Checks the inputs of a network; traced arrays are not checked.

    Args:
        x: measurements [b, t, inputs].
        inputs: needed channels of a measurement.
        elapsed: time before each [b, t]; None: 1.
        seen: whether each measurement exists [b, t]; None: all do.
        some: whether every series needs one.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity in a measurement, elapsed
            times of 0 or less, or a series without a measurement.
    """
    if x.ndim != 3 or x.shape[1] < 1 or x.shape[2] != inputs:
        raise ValueError(
            f"x: found {x.shape}; needed [row, step, {inputs}], one step or more"
        )
    for name, array in (("elapsed", elapsed), ("seen", seen)):
        if array is not None and array.shape != x.shape[:2]:
            raise ValueError(f"{name}: found {array.shape}; needed {x.shape[:2]}")
    x, elapsed, seen = (
        None if a is None or isinstance(a, Tracer) else np.asarray(a)
        for a in (x, elapsed, seen)
    )
    if some and seen is not None and not seen.any(axis=1).all():
        row = int(np.argmin(seen.any(axis=1)))
        raise ValueError(f"seen: found nothing in row {row}; needed a measurement")
    if x is not None:
        wrong = ~np.isfinite(x).all(axis=-1)
        if (wrong if seen is None else wrong & seen).any():
            raise ValueError(
                "x: found NaN or infinity; needed numbers, or seen=False where there "
                "are none"
            )
    if elapsed is not None and not (np.isfinite(elapsed) & (elapsed > 0)).all():
        worst = elapsed[~(np.isfinite(elapsed) & (elapsed > 0))][0]
        raise ValueError(f"elapsed: found {worst}; needed times above 0")
