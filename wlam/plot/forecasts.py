"""A forecast with its interval, beside what was known and what came."""

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from wlam.ops.checks import shown
from wlam.plot import arrays, style
from wlam.types import AXES, FREQUENCY, TIME, Csi, DataError, Series, Sweeps, Traffic

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

HORIZONS, LEAST = 4, 32
"""Of what was known so many horizons are shown, and no fewer than so many steps."""
DOTTED = 96  # steps up to which each gets a dot
ORDINATES = {
    Csi: "real part",
    Sweeps: "RSRP (dB)",
    Series: "value",
    Traffic: "traffic",
}


def forecast(
    question: Any,
    answer: Any,
    low: Any = None,
    high: Any = None,
    truth: Any = None,
    axis: str = "time",
    sample: int = 0,
    element: int | tuple[int, ...] | None = None,
    ax: "matplotlib.axes.Axes | None" = None,
) -> "matplotlib.figure.Figure | matplotlib.axes.Axes":
    """Draws one quantity of a forecast: what was known, what is forecast, what came.

    >>> low, high = model.predict_interval(csi, horizon=8)
    >>> wlam.plot.forecast(csi, model.predict(csi, horizon=8), low, high, truth)

    The last step of the question is at 0. Steps that were not measured are gaps on grey
    ground. At most four horizons of what was known are shown, or 32 steps if more.

    Args:
        question: `wlam.Csi`, `wlam.Sweeps` or `wlam.Series`.
        answer: the forecast, of the same type; its steps follow the question's.
        low, high: bounds of the answer, both or none. Of complex channels they bound
            the real and the imaginary part each; the panel of magnitudes has no band.
        truth: what came, like the answer.
        axis: what the steps run along: "time", of channels "frequency" or "antenna".
        sample: which one.
        element: of channels the index beside the steps, such as (subcarrier, antenna)
            along time; of sweeps the beam, of series the channel. None: the element of
            the most power, the beam of the highest mean, the channel of the largest
            variance, among what was measured.
        ax: where to draw, of channels the real part alone; None: a new figure, of
            channels with a second panel for the magnitude in dB.

    Returns:
        `ax` where it is given, else the figure.

    Raises:
        DataError: a type, shape, sample or element that does not fit, or a forecast
            without a finite value.
    """
    known = arrays.steps_of("question", question, axis, sample)
    future = arrays.like("answer", answer, question, axis, sample, None)
    if (low is None) != (high is None):
        missing, given = ("low", "high") if low is None else ("high", "low")
        raise DataError(f"{missing}: found None beside {given}; needed both or none")
    index = _element(known, type(question), element)
    lines = {"known": known.values, "forecast": future}
    for name, data in {"low": low, "high": high, "truth": truth}.items():
        if data is not None:
            lines[name] = arrays.like(name, data, question, axis, sample, len(future))
    lines = {name: x[(slice(None), *index)] for name, x in lines.items()}
    if not np.isfinite(lines["forecast"]).any():
        raise DataError("answer: found no finite value; needed one to draw")

    rows, height = (2, 2.4) if isinstance(question, Csi) else (1, 3.2)
    drawn, panels = style.panels(ax, rows, size=(7.0, height), sharex=True)
    keep = max(HORIZONS * len(future), LEAST)
    lines["known"] = lines["known"][-keep:]
    step, label = _abscissa(known.spacing, AXES.index(axis), lines)
    for panel, part in zip(panels, (np.real, _magnitude_db), strict=False):
        _draw(panel, lines, step, part)
        panel.set_ylabel(ORDINATES[type(question)])
    if len(panels) > 1:
        panels[-1].set_ylabel("magnitude (dB)")
    panels[-1].set_xlabel(label)
    places = zip(known.names, index, strict=True)
    title = ", ".join([f"sample {sample}", *(f"{name} {i}" for name, i in places)])
    panels[0].set_title(title, loc="left", fontsize=10, pad=22)
    style.legend_above(panels[0])
    return drawn


