"""The way in of sparse sweeps: a few beams measured, all of the next sweep wanted.

A base station that measures every fourth beam still serves with any. Where between two
measured beams a path lies shows in their side lobes; a single path is found by matching
them (`wlam.phy.floors.subarray_scan`), and that is the training-free forecast here.
What several paths, noise and movement make of it is the network's: every beam is a
token with what was measured of it, and all see each other.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from wlam.nn.backbone import Backbone
from wlam.nn.embeddings import ResidualMlp
from wlam.nn.experts import Load
from wlam.phy.codebooks import beam_directions
from wlam.phy.floors import subarray_scan

UNIT_DB = 10.0
"""Powers enter in units of this."""
LOWEST = 6.0
"""Units below the strongest measured beam where powers are cut off."""


@dataclass(frozen=True)
class ScanConfig:
    """How sparse sweeps enter the model."""

    # Sweeps that a token knows, the last ones.
    sweeps: int = 4


class Scan(nnx.Module):
    """Embedding and head of beams; the backbone between them is the model's."""

    def __init__(
        self, config: ScanConfig, width: int, rngs: nnx.Rngs, dtype: jnp.dtype
    ):
        self.config = config
        inputs = 2 * config.sweeps + 2
        self.embed = ResidualMlp(inputs, 2 * width, width, rngs, dtype)
        self.head = ResidualMlp(width, 2 * width, 1, rngs, dtype, normalise=True)
        for layer in (self.head.w2, self.head.w3):  # at first, the training-free one
            layer.kernel[...] = jnp.zeros_like(layer.kernel[...])

    def __call__(
        self,
        backbone: Backbone,
        rsrp_db: Float[Array, "n l beam"],
        measured: Bool[Array, "n l beam"],
        matched_db: Float[Array, "n beam"],
    ) -> tuple[Float[Array, "n beam"], Load | None]:
        """The power of all beams in the sweep after the last.

        Args:
            backbone: of the model.
            rsrp_db: sweeps; what was not measured has no influence.
            measured: beams of each sweep; of the last, one or more.
            matched_db: the training-free forecast, see `match`.

        Returns:
            dB, on the scale of `rsrp_db`, and the load of the backbone's experts.
        """
        keep = self.config.sweeps
        first = max(0, rsrp_db.shape[1] - keep)
        missing = keep - (rsrp_db.shape[1] - first)
        before = ((0, 0), (missing, 0), (0, 0))
        measured = jnp.pad(measured[:, first:], before)
        values = jnp.pad(rsrp_db[:, first:], before)
        now = jnp.where(measured[:, -1], values[:, -1], -jnp.inf)
        top = now.max(1)[:, None, None]
        values = jnp.where(measured, (values - top) / UNIT_DB, 0)
        values = jnp.maximum(values, -LOWEST)
        matched = jnp.maximum((matched_db[:, None] - top) / UNIT_DB, -LOWEST)
        share = jnp.broadcast_to(measured[:, -1].mean(1)[:, None, None], matched.shape)
        facts = jnp.concatenate([values, measured, matched, share], axis=1)
        tokens = self.embed(facts.swapaxes(1, 2)).astype(jnp.float32)
        n, beams = tokens.shape[:2]
        beam = jnp.broadcast_to(jnp.arange(beams)[None], (n, beams))
        places = jnp.stack([jnp.zeros_like(beam), jnp.zeros_like(beam), beam], axis=-1)
        visible = jnp.ones((n, beams), bool)
        features, load = backbone.routed(tokens, visible, places)
        change = self.head(features)[..., 0].astype(jnp.float32)
        return (matched[:, 0] + change) * UNIT_DB + top[:, 0], load


def match(
    last_db: Float[Array, "n beam"], beams: Int[Array, " coarse"]
) -> Float[Array, "n beam"]:
    """The sweep of a single path that fits some of its beams best, in dB.

    Of a DFT codebook of a line of as many antennas as beams, half a wavelength apart;
    of another codebook it is no more than an interpolation.

    Args:
        last_db: a sweep.
        beams: which of them were measured; increasing.
    """
    count = last_db.shape[1]
    directions = jnp.take(beam_directions(count), beams)
    return subarray_scan(jnp.take(last_db, beams, axis=1), count, count, directions)
