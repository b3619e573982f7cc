"""Configs as JSON that names the class of each node, and back without running code."""

import dataclasses
import importlib
import sys
from collections.abc import Callable
from typing import Any

MOVED = {
    "wlam.config:OptimizerConfig": "wlam.training.optimisers:OptimizerConfig",
    "wlam.config:MeshConfig": "wlam.training.sharding:MeshConfig",
    "wlam.config:CheckpointConfig": "wlam.training.checkpoint:CheckpointConfig",
    "wlam.config:Case": "wlam.evaluation.forecast:Forecast",
    "wlam.data.own:FileConfig": "wlam.tasks.own:FileConfig",
    "wlam.data.own:OwnFile": "wlam.tasks.own:OwnFile",
    "wlam.data.streams:Ingredient": "wlam.tasks.mixture:DataSource",
    "wlam.nn.array_estimator:ArrayEstimatorConfig": (
        "wlam.models.deq_estimator.network:ArrayEstimatorConfig"
    ),
    "wlam.nn.backbone:BackboneConfig": "wlam.nn.backbones.base:BackboneConfig",
    "wlam.nn.beam_tracker:BeamTrackerConfig": (
        "wlam.models.beam_tracker.network:BeamTrackerConfig"
    ),
    "wlam.nn.beamformer:BeamformerConfig": (
        "wlam.models.beamformer.network:BeamformerConfig"
    ),
    "wlam.nn.beamformer_online:OnlineConfig": (
        "wlam.models.beamformer.online:OnlineConfig"
    ),
    "wlam.nn.beamformer_tuning:TuningConfig": (
        "wlam.models.beamformer.tuning:TuningConfig"
    ),
    "wlam.nn.continuous:ContinuousConfig": (
        "wlam.models.continuous.network:ContinuousConfig"
    ),
    "wlam.nn.conv_denoiser:ConvDenoiserConfig": (
        "wlam.nn.denoisers.conv:ConvDenoiserConfig"
    ),
    "wlam.nn.deq:DeqConfig": "wlam.models.deq_estimator.deq:DeqConfig",
    "wlam.nn.dit:DitConfig": "wlam.nn.denoisers.dit:DitConfig",
    "wlam.nn.estimator:EstimatorConfig": (
        "wlam.models.estimator.network:EstimatorConfig"
    ),
    "wlam.nn.generator:GeneratorConfig": (
        "wlam.models.generator.network:GeneratorConfig"
    ),
    "wlam.nn.joint:JointConfig": (
        "wlam.models.predictor.channels:ChannelTokenizerConfig"
    ),
    "wlam.nn.liquid_backbone:LiquidBackboneConfig": (
        "wlam.nn.backbones.liquid:LiquidBackboneConfig"
    ),
    "wlam.nn.lora:AdaptConfig": "wlam.adapt.lora:AdaptConfig",
    "wlam.nn.model:NetworkConfig": "wlam.models.base:NetworkConfig",
    "wlam.nn.peers.dlinear:DLinearConfig": "wlam.models.peers.dlinear:DLinearConfig",
    "wlam.nn.peers.wifo:WifoConfig": "wlam.models.peers.wifo:WifoConfig",
    "wlam.nn.predictor:ModelConfig": "wlam.models.predictor.network:PredictorConfig",
    "wlam.nn.recurrent:RecurrentConfig": "wlam.nn.backbones.recurrent:RecurrentConfig",
    "wlam.nn.scan:ScanConfig": "wlam.models.predictor.sweeps:SweepTokenizerConfig",
    "wlam.nn.spectral_denoiser:SpectralConfig": (
        "wlam.nn.denoisers.spectral:SpectralConfig"
    ),
    "wlam.nn.transformer:TransformerConfig": (
        "wlam.nn.backbones.transformer:TransformerConfig"
    ),
    "wlam.phy.beams:BeamConfig": "wlam.simulate.beams:BeamConfig",
    "wlam.phy.cdl:CdlConfig": "wlam.phy.channels.cdl:CdlConfig",
    "wlam.phy.hardware:HardwareConfig": "wlam.phy.channels.hardware:HardwareConfig",
    "wlam.phy.hybrid_field:HybridFieldConfig": (
        "wlam.phy.channels.hybrid_field:HybridFieldConfig"
    ),
    "wlam.phy.irregular:IrregularConfig": "wlam.simulate.irregular:IrregularConfig",
    "wlam.phy.kpi:KpiConfig": "wlam.simulate.kpi:KpiConfig",
    "wlam.phy.kronecker:KroneckerConfig": "wlam.phy.channels.kronecker:KroneckerConfig",
    "wlam.phy.mobility:MobilityConfig": "wlam.simulate.mobility:MobilityConfig",
    "wlam.phy.precoding.downlink:DownlinkConfig": (
        "wlam.simulate.downlink:DownlinkConfig"
    ),
    "wlam.phy.sweeps.config:SweepConfig": "wlam.simulate.sweeps.config:SweepConfig",
    "wlam.phy.sweeps.config:PairConfig": "wlam.simulate.sweeps.config:PairConfig",
    "wlam.phy.tdl:TdlConfig": "wlam.phy.channels.tdl:TdlConfig",
    "wlam.phy.tr38901.config:PanelConfig": (
        "wlam.phy.channels.tr38901.config:PanelConfig"
    ),
    "wlam.phy.tr38901.config:DropConfig": "wlam.phy.channels.tr38901.config:DropConfig",
    "wlam.phy.tr38901.mimo:MimoConfig": "wlam.phy.channels.tr38901.mimo:MimoConfig",
    "wlam.phy.tr38901.pathloss:Factory": "wlam.phy.channels.tr38901.pathloss:Factory",
    "wlam.phy.traffic:TrafficConfig": "wlam.simulate.traffic:TrafficConfig",
}
"""Where classes are that a config names by the place they had when it was written."""

