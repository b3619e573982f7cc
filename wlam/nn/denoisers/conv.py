"""A small convolutional denoiser of complex images, conditioned on the step.

The network of Fesl et al., "Diffusion-based generative prior for low-complexity MIMO
channel estimation" (arXiv 2403.03545): two convolutions, a scale and a shift of their
channels by the step, three convolutions. 55,025 parameters with its defaults.
"""

from dataclasses import dataclass
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Complex, Float, Int

FASTEST = 1e4
"""The slowest frequency of the embedding is one over this, the fastest 1."""


@dataclass(frozen=True)
class ConvDenoiserConfig:
    """Sizes of the network."""

    # Channels of each convolution before the step enters, and after it.
    before: tuple[int, ...] = (32, 64)
    after: tuple[int, ...] = (43, 22)
    # Sines, and as many cosines, of the step embedding.
    frequencies: int = 8
    # Rows and columns of a kernel.
    kernel: int = 3

    def __post_init__(self) -> None:
        if not self.before or min(*self.before, *self.after, self.kernel) < 1:
            raise ValueError(
                f"before, after, kernel: found {self.before}, {self.after}, "
                f"{self.kernel}; needed at least one layer, and 1 or more of each"
            )
        if self.frequencies < 2:
            raise ValueError(
                f"frequencies: found {self.frequencies}; needed at least 2"
            )


class ConvDenoiser(nnx.Module):
    """x_t [n, u, v] to the noise in it; sizes are free."""

    def __init__(self, config: ConvDenoiserConfig, rngs: nnx.Rngs):
        self.config = config
        sizes = (2, *config.before, *config.after, 2)
        window = (config.kernel, config.kernel)
        self.layers = nnx.List(
            [
                nnx.Conv(inputs, outputs, window, padding="SAME", rngs=rngs)
                for inputs, outputs in pairwise(sizes)
            ]
        )
        width = config.before[-1]
        self.told = nnx.Linear(2 * config.frequencies, 2 * width, rngs=rngs)

    def modulation(self, step: Int[Array, " s"]) -> Float[Array, "s two_c"]:
        """Scale and shift of the channels; for all steps of a sampler at once.

        Step 1, the least noisy, has phase 0 in the embedding.
        """
        count = self.config.frequencies
        frequency = FASTEST ** (-jnp.arange(count) / (count - 1))
        phase = (step - 1)[:, None] * frequency[None]
        return self.told(jnp.concatenate([jnp.sin(phase), jnp.cos(phase)], axis=1))

    def __call__(
        self, x: Complex[Array, "n u v"], modulation: Float[Array, "#n two_c"]
    ) -> Complex[Array, "n u v"]:
        """The noise, of variance 1.

        Args:
            modulation: of the step of each sample, or of one common step.
        """
        planes = jnp.stack([x.real, x.imag], axis=-1)
        last = len(self.layers) - 1
        for i, layer in enumerate(self.layers):
            planes = layer(planes)
            if i + 1 == len(self.config.before):
                scale, shift = jnp.split(modulation[:, None, None], 2, axis=-1)
                planes = planes + scale * planes + shift
            elif i < last:
                planes = jax.nn.relu(planes)
        return jax.lax.complex(planes[..., 0], planes[..., 1])

    def predict(
        self, x: Complex[Array, "n u v"], step: Int[Array, " n"]
    ) -> Complex[Array, "n u v"]:
        """A call with the step itself, the form of `denoising_loss`."""
        return self(x, self.modulation(step))
