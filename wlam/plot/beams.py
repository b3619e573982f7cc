"""Sweeps of beams as a heat map over time and beam."""

from typing import TYPE_CHECKING, Any

import numpy as np

from wlam.plot import arrays, style
from wlam.types import DataError, Sweeps

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

MISSING: dict[str, Any] = {
    "facecolor": "#eceef1",
    "hatch": "////",
    "edgecolor": "#b9bfc6",
}
BEST, TRUE = "#ffffff", "#d55e00"
"""Of the marks of the strongest beam, as drawn and as it came."""


def sweeps(
    data: Any,
    forecast: Any = None,
    truth: Any = None,
    sample: int = 0,
    ax: "matplotlib.axes.Axes | None" = None,
) -> "matplotlib.figure.Figure | matplotlib.axes.Axes":
    """Draws received power in dB over time and beam.

    Dots mark the strongest beam of each sweep. Beams that were not measured are
    hatched. A line stands where the forecast begins; the last measured sweep is at 0.

    Args:
        data: `wlam.Sweeps` that were measured.
        forecast: `wlam.Sweeps` that follow; None: there is none.
        truth: what came, with the same steps as the forecast. Rings mark its strongest
            beams; in a figure of its own it also gets a panel beside the forecast.
        sample: which track.
        ax: where to draw; None: a new figure.

    Returns:
        `ax` where it is given, else the figure.

    Raises:
        DataError: a type, shape or sample that does not fit, or nothing finite to draw.
    """
    if not isinstance(data, Sweeps):
        raise DataError(f"data: found {type(data).__name__}; needed wlam.Sweeps")
    known = arrays.steps_of("data", data, "time", sample)
    if not np.isfinite(known.values).any():
        raise DataError("data: found no finite value; needed one to draw")
    parts: dict[str, np.ndarray] = {}
    steps = None
    for name, more in {"forecast": forecast, "truth": truth}.items():
        if more is not None:
            parts[name] = arrays.like(name, more, data, "time", sample, steps)
            steps = len(parts[name])
    came = parts.get("truth")
    shown = list(parts.items()) or [("", known.values[:0])]
    if ax is not None:
        shown = shown[:1]
    size = (7.0, 3.4) if len(shown) == 1 else (5.0, 3.4)
    drawn, panels = style.panels(ax, 1, len(shown), size, sharex=True, sharey=True)
    span = max(len(known.values), steps or 0) * (known.spacing or 1.0)
    width, label = 1.0, "time from the last sweep (steps)"
    if known.spacing is not None:
        unit, name = style.unit_for(span)
        width, label = known.spacing / unit, f"time from the last sweep ({name})"
    everything = np.concatenate([known.values, *parts.values()])
    low, high = float(np.nanmin(everything)), float(np.nanmax(everything))
    image = None
    for panel, (name, future) in zip(panels, shown, strict=True):
        values = np.concatenate([known.values, future])
        x = (np.arange(len(values)) - (len(known.values) - 1)) * width
        image = _heat_map(panel, x, width, values, (low, high))
        _best(panel, x, values, "strongest beam", "o", BEST)
        if came is not None and name == "forecast":
            _best(panel, x[len(known.values) :], came, "true strongest", "ring", TRUE)
        if len(future):
            panel.axvline(width / 2, color="white", linewidth=2.6)
            panel.axvline(width / 2, color=style.TRUTH, linewidth=1.4, linestyle="--")
            panel.set_title(f"{name} after the line", fontsize=10, loc="left", pad=22)
        panel.set_xlabel(label)
    style.legend_above(panels[0])
    panels[0].set_ylabel("beam")
    panels[0].figure.colorbar(image, ax=panels, label="RSRP (dB)", pad=0.02)
    return drawn


def _heat_map(
    ax: "matplotlib.axes.Axes",
    x: np.ndarray,
    width: float,
    values: np.ndarray,
    limits: tuple[float, float],
) -> Any:
    """Values [step, beam]; hatched where there is none."""
    ax.patch.set(**MISSING)
    if not np.isfinite(values).all():
        ax.bar(np.nan, np.nan, label="not measured", **MISSING)
    low, high = limits
    image = ax.pcolormesh(
        np.r_[x - width / 2, x[-1] + width / 2],
        np.arange(values.shape[1] + 1) - 0.5,
        np.ma.masked_invalid(values).T,
        cmap=style.DB_MAP,
        vmin=low,
        vmax=high if high > low else low + 1.0,
        rasterized=True,
    )
    style.dress(ax, grid=False)
    ax.locator_params(axis="y", integer=True)
    return image


def _best(
    ax: "matplotlib.axes.Axes",
    x: np.ndarray,
    values: np.ndarray,
    label: str,
    mark: str,
    colour: str,
) -> None:
    """A mark on the strongest beam of each step of which one was measured."""
    some = np.isfinite(values).any(axis=1)
    beams = np.where(np.isfinite(values), values, -np.inf).argmax(axis=1)
    ring = mark == "ring"
    ax.scatter(
        x[some],
        beams[some],
        s=34 if ring else 9,
        facecolors="none" if ring else colour,
        edgecolors=colour if ring else style.TRUTH,
        linewidths=1.4 if ring else 0.5,
        label=label,
        zorder=4 if ring else 3,
    )
