"""Peers: other networks, on the same stream for the same samples as tiny or little.

command   python train.py configs/peers.py:wifo
          python eval.py runs/peers/wifo --cases configs/benchmark.py
names     wifo, wifo_little; PEER_TASK for PEER in transformer, lstm, gru and TASK in
          csi_time, csi_frequency, beam, traffic; dlinear_traffic, dlinear_kpi
hardware  2 CPU cores
time      on one core beside other work: wifo 65 minutes, wifo_little 92; others in
          models/peers
expected  docs/benchmark.md

WiFo, of the size of tiny and of little, is trained on whole channels of the drops of
their mixture, in time and frequency, for as many steps. The others are networks of the
literature, one for each task, on single series, with the last value as the base and
without baseline forecasts, for as many steps as tiny. The Transformer is similar to
PatchTST; docs/model.md says where it differs. DLinear forecasts windows of single
series, one network for traffic and one for KPIs.
"""

import runpy
from dataclasses import replace
from pathlib import Path

from wlam.config import Config
from wlam.models.base import NetworkConfig
from wlam.models.peers.dlinear import DLinearConfig
from wlam.models.peers.wifo import WifoConfig
from wlam.models.predictor.network import PredictorConfig
from wlam.nn.backbones.base import BackboneConfig
from wlam.nn.backbones.recurrent import RecurrentConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.phy.channels.tr38901.config import DropConfig
from wlam.tasks.mixture import DataSource, samples_per_step, shares

tiny, little = (
    runpy.run_path(str(Path(__file__).with_name(name)))["config"]
    for name in ("tiny.py", "little.py")
)


def peer(
    name: str, model: NetworkConfig, parts: dict[str, DataSource], beside: Config = tiny
) -> Config:
    """The experiment of `beside` with another network on some of its data sources.

    A step has as many samples of them as a step of the experiment.
    """
    share = shares(beside.mixture, beside.temperature)
    samples = samples_per_step(beside.mixture, share, beside.rows)
    rows = sum(samples[name] * part.rows_per_sample for name, part in parts.items())
    return replace(
        beside, run=f"runs/peers/{name}", model=model, mixture=parts, rows=rows
    )


def faster(config: Config) -> Config:
    """At the learning rate of benchmarks/search.py for networks of a single task."""
    return replace(config, optimizer=replace(config.optimizer, learning_rate=3e-3))


def by_rows(backbone: BackboneConfig) -> PredictorConfig:
    """Next-patch prediction of series; 8 steps a patch, since channels have 24."""
    return PredictorConfig(backbone, patch=8, baselines=False)


ROWS = {
    "transformer": by_rows(TransformerConfig(width=96, layers=3, heads=4)),
    "lstm": by_rows(RecurrentConfig(width=128, layers=2, cell="lstm")),
    "gru": by_rows(RecurrentConfig(width=144, layers=2, cell="gru")),
}
drops = {
    name: part
    for name, part in tiny.mixture.items()
    if isinstance(part.source, DropConfig)
    and part.task in ("csi_time", "csi_frequency")
}
configs = {
    "wifo": peer("wifo", WifoConfig(width=64), drops),
    "wifo_little": peer("wifo_little", WifoConfig(width=128), drops, beside=little),
}
for kind, model in ROWS.items():
    for task in ("csi_time", "csi_frequency", "beam", "traffic"):
        parts = {
            name: replace(part, context=None)
            for name, part in tiny.mixture.items()
            if part.task == task
        }
        configs[f"{kind}_{task}"] = faster(peer(f"{kind}_{task}", model, parts))
DLINEAR = {
    "traffic": DLinearConfig(context=144, horizon=48),
    "kpi": DLinearConfig(context=32, horizon=8),
}
for name, model in DLINEAR.items():
    part = {name: tiny.mixture[name]}
    configs[f"dlinear_{name}"] = faster(peer(f"dlinear_{name}", model, part))
