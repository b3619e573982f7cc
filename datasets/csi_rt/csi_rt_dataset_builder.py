"""CSI traced in the city scenes of Sionna RT; needs the extra [rt]."""

from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from wlam.data.raytraced import SCENES, RayTracedConfig, SceneConfig
from wlam.data.sharded import ShardedBuilder


class Builder(ShardedBuilder):
    """One example a user: noisy and clean CSI, his place and how he is seen."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        RayTracedConfig(name=scene, source=SceneConfig(scene=scene, base_m=base_m))
        for scene, (_, base_m) in SCENES.items()
    ]
    LICENSE = "Apache-2.0; the scenes contain data of OpenStreetMap (ODbL 1.0)"
    pkg_dir_path = Path(__file__).parent
