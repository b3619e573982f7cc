"""Radio KPIs that a phone logged on drives and at rest (UCC 5G, MMSys 2020)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from wlam.data.builders import open_arrays, read_card
from wlam.data.tfds_features import describe, tensor

SOURCE = "https://github.com/uccmisl/5Gdataset"

ARRAYS = ("x", "lonlat", "t", "off", "columns", "tag", "mode")


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example a trace: 11 KPIs, position, time stamp and mode of every row."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"kpi_ucc5g.npz and kpi_ucc5g.json from {SOURCE}"
    pkg_dir_path = Path(__file__).parent

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "trace": np.int32,
            "kpi": tensor((None, 11), np.float32),
            "columns": tfds.features.Sequence(tfds.features.Text()),
            "t": tensor((None,), np.int64),
            "lonlat": tensor((None, 2), np.float64),
            "mode": tfds.features.Sequence(tfds.features.Text()),
            "tag": tfds.features.Text(),
        }
        return describe(self, features, SOURCE, "GPL-3.0")

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        folder = dl_manager.manual_dir
        data = open_arrays(folder, "kpi_ucc5g.npz", ARRAYS, SOURCE)
        self.info.metadata["card"] = read_card(folder, "kpi_ucc5g.json")
        return {"train": self._generate_examples(data)}

    def _generate_examples(
        self, data: dict[str, np.ndarray]
    ) -> Iterator[tuple[int, dict]]:
        columns = [str(column) for column in data["columns"]]
        for trace, tag in enumerate(data["tag"]):
            rows = slice(data["off"][trace], data["off"][trace + 1])
            yield (
                trace,
                {
                    "trace": trace,
                    "kpi": data["x"][rows],
                    "columns": columns,
                    "t": data["t"][rows],
                    "lonlat": data["lonlat"][rows],
                    "mode": [str(mode) for mode in data["mode"][rows]],
                    "tag": str(tag),
                },
            )