def _element(
    known: arrays.Steps, kind: type, element: int | tuple[int, ...] | None
) -> tuple[int, ...]:
    """The index beside the steps of what is drawn."""
    sizes = known.values.shape[1:]
    if element is None:
        finite = np.isfinite(known.values)
        values = np.where(finite, known.values, 0)
        count = np.maximum(finite.sum(axis=0), 1)
        if kind in (Series, Traffic):
            mean = values.sum(axis=0) / count
            values = np.where(finite, known.values - mean, 0)
        score = values if kind is Sweeps else abs(values) ** 2
        score = np.where(finite.any(axis=0), score.sum(axis=0) / count, -np.inf)
        return tuple(int(i) for i in np.unravel_index(np.argmax(score), sizes))
    index = element if isinstance(element, tuple) else (element,)
    whole = all(isinstance(i, int | np.integer) for i in index)
    if not whole or len(index) != len(sizes):
        raise DataError(
            f"element: found {shown(element)}; needed ({', '.join(known.names)})"
        )
    for name, i, size in zip(known.names, index, sizes, strict=True):
        if not 0 <= i < size:
            raise DataError(f"element: found {name} {i}; needed 0 to {size - 1}")
    return tuple(int(i) for i in index)


def _abscissa(
    spacing: float | None, axis: int, lines: dict[str, np.ndarray]
) -> tuple[float, str]:
    """The width of a step in the unit of the label, and the label."""
    name = ("time", "frequency", "antenna")[axis]
    last = f"the last known {('step', 'subcarrier', 'antenna')[axis]}"
    if spacing is None:
        unit = "" if axis == TIME + 2 else " (steps)"
        return 1.0, f"{'antennas' if not unit else name} from {last}{unit}"
    units = style.FREQUENCY_UNITS if axis == FREQUENCY else style.TIME_UNITS
    size, unit = style.unit_for(
        max(len(lines["known"]), len(lines["forecast"])) * spacing, units
    )
    return spacing / size, f"{name} from {last} ({unit})"


def _draw(
    ax: "matplotlib.axes.Axes",
    lines: dict[str, np.ndarray],
    step: float,
    part: Callable[[np.ndarray], np.ndarray],
) -> None:
    """The lines of one panel; bounds only where they are those of the part."""
    style.dress(ax)
    known = lines["known"]
    past = (np.arange(len(known)) - (len(known) - 1)) * step
    ahead = np.arange(1, len(lines["forecast"]) + 1) * step
    _missing(ax, np.isfinite(known), past, step)
    ax.axvline(0.0, color=style.KNOWN, linewidth=0.8, linestyle=":")
    dotted = len(known) + len(ahead) <= DOTTED
    colour = style.COLOURS[0]
    _line(ax, past, part(known), dotted, "known", color=style.KNOWN, linewidth=1.4)
    if "truth" in lines:
        truth = part(lines["truth"])
        _line(ax, ahead, truth, dotted, "truth", color=style.TRUTH, linewidth=1.8)
    expected = part(lines["forecast"])
    _line(ax, ahead, expected, dotted, "forecast", color=colour, linewidth=1.8)
    if "low" in lines and part is np.real:
        low, high = np.real(lines["low"]), np.real(lines["high"])
        look = {"color": colour, "alpha": 0.18, "linewidth": 0, "zorder": 1.5}
        ax.fill_between(ahead, low, high, label="interval", **look)
    ax.margins(x=0.01)


def _line(
    ax: "matplotlib.axes.Axes",
    x: np.ndarray,
    y: np.ndarray,
    dotted: bool,
    label: str,
    **look: Any,
) -> None:
    """A line, with dots where there is no neighbour to be joined to, or everywhere."""
    finite = np.isfinite(y)
    alone = finite & ~np.r_[False, finite[:-1]] & ~np.r_[finite[1:], False]
    dots = finite if dotted else alone
    ax.plot(
        x,
        y,
        label=label,
        marker="o",
        markersize=3,
        markevery=np.flatnonzero(dots).tolist(),
        **look,
    )


def _missing(
    ax: "matplotlib.axes.Axes", measured: np.ndarray, x: np.ndarray, step: float
) -> None:
    """Grey ground under each run of steps that were not measured."""
    edges = np.flatnonzero(np.diff(np.r_[True, measured, True].astype(np.int8)))
    for i, (first, after) in enumerate(pairwise(edges)):
        if i % 2 == 0:
            ax.axvspan(
                x[first] - step / 2,
                x[after - 1] + step / 2,
                color="#e3e6ea",
                linewidth=0,
                zorder=0,
                label="" if i else "missing",
            )


def _magnitude_db(values: np.ndarray) -> np.ndarray:
    power = abs(values) ** 2
    return 10 * np.log10(power, out=np.full(power.shape, np.nan), where=power > 0)
