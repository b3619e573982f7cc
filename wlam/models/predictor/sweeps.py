"""The way in of sweeps: the next sweeps of all beams, from all or a few of past ones.

Beams of a sweep are one thing, a user who moves past them: the best beam of the next
sweep follows from the others as much as from its own past. A base station that measures
every fourth beam serves with any; where between two of them a path lies shows in both
and in their side lobes. Training-free forecasts fill the sweeps and move them on
(`options`); every beam is a token with what was measured of it and what those say, all
see each other, and the network answers with a mix and a change of them.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Float

from wlam.baselines.sweeps import (
    constant_velocity,
    filled_sweeps,
    fit_path,
    moved_sweep,
    peaks,
    smoothed_sweep,
)
from wlam.nn.backbones.base import Backbone
from wlam.nn.embeddings import ResidualMlp
from wlam.nn.experts import Load

UNIT_DB = 10.0
"""Powers enter in units of this."""
LOWEST = 6.0
"""Units below the strongest measured beam where powers are cut off."""
LEAST_SPREAD = 0.01
"""Of a forecast, in the same units."""
NOISE, ACCELERATION = 0.3, 0.1
"""Of the filter that follows the best beam, see `kalman_beam_tracker`."""
MEMORY = 2.0
"""Sweeps after which one counts 1/e in the mean of those that were moved."""
ARRAYS = ((1, None), (2, None), (4, None), (2, 90.0), (4, 90.0))
"""Codebooks whose single paths are tried: beams for each antenna, and field of view."""
OPTIONS = 4 + len(ARRAYS)


@dataclass(frozen=True)
class SweepTokenizerConfig:
    """How sweeps enter the model."""

    # Sweeps that a token knows, the last ones.
    sweeps: int = 8
    # Sweeps that are forecast at once.
    ahead: int = 8


class Options(NamedTuple):
    """Training-free forecasts; step 0 is the last sweep itself, all beams of it."""

    forecasts: Float[Array, "n h beam option"]
    place: Float[Array, "n h"]  # of the best beam, as an index
    unexplained: Float[Array, "n array"]  # by a single path and each of `ARRAYS`


def options(
    rsrp_db: Float[Array, "n l beam"], measured: Bool[Array, "n l beam"], ahead: int
) -> Options:
    """What may be said of sweeps without training.

    The last sweep, linear between measured beams, as it is; moved on as the Kalman
    tracker says; the mean of all sweeps, each moved to the last one, moved on alike;
    for each of `ARRAYS` the single path that fits the last sweep, and that sweep smooth
    between measured beams, moved on alike.
    """
    length, beams = rsrp_db.shape[1:]
    known = measured.any(axis=2)
    filled = filled_sweeps(rsrp_db, measured)
    fits = [
        fit_path(rsrp_db, measured, max(2, beams // density), view)
        for density, view in ARRAYS
    ]
    fits = jax.tree.map(lambda *parts: jnp.stack(parts, axis=1), *fits)
    weight = known / known.sum(axis=1, keepdims=True)
    unexplained = (fits.unexplained * weight[:, None]).sum(axis=2)
    # Where beams are missing, what peaks are is better told by the best of the paths.
    best = unexplained.argmin(axis=1)[:, None, None]
    by_path = jnp.take_along_axis(fits.position, best, axis=1)[:, 0]
    where = jnp.where(measured.all(axis=2), peaks(filled), by_path)
    place, velocity = constant_velocity(where, NOISE, ACCELERATION, known)

    age = (length - 1.0 - jnp.arange(length))[None]
    aligned = jax.vmap(moved_sweep)(filled, (velocity[:, None] * age)[..., None])
    weight = jnp.where(known, jnp.exp(-age / MEMORY), 0)
    weight = weight / weight.sum(axis=1, keepdims=True)
    mean = (weight[..., None] * aligned[:, :, 0]).sum(axis=1)
    # The last sweep of which any beam was measured.
    last = length - 1 - jnp.argmax(known[:, ::-1], axis=1)
    by_fits = jnp.take_along_axis(fits.sweep_db, last[:, None, None, None], axis=2)
    drift = velocity[:, None] * jnp.arange(ahead + 1.0)[None]
    line = place[:, None] + drift
    now = filled[:, -1]
    held = jnp.broadcast_to(now[:, None], (len(now), ahead + 1, beams))
    from_now = jnp.take_along_axis(where, last[:, None], axis=1)
    latest = last[:, None, None]
    smooth = smoothed_sweep(
        *(jnp.take_along_axis(x, latest, axis=1)[:, 0] for x in (rsrp_db, measured))
    )
    found = [held, moved_sweep(now, line - from_now), moved_sweep(mean, drift)]
    found += [moved_sweep(by_fits[:, i, 0], drift) for i in range(len(ARRAYS))]
    found += [moved_sweep(smooth, drift)]
    place = jnp.clip(line, 0.0, beams - 1.0)
    return Options(jnp.stack(found, axis=-1), place, unexplained)


class SweepTokenizer(nnx.Module):
    """Embedding and head of beams; the backbone between them is the model's."""

    def __init__(
        self, config: SweepTokenizerConfig, width: int, rngs: nnx.Rngs, dtype: jnp.dtype
    ):
        self.config = config
        self.steps = config.ahead + 1  # the first is the last sweep that is known
        inputs = 2 * config.sweeps + (OPTIONS + 1) * self.steps + 5 + len(ARRAYS)
        self.embed = ResidualMlp(inputs, 2 * width, width, rngs, dtype)
        # For every sweep a weight of each option, a change, a spread.
        outputs = self.steps * (OPTIONS + 2)
        self.head = ResidualMlp(width, 2 * width, outputs, rngs, dtype, normalise=True)
        for layer in (self.head.w2, self.head.w3):  # at first, the mean of the options
            layer.kernel[...] = jnp.zeros_like(layer.kernel[...])

    def __call__(
        self,
        backbone: Backbone,
        rsrp_db: Float[Array, "n l beam"],
        measured: Bool[Array, "n l beam"],
        interval: Float[Array, " n"],
    ) -> tuple[Float[Array, "n h beam"], Float[Array, "n h beam"], Load | None]:
        """The power of all beams in the last sweep and in the `ahead` ones after it.

        Args:
            backbone: of the model.
            rsrp_db: sweeps; what was not measured has no influence if it is finite.
            measured: beams of each sweep; one or more of the last `sweeps`.
            interval: from sweep to sweep, in seconds.

        Returns:
            The forecast in dB, without measurement noise; its expected root mean square
            error in dB; the load of the backbone's experts.
        """
        features, load, bases, top = self.features(
            backbone, rsrp_db, measured, interval
        )
        out = self.head(features).astype(jnp.float32)
        out = rearrange(out, "n beam (h c) -> n h beam c", h=self.steps)
        weights = jax.nn.softmax(out[..., :OPTIONS], axis=-1)
        forecast = (weights * bases).sum(-1) + out[..., -2]
        spread = LEAST_SPREAD + jax.nn.softplus(out[..., -1] - 2)
        return forecast * UNIT_DB + top[:, None, None], spread * UNIT_DB, load

    def features(
        self,
        backbone: Backbone,
        rsrp_db: Float[Array, "n l beam"],
        measured: Bool[Array, "n l beam"],
        interval: Float[Array, " n"],
    ) -> tuple[
        Float[Array, "n beam d"],
        Load | None,
        Float[Array, "n h beam option"],
        Float[Array, " n"],
    ]:
        """What the backbone makes of every beam, the options, and 0 of their scale."""
        keep, ahead = self.config.sweeps, self.config.ahead
        first = max(0, rsrp_db.shape[1] - keep)
        missing = keep - (rsrp_db.shape[1] - first)
        before = ((0, 0), (missing, 0), (0, 0))
        measured = jnp.pad(measured[:, first:], before)
        values = jnp.pad(rsrp_db[:, first:], before)
        values = jnp.where(measured, values, 0)
        top = jnp.where(measured, values, -jnp.inf).max(axis=(1, 2))
        values = jnp.where(measured, values - top[:, None, None], 0)
        bases, line, unexplained = options(values, measured, ahead)
        bases, values = (jnp.maximum(x / UNIT_DB, -LOWEST) for x in (bases, values))

        n, _, beams = values.shape
        beam = jnp.broadcast_to(jnp.arange(beams)[None], (n, beams))
        away = (beam[:, None] - line[..., None]) / 8
        facts = [
            beam / max(beams - 1, 1) - 0.5,
            *(
                jnp.broadcast_to(x[:, None], (n, beams))
                for x in (
                    measured.mean(axis=(1, 2)),
                    measured[:, -1].mean(axis=1),
                    jnp.log10(interval),
                    jnp.full(n, jnp.log10(beams) / 3),
                    *jnp.log10(unexplained + 1e-3).T,
                )
            ),
        ]
        inputs = jnp.concatenate(
            [
                values,
                measured,
                rearrange(bases, "n h beam c -> n (h c) beam"),
                jnp.tanh(away),
                jnp.stack(facts, axis=1),
            ],
            axis=1,
        )
        tokens = self.embed(inputs.swapaxes(1, 2)).astype(jnp.float32)
        nowhere = jnp.zeros_like(beam)
        positions = jnp.stack([nowhere, nowhere, beam], axis=-1)
        visible = jnp.ones((n, beams), bool)
        features, load = backbone.features_and_load(tokens, visible, positions)
        return features, load, bases, top


