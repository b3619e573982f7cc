"""Estimation of large arrays through few RF chains: NMSE in dB by SNR.

    python benchmarks/hybrid_estimation.py [MODEL ...] [--array thz | half | line]

Channels of `wlam.phy.channels.hybrid_field`, whose paths are partly near and partly
far, the same for all estimators, seen through one combiner:

LMMSE (sample)    one covariance for all, from 3,000 channels to train on
OMP               orthogonal matching pursuit over directions
FISTA             l1 over directions, the best of four penalties at each SNR
sparse Bayes      training-free: the spectrum over directions, the same for all
                  sub-arrays, that the observation is most probable under
sparse, blind     the same, told an SNR 5 dB too low and fitting the noise too
MODEL             a trained fixed point (`wlam.models.deq_estimator.network`) of this
array

thz   4 sub-arrays of 16 x 16 antennas 0.2 wavelengths apart, 512 measurements
half  the same half a wavelength apart
line  256 antennas half a wavelength apart, 128 measurements

Then, at 10 dB, only far, only near, and mixed paths. 95 % intervals are over channels.
Last, of a trained fixed point, how the change falls from call to call, and the error
after more calls than training had.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from wlam.evaluation.bootstrap import interval

from wlam.evaluation.combined import PENALTIES, directions, drawn, estimators
from wlam.hub import load
from wlam.metrics import Statistic, nmse_mean_db
from wlam.models.deq_estimator.network import CombinedEstimator
from wlam.nn.fixed_point import Solver
from wlam.phy.channels.hybrid_field import HybridFieldConfig, linear, observe
from wlam.phy.mimo.combining import Receiver

TRAINING, TEST, NOISE, COMBINER = 0, 1, 2, 3
ARRAYS = {
    "thz": HybridFieldConfig(),
    "half": HybridFieldConfig(spacing=0.5),
    "line": linear(),
}


@dataclass(frozen=True)
class Options:
    """Who is judged, on which array, and on how many channels."""

    # Runs or released models of this array.
    models: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    array: Literal["thz", "half", "line"] = "thz"
    # To judge, and to train covariances on.
    channels: int = 40
    training: int = 3000
    # Signal-to-noise ratios in dB.
    snrs_db: tuple[float, ...] = (0, 10, 20)


def by_fixed_point(path: str, config: HybridFieldConfig) -> CombinedEstimator:
    """A trained model that fits the array, or a ValueError."""
    model = load(path)
    if (
        not isinstance(model, CombinedEstimator)
        or model.model.config.array != config
        or model.model.config.combiner != COMBINER
    ):
        raise ValueError(f"MODEL: found {path}; needed a fixed point of this array")
    return model


def depth(model: CombinedEstimator, config: HybridFieldConfig, channels: int) -> None:
    """Changes and errors by calls at 10 dB, without acceleration."""
    clean = drawn(config, jax.random.key(TEST), channels)
    key, level = jax.random.key(NOISE), jnp.full(len(clean), 10.0)
    seen = observe(key, jnp.asarray(clean), model.receiver.weights, level)
    y = model.receiver.white(np.asarray(seen))
    print("| calls | largest change | NMSE |\n| ---: | ---: | ---: |")
    for calls in (5, 10, 15, 20, 30, 50, 100, 200):
        solver = Solver(weight=0.8, tolerance=0.0, most=calls)
        found, residuals = model.with_residuals(y, 0.1, solver)
        error = nmse_mean_db(found, clean).value
        print(f"| {calls} | {residuals[:, -1].max():.1e} | {error:.2f} |", flush=True)


def table(head: list[str], rows: dict[str, list[Statistic]]) -> None:
    """NMSE, and its interval."""
    print("| estimator |", " | ".join(head), f"|\n| --- |{' ---: |' * len(head)}")
    for name, found in rows.items():
        cells = ["{:.2f} [{:.2f}, {:.2f}]".format(s.value, *interval(s)) for s in found]
        print(f"| {name} |", " | ".join(cells), "|")
    print(flush=True)


def main(options: Options) -> None:
    config = ARRAYS[options.array]
    receiver = Receiver(config, COMBINER)
    models = {Path(x).name: by_fixed_point(x, config) for x in options.models}
    print(
        f"{receiver.whole().shape[1]} antennas, {receiver.whole().shape[0]} "
        f"measurements, {directions(config).shape[1]} directions a sub-array\n"
    )

    def judged(config: HybridFieldConfig, known: HybridFieldConfig, snrs_db) -> dict:
        """Channels of one kind by estimators that were trained on another."""
        ways = estimators(
            known, receiver, drawn(known, jax.random.key(TRAINING), options.training)
        )
        for path, model in models.items():
            ways[path] = lambda y, level, m=model: m.estimate(y, level)
        clean = drawn(config, jax.random.key(TEST), options.channels)
        found: dict[str, list[Statistic]] = {name: [] for name in ways}
        for i, snr_db in enumerate(snrs_db):
            key = jax.random.fold_in(jax.random.key(NOISE), i)
            level = jnp.full(len(clean), float(snr_db))
            seen = observe(key, jnp.asarray(clean), receiver.weights, level)
            y = receiver.white(np.asarray(seen))
            for name, way in ways.items():
                found[name].append(nmse_mean_db(way(y, 10 ** (-snr_db / 10)), clean))
                print(f"{snr_db} dB {name} …", file=sys.stderr, flush=True)
        tried = [found.pop(f"FISTA of {share:g}") for share in PENALTIES]
        found["FISTA"] = [
            min(x, key=lambda s: s.value) for x in zip(*tried, strict=True)
        ]
        return found

    head = [f"{snr_db:g} dB" for snr_db in options.snrs_db]
    table(head, judged(config, config, options.snrs_db))
    kinds = {"far": 1.0, "near": 0.0, "mixed": 0.5}
    by_kind = [
        judged(replace(config, far_share=share), config, (10.0,))
        for share in kinds.values()
    ]
    table(
        [f"{kind}, 10 dB" for kind in kinds],
        {name: [found[name][0] for found in by_kind] for name in by_kind[0]},
    )
    for name, model in models.items():
        print(f"{name}, 10 dB, without acceleration:\n")
        depth(model, config, options.channels)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
