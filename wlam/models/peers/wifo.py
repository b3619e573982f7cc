"""WiFo: a masked autoencoder of channels [time, antenna, subcarrier].

Liu et al., "WiFo: wireless foundation model for channel prediction", Science China
Information Sciences 68 (2025) 162302, arXiv 2412.08908, and the code of its authors:
3-D patches, a pre-norm Transformer that encodes the visible ones, a shallower one that
decodes all, learned mask tokens, fixed sine and cosine positions.

Parameters at widths d of 64, 128, 256 and 512: 355,776, 1,374,976, 5,404,032 and
21,424,768, or 81 d^2 + 373 d + 128. The published module counts 172 d more, 366,784,
1,396,992, 5,448,064 and 21,512,832: it has tables of 64 + 4 + 32 + 4 + 64 + 4 learned
positions, which its sine and cosine positions leave unused. They are left out here.

What differs from the publication: samples are scaled by their visible patches instead
of a whole set's, targets are noise-free like those of every model here, and a mask
along the axis that an ingredient continues keeps that ingredient's context.
"""

import math
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Complex, Float, Float32, PRNGKeyArray

from wlam.models.base import NetworkConfig
from wlam.models.peers.channels import ChannelNetwork, to_channel, to_steps
from wlam.nn.scale import fit_scale
from wlam.types import TIME, Batch, ChannelBatch

RANDOM_KEPT = 0.15
"""Share of the patches that a random mask keeps; masks along an axis keep half of it,
or the context of the ingredient."""


@dataclass(frozen=True)
class WifoConfig(NetworkConfig):
    """Sizes of WiFo; the published widths are 64, 128, 256 and 512."""

    # Channels of a token.
    width: int = 64
    # Blocks that see the visible patches only.
    encoder_layers: int = 6
    # Blocks that see all patches.
    decoder_layers: int = 4
    # Attention heads; must divide width.
    heads: int = 8
    # Hidden channels of the feed-forward layer over width.
    mlp_ratio: int = 2
    # Steps, antennas and subcarriers along each edge of a patch.
    patch: int = 4
    # What is trained on; one is drawn for every ingredient and step.
    masks: tuple[Literal["random", "time", "frequency"], ...] = (
        "random",
        "time",
        "frequency",
    )
    # Of matrix products; parameters, norms and the residual stream stay float32.
    dtype: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        if self.width % self.heads or self.width % 2 or self.width < 6:
            raise ValueError(
                f"model.width: found {self.width}; needed an even multiple of "
                f"model.heads, {self.heads}, and at least 6"
            )
        if not self.masks:
            raise ValueError("model.masks: found none; needed at least one")

    def build(self, rngs: nnx.Rngs) -> "Wifo":
        return Wifo(self, rngs)


Sizes = tuple[int, int, int]
"""Patches along time, antennas and subcarriers."""


