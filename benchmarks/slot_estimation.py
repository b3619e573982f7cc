"""Estimation of a slot from its DM-RS while the user moves: NMSE in dB.

    python benchmarks/slot_estimation.py [MODEL ...] [--samples N] [--training N]

UMa drops at 3.5 GHz without a line of sight, slots of 14 symbols at 30 kHz by 48
subcarriers and a line of 16 antennas. Pilots are one port of DM-RS of type 1 (TS
38.211, clause 7.4.1.1): every other subcarrier of symbols 2, 7 and 11. Up to 120 km/h a
path turns by a fifth of a cycle within the slot.

repeat last, interpolation, spline, sparse Bayes
                   training-free (`wlam.tasks.estimate`): along subcarriers, and on the
                   line between symbols; the last one is told the noise
LMMSE (slot)       one covariance over all symbols and subcarriers, the same for all
                   antennas, from channels to train on; told the noise
LMMSE (one speed)  the same, for 60 to 120 km/h from such channels alone
MODEL              a trained estimator, told the noise; symbols learn from each other

95 % intervals are over samples. The last column is of fast users, at 20 dB.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from einops import rearrange

from wlam.baselines.estimate import Moments, lmmse
from wlam.bootstrap import interval
from wlam.evaluation.forecast import Forecast, generated_case
from wlam.hub import load
from wlam.models.estimator.api import ChannelEstimator
from wlam.phy.channels.tr38901.config import DropConfig, PanelConfig
from wlam.tasks import TASKS
from wlam.tasks.estimate import NOISE, estimated
from wlam.tasks.windows import Windows, cut_windows
from wlam.types import Csi

SYMBOLS, SUBCARRIERS, ANTENNAS = 14, 48, 16
PILOT_SYMBOLS, EVERY = (2, 7, 11), 2
TRAINING_SEED, PIECE = 30_000, 50
ALL_KMH, FAST_KMH = (3.0, 120.0), (60.0, 120.0)
COLUMNS = {
    "0 dB": (0.0, ALL_KMH),
    "10 dB": (10.0, ALL_KMH),
    "20 dB": (20.0, ALL_KMH),
    "30 dB": (30.0, ALL_KMH),
    "20 dB, 60 to 120 km/h": (20.0, FAST_KMH),
}
TASK = TASKS["csi_estimate"]


@dataclass(frozen=True)
class Options:
    """Who is judged, and on how many slots."""

    # Runs or released models.
    models: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    # Slots to judge, and to train covariances on.
    samples: int = 80
    training: int = 1000


def case(snr_db: float, speeds_kmh: tuple[float, float], samples: int) -> Case:
    source = DropConfig(
        "UMa",
        state="nlos",
        carriers_hz=(3.5e9,),
        time_steps_s=(1e-3 / 28,),
        speeds_kmh=speeds_kmh,
        num_times=SYMBOLS,
        num_subcarriers=SUBCARRIERS,
        subcarrier_spacings_hz=(30e3,),
        base=PanelConfig(1, ANTENNAS),
        snr_db=(snr_db, snr_db),
    )
    size = SUBCARRIERS
    return Forecast("csi_estimate", source, context=size, horizon=size, samples=samples)


def seen() -> np.ndarray:
    """Where pilots are, [symbol, subcarrier, antenna]."""
    found = np.zeros((SYMBOLS, SUBCARRIERS, ANTENNAS), bool)
    found[np.ix_(PILOT_SYMBOLS, range(0, SUBCARRIERS, EVERY))] = True
    return found


def slots(one: Case, name: str) -> tuple[Csi, Windows]:
    data = generated_case(name, one).data
    clean, noisy = np.asarray(data.clean), np.asarray(data.csi)
    noise = (abs(noisy - clean) ** 2).mean((1, 2, 3)).astype(np.float32)
    data = replace(data, pilots=seen(), labels={**data.labels, NOISE: noise})
    sequences = TASK.sequences(data)
    return data, cut_windows(sequences, SUBCARRIERS, SUBCARRIERS, sliding=False)


@cache
def covariance_of(speeds_kmh: tuple[float, float], number: int) -> jax.Array:
    """That of all antennas, [(subcarrier, symbol), ...]."""
    parts = []
    for i in range(-(-number // PIECE)):
        one = replace(case(30.0, speeds_kmh, PIECE), seed=TRAINING_SEED + i)
        clean = np.asarray(generated_case("training", one).data.clean)
        parts.append(rearrange(clean, "n t k a -> (n a) (k t)"))
    flat = jnp.asarray(np.concatenate(parts))
    return flat.T @ flat.conj() / len(flat)


def by_covariance(
    windows: Windows, speeds_kmh: tuple[float, float], number: int
) -> np.ndarray:
    """Linear estimates of every antenna by itself."""
    covariance = covariance_of(speeds_kmh, number)
    at = np.flatnonzero(rearrange(seen()[..., 0], "t k -> (k t)"))
    sensing = jnp.asarray(np.eye(SYMBOLS * SUBCARRIERS, dtype=np.float32)[at])
    shape = {"t": SYMBOLS, "a": ANTENNAS}
    y = rearrange(np.nan_to_num(windows.context), "n k (t a) -> (n a) (k t)", **shape)
    level = np.repeat(windows.labels[NOISE], ANTENNAS)
    zero = jnp.zeros(len(covariance), jnp.complex64)
    found = lmmse(
        jnp.asarray(y[:, at]), jnp.asarray(level), sensing, Moments(zero, covariance)
    )
    return rearrange(np.asarray(found), "(n a) (k t) -> n k (t a)", **shape)


def ways_of(
    models: dict[str, ChannelEstimator], data: Csi, windows: Windows, training: int
) -> dict[str, Callable[[], np.ndarray]]:
    """Who is judged, and what they say of these slots."""
    ways: dict[str, Callable[[], np.ndarray]] = {
        who: partial(way, windows.context, windows.horizon)
        for who, way in TASK.baselines(data, windows).items()
        if who != "zero"
    }
    for who, speeds in (("slot", ALL_KMH), ("one speed", FAST_KMH)):
        ways[f"LMMSE ({who})"] = partial(by_covariance, windows, speeds, training)
    for who, model in models.items():
        ways[who] = partial(estimated, model, windows)
    return ways


def main(options: Options) -> None:
    models = {}
    for path in options.models:
        model = load(path)
        if not isinstance(model, ChannelEstimator):
            raise ValueError(f"MODEL: found {path}; needed an estimator of channels")
        models[Path(path).name] = model
    rows: dict[str, list[str]] = {}
    for name, (snr_db, speeds_kmh) in COLUMNS.items():
        data, windows = slots(case(snr_db, speeds_kmh, options.samples), name)
        ways = ways_of(models, data, windows, options.training)
        for who, way in ways.items():
            print(f"{name}: {who} …", file=sys.stderr, flush=True)
            score = TASK.scores(np.asarray(way()), data, windows)["NMSE dB"]
            low, high = interval(score)
            cell = f"{score.value:.2f} [{low:.2f}, {high:.2f}]"
            rows.setdefault(who, []).append(cell)
    print("| estimator |", " | ".join(COLUMNS), f"|\n| --- |{' ---: |' * len(COLUMNS)}")
    for who, cells in rows.items():
        print(f"| {who} |", " | ".join(cells), "|")
    print(f"\n{jax.devices()[0].device_kind}")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
