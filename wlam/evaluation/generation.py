"""How alike two sets of channels are, and what one is worth in place of the other.

Channels [n, u, v] of mean power 1, u subcarriers and v antennas of a line.
"""

import numpy as np
from jaxtyping import Complex, Float, Int

FAINT = 1e-2
"""Power of a bin, over the mean of all, that is added before logarithms are taken."""
EMPTY = 1e-9
"""Share of the power that every part of a spectrum has at least."""
Channels = Complex[np.ndarray, "_ u v"]


def covariance(x: Channels) -> Complex[np.ndarray, "d d"]:
    """Of the entries of channels around zero, d = u v."""
    flat = x.reshape(len(x), -1).astype(np.complex128)
    return flat.T @ flat.conj() / len(flat)


def covariance_error(drawn: Channels, real: Channels) -> float:
    """Frobenius norm of the difference of covariances over that of the real one."""
    wanted = covariance(real)
    return float(np.linalg.norm(covariance(drawn) - wanted) / np.linalg.norm(wanted))


def bins(x: Channels) -> Float[np.ndarray, "_ u v"]:
    """Powers over delay and angle."""
    return np.abs(np.fft.fft2(x, norm="ortho")) ** 2


def spectra(
    x: Channels,
) -> tuple[Float[np.ndarray, " u"], Float[np.ndarray, " v"]]:
    """Shares of the power over delay, and over angle."""
    mean = bins(x).mean(0) / bins(x).mean(0).sum()
    return mean.sum(1), mean.sum(0)


def divergence(drawn: Float[np.ndarray, " b"], real: Float[np.ndarray, " b"]) -> float:
    """Kullback and Leibler's, of the real spectrum from the drawn one, in nats."""
    p, q = real + EMPTY, drawn + EMPTY
    p, q = p / p.sum(), q / q.sum()
    return float((p * np.log(p / q)).sum())


def features(x: Channels) -> Float[np.ndarray, "n f"]:
    """What channels are told apart by: logarithms of their powers over delay and angle.

    Phases mean nothing, and powers range over orders of magnitude.
    """
    return np.log(bins(x).reshape(len(x), -1) + FAINT).astype(np.float64)


def mmd(drawn: Channels, real: Channels) -> float:
    """Squared maximum mean discrepancy of `features`, unbiased; 0 if both are alike.

    Gretton et al., "A kernel two-sample test", JMLR 13, 2012, equation 3, with a
    Gaussian kernel as wide as the median distance between real ones.
    """
    x, y = features(drawn), features(real)
    within = _squared_distances(y, y)
    width = np.median(within[np.triu_indices(len(y), 1)])

    def mean(distances: np.ndarray, alike: bool) -> float:
        kernel = np.exp(-distances / width)
        if not alike:
            return float(kernel.mean())
        n = len(kernel)
        return float((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))

    between = mean(_squared_distances(x, y), False)
    return mean(_squared_distances(x, x), True) + mean(within, True) - 2 * between


def _squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    inner = x @ y.T
    squares = (x**2).sum(1)[:, None] + (y**2).sum(1)[None]
    return np.maximum(squares - 2 * inner, 0)


def compressed_db(training: Channels, test: Channels, numbers: int) -> float:
    """NMSE in dB of test channels as a few numbers, along training's principal axes."""
    axes = np.linalg.eigh(covariance(training))[1][:, -numbers:]
    flat = test.reshape(len(test), -1).astype(np.complex128)
    left = flat - (flat @ axes.conj()) @ axes.T
    return _db((np.abs(left) ** 2).sum() / (np.abs(flat) ** 2).sum())


def estimated_db(training: Channels, test: Channels, snr_db: float) -> float:
    """Mean square error in dB of linear estimates of test channels in noise.

    Under training's covariance; exact, no noise is drawn: with W = C (C + s I)^-1 it is
    tr((I - W) T (I - W)^H) + s tr(W W^H) over tr(T), T the covariance of test channels.
    """
    known, met = covariance(training), covariance(test)
    noise = 10 ** (-snr_db / 10) * np.trace(met).real / len(met)
    values, axes = np.linalg.eigh(known)
    gain = np.maximum(values, 0) / (np.maximum(values, 0) + noise)
    turned = np.einsum("ij,ij->j", axes.conj(), met @ axes).real
    error = ((1 - gain) ** 2 * turned).sum() + noise * (gain**2).sum()
    return _db(error / np.trace(met).real)


def _db(ratio: float) -> float:
    return float(10 * np.log10(ratio))


def spread(x: Channels) -> float:
    """Variance of `features`, summed: how much variety there is."""
    return float(features(x).var(0).sum())


class Judge:
    """Tells the kinds of channels apart, by linear discriminants of real ones."""

    def __init__(self, real: list[Channels], ridge: float = 0.1):
        sets = [marginals(x) for x in real]
        self.means = np.stack([x.mean(0) for x in sets])
        rest = np.concatenate([x - m for x, m in zip(sets, self.means, strict=True)])
        within = rest.T @ rest / len(rest)
        load = ridge * np.trace(within) / len(within)
        self.precision = np.linalg.inv(within + load * np.eye(len(within)))

    def kind(self, x: Channels) -> Int[np.ndarray, " n"]:
        """The most probable kind of each channel."""
        seen = marginals(x)
        inner = seen @ self.precision @ self.means.T
        level = np.einsum("kf,fg,kg->k", self.means, self.precision, self.means)
        return (inner - level / 2).argmax(1)


def marginals(x: Channels) -> Float[np.ndarray, "n f"]:
    """Logarithms of the powers over delay, over sorted beams, and of sorted bins."""
    power = bins(x)
    beams = np.sort(power.mean(1), axis=1)
    strongest = np.sort(power.reshape(len(x), -1), axis=1)[:, ::-16]
    parts = [power.mean(2), beams, strongest]
    return np.log(np.concatenate(parts, axis=1) + FAINT).astype(np.float64)
