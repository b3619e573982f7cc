"""Estimation of large arrays through few RF chains: the error over SNR."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex

from wlam.baselines.estimate import (
    Moments,
    fista,
    fit_moments,
    lmmse,
    omp,
    sparse_bayes,
    universal_penalty,
)
from wlam.evaluation.ask import curves
from wlam.evaluation.estimate import metric_of
from wlam.evaluation.evaluator import MODEL, Evaluator, Result
from wlam.metrics import Statistic, nmse_mean_db
from wlam.models.base import Model
from wlam.ops.pieces import in_pieces
from wlam.phy import arrays
from wlam.phy.channels.hybrid_field import HybridFieldConfig, generate, observe
from wlam.phy.mimo.combining import Receiver

PIECE, DRAWN = 4, 100
TRAINING, NOISE = 1, 2
"""Folded into the seed's key."""
OVERSAMPLING = 2
"""Directions for each that the array can resolve."""
MOST_PATHS = 100
PENALTIES = (0.03, 0.1, 0.3, 1.0)
"""Of FISTA, over the universal one. The best is taken on the channels that are judged,
which flatters it."""
TOO_LOW_DB = 5.0
"""How much too low the SNR is that "sparse Bayes, noise unknown" starts from."""
Way = Callable[[Complex[np.ndarray, "n part m"], float], np.ndarray]
"""White measurements and the noise variance -> channels [n, antenna]."""


