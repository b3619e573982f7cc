"""The channel estimator: a denoiser trained as a diffusion model, and what it is asked.

One call gives the mean of the channel given what is observed, which no estimator beats
in mean square error. The same network is a diffusion model of channels, so that it can
also complete what was not observed (`wlam.diffusion.posterior`) and draw new ones.
"""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Complex, Float, Int, PRNGKeyArray

from wlam.diffusion import Estimates, Schedule, denoising_loss, even_db, prediction_of
from wlam.diffusion.process import rates
from wlam.models.base import Network, NetworkConfig
from wlam.models.estimator.api import ChannelEstimator
from wlam.nn.denoisers.spectral import SpectralConfig, SpectralDenoiser
from wlam.types import Batch, SnapshotBatch

NOISE = 0.01
"""Weight of the loss of what the network takes for the noise."""


@dataclass(frozen=True)
class EstimatorConfig(NetworkConfig):
    """Everything that fixes the parameters; ValueError where it cannot be."""

    # The network.
    denoiser: SpectralConfig = field(default_factory=SpectralConfig)
    # Steps of the diffusion, evenly spaced in dB from the cleanest to the noisiest.
    steps: int = 121
    snr_db: tuple[float, float] = (40.0, -20.0)
    # Share of the samples that are not told their noise.
    blind: float = 0.25

    def __post_init__(self) -> None:
        even_db(self.steps, *self.snr_db)  # names what is wrong
        if not 0 <= self.blind <= 1:
            raise ValueError(f"blind: found {self.blind}; needed from 0 to 1")

    @property
    def schedule(self) -> Schedule:
        return even_db(self.steps, *self.snr_db)

    def build(self, rngs: nnx.Rngs) -> "Estimator":
        return Estimator(self, rngs)


class Estimator(Network):
    """The denoiser, its loss and what it is used through."""

    def __init__(self, config: EstimatorConfig, rngs: nnx.Rngs):
        self.config = config
        self.denoiser = SpectralDenoiser(config.denoiser, rngs)

    def data(
        self,
        x: Complex[Array, "n u v"],
        step: Int[Array, "#n"],
        frequency: bool = False,
    ) -> Complex[Array, "n u v"]:
        """The data from x at a step of `EstimatorConfig.schedule`, steps 1 to T."""
        of_data, of_noise = rates(self.config.schedule, step, x.ndim)
        level = jnp.broadcast_to((of_noise / of_data)[:, 0, 0] ** 2, len(x))
        return self.denoiser(x / of_data, level, frequency)

    def loss(self, batch: Batch, key: PRNGKeyArray) -> Float[Array, ""]:
        """The diffusion loss at random SNRs, weighed so that all count alike.

        The error of the velocity is that of the data times 1 + SNR. Some samples take
        the noise that the network sees in place of what it is. The same samples teach
        it to see that: their squared error in the logarithm is added.

        Raises:
            ValueError: anything but channels without noise.
        """
        if not isinstance(batch, SnapshotBatch):
            raise ValueError(
                "mixture: found an ingredient of another task; needed csi_estimate, "
                "an estimator takes nothing else"
            )
        schedule = self.config.schedule
        told_key, key = jax.random.split(key)
        cut = batch.clean[..., np.array(batch.lines)]
        images = rearrange(cut, "n k line v -> (n line) k v")
        told = jax.random.bernoulli(told_key, 1 - self.config.blind, (len(images),))
        misses = []

        def predict(x: Array, step: Array) -> Array:
            of_data, of_noise = rates(schedule, step, x.ndim)
            observed, level = x / of_data, ((of_noise / of_data) ** 2)[:, 0, 0]
            seen = self.denoiser.noise_variance(observed)
            misses.append((jnp.log(seen) - jnp.log(level)) ** 2)
            level = jnp.where(told, level, jax.lax.stop_gradient(seen))
            data = self.denoiser(observed, level, batch.frequency)
            parts = Estimates(data, (x - of_data * data) / of_noise)
            return prediction_of(schedule, step, parts, "velocity")

        loss = denoising_loss(predict, schedule, images, key, "velocity")
        return loss + NOISE * jnp.mean(misses[0])

    def model(self) -> ChannelEstimator:
        return ChannelEstimator(self)
