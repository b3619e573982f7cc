"""Bootstrap intervals of metrics and of paired differences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from wlam.metrics import Statistic

CHUNK = 2**22  # draws held at once: 32 MiB


def interval(
    statistic: Statistic,
    groups: Shaped[np.ndarray, " n"] | None = None,
    num_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a metric (Efron & Tibshirani, 1993, ch. 13).

    Args:
        statistic: the metric over n samples; samples it leaves out are not drawn.
        groups: [n] ids of any type. Samples of one group (windows of one series, passes
            of one vehicle) are drawn together: overlapping windows are not n
            independent pieces of evidence, and intervals over them are too narrow
            (cluster bootstrap: Davison & Hinkley, 1997, section 3.8).
        num_resamples: how many times the samples or groups are drawn again.
        level: of confidence, between 0 and 1.
        seed: the same seed gives the same interval.

    Returns:
        (low, high) in the metric's unit; (nan, nan) from fewer than two samples or
        groups, which have no spread.

    Raises:
        ValueError: groups of another length, a level outside (0, 1), no resamples.
    """
    if not 0 < level < 1:
        raise ValueError(f"level: {level}, must be between 0 and 1")
    if num_resamples < 1:
        raise ValueError(f"num_resamples: {num_resamples}, must be at least 1")
    n = len(statistic.numerator)
    if groups is not None and groups.shape != (n,):
        raise ValueError(f"groups: shape {groups.shape}, must be ({n},)")

    kept = statistic.denominator > 0
    sums = np.stack([statistic.numerator[kept], statistic.denominator[kept]], axis=1)
    sums = _sums_of_groups(sums, None if groups is None else groups[kept])
    if len(sums) < 2 or not np.isfinite(sums).all():
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    numerator, denominator = _resampled(sums, num_resamples, rng).T

    # Quantiles first: the transform is increasing, and dB of a zero has no neighbours
    # to interpolate between.
    tail = (1 - level) / 2
    bounds = np.quantile(numerator / denominator, [tail, 1 - tail])
    low, high = statistic.transform(bounds)
    return float(low), float(high)


@dataclass(frozen=True)
class Pair:
    """Two predictors on the same windows of one case."""

    ours: Statistic
    other: Statistic
    groups: Shaped[np.ndarray, " n"]  # windows that are drawn together, see `interval`


@dataclass(frozen=True)
class Difference:
    """Ours minus the other's, in the metric's unit, with its bootstrap interval."""

    value: float
    low: float
    high: float


def difference(
    pairs: Sequence[Pair],
    num_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Mean over cases of the difference of two predictors, paired.

    Both predictors are resampled with the same windows, so that the difficulty of
    a window cancels (paired bootstrap: Efron & Tibshirani, 1993, ch. 8). Each case is
    resampled by itself; the set of cases is fixed. A window that one of
    the two leaves out is left out of both.

    Args:
        pairs: one for each case; the mean weighs all cases alike.
        num_resamples: how many times the windows or groups are drawn again.
        level: of confidence, between 0 and 1.
        seed: the same seed gives the same interval.

    Returns:
        The difference; its interval is NaN where a case has fewer than two groups or a
        value is not finite.

    Raises:
        ValueError: there are no pairs, or two statistics are of other windows.
    """
    if not pairs:
        raise ValueError("pairs: found none; needed at least one case")
    rng = np.random.default_rng(seed)
    values, draws = [], []
    for pair in pairs:
        sizes = len(pair.ours.numerator), len(pair.other.numerator), len(pair.groups)
        if len(set(sizes)) > 1:
            raise ValueError(f"pairs: found {sizes} windows; needed the same in all")
        kept = (pair.ours.denominator > 0) & (pair.other.denominator > 0)
        columns = [
            x[kept]
            for statistic in (pair.ours, pair.other)
            for x in (statistic.numerator, statistic.denominator)
        ]
        sums = _sums_of_groups(np.stack(columns, axis=1), pair.groups[kept])
        if len(sums) == 0:
            return Difference(*[float("nan")] * 3)
        values.append(_minus(sums.sum(axis=0, keepdims=True), pair)[0])
        if len(sums) > 1:
            draws.append(_minus(_resampled(sums, num_resamples, rng), pair))
    value, low, high = float(np.mean(values)), float("nan"), float("nan")
    if len(draws) == len(pairs):
        means = np.mean(draws, axis=0)
        if np.isfinite(means).all():
            tail = (1 - level) / 2
            low, high = map(float, np.quantile(means, [tail, 1 - tail]))
    return Difference(value, low, high)


def _minus(totals: np.ndarray, pair: Pair) -> np.ndarray:
    """The difference of two metrics from their sums [draw, 4]."""
    ours, other = totals[:, 0] / totals[:, 1], totals[:, 2] / totals[:, 3]
    with np.errstate(invalid="ignore"):  # two perfect forecasts in dB
        return pair.ours.transform(ours) - pair.other.transform(other)


def _sums_of_groups(sums: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """[sample, column] -> [group, column]."""
    if groups is None:
        return sums
    names, group = np.unique(groups, return_inverse=True)
    columns = [np.bincount(group, s, minlength=len(names)) for s in sums.T]
    return np.stack(columns, axis=1)


def _resampled(
    sums: np.ndarray, num_resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Totals [draw, column] of as many samples as there are, drawn with replacement."""
    size = len(sums)
    at_once = max(1, CHUNK // size)
    totals = []
    for start in range(0, num_resamples, at_once):
        count = min(at_once, num_resamples - start)
        drawn = (
            rng.integers(size, size=(count, size)) + size * np.arange(count)[:, None]
        )
        times = np.bincount(drawn.ravel(), minlength=count * size)
        totals.append(times.reshape(count, size) @ sums)
    return np.concatenate(totals)
