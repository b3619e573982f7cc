"""Metrics of forecasts: numpy in float64, on the host.

Every metric is one `Statistic`: two numbers per sample, whose sums are divided and
transformed. The mean of ratios, the ratio of sums, errors, accuracies and power ratios
all have this form, so one bootstrap (`wlam.bootstrap`) serves them all.

A sample whose denominator is zero is left out of the value and counted. A forecast
that contains NaN makes the value NaN.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Inexact, Real


def identity(value: Float[np.ndarray, "*b"]) -> Float[np.ndarray, "*b"]:
    """The value itself."""
    return value


def decibel(ratio: Float[np.ndarray, "*b"]) -> Float[np.ndarray, "*b"]:
    """10 log10 of a power ratio; 0 gives -inf."""
    with np.errstate(divide="ignore"):
        return 10 * np.log10(ratio)


@dataclass(frozen=True)
class Statistic:
    """transform(sum of numerators / sum of denominators) over n samples."""

    numerator: Float[np.ndarray, " n"]  # 0 where the denominator is
    denominator: Float[np.ndarray, " n"]  # >= 0; 0: the sample is left out
    transform: Callable[[np.ndarray], np.ndarray] = identity  # must be increasing
    higher_is_better: bool = False

    @property
    def value(self) -> float:
        """The metric over all samples; NaN where every sample is left out."""
        total = self.denominator.sum()
        if total == 0:
            return float("nan")
        return float(self.transform(np.array([self.numerator.sum() / total]))[0])

    @property
    def left_out(self) -> int:
        """Number of samples without a reference, such as a target of zeros."""
        return int((self.denominator == 0).sum())


def energies(
    prediction: Inexact[np.ndarray, "n ..."], target: Inexact[np.ndarray, "n ..."]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Squared error and squared target, each summed over all of a sample: two [n].

    Raises:
        ValueError: the shapes differ (so do all functions below).
    """
    prediction, target = _pair(prediction, target)
    return _per_sample(abs(prediction - target) ** 2), _per_sample(abs(target) ** 2)


def nmse_per_sample(
    prediction: Inexact[np.ndarray, "n ..."], target: Inexact[np.ndarray, "n ..."]
) -> Float[np.ndarray, " n"]:
    """Error energy over the energy of the noise-free target, [n], linear.

    NaN where the target has no energy.
    """
    error, energy = energies(prediction, target)
    return np.divide(error, energy, out=np.full_like(error, np.nan), where=energy > 0)


def nmse_mean_db(
    prediction: Inexact[np.ndarray, "n ..."], target: Inexact[np.ndarray, "n ..."]
) -> Statistic:
    """NMSE in dB as the mean of the samples' ratios: every sample weighs the same.

    The definition of WiFo (Liu et al., 2024). On fading data up to about 1 dB from
    `nmse_pooled_db`, so the two are never compared with each other.
    """
    error, energy = energies(prediction, target)
    return _mean_of_ratios(error, energy, decibel)


def nmse_pooled_db(
    prediction: Inexact[np.ndarray, "n ..."], target: Inexact[np.ndarray, "n ..."]
) -> Statistic:
    """NMSE in dB as the ratio of sums: strong samples weigh more.

    The definition of LLM4CP (Liu et al., 2024), there per batch, here over all samples.
    """
    error, energy = energies(prediction, target)
    return Statistic(np.where(energy > 0, error, 0), energy, decibel)


def nmse(
    prediction: Inexact[np.ndarray, "n ..."], target: Inexact[np.ndarray, "n ..."]
) -> dict[str, Statistic]:
    """Both definitions of NMSE in dB, by their names in tables."""
    return {
        "NMSE dB": nmse_mean_db(prediction, target),
        "NMSE pooled dB": nmse_pooled_db(prediction, target),
    }


def mae(
    prediction: Inexact[np.ndarray, "n ..."], target: Inexact[np.ndarray, "n ..."]
) -> Statistic:
    """Mean absolute error, in the target's unit."""
    prediction, target = _pair(prediction, target)
    return _mean_over_elements(abs(prediction - target))


def rmse(
    prediction: Inexact[np.ndarray, "n ..."], target: Inexact[np.ndarray, "n ..."]
) -> Statistic:
    """Root of the mean squared error over all elements, in the target's unit."""
    prediction, target = _pair(prediction, target)
    return _mean_over_elements(abs(prediction - target) ** 2, np.sqrt)


def coverage(
    low: Inexact[np.ndarray, "n ..."],
    high: Inexact[np.ndarray, "n ..."],
    target: Inexact[np.ndarray, "n ..."],
) -> Statistic:
    """Share of the target's elements that lie within bounds, of any horizon or channel.

    Of complex ones the real and the imaginary parts, each within its own bounds.
    """
    (low, wanted), (high, _) = _pair(low, target), _pair(high, target)
    if np.iscomplexobj(wanted):
        low, high, wanted = (
            np.stack([x.real, x.imag], axis=-1) for x in (low, high, wanted)
        )
    inside = (low <= wanted) & (wanted <= high)
    return _mean_over_elements(np.where(np.isnan(low + high), np.nan, inside))


