"""Wi-Fi channel state information along corridors (CSUIndoorLoc)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from wlam.data.builders import open_arrays, read_card
from wlam.data.tfds_features import describe, tensor

SOURCE = "https://github.com/EPIC-CSU/csi-rssi-dataset-indoor-nav"

# Name of the split here -> name in the file.
SPLITS = {"train": "ref", "test": "test"}
ARRAYS = ("csi", "t", "xy", "path", "label", "rssi_channel")


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example a position: its packets, 56 subcarriers each, raw I and Q."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"csi_csu_wifi.npz and csi_csu_wifi.json from {SOURCE}"
    )
    pkg_dir_path = Path(__file__).parent

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "position": np.int32,
            "csi": tensor((None, 56, 2), np.int16),
            "t": tensor((None,), np.float32),
            "xy": tensor((2,), np.float32),
            "path": np.int32,
            "label": tfds.features.Text(),
            "rssi_channel": tensor((2,), np.int16),
        }
        return describe(self, features, SOURCE, "BSD-3-Clause")

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        folder = dl_manager.manual_dir
        arrays = [f"{key}_{array}" for key in SPLITS.values() for array in ARRAYS]
        data = open_arrays(folder, "csi_csu_wifi.npz", arrays, SOURCE)
        self.info.metadata["card"] = read_card(folder, "csi_csu_wifi.json")
        return {
            split: self._generate_examples(data, key) for split, key in SPLITS.items()
        }

    def _generate_examples(
        self, data: dict[str, np.ndarray], key: str
    ) -> Iterator[tuple[int, dict]]:
        for position in range(len(data[f"{key}_csi"])):
            row = {array: data[f"{key}_{array}"][position] for array in ARRAYS}
            row |= {"path": int(row["path"]), "label": str(row["label"])}
            yield position, row | {"position": position}
