"""Mobile traffic of blocks of 4x4 cells in two cities (UoMo, KDD 2025)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from wlam.data.builders import open_arrays, read_card
from wlam.data.tfds_features import describe, tensor

SOURCE = "https://github.com/tsinghua-fib-lab/UoMo"

# Name of the split here -> name in the file.
SPLITS = {"train": "train", "validation": "val", "test": "test"}


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example a window of 64 steps over the 16 cells of a block."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        tfds.core.BuilderConfig(name="nj", description="TrafficNJ, 15 minutes a step."),
        tfds.core.BuilderConfig(name="sd", description="TrafficSD, 1 hour a step."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"traffic_uomo_<config>.npz and .json from {SOURCE}"
    pkg_dir_path = Path(__file__).parent

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "window": np.int32,
            "traffic": tensor((None, 16), np.float32),
            "start": tensor((2,), np.int32),
            "block": np.int32,
            "clip": np.float32,
            "time_step_s": np.float32,
        }
        return describe(self, features, SOURCE, "MIT")

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        folder = dl_manager.manual_dir
        file = f"traffic_uomo_{self.builder_config.name}"
        arrays = ["clip", "step_s"]
        for key in SPLITS.values():
            arrays += [key, f"{key}_start", f"{key}_block"]
        data = open_arrays(folder, f"{file}.npz", arrays, SOURCE)
        self.info.metadata["card"] = read_card(folder, f"{file}.json")
        return {
            split: self._generate_examples(data, key) for split, key in SPLITS.items()
        }

    def _generate_examples(
        self, data: dict[str, np.ndarray], key: str
    ) -> Iterator[tuple[int, dict]]:
        for window, traffic in enumerate(data[key]):
            yield (
                window,
                {
                    "window": window,
                    "traffic": traffic,
                    "start": data[f"{key}_start"][window].astype(np.int32),
                    "block": int(data[f"{key}_block"][window]),
                    "clip": np.float32(data["clip"]),
                    "time_step_s": np.float32(data["step_s"]),
                },
            )