def patchify(
    channel: Complex[Array, "n t a k"], p: int
) -> tuple[Float[Array, "n token e"], Sizes]:
    """Real and imaginary parts of every p x p x p patch, and how many lie where."""
    parts = jnp.stack([channel.real, channel.imag], axis=-1)
    patches = rearrange(
        parts, "n (t p) (a q) (k r) c -> n (t a k) (c p q r)", p=p, q=p, r=p
    )
    _, t, a, k = channel.shape
    return patches, (t // p, a // p, k // p)


def unpatchify(
    patches: Float[Array, "n token e"], sizes: Sizes, p: int
) -> Complex[Array, "n t a k"]:
    """The inverse of `patchify`."""
    t, a, _ = sizes
    parts = rearrange(
        patches,
        "n (t a k) (c p q r) -> c n (t p) (a q) (k r)",
        t=t, a=a, c=2, p=p, q=p, r=p,
    )  # fmt: skip
    return jax.lax.complex(parts[0], parts[1])


def positions(sizes: Sizes, width: int) -> Float32[np.ndarray, "token {width}"]:
    """Sines and cosines of a patch's place in time, antennas and subcarriers.

    Each axis has a third of the channels, rounded to even: 22, 22, 20 of 64, and 86,
    86, 84 of 256. Within it frequencies fall from 1 to 1 / 10,000 rad per patch.
    """
    third = 2 * round(width / 6)
    places = np.meshgrid(*map(np.arange, sizes), indexing="ij")
    parts = []
    for place, share in zip(places, (third, third, width - 2 * third), strict=True):
        frequency = 10_000.0 ** (-np.arange(share // 2) / (share / 2))
        phase = place.ravel()[:, None] * frequency
        parts += [np.sin(phase), np.cos(phase)]
    return np.concatenate(parts, axis=1).astype(np.float32)


def draw_visible(
    key: PRNGKeyArray,
    n: int,
    sizes: Sizes,
    kept: tuple[int, int],
    masks: tuple[str, ...],
) -> Bool[Array, "n token"]:
    """Draws one kind of mask, and says which patches it leaves visible.

    Args:
        kept: patches along time, and along subcarriers, that masks along them leave.
        masks: the kinds to choose from, with equal chances.
    """
    kind_key, order_key = jax.random.split(key)
    times, _, subcarriers = np.indices(sizes).reshape(3, -1)
    count = math.prod(sizes)
    rank = jnp.argsort(jax.random.uniform(order_key, (n, count)), axis=1)
    options = {
        "random": rank < max(1, int(RANDOM_KEPT * count)),
        "time": jnp.broadcast_to(times[None] < kept[0], (n, count)),
        "frequency": jnp.broadcast_to(subcarriers[None] < kept[1], (n, count)),
    }
    kind = jax.random.randint(kind_key, (), 0, len(masks))
    return jnp.stack([options[name] for name in masks])[kind]


class Block(nnx.Module):
    """Pre-norm attention and feed-forward."""

    def __init__(self, config: WifoConfig, rngs: nnx.Rngs):
        d, hidden = config.width, config.mlp_ratio * config.width
        dtype, xavier = jnp.dtype(config.dtype), jax.nn.initializers.xavier_uniform()
        self.heads = config.heads
        self.norm1 = nnx.LayerNorm(d, epsilon=1e-6, rngs=rngs)
        # LeCun's for three square matrices side by side is Xavier's for each.
        lecun = jax.nn.initializers.lecun_uniform()
        self.qkv = nnx.Linear(d, 3 * d, kernel_init=lecun, dtype=dtype, rngs=rngs)
        self.out = nnx.Linear(d, d, kernel_init=xavier, dtype=dtype, rngs=rngs)
        self.norm2 = nnx.LayerNorm(d, epsilon=1e-6, rngs=rngs)
        self.up = nnx.Linear(d, hidden, kernel_init=xavier, dtype=dtype, rngs=rngs)
        self.down = nnx.Linear(hidden, d, kernel_init=xavier, dtype=dtype, rngs=rngs)

    def __call__(
        self, x: Float[Array, "n token d"], visible: Bool[Array, "n token"]
    ) -> Float[Array, "n token d"]:
        q, k, v = rearrange(
            self.qkv(self.norm1(x)),
            "n token (three h d) -> three n token h d",
            three=3,
            h=self.heads,
        )
        seen = visible[:, None, None, :]
        mixed = jax.nn.dot_product_attention(q, k, v, mask=seen)
        x = x + self.out(rearrange(mixed, "n token h d -> n token (h d)"))
        hidden = jax.nn.gelu(self.up(self.norm2(x)), approximate=False)
        return x + self.down(hidden)


class Wifo(ChannelNetwork):
    """The autoencoder, its loss and its forecasts."""

    def __init__(self, config: WifoConfig, rngs: nnx.Rngs):
        d, entries = config.width, 2 * config.patch**3
        dtype, xavier = jnp.dtype(config.dtype), jax.nn.initializers.xavier_uniform()
        self.config = config
        # A convolution whose kernel is its stride is a linear map of patches.
        self.embed = nnx.Linear(entries, d, kernel_init=xavier, dtype=dtype, rngs=rngs)
        self.encoder = nnx.List(
            [Block(config, rngs) for _ in range(config.encoder_layers)]
        )
        self.norm = nnx.LayerNorm(d, epsilon=1e-6, rngs=rngs)
        self.between = nnx.Linear(d, d, kernel_init=xavier, dtype=dtype, rngs=rngs)
        token = 0.02 * jax.random.normal(rngs.params(), (1, 1, d))
        self.mask_token = nnx.Param(token)
        self.decoder = nnx.List(
            [Block(config, rngs) for _ in range(config.decoder_layers)]
        )
        self.last_norm = nnx.LayerNorm(d, epsilon=1e-6, rngs=rngs)
        self.head = nnx.Linear(d, entries, kernel_init=xavier, dtype=dtype, rngs=rngs)

    def __call__(
        self,
        patches: Float[Array, "n token e"],
        visible: Bool[Array, "n token"],
        sizes: Sizes,
    ) -> Float[Array, "n token e"]:
        """Reconstructs all patches from the visible ones.

        The encoder computes tokens of hidden patches too, which no visible one attends
        to and nobody reads: what comes out is that of visible ones alone, and the mask
        need not be known at compilation.
        """
        place = jnp.asarray(positions(sizes, self.config.width))[None]
        # Multiplying a hidden patch by zero would let a NaN through; where does not.
        shown = jnp.where(visible[..., None], patches, 0.0)
        x = self.embed(shown).astype(jnp.float32) + place
        for block in self.encoder:
            x = block(x, visible)
        x = self.between(self.norm(x)).astype(jnp.float32)
        x = jnp.where(visible[..., None], x, self.mask_token[...]) + place
        for block in self.decoder:
            x = block(x, jnp.ones_like(visible))
        return self.head(self.last_norm(x)).astype(jnp.float32)

    def loss(self, batch: Batch, key: PRNGKeyArray) -> Float[Array, ""]:
        """Mean squared error of the hidden patches, in units of the visible ones.

        Raises:
            ValueError: rows or pilots, or sizes that are no multiples of the patch.
        """
        if not isinstance(batch, ChannelBatch) or batch.every > 1:
            raise ValueError(
                "mixture: found an ingredient that is no channel, has no context or is "
                "pilots; needed channels as a whole, WiFo takes nothing else"
            )
        p = self.config.patch
        noisy, clean = (to_channel(x, batch.axis) for x in (batch.values, batch.clean))
        n, *shape = noisy.shape
        if any(length % p for length in shape) or batch.context % p:
            raise ValueError(
                f"source: found channels of {shape} times, antennas and subcarriers "
                f"and a context of {batch.context}; needed multiples of model.patch, "
                f"{p}"
            )
        patches, sizes = patchify(noisy, p)
        halves = max(1, sizes[0] // 2), max(1, sizes[2] // 2)
        given = batch.context // p
        kept = (given, halves[1]) if batch.axis == TIME else (halves[0], given)
        visible = draw_visible(key, n, sizes, kept, self.config.masks)
        seen = jnp.broadcast_to(visible[..., None], patches.shape)
        scale = fit_scale(patches, seen, center=False)
        target = scale.apply(patchify(clean, p)[0])
        error = (self(scale.apply(patches), visible, sizes) - target) ** 2
        # A silent context has no unit to measure in.
        weight = (~seen) & (scale.spread > 0)[:, None, None]
        return jnp.sum(error * weight) / jnp.maximum(weight.sum(), 1)

    def continue_steps(
        self,
        x: Complex[Array, "n l u v"],
        known: Bool[Array, "n l"],
        horizon: int,
        axis: int,
    ) -> Complex[Array, "n {horizon} u v"]:
        """Continues channels of any size by `horizon` steps along `axis`.

        Sizes are padded to multiples of the patch: the steps before the first and the
        antennas and subcarriers after the last are copies of it. A patch with an
        unknown step is hidden.
        """
        p, length = self.config.patch, x.shape[1]
        shown = jnp.where(known[:, :, None, None], x, 0)
        channel = to_channel(shown, axis)
        along = 1 if axis == TIME else 3
        # The front is filled up, so that a patch ends where the context does.
        front, follow = -length % p, horizon + -horizon % p
        copies = [(0, 0)] + [(0, -size % p) for size in channel.shape[1:]]
        copies[along] = (front, 0)
        ahead = [(0, 0)] * 4
        ahead[along] = (0, follow)
        patches, sizes = patchify(jnp.pad(jnp.pad(channel, copies, "edge"), ahead), p)
        known = jnp.pad(known, ((0, 0), (front, 0)), "edge")
        known = jnp.pad(known, ((0, 0), (0, follow)))
        step = np.indices(sizes).reshape(3, -1)[along - 1]
        visible = rearrange(known, "n (m p) -> n m p", p=p).all(-1)[:, step]
        seen = jnp.broadcast_to(visible[..., None], patches.shape)
        scale = fit_scale(patches, seen, center=False)
        found = scale.invert(self(scale.apply(patches), visible, sizes))
        whole = unpatchify(found, sizes, p)
        begin, limits = front + length, list(channel.shape)
        limits[along] = horizon
        asked = jax.lax.slice_in_dim(whole, begin, begin + horizon, axis=along)
        return to_steps(asked[tuple(map(slice, limits))], axis)
