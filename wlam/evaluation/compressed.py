"""Estimation of MIMO channels of which fewer numbers are measured than they have."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jaxtyping import Complex

from wlam.baselines.estimate import (
    angle_delay_dictionary,
    fista,
    fit_moments,
    lmmse,
    lmmse_true,
    omp,
    universal_penalty,
)
from wlam.evaluation.ask import curves
from wlam.evaluation.estimate import GENIE, NOISE, TRAINING, draw, metric_of
from wlam.evaluation.evaluator import MODEL, Evaluator, Result
from wlam.metrics import Statistic, nmse_pooled_db
from wlam.models.base import Model
from wlam.ops.pieces import in_pieces
from wlam.phy.channels.kronecker import Covariances, KroneckerConfig
from wlam.phy.noise import complex_normal

MEASURED = 4
"""Seed of what is measured."""
PIECE = 20
Way = Callable[[Complex[np.ndarray, "n m"], float], np.ndarray]
"""Measurements and the noise variance -> channels [n, rx * tx]."""


@dataclass(frozen=True)
class CompressedEstimate(Evaluator):
    """NMSE in dB at one or more SNRs, of channels from linear measurements of them.

    Channels [rx, tx] have mean power 1 all together, noise is white and of known
    variance.
    """

    # Channels between two arrays.
    source: KroneckerConfig = field(default_factory=KroneckerConfig)
    # Chains: each sums all receive antennas at phases that are drawn once, and what
    # comes out is made white. Entries: as many pairs of antennas, drawn once.
    measured: Literal["chains", "entries"] = "chains"
    # RF chains for all receive antennas.
    chains: int = 16
    # Signal-to-noise ratios in dB.
    snrs_db: tuple[float, ...] = (0.0, 10.0, 20.0)
    # Samples of the model from its posterior, of which the mean is judged, and its
    # network evaluations for each; 0 samples: its restoration.
    draws: int = 0
    nfe: int = 40
    # Paths that OMP finds at most.
    paths: int = 48
    # Channels to estimate, and those that the covariance is fitted to.
    channels: int = 40
    training: int = 1000
    seed: int = 50_000

    def __post_init__(self) -> None:
        if not 1 <= self.chains <= self.source.num_rx:
            raise ValueError(
                f"chains: found {self.chains}; needed 1 to {self.source.num_rx}"
            )
        if self.channels < 1 or self.training < 2:
            raise ValueError(
                f"channels, training: found {self.channels}, {self.training}; needed 1 "
                "and 2 or more"
            )
        if not self.snrs_db:
            raise ValueError("snrs_db: found none; needed one or more")

    def why_not(self, model: Model) -> str:
        """Only what takes measurements with any matrix."""
        if not hasattr(model, "estimate_combined"):
            return "the model takes no combined measurements"
        return ""

    def run(self, name: str, model: Model | None, baselines: bool = True) -> Result:
        """A metric for each SNR; a channel is one sample."""
        sensing = sensing_of(self.source, self.measured, self.chains)
        flat, covariances = self._channels(jax.random.key(self.seed), self.channels)
        ways = self._baselines(sensing, covariances) if baselines else {}
        statistics: dict[str, dict[str, Statistic]] = {}
        for snr_db in self.snrs_db:
            level, metric = 10 ** (-snr_db / 10), metric_of(snr_db)
            key = jax.random.fold_in(jax.random.key(self.seed), NOISE)
            key = jax.random.fold_in(key, round(10 * snr_db) + 10_000)
            noise = np.asarray(complex_normal(key, (len(flat), len(sensing))))
            y = (flat @ sensing.T + noise * np.sqrt(level)).astype(np.complex64)
            if model is not None:
                found = self._asked(model, sensing, y, level)
                statistics.setdefault(MODEL, {})[metric] = nmse_pooled_db(found, flat)
            for who, way in ways.items():
                score = nmse_pooled_db(way(y, level), flat)
                statistics.setdefault(who, {})[metric] = score
        metrics = [metric_of(x) for x in self.snrs_db]
        result = Result(
            name=name,
            question=f"{sensing.shape[0]} of {sensing.shape[1]}",
            headline=metrics[len(metrics) // 2],
            statistics=statistics,
            groups=np.arange(len(flat)),
            about=f"generated: {self.source}; measured are {self.measured}",
            informed=frozenset({GENIE}),
        )

        def pictures() -> dict[str, Any]:
            shown = curves(result, metrics, self.snrs_db, "SNR, dB", "NMSE, dB")
            return {"NMSE over SNR": shown}

        return replace(result, pictures=pictures)

    def _channels(
        self, key: jax.Array, number: int
    ) -> tuple[Complex[np.ndarray, "n d"], Covariances]:
        """Channels without noise, flattened as [rx, tx], and their covariances."""
        data, covariances = draw(key, self.source, number)
        assert covariances is not None
        clean = np.asarray(data.clean)[:, 0]
        return rearrange(clean, "n tx rx -> n (rx tx)"), covariances

    def _asked(
        self, model: Any, sensing: np.ndarray, y: np.ndarray, level: float
    ) -> np.ndarray:
        """What the model, whose images are [tx, rx], estimates."""
        rx, tx = self.source.num_rx, self.source.num_tx
        turned = rearrange(sensing, "m (rx tx) -> m (tx rx)", rx=rx)
        how = {"nfe": self.nfe, "samples": self.draws}
        found = model.estimate_combined(y, turned, (tx, rx), level, **how)
        return rearrange(found, "n tx rx -> n (rx tx)")

    def _baselines(self, sensing: np.ndarray, covariances: Covariances) -> dict:
        key = jax.random.fold_in(jax.random.key(self.seed), TRAINING)
        training, _ = self._channels(key, self.training)
        return {
            "least squares": lambda y, _: y @ sensing.conj(),
            "OMP": by_paths(self.source, sensing, self.paths),
            "FISTA": by_paths(self.source, sensing),
            "LMMSE (sample)": by_covariance(sensing, training),
            GENIE: by_genie(sensing, covariances),
        }


def sensing_of(
    source: KroneckerConfig, measured: str, chains: int
) -> Complex[np.ndarray, "m d"]:
    """Orthonormal rows; a channel is flattened as [rx, tx]."""
    rng, rx, tx = np.random.default_rng(MEASURED), source.num_rx, source.num_tx
    if measured == "entries":
        seen = np.sort(rng.permutation(rx * tx)[: chains * tx])
        return np.eye(rx * tx, dtype=np.complex64)[seen]
    phases = np.exp(2j * np.pi * rng.uniform(size=(chains, rx)))
    # White noise of the antennas, coloured by the combiner, made white again.
    colour = np.linalg.cholesky(phases @ phases.conj().T)
    combiner = np.linalg.solve(colour, phases)
    return np.kron(combiner, np.eye(tx)).astype(np.complex64)


def by_paths(source: KroneckerConfig, sensing: np.ndarray, most: int = 0) -> Way:
    """OMP over directions of both sides with at most so many paths; 0: FISTA."""
    rx, tx = source.num_rx, source.num_tx
    atoms = angle_delay_dictionary(tx, (rx,), oversampling=2 if most else 1)
    # Its rows are [tx, rx]; sines of one sign are as good as of the other.
    atoms = rearrange(np.asarray(atoms), "(tx rx) d -> (rx tx) d", tx=tx)
    matrix, dictionary = jnp.asarray(sensing), jnp.asarray(atoms)

    def estimate(y: np.ndarray, level: float) -> np.ndarray:
        levels = jnp.full(PIECE, level)
        if most:
            return in_pieces(
                lambda _, x: omp(jnp.asarray(x), levels, matrix, dictionary, most),
                PIECE,
                y,
            )
        penalty = universal_penalty(levels, matrix, dictionary)
        return in_pieces(
            lambda _, x: fista(jnp.asarray(x), penalty, matrix, dictionary), PIECE, y
        )

    return estimate


def by_covariance(sensing: np.ndarray, training: np.ndarray) -> Way:
    """One covariance for all channels."""
    moments = fit_moments(jnp.asarray(training))

    def estimate(y: np.ndarray, level: float) -> np.ndarray:
        levels = jnp.full(len(y), level)
        return np.asarray(lmmse(jnp.asarray(y), levels, jnp.asarray(sensing), moments))

    return estimate


def by_genie(sensing: np.ndarray, covariances: Covariances) -> Way:
    """Each channel by its own covariance."""

    @jax.jit
    def solve(y: Any, rx: Any, tx: Any, level: Any) -> Any:
        whole = rearrange(
            jnp.einsum("nab,ncd->nacbd", rx, tx), "n a c b d -> n (a c) (b d)"
        )
        return lmmse_true(y, level, jnp.asarray(sensing), whole)

    def estimate(y: np.ndarray, level: float) -> np.ndarray:
        levels = jnp.full(PIECE, level)
        return in_pieces(
            lambda _, x, rx, tx: solve(x, rx, tx, levels),
            PIECE,
            y,
            np.asarray(covariances.rx),
            np.asarray(covariances.tx),
        )

    return estimate
