"""Radio KPIs that a phone logged on drives and at rest (UCC 5G, MMSys 2020)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from wlam.data.builders import open_arrays, read_card

SOURCE = "https://github.com/uccmisl/5Gdataset"

ARRAYS = ("x", "lonlat", "t", "off", "columns", "tag", "mode")


def _tensor(shape: tuple[int | None, ...], dtype: Any) -> tfds.features.Tensor:
    # As bytes: the default encoding keeps float64 as float32 and is slow for integers.
    return tfds.features.Tensor(
        shape=shape, dtype=dtype, encoding=tfds.features.Encoding.ZLIB
    )


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example a trace: 11 KPIs, position, time stamp and mode of every row."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"kpi_ucc5g.npz and kpi_ucc5g.json from {SOURCE}"
    pkg_dir_path = Path(__file__).parent

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "trace": np.int32,
                    "kpi": _tensor((None, 11), np.float32),
                    "columns": tfds.features.Sequence(tfds.features.Text()),
                    "t": _tensor((None,), np.int64),
                    "lonlat": _tensor((None, 2), np.float64),
                    "mode": tfds.features.Sequence(tfds.features.Text()),
                    "tag": tfds.features.Text(),
                }
            ),
            homepage=SOURCE,
            license="GPL-3.0",
            metadata=tfds.core.MetadataDict(),
            disable_shuffling=True,
        )

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
