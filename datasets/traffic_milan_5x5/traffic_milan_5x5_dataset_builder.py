"""Internet activity of 25 cells of Milan, November 2013."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from wlam.data.builders import open_arrays, read_card
from wlam.data.tfds_features import describe, tensor

SOURCE = "https://github.com/suemon-suemon/DGRN-wireless-traffic-forecast"


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example a cell: its 4320 values, 10 minutes apart."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"traffic_milan_5x5.npz and traffic_milan_5x5.json from {SOURCE}"
    )
    pkg_dir_path = Path(__file__).parent

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "cell": np.int32,
            "traffic": tensor((None,), np.float32),
            "time_step_s": np.float32,
        }
        return describe(self, features, SOURCE, "ODbL-1.0 (data), MIT (processing)")

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        folder = dl_manager.manual_dir
        data = open_arrays(folder, "traffic_milan_5x5.npz", ("x", "step_s"), SOURCE)
        self.info.metadata["card"] = read_card(folder, "traffic_milan_5x5.json")
        return {"train": self._generate_examples(data)}

    def _generate_examples(
        self, data: dict[str, np.ndarray]
    ) -> Iterator[tuple[int, dict]]:
        for cell, traffic in enumerate(data["x"].T):
            yield (
                cell,
                {
                    "cell": cell,
                    "traffic": np.ascontiguousarray(traffic),
                    "time_step_s": np.float32(data["step_s"]),
                },
            )
