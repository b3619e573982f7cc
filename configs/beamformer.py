"""The beamformer: downlink beams for moving users, from channels with errors.

command   python train.py configs/beamformer.py:liquid, then
          python eval.py runs/beamformer/liquid
names     liquid; lstm and mlp, with other cells; no_filter, without the filter over
          time
hardware  one CPU core
time      docs/liquid.md
expected  docs/liquid.md

64 antennas serve 4 users of 2 at 28 GHz. Seven windows of tracks and one of white
channels in a step, 48 samples 10 ms apart.
"""

from dataclasses import replace

from wlam.config import Config
from wlam.evaluation.defaults import PRECODING
from wlam.models.beamformer.network import BeamformerConfig
from wlam.simulate.downlink import DownlinkConfig, RayleighConfig
from wlam.tasks.mixture import DataSource
from wlam.training.checkpoint import CheckpointConfig
from wlam.training.optimisers import OptimizerConfig

WINDOW = 48
DOWNLINK = DownlinkConfig()
SOURCE = replace(DOWNLINK, tracks=replace(DOWNLINK.tracks, num_times=WINDOW))
LIQUID = BeamformerConfig()
NETWORKS = {
    "liquid": LIQUID,
    "lstm": replace(LIQUID, cell="lstm"),
    "mlp": replace(LIQUID, cell="mlp"),
    "no_filter": replace(LIQUID, filter=False),
}


def named(name: str) -> Config:
    return Config(
        run=f"runs/beamformer/{name}",
        mixture={
            "tracks": DataSource("precode", SOURCE, 7.0, rows_per_sample=1),
            "white": DataSource(
                "precode", RayleighConfig(num_times=WINDOW), 1.0, rows_per_sample=1
            ),
        },
        evaluation=PRECODING,
        model=NETWORKS[name],
        steps=600,
        rows=8,
        temperature=1.0,
        steps_per_dispatch=10,
        validate_every=100,
        optimizer=OptimizerConfig(
            learning_rate=1e-2, warmup_steps=0, weight_decay=0.0, beta2=0.999
        ),
        checkpoint=CheckpointConfig(every_minutes=1.0),
    )


configs = {name: named(name) for name in NETWORKS}
