"""Several training-free estimates of all steps of a channel from every n-th of them.

The bank of `wlam.baselines.bank.ar_bank` goes on where a channel ends; these go between
its pilots. Each is a Wiener filter across the pilots of a bin: it takes the power at
every tone (along subcarriers: at every delay) to be known and estimates the amplitudes.
They differ in where that spectrum comes from and in what of it is noise. Which is best
depends on the noise and on how many paths share a bin: a network sees that.

Between two pilots a tone turns by some cycles more or fewer than its twin one cycle per
spacing away, which the pilots cannot tell from it. The band around the mean tone of all
bins is taken; tones are counted in cycles per spacing from there.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jaxtyping import Array, Complex, Float, Int

from wlam.baselines.bank.ar_bank import TINY, Options, mixed_by_record, of_bins
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
"""Tones count as heard from this many times the median power on."""
LOAD = 1e-4
"""Noise of all filters, over the power of the pilots: float32 solves them then."""


@dataclass(frozen=True)
class Smoother:
    """One Wiener filter, by the spectrum that it believes in."""

    # Whose pilots the spectrum is found from, "near" ones or of the "whole" channel;
    # "none": it is level.
    source: Literal["near", "whole", "none"]
    # Of a found one: "all" of it is signal, or tones above `GATE` medians are, or of
    # each tone its "share" beyond the median. What is no signal is noise.
    signal: Literal["all", "gate", "share"] = "all"
    # Of a level one: its share of the band, and the noise over the pilots' power.
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
"""As many as members of the bank, so that they enter a model in the same places."""
NEAR: Reach = (1, 1)
"""Bins that share a spectrum with the one between them."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Smooths:
    """What the smoothers found, for all bins of a flat grid."""

    amplitudes: Complex[Array, "n bin member tone"]
    middle: Float[Array, " n"]  # the mean tone, in cycles per spacing
    unexplained: Float[Array, "n bin member"]  # share of the pilots' power
    # Error power of pilots, each estimated from all others, over their power; silence,
    # which says 0, comes last.
    missed: Float[Array, "n bin option"]
    missed_around: Float[Array, "n bin option"]  # the same of the bin and its eight


def fit_smoothers(pilots: Complex[Array, "n p u v"]) -> Smooths:
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
            level = jnp.asarray(level_spectrum(count, smoother.width))
            noise = jnp.full((1, 1, 1), smoother.noise)
            parts.append(wiener(pilots, level[None, None, None], noise))
        else:
            spectrum = spectra[smoother.source]
            spectrum, noise = signal_and_noise(spectrum, smoother.signal)
            least = LOAD * (power if smoother.source == "near" else everywhere)
            parts.append(wiener(pilots, spectrum, noise + least + TINY**2))
    amplitudes, unexplained, missed = (
        jnp.stack(part, axis=3) for part in zip(*parts, strict=True)
    )
    missed = jnp.concatenate([missed, power[..., None]], axis=-1)

    def over(part: Array, whole: Array) -> Array:
        ratio = part / jnp.where(whole > 0, whole, 1)[..., None] + TINY
        return rearrange(ratio, "n u v o -> n (u v) o")

    return Smooths(
        rearrange(amplitudes, "n u v m g -> n (u v) m g"),
        middle,
        over(unexplained, power),
        over(missed, power),
        over(pool(missed, NEAR), pool(power, NEAR)),
    )


def mean_tone(pilots: Complex[Array, "n p u v"]) -> Float[Array, " n"]:
    """Of all bins by their power, in cycles per spacing."""
    pairs = (pilots[:, 1:] * pilots[:, :-1].conj()).sum((1, 2, 3))
    return angle(pairs.imag, pairs.real) / (2 * jnp.pi)


def band(count: int) -> Float[np.ndarray, " tone"]:
    """The tones, in cycles per spacing from the middle."""
    return np.arange(FINE * count) / (FINE * count) - 0.5


def level_spectrum(count: int, width: float) -> Float[np.ndarray, " tone"]:
    """Power 1, spread evenly over a share of the band; its edges belong to it."""
    inside = abs(band(count)) <= width / 2 + 1e-9
    return (inside / inside.sum()).astype(np.float32)


def at_pilots(count: int) -> Complex[np.ndarray, "p tone"]:
    """Every tone at every pilot, to the last bit: what is made of them is inverted."""
    cycles = np.arange(count)[:, None] * band(count)
    return np.exp(2j * np.pi * cycles).astype(np.complex64)


