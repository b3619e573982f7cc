"""The joint way in: all bins of a channel at once, for the same backbone.

A channel is a tensor [time, subcarrier, antenna]. One of its axes is to be continued;
the others go to where channels are sparse (delay, angle, Doppler), so that what is left
is a grid of bins with a series each. The strongest bins enter together, a token for
every patch of every bin, and see each other. Tokens know where they are by rotary
positions (patch, bin, bin): sizes never seen in training are more of the same.

Every bin is turned so that its mean frequency is zero and its last sample real, and
divided by its own size: what is asked of the network does not depend on where in the
spectrum a path lies, nor on phases and units. What it answers is turned back.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Complex, Float, Int

from wlam.nn.backbone import Backbone
from wlam.nn.bank import (
    BANK,
    LIMIT,
    TINY,
    Fits,
    Options,
    bank_forecasts,
    fit_bank,
    track_record,
)
from wlam.nn.embeddings import AXES, ResidualMlp
from wlam.nn.experts import Load
from wlam.phy.arrays import angle, cis

LEAST = 1e-5
"""Ratios of powers below this are not told apart: training has noise, users may not."""
LEAST_SPREAD = 1e-3
"""Of a forecast, in units of its bin's size: errors of clean channels go to zero."""
LOG_RANGE = 6.0
"""Spreads differ by at most exp of this from what the bank's record and its agreement
suggest."""


