"""What the forecasters of peers have in common."""

from typing import Any

import jax
import numpy as np


class PeerForecaster:
    """A trained network that continues one kind of data, and completes nothing."""

    takes_rows, takes_channels, takes_sweeps = False, False, False
    only: str
    """What it forecasts and nothing else, see `wlam.evaluation.cases.ONLY`."""
    _params: Any

    @property
    def num_parameters(self) -> int:
        """Trainable numbers of the model."""
        return sum(x.size for x in jax.tree.leaves(self._params))

    def complete(self, context: np.ndarray, *about: object) -> np.ndarray:
        """ValueError: what is missing within a context is not forecast."""
        raise ValueError(
            f"context: found one to complete; the model only continues {self.only}"
        )
