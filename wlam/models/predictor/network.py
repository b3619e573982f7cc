"""The unified multi-task predictor: one scalar series in, its next patches out.

Sheng et al., "A wireless foundation model for multi-task prediction", arXiv 2507.05938:
univariate decomposition, granularity encoding, causal Transformer and patch masking.
Details that the paper leaves open are ours and are said where they are decided.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import jax
import jax.numpy as jnp
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from wlam.baselines.bank.series import FORECASTS
from wlam.models.base import (
    CHANNEL_SERIES,
    Figures,
    Network,
    NetworkConfig,
    TrainingWindow,
)
from wlam.models.predictor.channel_loss import channel_losses
from wlam.models.predictor.channels import ChannelTokenizer, ChannelTokenizerConfig
from wlam.models.predictor.inputs import SeriesInputs
from wlam.models.predictor.series_loss import series_loss
from wlam.models.predictor.sweep_loss import sweep_loss
from wlam.models.predictor.sweeps import SweepTokenizer, SweepTokenizerConfig
from wlam.nn.backbones.base import BackboneConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.nn.embeddings import (
    Granularity,
    GranularityConfig,
    PatchEmbedding,
    ResidualMlp,
)
from wlam.nn.experts import Load, in_all
from wlam.nn.quantiles import check_levels, offsets_of
from wlam.tasks import layout_of
from wlam.types import Batch, ChannelBatch, DataError, SeriesBatch, SweepBatch

if TYPE_CHECKING:
    import wlam.models.predictor.api

SHARPNESS = 2.0
"""The weights of training-free forecasts go with this power of one over their error."""
BIN_SERIES = 16
"""Bins of a channel that enter as single series in training on a file."""
SWEEP_SERIES = 4
"""Number of series that a sample of sweeps counts for."""
HEADS = ("line_of_sight",)
"""What a channel may be classified by: a probability for each."""
TINY = 1e-6
"""Keeps the root of the square of what forecasts are apart smooth."""


@dataclass(frozen=True)
class PredictorConfig(NetworkConfig):
    """Everything that fixes the parameters of a predictor."""

    # Any backbone's config; its class chooses the backbone.
    backbone: BackboneConfig = field(default_factory=TransformerConfig)
    # Samples that make one token.
    patch: int = 16
    # Patches that the head predicts at once.
    horizon_patches: int = 1
    # Levels of the quantiles that rows are given beside the forecast; may be empty.
    quantiles: tuple[float, ...] = (0.05, 0.25, 0.75, 0.95)
    # How the sampling interval reaches the model.
    granularity: GranularityConfig = field(default_factory=GranularityConfig)
    # Channels may also enter as a whole; None: only as rows.
    channels: ChannelTokenizerConfig | None = None
    # Sparse sweeps may enter, all beams of them wanted; None: they may not.
    sweeps: SweepTokenizerConfig | None = None
    # Names of HEADS: what channels as a whole are classified by, beside the forecast.
    heads: tuple[str, ...] = ()
    # Training-free forecasts are an input and one end of the residual; False: none is.
    baselines: bool = True
    # Of matrix products; parameters, norms and the residual stream stay float32.
    dtype: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        check_levels(self.quantiles)
        ways = [n for n in ("channels", "sweeps") if getattr(self, n) is not None]
        if ways and not (self.baselines and self.backbone.takes_positions):
            raise ValueError(
                f"model.{ways[0]}: found with baselines=False, or a backbone that "
                "takes no sets; needed None, or baselines and another backbone"
            )
        unknown = [name for name in self.heads if name not in HEADS]
        if unknown or (self.heads and self.channels is None):
            raise ValueError(
                f"model.heads: found {self.heads} with model.channels={self.channels}; "
                f"needed some of {', '.join(HEADS)}, and channels as a whole"
            )

    def build(self, rngs: nnx.Rngs) -> "Predictor":
        return Predictor(self, rngs)

    def training_window(
        self, task: str, shape: tuple[int, ...], context: int, horizon: int
    ) -> TrainingWindow:
        layout = layout_of(task)
        if layout.pilots:
            raise DataError(
                f"task: found {task}, which trains estimators; needed csi_pilots_4 or "
                "csi_pilots_8 for this model, or an estimator as --init"
            )
        if layout.name == "rsrp_db" and self.sweeps:
            known = min(context, self.sweeps.sweeps)
            length = known + min(horizon, self.sweeps.ahead)
            return TrainingWindow(length, known, SWEEP_SERIES)
        if layout.name == "csi" and self.channels:
            return super().training_window(task, shape, context, horizon)
        # As single series, in whole patches.
        steps = shape[layout.axes.index(layout.target)]
        length = math.ceil(layout.span(context, horizon) / self.patch) * self.patch
        length = max(2 * self.patch, length)
        length = min(length, steps // self.patch * self.patch)
        if length < 2 * self.patch:
            raise DataError(
                f"data: found {steps} steps along the {layout.target} axis to train "
                f"on; needed at least two patches of the model, {2 * self.patch}"
            )
        channels = shape[-1] if len(shape) > 2 else 1
        series = BIN_SERIES if layout.name == "csi" else min(channels, CHANNEL_SERIES)
        return TrainingWindow(length, None, series)


class Predictor(Network):
    """Next-patch predictor of normalised scalar series, the same for every task."""

    def __init__(self, config: PredictorConfig, rngs: nnx.Rngs):
        dtype, width = jnp.dtype(config.dtype), config.backbone.width
        self.config = config
        self.horizon = config.horizon_patches * config.patch
        beside = len(FORECASTS) * (self.horizon + 1) if config.baselines else 0
        self.embed = PatchEmbedding(config.patch, beside, width, rngs, dtype)
        self.granularity = Granularity(config.granularity, width, rngs, dtype)
        self.backbone = config.backbone.build(rngs, dtype)
        # For every sample a change, a gap for each quantile, a weight for each guess.
        weights = len(FORECASTS) if config.baselines else 0
        outputs = (1 + len(config.quantiles) + weights) * self.horizon
        self.head = ResidualMlp(width, 2 * width, outputs, rngs, dtype, normalise=True)
        if config.baselines:
            for layer in (self.head.w2, self.head.w3):  # at first, the mix by record
                layer.kernel[...] = jnp.zeros_like(layer.kernel[...])
        self.channels = (
            None
            if config.channels is None
            else ChannelTokenizer(config.channels, width, rngs, dtype)
        )
        self.sweeps = (
            None
            if config.sweeps is None
            else SweepTokenizer(config.sweeps, width, rngs, dtype)
        )
        self.heads = nnx.Dict(
            {
                name: ResidualMlp(width, width, 1, rngs, dtype, normalise=True)
                for name in config.heads
            }
        )

    def losses(
        self, batch: Mapping[str, Batch], key: PRNGKeyArray
    ) -> tuple[Figures, Figures]:
        """The losses of next-patch prediction under random contexts, of all sources.

        Experts of the backbone add `experts/penalty`, how unevenly they are used over
        the tokens of all sources together, since each source may have experts of its
        own. The figures are then `experts/balance`, the mean over layers, and
        `experts/largest_share`, the largest over layers; without experts there are
        none. See `wlam.models.base.Network.losses`.

        Raises:
            ValueError: a batch is of another type, or none that the model takes.
        """
        names = sorted(batch)
        keys = {name: jax.random.fold_in(key, i) for i, name in enumerate(names)}
        for name, part in batch.items():
            if not isinstance(part, SeriesBatch | ChannelBatch | SweepBatch):
                raise ValueError(
                    f"mixture: found {type(part).__name__} as {name}; needed series, "
                    "channels or sweeps"
                )
        channels = {n: x for n, x in batch.items() if isinstance(x, ChannelBatch)}
        last_key = jax.random.fold_in(key, len(keys))
        losses, loads = channel_losses(self, channels, last_key)
        for name, part in batch.items():
            if isinstance(part, SeriesBatch):
                losses[name], load = series_loss(self, part, keys[name])
                loads.append(load)
        for name, part in batch.items():
            if isinstance(part, SweepBatch):
                losses[name], load = sweep_loss(self, part, keys[name])
                loads.append(load)
        known = [load for load in loads if load is not None]
        if not known:
            return losses, {}
        load = in_all(known)
        balance = load.balance()
        figures = {
            "experts/balance": balance.mean(),
            "experts/largest_share": load.shares().max(),
        }
        return losses | {"experts/penalty": load.weight * balance.sum()}, figures

    def model(self) -> "wlam.models.predictor.api.PredictorAPI":
        """What `wlam.load` gives."""
        from wlam.models.predictor.api import PredictorAPI  # which imports this file

        return PredictorAPI(self)

    def __call__(self, rows: SeriesInputs) -> Float[Array, "b n q"]:
        """Predicts, after every patch, the samples that follow it.

        The forecast is a mix of training-free ones, weighed by what each missed so far
        and by what the model makes of it for every sample, plus a change.

        Returns:
            [:, i] is the forecast of the q = horizon_patches * patch samples after
            patch i, from patches 0..i only; in the units of the values.
        """
        return self.distribution(rows)[0]

    def distribution(
        self, rows: SeriesInputs
    ) -> tuple[Float[Array, "b n q"], Float[Array, "b n q level"]]:
        """Like a call, and the quantiles of `config.quantiles` minus the forecast."""
        return self.answer(self.features_and_load(rows)[0], rows)

    def answer(
        self, features: Float[Array, "b n d"], rows: SeriesInputs
    ) -> tuple[Float[Array, "b n q"], Float[Array, "b n q level"]]:
        """What `distribution` gives, from the features of the patches."""
        q, p = self.horizon, self.config.patch
        out = self.head(features).astype(jnp.float32)
        levels = len(self.config.quantiles)
        forecast, gaps, weights = jnp.split(out, [q, q + q * levels], axis=-1)
        gaps = rearrange(gaps, "b n (level q) -> b n q level", q=q)
        offsets = offsets_of(gaps, self.config.quantiles)
        if not self.config.baselines:
            forecast += last_visible(
                rearrange(rows.values, "b (n p) -> b n p", p=p),
                rearrange(rows.hidden, "b (n p) -> b n p", p=p),
            )[..., None]
            return forecast, offsets
        options, missed = rows.guesses.forecasts, rows.guesses.backtest_error
        weights = rearrange(weights, "b n (q o) -> b n q o", q=q)
        weights = jax.nn.softmax(weights - SHARPNESS * jnp.log(missed), axis=-1)
        mix = (weights * options).sum(-1)
        # Where those agree that count there is little to change.
        apart = (weights * (options - mix[..., None]) ** 2).sum(-1)
        forecast = mix + forecast * jnp.sqrt(apart + TINY)
        # The quantiles do not ask for other weights.
        unit = jax.lax.stop_gradient(apart + (weights * missed).sum(-1))
        return forecast, offsets * jnp.sqrt(unit)[..., None]

    def features_and_load(
        self, rows: SeriesInputs
    ) -> tuple[Float[Array, "b n d"], Load | None]:
        """What the backbone makes of every patch and those before it: features.

        And the load of the backbone's experts, if any.
        """
        p = self.config.patch
        patches = rearrange(rows.values, "b (n p) -> b n p", p=p)
        masks = rearrange(rows.hidden, "b (n p) -> b n p", p=p)
        granularity = self.granularity(rows.interval, rows.axis)
        beside = patches[..., :0]
        if self.config.baselines:
            by_step = rearrange(rows.guesses.forecasts, "b n q o -> b n (q o)")
            record = jnp.log10(rows.guesses.backtest_error[:, :, -1])
            beside = jnp.concatenate([by_step, record], axis=-1)
        tokens = self.embed(patches, masks, beside) + granularity[:, None, :]
        visible = ~jnp.all(masks, axis=-1)
        return self.backbone.features_and_load(tokens.astype(jnp.float32), visible)


def last_visible(
    patches: Float[Array, "b n p"], hidden: Bool[Array, "b n p"]
) -> Float[Array, "b n"]:
    """The last sample of each patch that is not hidden, 0 (the mean) where all are."""
    p = patches.shape[-1]
    index = jnp.max(jnp.where(hidden, -1, jnp.arange(p)[None, None]), axis=-1)
    last = jnp.take_along_axis(patches, jnp.maximum(index, 0)[..., None], axis=-1)
    return jnp.where(index < 0, 0.0, last[..., 0])
