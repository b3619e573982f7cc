"""A causal pre-norm Transformer over tokens: RMSNorm, rotary positions, GELU."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Float, Num

from wlam.nn.backbones.base import Backbone, BackboneConfig
from wlam.nn.experts import Experts, Load, in_layers

# Attention scores of keys that may not be seen. Finite, so that a row without any
# visible key stays finite too; exp(-1e9) is exactly zero in float32.
HIDDEN_SCORE = -1e9


@dataclass(frozen=True)
class TransformerConfig(BackboneConfig):
    """Sizes of the Transformer; named ones are `wlam.models.predictor.presets`."""

    # Channels of a token.
    width: int = 128
    # Blocks.
    layers: int = 4
    # Attention heads; must divide width into heads of even size.
    heads: int = 4
    # Hidden channels of the feed-forward layer over width.
    mlp_ratio: int = 4
    # Feed-forward layers in the place of each one, see wlam/nn/experts.py.
    experts: int = 1
    # Experts that a token uses.
    active: int = 1
    # Weight in the training loss of how uneven experts are used; of several.
    balance: float = 0.01

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise ValueError(
                f"backbone.heads: {self.heads} heads do not divide width {self.width} "
                "into heads of even size (rotary positions need pairs)"
            )
        if not 1 <= self.active <= self.experts:
            raise ValueError(
                f"backbone.active: found {self.active} of {self.experts} experts; "
                "needed at least 1 and at most all"
            )
        if not (math.isfinite(self.balance) and self.balance >= 0):
            raise ValueError(
                f"backbone.balance: found {self.balance}; needed at least 0"
            )

    def build(self, rngs: nnx.Rngs, dtype: jnp.dtype) -> "Transformer":
        return Transformer(self, rngs, dtype)


def rotate(
    x_BxNxHxD: Float[Array, "b n h d"], places: Num[Array, "#b n axis"]
) -> Float[Array, "b n h d"]:
    """Rotary position embedding (Su et al. 2021, arXiv 2104.09864).

    Scores then depend on the distance of two tokens only, so that a context keeps its
    meaning when it is padded on the left. Of several axes each has its share of the
    channels, in turn.
    """
    half = x_BxNxHxD.shape[-1] // 2
    pair = jnp.arange(half)
    frequency = 100.0 ** (-pair / half)  # contexts are tens of tokens long
    angle = places[..., pair % places.shape[-1]] * frequency[None, None]
    cos, sin = (
        f(angle)[:, :, None, :].astype(x_BxNxHxD.dtype) for f in (jnp.cos, jnp.sin)
    )
    a, b = x_BxNxHxD[..., :half], x_BxNxHxD[..., half:]
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)


class Attention(nnx.Module):
    """Causal multi-head self-attention that skips hidden tokens."""

    def __init__(self, config: TransformerConfig, rngs: nnx.Rngs, dtype: jnp.dtype):
        d = config.width
        self.heads = config.heads
        self.qkv = nnx.Linear(d, 3 * d, use_bias=False, dtype=dtype, rngs=rngs)
        self.out = nnx.Linear(d, d, use_bias=False, dtype=dtype, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "b n d"],
        visible: Bool[Array, "b n"],
        places: Num[Array, "b n axis"] | None,
    ) -> Float[Array, "b n d"]:
        weights, v = self.weights(x, visible, places)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, v)
        return self.out(rearrange(mixed, "b n h d -> b n (h d)"))

    def weights(
        self,
        x: Float[Array, "b n d"],
        visible: Bool[Array, "b n"],
        places: Num[Array, "b n axis"] | None,
    ) -> tuple[Float[Array, "b h n n"], Float[Array, "b n h c"]]:
        """How much each token (third axis) takes of each (last), and what there is."""
        n = x.shape[1]
        q, k, v = rearrange(
            self.qkv(x), "b n (three h d) -> three b n h d", three=3, h=self.heads
        )
        position = jnp.arange(n)[None, :, None] if places is None else places
        q, k = rotate(q, position), rotate(k, position)
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) * (q.shape[-1] ** -0.5)
        causal = jnp.tri(n, dtype=bool) if places is None else jnp.ones((n, n), bool)
        # Every token sees itself, so that a token before the context stays finite.
        seen = causal[None] & (visible[:, None, :] | jnp.eye(n, dtype=bool)[None])
        scores = jnp.where(seen[:, None], scores.astype(jnp.float32), HIDDEN_SCORE)
        return jax.nn.softmax(scores, axis=-1).astype(v.dtype), v


class Block(nnx.Module):
    """Attention and feed-forward, each on a normalised residual branch."""

    def __init__(self, config: TransformerConfig, rngs: nnx.Rngs, dtype: jnp.dtype):
        d, hidden = config.width, config.mlp_ratio * config.width
        self.norm1 = nnx.RMSNorm(d, rngs=rngs)  # norms stay in float32
        self.attention = Attention(config, rngs, dtype)
        self.norm2 = nnx.RMSNorm(d, rngs=rngs)
        if config.experts > 1:
            self.experts = Experts(
                d, hidden, config.experts, config.active, config.balance, rngs, dtype
            )
        else:
            self.experts = None
            self.up = nnx.Linear(d, hidden, dtype=dtype, rngs=rngs)
            self.down = nnx.Linear(hidden, d, dtype=dtype, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "b n d"],
        visible: Bool[Array, "b n"],
        places: Num[Array, "b n axis"] | None,
    ) -> tuple[Float[Array, "b n d"], Load | None]:
        x = x + self.attention(self.norm1(x), visible, places)
        if self.experts is None:
            return x + self.down(jax.nn.gelu(self.up(self.norm2(x)))), None
        change, load = self.experts(self.norm2(x), visible)
        return x + change, load


class Transformer(Backbone):
    """A stack of blocks."""

    def __init__(self, config: TransformerConfig, rngs: nnx.Rngs, dtype: jnp.dtype):
        self.blocks = nnx.List(
            [Block(config, rngs, dtype) for _ in range(config.layers)]
        )

    def __call__(
        self,
        tokens: Float[Array, "b n d"],
        visible: Bool[Array, "b n"],
        places: Num[Array, "b n axis"] | None = None,
    ) -> Float[Array, "b n d"]:
        return self.routed(tokens, visible, places)[0]

    def routed(
        self,
        tokens: Float[Array, "b n d"],
        visible: Bool[Array, "b n"],
        places: Num[Array, "b n axis"] | None = None,
    ) -> tuple[Float[Array, "b n d"], Load | None]:
        loads = []
        for block in self.blocks:
            tokens, load = block(tokens, visible, places)
            loads.append(load)
        loads = [load for load in loads if load is not None]
        return tokens, in_layers(loads) if loads else None

    def attention(
        self,
        tokens: Float[Array, "b n d"],
        visible: Bool[Array, "b n"],
        places: Num[Array, "b n axis"] | None = None,
    ) -> Float[Array, "layer b h n n"]:
        """The attention weights of every layer, for looking at."""
        found = []
        for block in self.blocks:
            found.append(
                block.attention.weights(block.norm1(tokens), visible, places)[0]
            )
            tokens, _ = block(tokens, visible, places)
        return jnp.stack(found)
