"""Estimation of 64 x 16 MIMO channels that are all observed: NMSE in dB by SNR.

    python benchmarks/mimo_estimation.py [--channels N] [--snrs-db DB ...]

Three-path Kronecker channels (`wlam.phy.kronecker`), the same for all estimators:

LS                 the observation itself
LMMSE (sample)     one covariance for all, from channels to train on
mixture            of 16 x 4 Kronecker Gaussians, from the same channels
fitted             training-free: the Kronecker covariance, made of paths as wide as
                   these are, that the observation is most probable under
fitted (blind)     the same, told an SNR 5 dB too low and fitting the noise too
Fesl (published)   arXiv 2403.03545 with its own weights, where they are at hand
Fesl (inclusive)   the same with the step that the published loop leaves out
LMMSE (genie)      each channel by its own covariance; nothing can be better

and, beside them, what was published for those weights on channels of the authors' own
simulator. 95 % intervals, in a second table, are over channels.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from wlam.evaluation.bootstrap import interval
from wlam.evaluation.cases import measured_root
from wlam.nn.peers import fesl
from wlam.nn.request import in_pieces
from wlam.phy.estimators import (
    fit_kronecker_mixture,
    fit_moments,
    fitted_estimate,
    lmmse,
    mixture_estimate,
    path_atoms,
)
from wlam.phy.kronecker import (
    Covariances,
    KroneckerConfig,
    draw_channels,
    draw_covariances,
    lmmse_known,
)
from wlam.phy.noise import complex_normal
from wlam.tasks.metrics import Statistic, nmse_pooled_db

PIECE = 100
TRAINING, TEST, NOISE, FIT = 0, 1, 2, 3
Estimator = Callable[[np.ndarray, float], np.ndarray]


@dataclass(frozen=True)
class Options:
    """How many channels, and in how much noise."""

    # To judge, and to train covariances on.
    channels: int = 100
    training: int = 5000
    # Signal-to-noise ratios in dB.
    snrs_db: tuple[float, ...] = (-10, -5, 0, 5, 10, 15, 20, 25, 30)


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
            covariances.rx,
            covariances.tx,
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


def main(options: Options) -> None:
    training, _ = drawn(TRAINING, options.training)
    channels, covariances = drawn(TEST, options.channels)
    fesl_ways, reference = published()
    estimators: dict[str, Estimator] = {
        "LS": lambda observed, snr: observed,
        "LMMSE (sample)": by_covariance(training),
        "mixture": by_mixture(training),
        "fitted": by_fit(),
        "fitted (blind)": by_fit(-5.0, fit_noise=True),
        **fesl_ways,
        "LMMSE (genie)": by_genie(covariances),
    }
    scores: dict[str, list[Statistic]] = {name: [] for name in estimators}
    for i, snr_db in enumerate(options.snrs_db):
        snr = 10 ** (snr_db / 10)
        key = jax.random.fold_in(jax.random.key(NOISE), i)
        noise = np.asarray(complex_normal(key, channels.shape)) / np.sqrt(snr)
        for name, estimate in estimators.items():
            found = estimate((channels + noise).astype(np.complex64), snr)
            scores[name].append(nmse_pooled_db(found, channels))
        print(f"{snr_db:g} dB …", file=sys.stderr, flush=True)
    head = " | ".join(f"{snr_db:g} dB" for snr_db in options.snrs_db)
    for show in (
        lambda s: f"{s.value:.2f}",
        lambda s: "{:.2f} … {:.2f}".format(*interval(s)),
    ):
        print(f"| estimator | {head} |\n| --- |{' ---: |' * len(options.snrs_db)}")
        for name, found in scores.items():
            print(f"| {name} |", " | ".join(map(show, found)), "|")
        print()
    cells = [f"{reference[x]:.2f}" if x in reference else "·" for x in options.snrs_db]
    print("Published for its weights:", " | ".join(cells))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
