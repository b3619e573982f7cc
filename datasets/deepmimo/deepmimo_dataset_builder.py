"""Path tables of DeepMIMO v2 and v3 as the CSI of one snapshot per user."""

from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from wlam.data.imported import DeepMimoConfig
from wlam.data.sharded import ShardedBuilder


class Builder(ShardedBuilder):
    """One example a user with paths."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        DeepMimoConfig(name="bs1_3p5GHz", array=(1, 32)),
        DeepMimoConfig(name="bs1_28GHz", array=(1, 64), carrier_hz=28e9),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "BS1_UE_*.mat of a scenario"
    HOMEPAGE = "https://www.deepmimo.net"
    LICENSE = "that of the files"
    pkg_dir_path = Path(__file__).parent
