"""What the pictures of `wlam.plot` have in common.

Matplotlib is imported when something is drawn, and never its global state: a figure
made here is known to no window manager, so that programs without a screen draw as
notebooks do. Notebooks show it where it is the value of a cell.
"""

import io
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from wlam.types import DataError

if TYPE_CHECKING:
    import matplotlib.axes

TRUTH, KNOWN, GRID = "#1a1a1a", "#7f868f", "#e6e8eb"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, which the colour-blind tell apart; the first is the forecast's."""
MARKERS = ("o", "s", "^", "D", "v", "P")
DB_MAP = "viridis"
TIME_UNITS = (
    *((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s")),
    *((60.0, "min"), (3600.0, "h"), (86400.0, "days")),
)
FREQUENCY_UNITS = ((1.0, "Hz"), (1e3, "kHz"), (1e6, "MHz"), (1e9, "GHz"))


@cache
def _picture_class() -> type:
    from matplotlib.figure import Figure

    class Picture(Figure):
        """A figure that notebooks show without pyplot."""

        def _repr_png_(self) -> bytes:
            buffer = io.BytesIO()
            self.savefig(buffer, format="png", dpi=110)
            return buffer.getvalue()

    return Picture


def panels(
    ax: "matplotlib.axes.Axes | None",
    rows: int = 1,
    columns: int = 1,
    size: tuple[float, float] = (7.0, 3.4),
    **options: Any,
) -> tuple[Any, list[Any]]:
    """What a function returns, and the axes that it draws into.

    Args:
        ax: where to draw, which is then returned; None: a new figure.
        rows, columns: of panels of a new figure.
        size: of one panel, in inches.
        options: of `Figure.subplots`, such as `sharex`.

    Raises:
        DataError: `ax` is something else.
    """
    from matplotlib.axes import Axes

    if isinstance(ax, Axes):
        return ax, [ax]
    if ax is not None:
        raise DataError(f"ax: found {type(ax).__name__}; needed matplotlib axes")
    figure = _picture_class()(
        figsize=(size[0] * columns, size[1] * rows), layout="constrained"
    )
    found = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(found.ravel())


def dress(ax: "matplotlib.axes.Axes", grid: bool = True) -> None:
    """Light grid behind the data, no box around it."""
    ax.set_axisbelow(True)
    ax.grid(False)
    if grid:
        ax.grid(True, color=GRID, linewidth=0.8)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color("#9aa0a6")
    ax.tick_params(color="#9aa0a6", labelsize=9)
    ax.xaxis.label.set_fontsize(10)
    ax.yaxis.label.set_fontsize(10)


def legend_above(ax: "matplotlib.axes.Axes", columns: int = 6) -> None:
    """A legend in a row above the data, which it never covers."""
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
        frameon=False,
        fontsize=9,
        borderaxespad=0.2,
        handlelength=1.6,
        columnspacing=1.4,
    )


def unit_for(
    span: float, units: tuple[tuple[float, str], ...] = TIME_UNITS
) -> tuple[float, str]:
    """The largest unit of which `span`, in SI units, holds one and a half or more."""
    fitting = [unit for unit in units if abs(span) >= 1.5 * unit[0]]
    return fitting[-1] if fitting else units[0]


def one_of(spacing: Any, sample: int) -> float | None:
    """The spacing of a sample's steps; None where it is not known."""
    if spacing is None:
        return None
    values = np.ravel(np.asarray(spacing, np.float64))
    value = float(values[sample if len(values) > 1 else 0]) if len(values) else 0.0
    return value if np.isfinite(value) and value > 0 else None


def check_sample(sample: int, count: int) -> None:
    """A DataError for a sample that is not there."""
    if isinstance(sample, bool) or not isinstance(sample, int | np.integer):
        raise DataError(f"sample: found {sample!r}; needed a whole number")
    if not 0 <= sample < count:
        raise DataError(f"sample: found {sample}; needed 0 to {count - 1}")
