"""The joint way in: all bins of a channel at once, for the same backbone.

A channel is a tensor [time, subcarrier, antenna]. One of its axes is to be continued,
or to be completed where only every n-th step of it is known (pilots on a comb); the
others go to where channels are sparse (delay, angle, Doppler), so that what is left is
a grid of bins with a series each. The strongest bins enter together, a token for every
patch of every bin, and see each other. Tokens know where they are by rotary positions
(patch, bin, bin): sizes never seen in training are more of the same. Patches of what is
asked for hold what training-free methods say of it, be they the continuations of
`wlam.baselines.bank.ar_bank` or the estimates between pilots of
`wlam.baselines.bank.smoothers`.

Every bin is turned so that its mean frequency is zero and its last sample real, and
divided by its own size: what is asked of the network does not depend on where in the
spectrum a path lies, nor on phases and units. What it answers is turned back.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Complex, Float, Int

from wlam.baselines.bank.ar_bank import (
    LIMIT,
    NUM_EXPERTS,
    TINY,
    BankFit,
    BankForecasts,
    backtest_logits,
    bank_forecasts,
    fit_bank,
)
from wlam.baselines.bank.smoothers import SmootherFit, fit_smoothers, smoothed
from wlam.nn.backbones.base import Backbone
from wlam.nn.embeddings import ResidualMlp
from wlam.nn.experts import Load
from wlam.ops.phasor import angle, cis
from wlam.types import AXES

LEAST = 1e-5
"""Ratios of powers below this are not told apart: training has noise, users may not."""
LEAST_SPREAD = 1e-3
"""Of a forecast, in units of its bin's size: errors of clean channels go to zero."""
LOG_RANGE = 6.0
"""Spreads differ by at most exp of this from what the bank's record and its agreement
suggest."""


