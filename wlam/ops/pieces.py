"""Long arrays through a compiled function, a piece of fixed size at a time."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def in_pieces(function: Callable[..., Any], size: int, *arrays: np.ndarray) -> Any:
    """function(begin, *pieces of `size` samples), its outputs concatenated.

    The last piece is padded with its last sample, and the outputs are cut: all pieces
    share one compilation.
    """
    outputs = []
    for begin in range(0, len(arrays[0]), size):
        pieces = [x[begin : begin + size] for x in arrays]
        count = len(pieces[0])
        fill = (0, size - count)
        filled = [np.pad(x, (fill, *[(0, 0)] * (x.ndim - 1)), "edge") for x in pieces]
        found = function(begin, *filled)
        outputs.append(jax.tree.map(lambda y, n=count: np.asarray(y)[:n], found))
    return jax.tree.map(lambda *parts: np.concatenate(parts), *outputs)
