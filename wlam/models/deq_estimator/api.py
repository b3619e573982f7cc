"""A trained estimator of arrays, from what its own combiner leaves of them."""

from functools import partial
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Complex

from wlam.models.base import Card, Model
from wlam.models.deq_estimator.network import ArrayEstimator
from wlam.nn.fixed_point import Solver
from wlam.ops.pieces import in_pieces
from wlam.phy.arrays import from_beamspace
from wlam.phy.mimo.combining import Receiver

PIECE = 8
"""Channels that a call estimates at once."""


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
