"""Liquid cells over sequences: irregular, with gaps, stacked, bidirectional."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from wlam.nn.liquid.cell import LiquidCell, State, check_measured
from wlam.nn.liquid.cfc import CfcConfig, WiredCfcConfig
from wlam.nn.liquid.input_gated import InputGatedConfig
from wlam.nn.liquid.lrc import LrcConfig
from wlam.nn.liquid.ltc import LtcConfig
from wlam.nn.liquid.memory import MixedMemoryConfig

CellConfig = (
    CfcConfig
    | WiredCfcConfig
    | LtcConfig
    | MixedMemoryConfig
    | InputGatedConfig
    | LrcConfig
)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Carried:
    """State that a cell carries from one part of a sequence to the next."""

    state: State
    read: Float[Array, "b outputs"]  # output at the last measurement
    waited: Float[Array, " b"]  # time since then


def fresh(cell: LiquidCell, batch: int) -> Carried:
    """The carried state before the first measurement."""
    read = jnp.zeros((batch, cell.outputs), jnp.float32)
    return Carried(cell.start(batch), read, jnp.zeros(batch, jnp.float32))


def unroll(
    cell: LiquidCell,
    x: Float[Array, "b t inputs"],
    elapsed: Float[Array, "b t"] | None = None,
    seen: Bool[Array, "b t"] | None = None,
    carried: Carried | None = None,
) -> tuple[Float[Array, "b t outputs"], Carried]:
    """Outputs of a cell over a sequence, measurement by measurement.

    A step without a measurement repeats the last output, and its time counts towards
    the next measurement. A sequence with gaps gives the outputs of the one without
    those steps.

    Args:
        cell: the cell.
        x: measurements; any number where there is none.
        elapsed: time since the step before; None: 1.
        seen: whether the step has a measurement; None: always.
        carried: from the previous part of the sequence; None: this is the first.

    Returns:
        The output at every step, and the state for the next part.
    """
    if seen is None and carried is None:
        begin = fresh(cell, len(x))
        state, read = cell.unroll(begin.state, x, elapsed, None)
        return read, Carried(state, read[:, -1], begin.waited)
    carried = fresh(cell, len(x)) if carried is None else carried
    seen = jnp.ones(x.shape[:2], bool) if seen is None else seen
    elapsed = jnp.ones(seen.shape, jnp.float32) if elapsed is None else elapsed
    x = jnp.where(seen[:, :, None], x, 0.0)
    waited, since = _waits(carried.waited, elapsed, seen)
    state, made = cell.unroll(carried.state, x, since, seen)
    read = _last_seen(carried.read, made, seen)
    return read, Carried(state, read[:, -1], waited)


def _waits(
    waited: Float[Array, " b"], elapsed: Float[Array, "b t"], seen: Bool[Array, "b t"]
) -> tuple[Float[Array, " b"], Float[Array, "b t"]]:
    """Time since the last measurement: after the sequence, and at every step."""

    def wait(waited: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        since = waited + now[0]
        return jnp.where(now[1], 0.0, since), since

    waited, since = jax.lax.scan(wait, waited, (elapsed.T, seen.T))
    return waited, since.T


def _last_seen(
    first: Float[Array, "b outputs"],
    made: Float[Array, "b t outputs"],
    seen: Bool[Array, "b t"],
) -> Float[Array, "b t outputs"]:
    """At every step the output of the last measured one; before that `first`."""
    number = jnp.where(seen, jnp.arange(1, seen.shape[1] + 1)[None], 0)
    last = jax.lax.cummax(number, axis=1)
    both = jnp.concatenate([first[:, None], made], axis=1)
    return jnp.take_along_axis(both, last[:, :, None], axis=1)


@dataclass(frozen=True)
class LiquidConfig:
    """A stack of liquid cells."""

    # From measurements to outputs, each on the output of the previous one.
    cells: tuple[CellConfig, ...] = (CfcConfig(),)
    # Whether every cell has a second one that reads the sequence backwards.
    bidirectional: bool = False

    def build(self, inputs: int, rngs: nnx.Rngs) -> "Liquid":
        return Liquid(self, inputs, rngs)


class Liquid(nnx.Module):
    """A stack of liquid cells over sequences."""

    def __init__(self, config: LiquidConfig, inputs: int, rngs: nnx.Rngs):
        """Initial parameters.

        Args:
            config: the cells.
            inputs: channels of a measurement.
            rngs: for the parameters.

        Raises:
            ValueError: there are no cells.
        """
        if not config.cells:
            raise ValueError("cells: found none; needed one or more")
        self.config, self.inputs = config, inputs
        self.forward, self.backward = nnx.List([]), nnx.List([])
        for cell in config.cells:
            self.forward.append(cell.build(inputs, rngs))
            if config.bidirectional:
                self.backward.append(cell.build(inputs, rngs))
            inputs = self.forward[-1].outputs * (1 + config.bidirectional)
        self.outputs = inputs

    def __call__(
        self,
        x: Float[Array, "b t inputs"],
        elapsed: Float[Array, "b t"] | None = None,
        seen: Bool[Array, "b t"] | None = None,
    ) -> Float[Array, "b t outputs"]:
        """The output of the last cell at every step; directions are concatenated.

        Args:
            x: measurements; any number, also NaN, where there is none.
            elapsed: time since the step before, in any unit; None: 1. The first is
                that since the state was zero, in both directions.
            seen: whether the step has a measurement; None: always.

        Raises:
            ValueError: shapes that do not fit, NaN or infinity in a measurement,
                elapsed times of 0 or less, or a series without a measurement. Traced
                arrays are not checked.
        """
        check_measured(x, self.inputs, elapsed, seen)
        for number, cell in enumerate(self.forward):
            read, _ = unroll(cell, x, elapsed, seen)
            if self.config.bidirectional:
                back = _reversed(self.backward[number], x, elapsed, seen)
                read = jnp.concatenate([read, back], axis=-1)
            x = read
        return x

    def start(self, batch: int) -> tuple[Carried, ...]:
        """The state before the first part of `stream`."""
        return tuple(fresh(cell, batch) for cell in self.forward)

    def stream(
        self,
        carried: tuple[Carried, ...],
        x: Float[Array, "b t inputs"],
        elapsed: Float[Array, "b t"] | None = None,
        seen: Bool[Array, "b t"] | None = None,
    ) -> tuple[Float[Array, "b t outputs"], tuple[Carried, ...]]:
        """The outputs of the next part of a sequence, of one step or more.

        Part by part they are those of a call on the whole. A series without a
        measurement repeats its last output.

        Args:
            carried: from `start` or the part before.
            x: measurements.
            elapsed: time since the step before; None: 1.
            seen: whether the step has a measurement; None: always.

        Raises:
            ValueError: the network is bidirectional, or as in a call.
        """
        if self.config.bidirectional:
            raise ValueError("bidirectional: found True; needed False to stream")
        check_measured(x, self.inputs, elapsed, seen, some=False)
        after = []
        for cell, before in zip(self.forward, carried, strict=True):
            x, new = unroll(cell, x, elapsed, seen, before)
            after.append(new)
        return x, tuple(after)


def _reversed(cell: LiquidCell, x: Any, elapsed: Any, seen: Any) -> Any:
    """Outputs of a cell that reads the sequence backwards."""
    if elapsed is not None:  # of a step, backwards: the time until the next one
        elapsed = jnp.roll(elapsed, -1, axis=1)
    backwards = jax.tree.map(lambda a: a[:, ::-1], (x, elapsed, seen))
    return unroll(cell, *backwards)[0][:, ::-1]
