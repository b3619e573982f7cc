"""How far a reported number might move with other test samples."""

import numpy as np
from jaxtyping import Shaped

from wlam.tasks.metrics import Statistic

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
        groups, which hold no information about their spread.

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
    if groups is not None:
        names, member = np.unique(groups[kept], return_inverse=True)
        sums = np.stack(
            [np.bincount(member, s, minlength=len(names)) for s in sums.T], axis=1
        )
    size = len(sums)
    if size < 2 or not np.isfinite(sums).all():
        return float("nan"), float("nan")

    rng = np.random.default_rng(seed)
    rows = max(1, CHUNK // size)
    totals = []
    for start in range(0, num_resamples, rows):
        count = min(rows, num_resamples - start)
        drawn = (
            rng.integers(size, size=(count, size)) + size * np.arange(count)[:, None]
        )
        times = np.bincount(drawn.ravel(), minlength=count * size)
        totals.append(times.reshape(count, size) @ sums)
    numerator, denominator = np.concatenate(totals).T

    # Quantiles first: the transform is increasing, and dB of a zero has no neighbours
    # to interpolate between.
    tail = (1 - level) / 2
    bounds = np.quantile(numerator / denominator, [tail, 1 - tail])
    low, high = statistic.transform(bounds)
    return float(low), float(high)
