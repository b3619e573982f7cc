"""Where a model is good and where it is not: results by speed, SNR, line of sight,
horizon and size.

Every way to divide windows gives strata that hold each window once; what is not known
of a window is a stratum too.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import jax
import numpy as np

from wlam.bootstrap import interval
from wlam.config import Config
from wlam.data.generators import generate
from wlam.evaluation.scores import QUARTERS, Scores
from wlam.types import Csi

SPEEDS_KMH = (0.0, 10.0, 30.0, 60.0, 120.0, np.inf)
SNRS_DB = (-np.inf, 5.0, 15.0, 25.0, 60.0)
SIZES = ("snapshots", "subcarriers", "antennas")
Sizes = Mapping[str, tuple[int, int]]
"""Name of SIZES -> the smallest and the largest that a model was trained on."""


@dataclass(frozen=True)
class Cell:
    """One predictor on one stratum."""

    value: float
    low: float  # 95 % bootstrap interval
    high: float


@dataclass(frozen=True)
class Stratum:
    """One line: the headline metric of all predictors on some of the windows."""

    by: str  # what windows are told apart by
    name: str  # which of them
    windows: int
    cells: dict[str, Cell]  # predictor -> result


def best_floors(scores: Scores, count: int = 2) -> list[str]:
    """The floors that are hardest to beat in the headline metric, best first."""
    sign = -1.0 if scores.higher_is_better(scores.headline) else 1.0
    return sorted(
        scores.baselines,
        key=lambda name: sign * scores.statistics[name][scores.headline].value,
    )[:count]


def by_speed(scores: Scores) -> list[tuple[str, np.ndarray]]:
    """Which windows are of which speed: (name, bool [window]) that share no window."""
    return _ranges(scores.labels["speed_kmh"], SPEEDS_KMH, "km/h")


def by_snr(scores: Scores) -> list[tuple[str, np.ndarray]]:
    """The same for the signal-to-noise ratio of the context."""
    snr = scores.labels["snr_db"]
    *noisy, unknown = _ranges(snr, SNRS_DB, "dB")
    return [*noisy, ("clean", snr >= SNRS_DB[-1]), unknown]


def by_line_of_sight(scores: Scores) -> list[tuple[str, np.ndarray]]:
    """The same for the line of sight."""
    los = scores.labels["los"]
    return [("with", los == 1), ("without", los == 0), ("not known", np.isnan(los))]


def by_size(scores: Scores, name: str, trained: Sizes) -> list[tuple[str, np.ndarray]]:
    """The same for a size of SIZES, against the range that a model was trained on."""
    size = scores.labels[name]
    low, high = trained[name]
    inside = f"{low}" if low == high else f"{low} to {high}"
    return [
        (f"smaller than {low}", size < low),
        (f"{inside}, as trained", (size >= low) & (size <= high)),
        (f"larger than {high}", size > high),
        ("not known", np.isnan(size)),
    ]


def _ranges(
    values: np.ndarray, edges: Sequence[float], unit: str
) -> list[tuple[str, np.ndarray]]:
    parts = []
    for low, high in pairwise(edges):
        name = f"{low:g} to {high:g} {unit}"
        if np.isinf(high):
            name = f"{low:g} {unit} or more"
        if np.isinf(low):
            name = f"below {high:g} {unit}"
        parts.append((name, (values >= low) & (values < high)))
    return [*parts, ("not known", np.isnan(values))]


def strata(
    scores: Scores,
    by: str,
    parts: Sequence[tuple[str, np.ndarray]],
    predictors: Sequence[str],
) -> list[Stratum]:
    """The headline metric on every part that has windows.

    Args:
        scores: of one case or of several (`wlam.evaluation.scores.pooled`).
        by: what the parts differ in, for the table.
        parts: of one of the functions above.
        predictors: whose results.
    """
    found = []
    for name, keep in parts:
        if keep.any():
            cut = scores.subset(keep)
            cells = {p: _cell(cut, p, scores.headline) for p in predictors}
            found.append(Stratum(by, name, int(keep.sum()), cells))
    return found


def horizon_strata(scores: Scores, predictors: Sequence[str]) -> list[Stratum]:
    """The headline metric on every quarter of the horizon; none of short horizons."""
    count = len(scores.groups)
    return [
        Stratum("horizon", q, count, {p: _cell(scores, p, q) for p in predictors})
        for q in QUARTERS
        if all(q in scores.statistics[p] for p in predictors)
    ]


def all_strata(
    scores: Scores, predictors: Sequence[str], trained: Sizes
) -> Iterator[Stratum]:
    """By speed, SNR, line of sight, horizon and sizes, one after the other.

    A label that leaves all windows together is left out; a size is not, since that all
    are larger than in training says something.
    """
    ways = {
        "speed": by_speed(scores),
        "SNR": by_snr(scores),
        "line of sight": by_line_of_sight(scores),
    }
    for by, parts in ways.items():
        found = strata(scores, by, parts, predictors)
        if len(found) > 1:
            yield from found
    yield from horizon_strata(scores, predictors)
    for name in SIZES:
        if name in trained:
            yield from strata(scores, name, by_size(scores, name, trained), predictors)


def trained_sizes(config: Config, task: str) -> Sizes:
    """The ranges of SIZES among a config's channels for a CSI task; {} without any.

    Sizes are those that a sample has when it is generated; nothing is computed. A
    source that cannot be generated here tells no size.
    """
    found: dict[str, list[int]] = {}
    for ingredient in config.mixture.values():
        if ingredient.task != task:
            continue
        for name, size in zip(SIZES, _sizes_of(ingredient.source), strict=False):
            found.setdefault(name, []).append(size)
    return {name: (min(sizes), max(sizes)) for name, sizes in found.items()}


@cache  # many models are trained on the same sources, and to trace one takes a second
def _sizes_of(source: Hashable) -> tuple[int, ...]:
    """Sizes of a channel from a source; none of what is no channel or not here."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    try:
        data = jax.eval_shape(lambda key: generate(key, source, 1), key)
    except ValueError:  # a source that is not here, such as somebody's file
        return ()
    return data.csi.shape[1:] if isinstance(data, Csi) else ()


def _cell(scores: Scores, predictor: str, metric: str) -> Cell:
    statistic = scores.statistics[predictor][metric]
    return Cell(statistic.value, *interval(statistic, scores.groups))