RENAMED: dict[str, dict[str, str]] = {
    "wlam.nn.predictor:ModelConfig": {
        "joint": "channels",
        "scan": "sweeps",
        "guess": "baselines",
        "line_of_sight": "heads",
    },
}
"""Fields that had other names when a class was named by that path."""
RENAMED_PARAMETERS: dict[str, dict[str, tuple[str, ...]]] = {
    "wlam.nn.predictor:ModelConfig": {
        "joint": ("channels",),
        "scan": ("sweeps",),
        "line_of_sight": ("heads", "line_of_sight"),
    },
}
"""Where parameters are that had other names when their network had that path."""
CONVERTED: dict[str, Callable[[Any], Any]] = {
    "line_of_sight": lambda on: ("line_of_sight",) if on else (),
}
"""What the values of renamed fields are now, where that has changed."""


def to_json(node: Any) -> Any:
    """The config as JSON values; a dataclass becomes a dict with its name under "_"."""
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        name = f"{type(node).__module__}:{type(node).__qualname__}"
        fields = {
            f.name: to_json(getattr(node, f.name)) for f in dataclasses.fields(node)
        }
        return {"_": name, **fields}
    if isinstance(node, dict):
        return {key: to_json(value) for key, value in node.items()}
    if isinstance(node, tuple | list):
        return [to_json(value) for value in node]
    return node


def from_json(node: Any) -> Any:
    """The inverse of `to_json`. Only dataclasses of the wlam package are made.

    Raises:
        ValueError: a class that is not a dataclass of wlam, or unknown fields.
    """
    if isinstance(node, list):
        return tuple(from_json(value) for value in node)
    if not isinstance(node, dict):
        return node
    values = {key: from_json(value) for key, value in node.items() if key != "_"}
    if "_" not in node:
        return values
    for old, new in RENAMED.get(node["_"], {}).items():
        if old in values:
            values[new] = CONVERTED.get(old, lambda value: value)(values.pop(old))
    module, _, name = str(MOVED.get(node["_"], node["_"])).partition(":")
    found = _class_of(module, name)
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise ValueError(f"config: {node['_']!r} is no dataclass of this wlam version")
    unknown = values.keys() - {f.name for f in dataclasses.fields(found)}
    if unknown:
        raise ValueError(
            f"config: {name} has no field {sorted(unknown)}; it was written by another "
            "wlam version"
        )
    return found(**values)


def _class_of(module: str, name: str) -> Any:
    """What a config names; None where there is nothing of that name.

    A config comes with downloaded weights: it may name classes of wlam, and those of
    modules that the user has imported, but no module is imported for its sake.

    Raises:
        ValueError: a module that is neither.
    """
    if module.partition(".")[0] == "wlam":
        try:
            return getattr(importlib.import_module(module), name, None)
        except ImportError:
            return None
    if module not in sys.modules:
        raise ValueError(
            f"config: found class {name!r} of module {module!r}; needed one of wlam's, "
            "or of a module that was imported before"
        )
    return getattr(sys.modules[module], name, None)