def roll_sweeps(
    scan: SweepTokenizer,
    backbone: Backbone,
    rsrp_db: Float[Array, "n l beam"],
    measured: Bool[Array, "n l beam"],
    interval: Float[Array, " n"],
    horizon: int,
) -> tuple[Float[Array, "n h beam"], Float[Array, "n h beam"]]:
    """Forecast and spread of the last sweep and of `horizon` more.

    Beyond what the model forecasts at once its own forecasts are the next context.
    """
    forecast, spread, _ = scan(backbone, rsrp_db, measured, interval)
    while forecast.shape[1] <= horizon:
        rsrp_db = jnp.concatenate([rsrp_db, forecast[:, -scan.config.ahead :]], axis=1)
        more = jnp.ones((len(measured), scan.config.ahead, measured.shape[2]), bool)
        measured = jnp.concatenate([measured, more], axis=1)
        further, wider, _ = scan(backbone, rsrp_db, measured, interval)
        forecast = jnp.concatenate([forecast, further[:, 1:]], axis=1)
        # Errors of the context are carried on.
        carried = jnp.sqrt(spread[:, -1:] ** 2 + wider[:, 1:] ** 2)
        spread = jnp.concatenate([spread, carried], axis=1)
    return forecast[:, : horizon + 1], spread[:, : horizon + 1]
