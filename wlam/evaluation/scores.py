"""What is left of a result when forecasts are thrown away: every window's scores.

A case's forecasts are megabytes, its scores kilobytes. All that a page shows comes from
them: values, intervals, paired differences, strata. They are kept on disk, so that a
model that was judged once need not forecast again.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wlam.data.files import BROKEN, write_npz_atomic
from wlam.evaluation.evaluator import Result
from wlam.evaluation.forecast import Judged
from wlam.evaluation.table import BASELINES
from wlam.metrics import Statistic, decibel, identity
from wlam.tasks import TASKS
from wlam.types import DataError

LABELS = ("speed_kmh", "snr_db", "los", "snapshots", "subcarriers", "antennas")
"""What windows are told apart by; NaN where it is not known."""
QUARTERS = tuple(f"quarter {i}" for i in (1, 2, 3, 4))
"""Parts of the horizon; a horizon of fewer than four steps has none."""
SIZES = (
    ("snapshots", "subcarriers", "antennas"),
    ("subcarriers", "snapshots", "antennas"),
    ("antennas", "snapshots", "subcarriers"),
)
"""By axis, what the steps of a channel are, and the rows and columns of its grid."""
TRANSFORMS = {"identity": identity, "decibel": decibel, "sqrt": np.sqrt}
LOS = 0  # in the label `state` of drops


@dataclass(frozen=True)
class Scores:
    """The windows of one or more cases and what every predictor makes of them."""

    headline: str  # the metric that strata show
    groups: np.ndarray  # int64 [window], drawn together by the bootstrap
    labels: dict[str, np.ndarray]  # float64 [window], of LABELS
    # predictor -> metric -> statistic; the headline over a part of the horizon is
    # under the part's name.
    statistics: dict[str, dict[str, Statistic]]

    @property
    def baselines(self) -> list[str]:
        """Predictors that need no training and know what a model knows."""
        known = set(BASELINES).difference(*(t.informed for t in TASKS.values()))
        return [name for name in self.statistics if name in known]

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics that any predictor has, without parts of the horizon."""
        found = (m for metrics in self.statistics.values() for m in metrics)
        return [m for m in dict.fromkeys(found) if m not in QUARTERS]

    def higher_is_better(self, metric: str) -> bool:
        """The direction of a metric; False where no predictor has it."""
        found = (metrics.get(metric) for metrics in self.statistics.values())
        return any(x is not None and x.higher_is_better for x in found)

    def subset(self, keep: np.ndarray) -> "Scores":
        """Some of the windows; keep bool [window]."""

        def cut(statistic: Statistic) -> Statistic:
            return replace(
                statistic,
                numerator=statistic.numerator[keep],
                denominator=statistic.denominator[keep],
            )

        return replace(
            self,
            groups=self.groups[keep],
            labels={name: x[keep] for name, x in self.labels.items()},
            statistics=_each(self.statistics, cut),
        )

    def renamed(self, old: str, new: str) -> "Scores":
        """A predictor under another name."""
        found = {new if k == old else k: v for k, v in self.statistics.items()}
        return replace(self, statistics=found)


def scores_of(result: Result) -> Scores:
    """The scores of a result of windows; names of predictors stay."""
    judged: Judged = result.detail
    windows, headline = judged.windows, result.headline
    everyone = np.arange(len(windows.source))
    statistics = {}
    for predictor, metrics in result.statistics.items():
        statistics[predictor] = dict(metrics)
        if windows.horizon < len(QUARTERS):
            continue
        edges = np.linspace(0, windows.horizon, len(QUARTERS) + 1).round().astype(int)
        for name, low, high in zip(QUARTERS, edges, edges[1:], strict=False):
            part = judged.score_slice(predictor, everyone, slice(low, high))
            statistics[predictor][name] = part[headline]
    groups = np.unique(windows.groups, return_inverse=True)[1].astype(np.int64)
    return Scores(headline, groups, _labels(judged), statistics)


