"""Beam tracking in continuous time: liquid cells along the beams of a codebook.

After Zhu et al., "Continuous-time beam tracking with liquid networks" (arXiv
2405.00365): sweeps are heard now and then, and between them the state flows on to any
time that is asked for, where it says which beam is the best. Here every beam has one
and the same small cell in each layer, that hears the beams around its own, so that what
is learned of a user who passes one beam is known of all. Both ends of a DFT codebook
are one direction, so beams are neighbours in a circle.
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
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from wlam.models.base import Network, NetworkConfig
from wlam.nn.embeddings import ResidualMlp
from wlam.nn.liquid import CfcConfig, InputGatedConfig, LrcConfig, LtcConfig
from wlam.nn.liquid.cell import LiquidCell, State, where_seen
from wlam.nn.liquid.peers import GruDConfig, LstmConfig, OdeLstmConfig
from wlam.nn.liquid.recent import Recent
from wlam.nn.liquid.wiring import FullyConnected
from wlam.types import Batch, SweepBatch

if TYPE_CHECKING:
    import wlam.models.beam_tracker.api

ASKED = 12
"""Times of a track that a training step asks for."""
UNIT_DB = 10.0
"""Powers enter in units of this."""
LOWEST = 6.0
"""Units below the strongest beam where powers are cut off."""
CELLS: dict[str, Callable[[int], Any]] = {
    "cfc": lambda units: CfcConfig(units, backbone=0),
    "ltc": lambda units: LtcConfig(FullyConnected(units)),
    "gated": InputGatedConfig,
    "lrc": LrcConfig,
    "lstm": partial(LstmConfig, told=False),
    "gru_d": GruDConfig,
    "ode_lstm": OdeLstmConfig,
}
"""By name; see `wlam.nn.liquid` and `wlam.nn.liquid.peers`. An LSTM knows no time."""


@dataclass(frozen=True)
class BeamTrackerConfig(NetworkConfig):
    """Everything that fixes the parameters; ValueError where it cannot be."""

    # Kind of the cells.
    cell: Literal["cfc", "ltc", "gated", "lrc", "lstm", "gru_d", "ode_lstm"] = "cfc"
    # Cells in a row, and neurons that each has for a beam.
    layers: int = 3
    units: int = 24
    # Beams to either side that a cell hears.
    reach: int = 4
    # Beams of the codebook, where one cell hears all of them, as published; None: every
    # beam has a cell, the same for all, and codebooks may have any number of them.
    together: int | None = None
    # Sweeps that are listened to, the last ones.
    memory: int = 10
    # Whether cells are told the times between sweeps; if not, each counts 1. They are
    # always told how far ahead a question is.
    elapsed: bool = True
    # The unit of time, in seconds, and how many of them training asks ahead at most.
    unit_s: float = 0.1
    ahead: float = 2.0

    def __post_init__(self) -> None:
        for name in ("layers", "units", "memory"):
            if getattr(self, name) < 1:
                found = getattr(self, name)
                raise ValueError(f"model.{name}: found {found}; needed 1 or more")
        if self.together is not None and self.together < 1:
            raise ValueError(
                f"model.together: found {self.together}; needed None, or 1 or more"
            )
        if self.reach < 0 or not (self.unit_s > 0 and self.ahead > 0):
            raise ValueError(
                f"model.reach, unit_s, ahead: found {self.reach}, {self.unit_s}, "
                f"{self.ahead}; needed 0 or more, and more than 0"
            )

    def build(self, rngs: nnx.Rngs) -> "BeamTracker":
        return BeamTracker(self, rngs)


class Layer(nnx.Module):
    """A cell for every beam, which hears the beams around it, or one for all."""

    def __init__(self, config: BeamTrackerConfig, inputs: int, rngs: nnx.Rngs):
        self.reach = config.reach if config.together is None else 0
        heard = (2 * self.reach + 1) * inputs
        self.around = nnx.Linear(heard, config.units, rngs=rngs)
        self.cell: LiquidCell = CELLS[config.cell](config.units).build(
            config.units, rngs
        )

    def listen(
        self,
        x: Float[Array, "n t beam c"],
        elapsed: Float[Array, "n t"],
        seen: Bool[Array, "n t"],
    ) -> tuple[State, Float[Array, "n t beam units"]]:
        """The states behind every sweep, [(n beam), t, ...], and what they say."""
        n, _, beams, _ = x.shape
        heard = rearrange(
            self.around(neighbours(x, self.reach)), "n t k c -> t (n k) c"
        )
        by_time = (heard, *(jnp.repeat(a, beams, axis=0).T for a in (elapsed, seen)))

        def advance(state: State, now: tuple) -> tuple[State, tuple[State, Array]]:
            heard, elapsed, seen = now
            after, out = self.cell(state, heard, elapsed)
            after = where_seen(seen, after, state)
            return after, (after, out)

        _, (states, out) = jax.lax.scan(advance, self.cell.start(n * beams), by_time)
        states = jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), states)
        return states, rearrange(out, "t (n k) c -> n t k c", n=n)

    def answer(
        self,
        states: State,
        x: Float[Array, "q beam c"],
        elapsed: Float[Array, " q"],
    ) -> Float[Array, "q beam units"]:
        """What the states [(q beam), ...] say after some time without a sweep."""
        heard = rearrange(self.around(neighbours(x, self.reach)), "q k c -> (q k) c")
        _, out = self.cell(states, heard, jnp.repeat(elapsed, x.shape[1]))
        return rearrange(out, "(q k) c -> q k c", q=len(x))


def neighbours(
    x: Float[Array, "*b beam c"], reach: int
) -> Float[Array, "*b beam around"]:
    """Of each beam its own channels and those of `reach` beams to either side.

    A linear layer of these is a convolution in a circle. XLA's own is twenty times
    slower within a loop on a CPU, where the training steps of one dispatch are.
    """
    shifted = [jnp.roll(x, -shift, axis=-2) for shift in range(-reach, reach + 1)]
    return jnp.concatenate(shifted, axis=-1)


class BeamTracker(Network):
    """The layers, their loss and their forecasts."""

    def __init__(self, config: BeamTrackerConfig, rngs: nnx.Rngs):
        self.config, beams = config, config.together or 1
        # The power of a beam, where it points, and whether that is news.
        inputs = given = 3 * beams
        self.layers = nnx.List([])
        for _ in range(config.layers):
            self.layers.append(Layer(config, inputs, rngs))
            inputs = config.units
        self.head = ResidualMlp(
            config.units + given, 2 * config.units, beams, rngs, jnp.dtype("float32")
        )

    def __call__(
        self,
        sweeps_db: Float[Array, "n t beam"],
        seen: Bool[Array, "n t"],
        interval_s: Float[Array, " n"],
        origin: Int[Array, "n q"],
        ahead_s: Float[Array, "n q"],
    ) -> Float[Array, "n q beam"]:
        """Log-probabilities that a beam is the best at times after sweeps.

        Args:
            sweeps_db: at the steps of a regular series; any number where not `seen`.
            seen: which sweeps were made.
            interval_s: from step to step.
            origin: the sweep behind which is asked, counted among the last `memory`
                that were made; -1 is the last one.
            ahead_s: time from that sweep on; 0 or more.

        Raises:
            ValueError: another codebook than the one that the network hears together.
        """
        config, found = self.config, sweeps_db.shape[-1]
        if config.together not in (None, found):
            raise ValueError(f"sweeps: found {found} beams; needed {config.together}")
        recent = Recent.of(seen, config.memory)
        made = recent.made
        x = features(recent.take(sweeps_db), news=1.0)
        elapsed = recent.elapsed(interval_s[:, None] / config.unit_s, config.elapsed)
        # What is asked is asked of the states behind a sweep, and of that sweep.
        n, asked = origin.shape
        origin = jnp.mod(origin, made.shape[1])
        pick = origin.reshape(n, asked, 1, 1)
        again = jnp.take_along_axis(x, pick, axis=1).at[..., -1].set(0.0)
        again = rearrange(again, "n q k c -> (n q) k c")
        if config.together is not None:
            x = rearrange(x, "n t k c -> n t 1 (k c)")
            again = rearrange(again, "q k c -> q 1 (k c)")
        cells = x.shape[2]
        wait = ahead_s.reshape(-1) / config.unit_s
        of_cell = jnp.repeat(origin, cells, axis=0)  # [(n cell), q]
        y = again
        for layer in self.layers:
            states, x = layer.listen(x, elapsed, made)
            states = jax.tree.map(
                lambda a: rearrange(
                    jnp.take_along_axis(a, of_cell[..., None], axis=1),
                    "(n k) q c -> (n q k) c",
                    n=n,
                ),
                states,
            )
            y = layer.answer(states, y, wait)
        logits = self.head(jnp.concatenate([y, again], axis=-1))
        logits = rearrange(logits, "(n q) k c -> n q (k c)", n=n)
        return jax.nn.log_softmax(logits)

    def loss(self, batch: Batch, key: PRNGKeyArray) -> Float[Array, ""]:
        """Mean cross-entropy of the best beam, at random times after random sweeps.

        Raises:
            ValueError: anything but whole sweeps.
        """
        if not isinstance(batch, SweepBatch):
            raise ValueError(
                "mixture: found an ingredient of rows; needed task beam_irregular with "
                "a context"
            )
        sweeps, clean, interval = batch.values, batch.clean, batch.interval
        n, steps, _ = sweeps.shape
        seen = jnp.isfinite(sweeps).all(2)
        keys = jax.random.split(key)
        # The last sweeps; of those that were made one is drawn, the first excepted.
        recent = Recent.of(seen, self.config.memory)
        count = recent.made.sum(1, keepdims=True)
        share = jax.random.uniform(keys[0], (n, ASKED))
        back = (share * jnp.maximum(count - 1, 1)).astype(jnp.int32)
        origin = recent.at.shape[1] - 1 - back
        begin, there = (jnp.take_along_axis(x, origin, axis=1) for x in recent)
        most = self.config.ahead * self.config.unit_s / interval[:, None]
        ahead = jax.random.uniform(keys[1], (n, ASKED)) * (most + 1)
        ahead = jnp.minimum(ahead.astype(jnp.int32), steps - 1 - begin)
        target = jnp.take_along_axis(clean, (begin + ahead)[..., None], axis=1)
        known = jnp.isfinite(target).all(2) & there
        best = jnp.argmax(jnp.where(known[..., None], target, 0.0), axis=2)
        shown = jnp.where(seen[..., None], sweeps, 0.0)
        said = self(shown, seen, interval, origin, ahead * interval[:, None])
        error = optax.losses.softmax_cross_entropy_with_integer_labels(said, best)
        weight = known.astype(jnp.float32)
        return jnp.sum(weight * error) / jnp.maximum(weight.sum(), 1.0)

    def model(self) -> "wlam.models.beam_tracker.api.BeamTrackerForecaster":
        from wlam.models.beam_tracker.api import (
            BeamTrackerForecaster,  # which imports this file
        )

        return BeamTrackerForecaster(self)


def features(
    sweeps_db: Float[Array, "*b beam"], news: float
) -> Float[Array, "*b beam 3"]:
    """Of each beam its power below the strongest, where it points, and the news."""
    beams = sweeps_db.shape[-1]
    below = (sweeps_db - sweeps_db.max(-1, keepdims=True)) / UNIT_DB
    place = (2 * jnp.arange(beams) + 1.0) / beams - 1
    place = jnp.broadcast_to(place.reshape(*(1,) * (below.ndim - 1), -1), below.shape)
    power = jnp.maximum(below, -LOWEST) + 1
    return jnp.stack([power, place, jnp.full_like(place, news)], axis=-1)