@dataclass(frozen=True)
class ChannelTokenizerConfig:
    """How channels enter the model as a whole."""

    # Steps that make one token.
    patch: int = 8
    # Bins that see each other; weaker ones come in groups of their own.
    bins: int = 128


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Channel:
    """What is known of a channel, and the training-free fits to it."""

    series: Complex[Array, "n l bin"]  # mean power 1; unknown steps are 0
    known: Bool[Array, "n l"]
    at: Int[Array, " p"]  # steps that are known at all, evenly spaced
    level: Float[Array, " n"]  # what the series were divided by
    power: Float[Array, "n bin"]
    fits: BankFit | SmootherFit
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
        """A channel that is to be continued.

        Args:
            x: series of all bins.
            known: which steps are known; the others have no influence. The last is.
            interval: spacing of the steps, in s or Hz.
            axis: index into `AXES`, what the series run along.
            horizon: steps that will be asked for.
        """
        x, level, power = normalised(x, known)
        at = jnp.arange(x.shape[1])
        fits = fit_bank(x, known, horizon)
        return Channel.with_fits(x, known, at, level, power, fits, interval, axis)

    @staticmethod
    def sparse(
        x: Complex[Array, "n l u v"],
        at: Int[Array, " p"],
        interval: Float[Array, " n"],
        axis: int,
    ) -> "Channel":
        """A channel that is to be completed.

        Args:
            x: series of all bins.
            at: the steps that are known, two or more, rising and evenly spaced; the
                others have no influence.
            interval, axis: see `of`.
        """
        known = jnp.zeros(x.shape[1], bool).at[at].set(True)
        known = jnp.broadcast_to(known[None], x.shape[:2])
        x, level, power = normalised(x, known)
        fits = fit_smoothers(x[:, at])
        return Channel.with_fits(x, known, at, level, power, fits, interval, axis)

    @staticmethod
    def with_fits(
        x: Complex[Array, "n l u v"],
        known: Bool[Array, "n l"],
        at: Int[Array, " p"],
        level: Float[Array, " n"],
        power: Float[Array, "n u v"],
        fits: BankFit | SmootherFit,
        interval: Float[Array, " n"],
        axis: int,
    ) -> "Channel":
        """The same on a flat grid."""
        return Channel(
            series=rearrange(x, "n l u v -> n l (u v)"),
            known=known,
            at=at,
            level=level,
            power=rearrange(power, "n u v -> n (u v)"),
            fits=fits,
            interval=interval,
            axis=jnp.asarray(axis),
            grid=jnp.array(x.shape[2:]),
        )

    @property
    def completes(self) -> bool:
        """Whether the steps of the context itself are asked for, not those after it."""
        return isinstance(self.fits, SmootherFit)

    def options(self, chosen: Int[Array, "n k"], horizon: int) -> BankForecasts:
        """What training-free methods say of the chosen bins, in units of the level.

        Args:
            chosen: bins, as indices into the flat grid.
            horizon: steps to continue them by; all of the context are completed.
        """
        if isinstance(self.fits, SmootherFit):
            steps = jnp.arange(self.series.shape[1]) - self.at[0]
            return smoothed(self.fits, chosen, steps / spacing(self.at))
        series = jnp.take_along_axis(self.series, chosen[:, None], axis=2)
        return bank_forecasts(series, self.fits, chosen, horizon)

    def strongest_first(self) -> Int[Array, "n bin"]:
        """All bins by falling power."""
        return jnp.argsort(-self.power, axis=1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Tokens:
    """What the backbone gets for some bins, and what leads back from its answer."""

    values: Float[Array, "n kq d"]  # all patches of a bin, then of the next
    positions: Int[Array, "n kq 3"]  # patch, row and column
    bank: BankForecasts  # in the bins' own frames and units
    turns: Complex[Array, "n h k"]  # back from the frames
    size: Float[Array, "n 1 k"]  # back from the units
    # Steps that fill the first patch of what is asked for, and are not asked for.
    filled: int = field(metadata={"static": True})

    def through(self, backbone: Backbone) -> Float[Array, "n kq d"]:
        """What the backbone makes of them."""
        return self.features_and_load(backbone)[0]

    def features_and_load(
        self, backbone: Backbone
    ) -> tuple[Float[Array, "n kq d"], Load | None]:
        """The features, and the load of the backbone's experts, if any."""
        visible = jnp.ones(self.values.shape[:2], bool)
        return backbone.features_and_load(self.values, visible, self.positions)


class ChannelTokenizer(nnx.Module):
    """Embedding and head of bins; the backbone between them is the model's."""

    def __init__(
        self,
        config: ChannelTokenizerConfig,
        width: int,
        rngs: nnx.Rngs,
        dtype: jnp.dtype,
    ):
        p = config.patch
        self.config = config
        inputs = 3 * p + 2 * p * (NUM_EXPERTS + 1) + NUM_FACTS
        self.embed = ResidualMlp(inputs, 2 * width, width, rngs, dtype)
        # For every step a weight of each member and of silence, a change, a spread.
        outputs = p * (NUM_EXPERTS + 1 + 2 + 1)
        self.head = ResidualMlp(width, 2 * width, outputs, rngs, dtype, normalise=True)
        for layer in (self.head.w2, self.head.w3):  # at first, the bank by its record
            layer.kernel[...] = jnp.zeros_like(layer.kernel[...])

    def tokens(
        self, channel: Channel, chosen: Int[Array, "n k"], horizon: int
    ) -> "Tokens":
        """Tokens of every patch of the chosen bins, and what their answers need."""
        length, p = channel.series.shape[1], self.config.patch
        series = jnp.take_along_axis(channel.series, chosen[:, None], axis=2)
        bank = channel.options(chosen, horizon)
        frame, size, facts = own_frame(series, channel.known, channel.at, horizon)
        # A silent bin was divided by 1 and has the size 0.
        heard = (series != 0).any(1, keepdims=True)
        series = series * frame[:, :length] / size
        asked = frame if channel.completes else frame[:, length:]
        options = bank.forecasts * (asked / size)[..., None]
        options = options / jnp.maximum(1, abs(options) / LIMIT)
        record = backtest_logits(bank)[:, None]
        mix = (jax.nn.softmax(record, axis=-1) * options).sum(-1, keepdims=True)

        # ---- patches of what is known, then of what is said of what is asked for -----
        row, column = chosen // channel.grid[1], chosen % channel.grid[1]
        facts = jnp.concatenate(
            [facts, rests_and_places(channel, bank, row, column)], axis=-1
        )
        before = -length % p
        filled, after = (before, 0) if channel.completes else (0, -horizon % p)
        known = jnp.broadcast_to(channel.known[..., None], series.shape)
        past = jnp.stack([series.real, series.imag, known], axis=-1)
        past = jnp.pad(past, ((0, 0), (before, 0), (0, 0), (0, 2 * NUM_EXPERTS + 2)))
        ahead = jnp.concatenate([mix, options[..., :-1]], axis=-1)
        ahead = jnp.concatenate([ahead.real, ahead.imag], axis=-1)
        ahead = jnp.pad(ahead, ((0, 0), (filled, after), (0, 0), (3, 0)))
        both = jnp.concatenate([past, ahead], axis=1)
        both = rearrange(both, "n (q p) k c -> n k q (p c)", p=p)
        facts = jnp.broadcast_to(facts[:, :, None], (*both.shape[:3], NUM_FACTS))
        tokens = self.embed(jnp.concatenate([both, facts], axis=-1))
        patches = jnp.arange(tokens.shape[2])
        if channel.completes:  # an estimate is where what it is of would be
            patches = patches % (len(patches) // 2)
        positions = jnp.stack(
            jnp.broadcast_arrays(
                patches[None, None],
                row[..., None],
                column[..., None],
            ),
            axis=-1,
        )
        return Tokens(
            values=rearrange(tokens, "n k q d -> n (k q) d").astype(jnp.float32),
            positions=rearrange(positions, "n k q c -> n (k q) c"),
            bank=replace(bank, forecasts=options),
            turns=asked.conj(),
            size=size * heard * channel.level[:, None, None],
            filled=filled,
        )

    def __call__(
        self,
        backbone: Backbone,
        channel: Channel,
        chosen: Int[Array, "n k"],
        horizon: int,
    ) -> tuple[Complex[Array, "n h k"], Float[Array, "n h k"]]:
        """Continues bins that see each other, or completes them.

        Args:
            backbone: of the model.
            channel: what is known.
            chosen: bins, as indices into the flat grid.
            horizon: steps to continue them by; 0 where they are to be completed.

        Returns:
            The forecast, and the root of the mean square error that is expected of it
            (complex: that of each part is smaller by the root of 2); of the horizon's
            steps, or of all steps of what is completed.
        """
        tokens = self.tokens(channel, chosen, horizon)
        return self.answer(tokens, tokens.through(backbone))

    def answer(
        self, tokens: Tokens, features: Float[Array, "n kq d"]
    ) -> tuple[Complex[Array, "n h k"], Float[Array, "n h k"]]:
        """What a call gives, from what the backbone made of the tokens."""
        p, bank, options = self.config.patch, tokens.bank, tokens.bank.forecasts
        features = rearrange(features, "n (k q) d -> n k q d", k=options.shape[2])
        # ---- a mix of what the bank says, a change, and a spread ---------------------
        steps, skip = options.shape[1], tokens.filled
        asked = features[:, :, -math.ceil((skip + steps) / p) :]
        out = self.head(asked).astype(jnp.float32)
        out = rearrange(out, "n k q (p c) -> n (q p) k c", p=p)[:, skip : skip + steps]
        weights = jax.nn.softmax(
            backtest_logits(bank)[:, None] + out[..., :-3], axis=-1
        )
        forecast = (weights * options).sum(-1)
        # Where those agree that count, as on a few clean tones, nothing is to change.
        apart = (weights * abs(options - forecast[..., None]) ** 2).sum(-1)
        change = jax.lax.complex(out[..., -3], out[..., -2])
        forecast = forecast + change * jnp.sqrt(apart + TINY)
        missed = (weights * bank.backtest_error[:, None]).sum(-1)
        # The spread does not ask for other weights.
        unit = jax.lax.stop_gradient(apart + missed)
        factor = jnp.exp(2 * LOG_RANGE * jnp.tanh(out[..., -1] / LOG_RANGE))
        spread = jnp.sqrt(factor * unit + LEAST_SPREAD**2)
        return forecast * tokens.turns * tokens.size, spread * tokens.size


def own_frame(
    series: Complex[Array, "n l k"],
    known: Bool[Array, "n l"],
    at: Int[Array, " p"],
    horizon: int,
) -> tuple[
    Complex[Array, "n steps k"], Float[Array, "n 1 k"], Float[Array, "n k facts"]
]:
    """What brings each bin to mean frequency 0 and a real last sample, and its size.

    Also two facts: the logarithm of the size, and how coherent neighbours among what is
    known are (the coherence time in units of their spacing).
    """
    neighbours, seen = series[:, at], known[:, at]
    both = seen[:, 1:] & seen[:, :-1]
    pairs = neighbours[:, 1:] * neighbours[:, :-1].conj()
    pairs = jnp.where(both[..., None], pairs, 0)
    lag = pairs.sum(1) / jnp.maximum(both.sum(1), 1)[:, None]
    power = (abs(series) ** 2).sum(1) / known.sum(1)[:, None]
    last = neighbours[:, -1]
    turn, start = (angle(z.imag, z.real) / (2 * jnp.pi) for z in (lag, last))
    turn = turn / spacing(at)
    steps = jnp.arange(series.shape[1] + horizon)[None, :, None] - at[-1]
    frame = cis(-(turn[:, None] * steps + start[:, None]))
    size = jnp.sqrt(power)[:, None]
    coherence = abs(lag) / jnp.where(power > 0, power, 1)
    facts = jnp.stack([jnp.log10(jnp.maximum(power, LEAST)) / 2, coherence], axis=-1)
    return frame, jnp.where(size > 0, size, 1), facts


def spacing(at: Int[Array, " p"]) -> Float[Array, ""]:
    """Steps between two that are known."""
    return (at[-1] - at[0]) / max(len(at) - 1, 1)


def normalised(
    x: Complex[Array, "n l u v"], known: Bool[Array, "n l"]
) -> tuple[Complex[Array, "n l u v"], Float[Array, " n"], Float[Array, "n u v"]]:
    """A channel of mean power 1, unknown steps 0; its level, and its bins' powers."""
    x = jnp.where(known[:, :, None, None], x, 0)
    # Squares of 1e-20 underflow, so the largest sample is taken out first.
    peak = abs(x).max((1, 2, 3))
    x = x / jnp.where(peak > 0, peak, 1)[:, None, None, None]
    power = (abs(x) ** 2).sum(1) / known.sum(1)[:, None, None]
    rms = jnp.sqrt(power.mean((1, 2)))
    rms = jnp.where(rms > 0, rms, 1)
    x = x / rms[:, None, None, None]
    return x, peak * rms, power / rms[:, None, None] ** 2


NUM_FACTS = 2 + 8 + len(AXES) + 3 * NUM_EXPERTS + 2


def rests_and_places(
    channel: Channel,
    bank: BankForecasts,
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
    shares = (bank.unexplained, bank.backtest_error, bank.pooled_error)
    records = [jnp.log10(jnp.maximum(share, LEAST)) / 3 for share in shares]
    return jnp.concatenate([jnp.stack(about + places, axis=-1), *records], axis=-1)


def all_bins(
    joint: ChannelTokenizer, backbone: Backbone, channel: Channel, horizon: int
) -> tuple[Complex[Array, "n h bin"], Float[Array, "n h bin"]]:
    """Answers for all bins, the strongest together, then the next, and so on.

    Arguments and answers are those of `ChannelTokenizer`.
    """
    order = channel.strongest_first()
    n, bins = order.shape
    k = min(joint.config.bins, bins)
    # The last group reaches back where groups do not fill the grid.
    begins = jnp.minimum(jnp.arange(0, bins, k), bins - k)
    asked = channel.series.shape[1] if channel.completes else horizon

    def group(
        carry: tuple[Array, Array], begin: Array
    ) -> tuple[tuple[Array, Array], None]:
        chosen = jax.lax.dynamic_slice_in_dim(order, begin, k, axis=1)
        parts = joint(backbone, channel, chosen, horizon)
        rows, steps = jnp.arange(n)[:, None, None], jnp.arange(asked)[None, :, None]
        forecast, spread = (
            whole.at[rows, steps, chosen[:, None]].set(part)
            for whole, part in zip(carry, parts, strict=True)
        )
        return (forecast, spread), None

    empty = jnp.zeros((n, asked, bins), channel.series.dtype)
    return jax.lax.scan(group, (empty, empty.real), begins)[0]


def channel_features(
    joint: ChannelTokenizer, backbone: Backbone, channel: Channel
) -> Float[Array, "n d"]:
    """The mean over the tokens of the strongest bins, what follows next included."""
    k = min(joint.config.bins, channel.power.shape[1])
    chosen = channel.strongest_first()[:, :k]
    tokens = joint.tokens(channel, chosen, joint.config.patch)
    return tokens.through(backbone).mean(1)
