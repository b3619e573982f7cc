"""What is asked of a forecaster: checked, and laid out as rows or whole channels."""

from dataclasses import dataclass

import numpy as np
from einops import rearrange

from wlam.ops.checks import sides_of, spacings, within_float32
from wlam.types import AXES


@dataclass(frozen=True)
class Request:
    """A context in the one layout that all answers are made from."""

    context: np.ndarray  # [sample, step, channel]
    interval: np.ndarray  # float32 [sample]
    axis: int
    joint: bool
    grid: tuple[int, int] | None  # of bins; None: channels are rows
    ndim: int  # of the context that was given
    sweeps: int | None = None  # that enter as a whole; None: channels are rows

    @staticmethod
    def of(
        context: np.ndarray,
        interval: float | list[float] | np.ndarray,
        axis: str,
        joint: bool,
        grid: tuple[int, int] | None,
        takes_channels: bool,
        sweeps: int | None = None,
    ) -> "Request":
        """Checks the arguments of `PredictorAPI.predict`.

        Args:
            takes_channels: whether the model takes channels as a whole.
            sweeps: how many sweeps it takes as a whole; None if it takes none.

        Raises:
            ValueError: naming the argument, what was found and what is needed.
        """
        context = np.asarray(context)
        if context.ndim not in (1, 2, 3) or 0 in context.shape:
            raise ValueError(
                f"context: found shape {context.shape}; needed [step], [sample, step] "
                "or [sample, step, channel] without empty axes"
            )
        if context.dtype.kind not in "fciu":
            raise ValueError(
                f"context: found dtype {context.dtype}; needed real or complex numbers"
            )
        if axis not in AXES:
            raise ValueError(f"axis: found {axis!r}; needed one of {', '.join(AXES)}")
        within_float32("context", context)
        shape = {1: (1, -1, 1), 2: (*context.shape, 1), 3: context.shape}[context.ndim]
        x = context.reshape(shape)
        spacing = spacings(interval, len(x))
        sides = None if grid is None else sides_of(grid)
        finite = np.isfinite(x)
        if not joint or np.iscomplexobj(x):
            sweeps = None
        if sweeps is not None and not finite[:, -sweeps:].any(axis=(1, 2)).all():
            raise ValueError(
                f"context: no beam of the last {sweeps} sweeps was measured; needed at "
                "least one"
            )
        if sweeps is None and not finite.any(axis=1).all():
            raise ValueError(
                "context: a channel has no finite sample; needed at least one"
            )
        if not (takes_channels and finite[:, -1].all()):
            sides = None
        if sides is not None:
            if x.shape[2] != sides[0] * sides[1] or not np.iscomplexobj(x):
                raise ValueError(
                    f"grid: found {sides} for {x.dtype} context of {x.shape[2]} "
                    "channels; needed complex channels, one for each bin"
                )
            if x.shape[1] < 2:
                raise ValueError(
                    "context: found 1 step; needed 2 or more of a channel as a whole"
                )
        # Rows in a group have their steps in common.
        in_groups = joint and sides is None and sweeps is None
        if in_groups and not finite.all(axis=2).any(axis=-1).all():
            raise ValueError(
                "context: found no step that is finite in all channels; needed one or "
                "more in every sample with joint=True"
            )
        return Request(
            context=x,
            interval=spacing,
            axis=AXES.index(axis),
            joint=joint,
            grid=sides,
            ndim=context.ndim,
            sweeps=sweeps,
        )

    @property
    def is_complex(self) -> bool:
        return np.iscomplexobj(self.context)

    @property
    def _layout(self) -> str:
        return "n (g c) t" if self.joint else "(n c) g t"

    def rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Rows [row, group, step], which steps are visible, intervals and axes."""
        x = self.context
        parts = np.stack([np.real(x), np.imag(x)] if self.is_complex else [x])
        rows = rearrange(parts, f"g n t c -> {self._layout}").astype(np.float32)
        visible = np.asarray(np.isfinite(rows).all(axis=1))
        rows = np.where(visible[:, None], rows, 0.0).astype(np.float32)
        interval = np.repeat(self.interval, len(rows) // len(x))
        return rows, visible, interval, np.full(len(rows), self.axis)

    def channels(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Channels [sample, step, bin], which steps are known, and intervals."""
        known = np.asarray(np.isfinite(self.context).all(axis=2))
        x = np.where(known[..., None], self.context, 0).astype(np.complex64)
        return x, known, self.interval

    def scans(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The last sweeps [sample, step, beam], what was measured, and intervals."""
        assert self.sweeps is not None
        x = self.context[:, -self.sweeps :]
        measured = np.isfinite(x)
        return np.where(measured, x, 0).astype(np.float32), measured, self.interval

    def from_rows(self, rows: np.ndarray) -> np.ndarray:
        """[row, group, step] of an answer -> [sample, step, channel]."""
        n, _, c = self.context.shape
        parts = rearrange(rows, f"{self._layout} -> g n t c", n=n, c=c)
        return parts[0] + 1j * parts[1] if self.is_complex else parts[0]

    def like_context(self, answer: np.ndarray) -> np.ndarray:
        """[..., sample, step, channel] -> the axes that the given context had."""
        if self.ndim == 1:
            return answer[..., 0, :, 0]
        return answer[..., 0] if self.ndim == 2 else answer


def pilot_steps(context: np.ndarray) -> np.ndarray:
    """Which steps [p] of channels [sample, step, bin] are known, or a ValueError."""
    if context.ndim != 3 or context.dtype.kind != "c":
        raise ValueError(
            f"context: found {context.dtype} of shape {context.shape}; needed complex "
            "[sample, step, bin] with a grid"
        )
    finite = np.isfinite(context)
    known = np.any(finite, axis=(0, 2), keepdims=True)
    at = np.flatnonzero(known)
    if not np.array_equal(finite, np.broadcast_to(known, context.shape)):
        raise ValueError(
            "context: steps are known in some samples or bins only; needed the same "
            "steps in all, and NaN in the others"
        )
    if len(at) < 2 or len(set(np.diff(at))) > 1:
        raise ValueError(
            f"context: found steps {at.tolist()} known; needed two or more, evenly "
            "spaced"
        )
    return at
