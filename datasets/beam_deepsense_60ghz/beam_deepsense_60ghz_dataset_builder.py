"""60 GHz power of 64 beams while vehicles pass (DeepSense 6G)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from wlam.data.builders import open_arrays, read_card
from wlam.data.tfds_features import describe, tensor

SOURCE = "https://github.com/jmoraispk/Position-Beam-Prediction"

ARRAYS = ("pwr", "ue_loc", "bs_loc", "seq", "scenario")


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example a vehicle pass: the power of every beam, sweep by sweep."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"beam_deepsense_60ghz.npz and beam_deepsense_60ghz.json from {SOURCE}"
    )
    pkg_dir_path = Path(__file__).parent

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "vehicle_pass": np.int32,
            "power": tensor((None, 64), np.float32),
            "ue_loc": tensor((None, 2), np.float64),
            "bs_loc": tensor((2,), np.float64),
            "scenario": np.int32,
            "seq": np.int32,
        }
        return describe(self, features, SOURCE, "CC-BY-NC-SA-4.0")

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        folder = dl_manager.manual_dir
        data = open_arrays(folder, "beam_deepsense_60ghz.npz", ARRAYS, SOURCE)
        self.info.metadata["card"] = read_card(folder, "beam_deepsense_60ghz.json")
        return {"train": self._generate_examples(data)}

    def _generate_examples(
        self, data: dict[str, np.ndarray]
    ) -> Iterator[tuple[int, dict]]:
        scenario, seq = data["scenario"].astype(int), data["seq"].astype(int)
        # A pass is a run of samples with the same scenario and pass number.
        change = (np.diff(scenario) != 0) | (np.diff(seq) != 0)
        first = np.concatenate([[0], np.flatnonzero(change) + 1])
        last = np.append(first[1:], len(seq))
        for vehicle_pass, (i, j) in enumerate(zip(first, last, strict=True)):
            yield (
                vehicle_pass,
                {
                    "vehicle_pass": vehicle_pass,
                    "power": data["pwr"][i:j],
                    "ue_loc": data["ue_loc"][i:j],
                    "bs_loc": data["bs_loc"][i],
                    "scenario": int(scenario[i]),
                    "seq": int(seq[i]),
                },
            )