def _labels(judged: Judged) -> dict[str, np.ndarray]:
    """LABELS as float64 [window], NaN where unknown."""
    windows, case = judged.windows, judged.case
    count = len(windows.source)
    labels = {name: np.full(count, np.nan) for name in LABELS}
    for name in ("speed_kmh", "snr_db", "los"):
        if name in windows.labels:
            labels[name] = np.asarray(windows.labels[name], np.float64)
    if "state" in windows.labels and "los" not in windows.labels:
        labels["los"] = np.asarray(windows.labels["state"] == LOS, np.float64)
    if windows.grid is not None:
        completes = windows.every > 1 or windows.pilots is not None
        steps = case.context + (0 if completes else case.horizon)
        sizes = (steps, *windows.grid)
        for name, size in zip(SIZES[windows.axis], sizes, strict=True):
            labels[name] = np.full(count, float(size))
    return labels


def joined(parts: Sequence[Scores]) -> Scores:
    """Predictors of the same windows, judged one after the other, side by side.

    Raises:
        ValueError: the parts are of other windows.
    """
    first = parts[0]
    for part in parts[1:]:
        if not np.array_equal(first.groups, part.groups):
            raise ValueError(
                f"scores: found {len(part.groups)} windows in other groups than the "
                f"first {len(first.groups)}; needed the same windows"
            )
    statistics = {name: s for part in parts for name, s in part.statistics.items()}
    return replace(first, statistics=statistics)


def pooled(cases: Sequence[Scores]) -> Scores:
    """The windows of all cases as one set; predictors and metrics that all have.

    Raises:
        ValueError: no cases, or cases of different headlines.
    """
    if len({case.headline for case in cases}) != 1:
        raise ValueError(
            f"cases: found headlines {sorted({c.headline for c in cases})}; needed "
            "one or more cases of one headline"
        )
    first = cases[0]
    offsets = np.cumsum([0, *(case.groups.max() + 1 for case in cases[:-1])])
    statistics: dict[str, dict[str, Statistic]] = {}
    for predictor, metrics in first.statistics.items():
        if not all(predictor in case.statistics for case in cases):
            continue
        statistics[predictor] = {}
        for metric, statistic in metrics.items():
            found = [case.statistics[predictor].get(metric) for case in cases]
            there = [s for s in found if s is not None]
            if len(there) == len(found):
                statistics[predictor][metric] = Statistic(
                    np.concatenate([s.numerator for s in there]),
                    np.concatenate([s.denominator for s in there]),
                    statistic.transform,
                    statistic.higher_is_better,
                )
    return Scores(
        first.headline,
        np.concatenate([c.groups + o for c, o in zip(cases, offsets, strict=True)]),
        {n: np.concatenate([case.labels[n] for case in cases]) for n in LABELS},
        statistics,
    )


def save_scores(path: Path, scores: Scores) -> None:
    """Writes scores as an .npz that is complete or not there at all."""
    names = {function: name for name, function in TRANSFORMS.items()}
    rows = [
        (predictor, metric, statistic)
        for predictor, metrics in scores.statistics.items()
        for metric, statistic in metrics.items()
    ]
    head = {
        "headline": scores.headline,
        "rows": [[p, m, names[s.transform], s.higher_is_better] for p, m, s in rows],
    }
    write_npz_atomic(
        path,
        head=np.array(json.dumps(head)),
        groups=scores.groups,
        numerator=np.stack([s.numerator for _, _, s in rows]),
        denominator=np.stack([s.denominator for _, _, s in rows]),
        **{f"label_{name}": x for name, x in scores.labels.items()},
    )


def load_scores(path: Path) -> Scores:
    """What `save_scores` wrote.

    Raises:
        DataError: the file is broken or was written by something else.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            head = json.loads(str(file["head"]))
            numerator, denominator = file["numerator"], file["denominator"]
            labels = {name: file[f"label_{name}"] for name in LABELS}
            groups = file["groups"]
    except BROKEN as error:
        raise DataError(f"scores: {path} cannot be read ({error})") from error
    statistics: dict[str, dict[str, Statistic]] = {}
    for i, (predictor, metric, transform, higher) in enumerate(head["rows"]):
        values = numerator[i], denominator[i], TRANSFORMS[transform]
        statistic = Statistic(*values, higher_is_better=higher)
        statistics.setdefault(predictor, {})[metric] = statistic
    return Scores(head["headline"], groups, labels, statistics)


def _each(statistics: Mapping[str, Mapping[str, Statistic]], function) -> dict:
    return {p: {m: function(s) for m, s in ms.items()} for p, ms in statistics.items()}
