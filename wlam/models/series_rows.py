"""Series as rows [row, group, step] that share a scale, and answers put back.

Complex series are groups of two, the real and the imaginary part; series with a joint
scale, such as the beams of a sweep, are one group a sample.
"""

from dataclasses import dataclass

import numpy as np
from einops import rearrange
from jaxtyping import Bool, Float, Inexact

from wlam.types import DataError


@dataclass(frozen=True)
class SeriesRows:
    """What a model is asked about series."""

    values: Inexact[np.ndarray, "n t c"]
    known: Bool[np.ndarray, "n t c"]
    interval: Float[np.ndarray, " n"]
    axis: int  # index into AXES
    joint: bool = False  # one scale for all channels of a sample

    def __post_init__(self) -> None:
        """DataError where a row has nothing to go by."""
        known = np.all(self.known, axis=2, keepdims=True) if self.joint else self.known
        empty = np.asarray(~np.any(known, axis=1))
        if empty.any():
            sample = int(np.argwhere(empty)[0, 0])
            what = "step measured in all channels" if self.joint else "measured step"
            raise DataError(
                f"mask: found a channel of sample {sample} without any {what}; needed "
                "one or more"
            )

    @property
    def is_complex(self) -> bool:
        return np.iscomplexobj(self.values)

    @property
    def _layout(self) -> str:
        return "n (g c) t" if self.joint else "(n c) g t"

    def rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Rows [row, group, step], which steps are visible, intervals and axes."""
        x, is_complex = np.where(self.known, self.values, 0), self.is_complex
        parts = np.stack([np.real(x), np.imag(x)] if is_complex else [x])
        known = np.stack([self.known] * len(parts))
        rows = rearrange(parts, f"g n t c -> {self._layout}").astype(np.float32)
        visible = rearrange(known, f"g n t c -> {self._layout}")
        visible = np.asarray(np.all(visible, axis=1))
        rows = np.where(visible[:, None], rows, 0.0).astype(np.float32)
        interval = np.repeat(self.interval, len(rows) // len(x))
        return rows, visible, interval, np.full(len(rows), self.axis)

    def back(self, rows: np.ndarray) -> np.ndarray:
        """[row, group, step] of an answer -> [sample, step, channel]."""
        n, _, c = self.values.shape
        parts = rearrange(rows, f"{self._layout} -> g n t c", n=n, c=c)
        return parts[0] + 1j * parts[1] if self.is_complex else parts[0]
