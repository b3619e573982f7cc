"""Forecasts at any time from measurements at any time: recurrent cells in a row.

A channel's measurements are heard one by one, each with the time since the one before.
A forecast asks for a time ahead of the last one: the cells are told that nothing was
measured and how much time has passed, and what they then say is the answer. Questions
leave no trace, so that all of them are answered from the same state. Complex series are
turned to where the last measurement is real, and answers back: no phase of a channel
changes more than the phase of its forecast, which need not be learned.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import optax
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Complex, Float, PRNGKeyArray

from wlam.models.base import Network, NetworkConfig
from wlam.nn.embeddings import ResidualMlp
from wlam.nn.liquid import (
    CfcConfig,
    InputGatedConfig,
    LrcConfig,
    MixedMemoryConfig,
    unroll,
)
from wlam.nn.liquid.peers import GruDConfig, LstmConfig, OdeLstmConfig
from wlam.nn.liquid.recent import Recent
from wlam.nn.liquid.sequence import Carried
from wlam.nn.scale import INPUT_LIMIT, fit_scale
from wlam.types import LINEAR_BEYOND, Batch, SeriesBatch

if TYPE_CHECKING:
    import wlam.models.continuous.api

ASKED = 8
"""Steps of a row that a training step asks for."""
CELLS: dict[str, Callable[[int], Any]] = {
    "cfc": CfcConfig,
    "cfc_memory": lambda units: MixedMemoryConfig(CfcConfig(units)),
    "gated": InputGatedConfig,
    "lrc": LrcConfig,
    "lstm": partial(LstmConfig, told=False),
    "lstm_told": LstmConfig,
    "gru_d": GruDConfig,
    "ode_lstm": OdeLstmConfig,
}
"""By name; see `wlam.nn.liquid` and `wlam.nn.liquid.peers`."""


@dataclass(frozen=True)
class ContinuousConfig(NetworkConfig):
    """Everything that fixes the parameters; ValueError where it cannot be."""

    # Numbers of a measurement: 2 for complex series, 1 for real ones.
    channels: int = 2
    # Kind of the cells.
    cell: Literal[
        "cfc", "cfc_memory", "gated", "lrc", "lstm", "lstm_told", "gru_d", "ode_lstm"
    ] = "cfc"
    # Cells in a row, and neurons of each.
    layers: int = 2
    units: int = 64
    # Measurements that are listened to, the last ones.
    memory: int = 24
    # Whether cells are told the times between measurements; if not, each counts 1. They
    # are always told how far ahead a question is.
    elapsed: bool = True
    # Whether complex series are turned to where the last measurement is real.
    turned: bool = True
    # The unit of time, in steps of the series.
    unit: float = 4.0

    def __post_init__(self) -> None:
        for name in ("channels", "layers", "units", "memory"):
            if getattr(self, name) < 1:
                found = getattr(self, name)
                raise ValueError(f"model.{name}: found {found}; needed 1 or more")
        if not self.unit > 0:
            raise ValueError(f"model.unit: found {self.unit}; needed more than 0")

    def build(self, rngs: nnx.Rngs) -> "Continuous":
        return Continuous(self, rngs)


class Continuous(Network):
    """The cells, their loss and their forecasts."""

    def __init__(self, config: ContinuousConfig, rngs: nnx.Rngs):
        self.config = config
        # What was measured, what was measured last, and which of the two is news.
        inputs = config.channels + 1
        self.cells = nnx.List([])
        for _ in range(config.layers):
            self.cells.append(CELLS[config.cell](config.units).build(inputs, rngs))
            inputs = config.units
        self.head = ResidualMlp(
            config.units + config.channels,
            2 * config.units,
            config.channels,
            rngs,
            jnp.dtype("float32"),
            normalise=True,
        )

    def __call__(
        self,
        values: Float[Array, "b t c"],
        seen: Bool[Array, "b t"],
        ahead: Float[Array, "b h"],
    ) -> Float[Array, "b h c"]:
        """What is said of times ahead of the last measurement.

        Args:
            values: at the steps of a regular series; any number where not `seen`.
            seen: which were measured; what follows the last one is not looked at.
            ahead: steps from the last measurement to the times that are asked for.
        """
        recent = Recent.of(seen, self.config.memory)
        values = recent.take(values)
        turns = self.config.channels == 2 and self.config.turned
        phase = phase_of(values[:, -1]) if turns else None
        if phase is not None:
            values = rotated(values, phase.conj())
        found = self.answer(self.listen(values, recent), values[:, -1], ahead)
        return found if phase is None else rotated(found, phase)

    def listen(self, values: Float[Array, "b m c"], recent: Recent) -> list[Carried]:
        """The states behind the last measurement; where none was made nothing is."""
        elapsed = recent.elapsed(1 / self.config.unit, self.config.elapsed)
        x = jnp.concatenate([values, jnp.ones_like(values[..., :1])], axis=-1)
        states = []
        for cell in self.cells:
            x, carried = unroll(cell, x, elapsed, recent.made)
            states.append(carried)
        return states

    def answer(
        self,
        carried: list[Carried],
        last: Float[Array, "b c"],
        ahead: Float[Array, "b h"],
    ) -> Float[Array, "b h c"]:
        """What the states say of times ahead, each by itself."""
        batch, asked = ahead.shape
        elapsed = ahead.reshape(-1) / self.config.unit
        again = jnp.repeat(last, asked, axis=0)
        x = jnp.concatenate([again, jnp.zeros_like(again[:, :1])], axis=-1)
        for cell, after in zip(self.cells, carried, strict=True):
            state = jax.tree.map(lambda a: jnp.repeat(a, asked, axis=0), after.state)
            _, x = cell(state, x, elapsed)
        found = self.head(jnp.concatenate([x, again], axis=-1))
        return found.reshape(batch, asked, -1)

    def loss(self, batch: Batch, key: PRNGKeyArray) -> Float[Array, ""]:
        """Mean Huber error of random steps behind a random context, in its units.

        Raises:
            ValueError: anything but rows of as many channels as the network has.
        """
        channels = self.config.channels
        if not isinstance(batch, SeriesBatch) or batch.values.shape[1] != channels:
            found = (
                batch.values.shape[1] if isinstance(batch, SeriesBatch) else "no rows"
            )
            raise ValueError(
                f"mixture: found an ingredient with {found}; needed rows of "
                f"model.channels, {channels}: 2 where they are complex, 1 if real"
            )
        values, clean = batch.values, batch.clean
        n, _, steps = values.shape
        seen = jnp.isfinite(values).all(1)
        keys = jax.random.split(key)
        # The context's end, and the steps behind it that are asked for.
        length = jax.random.randint(keys[0], (n, 1), steps // 4, steps - steps // 8)
        share = jax.random.uniform(keys[1], (n, ASKED))
        asked = length + (share * (steps - length)).astype(jnp.int32)
        step = jnp.arange(steps)[None]
        given = seen & (step < length)
        values = jnp.where(given[:, None], values, 0.0)
        scale = fit_scale(values, given[:, None], batch.center)
        x = jnp.clip(scale.apply(values), -INPUT_LIMIT, INPUT_LIMIT)
        target = jnp.clip(scale.apply(clean), -INPUT_LIMIT, INPUT_LIMIT)
        target = rearrange(target, "b g t -> b t g")
        target = jnp.take_along_axis(target, asked[:, :, None], axis=1)
        last = jnp.max(jnp.where(given, step, 0), axis=1, keepdims=True)
        ahead = (asked - last).astype(jnp.float32)
        forecast = self(rearrange(x, "b g t -> b t g"), given, ahead)
        known = jnp.isfinite(target).all(2)
        error = optax.losses.huber_loss(
            forecast, jnp.nan_to_num(target), delta=LINEAR_BEYOND
        ).mean(2)
        # Where nothing varies there is no unit to measure in.
        counts = known & (scale.spread > 0)[:, None] & given.any(1, keepdims=True)
        weight = counts.astype(jnp.float32)
        return jnp.sum(weight * error) / jnp.maximum(weight.sum(), 1.0)

    def model(self) -> "wlam.models.continuous.api.ContinuousForecaster":
        from wlam.models.continuous.api import (
            ContinuousForecaster,  # which imports this file
        )

        return ContinuousForecaster(self)


def phase_of(x: Float[Array, "b 2"]) -> Complex[Array, " b"]:
    """Of complex numbers; 1 where they are zero."""
    z = jax.lax.complex(x[:, 0], x[:, 1])
    size = abs(z)
    return jnp.where(size > 0, z / jnp.where(size > 0, size, 1.0), 1.0)


def rotated(
    x: Float[Array, "b t 2"], phase: Complex[Array, " b"]
) -> Float[Array, "b t 2"]:
    """Complex numbers turned by a phase for each row."""
    z = jax.lax.complex(x[..., 0], x[..., 1]) * phase[:, None]
    return jnp.stack([z.real, z.imag], axis=-1)
