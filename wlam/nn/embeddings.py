"""Embeddings of tokens: patches of samples, and the interval between samples."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from wlam.types import AXES


class ResidualMlp(nnx.Module):
    """W2 silu(W1 norm(x)) + W3 x, the residual block of TimesFM (arXiv 2310.10688).

    The linear path keeps magnitudes: a linear predictor is a special case of the whole
    model. The input of the hidden path may be normalised.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        rngs: nnx.Rngs,
        dtype: jnp.dtype,
        normalise: bool = False,
    ):
        self.norm = nnx.RMSNorm(inputs, rngs=rngs) if normalise else None
        self.w1 = nnx.Linear(inputs, hidden, dtype=dtype, rngs=rngs)
        self.w2 = nnx.Linear(hidden, outputs, dtype=dtype, rngs=rngs)
        self.w3 = nnx.Linear(inputs, outputs, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "*b i"]) -> Float[Array, "*b o"]:
        h = x if self.norm is None else self.norm(x)
        return self.w2(jax.nn.silu(self.w1(h))) + self.w3(x)


class PatchEmbedding(nnx.Module):
    """A token from the samples of a patch, their mask, and other inputs."""

    def __init__(
        self, patch: int, beside: int, width: int, rngs: nnx.Rngs, dtype: jnp.dtype
    ):
        self.mlp = ResidualMlp(2 * patch + beside, 2 * width, width, rngs, dtype)

    def __call__(
        self,
        patches: Float[Array, "b n p"],
        hidden: Bool[Array, "b n p"],
        beside: Float[Array, "b n k"],
    ) -> Float[Array, "b n d"]:
        # Multiplying a hidden sample by zero would let a NaN through; where does not.
        shown = jnp.where(hidden, 0.0, patches)
        mask = hidden.astype(shown.dtype)
        return self.mlp(jnp.concatenate([shown, mask, beside], axis=-1))


@dataclass(frozen=True)
class GranularityConfig:
    """How the interval between two samples is encoded."""

    # Fourier features of log10(interval); a table of known intervals; no encoding.
    kind: Literal["continuous", "lookup", "none"] = "continuous"
    # Sine-cosine pairs of the continuous form, at pi/8 * 2^k per decade.
    num_frequencies: int = 6
    # Entries of the lookup form; an interval takes the entry nearest in log.
    known_intervals: tuple[float, ...] = ()


class Granularity(nnx.Module):
    """Embedding of the sampling interval, one vector a series.

    The continuous form is an MLP of Fourier features of log10(interval), so that an
    interval between those of training lands between their embeddings. Frequencies stop
    at 4 pi per decade: higher ones separate intervals that a model should treat
    alike. The axis gives further features, because 1e5 seconds and 1e5 Hz have nothing
    in common.
    """

    def __init__(
        self, config: GranularityConfig, width: int, rngs: nnx.Rngs, dtype: jnp.dtype
    ):
        self.config = config
        if config.kind == "continuous":
            inputs = 2 * config.num_frequencies + 1 + len(AXES)
            self.mlp = ResidualMlp(inputs, width, width, rngs, dtype)
        elif config.kind == "lookup":
            if not config.known_intervals:
                raise ValueError(
                    "granularity.known_intervals: empty, the lookup form needs at "
                    "least one interval"
                )
            self.table = nnx.Embed(
                len(AXES) * len(config.known_intervals), width, rngs=rngs
            )

    def __call__(
        self, interval: Float[Array, " b"], axis: Int[Array, " b"]
    ) -> Float[Array, "b #d"]:
        if self.config.kind == "none":
            return jnp.zeros((interval.size, 1))
        decade = jnp.log10(interval)
        if self.config.kind == "lookup":
            known = jnp.log10(jnp.array(self.config.known_intervals))
            nearest = jnp.argmin(abs(decade[:, None] - known[None]), axis=1)
            return self.table(nearest + axis * len(self.config.known_intervals))
        frequency = jnp.pi / 8 * 2.0 ** jnp.arange(self.config.num_frequencies)
        phase = decade[:, None] * frequency[None]
        features = [jnp.sin(phase), jnp.cos(phase), decade[:, None] / 5]
        features.append(jax.nn.one_hot(axis, len(AXES)))
        return self.mlp(jnp.concatenate(features, axis=1))
