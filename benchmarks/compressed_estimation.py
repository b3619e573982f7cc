"""Estimation of 64 x 16 MIMO channels of which a quarter is observed: NMSE in dB.

    python benchmarks/compressed_estimation.py [MODEL ...] [--look chains | entries]

Channels of three paths with Kronecker covariances (`wlam.phy.channels.kronecker`), seen
through chains     16 RF chains for 64 antennas: each sums all antennas at phases drawn
once,
           and what comes out is made white
entries    a quarter of the pairs of antennas, drawn once

least squares      the smallest channel that fits
OMP                orthogonal matching pursuit over directions of both sides
FISTA              l1 over the same, the penalty that noise alone does not exceed
LMMSE (sample)     one covariance for all, from channels to train on
LMMSE (genie)      each channel by its own covariance; nothing can be better
MODEL              a trained estimator, plugged into a search for what agrees with it
                   and with what is seen (`wlam.diffusion.restoration`)
MODEL, n draws     the mean of draws from its posterior (`wlam.diffusion.posterior`)

95 % intervals, in a second table, are over channels.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from einops import rearrange
from jaxtyping import Complex
from mimo_estimation import NOISE, TEST, TRAINING, Estimator, drawn, print_tables

from wlam.baselines.estimate import (
    angle_delay_dictionary,
    fista,
    fit_moments,
    lmmse,
    lmmse_true,
    omp,
    universal_penalty,
)
from wlam.hub import load
from wlam.metrics import Statistic, nmse_pooled_db
from wlam.models.estimator.api import ChannelEstimator
from wlam.ops.pieces import in_pieces
from wlam.phy.channels.kronecker import Covariances
from wlam.phy.noise import complex_normal

RX, TX, CHAINS = 64, 16, 16
PIECE, MOST_PATHS = 20, 48
LOOK = 4  # stream of what is seen


@dataclass(frozen=True)
class Options:
    """Who is judged, on how many channels, and through what."""

    # Runs or released models.
    models: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    # What is seen.
    look: Literal["chains", "entries"] = "chains"
    # To judge, and to train the covariance on.
    channels: int = 100
    training: int = 5000
    # Draws from the posterior, and calls of the network for each.
    draws: int = 16
    calls: int = 30
    # Signal-to-noise ratios in dB.
    snrs_db: tuple[float, ...] = (0, 10, 20, 30)


def sensing_of(look: str) -> Complex[np.ndarray, "m d"]:
    """Rows are orthonormal; a channel is flattened as [rx, tx]."""
    rng = np.random.default_rng(LOOK)
    if look == "entries":
        seen = np.sort(rng.permutation(RX * TX)[: CHAINS * TX])
        return np.eye(RX * TX, dtype=np.complex64)[seen]
    phases = np.exp(2j * np.pi * rng.uniform(size=(CHAINS, RX)))
    # White noise of the antennas, coloured by the combiner, made white again.
    colour = np.linalg.cholesky(phases @ phases.conj().T)
    combiner = np.linalg.solve(colour, phases)
    return np.kron(combiner, np.eye(TX)).astype(np.complex64)


def by_least_squares(sensing: np.ndarray) -> Estimator:
    return lambda y, snr: y @ sensing.conj()


def by_paths(sensing: np.ndarray, pursuit: bool) -> Estimator:
    atoms = angle_delay_dictionary(TX, (RX,), oversampling=2 if pursuit else 1)
    # Its rows are [tx, rx]; sines of one sign are as good as of the other.
    atoms = atoms.reshape(TX, RX, -1).swapaxes(0, 1).reshape(RX * TX, -1)
    matrix, dictionary = jnp.asarray(sensing), jnp.asarray(atoms)

    def estimate(y: np.ndarray, snr: float) -> np.ndarray:
        level = jnp.full(PIECE, 1 / snr)
        if pursuit:
            return in_pieces(
                lambda _, x: omp(x, level, matrix, dictionary, MOST_PATHS), PIECE, y
            )
        penalty = universal_penalty(level, matrix, dictionary)
        return in_pieces(lambda _, x: fista(x, penalty, matrix, dictionary), PIECE, y)

    return estimate


def by_covariance(sensing: np.ndarray, training: np.ndarray) -> Estimator:
    """One covariance for all channels."""
    moments = fit_moments(jnp.asarray(training.reshape(len(training), -1)))

    def estimate(y: np.ndarray, snr: float) -> np.ndarray:
        level = jnp.full(len(y), 1 / snr)
        return np.asarray(lmmse(jnp.asarray(y), level, jnp.asarray(sensing), moments))

    return estimate


def by_genie(sensing: np.ndarray, covariances: Covariances) -> Estimator:
    @jax.jit
    def solve(y, rx, tx, level):
        whole = rearrange(
            jnp.einsum("nab,ncd->nacbd", rx, tx), "n a c b d -> n (a c) (b d)"
        )
        return lmmse_true(y, level, jnp.asarray(sensing), whole)

    def estimate(y: np.ndarray, snr: float) -> np.ndarray:
        level = jnp.full(PIECE, 1 / snr)
        return in_pieces(
            lambda _, x, rx, tx: solve(x, rx, tx, level),
            PIECE,
            y,
            np.asarray(covariances.rx),
            np.asarray(covariances.tx),
        )

    return estimate


def by_model(path: str, sensing: np.ndarray, options: Options) -> dict[str, Estimator]:
    """A trained estimator, whose images are [tx, rx]."""
    model, name = load(path), Path(path).name
    if not isinstance(model, ChannelEstimator):
        raise ValueError(f"MODEL: found {path}; needed an estimator of channels")
    turned = sensing.reshape(-1, RX, TX).swapaxes(1, 2).reshape(len(sensing), -1)

    def estimate(y: np.ndarray, snr: float, **how: int) -> np.ndarray:
        found = model.estimate_combined(y, turned, (TX, RX), 1 / snr, **how)
        return found.swapaxes(1, 2).reshape(len(y), -1)

    calls = options.calls
    draws = {
        f"{name}, {n} draw{'s' * (n > 1)}": lambda y, snr, n=n: estimate(
            y, snr, calls=calls, draws=n
        )
        for n in (1, options.draws)
    }
    return {name: estimate, **draws}


def main(options: Options) -> None:
    sensing = sensing_of(options.look)
    training, _ = drawn(TRAINING, options.training)
    channels, covariances = drawn(TEST, options.channels)
    flat = channels.reshape(len(channels), -1)
    estimators: dict[str, Estimator] = {
        "least squares": by_least_squares(sensing),
        "OMP": by_paths(sensing, pursuit=True),
        "FISTA": by_paths(sensing, pursuit=False),
        "LMMSE (sample)": by_covariance(sensing, training),
        "LMMSE (genie)": by_genie(sensing, covariances),
    }
    for path in options.models:
        estimators |= by_model(path, sensing, options)
    scores: dict[str, list[Statistic]] = {name: [] for name in estimators}
    for i, snr_db in enumerate(options.snrs_db):
        snr = 10 ** (snr_db / 10)
        key = jax.random.fold_in(jax.random.key(NOISE), i)
        noise = np.asarray(complex_normal(key, (len(flat), len(sensing))))
        seen = (flat @ sensing.T + noise / np.sqrt(snr)).astype(np.complex64)
        for name, estimate in estimators.items():
            print(f"{snr_db:g} dB: {name} …", file=sys.stderr, flush=True)
            scores[name].append(nmse_pooled_db(estimate(seen, snr), flat))
    print_tables(scores, options.snrs_db)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
