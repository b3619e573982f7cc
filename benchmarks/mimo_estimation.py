"""Estimation of 64 x 16 MIMO channels that are all observed: NMSE in dB by SNR.

    python benchmarks/mimo_estimation.py [MODEL ...] [--source kronecker | 38901]

Channels, the same for all estimators: of three paths with Kronecker covariances
(`wlam.phy.channels.kronecker`), or of TR 38.901 drops, as many LoS as not, in UMi, UMa
and InH.

LS                 the observation itself
LMMSE (sample)     one covariance for all, from channels to train on
mixture            of 16 x 4 Kronecker Gaussians, from the same channels
fitted             training-free: the Kronecker covariance, made of paths as wide as
                   these are, that the observation is most probable under
fitted (blind)     the same, told an SNR 5 dB too low and fitting the noise too
Fesl (published)   arXiv 2403.03545 with its own weights, where they are at hand
Fesl (inclusive)   the same with the step that the published loop leaves out
LMMSE (genie)      each channel by its own covariance; nothing can be better
MODEL              a trained estimator (`wlam.models.estimator.network`)
MODEL, blind       the same, told nothing
MODEL, 5 dB low    the same, told an SNR 5 dB too low; and too high
MODEL, one call    the same, without moving the spectrum between bins and back
MODEL, 10 calls    the same as a diffusion model, from the SNR down in ten calls

and, beside them, what was published for those weights on channels of the authors' own
simulator. 95 % intervals, in a second table, are over channels.
Drops have no covariance that could be known, and no published figures.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from einops import rearrange

from wlam.baselines.estimate import (
    fit_kronecker_mixture,
    fit_moments,
    fitted_estimate,
    lmmse,
    mixture_estimate,
    path_atoms,
)
from wlam.bootstrap import interval
from wlam.diffusion import PosteriorMean, evenly_spaced, sample, scale_to_step
from wlam.evaluation.cases import measured_root
from wlam.hub import load
from wlam.metrics import Statistic, nmse_pooled_db
from wlam.models.estimator.api import ChannelEstimator
from wlam.models.peers import fesl
from wlam.ops.pieces import in_pieces
from wlam.phy.channels.kronecker import (
    Covariances,
    KroneckerConfig,
    draw_channels,
    draw_covariances,
    lmmse_known,
)
from wlam.phy.channels.tr38901.mimo import MimoConfig, generate
from wlam.phy.noise import complex_normal

PIECE, CALLS = 100, 10
WRONG = 10**0.5
TRAINING, TEST, NOISE, FIT = 0, 1, 2, 3
DROPS = MimoConfig().drops
Estimator = Callable[[np.ndarray, float], np.ndarray]


@dataclass(frozen=True)
class Options:
    """Who is judged, on how many channels, and in how much noise."""

    # Runs or released models.
    models: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    # Where channels come from.
    source: Literal["kronecker", "38901"] = "kronecker"
    # To judge, and to train covariances on.
    channels: int = 100
    training: int = 5000
    # Signal-to-noise ratios in dB.
    snrs_db: tuple[float, ...] = (-20, -10, -5, 0, 5, 10, 15, 20, 25, 30, 40)


def drawn(stream: int, number: int) -> tuple[np.ndarray, Covariances]:
    """Channels [n, rx, tx] and their covariances."""

    @jax.jit
    def draw(key):
        keys = jax.random.split(key)
        found = draw_covariances(keys[0], KroneckerConfig(), PIECE)
        return draw_channels(keys[1], found), found

    parts = [
        draw(jax.random.fold_in(jax.random.key(stream), i))
        for i in range(-(-number // PIECE))
    ]
    both = jax.tree.map(lambda *x: np.concatenate(x)[:number], *parts)
    return both[0], both[1]


def dropped(stream: int, number: int) -> np.ndarray:
    """Channels [n, rx, tx] of drops: users of 16 antennas, a base station of 64."""
    parts = []
    for i, scenario in enumerate(("UMi", "UMa", "InH")):
        for j, state in enumerate(("los", "nlos")):
            config = MimoConfig(replace(DROPS, scenario=scenario, state=state))
            key = jax.random.fold_in(jax.random.key(stream), 10 * i + j)
            count = -(-number // 6)
            make = jax.jit(lambda key, c=config, n=count: generate(key, c, n).clean)
            parts.append(np.asarray(make(key))[:, 0])
    # Kinds take turns.
    drops = rearrange(np.stack(parts), "kind n tx rx -> (n kind) rx tx")
    power = (abs(drops) ** 2).mean((1, 2), keepdims=True)
    return (drops / np.sqrt(power))[:number].astype(np.complex64)


def by_model(path: str) -> dict[str, Estimator]:
    """A trained estimator: told, told nothing, by one call, and as a chain."""
    model, name = load(path), Path(path).name
    if not isinstance(model, ChannelEstimator):
        raise ValueError(f"MODEL: found {path}; needed an estimator of channels")
    network = model.model

    def told(observed: np.ndarray, snr: float | None) -> np.ndarray:
        level = None if snr is None else 1 / snr
        blocks = observed.swapaxes(1, 2)[:, None]
        found = model.estimate(blocks, level, frequency=False)
        return found[:, 0].swapaxes(1, 2)

    once = jax.jit(network.denoiser)

    def by_one_call(observed: np.ndarray, snr: float) -> np.ndarray:
        levels = np.full(len(observed), 1 / snr, np.float32)
        images = observed.swapaxes(1, 2)
        found = in_pieces(lambda _, x, v: once(x, v), PIECE, images, levels)
        return found.swapaxes(1, 2)

    def chained(observed: np.ndarray, snr: float) -> np.ndarray:
        schedule = network.config.schedule
        first = int(schedule.nearest(jnp.array([snr]))[0])
        grid = evenly_spaced(first, min(CALLS, first))
        run = jax.jit(
            lambda x: sample(
                lambda x, step: network.data(x, step[None]),
                schedule,
                scale_to_step(schedule, x, jnp.full(len(x), first)),
                grid,
                PosteriorMean(),
                "data",
            )
        )
        found = in_pieces(lambda _, x: run(x), PIECE, observed.swapaxes(1, 2))
        return found.swapaxes(1, 2)

    return {
        name: told,
        f"{name}, blind": lambda observed, _: told(observed, None),
        f"{name}, 5 dB low": lambda observed, snr: told(observed, snr / WRONG),
        f"{name}, 5 dB high": lambda observed, snr: told(observed, snr * WRONG),
        f"{name}, one call": by_one_call,
        f"{name}, {CALLS} calls": chained,
    }


def by_covariance(training: np.ndarray) -> Estimator:
    """One covariance for all channels."""
    flat = training.reshape(len(training), -1)
    moments, sensing = fit_moments(jnp.asarray(flat)), jnp.eye(flat.shape[1])

    def estimate(observed: np.ndarray, snr: float) -> np.ndarray:
        y = jnp.asarray(observed.reshape(len(observed), -1))
        found = lmmse(y, jnp.full(len(y), 1 / snr), sensing, moments)
        return np.asarray(found).reshape(observed.shape)

    return estimate


def by_mixture(training: np.ndarray) -> Estimator:
    mixture = fit_kronecker_mixture(jax.random.key(FIT), jnp.asarray(training))

    def estimate(observed: np.ndarray, snr: float) -> np.ndarray:
        return in_pieces(
            lambda _, y: mixture_estimate(y, jnp.full(len(y), 1 / snr), mixture),
            PIECE,
            observed,
        )

    return estimate


def by_fit(told_db: float = 0.0, fit_noise: bool = False) -> Estimator:
    """Each channel by a covariance of its own, told an SNR that much higher."""
    atoms, iterations = path_atoms(KroneckerConfig()), 100 if fit_noise else 30

    def estimate(observed: np.ndarray, snr: float) -> np.ndarray:
        level = 10 ** (-told_db / 10) / snr
        return in_pieces(
            lambda _, y: fitted_estimate(
                y, jnp.full(len(y), level), atoms, iterations, fit_noise
            ),
            PIECE,
            observed,
        )

    return estimate


def by_genie(covariances: Covariances) -> Estimator:
    def estimate(observed: np.ndarray, snr: float) -> np.ndarray:
        solve = jax.jit(lmmse_known)
        return in_pieces(
            lambda _, y, rx, tx: solve(
                y,
                jnp.full(len(y), 1 / snr),
                Covariances(jnp.asarray(rx), jnp.asarray(tx)),
            ),
            PIECE,
            observed,
            np.asarray(covariances.rx),
            np.asarray(covariances.tx),
        )

    return estimate


def published() -> tuple[dict[str, Estimator], dict[float, float]]:
    """The published estimator both ways, and its published NMSE in dB by SNR."""
    path: Path = measured_root() / fesl.FILE
    if not path.is_file():
        print(f"no {path.name}: its rows are left out", file=sys.stderr)
        return {}, {}
    model = fesl.load(path)
    ways = {
        "Fesl (published)": fesl.FeslEstimator(model, inclusive=False),
        "Fesl (inclusive)": fesl.FeslEstimator(model),
    }
    with np.load(path, allow_pickle=False) as file:
        reference = zip(
            file["reference/3gpp/snr_db"].tolist(),
            (10 * np.log10(file["reference/3gpp/nmse"])).tolist(),
            strict=True,
        )
    return {
        name: lambda y, snr, way=way: in_pieces(lambda _, x: way(x, snr), PIECE, y)
        for name, way in ways.items()
    }, dict(reference)


def print_tables(
    scores: dict[str, list[Statistic]], snrs_db: tuple[float, ...]
) -> None:
    """Estimators against SNRs: values, and then their intervals."""
    head = " | ".join(f"{snr_db:g} dB" for snr_db in snrs_db)
    for show in (
        lambda s: f"{s.value:.2f}",
        lambda s: "{:.2f} … {:.2f}".format(*interval(s)),
    ):
        print(f"| estimator | {head} |\n| --- |{' ---: |' * len(snrs_db)}")
        for name, found in scores.items():
            print(f"| {name} |", " | ".join(map(show, found)), "|")
        print()


def main(options: Options) -> None:
    fesl_ways, reference = published()
    if options.source == "38901":
        training, genie = dropped(TRAINING, options.training), {}
        channels, reference = dropped(TEST, options.channels), {}
    else:
        training, _ = drawn(TRAINING, options.training)
        channels, covariances = drawn(TEST, options.channels)
        genie = {"LMMSE (genie)": by_genie(covariances)}
    estimators: dict[str, Estimator] = {
        "LS": lambda observed, snr: observed,
        "LMMSE (sample)": by_covariance(training),
        "mixture": by_mixture(training),
        "fitted": by_fit(),
        "fitted (blind)": by_fit(-5.0, fit_noise=True),
        **fesl_ways,
        **genie,
    }
    for path in options.models:
        estimators |= by_model(path)
    scores: dict[str, list[Statistic]] = {name: [] for name in estimators}
    for snr_db in options.snrs_db:
        snr = 10 ** (snr_db / 10)
        # The noise of an SNR is the same whatever other columns there are.
        key = jax.random.fold_in(jax.random.key(NOISE), round(10 * snr_db) + 10_000)
        noise = np.asarray(complex_normal(key, channels.shape)) / np.sqrt(snr)
        for name, estimate in estimators.items():
            found = estimate((channels + noise).astype(np.complex64), snr)
            scores[name].append(nmse_pooled_db(found, channels))
        print(f"{snr_db:g} dB …", file=sys.stderr, flush=True)
    print_tables(scores, options.snrs_db)
    if reference:
        cells = [
            f"{reference[x]:.2f}" if x in reference else "·" for x in options.snrs_db
        ]
        print("Published for its weights:", " | ".join(cells))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
