"""Channel estimation over SNR: an estimator beside classical ones, on drawn pilots."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jaxtyping import Bool, Complex, Float, Int

from wlam.baselines.estimate import (
    Moments,
    fit_kronecker_mixture,
    fit_moments,
    fitted_estimate,
    linear_matrix,
    lmmse,
    mixture_estimate,
    path_atoms,
    spline_matrix,
)
from wlam.baselines.estimate.combs import by_delay_spectrum
from wlam.baselines.estimate.interpolation import between_snapshots
from wlam.data.generators import generate
from wlam.evaluation.ask import curves
from wlam.evaluation.evaluator import MODEL, Evaluator, Result
from wlam.metrics import Statistic, nmse_mean_db, nmse_pooled_db
from wlam.models.base import Model
from wlam.ops.pieces import in_pieces
from wlam.phy.arrays import beamspace, uniform_lines
from wlam.phy.channels.kronecker import (
    Covariances,
    KroneckerConfig,
    draw_channels,
    draw_covariances,
    lmmse_known,
)
from wlam.phy.noise import complex_normal
from wlam.types import Csi

TX_ANTENNAS = "tx_antennas"
"""The label of channels whose subcarriers are antennas of another line."""
TRAINING, NOISE, FIT = 1, 2, 3
"""Folded into the seed's key."""
GENIE = "LMMSE (genie)"
LARGEST = 1100
"""Entries of a channel whose covariance is fitted as a whole, at most."""
PIECE = 50
FEWEST = 4
"""Pilots that a spline needs."""
Blocks = Complex[np.ndarray, "n t k a"]
Way = Callable[[Blocks, float], np.ndarray]
"""Observed blocks, 0 where there is no pilot, and the noise variance -> estimates."""


