"""What the pictures of docs/ have in common."""

import io
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from wlam.phy.channels.tr38901.config import State

STYLE: dict[Any, Any] = {
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.9",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
}
WIDTH = 9.0  # inches, 900 pixels
STATES: tuple[State, ...] = ("los", "nlos")
BLUE, ORANGE, BLACK = "#3465a4", "#d9730d", "0.15"
Table = dict[str, list[str]]
"""Name of a row -> its cells; the header's name is ''."""


def db(power: np.ndarray, floor_db: float = -80.0) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, 10 ** (floor_db / 10)))


def save(figure: Figure, file: Path) -> None:
    """Writes a PNG of 128 colours, a third of the usual size."""
    buffer = io.BytesIO()
    figure.savefig(buffer)
    Image.open(buffer).convert("RGB").quantize(128).save(file, optimize=True)


def draw_tables(
    page: Path, pictures: Mapping[str, Callable[[str], Figure | None]]
) -> None:
    """A PNG of each picture in the folder of the command line (docs/images).

    Args:
        page: Markdown, whose text pictures are drawn from.
        pictures: name -> what draws it; None where a table is not there.
    """
    folder = Path(sys.argv[1] if sys.argv[1:] else page.parent / "images")
    folder.mkdir(parents=True, exist_ok=True)
    matplotlib.use("Agg")
    text = page.read_text()
    with plt.rc_context(STYLE):
        for name, draw in pictures.items():
            figure = draw(text)
            if figure is None:
                print(f"{name}: a table is not there yet", file=sys.stderr)
            else:
                save(figure, folder / f"{name}.png")


def tables(page: str, part: str) -> list[Table]:
    """The tables between <!-- PART --> and <!-- /PART -->."""
    inside = page.partition(f"<!-- {part} -->")[2].partition(f"<!-- /{part} -->")[0]
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", inside, re.MULTILINE):
        rows = [
            [x.strip() for x in line.strip("|").split("|")]
            for line in block.splitlines()
        ]
        head, _, *body = rows
        found.append({"": head[1:], **{row[0]: row[1:] for row in body}})
    return found


def number(cell: str) -> float:
    """The first number of a cell; its interval is left out."""
    found = re.match(r"-?\d+(\.\d+)?(e-?\d+)?", cell)
    return float(found.group()) if found else np.nan
