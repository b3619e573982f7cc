"""What the pictures of `pictures.py` have in common."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from wlam.phy.tr38901.config import State

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


def db(power: np.ndarray, floor_db: float = -80.0) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, 10 ** (floor_db / 10)))


def save(figure: Figure, file: Path) -> None:
    """Writes a PNG of 128 colours, a third of the usual size."""
    buffer = io.BytesIO()
    figure.savefig(buffer)
    Image.open(buffer).convert("RGB").quantize(128).save(file, optimize=True)
