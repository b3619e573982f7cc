"""A diffusion Transformer (DiT) of complex images, conditioned on step and labels.

Peebles & Xie, "Scalable diffusion models with Transformers", arXiv 2212.09748, with
adaLN-Zero: step and conditions give a scale, shift and gate for each block, and gates
are 0 at first, so that every block begins as the identity. Tokens are patches with
periodic embeddings of their absolute positions and rotary relative positions: these
alone would not separate one angle from another.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Complex, Float, Int

from wlam.nn.backbones.transformer import Attention, TransformerConfig

LONGEST = 1e4
"""Steps in a radian of the slowest wave of the step embedding."""
WAVES = 4
"""Sines, and as many cosines, of the position of a patch along an axis."""


@dataclass(frozen=True)
class DitConfig:
    """Sizes of the network; ValueError for sizes that are not allowed."""

    # Channels of a token.
    width: int = 192
    # Blocks.
    layers: int = 6
    # Attention heads; must divide width into heads of even size.
    heads: int = 6
    # Hidden channels of the feed-forward layer over width.
    mlp_ratio: int = 4
    # Rows and columns of a patch.
    patch: tuple[int, int] = (4, 4)
    # Number of values of each condition; one more value means none.
    conditions: tuple[int, ...] = ()
    # Sines, and as many cosines, of the step embedding.
    frequencies: int = 64

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise ValueError(
                f"heads: {self.heads} heads do not divide width {self.width} into "
                "heads of even size (rotary positions need pairs)"
            )
        numbers = (self.layers, self.mlp_ratio, *self.patch, *self.conditions)
        if min(numbers) < 1 or self.frequencies < 2:
            raise ValueError(
                f"layers, mlp_ratio, patch, conditions: found {numbers}; needed 1 or "
                "more of each, and 2 frequencies"
            )

    @property
    def none(self) -> tuple[int, ...]:
        """The value of each condition that means none."""
        return self.conditions


PRESETS = {
    "mimo": DitConfig(),
    "S": DitConfig(width=384, layers=12, heads=6, patch=(2, 2)),
    "B": DitConfig(width=768, layers=12, heads=12, patch=(2, 2)),
}
"""S and B are the paper's; mimo is for 64 x 16 antennas."""


class Modulation(NamedTuple):
    """Shifts, scales and gates of blocks and head, from step and conditions."""

    blocks: Float[Array, "*n layer 6 d"]  # shift, scale and gate of both branches
    head: Float[Array, "*n 2 d"]  # shift and scale