@dataclass(frozen=True)
class Estimate(Evaluator):
    """NMSE in dB at one or more SNRs, of channels from pilots in white noise.

    Channels have mean power 1, each or (`pooled`) all together. Baselines know the
    variance of the noise, `noise` says what the model knows of it.
    """

    # Config of a generator of Csi.
    source: Any = field(default_factory=KroneckerConfig)
    # Signal-to-noise ratios of every pilot, in dB.
    snrs_db: tuple[float, ...] = (0.0, 10.0, 20.0)
    # Pilots are on every which subcarrier, and on these symbols; (): on all.
    every: int = 1
    symbols: tuple[int, ...] = ()
    # Whether the model knows the variance of the noise, and how much too high in dB.
    noise: Literal["known", "unknown"] = "known"
    offset_db: float = 0.0
    # Ratio of sums over all channels, where weak ones count less; else the mean ratio.
    pooled: bool = False
    # Whether a mixture of Gaussians is fitted to matrices, which takes a minute.
    mixture: bool = False
    # Channels to estimate, and those that covariances are fitted to; 0: none are.
    channels: int = 50
    training: int = 1000
    # Where the latter come from; None: like the channels that are estimated.
    fitted_to: Any = None
    seed: int = 30_000

    def __post_init__(self) -> None:
        for name in ("every", "channels"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name}: found {value}; needed 1 or more")
        if not self.snrs_db:
            raise ValueError("snrs_db: found none; needed one or more")
        if self.training < 0 or self.training == 1:
            raise ValueError(f"training: found {self.training}; needed 0, 2 or more")

    def why_not(self, model: Model) -> str:
        """Only what estimates channels that antennas see as they are."""
        if not model.can("estimate"):
            return "the model cannot estimate"
        whole = self.every == 1 and not self.symbols
        if model.can("complete") and whole:
            return "the model completes combs of pilots only"
        return model.why_not(Csi)

    def run(self, name: str, model: Model | None, baselines: bool = True) -> Result:
        """A metric for each SNR; a channel is one sample."""
        data, covariances = draw(jax.random.key(self.seed), self.source, self.channels)
        clean = np.asarray(data.clean)
        seen = self._pilots(clean.shape[1:])
        ways = self._baselines(data, covariances, seen) if baselines else {}
        statistics: dict[str, dict[str, Statistic]] = {}
        score = nmse_pooled_db if self.pooled else nmse_mean_db
        for snr_db in self.snrs_db:
            level, metric = 10 ** (-snr_db / 10), metric_of(snr_db)
            # The noise of an SNR is the same whatever other SNRs there are.
            key = jax.random.fold_in(jax.random.key(self.seed), NOISE)
            key = jax.random.fold_in(key, round(10 * snr_db) + 10_000)
            noise = np.asarray(complex_normal(key, clean.shape)) * np.sqrt(level)
            observed = (clean + noise).astype(np.complex64) * seen
            if model is not None:
                found = self._asked(model, data, observed, seen, level)
                statistics.setdefault(MODEL, {})[metric] = score(found, clean)
            for who, way in ways.items():
                found = way(observed, level)
                statistics.setdefault(who, {})[metric] = score(found, clean)
        metrics = [metric_of(x) for x in self.snrs_db]
        result = Result(
            name=name,
            question=" x ".join(map(str, clean.shape[1:])),
            headline=metrics[len(metrics) // 2],
            statistics=statistics,
            groups=np.arange(len(clean)),
            about=f"generated: {self.source}; {seen.mean():.0%} are pilots; the model "
            f"has a noise variance that is {self.noise}, {self.offset_db:+g} dB",
            informed=frozenset({GENIE}),
        )

        def pictures() -> dict[str, Any]:
            drawn = curves(result, metrics, self.snrs_db, "SNR, dB", "NMSE, dB")
            return {"NMSE over SNR": drawn}

        return replace(result, pictures=pictures)

    def _asked(
        self,
        model: Any,
        data: Csi,
        observed: Blocks,
        seen: Bool[np.ndarray, "t k a"],
        level: float,
    ) -> np.ndarray:
        """What the model estimates."""
        known = level * 10 ** (self.offset_db / 10) if self.noise == "known" else None
        more = {"frequency": False} if TX_ANTENNAS in data.labels else {}
        question = Csi(
            observed,
            subcarrier_spacing_hz=np.asarray(data.subcarrier_spacing_hz),
            antennas=data.antennas,
            mask=np.broadcast_to(seen, np.shape(observed)),
        )
        return model.estimate(question, known, **more).csi

    def _pilots(self, shape: tuple[int, ...]) -> Bool[np.ndarray, "t k a"]:
        times, subcarriers, _ = shape
        if self.symbols and not max(self.symbols) < times:
            raise ValueError(
                f"symbols: found {self.symbols}; needed some of {times} snapshots"
            )
        seen = np.zeros(shape, bool)
        there = self.symbols or tuple(range(times))
        seen[np.ix_(there, range(0, subcarriers, self.every))] = True
        return seen

    def _baselines(
        self,
        data: Csi,
        covariances: Covariances | None,
        seen: Bool[np.ndarray, "t k a"],
    ) -> dict[str, Way]:
        """All that fit the pilots and the channels."""
        subcarriers = seen.shape[1]
        at = np.flatnonzero(seen.any((0, 2)))
        there = np.asarray(seen.any((1, 2)))
        whole, across = bool(seen.all()), TX_ANTENNAS in data.labels
        ways: dict[str, Way] = {"LS": lambda y, _: y} if whole else {}
        if not whole:
            comb = {"at": at, "there": there}
            ways["repeat last"] = partial(interpolated, matrix=hold_matrix, **comb)
            ways["interpolation"] = partial(interpolated, matrix=linear_matrix, **comb)
            if len(at) >= FEWEST:
                ways["spline"] = partial(interpolated, matrix=spline_matrix, **comb)
        antennas = data.antennas
        assert antennas is not None
        array = np.asarray(antennas.positions), np.asarray(antennas.polarisation)
        if not across and subcarriers > 1 and uniform_lines(*array).shape[1] > 1:
            beams = beamspace(*array)
            ways["sparse Bayes"] = partial(by_spectrum, at=at, there=there, beams=beams)
        if self.training:
            key = jax.random.fold_in(jax.random.key(self.seed), TRAINING)
            source = self.source if self.fitted_to is None else self.fitted_to
            training = np.asarray(draw(key, source, self.training)[0].clean)
            ways["LMMSE (sample)"] = by_covariance(training, seen)
            if self.mixture and across and whole:
                ways["mixture"] = by_mixture(training[:, 0].swapaxes(1, 2))
        if isinstance(self.source, KroneckerConfig) and whole:
            ways["fitted"] = by_fit(self.source)
        if covariances is not None and whole:
            ways[GENIE] = by_genie(covariances)
        return ways


def metric_of(snr_db: float) -> str:
    """Name of the error at an SNR."""
    return f"NMSE dB at {snr_db:g} dB"


def draw(key: jax.Array, source: Any, number: int) -> tuple[Csi, Covariances | None]:
    """Channels without noise, and their covariances where there are any."""
    if isinstance(source, KroneckerConfig):
        kept: Csi = jax.tree.map(np.asarray, generate(key, source, 1))
        pair = jax.jit(partial(draw_pairs, config=source, number=PIECE))
        parts = [pair(jax.random.fold_in(key, i)) for i in range(-(-number // PIECE))]
        both = jax.tree.map(lambda *x: jnp.concatenate(x)[:number], *parts)
        channels, covariances = both
        clean = np.asarray(channels).swapaxes(1, 2)[:, None]
        labels = {TX_ANTENNAS: np.full(number, clean.shape[2])}
        return replace(kept, csi=clean, clean=clean, labels=labels), covariances
    make = jax.jit(lambda key: generate(key, source, PIECE))
    parts = [make(jax.random.fold_in(key, i)) for i in range(-(-number // PIECE))]
    data: Csi = jax.tree.map(np.asarray, parts[0])
    clean = np.concatenate([np.asarray(part.clean) for part in parts])[:number]
    power = (abs(clean) ** 2).mean((1, 2, 3), keepdims=True)
    clean = clean / np.sqrt(np.where(power > 0, power, 1))
    clean = clean.astype(np.complex64)
    labels = {k: np.ones(number) for k in data.labels if k == TX_ANTENNAS}
    spacing = np.full(number, np.asarray(data.subcarrier_spacing_hz)[0])
    return replace(
        data,
        csi=clean,
        clean=clean,
        labels=labels,
        subcarrier_spacing_hz=spacing,
    ), None


def draw_pairs(
    key: jax.Array, config: KroneckerConfig, number: int
) -> tuple[jax.Array, Covariances]:
    """Channels [n, rx, tx] and the covariances that they are drawn from."""
    keys = jax.random.split(key)
    found = draw_covariances(keys[0], config, number)
    return draw_channels(keys[1], found), found


def hold_matrix(
    positions: Float[np.ndarray, "1 p"], subcarriers: int
) -> Float[np.ndarray, "1 k p"]:
    """The pilot before each subcarrier, the first one before it."""
    before = np.searchsorted(positions[0], np.arange(subcarriers), side="right") - 1
    return np.eye(positions.shape[1], dtype=np.float32)[np.maximum(before, 0)][None]


def interpolated(
    y: Blocks,
    level: float,
    matrix: Any,
    at: Int[np.ndarray, " p"],
    there: Bool[np.ndarray, " t"],
) -> np.ndarray:
    """Along subcarriers by a linear map of the pilots, then along snapshots."""
    weights = np.asarray(matrix(at[None].astype(np.float32), y.shape[2]))[0]
    found = np.zeros_like(y)
    found[:, there] = np.einsum("kp,ntpa->ntka", weights, y[:, there][:, :, at])
    return between_snapshots(found, np.tile(there, (len(y), 1)))


def by_spectrum(
    y: Blocks,
    level: float,
    at: Int[np.ndarray, " p"],
    there: Bool[np.ndarray, " t"],
    beams: np.ndarray,
) -> np.ndarray:
    """Sparse Bayes of every beam, see `wlam.baselines.estimate.combs`."""
    known = np.full(len(y), level, np.float32)
    found = np.zeros_like(y)
    found[:, there] = by_delay_spectrum(
        y[:, there][:, :, at], at, y.shape[2], beams, known
    )
    return between_snapshots(found, np.tile(there, (len(y), 1)))


def by_covariance(training: Blocks, seen: Bool[np.ndarray, "t k a"]) -> Way:
    """One covariance, of the whole channel where it is small, else of each antenna.

    Antennas then share one; the mean is zero.
    """
    together = training[0].size <= LARGEST
    pattern = "n t k a -> n (t k a)" if together else "n t k a -> (n a) (t k)"
    flat = jnp.asarray(rearrange(training, pattern))
    fitted = fit_moments(flat).covariance
    moments = Moments(jnp.zeros(flat.shape[1], flat.dtype), fitted)
    mask = seen if together else seen[..., 0]
    at = np.flatnonzero(mask)
    sensing = jnp.asarray(np.eye(flat.shape[1], dtype=np.float32)[at])

    def estimate(y: Blocks, level: float) -> np.ndarray:
        rows = rearrange(y, pattern)[:, at]
        found = in_pieces(
            lambda _, x: lmmse(
                jnp.asarray(x), jnp.full(len(x), level), sensing, moments
            ),
            PIECE,
            rows,
        )
        if together:
            return found.reshape(y.shape)
        t, a = y.shape[1], y.shape[3]
        return rearrange(found, "(n a) (t k) -> n t k a", t=t, a=a)

    return estimate


def by_mixture(training: Complex[np.ndarray, "n rx tx"]) -> Way:
    """A mixture of Kronecker Gaussians, fitted."""
    mixture = fit_kronecker_mixture(jax.random.key(FIT), jnp.asarray(training))
    return _of_matrices(
        lambda x, level: mixture_estimate(x, jnp.full(len(x), level), mixture)
    )


def by_fit(config: KroneckerConfig) -> Way:
    """Each channel by the covariance that it is most probable under."""
    atoms = path_atoms(config)
    return _of_matrices(
        lambda x, level: fitted_estimate(x, jnp.full(len(x), level), atoms, 30, False)
    )


def by_genie(covariances: Covariances) -> Way:
    """Each channel by its own covariance."""
    solve = jax.jit(lmmse_known)

    def estimate(y: Blocks, level: float) -> np.ndarray:
        found = in_pieces(
            lambda _, x, rx, tx: solve(
                jnp.asarray(x),
                jnp.full(len(x), level),
                Covariances(jnp.asarray(rx), jnp.asarray(tx)),
            ),
            PIECE,
            y[:, 0].swapaxes(1, 2),
            np.asarray(covariances.rx),
            np.asarray(covariances.tx),
        )
        return found.swapaxes(1, 2)[:, None]

    return estimate


def _of_matrices(solve: Callable[[Any, float], Any]) -> Way:
    """From matrices [n, rx, tx] to blocks [n, 1, tx, rx]."""

    def estimate(y: Blocks, level: float) -> np.ndarray:
        matrices = y[:, 0].swapaxes(1, 2)
        found = in_pieces(lambda _, x: solve(jnp.asarray(x), level), PIECE, matrices)
        return found.swapaxes(1, 2)[:, None]

    return estimate
