"""A causal pre-norm Transformer over tokens: RMSNorm, rotary positions, GELU."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from einops import rearrange
from flax import nnx
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, Num

from wlam.nn.backbones.base import Backbone, BackboneConfig
from wlam.nn.experts import Experts, Load, in_layers

# Attention scores of masked keys. Finite, so that a series without any visible key
# stays finite too; exp(-1e9) is exactly zero in float32.
HIDDEN_SCORE = -1e9

KeysValues = tuple[Float[Array, "b length h c"], Float[Array, "b length h c"]]
"""Keys and values of a block, of each token so far."""


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
    # Experts in a feed-forward layer, see wlam/nn/experts.py.
    experts: int = 1
    # Experts that a token uses.
    active: int = 1
    # Weight of the load-balancing loss, where there are several experts.
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
    x_BxNxHxD: Float[Array, "b n h d"], positions: Num[Array, "#b n axis"]
) -> Float[Array, "b n h d"]:
    """Rotary position embedding (Su et al. 2021, arXiv 2104.09864).

    Scores depend on the distance of two tokens only, so that padding on the left
    changes no result. With several axes, channels are assigned to the axes in turn.
    """
    half = x_BxNxHxD.shape[-1] // 2
    pair = jnp.arange(half)
    frequency = 100.0 ** (-pair / half)  # contexts are tens of tokens long
    angle = positions[..., pair % positions.shape[-1]] * frequency[None, None]
    cos, sin = (
        f(angle)[:, :, None, :].astype(x_BxNxHxD.dtype) for f in (jnp.cos, jnp.sin)
    )
    a, b = x_BxNxHxD[..., :half], x_BxNxHxD[..., half:]
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)


class Attention(nnx.Module):
    """Causal multi-head self-attention that masks hidden tokens."""

    def __init__(self, config: TransformerConfig, rngs: nnx.Rngs, dtype: jnp.dtype):
        d = config.width
        self.heads = config.heads
        self.qkv = nnx.Linear(d, 3 * d, use_bias=False, dtype=dtype, rngs=rngs)
        self.out = nnx.Linear(d, d, use_bias=False, dtype=dtype, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "b n d"],
        visible: Bool[Array, "b n"],
        positions: Num[Array, "b n axis"] | None,
    ) -> Float[Array, "b n d"]:
        weights, v = self.weights(x, visible, positions)
        return self._mixed(weights, v)

    def step(
        self,
        x: Float[Array, "b 1 d"],
        cache: KeysValues,
        seen: Bool[Array, "b length"],
        at: Int[Array, ""],
    ) -> tuple[Float[Array, "b 1 d"], KeysValues]:
        """The output of token `at`, given keys and values of those before it."""
        q, k, v = self._heads(x)
        q, k = (rotate(z, at[None, None, None]) for z in (q, k))
        k, v = (
            jax.lax.dynamic_update_slice_in_dim(old, new, at, axis=1)
            for old, new in zip(cache, (k, v), strict=True)
        )
        return self._mixed(self._weights(q, k, seen[:, None]), v), (k, v)

    def weights(
        self,
        x: Float[Array, "b n d"],
        visible: Bool[Array, "b n"],
        positions: Num[Array, "b n axis"] | None,
    ) -> tuple[Float[Array, "b h n n"], Float[Array, "b n h c"]]:
        """Attention weights of a token (third axis) on each (last), and the values."""
        n = x.shape[1]
        q, k, v = self._heads(x)
        position = jnp.arange(n)[None, :, None] if positions is None else positions
        q, k = rotate(q, position), rotate(k, position)
        causal = jnp.tri(n, dtype=bool) if positions is None else jnp.ones((n, n), bool)
        # Every token attends to itself, so that one before the context stays finite.
        seen = causal[None] & (visible[:, None, :] | jnp.eye(n, dtype=bool)[None])
        return self._weights(q, k, seen), v

    def _heads(self, x: Float[Array, "b n d"]) -> Float[Array, "three b n h c"]:
        return rearrange(
            self.qkv(x), "b n (three h d) -> three b n h d", three=3, h=self.heads
        )

    def _weights(
        self,
        q: Float[Array, "b q h c"],
        k: Float[Array, "b k h c"],
        seen: Bool[Array, "b q k"],
    ) -> Float[Array, "b h q k"]:
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) * (q.shape[-1] ** -0.5)
        scores = jnp.where(seen[:, None], scores.astype(jnp.float32), HIDDEN_SCORE)
        return jax.nn.softmax(scores, axis=-1).astype(k.dtype)

    def _mixed(
        self, weights: Float[Array, "b h q k"], v: Float[Array, "b k h c"]
    ) -> Float[Array, "b q d"]:
        mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, v)
        return self.out(rearrange(mixed, "b n h d -> b n (h d)"))


class TransformerBlock(nnx.Module):
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
        positions: Num[Array, "b n axis"] | None,
    ) -> tuple[Float[Array, "b n d"], Load | None]:
        return self._feed(
            x + self.attention(self.norm1(x), visible, positions), visible
        )

    def step(
        self,
        x: Float[Array, "b 1 d"],
        visible: Bool[Array, "b 1"],
        cache: KeysValues,
        seen: Bool[Array, "b length"],
        at: Int[Array, ""],
    ) -> tuple[Float[Array, "b 1 d"], KeysValues]:
        """One token, given keys and values of those before it."""
        change, cache = self.attention.step(self.norm1(x), cache, seen, at)
        return self._feed(x + change, visible)[0], cache

    def _feed(
        self, x: Float[Array, "b n d"], visible: Bool[Array, "b n"]
    ) -> tuple[Float[Array, "b n d"], Load | None]:
        if self.experts is None:
            return x + self.down(jax.nn.gelu(self.up(self.norm2(x)))), None
        change, load = self.experts(self.norm2(x), visible)
        return x + change, load


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Cache:
    """Keys and values of the tokens that were read, by block."""

    blocks: tuple[KeysValues, ...]
    visible: Bool[Array, "b length"]
    count: Int[Array, ""]  # tokens so far


class Transformer(Backbone):
    """A stack of blocks."""

    def __init__(self, config: TransformerConfig, rngs: nnx.Rngs, dtype: jnp.dtype):
        self.blocks = nnx.List(
            [TransformerBlock(config, rngs, dtype) for _ in range(config.layers)]
        )

    def __call__(
        self,
        tokens: Float[Array, "b n d"],
        visible: Bool[Array, "b n"],
        positions: Num[Array, "b n axis"] | None = None,
    ) -> Float[Array, "b n d"]:
        return self.features_and_load(tokens, visible, positions)[0]

    def features_and_load(
        self,
        tokens: Float[Array, "b n d"],
        visible: Bool[Array, "b n"],
        positions: Num[Array, "b n axis"] | None = None,
    ) -> tuple[Float[Array, "b n d"], Load | None]:
        loads = []
        for block in self.blocks:
            tokens, load = block(tokens, visible, positions)
            loads.append(load)
        loads = [load for load in loads if load is not None]
        return tokens, in_layers(loads) if loads else None

    def start(self, batch: int, length: int) -> Cache:
        def empty(block: TransformerBlock) -> KeysValues:
            qkv, heads = block.attention.qkv, block.attention.heads
            shape = (batch, length, heads, qkv.in_features // heads)
            zeros = jnp.zeros(shape, qkv.dtype or jnp.float32)
            return zeros, zeros

        blocks = tuple(empty(block) for block in self.blocks)
        return Cache(blocks, jnp.zeros((batch, length), bool), jnp.zeros((), jnp.int32))

    def step(
        self,
        state: Cache,
        token: Float[Array, "b d"],
        visible: Bool[Array, " b"] | None = None,
    ) -> tuple[Cache, Float[Array, "b d"]]:
        visible = jnp.ones(len(token), bool) if visible is None else visible
        length, at = state.visible.shape[1], state.count
        if not isinstance(at, Tracer) and int(at) >= length:
            raise ValueError(
                f"length: found token {int(at) + 1} of a memory of {length}; needed "
                "a longer one from `start`"
            )
        # As in a call, only a hidden token itself attends to it.
        now = (jnp.arange(length) == at)[None]
        kept = jnp.where(now, visible[:, None], state.visible)
        x, blocks = token[:, None], []
        for block, cache in zip(self.blocks, state.blocks, strict=True):
            x, cache = block.step(x, visible[:, None], cache, kept | now, at)
            blocks.append(cache)
        return Cache(tuple(blocks), kept, at + 1), x[:, 0]

    def attention(
        self,
        tokens: Float[Array, "b n d"],
        visible: Bool[Array, "b n"],
        positions: Num[Array, "b n axis"] | None = None,
    ) -> Float[Array, "layer b h n n"]:
        """The attention weights of every layer, for inspection."""
        found = []
        for block in self.blocks:
            found.append(
                block.attention.weights(block.norm1(tokens), visible, positions)[0]
            )
            tokens, _ = block(tokens, visible, positions)
        return jnp.stack(found)
