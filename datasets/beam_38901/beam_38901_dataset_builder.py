"""Beam sweeps of a base station while a user passes, drawn by this library."""

from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from wlam.data.generated import GeneratedConfig
from wlam.data.sharded import ShardedBuilder
from wlam.simulate.beams import BeamConfig
from wlam.simulate.sweeps import SweepConfig


class Builder(ShardedBuilder):
    """One example a track: measured and clean power of every beam, and labels."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        GeneratedConfig(name="UMi_28GHz", source=SweepConfig()),
        GeneratedConfig(
            name="UMa_3p5GHz",
            source=SweepConfig(
                scenario="UMa", carriers_hz=(3.5e9,), distances_m=(35.0, 200.0)
            ),
        ),
        *(
            GeneratedConfig(name=name, source=BeamConfig(carriers_hz=(carrier_hz,)))
            for name, carrier_hz in {
                "track_3p5GHz": 3.5e9,
                "track_28GHz": 28e9,
                "track_60GHz": 60e9,
            }.items()
        ),
    ]
    pkg_dir_path = Path(__file__).parent
