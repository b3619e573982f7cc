"""Blocks from pilots on a comb, by the delay spectrum that is found in each beam."""

import numpy as np
from einops import rearrange
from jaxtyping import Complex, Float, Int

from wlam.nn.request import in_pieces
from wlam.phy.estimators import delay_atoms, sparse_bayes

PARTS = 64
"""Beams that a call takes."""
UPDATES = 30


def by_delay_spectrum(
    pilots: Complex[np.ndarray, "n t p a"],
    at: Int[np.ndarray, " p"],
    subcarriers: int,
    matrix: Complex[np.ndarray, "a a"],
    noise_variance: Float[np.ndarray, " n"] | None,
) -> Complex[np.ndarray, "n t {subcarriers} a"]:
    """Sparse Bayes of every beam; all snapshots share its spectrum.

    Args:
        at: subcarriers of the pilots; delays are those that their widest gap tells
            apart.
        matrix: antennas to beams, unitary.
        noise_variance: of every entry; None: every beam's is fitted too.
    """
    n, antennas = len(pilots), pilots.shape[3]
    beams = np.einsum("ntpa,ba->nbtp", pilots, matrix)
    parts = rearrange(beams, "n b t p -> (n b) t p").astype(np.complex64)
    gap = int(np.diff(at).max()) if len(at) > 1 else 1
    if noise_variance is None:
        level = 0.1 * (abs(parts) ** 2).mean((1, 2))
    else:  # beams have the noise of the antennas
        level = np.repeat(noise_variance, antennas)
    found = in_pieces(
        lambda _, y, v: sparse_bayes(
            y,
            v,
            np.eye(subcarriers, dtype=np.float32)[at][None],
            delay_atoms(subcarriers, gap),
            UPDATES,
            fit_noise=noise_variance is None,
        ),
        PARTS,
        parts,
        np.asarray(level, np.float32),
    )
    whole = rearrange(found, "(n b) t k -> n t k b", n=n)
    return np.einsum("ntkb,ba->ntka", whole, matrix.conj()).astype(np.complex64)
