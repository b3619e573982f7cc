"""Series of the load of cells, drawn by this library's traffic generator."""

from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from wlam.data.generated import GeneratedConfig
from wlam.data.sharded import ShardedBuilder
from wlam.simulate.traffic import TrafficConfig


class Builder(ShardedBuilder):
    """One example a series and its labels."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        GeneratedConfig(name="default", source=TrafficConfig()),
        GeneratedConfig(
            name="hourly",
            source=TrafficConfig(num_times=1344, time_steps_s=(3600.0,)),
        ),
    ]
    pkg_dir_path = Path(__file__).parent
