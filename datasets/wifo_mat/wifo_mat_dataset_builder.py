"""Files in the layout of WiFo (arXiv 2412.08908): one complex array per .mat v7.3."""

from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from wlam.data.imported import WifoConfig
from wlam.data.sharded import ShardedBuilder
from wlam.phy.channels.tr38901.presets import PRESETS


def _config(name: str) -> WifoConfig:
    preset = PRESETS[name]
    return WifoConfig(
        name=name,
        array=(preset.base.rows, preset.base.columns),
        carrier_hz=preset.carriers_hz[0],
        subcarrier_spacing_hz=preset.subcarrier_spacings_hz[0],
        num_subcarriers=preset.num_subcarriers,
        time_step_s=preset.time_steps_s[0],
        num_times=preset.num_times,
    )


class Builder(ShardedBuilder):
    """One example a sample of the file."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        _config(f"D{number}") for number in range(1, 20)
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "X_train.mat, X_val.mat, X_test.mat, or some of them"
    HOMEPAGE = "https://huggingface.co/datasets/liuboxun/WiFo-dataset"
    LICENSE = "that of the files"
    pkg_dir_path = Path(__file__).parent
