"""Estimation of large arrays through few RF chains, by a certified fixed point."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from wlam.models.base import Network, NetworkConfig
from wlam.models.deq_estimator.deq import Deq, DeqConfig
from wlam.nn.fixed_point import Solver
from wlam.nn.lipschitz import LipschitzConfig
from wlam.phy.arrays import to_beamspace
from wlam.phy.channels.hybrid_field import HybridFieldConfig
from wlam.phy.mimo.combining import Receiver
from wlam.phy.noise import complex_normal
from wlam.types import Batch, SnapshotBatch

if TYPE_CHECKING:
    import wlam.models.deq_estimator.api


@dataclass(frozen=True)
class ArrayEstimatorConfig(NetworkConfig):
    """An array, its combiner, and the fixed point; ValueError where they do not fit."""

    # The array and how it is observed.
    array: HybridFieldConfig = field(default_factory=HybridFieldConfig)
    # Seed of the combiner.
    combiner: int = 3
    # The network inside the fixed point.
    network: LipschitzConfig = field(
        default_factory=lambda: LipschitzConfig(planes=8, width=24, blocks=1)
    )
    # What a change is multiplied by in every layer, at most: what is less than 1 keeps
    # the estimate from strong priors, and what is near it from arriving soon.
    damping: float = 0.999
    # How fixed points are found in training, and afterwards.
    solver: Solver = field(
        default_factory=lambda: Solver(memory=5, most=20, gradient="one step")
    )
    patient: Solver = field(default_factory=lambda: Solver(memory=5, most=100))

    @property
    def deq(self) -> DeqConfig:
        rows, columns = self.array.antennas
        grids = math.prod(self.array.sub_arrays)
        return DeqConfig(
            *(grids, rows, columns, self.network, self.damping, self.array.spacing),
            solver=self.solver,
        )

    def __post_init__(self) -> None:
        _ = self.deq  # names what is wrong

    def build(self, rngs: nnx.Rngs) -> "ArrayEstimator":
        return ArrayEstimator(self, rngs)


class ArrayEstimator(Network):
    """The fixed point in the angles of every sub-array, its loss, and its use."""

    def __init__(self, config: ArrayEstimatorConfig, rngs: nnx.Rngs):
        self.config = config
        self.deq = Deq(config.deq, rngs)

    @property
    def array_shape(self) -> tuple[tuple[int, int, int], ...]:
        """Of the sub-arrays."""
        rows, columns = self.config.array.antennas
        return ((rows, columns, 1),) * math.prod(self.config.array.sub_arrays)

    def sensing(self, receiver: Receiver) -> Complex[Array, "part m angle"]:
        """What is seen of angles, sub-array by sub-array."""
        blocks = jnp.asarray(receiver.sensing)
        # Rows of A F^H are the transforms of those of A, conjugated twice.
        return to_beamspace(blocks.conj(), self.array_shape[:1]).conj()

    def loss(self, batch: Batch, key: PRNGKeyArray) -> Float[Array, ""]:
        """Mean NMSE at SNRs of `HybridFieldConfig.snr_db`, uniform in dB.

        In dB, so that all SNRs count alike.

        Raises:
            ValueError: channels of another array.
        """
        antennas = math.prod(self.config.array.antennas) * len(self.array_shape)
        if not isinstance(batch, SnapshotBatch) or batch.clean.shape[1:] != (
            1,
            antennas,
        ):
            raise ValueError(
                "mixture: found an ingredient that is no csi_estimate of single "
                f"subcarriers and {antennas} antennas; needed those of model.array"
            )
        receiver = Receiver(self.config.array, self.config.combiner)
        sensing = self.sensing(receiver)
        snr_key, noise_key = jax.random.split(key)
        low, high = self.config.array.snr_db
        clean = to_beamspace(batch.clean[:, 0], self.array_shape)
        n = len(clean)
        level = 10 ** (-jax.random.uniform(snr_key, (n,), minval=low, maxval=high) / 20)
        parts = clean.reshape(n, len(sensing), -1)
        seen = jnp.einsum("smd,nsd->nsm", sensing, parts, precision="highest")
        noise = level[:, None, None] * complex_normal(noise_key, seen.shape)
        observed = (seen + noise).reshape(n, -1)
        found = self.deq(self.deq.split(sensing), observed, level)
        miss = (abs(found - clean) ** 2).mean(1)
        return 10 * jnp.log10(miss).mean()

    def model(self) -> "wlam.models.deq_estimator.api.CombinedEstimator":
        from wlam.models.deq_estimator.api import (
            CombinedEstimator,  # which imports this file
        )

        return CombinedEstimator(self)