def mase(
    prediction: Float[np.ndarray, "n ..."],
    target: Float[np.ndarray, "n ..."],
    scale: Float[np.ndarray, " n"],
) -> Statistic:
    """Mean absolute scaled error (Hyndman & Koehler, 2006), no unit.

    Args:
        prediction: [n, ...].
        target: [n, ...].
        scale: [n], the `seasonal_scale` of the series that each sample comes from. With
            as many samples of each series this is the mean over series of MAE / scale.
            A sample with scale 0 (a series that repeats exactly) is left out.
    """
    absolute = mae(prediction, target)
    error = absolute.numerator / absolute.denominator
    return _mean_of_ratios(error, np.asarray(scale, np.float64), identity)


def seasonal_scale(
    history: Float[np.ndarray, "series time"], period: int
) -> Float[np.ndarray, " series"]:
    """MAE of the seasonal naive on the part of each series before the test windows.

    Args:
        history: [series, time], without the test part.
        period: steps in a period: one day in this field.

    Raises:
        ValueError: the history has no two values one period apart.
    """
    time = history.shape[1]
    if not 1 <= period < time:
        raise ValueError(f"period: {period}, must be 1 to {time - 1} (history - 1)")
    history = history.astype(np.float64)
    return abs(history[:, period:] - history[:, :-period]).mean(axis=1)


def topk_accuracy(
    prediction_db: Real[np.ndarray, "n ... beam"],
    target_db: Real[np.ndarray, "n ... beam"],
    k: int,
) -> Statistic:
    """Share of sweeps whose best beam is among the k that the forecast puts first.

    Ties go to the lower index, so a constant forecast does not gain from them.

    Args:
        prediction_db: [n, ..., beam], any increasing function of power.
        target_db: [n, ..., beam].
        k: how many beams are tried, 1 to the size of the codebook.
    """
    prediction_db, target_db = _pair(prediction_db, target_db)
    beams = target_db.shape[-1]
    if not 1 <= k <= beams:
        raise ValueError(f"k: {k}, must be 1 to {beams} (beams)")
    first = np.argsort(-prediction_db, axis=-1, kind="stable")[..., :k]
    hit = (first == target_db.argmax(axis=-1, keepdims=True)).any(axis=-1)
    return _share(prediction_db, hit)


def within_one_beam(
    prediction_db: Real[np.ndarray, "n ... beam"],
    target_db: Real[np.ndarray, "n ... beam"],
) -> Statistic:
    """Share of sweeps whose forecast best beam is the true one or its neighbour."""
    prediction_db, target_db = _pair(prediction_db, target_db)
    distance = abs(prediction_db.argmax(axis=-1) - target_db.argmax(axis=-1))
    return _share(prediction_db, distance <= 1)


def power_ratio(
    prediction_db: Real[np.ndarray, "n ... beam"],
    target_db: Real[np.ndarray, "n ... beam"],
) -> Statistic:
    """Mean power of the chosen beam over that of the true best one, linear, at most 1.

    The loss of choosing by the forecast; unlike accuracy it tolerates a near miss.
    """
    prediction_db, target_db = _pair(prediction_db, target_db)
    chosen = prediction_db.argmax(axis=-1, keepdims=True)
    got_db = np.take_along_axis(target_db, chosen, axis=-1)[..., 0]
    ratio = 10 ** ((got_db - target_db.max(axis=-1)) / 10)
    return _share(prediction_db, ratio)


def efficiency_ratio(
    prediction_db: Real[np.ndarray, "n ... beam"],
    target_db: Real[np.ndarray, "n ... beam"],
) -> Statistic:
    """Mean spectral efficiency of the chosen beam over that of the true best one.

    The normalised spectral efficiency of arXiv 2405.00365, log2(1 + SNR) of either.

    Args:
        prediction_db: any increasing function of power.
        target_db: power of signal and noise over that of the noise, in dB, above 0.
    """
    prediction_db, target_db = _pair(prediction_db, target_db)
    chosen = prediction_db.argmax(axis=-1, keepdims=True)
    got_db = np.take_along_axis(target_db, chosen, axis=-1)[..., 0]
    # log2(1 + S / N) is the power of both over that of the noise, but for a factor.
    best_db = target_db.max(axis=-1)
    ratio = np.divide(got_db, best_db, out=np.ones_like(best_db), where=best_db > 0)
    return _share(prediction_db, ratio)


def _pair(prediction, target):
    """Both in double precision, of one shape."""
    if prediction.shape != target.shape:
        raise ValueError(
            f"prediction: shape {prediction.shape}, must be the target's {target.shape}"
        )
    kind = np.result_type(prediction, target, np.float64)
    return prediction.astype(kind), target.astype(kind)


def _per_sample(values):
    return values.sum(axis=tuple(range(1, values.ndim)), dtype=np.float64)


def _mean_over_elements(values, transform=identity):
    """All elements weigh the same, whichever sample they are in."""
    count = np.full(len(values), np.prod(values.shape[1:]), np.float64)
    return Statistic(_per_sample(values), count, transform)


def _share(prediction_db, values):
    """The mean over sweeps; higher is better."""
    mean = _mean_over_elements(_unless_nan(prediction_db, values))
    return replace(mean, higher_is_better=True)


def _mean_of_ratios(numerator, denominator, transform):
    kept = denominator > 0
    ratio = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=kept)
    return Statistic(ratio, kept.astype(np.float64), transform)


def _unless_nan(prediction, value):
    return np.where(np.isnan(prediction).any(axis=-1), np.nan, value)
