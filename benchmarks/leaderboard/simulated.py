"""Channels of other simulators, as cases that need no simulator.

A program of benchmarks/ writes one .npz a setting, in the format of `wlam.data.files`
and with `speed_kmh` and, where it is known, `los` of every sample. Noise is added here,
so that one file is judged clean and noisy.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from wlam.data.files import CSI, read_npz
from wlam.evaluation.cases import add_noise
from wlam.evaluation.forecast import Case
from wlam.types import Csi, DataError

TASKS = {"csi_time": (16, 8), "csi_frequency": (32, 32)}
"""Context and horizon of each task."""
SNRS_DB = (20.0, None)
"""Noise of the context; None is clean."""
LABELS = ("speed_kmh", "los")


@runtime_checkable
class Setting(Protocol):
    """One kind of channel."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Simulated:
    """All settings of one simulator: a section of the benchmark page."""

    title: str
    settings: Sequence[Setting]
    program: str  # makes the files
    extra: str  # which it needs
    variable: str  # of the environment: the folder of the files
    usual: str  # the folder where that is not set

    def root(self) -> Path:
        """The folder of the files, whether it is there or not."""
        return Path(os.environ.get(self.variable) or self.usual)

    def missing(self, setting: Setting, folder: Path) -> str:
        """What is not there, in a few words; "" where the setting's file is."""
        path = folder / file_of(setting)
        if path.is_file():
            return ""
        what = path.name if folder.is_dir() else f"folder of {self.title} channels"
        return f"no {what}; see {self.program} (extra [{self.extra}])"

    def read(self, setting: Setting, folder: str | Path) -> Csi:
        """The channels of a setting, without noise; labels as far as they are known.

        Raises:
            DataError: there is no such file, or it cannot be used.
        """
        path = Path(folder) / file_of(setting)
        if not path.is_file():
            raise DataError(
                f"{path.name}: found none in {folder}; needed the output of "
                f"{self.program} (extra [{self.extra}])"
            )
        data, _ = read_npz(path, CSI)
        assert isinstance(data, Csi)
        with np.load(path) as file:
            labels = {name: file[name] for name in LABELS if name in file.files}
        for name, values in labels.items():
            if values.shape != (len(data.csi),):
                raise DataError(
                    f"{name}: found shape {values.shape} in {path.name}; needed one "
                    f"for each of {len(data.csi)} samples"
                )
        return replace(data, labels=labels)

    def case(
        self, setting: Setting, task: str, snr_db: float | None, folder: str | Path
    ) -> Case:
        """One question on one setting.

        Raises:
            DataError: there is no such file, or it cannot be used.
        """
        data = self.read(setting, folder)
        samples, times, subcarriers, antennas = data.csi.shape
        if snr_db is not None:
            data = add_noise(data, snr_db)
        snr = np.full(samples, np.inf if snr_db is None else snr_db, np.float32)
        data = replace(data, labels=data.labels | {"snr_db": snr})
        context, horizon = TASKS[task]
        about = f"{self.title} {setting.name}, {times} snapshots x {subcarriers} "
        about += f"subcarriers x {antennas} antennas"
        name = case_name(setting, task, snr_db)
        return Case(name, task, data, context, horizon, about=about)


def file_of(setting: Setting) -> str:
    """A setting's file in the folder of channels, such as "CDL-A_3.5_GHz.npz"."""
    return setting.name.replace("/", "").replace(" ", "_") + ".npz"


def noise_name(snr_db: float | None) -> str:
    """Such as "20 dB", or "clean"."""
    return "clean" if snr_db is None else f"{snr_db:g} dB"


def case_name(setting: Setting, task: str, snr_db: float | None) -> str:
    """Such as "csi_time UMi NLOS 28 GHz 20 dB"."""
    return f"{task} {setting.name} {noise_name(snr_db)}"