@dataclass(frozen=True)
class JointConfig:
    """How channels enter the model as a whole."""

    # Steps that make one token.
    patch: int = 8
    # Bins that see each other; weaker ones come in groups of their own.
    bins: int = 128


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Channel:
    """What is known of a channel, and the bank's fits to it."""

    series: Complex[Array, "n l bin"]  # mean power 1; unknown steps are 0
    known: Bool[Array, "n l"]
    level: Float[Array, " n"]  # what the series were divided by
    power: Float[Array, "n bin"]
    fits: Fits
    interval: Float[Array, " n"]
    axis: Int[Array, ""]
    grid: Any  # int [2], rows and columns of bins

    @staticmethod
    def of(
        x: Complex[Array, "n l u v"],
        known: Bool[Array, "n l"],
        interval: Float[Array, " n"],
        axis: int,
        horizon: int,
    ) -> "Channel":
        """Normalises a channel and fits the bank to it.

        Args:
            x: series of all bins.
            known: which steps are known; the others have no influence. The last is.
            interval: spacing of the steps, in s or Hz.
            axis: index into `AXES`, what the series run along.
            horizon: steps that will be asked for.
        """
        x = jnp.where(known[:, :, None, None], x, 0)
        # Squares of 1e-20 underflow, so the largest sample is taken out first.
        peak = abs(x).max((1, 2, 3))
        x = x / jnp.where(peak > 0, peak, 1)[:, None, None, None]
        power = (abs(x) ** 2).sum(1) / known.sum(1)[:, None, None]
        rms = jnp.sqrt(power.mean((1, 2)))
        rms = jnp.where(rms > 0, rms, 1)
        x = x / rms[:, None, None, None]
        return Channel(
            series=rearrange(x, "n l u v -> n l (u v)"),
            known=known,
            level=peak * rms,
            power=rearrange(power / rms[:, None, None] ** 2, "n u v -> n (u v)"),
            fits=fit_bank(x, known, horizon),
            interval=interval,
            axis=jnp.asarray(axis),
            grid=jnp.array(x.shape[2:]),
        )

    def strongest_first(self) -> Int[Array, "n bin"]:
        """All bins by falling power."""
        return jnp.argsort(-self.power, axis=1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Tokens:
    """What the backbone gets for some bins, and what leads back from its answer."""

    values: Float[Array, "n kq d"]  # all patches of a bin, then of the next
    places: Int[Array, "n kq 3"]  # patch, row and column
    bank: Options  # in the bins' own frames and units
    turns: Complex[Array, "n h k"]  # back from the frames
    size: Float[Array, "n 1 k"]  # back from the units

    def through(self, backbone: Backbone) -> Float[Array, "n kq d"]:
        """What the backbone makes of them."""
        return self.routed(backbone)[0]

    def routed(self, backbone: Backbone) -> tuple[Float[Array, "n kq d"], Load | None]:
        """The features, and the load of the backbone's experts, if any."""
        visible = jnp.ones(self.values.shape[:2], bool)
        return backbone.routed(self.values, visible, self.places)


class Joint(nnx.Module):
    """Embedding and head of bins; the backbone between them is the model's."""

    def __init__(
        self, config: JointConfig, width: int, rngs: nnx.Rngs, dtype: jnp.dtype
    ):
        p, members = config.patch, len(BANK)
        self.config = config
        inputs = 3 * p + 2 * p * (members + 1) + NUM_FACTS
        self.embed = ResidualMlp(inputs, 2 * width, width, rngs, dtype)
        # For every step a weight of each member and of silence, a change, a spread.
        outputs = p * (members + 1 + 2 + 1)
        self.head = ResidualMlp(width, 2 * width, outputs, rngs, dtype, normalise=True)
        for layer in (self.head.w2, self.head.w3):  # at first, the bank by its record
            layer.kernel[...] = jnp.zeros_like(layer.kernel[...])

    def tokens(
        self, channel: Channel, chosen: Int[Array, "n k"], horizon: int
    ) -> "Tokens":
        """Tokens of every patch of the chosen bins, and what their answers need."""
        length, p = channel.series.shape[1], self.config.patch
        series = jnp.take_along_axis(channel.series, chosen[:, None], axis=2)
        bank = bank_forecasts(series, channel.fits, chosen, horizon)
        frame, size, facts = own_frame(series, channel.known, horizon)
        # A silent bin was divided by 1 and has the size 0.
        heard = (series != 0).any(1, keepdims=True)
        series = series * frame[:, :length] / size
        options = bank.forecasts * (frame[:, length:] / size)[..., None]
        options = options / jnp.maximum(1, abs(options) / LIMIT)
        record = track_record(bank)[:, None]
        mix = (jax.nn.softmax(record, axis=-1) * options).sum(-1, keepdims=True)

        # ---- patches of what is known, then of what the bank says --------------------
        row, column = chosen // channel.grid[1], chosen % channel.grid[1]
        facts = jnp.concatenate(
            [facts, rests_and_places(channel, bank, row, column)], axis=-1
        )
        before, after = -length % p, -horizon % p
        known = jnp.broadcast_to(channel.known[..., None], series.shape)
        past = jnp.stack([series.real, series.imag, known], axis=-1)
        past = jnp.pad(past, ((0, 0), (before, 0), (0, 0), (0, 2 * len(BANK) + 2)))
        ahead = jnp.concatenate([mix, options[..., :-1]], axis=-1)
        ahead = jnp.concatenate([ahead.real, ahead.imag], axis=-1)
        ahead = jnp.pad(ahead, ((0, 0), (0, after), (0, 0), (3, 0)))
        both = jnp.concatenate([past, ahead], axis=1)
        both = rearrange(both, "n (q p) k c -> n k q (p c)", p=p)
        facts = jnp.broadcast_to(facts[:, :, None], (*both.shape[:3], NUM_FACTS))
        tokens = self.embed(jnp.concatenate([both, facts], axis=-1))
        places = jnp.stack(
            jnp.broadcast_arrays(
                jnp.arange(tokens.shape[2])[None, None],
                row[..., None],
                column[..., None],
            ),
            axis=-1,
        )
        return Tokens(
            values=rearrange(tokens, "n k q d -> n (k q) d").astype(jnp.float32),
            places=rearrange(places, "n k q c -> n (k q) c"),
            bank=replace(bank, forecasts=options),
            turns=frame[:, length:].conj(),
            size=size * heard * channel.level[:, None, None],
        )

    def __call__(
        self,
        backbone: Backbone,
        channel: Channel,
        chosen: Int[Array, "n k"],
        horizon: int,
    ) -> tuple[Complex[Array, "n {horizon} k"], Float[Array, "n {horizon} k"]]:
        """Continues bins that see each other by `horizon` steps.

        Args:
            backbone: of the model.
            channel: what is known.
            chosen: bins, as indices into the flat grid.

        Returns:
            The forecast, and the root of the mean square error that is expected of it
            (complex: that of each part is smaller by the root of 2).
        """
        tokens = self.tokens(channel, chosen, horizon)
        return self.answer(tokens, tokens.through(backbone), horizon)

    def answer(
        self, tokens: Tokens, features: Float[Array, "n kq d"], horizon: int
    ) -> tuple[Complex[Array, "n {horizon} k"], Float[Array, "n {horizon} k"]]:
        """What a call gives, from what the backbone made of the tokens."""
        p, bank, options = self.config.patch, tokens.bank, tokens.bank.forecasts
        features = rearrange(features, "n (k q) d -> n k q d", k=options.shape[2])
        # ---- a mix of what the bank says, a change, and a spread ---------------------
        out = self.head(features[:, :, -math.ceil(horizon / p) :]).astype(jnp.float32)
        out = rearrange(out, "n k q (p c) -> n (q p) k c", p=p)[:, :horizon]
        weights = jax.nn.softmax(track_record(bank)[:, None] + out[..., :-3], axis=-1)
        forecast = (weights * options).sum(-1)
        # Where those agree that count, as on a few clean tones, nothing is to change.
        apart = (weights * abs(options - forecast[..., None]) ** 2).sum(-1)
        change = jax.lax.complex(out[..., -3], out[..., -2])
        forecast = forecast + change * jnp.sqrt(apart + TINY)
        missed = (weights * bank.missed[:, None]).sum(-1)
        # The spread does not ask for other weights.
        unit = jax.lax.stop_gradient(apart + missed)
        factor = jnp.exp(2 * LOG_RANGE * jnp.tanh(out[..., -1] / LOG_RANGE))
        spread = jnp.sqrt(factor * unit + LEAST_SPREAD**2)
        return forecast * tokens.turns * tokens.size, spread * tokens.size


def own_frame(
    series: Complex[Array, "n l k"], known: Bool[Array, "n l"], horizon: int
) -> tuple[
    Complex[Array, "n steps k"], Float[Array, "n 1 k"], Float[Array, "n k facts"]
]:
    """What brings each bin to mean frequency 0 and a real last sample, and its size.

    Also two facts: the logarithm of the size, and how coherent neighbouring steps are
    (the coherence time in units of the step).
    """
    length = series.shape[1]
    both = known[:, 1:] & known[:, :-1]
    pairs = jnp.where(both[..., None], series[:, 1:] * series[:, :-1].conj(), 0)
    lag = pairs.sum(1) / jnp.maximum(both.sum(1), 1)[:, None]
    power = (abs(series) ** 2).sum(1) / known.sum(1)[:, None]
    last = series[:, -1]
    turn, start = (angle(z.imag, z.real) / (2 * jnp.pi) for z in (lag, last))
    steps = jnp.arange(length + horizon)[None, :, None] - (length - 1)
    frame = cis(-(turn[:, None] * steps + start[:, None]))
    size = jnp.sqrt(power)[:, None]
    coherence = abs(lag) / jnp.where(power > 0, power, 1)
    facts = jnp.stack([jnp.log10(jnp.maximum(power, LEAST)) / 2, coherence], axis=-1)
    return frame, jnp.where(size > 0, size, 1), facts


NUM_FACTS = 2 + 8 + len(AXES) + 3 * len(BANK) + 2


def rests_and_places(
    channel: Channel,
    bank: Options,
    row: Int[Array, "n k"],
    column: Int[Array, "n k"],
) -> Float[Array, "n k facts"]:
    """Facts that tokens carry: about the channel, the place in the grid, the fits."""
    rows, columns = channel.grid[0], channel.grid[1]
    up, across = cis(row / rows), cis(column / columns)
    # The median bin holds little but noise.
    noise = jnp.maximum(jnp.median(channel.power, axis=1), LEAST)
    ones = jnp.ones(row.shape)
    about = [
        jnp.log10(noise)[:, None] / 2 * ones,
        jnp.log10(channel.interval)[:, None] / 5 * ones,
        channel.known.mean(1)[:, None] * ones,
        *((channel.axis == i) * ones for i in range(len(AXES))),
        jnp.log10(channel.power.shape[1]) / 3 * ones,
    ]
    places = [up.real, up.imag, across.real, across.imag]
    shares = (bank.unexplained, bank.missed, bank.missed_around)
    records = [jnp.log10(jnp.maximum(share, LEAST)) / 3 for share in shares]
    return jnp.concatenate([jnp.stack(about + places, axis=-1), *records], axis=-1)


def continue_channel(
    joint: Joint, backbone: Backbone, channel: Channel, horizon: int
) -> tuple[Complex[Array, "n {horizon} bin"], Float[Array, "n {horizon} bin"]]:
    """Continues all bins, the strongest together, then the next, and so on.

    Returns forecast and spread, like `Joint`.
    """
    order = channel.strongest_first()
    n, bins = order.shape
    k = min(joint.config.bins, bins)
    # The last group reaches back where groups do not fill the grid.
    begins = jnp.minimum(jnp.arange(0, bins, k), bins - k)

    def group(
        carry: tuple[Array, Array], begin: Array
    ) -> tuple[tuple[Array, Array], None]:
        chosen = jax.lax.dynamic_slice_in_dim(order, begin, k, axis=1)
        parts = joint(backbone, channel, chosen, horizon)
        rows, steps = jnp.arange(n)[:, None, None], jnp.arange(horizon)[None, :, None]
        forecast, spread = (
            whole.at[rows, steps, chosen[:, None]].set(part)
            for whole, part in zip(carry, parts, strict=True)
        )
        return (forecast, spread), None

    empty = jnp.zeros((n, horizon, bins), channel.series.dtype)
    return jax.lax.scan(group, (empty, empty.real), begins)[0]


def channel_features(
    joint: Joint, backbone: Backbone, channel: Channel
) -> Float[Array, "n d"]:
    """The mean over the tokens of the strongest bins, what follows next included."""
    k = min(joint.config.bins, channel.power.shape[1])
    chosen = channel.strongest_first()[:, :k]
    tokens = joint.tokens(channel, chosen, joint.config.patch)
    return tokens.through(backbone).mean(1)
