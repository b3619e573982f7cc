"""Channels of another simulator, Sionna, as cases that need no Sionna.

`benchmarks/sionna_channels.py` writes one .npz a setting, in the format of
`wlam.data.files` and with `speed_kmh` and, in cells, `los` of every sample. Noise is
added here, so that one file is judged clean and noisy.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wlam.data.files import read_npz
from wlam.data.tensors import Csi, DataError
from wlam.evaluation.cases import add_noise
from wlam.evaluation.judge import EvalCase

TASKS = {"csi_time": (16, 8), "csi_frequency": (32, 32)}
"""Context and horizon of each task."""
SNRS_DB = (20.0, None)
"""Noise of the context; None is clean."""
LABELS = ("speed_kmh", "los")


@dataclass(frozen=True)
class Setting:
    """One kind of channel."""

    model: str  # UMi, UMa, RMa or CDL-A ... CDL-E
    state: str  # NLOS, LOS, or "" for CDL
    ghz: float

    @property
    def name(self) -> str:
        return " ".join(filter(None, (self.model, self.state, f"{self.ghz:g} GHz")))

    @property
    def file(self) -> str:
        """Its file in the folder of channels."""
        return self.name.replace(" ", "_") + ".npz"

    @property
    def is_nlos(self) -> bool:
        """In a cell without a line of sight: the hard half of the benchmark."""
        return self.state == "NLOS"


SETTINGS = (
    *(
        Setting(model, state, ghz)
        for model, carriers in (("UMi", (3.5, 28.0)), ("UMa", (2.0, 28.0)))
        for state in ("NLOS", "LOS")
        for ghz in carriers
    ),
    *(Setting("RMa", state, 2.0) for state in ("NLOS", "LOS")),
    *(Setting(f"CDL-{letter}", "", 3.5) for letter in "ABCDE"),
)


def sionna_root() -> Path:
    """WLAM_SIONNA_DIR, or data/sionna_csi."""
    return Path(os.environ.get("WLAM_SIONNA_DIR", "data/sionna_csi"))


def case_name(setting: Setting, task: str, snr_db: float | None) -> str:
    """Such as "csi_time UMi NLOS 28 GHz 20 dB"."""
    noise = "clean" if snr_db is None else f"{snr_db:g} dB"
    return f"{task} {setting.name} {noise}"


def read_setting(setting: Setting, folder: str | Path) -> Csi:
    """The channels of a setting, without noise; labels speed_kmh and los where known.

    Raises:
        DataError: there is no such file, or it cannot be used.
    """
    path = Path(folder) / setting.file
    if not path.is_file():
        raise DataError(
            f"{setting.file}: found none in {folder}; needed the output of "
            "benchmarks/sionna_channels.py (extra [peers])"
        )
    data, _ = read_npz(path, "csi_time")
    assert isinstance(data, Csi)
    with np.load(path) as file:
        labels = {name: file[name] for name in LABELS if name in file.files}
    for name, values in labels.items():
        if values.shape != (len(data.csi),):
            raise DataError(
                f"{name}: found shape {values.shape} in {setting.file}; needed one "
                f"for each of {len(data.csi)} samples"
            )
    return replace(data, labels=labels)


def sionna_case(
    setting: Setting, task: str, snr_db: float | None, folder: str | Path
) -> EvalCase:
    """One question on one setting.

    Raises:
        DataError: there is no such file, or it cannot be used.
    """
    data = read_setting(setting, folder)
    if snr_db is not None:
        data = add_noise(data, snr_db)
    snr = np.full(len(data.csi), np.inf if snr_db is None else snr_db, np.float32)
    data = replace(data, labels=data.labels | {"snr_db": snr})
    context, horizon = TASKS[task]
    about = f"Sionna's {setting.name}, 24 snapshots x 64 subcarriers x 4 x 8 antennas"
    name = case_name(setting, task, snr_db)
    return EvalCase(name, task, data, context, horizon, about=about)
