"""Several training-free estimates of all steps of a channel from every n-th of them.

`wlam.baselines.bank.ar_bank` extrapolates a channel; these interpolate between its
pilots. Each is a Wiener filter across the pilots of a bin: it assumes the power of
every tone (along subcarriers: of every delay) and estimates the amplitudes. The filters
differ in the source of that spectrum and in its share of noise. Which is best depends
on the noise and on how many paths share a bin; a network learns that dependence.

Pilots alias tones that are one cycle per spacing apart. The band around the mean tone
of all bins is used; tones are in cycles per spacing from there.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jaxtyping import Array, Complex, Float, Int

from wlam.baselines.bank.ar_bank import (
    TINY,
    BankForecasts,
    backtest_mixture,
    of_bins,
)
from wlam.baselines.forecast.local import Reach, pool
from wlam.ops.einsum import einsum
from wlam.ops.phasor import angle, cis
from wlam.ops.pieces import in_pieces
from wlam.ops.solve import inverse_factor, inverse_positive

ROUNDS, MORE_ROUNDS = 6, 2
"""Of `adaptive_spectrum`, for all bins together and then for each and those around."""
FINE = 4
"""Tones for every pilot."""
GATE = 4.0
"""Tones above this many times the median power count as signal."""
LOAD = 1e-4
"""Noise of all filters, over the power of the pilots: float32 solves them then."""


@dataclass(frozen=True)
class Smoother:
    """One Wiener filter, by the spectrum that it assumes."""

    # The pilots that the spectrum is estimated from: those "near" a bin or of the
    # "whole" channel; "none": the spectrum is flat.
    source: Literal["near", "whole", "none"]
    # Of an estimated one, the signal: "all" of it; or tones above `GATE` medians; or
    # of each tone its "share" beyond the median. The rest is noise.
    signal: Literal["all", "gate", "share"] = "all"
    # Of a flat one: its share of the band, and the noise over the pilots' power.
    width: float = 1.0
    noise: float = 0.0


SMOOTHERS = (
    Smoother("near", "all"),
    Smoother("near", "gate"),
    Smoother("near", "share"),
    Smoother("whole", "all"),
    Smoother("whole", "gate"),
    Smoother("whole", "share"),
    Smoother("none", width=1 / 16, noise=0.1),
    Smoother("none", width=1 / 8, noise=0.1),
    Smoother("none", width=1 / 8, noise=0.001),
    Smoother("none", width=1 / 4, noise=0.01),
    Smoother("none", width=1 / 4, noise=0.3),
    Smoother("none", width=1 / 2, noise=0.1),
    Smoother("none", width=1 / 2, noise=0.001),
)
"""As many as experts of the AR bank, so that a model has the same inputs for both."""
NEAR: Reach = (1, 1)
"""Neighbours that share the spectrum of a bin."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SmootherFit:
    """The fits of all smoothers to all bins of a flat grid."""

    amplitudes: Complex[Array, "n bin expert tone"]
    middle: Float[Array, " n"]  # the mean tone, in cycles per spacing
    unexplained: Float[Array, "n bin expert"]  # share of the pilots' power
    # Error power of pilots, each estimated from all others, over their power; the zero
    # estimate is the last.
    backtest_error: Float[Array, "n bin forecast"]
    pooled_error: Float[Array, "n bin forecast"]  # the same over 3 x 3 bins


def fit_smoothers(pilots: Complex[Array, "n p u v"]) -> SmootherFit:
    """Fits every smoother to every bin.

    Args:
        pilots: of all bins, evenly spaced, two or more; of a scale near 1.
    """
    count = pilots.shape[1]
    middle = mean_tone(pilots)
    pilots = pilots * cis(-middle[:, None] * jnp.arange(count)[None])[..., None, None]
    power = (abs(pilots) ** 2).mean(1)
    share = power / jnp.maximum(power.mean((1, 2), keepdims=True), TINY)
    whole = adaptive_spectrum(pilots, None, None, ROUNDS)
    near = adaptive_spectrum(pilots, share[..., None] * whole, NEAR, MORE_ROUNDS)
    spectra = {"near": near, "whole": whole}
    everywhere = power.mean((1, 2), keepdims=True)

    parts = []
    for smoother in SMOOTHERS:
        if smoother.source == "none":
            spectrum = jnp.asarray(flat_spectrum(count, smoother.width))
            noise = jnp.full((1, 1, 1), smoother.noise)
            parts.append(wiener(pilots, spectrum[None, None, None], noise))
        else:
            spectrum = spectra[smoother.source]
            spectrum, noise = signal_and_noise(spectrum, smoother.signal)
            least = LOAD * (power if smoother.source == "near" else everywhere)
            parts.append(wiener(pilots, spectrum, noise + least + TINY**2))
    amplitudes, unexplained, errors = (
        jnp.stack(part, axis=3) for part in zip(*parts, strict=True)
    )
    errors = jnp.concatenate([errors, power[..., None]], axis=-1)

    def over(part: Array, whole: Array) -> Array:
        ratio = part / jnp.where(whole > 0, whole, 1)[..., None] + TINY
        return rearrange(ratio, "n u v o -> n (u v) o")

    return SmootherFit(
        rearrange(amplitudes, "n u v m g -> n (u v) m g"),
        middle,
        over(unexplained, power),
        over(errors, power),
        over(pool(errors, NEAR), pool(power, NEAR)),
    )


