"""The pictures of docs/channels.md, and the numbers of their captions.

    python -m benchmarks.pictures [FOLDER]

Writes PNG files to FOLDER (docs/images), and prints what their captions quote. Keys are
fixed: one version of the library draws the same channels every time.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from benchmarks.pictures.moving import doppler, track
from benchmarks.pictures.still import delay_lines, large_scale_parameters, spectra
from benchmarks.pictures.style import STYLE, save

PICTURES: dict[str, Callable[[], Figure]] = {
    "spectra": spectra,
    "doppler": doppler,
    "large_scale": large_scale_parameters,
    "delay_lines": delay_lines,
    "track": track,
}


def main() -> None:
    folder = Path(sys.argv[1] if sys.argv[1:] else "docs/images")
    folder.mkdir(parents=True, exist_ok=True)
    matplotlib.use("Agg")
    with plt.rc_context(STYLE):
        for name, draw in PICTURES.items():
            figure = draw()
            save(figure, folder / f"{name}.png")
            plt.close(figure)


if __name__ == "__main__":
    main()