def over_tones(pilots: Complex[Array, "*b p"]) -> Complex[Array, "*b tone"]:
    """The sum over pilots against every tone."""
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
        start: a first guess; None: the periodogram.
        reach: see `wlam.baselines.forecast.local`; None: all bins.
        rounds: how many.
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
    """Of the pilots, where the tones are independent: a Toeplitz matrix."""
    count = spectrum.shape[-1] // FINE
    lags = einsum("nuvg,pg->nuvp", spectrum, at_pilots(count))
    rows, columns = jnp.arange(count)[:, None], jnp.arange(count)[None]
    matrix = jnp.take(lags, abs(rows - columns), axis=-1)
    matrix = jnp.where((rows < columns)[None, None, None], matrix.conj(), matrix)
    return matrix + noise[..., None, None] * jnp.eye(count)[None, None, None]


def signal_and_noise(
    spectrum: Float[Array, "n #u #v g"], signal: str
) -> tuple[Float[Array, "n #u #v g"], Float[Array, "n #u #v"]]:
    """What of a spectrum is signal, and the noise at a pilot.

    White noise is on every tone alike, paths on few: the median is noise.
    """
    if signal == "all":
        return spectrum, 0 * spectrum[..., 0]
    median = jnp.median(spectrum, axis=-1, keepdims=True)
    noise = median[..., 0] * spectrum.shape[-1]
    if signal == "gate":
        # Smooth, or rounding would decide what is heard.
        over = jnp.minimum(spectrum / (GATE * median + TINY**2), 100.0) ** 4
        return spectrum * over / (1 + over), noise
    return spectrum**2 / (spectrum + 2 * median + TINY**2), noise


def wiener(
    pilots: Complex[Array, "n p u v"],
    spectrum: Float[Array, "#n #u #v g"],
    noise: Float[Array, "#n #u #v"],
) -> tuple[Complex[Array, "n u v g"], Float[Array, "n u v"], Float[Array, "n u v"]]:
    """Amplitudes of the tones, and the power unexplained and missed at the pilots.

    Missed are pilots estimated from the others: with z = R^-1 y and R the covariance
    with the noise, pilot i misses z_i / (R^-1)_ii (Sundararajan & Keerthi, "Predictive
    approaches for choosing hyperparameters in Gaussian processes", Neural Computation
    13(5), 2001).
    """
    inverse = inverse_positive(covariance(spectrum, noise))
    inverse = jnp.broadcast_to(inverse, (len(pilots), *inverse.shape[1:]))
    z = einsum("nuvpq,nquv->nuvp", inverse, pilots)
    diagonal = jnp.diagonal(inverse, axis1=-2, axis2=-1).real
    missed = z / jnp.maximum(diagonal, TINY)
    amplitudes = spectrum * over_tones(z)
    unexplained = noise**2 * (abs(z) ** 2).mean(-1)
    return amplitudes, unexplained, (abs(missed) ** 2).mean(-1)


def smoothed(
    fits: Smooths,
    chosen: Int[Array, "n k"],
    steps: Float[Array, " l"],
) -> Options:
    """Estimates of the chosen bins by every smoother.

    Args:
        fits: what they found.
        chosen: bins, as indices into the flat grid.
        steps: where, in units of the spacing from the first pilot.
    """
    pick = partial(of_bins, chosen=chosen)
    count = fits.amplitudes.shape[-1] // FINE
    basis = cis(steps[:, None] * jnp.asarray(band(count), jnp.float32)[None])
    found = einsum("lg,nkmg->nlkm", basis, pick(fits.amplitudes))
    found = found * cis(fits.middle[:, None] * steps[None])[..., None, None]
    return Options(
        jnp.concatenate([found, 0 * found[..., :1]], axis=-1),
        pick(fits.unexplained),
        pick(fits.missed),
        pick(fits.missed_around),
        jnp.zeros(fits.missed.shape[-1]),
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
    by_record: bool,
) -> Complex[np.ndarray, "n {length} bin"]:
    """What the smoothers say without a model.

    Args:
        pilots: channels of a grid of bins, at some of their steps.
        at: those steps, evenly spaced.
        length: steps in all.
        grid: rows and columns of the bins.
        by_record: all smoothers mixed by their records; else `IAA` alone.
    """
    steps = np.asarray((np.arange(length) - at[0]) / (at[1] - at[0]), np.float32)
    return in_pieces(
        lambda _, piece: _between(piece, steps, grid, by_record), PIECE, pilots
    )


@partial(jax.jit, static_argnames=("grid", "by_record"))
def _between(
    pilots: Array, steps: Array, grid: tuple[int, int], by_record: bool
) -> Array:
    n, _, bins = pilots.shape
    peak = abs(pilots).max((1, 2), keepdims=True)
    x = pilots / jnp.where(peak > 0, peak, 1)
    fits = fit_smoothers(rearrange(x, "n p (u v) -> n p u v", u=grid[0]))
    chosen = jnp.broadcast_to(jnp.arange(bins)[None], (n, bins))
    options = smoothed(fits, chosen, steps)
    if not by_record:
        return options.forecasts[..., IAA] * peak
    return mixed_by_record(options, x) * peak