class Dit(nnx.Module):
    """x_t [n, u, v] to a prediction of the same shape; sizes are free."""

    def __init__(self, config: DitConfig, rngs: nnx.Rngs):
        d, zeros = config.width, nnx.initializers.zeros
        entries = 2 * config.patch[0] * config.patch[1]
        self.config = config
        self.embed = nnx.Linear(entries, d, rngs=rngs)
        self.place = nnx.Linear(4 * WAVES, d, use_bias=False, rngs=rngs)
        self.told = nnx.Sequential(
            nnx.Linear(2 * config.frequencies, d, rngs=rngs),
            nnx.silu,
            nnx.Linear(d, d, rngs=rngs),
        )
        self.conditions = nnx.List(
            [nnx.Embed(count + 1, d, rngs=rngs) for count in config.conditions]
        )
        self.blocks = nnx.List([DitBlock(config, rngs) for _ in range(config.layers)])
        self.modulate = nnx.Linear(
            d, 6 * d * config.layers, kernel_init=zeros, rngs=rngs
        )
        self.norm = nnx.LayerNorm(d, use_bias=False, use_scale=False, rngs=rngs)
        self.modulate_head = nnx.Linear(d, 2 * d, kernel_init=zeros, rngs=rngs)
        self.head = nnx.Linear(d, entries, kernel_init=zeros, rngs=rngs)

    def modulation(
        self, step: Int[Array, " n"], condition: Int[Array, "n c"] | None = None
    ) -> Modulation:
        """Modulations of n steps and conditions; for all steps of a sampler at once.

        Args:
            condition: one of each kind, `config.none` where there is none; None: no
                conditions.
        """
        count = self.config.frequencies
        frequency = LONGEST ** (-jnp.arange(count) / (count - 1))
        phase = step[:, None] * frequency[None]
        about = self.told(jnp.concatenate([jnp.sin(phase), jnp.cos(phase)], axis=1))
        if condition is None:
            none = jnp.array(self.config.none, jnp.int32)[None]
            condition = jnp.broadcast_to(none, (len(step), none.shape[1]))
        for i, table in enumerate(self.conditions):
            about += table(condition[:, i])
        about = jax.nn.silu(about)
        return Modulation(
            rearrange(
                self.modulate(about),
                "n (layer six d) -> n layer six d",
                six=6,
                layer=self.config.layers,
            ),
            rearrange(self.modulate_head(about), "n (two d) -> n two d", two=2),
        )

    def __call__(
        self, x: Complex[Array, "n u v"], modulation: Modulation
    ) -> Complex[Array, "n u v"]:
        """The prediction.

        Args:
            x: sides are multiples of the patch.
            modulation: of each sample, or one for all.

        Raises:
            ValueError: sides that are no multiples of the patch.
        """
        p, q = self.config.patch
        if x.shape[1] % p or x.shape[2] % q:
            raise ValueError(
                f"x: found {x.shape[1]} x {x.shape[2]}; needed multiples of the patch, "
                f"{p} x {q}"
            )
        planes = jnp.stack([x.real, x.imag], axis=-1)
        tokens = rearrange(planes, "n (u p) (v q) c -> n (u v) (p q c)", p=p, q=q)
        rows, columns = x.shape[1] // p, x.shape[2] // q
        positions = jnp.stack(
            jnp.meshgrid(jnp.arange(rows), jnp.arange(columns), indexing="ij"), axis=-1
        ).reshape(1, -1, 2)
        about = rearrange(around(rows, columns), "u v w -> 1 (u v) w")
        tokens = self.embed(tokens) + self.place(about)
        positions = jnp.broadcast_to(positions, (*tokens.shape[:2], 2))
        for i, block in enumerate(self.blocks):
            tokens = block(tokens, modulation.blocks[:, i], positions)
        shift, scale = jnp.split(modulation.head, 2, axis=1)
        planes = self.head(self.norm(tokens) * (1 + scale) + shift)
        planes = rearrange(
            planes, "n (u v) (p q c) -> n (u p) (v q) c", p=p, q=q, u=rows, c=2
        )
        return jax.lax.complex(planes[..., 0], planes[..., 1])

    def predict(
        self,
        x: Complex[Array, "n u v"],
        step: Int[Array, " n"],
        condition: Int[Array, "n c"] | None = None,
    ) -> Complex[Array, "n u v"]:
        """A call with the step itself, the form of `denoising_loss`."""
        return self(x, self.modulation(step, condition))


def around(rows: int, columns: int) -> Float[Array, "u v w"]:
    """Sines and cosines of positions along both axes, which are periodic like bins."""
    waves = []
    for size, axis in ((rows, 0), (columns, 1)):
        phase = (
            2 * np.pi * np.outer((np.arange(size) + 0.5) / size, 1 + np.arange(WAVES))
        )
        wave = np.concatenate([np.sin(phase), np.cos(phase)], axis=1)
        wave = np.expand_dims(wave, 1 - axis)
        waves.append(np.broadcast_to(wave, (rows, columns, 2 * WAVES)))
    return jnp.asarray(np.concatenate(waves, axis=2), jnp.float32)


class DitBlock(nnx.Module):
    """Attention and feed-forward, each with a shift, scale and gate as inputs."""

    def __init__(self, config: DitConfig, rngs: nnx.Rngs):
        d, hidden = config.width, config.mlp_ratio * config.width
        sizes = TransformerConfig(width=d, layers=1, heads=config.heads)
        # The modulation scales and shifts instead.
        plain = {"use_bias": False, "use_scale": False, "rngs": rngs}
        self.norm1 = nnx.LayerNorm(d, **plain)
        self.attention = Attention(sizes, rngs, jnp.dtype("float32"))
        self.norm2 = nnx.LayerNorm(d, **plain)
        self.up = nnx.Linear(d, hidden, rngs=rngs)
        self.down = nnx.Linear(hidden, d, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "n token d"],
        modulation: Float[Array, "#n 6 d"],
        positions: Int[Array, "n token 2"],
    ) -> Float[Array, "n token d"]:
        shift, scale, gate, shift2, scale2, gate2 = jnp.split(modulation, 6, axis=1)
        visible = jnp.ones(x.shape[:2], bool)
        normed = self.norm1(x) * (1 + scale) + shift
        x = x + gate * self.attention(normed, visible, positions)
        normed = self.norm2(x) * (1 + scale2) + shift2
        hidden = jax.nn.gelu(self.up(normed))
        return x + gate2 * self.down(hidden)
