"""Pictures of the tables of docs/liquid.md; nothing is computed but what is there.

    python -m benchmarks.pictures.liquid [FOLDER]

Writes PNG files to FOLDER (docs/images): spectral efficiency over the time since the
last sweep, and the sum rate of beams over the error of channels. A part whose table is
not there is left out.
"""

import re
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.pictures.style import (
    BLACK,
    BLUE,
    ORANGE,
    WIDTH,
    draw_tables,
    number,
    tables,
)

PAGE = Path(__file__).parents[2] / "docs" / "liquid.md"
TRACKERS = {
    "`cfc_long`": {"color": BLUE, "marker": "o"},
    "`cfc`": {"color": BLUE, "linestyle": "--"},
    "`lstm`": {"color": ORANGE},
    "`ode_lstm`": {"color": ORANGE, "linestyle": "--"},
    "`gru_d`": {"color": ORANGE, "linestyle": ":"},
    "EKF": {"color": BLACK, "linestyle": "--"},
    "linear tracker": {"color": "0.5", "linestyle": "--"},
    "repeat last": {"color": "0.5"},
}
BASE, PUBLISHED = "RZF, error known", "GLNN, published"
BEAMS = {
    "liquid": {"color": BLUE, "marker": "o"},
    "WMMSE, 40, smoothed": {"color": ORANGE},
    "RZF, smoothed": {"color": ORANGE, "linestyle": "--"},
    "WMMSE, 400, error known": {"color": BLACK},
    BASE: {"color": BLACK, "linestyle": "--"},
    PUBLISHED: {"color": "0.5"},
}


def tracking(page: str) -> Figure | None:
    of_time = [x for x in tables(page, "tracking") if "10" in x[""]]
    if not of_time:
        return None
    figure = Figure(figsize=(WIDTH, 3.4))
    axes = figure.subplots(1, len(of_time), sharey=True)
    for axis, table, title in zip(axes, of_time, ("5 m/s", "20 m/s"), strict=True):
        at = [number(x) for x in table[""]]
        for name, line in TRACKERS.items():
            values = [number(x) for x in table[name]]
            axis.plot(at, values, label=name.strip("`"), markersize=3, **line)
        axis.set(xlabel="ms after the sweep", title=title)
    axes[0].set(ylabel="spectral efficiency over the best")
    axes[0].legend(fontsize=7)
    return figure


def beamforming(page: str) -> Figure | None:
    found = tables(page, "tracks")
    if not found:
        return None
    # Earlier tables have other words for the same rows and columns.
    table = {name.replace(", told", ", error known"): x for name, x in found[0].items()}
    errors = [re.sub(r"^(sum rate, )?(error )?", "", x) for x in table[""]]
    rates = {name: np.array([number(x) for x in table[name]]) for name in BEAMS}
    figure = Figure(figsize=(WIDTH, 3.4))
    left, right = figure.subplots(1, 2)
    for name, line in BEAMS.items():
        left.plot(errors, rates[name], label=name, markersize=3, **line)
        if name != PUBLISHED:
            more = rates[name] - rates[BASE]
            right.plot(errors, more, markersize=3, **line)
    left.set(xlabel="error, below the channel", ylabel="bit/s/Hz")
    right.set(xlabel="error, below the channel", ylabel=f"bit/s/Hz more than {BASE}")
    left.legend(fontsize=7)
    return figure


PICTURES = {"beam_tracking": tracking, "beamforming": beamforming}

if __name__ == "__main__":
    draw_tables(PAGE, PICTURES)
