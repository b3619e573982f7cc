"""CSI of the sets of the literature, drawn by this library's TR 38.901 simulator."""

from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from wlam.data.generated import GeneratedConfig
from wlam.data.sharded import ShardedBuilder
from wlam.phy.channels.tr38901.presets import PRESETS


class Builder(ShardedBuilder):
    """One example a sample: noisy and clean CSI, and the labels of its drop."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        GeneratedConfig(name=name, source=source) for name, source in PRESETS.items()
    ]
    pkg_dir_path = Path(__file__).parent
