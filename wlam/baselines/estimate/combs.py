"""Blocks from pilots on a comb, by the spectra estimated in each beam.

First over delay, where all snapshots share a spectrum, then over Doppler, where all
subcarriers do: that interpolates between snapshots with pilots.
"""

import numpy as np
from einops import rearrange
from jaxtyping import Complex, Float, Int

from wlam.baselines.estimate import delay_atoms, sparse_bayes
from wlam.ops.pieces import in_pieces
from wlam.ops.ranges import power_of_two

PARTS = 64
"""Beams estimated at once."""
UPDATES = 30
LEFT_BY_DELAYS = 0.2
"""Share of the noise after the estimate over delay. This one, and that of
`wlam.models.estimator.api`, were chosen on drops outside all tables."""


def by_delay_spectrum(
    pilots: Complex[np.ndarray, "n t p a"],
    at: Int[np.ndarray, " p"],
    subcarriers: int,
    matrix: Complex[np.ndarray, "a a"],
    noise_variance: Float[np.ndarray, " n"] | None,
) -> Complex[np.ndarray, "n t {subcarriers} a"]:
    """Sparse Bayesian learning of every beam; all snapshots share its spectrum.

    Args:
        at: subcarriers of the pilots; delays are unambiguous at their widest gap.
        matrix: antennas to beams, unitary.
        noise_variance: of every element; None: unknown, fitted for every beam.
    """
    beams = np.einsum("ntpa,ba->nbtp", pilots, matrix)
    atoms = delay_atoms(subcarriers, widest_gap(at))
    found = _by_spectrum(beams, at, atoms, noise_variance)
    return np.einsum("nbtk,ba->ntka", found, matrix.conj()).astype(np.complex64)


def by_doppler_spectrum(
    blocks: Complex[np.ndarray, "n s k a"],
    at: Int[np.ndarray, " s"],
    snapshots: int,
    matrix: Complex[np.ndarray, "a a"],
    noise_variance: Float[np.ndarray, " n"],
) -> Complex[np.ndarray, "n {snapshots} k a"]:
    """Sparse Bayesian learning of every beam; all subcarriers share its spectrum.

    Args:
        blocks: some of the snapshots, by `by_delay_spectrum`.
        at: which; Doppler shifts are unambiguous at their widest gap.
        matrix: antennas to beams, unitary.
        noise_variance: of the pilots.
    """
    if len(at) == 1:
        return np.repeat(blocks, snapshots, axis=1)
    beams = np.einsum("nska,ba->nbks", blocks, matrix)
    atoms = doppler_atoms(snapshots, widest_gap(at))
    found = _by_spectrum(beams, at, atoms, LEFT_BY_DELAYS * noise_variance)
    return np.einsum("nbkt,ba->ntka", found, matrix.conj()).astype(np.complex64)


def doppler_atoms(
    snapshots: int, every: int = 1, oversampling: int = 4
) -> Complex[np.ndarray, "t doppler"]:
    """Paths along time, of unit norm, with unambiguous Doppler shifts.

    Args:
        snapshots: their number, with pilots or without.
        every: n; shifts that are 1 / n cycles apart are aliases in snapshots n apart.
        oversampling: shifts for each resolvable one.
    """
    count = max(1, round(snapshots * oversampling / every))
    cycles = (np.arange(count) - count // 2) / count / every  # includes 0
    waves = np.exp(2j * np.pi * np.arange(snapshots)[:, None] * cycles)
    return (waves / np.sqrt(snapshots)).astype(np.complex64)


def widest_gap(at: Int[np.ndarray, " p"]) -> int:
    """The widest gap between neighbours; 1 of a single position."""
    return int(np.diff(at).max()) if len(at) > 1 else 1


def _by_spectrum(
    beams: Complex[np.ndarray, "n b s p"],
    at: Int[np.ndarray, " p"],
    atoms: Complex[np.ndarray, "d atom"],
    noise_variance: Float[np.ndarray, " n"] | None,
) -> Complex[np.ndarray, "n b s d"]:
    """Along the last axis; the parts s of a beam share its spectrum."""
    n, antennas = beams.shape[:2]
    parts = rearrange(beams, "n b s p -> (n b) s p")
    # Beams have the noise power of the antennas.
    noise = np.repeat(
        np.zeros(n) if noise_variance is None else noise_variance, antennas
    )
    # Each is scaled by itself: squares of a weak one would underflow in float32.
    unit = power_of_two(np.maximum(abs(parts).max((1, 2)), np.sqrt(noise)))
    parts = (parts / unit[:, None, None]).astype(np.complex64)
    level = noise / unit**2
    if noise_variance is None:
        level = 0.1 * (abs(parts) ** 2).mean((1, 2))
    found = in_pieces(
        lambda _, y, v: sparse_bayes(
            y,
            v,
            np.eye(len(atoms), dtype=np.float32)[at][None],
            atoms,
            UPDATES,
            fit_noise=noise_variance is None,
        ),
        PARTS,
        parts,
        np.asarray(level, np.float32),
    )
    found = (found * unit[:, None, None]).astype(np.complex64)
    return rearrange(found, "(n b) s d -> n b s d", n=n)
