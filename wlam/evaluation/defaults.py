"""What a model is asked where its config asks nothing, by what the model can do.

Sizes are for a minute or two of one core; every field can be made larger in a config.
"""

from collections.abc import Mapping
from dataclasses import replace

from wlam.evaluation.combined import CombinedEstimate
from wlam.evaluation.estimate import Estimate
from wlam.evaluation.evaluator import Evaluator
from wlam.evaluation.generate import Generate
from wlam.evaluation.precode import Precode
from wlam.evaluation.track import Track
from wlam.models.base import Model
from wlam.phy.channels.tr38901.config import DropConfig, PanelConfig
from wlam.simulate.downlink import RayleighConfig
from wlam.simulate.irregular import IrregularConfig
from wlam.simulate.sweeps import SweepConfig
from wlam.types import Sweeps


def street(
    speeds_mps: tuple[float, float],
    time_steps_s: tuple[float, ...],
    num_times: int,
    state: str = "los",
) -> SweepConfig:
    """Users in the streets within 60 m of a street canyon's base station."""
    return SweepConfig(
        kind="street",
        num_times=num_times,
        time_steps_s=time_steps_s,
        speeds_kmh=(3.6 * speeds_mps[0], 3.6 * speeds_mps[1]),
        distances_m=(10.0, 60.0),
        block_m=40.0,
        state=state,  # pyright: ignore[reportArgumentType]
        base=PanelConfig(1, 64, element="38.901"),
        num_beams=(1, 64),
        dynamic_range_db=(10.0, 30.0),
        noise_db=(0.05, 2.0),
    )


def track(
    speed_mps: float, jitter: int = 0, missing: float = 0.0, state: str = "los"
) -> Track:
    """Nine sweeps 100 ms apart, and a beam every 10 ms after the last of them."""
    source = street((speed_mps, speed_mps), (0.01,), 96, state)
    return Track(IrregularConfig(source, 10, jitter, (missing, missing)))


TRACKING = {
    "tracks_5mps": track(5.0),
    "tracks_10mps": track(10.0),
    "tracks_15mps": track(15.0),
    "tracks_20mps": track(20.0),
    "tracks_10mps_irregular": track(10.0, jitter=4, missing=0.3),
    "tracks_10mps_nlos": track(10.0, state="nlos"),
}
PRECODING: dict[str, Evaluator] = {
    "tracks": Precode(),
    "white": Precode(RayleighConfig()),
}
GENERATION: dict[str, Evaluator] = {
    "drawn": Generate(),
    "drawn_8_shortcuts": Generate(nfe=8, shortcuts=True),
}
SLOT = DropConfig(
    "UMa",
    state="nlos",
    carriers_hz=(3.5e9,),
    time_steps_s=(1e-3 / 28,),
    speeds_kmh=(3.0, 120.0),
    num_times=14,
    num_subcarriers=48,
    subcarrier_spacings_hz=(30e3,),
    base=PanelConfig(1, 16),
)
"""A slot of 14 symbols while the user moves."""
BLOCK = replace(
    SLOT, num_times=4, num_subcarriers=64, time_steps_s=(5e-4,), base=PanelConfig(1, 32)
)
"""Four snapshots of a wider band and a larger array."""
DMRS = 2, 7, 11
"""Symbols with DM-RS of type 1, on every other subcarrier (TS 38.211, 7.4.1.1)."""
ESTIMATION: dict[str, Evaluator] = {
    "mimo": Estimate(snrs_db=(-10.0, 0.0, 10.0, 20.0), pooled=True),
    "mimo_noise_unknown": Estimate(noise="unknown", pooled=True, training=0),
    "comb": Estimate(BLOCK, every=4, channels=20, training=200),
    "slot": Estimate(SLOT, every=2, symbols=DMRS, channels=20, training=200),
}
COMBINED: dict[str, Evaluator] = {
    "mixed": CombinedEstimate(),
    "far": CombinedEstimate(far_share=1.0, snrs_db=(10.0,)),
    "near": CombinedEstimate(far_share=0.0, snrs_db=(10.0,)),
}
CHECKED: tuple[tuple[str, Mapping[str, Evaluator]], ...] = (
    ("precode", PRECODING),
    ("draw", GENERATION),
    ("predict", TRACKING),
    ("estimate", COMBINED),
    ("estimate", ESTIMATION),
)
"""What is asked for a verb: all evaluators that do not say why they cannot."""


def default_evaluation(model: Model) -> dict[str, Evaluator]:
    """Evaluators that fit a model, by name; none where forecasting is its first verb.

    A model that forecasts series or channels has the cases of its config, the
    benchmark and the measured sets.
    """
    found: dict[str, Evaluator] = {}
    for verb, evaluators in CHECKED:
        if not model.can(verb):
            continue
        if model.accepts - {Sweeps} and model.can("predict"):
            continue  # a forecaster of many kinds has cases of forecasts
        found |= {
            name: one for name, one in evaluators.items() if not one.why_not(model)
        }
    return found