@dataclass(frozen=True)
class CombinedEstimate(Evaluator):
    """NMSE in dB at one or more SNRs, through the combiner of the model.

    Channels are those of its array, near and far paths mixed as `far_share` says.
    """

    # A HybridFieldConfig, and the seed of its combiner; None: those of the model, or
    # the default array where there is none.
    array: Any = None
    combiner: int = 3
    # Share of the paths that are far; None: as in the config of the array.
    far_share: float | None = None
    # Signal-to-noise ratios in dB.
    snrs_db: tuple[float, ...] = (0.0, 10.0, 20.0)
    # Channels to estimate, and those that the covariance is fitted to.
    channels: int = 12
    training: int = 1000
    seed: int = 40_000

    def __post_init__(self) -> None:
        if self.channels < 1 or self.training < 2:
            raise ValueError(
                f"channels, training: found {self.channels}, {self.training}; needed 1 "
                "and 2 or more"
            )
        if not self.snrs_db:
            raise ValueError("snrs_db: found none; needed one or more")

    def why_not(self, model: Model) -> str:
        """Only what estimates channels through a combiner of its own."""
        if not model.can("estimate") or not hasattr(model, "receiver"):
            return "the model has no combiner of its own"
        given = self.array
        if given is not None and _array_of(model) != (given, self.combiner):
            return "the model is of another array or combiner"
        return ""

    def run(self, name: str, model: Model | None, baselines: bool = True) -> Result:
        """A metric for each SNR; a channel is one sample."""
        config, seed = self.array or HybridFieldConfig(), self.combiner
        if model is not None:
            config, seed = _array_of(model)
        receiver = Receiver(config, seed)
        source = config
        if self.far_share is not None:
            source = replace(config, far_share=self.far_share)
        clean = drawn(source, jax.random.key(self.seed), self.channels)
        key = jax.random.fold_in(jax.random.key(self.seed), TRAINING)
        ways = (
            estimators(config, receiver, drawn(config, key, self.training))
            if baselines
            else {}
        )
        statistics: dict[str, dict[str, Statistic]] = {}
        for snr_db in self.snrs_db:
            level, metric = 10 ** (-snr_db / 10), metric_of(snr_db)
            key = jax.random.fold_in(jax.random.key(self.seed), NOISE)
            key = jax.random.fold_in(key, round(10 * snr_db) + 10_000)
            ratios = jnp.full(len(clean), float(snr_db))
            seen = observe(key, jnp.asarray(clean), receiver.weights, ratios)
            y = receiver.white(np.asarray(seen))
            if model is not None:
                found = _asked(model, y, level)
                statistics.setdefault(MODEL, {})[metric] = nmse_mean_db(found, clean)
            for who, way in ways.items():
                score = nmse_mean_db(way(y, level), clean)
                kept = statistics.setdefault(who.partition(" of ")[0], {})
                if metric not in kept or score.value < kept[metric].value:
                    kept[metric] = score
        metrics = [metric_of(x) for x in self.snrs_db]
        result = Result(
            name=name,
            question=f"{receiver.whole().shape[0]} of {receiver.whole().shape[1]}",
            headline=metrics[len(metrics) // 2],
            statistics=statistics,
            groups=np.arange(len(clean)),
            about=f"generated: {source}; FISTA has the best penalty of "
            f"{len(PENALTIES)} on these channels",
        )

        def pictures() -> dict[str, Any]:
            shown = curves(result, metrics, self.snrs_db, "SNR, dB", "NMSE, dB")
            return {"NMSE over SNR": shown}

        return replace(result, pictures=pictures)


def _asked(model: Any, y: np.ndarray, level: float) -> np.ndarray:
    """What the model estimates."""
    return model.estimate(y, level)


def _array_of(model: Any) -> tuple[HybridFieldConfig, int]:
    """The array of a model and the seed of its combiner."""
    config = model.network.config
    return config.array, config.combiner


def drawn(
    config: HybridFieldConfig, key: jax.Array, number: int
) -> Complex[np.ndarray, "n antenna"]:
    """Channels without noise."""
    draw = jax.jit(lambda key: jnp.asarray(generate(key, config, DRAWN).clean)[:, 0, 0])
    parts = [draw(jax.random.fold_in(key, i)) for i in range(-(-number // DRAWN))]
    return np.concatenate(parts)[:number]


def directions(config: HybridFieldConfig) -> Complex[np.ndarray, "antenna direction"]:
    """Plane waves over one sub-array, of unit norm."""
    rows, columns = config.antennas
    places = arrays.upa(rows, columns, config.spacing)
    sines = []
    for count in (rows, columns):
        number = max(1, math.ceil(2 * config.spacing * count * OVERSAMPLING))
        sines.append((np.arange(number) + 0.5) * 2 / number - 1 if count > 1 else [0.0])
    grid = np.array([(y, z) for z in sines[0] for y in sines[1] if y**2 + z**2 <= 1])
    cycles = places[:, 1:] @ grid.T
    return (np.exp(2j * np.pi * cycles) / math.sqrt(rows * columns)).astype(
        np.complex64
    )


def estimators(
    config: HybridFieldConfig, receiver: Receiver, training: np.ndarray
) -> dict[str, Way]:
    """Classical ones; those whose names differ behind " of " are tried for the best."""
    whole, atoms = jnp.asarray(receiver.whole()), jnp.asarray(directions(config))
    every = jnp.kron(jnp.eye(receiver.parts), atoms)
    covariance = fit_moments(jnp.asarray(training)).covariance
    moments = Moments(jnp.zeros(len(covariance), covariance.dtype), covariance)

    most = min(MOST_PATHS, len(whole))

    def by_covariance(y: np.ndarray, level: float) -> np.ndarray:
        flat = jnp.asarray(y.reshape(len(y), -1))
        return np.asarray(lmmse(flat, jnp.full(len(y), level), whole, moments))

    def by_pursuit(y: np.ndarray, level: float) -> np.ndarray:
        levels = jnp.full(PIECE, level)
        return in_pieces(
            lambda _, x: omp(jnp.asarray(x), levels, whole, every, most),
            PIECE,
            y.reshape(len(y), -1),
        )

    def by_penalty(y: np.ndarray, level: float, share: float) -> np.ndarray:
        penalty = share * universal_penalty(jnp.full(PIECE, level), whole, every)
        return in_pieces(
            lambda _, x: fista(jnp.asarray(x), penalty, whole, every),
            PIECE,
            y.reshape(len(y), -1),
        )

    def by_spectrum(y: np.ndarray, level: float, unknown: bool = False) -> np.ndarray:
        levels = jnp.full(PIECE, level * (10 ** (TOO_LOW_DB / 10) if unknown else 1))
        found = in_pieces(
            lambda _, x: sparse_bayes(
                jnp.asarray(x),
                levels,
                jnp.asarray(receiver.sensing),
                atoms,
                fit_noise=unknown,
            ),
            PIECE,
            y,
        )
        return found.reshape(len(y), -1)

    return {
        "LMMSE (sample)": by_covariance,
        "OMP": by_pursuit,
        **{
            f"FISTA of {share:g}": lambda y, level, s=share: by_penalty(y, level, s)
            for share in PENALTIES
        },
        "sparse Bayes": by_spectrum,
        "sparse Bayes, noise unknown": lambda y, level: by_spectrum(y, level, True),
    }