def mean_tone(pilots: Complex[Array, "n p u v"]) -> Float[Array, " n"]:
    """The mean tone of all bins, weighted by power, in cycles per spacing."""
    pairs = (pilots[:, 1:] * pilots[:, :-1].conj()).sum((1, 2, 3))
    return angle(pairs.imag, pairs.real) / (2 * jnp.pi)


def band(count: int) -> Float[np.ndarray, " tone"]:
    """The tones, in cycles per spacing from the middle."""
    return np.arange(FINE * count) / (FINE * count) - 0.5


def flat_spectrum(count: int, width: float) -> Float[np.ndarray, " tone"]:
    """Power 1, spread evenly over a share of the band, edges included."""
    inside = abs(band(count)) <= width / 2 + 1e-9
    return (inside / inside.sum()).astype(np.float32)


def at_pilots(count: int) -> Complex[np.ndarray, "p tone"]:
    """Every tone at every pilot, in double precision: covariances are inverted."""
    cycles = np.arange(count)[:, None] * band(count)
    return np.exp(2j * np.pi * cycles).astype(np.complex64)


def over_tones(pilots: Complex[Array, "*b p"]) -> Complex[Array, "*b tone"]:
    """The correlation of the pilots with every tone."""
    basis = at_pilots(pilots.shape[-1])
    return einsum("...p,pg->...g", pilots, basis.conj())


def adaptive_spectrum(
    pilots: Complex[Array, "n p u v"],
    start: Float[Array, "n u v g"] | None,
    reach: Reach | None,
    rounds: int,
) -> Float[Array, "n #u #v g"]:
    """The power of every tone, by the iterative adaptive approach (IAA).

    Yardibi et al., "Source localization and sensing: a nonparametric iterative adaptive
    approach based on weighted least squares", IEEE Trans. AES 46(1), 2010; for series
    with gaps Stoica, Li & Ling, "Missing data recovery via a nonparametric iterative
    adaptive approach", IEEE SPL 16(4), 2009. Bins within reach of each other share a
    spectrum: here the powers of their amplitudes are averaged in every round.

    Args:
        pilots: of all bins.
        start: the first spectrum; None: the periodogram.
        reach: see `wlam.baselines.forecast.local`; None: all bins.
        rounds: number of iterations.
    """
    _, count, u, v = pilots.shape
    basis = at_pilots(count)

    def pooled(amplitudes: Complex[Array, "n u v g"]) -> Float[Array, "n #u #v g"]:
        square = abs(amplitudes) ** 2
        if reach is None:
            return square.mean((1, 2), keepdims=True)
        return pool(square, reach) / pool(jnp.ones((1, u, v, 1)), reach)

    def again(_: Array, spectrum: Array) -> Array:
        least = LOAD * spectrum.mean(-1) * spectrum.shape[-1] + TINY**2
        white = inverse_factor(covariance(spectrum, least))
        tones = einsum("nuvpq,qg->nuvpg", white, basis)
        z = einsum("nuvpq,nquv->nuvp", white, pilots)
        found = einsum("nuvpg,nuvp->nuvg", tones.conj(), z)
        return pooled(found / jnp.maximum((abs(tones) ** 2).sum(3), TINY**2))

    if start is None:
        start = pooled(einsum("npuv,pg->nuvg", pilots, basis.conj()) / count)
    return jax.lax.fori_loop(0, rounds, again, start)


def covariance(
    spectrum: Float[Array, "n #u #v g"], noise: Float[Array, "n #u #v"]
) -> Complex[Array, "n #u #v p p"]:
    """Covariance of the pilots for independent tones: a Toeplitz matrix."""
    count = spectrum.shape[-1] // FINE
    lags = einsum("nuvg,pg->nuvp", spectrum, at_pilots(count))
    row, column = jnp.arange(count)[:, None], jnp.arange(count)[None]
    matrix = jnp.take(lags, abs(row - column), axis=-1)
    matrix = jnp.where((row < column)[None, None, None], matrix.conj(), matrix)
    return matrix + noise[..., None, None] * jnp.eye(count)[None, None, None]


