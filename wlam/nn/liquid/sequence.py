"""Liquid cells over sequences: irregular in time, with holes, stacked, both ways."""

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
    """What a cell takes from one piece of a sequence to the next."""

    state: State
    read: Float[Array, "b outputs"]  # at the last measurement that was seen
    waited: Float[Array, " b"]  # since then


def fresh(cell: LiquidCell, batch: int) -> Carried:
    """Before the first measurement."""
    read = jnp.zeros((batch, cell.outputs), jnp.float32)
    return Carried(cell.start(batch), read, jnp.zeros(batch, jnp.float32))


def unroll(
    cell: LiquidCell,
    x: Float[Array, "b t inputs"],
    elapsed: Float[Array, "b t"] | None = None,
    seen: Bool[Array, "b t"] | None = None,
    carried: Carried | None = None,
) -> tuple[Float[Array, "b t outputs"], Carried]:
    """What a cell makes of a sequence, measurement by measurement.

    Where nothing was seen nothing happens: what was read last is read again, and the
    time goes to the next measurement. A sequence with holes gives what the one without
    those steps gives.

    Args:
        cell: which.
        x: measurements; any number where they were not seen.
        elapsed: time since the step before; None: 1.
        seen: whether there was a measurement; None: always.
        carried: from the piece of the sequence before this one; None: its beginning.

    Returns:
        What is read at every step, and what the next piece needs.
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
    """Time since the last measurement: behind the sequence, and at every step."""

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
    """At every step what was made at the last one that was seen; before it `first`."""
    number = jnp.where(seen, jnp.arange(1, seen.shape[1] + 1)[None], 0)
    last = jax.lax.cummax(number, axis=1)
    both = jnp.concatenate([first[:, None], made], axis=1)
    return jnp.take_along_axis(both, last[:, :, None], axis=1)


@dataclass(frozen=True)
class LiquidConfig:
    """A stack of liquid cells."""

    # From measurements to what is read, each on what the one before it says.
    cells: tuple[CellConfig, ...] = (CfcConfig(),)
    # Whether every cell has a twin that hears the sequence backwards.
    bidirectional: bool = False

    def build(self, inputs: int, rngs: nnx.Rngs) -> "Liquid":
        return Liquid(self, inputs, rngs)


class Liquid(nnx.Module):
    """A stack of liquid cells over sequences."""

    def __init__(self, config: LiquidConfig, inputs: int, rngs: nnx.Rngs):
        """Fresh parameters.

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
        """What the last cell says at every step; both directions side by side.

        Args:
            x: measurements; any number, NaN too, where they were not seen.
            elapsed: time since the step before, in units of one's own; None: 1. The
                first is that since the state was zero, in both directions.
            seen: whether there was a measurement; None: always.

        Raises:
            ValueError: shapes that do not fit, NaN or infinity in what was seen, no
                time or less than none between measurements, or a row of which nothing
                was seen. What is traced cannot be looked at.
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
        """What `stream` begins with."""
        return tuple(fresh(cell, batch) for cell in self.forward)

    def stream(
        self,
        carried: tuple[Carried, ...],
        x: Float[Array, "b t inputs"],
        elapsed: Float[Array, "b t"] | None = None,
        seen: Bool[Array, "b t"] | None = None,
    ) -> tuple[Float[Array, "b t outputs"], tuple[Carried, ...]]:
        """The next piece of a sequence, of one step or more.

        Piece by piece it gives what a call gives for the whole. In a row of which
        nothing was seen what was said last is said again.

        Args:
            carried: from `start` or the piece before.
            x: measurements.
            elapsed: time since the step before; None: 1.
            seen: whether there was a measurement; None: always.

        Raises:
            ValueError: the cells need the future, or as in a call.
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
    """What a cell says that hears the sequence backwards."""
    if elapsed is not None:  # of a step, backwards: the time until the one behind it
        elapsed = jnp.roll(elapsed, -1, axis=1)
    turned = jax.tree.map(lambda a: a[:, ::-1], (x, elapsed, seen))
    return unroll(cell, *turned)[0][:, ::-1]
