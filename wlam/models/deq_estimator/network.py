"""Estimation of large arrays through few RF chains, by a certified fixed point."""

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from wlam.models.base import Card, Model, Network, NetworkConfig
from wlam.models.deq_estimator.deq import Deq, DeqConfig
from wlam.nn.fixed_point import Solver
from wlam.nn.lipschitz import LipschitzConfig
from wlam.ops.pieces import in_pieces
from wlam.phy.arrays import from_beamspace, to_beamspace
from wlam.phy.channels.hybrid_field import HybridFieldConfig
from wlam.phy.mimo.combining import Receiver
from wlam.phy.noise import complex_normal
from wlam.types import Batch, SnapshotBatch

PIECE = 8
"""Channels that a call estimates at once."""


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

    def model(self) -> "CombinedEstimator":
        return CombinedEstimator(self)


class CombinedEstimator(Model):
    """A trained estimator of arrays, from what its own combiner leaves of them."""

    def __init__(self, network: ArrayEstimator, card: Card | None = None):
        super().__init__(network, card)
        self.receiver = Receiver(network.config.array, network.config.combiner)
        graph = self._graph

        @partial(jax.jit, static_argnames="solver")
        def estimated(params, observed, level, solver):
            model = nnx.merge(graph, params)
            splitting = model.deq.split(model.sensing(self.receiver))
            angles, found = model.deq.solve(splitting, observed, solver, level)
            return from_beamspace(angles, model.array_shape), found.residuals[None]

        self._estimated = estimated

    def golden(self) -> dict[str, np.ndarray]:
        parts, size = self.receiver.sensing.shape[:2]
        k = np.arange(parts * size)
        seen = np.exp(2j * np.pi * (0.37 * k + 1e-3 * k**2)).astype(np.complex64)
        return {"estimate": self.estimate(seen.reshape(1, parts, size), 0.1)}

    def estimate(
        self,
        question: Any,
        noise_variance: Any = None,
        solver: Solver | None = None,
    ) -> Complex[np.ndarray, "n antenna"]:
        """Channels from what `Receiver.white` gives, of the model's own combiner.

        Args:
            question: complex [n, part, m], white measurements of every sub-array.
            noise_variance: of one measurement, of all samples or of each.
            solver: how the fixed point is found; that of the config if not given.

        Raises:
            ValueError: naming the argument, what was found and what is needed.
        """
        return self.with_residuals(question, noise_variance, solver)[0]

    def with_residuals(
        self,
        observed: Complex[np.ndarray, "n part m"],
        noise_variance: float | np.ndarray,
        solver: Solver | None = None,
    ) -> tuple[Any, Any]:
        """`estimate`, and the largest relative change in every call, by pieces."""
        x, needed = np.asarray(observed), self.receiver.sensing.shape[:2]
        if x.shape[1:] != needed or x.dtype.kind != "c" or not np.isfinite(x).all():
            raise ValueError(
                f"observed: found {x.dtype} of shape {x.shape}; needed finite complex "
                f"numbers [sample, {needed[0]}, {needed[1]}]"
            )
        level = np.asarray(noise_variance, np.float64)
        fits = level.shape in ((), (1,), (len(x),))
        if not fits or not np.all(np.isfinite(level) & (level > 0)):
            raise ValueError(
                f"noise_variance: found {level.shape} {level.ravel()[:3]}; needed one "
                f"number more than 0 and finite, or one for each of {len(x)} samples"
            )
        levels = np.broadcast_to(np.sqrt(level).reshape(-1), len(x)).astype(np.float32)
        solver = self.network.config.patient if solver is None else solver
        return in_pieces(
            lambda _, y, v: self._estimated(self._params, y, v, solver=solver),
            PIECE,
            x.reshape(len(x), -1).astype(np.complex64),
            levels,
        )