def signal_and_noise(
    spectrum: Float[Array, "n #u #v g"], signal: str
) -> tuple[Float[Array, "n #u #v g"], Float[Array, "n #u #v"]]:
    """The signal part of a spectrum, and the noise power at a pilot.

    White noise has equal power at all tones, paths occupy few: the median is noise.
    """
    if signal == "all":
        return spectrum, 0 * spectrum[..., 0]
    median = jnp.median(spectrum, axis=-1, keepdims=True)
    noise = median[..., 0] * spectrum.shape[-1]
    if signal == "gate":
        # A smooth gate, or rounding would decide which tones pass.
        over = jnp.minimum(spectrum / (GATE * median + TINY**2), 100.0) ** 4
        return spectrum * over / (1 + over), noise
    return spectrum**2 / (spectrum + 2 * median + TINY**2), noise


def wiener(
    pilots: Complex[Array, "n p u v"],
    spectrum: Float[Array, "#n #u #v g"],
    noise: Float[Array, "#n #u #v"],
) -> tuple[Complex[Array, "n u v g"], Float[Array, "n u v"], Float[Array, "n u v"]]:
    """Amplitudes of the tones, and the unexplained and leave-one-out error powers.

    Each pilot is estimated from the others: with z = R^-1 y and R the covariance
    with the noise, the error of pilot i is z_i / (R^-1)_ii (Sundararajan & Keerthi,
    "Predictive approaches for choosing hyperparameters in Gaussian processes", Neural
    Computation 13(5), 2001).
    """
    inverse = inverse_positive(covariance(spectrum, noise))
    inverse = jnp.broadcast_to(inverse, (len(pilots), *inverse.shape[1:]))
    z = einsum("nuvpq,nquv->nuvp", inverse, pilots)
    diagonal = jnp.diagonal(inverse, axis1=-2, axis2=-1).real
    error = z / jnp.maximum(diagonal, TINY)
    amplitudes = spectrum * over_tones(z)
    unexplained = noise**2 * (abs(z) ** 2).mean(-1)
    return amplitudes, unexplained, (abs(error) ** 2).mean(-1)


def smoothed(
    fitted: SmootherFit,
    chosen: Int[Array, "n k"],
    steps: Float[Array, " l"],
) -> BankForecasts:
    """Estimates of the chosen bins by every smoother.

    Args:
        fitted: of `fit_smoothers`.
        chosen: bins, as indices into the flat grid.
        steps: positions, in units of the spacing from the first pilot.
    """
    pick = partial(of_bins, chosen=chosen)
    count = fitted.amplitudes.shape[-1] // FINE
    basis = cis(steps[:, None] * jnp.asarray(band(count), jnp.float32)[None])
    found = einsum("lg,nkmg->nlkm", basis, pick(fitted.amplitudes))
    found = found * cis(fitted.middle[:, None] * steps[None])[..., None, None]
    return BankForecasts(
        jnp.concatenate([found, 0 * found[..., :1]], axis=-1),
        pick(fitted.unexplained),
        pick(fitted.backtest_error),
        pick(fitted.pooled_error),
        jnp.zeros(fitted.backtest_error.shape[-1]),
    )


PIECE = 4
"""Channels that `between_pilots` estimates at once."""
IAA = SMOOTHERS.index(Smoother("near", "share"))
"""The best single one on drops of the training scenarios, from 10 to 40 dB."""


def between_pilots(
    pilots: Complex[np.ndarray, "n p bin"],
    at: Int[np.ndarray, " p"],
    length: int,
    grid: tuple[int, int],
    weighted: bool,
) -> Complex[np.ndarray, "n {length} bin"]:
    """Estimates of the smoothers without a model.

    Args:
        pilots: channels of a grid of bins, at some of their steps.
        at: those steps, evenly spaced.
        length: number of steps.
        grid: rows and columns of the bins.
        weighted: the mean of all smoothers, weighted by backtest error; else `IAA`
            alone.
    """
    steps = np.asarray((np.arange(length) - at[0]) / (at[1] - at[0]), np.float32)
    return in_pieces(
        lambda _, piece: _between(piece, steps, grid, weighted), PIECE, pilots
    )


@partial(jax.jit, static_argnames=("grid", "weighted"))
def _between(
    pilots: Array, steps: Array, grid: tuple[int, int], weighted: bool
) -> Array:
    n, _, bins = pilots.shape
    peak = abs(pilots).max((1, 2), keepdims=True)
    x = pilots / jnp.where(peak > 0, peak, 1)
    fitted = fit_smoothers(rearrange(x, "n p (u v) -> n p u v", u=grid[0]))
    chosen = jnp.broadcast_to(jnp.arange(bins)[None], (n, bins))
    bank = smoothed(fitted, chosen, steps)
    if not weighted:
        return bank.forecasts[..., IAA] * peak
    return backtest_mixture(bank, x) * peak
