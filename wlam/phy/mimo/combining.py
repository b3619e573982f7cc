"""Observations of a receiver with fewer RF chains than antennas, whitened.

The noise enters before the combiner W, so that y = W^H (h + n) is in noise of the
colour W^H W. Each RF chain has its own sub-array: all matrices are block diagonal.
"""

import math

import jax
import numpy as np
from jaxtyping import Complex

from wlam.phy.channels.hybrid_field import HybridFieldConfig, combiner


class Receiver:
    """A drawn combiner, and observations in white noise.

    Attributes:
        weights: W [antenna, measurement], of `hybrid_field.combiner`.
        sensing: [part, measurement of the part, antenna of the part], rows orthonormal.
    """

    def __init__(self, config: HybridFieldConfig, seed: int = 0):
        self.parts = math.prod(config.sub_arrays)
        with jax.ensure_compile_time_eval():  # a constant, inside jit too
            self.weights = combiner(jax.random.key(seed), config)
        each = math.prod(config.antennas)
        weights = np.asarray(self.weights, np.complex128)
        blocks = np.stack(
            [
                weights[s * each : (s + 1) * each, s :: self.parts].T.conj()
                for s in range(self.parts)
            ]
        )
        # White: the rows are made orthonormal.
        colour = np.linalg.cholesky(blocks @ blocks.conj().swapaxes(1, 2))
        self._whiten = np.linalg.inv(colour)
        self.sensing = (self._whiten @ blocks).astype(np.complex64)

    def white(
        self, observed: Complex[np.ndarray, "n measurement"]
    ) -> Complex[np.ndarray, "n part m"]:
        """Measurements, slot by slot, to each part's, in white noise."""
        parts = np.stack(
            [observed[:, s :: self.parts] for s in range(self.parts)], axis=1
        )
        return np.einsum("smk,nsk->nsm", self._whiten, parts).astype(np.complex64)

    def whole(self) -> Complex[np.ndarray, "measurement antenna"]:
        """The sensing of all parts as one matrix, measurements part by part."""
        parts, measured, each = self.sensing.shape
        matrix = np.zeros((parts, measured, parts, each), np.complex64)
        matrix[np.arange(parts), :, np.arange(parts)] = self.sensing
        return matrix.reshape(parts * measured, parts * each)
