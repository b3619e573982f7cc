"""Where a channel has its power: over delay and direction."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wlam.ops.checks import shown
from wlam.phy.arrays import array_shape, ula
from wlam.phy.transforms import to_bins
from wlam.plot import arrays, style
from wlam.types import TIME, Antennas, Csi, DataError

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

MOST_LABELS = 8  # of the rows of a panel, along its direction axis


@dataclass(frozen=True)
class Power:
    """Power of one polarisation, its directions from left to right, bottom to top."""

    power: np.ndarray  # [delay, direction], linear
    edges: np.ndarray  # [direction + 1], on the direction axis
    label: str  # of the direction axis
    rows: tuple[float, ...] = ()  # sines of elevation, one block of directions each


def delay_angle(
    csi: Any,
    sample: int = 0,
    snapshot: int | None = None,
    dynamic_range_db: float | int = 40,
    ax: "matplotlib.axes.Axes | None" = None,
) -> "matplotlib.figure.Figure | matplotlib.axes.Axes":
    """Draws the power of a channel over delay and direction, in dB below its maximum.

    Delays are the inverse DFT of subcarriers, directions the DFT of the antennas (see
    `wlam.phy.transforms`), without window: a path that is no multiple of a bin leaks
    into its neighbours. Delays repeat after one over the subcarrier spacing. Broadside
    is in the middle. The directions of a panel stand row by row: a block for each sine
    of elevation, and within it sines of azimuth that rise from left to right.

    Args:
        csi: `wlam.Csi`. Without antennas it is one of a uniform line half a wavelength
            apart; the bins of an irregular array are its antennas. Powers of receive
            antennas are averaged.
        sample: which one.
        snapshot: which one; None: the mean power of all that were measured in full.
        dynamic_range_db: what is weaker than the maximum by more is drawn as weak.
        ax: where to draw, powers of the polarisations added; None: a new figure with a
            panel for each polarisation.

    Returns:
        `ax` where it is given, else the figure.

    Raises:
        DataError: a shape, sample, snapshot or dynamic range that does not fit; or no
            snapshot without missing entries, or none with power.
    """
    if not isinstance(csi, Csi):
        raise DataError(f"csi: found {type(csi).__name__}; needed wlam.Csi")
    if not (np.isfinite(dynamic_range_db) and dynamic_range_db > 0):
        raise DataError(
            f"dynamic_range_db: found {shown(dynamic_range_db)}; needed more than 0"
        )
    steps = arrays.steps_of("csi", csi, "time", sample)
    chosen = _snapshots(steps.values, snapshot)
    spacing = style.one_of(csi.subcarrier_spacing_hz, sample)
    parts = powers(chosen, csi.antennas)
    if ax is not None and len({part.power.shape for part in parts}) == 1:
        first = parts[0]
        total = sum(part.power for part in parts)
        parts = [Power(np.asarray(total), first.edges, first.label, first.rows)]
    top = max(part.power.max() for part in parts)
    if not top > 0:
        raise DataError("csi: found no power; needed some to draw")
    size = (5.6, 3.8) if len(parts) == 1 else (4.6, 3.8)
    drawn, panels = style.panels(ax, 1, len(parts), size, sharey=True)
    if len(panels) != len(parts):
        raise DataError(
            f"ax: found one for {len(parts)} polarisations of different arrays; needed "
            "None"
        )
    step, label = 1.0, "delay (bins)"
    count = len(parts[0].power)
    if spacing is not None:
        unit, name = style.unit_for(1 / spacing)
        step, label = 1 / (count * spacing) / unit, f"delay ({name})"
    image = None
    for i, (panel, part) in enumerate(zip(panels, parts, strict=True)):
        level = np.maximum(part.power / top, 10 ** (-dynamic_range_db / 10))
        image = _draw(panel, part, 10 * np.log10(level), step, -float(dynamic_range_db))
        if len(parts) > 1:
            panel.set_title(f"polarisation {i}", loc="left", fontsize=10)
    panels[0].set_ylabel(label)
    panels[0].figure.colorbar(image, ax=panels, label="power (dB of the maximum)")
    return drawn


def powers(channels: np.ndarray, antennas: Antennas | None) -> list[Power]:
    """Mean power of each polarisation over delay and direction.

    Args:
        channels: complex [snapshot, subcarrier, antenna] or [snapshot, subcarrier,
            receive antenna, antenna], nothing missing.
        antennas: of the last axis; None: a uniform line.

    Raises:
        DataError: antennas of another number.
    """
    x = channels if channels.ndim == 4 else channels[:, :, None]
    count = x.shape[-1]
    if antennas is None:
        antennas = Antennas(ula(count), np.zeros(count, np.int32))
    if len(antennas) != count:
        raise DataError(
            f"antennas: found {len(antennas)}; needed {count}, the last axis of csi"
        )
    x = np.moveaxis(x, 2, 0).astype(np.complex64)
    bins = np.asarray(to_bins(x, TIME, antennas))
    power = (abs(bins) ** 2).mean(axis=(0, 1), dtype=np.float64)  # [delay, bin]
    shapes = array_shape(antennas.positions, antennas.polarisation)
    if not shapes:
        return [Power(power, np.arange(count + 1) - 0.5, "antenna")]
    found, first = [], 0
    kinds = np.unique(np.asarray(antennas.polarisation))
    for kind, shape in zip(kinds, shapes, strict=True):
        size = int(np.prod(shape))
        part = power[:, first : first + size].reshape(-1, *shape)
        part = np.fft.fftshift(part, axes=(1, 2, 3)).reshape(-1, size)
        places = np.asarray(antennas.positions, np.float64)
        places = places[np.asarray(antennas.polarisation) == kind]
        found.append(_placed(part, shape, places))
        first += size
    return found


def _placed(power: np.ndarray, shape: Any, positions: np.ndarray) -> Power:
    """Directions as sines, where the array has one or two sides."""
    sides = [i for i in range(3) if shape[i] > 1]  # of z, y, x
    sines = [_sines(shape[i], positions[:, 2 - i]) for i in range(3)]
    if len(sides) == 1:
        sine = sines[sides[0]]
        half = (sine[1] - sine[0]) / 2
        edges = np.r_[sine - half, sine[-1] + half]
        name = ("elevation", "azimuth", "angle to x")[sides[0]]
        return Power(power, edges, f"direction (sine of {name})")
    edges = np.arange(power.shape[1] + 1) - 0.5
    if sides == [0, 1]:
        label = "sine of elevation, of azimuth within"
        return Power(power, edges, label, tuple(sines[0]))
    return Power(power, edges, "direction bin")


def _sines(count: int, places: np.ndarray) -> np.ndarray:
    """Of the directions of `count` bins, from the lowest, see `beamspace`."""
    spacing = np.ptp(places) / max(count - 1, 1) or 1.0
    return np.fft.fftshift(np.fft.fftfreq(count)) / spacing


def _snapshots(values: np.ndarray, snapshot: int | None) -> np.ndarray:
    """[snapshot, ...] of those that are drawn, all measured in full."""
    if snapshot is not None:
        whole = isinstance(snapshot, int | np.integer) and not isinstance(
            snapshot, bool
        )
        if not whole or not 0 <= snapshot < len(values):
            raise DataError(
                f"snapshot: found {shown(snapshot)}; needed 0 to {len(values) - 1}"
            )
        values = values[snapshot : snapshot + 1]
    full = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not full.any():
        raise DataError(
            "csi: found no snapshot without missing entries; needed one (or "
            "complete them first)"
        )
    return values[full]


def _draw(
    ax: "matplotlib.axes.Axes", part: Power, level: np.ndarray, step: float, low: float
) -> Any:
    """One panel; `level` is in dB, `step` the width of a delay bin."""
    image = ax.pcolormesh(
        part.edges,
        (np.arange(len(level) + 1) - 0.5) * step,
        level,
        cmap=style.DB_MAP,
        vmin=low,
        vmax=0.0,
        rasterized=True,
    )
    style.dress(ax, grid=False)
    ax.set_xlabel(part.label)
    if part.rows:
        width = len(part.edges[1:]) // len(part.rows)
        for k in range(1, len(part.rows)):
            ax.axvline(k * width - 0.5, color="white", linewidth=1.0)
        every = -(-len(part.rows) // MOST_LABELS)
        centres = (np.arange(len(part.rows)) + 0.5) * width - 0.5
        labels = [f"{sine:.2g}" for sine in part.rows]
        ax.set_xticks(centres[::every], labels[::every])
    return image
