"""Pictures of the tables of docs/estimation.md; nothing is computed but what is there.

    python -m benchmarks.pictures.estimation [FOLDER]

Writes PNG files to FOLDER (docs/images): NMSE over SNR, and change and NMSE of a fixed
point over its network evaluations. A part whose table is not there is left out.
"""

import re
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.pictures.style import (
    BLACK,
    BLUE,
    ORANGE,
    WIDTH,
    Table,
    draw_tables,
    number,
    tables,
)

PAGE = Path(__file__).parents[2] / "docs" / "estimation.md"
GREYS = ("0.75", "0.6", "0.45", "0.3")
STYLES = ("-", "--", ":", "-.")
OURS = "wlam"


def against_snr(axis: Axes, table: Table, title: str, leave_out: str = "") -> None:
    """NMSE of all rows over the columns that are an SNR and nothing else.

    Where there is a row LS, which goes down with the noise, it is what the others gain.
    """
    snr = r"(?:slot: )?(?:NMSE dB at )?(-?\d+) dB"
    found = [re.fullmatch(snr, x) for x in table[""]]
    at = [i for i, x in enumerate(found) if x]
    snrs = [float(x[1]) for x in found if x]
    others, gains = 0, "LS" in table
    for name, cells in table.items():
        if name in ("", "LS") or (leave_out and re.search(leave_out, name)):
            continue
        values = [
            number(cells[i]) - (number(table["LS"][i]) if gains else 0) for i in at
        ]
        if name.startswith(OURS):
            plain = "," not in name
            axis.plot(snrs, values, "-o" if plain else "--", color=BLUE, label=name,
                      markersize=3)  # fmt: skip
        elif "genie" in name:
            axis.plot(snrs, values, color=BLACK, linestyle=":", label=name)
        else:
            style = STYLES[others // len(GREYS) % len(STYLES)]
            grey = GREYS[others % len(GREYS)]
            axis.plot(snrs, values, color=grey, linestyle=style, label=name)
            others += 1
    label = "NMSE in dB over that of LS" if gains else "NMSE in dB"
    axis.set(xlabel="SNR in dB", ylabel=label, title=title)
    axis.legend(fontsize=7)


def mimo(page: str) -> Figure | None:
    parts = {"mimo": "three paths", "drops": "TR 38.901"}
    found = {part: tables(page, part) for part in parts}
    if not all(found.values()):
        return None
    figure = Figure(figsize=(WIDTH, 4))
    for axis, (part, title) in zip(figure.subplots(1, 2), parts.items(), strict=True):
        against_snr(axis, found[part][0], title, r"calls|one call|inclusive|5 dB")
    return figure


def compressed(page: str) -> Figure | None:
    parts = {"chains": "16 RF chains for 64 antennas", "entries": "a quarter is seen",
             "slot": "a slot and its DM-RS"}  # fmt: skip
    found = {part: tables(page, part) for part in parts}
    if not all(found.values()):
        return None
    figure = Figure(figsize=(WIDTH, 3.6))
    for axis, (part, title) in zip(figure.subplots(1, 3), parts.items(), strict=True):
        against_snr(axis, found[part][0], title, "one speed")
    return figure


def fixed_point(page: str) -> Figure | None:
    of_calls = [x for x in tables(page, "thz") if x[""][:1] == ["largest change"]]
    if not of_calls:
        return None
    rows = {int(k): [number(x) for x in v] for k, v in of_calls[0].items() if k}
    change, nmse = np.array([*rows.values()]).T
    figure = Figure(figsize=(WIDTH / 1.6, 3.2))
    axis = figure.subplots()
    axis.semilogy([*rows], change, "-o", color=BLUE, markersize=3)
    axis.set(xlabel="network evaluations", ylabel="largest change (blue)")
    other = axis.twinx()
    other.plot([*rows], nmse, "--s", color=ORANGE, markersize=3)
    other.set(ylabel="NMSE in dB (orange)")
    other.grid(visible=False)
    return figure


PICTURES = {
    "estimation_mimo": mimo,
    "estimation_compressed": compressed,
    "fixed_point": fixed_point,
}

if __name__ == "__main__":
    draw_tables(PAGE, PICTURES)
