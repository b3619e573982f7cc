"""What maps reach that are trained on the set itself, of which models see nothing.

    python benchmarks/full_shot.py [CASE ...]

Zero-shot figures ask for a yardstick: what is there to be known at all? Groups of a set
(cells, traces, vehicle passes) are dealt to five folds; each fold is forecast by maps
fitted to the four others, so that nothing forecast was trained on. UoMo is fitted to
its own training part, as in its published baselines, and a generated case of
configs/benchmark.py to ten times as many samples of its generator. Maps, L steps to H:

ridge     linear, least squares (`wlam.baselines.forecast.fit_ridge`), penalty by
generalised
          cross-validation; one map for all channels, of sweeps from all to all beams
absolute  the same with the least absolute error, which MAE asks for (series, traffic)
kernel    Gaussian kernel ridge regression of sweeps; the last fifth of what it is
          fitted to chooses width and penalty
elsewhere the kernel fitted to the other scenarios alone, of a set that has some: other
          roads, of which nothing is known when the one that is forecast begins
start     trained on nothing: what wlam's models give before their first step, the
          training-free experts weighed by their backtest errors

Printed beside the best training-free baseline, with 95 % intervals over groups. Without
names, cases whose figures were missed. Of Milan there is the start alone: its cells,
which are its groups, live through the same hours, so that one would tell the other's.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import product

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float

from wlam.baselines.forecast import fit_ridge, ridge
from wlam.bootstrap import interval
from wlam.config import read_config
from wlam.data import measured
from wlam.evaluation.evaluator import MODEL, Result
from wlam.evaluation.forecast import Case, Forecast, evaluate
from wlam.evaluation.table import Table, text
from wlam.metrics import Statistic
from wlam.models.predictor.api import PredictorAPI
from wlam.models.predictor.network import PredictorConfig
from wlam.models.predictor.sweeps import SweepTokenizerConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.tasks import task_of
from wlam.tasks.windows import Windows, cut_windows
from wlam.types import DataError

MISSED = (
    *("ucc_rsrp", "uomo_sd", "uomo_nj"),
    *("deepsense_h1", "deepsense_h3", "deepsense_h5", "deepsense_scan_4"),
    *("beam_scan_4", "position_0.5s", "kpi_1s"),
)
NO_FOLDS = ("milan_10min", "milan_day_ahead")
SCENARIO = "scenario"
"""Label of sets with more than one."""
GENERATED = "configs/benchmark.py"
TIMES = 10
"""Samples to train on for each that is forecast, of a generated case."""
METRICS = ("MAE", "RMSE", "MASE", "top-1", "±1 beam")
FOLDS, SEED = 5, 0
ROUNDS, LEAST = 30, 1e-3
"""Of reweighting, and the error below which one counts as squared, over the scale."""
MOST, SOME = 4000, 1500
"""Windows that a kernel is fitted to, and by which it is chosen."""
WIDTHS, PENALTIES = (0.25, 1.0, 4.0, 16.0), (1e-3, 1e-2, 1e-1)
"""Squares of kernels' widths over the median square distance; of the identity."""

Rows = Float[np.ndarray, "n step 1"]
Map = Callable[[Rows], Rows]


def rows_of(x: np.ndarray, whole: bool) -> Rows:
    """Every channel of every window, or every window as a whole: [row, number, 1]."""
    if whole:
        flat = x.reshape(len(x), -1, 1)
        return flat[:, np.isfinite(flat).all((0, 2))]
    return x.swapaxes(1, 2).reshape(-1, x.shape[1], 1)


def levels(context: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every row, [row, 1, 1]."""
    scale = context.std(1, keepdims=True)
    return context.mean(1, keepdims=True), np.where(scale > 0, scale, 1)


def fit_linear(context: Rows, target: Rows) -> Map:
    """The ridge of the baselines."""
    found = fit_ridge(jnp.asarray(context), jnp.asarray(target))
    horizon = target.shape[1]
    return lambda x: np.asarray(ridge(jnp.asarray(x), horizon, found))


def fit_absolute(context: Rows, target: Rows) -> Map:
    """Iteratively reweighted least squares (Schlossmacher, JASA 68, 1973)."""
    mean, scale = levels(context)
    x = ((context - mean) / scale)[..., 0].astype(np.float64)
    y = ((target - mean) / scale)[..., 0].astype(np.float64)
    unit = scale[..., 0] / np.median(scale)  # errors count in the unit of the set
    load = 1e-4 * len(x) * np.eye(x.shape[1])
    columns = []
    for h in range(y.shape[1]):
        weight, w = unit[:, 0] ** 2, np.zeros(x.shape[1])
        for _ in range(ROUNDS):
            gram = (x * weight[:, None]).T @ x
            w = np.linalg.solve(gram + load, (x * weight[:, None]).T @ y[:, h])
            error = abs(y[:, h] - x @ w)
            weight = unit[:, 0] / np.maximum(error, LEAST)
        columns.append(w)
    weights = np.stack(columns, axis=1)

    def forecast(new: Rows) -> Rows:
        mean, scale = levels(new)
        return (((new - mean) / scale)[..., 0] @ weights)[..., None] * scale + mean

    return forecast


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared, between all pairs of rows."""
    square = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return np.maximum(square, 0)


def spread_out(count: int, most: int) -> np.ndarray:
    """Indices of at most that many of `count`, evenly spaced."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)


def interpolator(
    x: np.ndarray, y: np.ndarray, width: float, penalty: float
) -> Callable[[np.ndarray], np.ndarray]:
    """Gaussian kernel ridge regression around the mean; width of the square."""
    centre = y.mean(0)
    kernel = np.exp(-distances(x, x) / (2 * width)) + penalty * np.eye(len(x))
    w = np.linalg.solve(kernel, y - centre)
    return lambda new: np.exp(-distances(new, x) / (2 * width)) @ w + centre


def fit_kernel(context: Rows, target: Rows) -> Map:
    """See the top; what is fitted to and what chooses are other passes, mostly."""
    chosen = spread_out(len(context), MOST)
    context, target = context[chosen], target[chosen]
    mean = context.mean(1, keepdims=True)
    unit = context.std()
    x, y = ((a - mean)[..., 0] / unit for a in (context, target))
    typical = np.median(distances(x[::4], x[::4]))
    some = spread_out(len(x), SOME)
    begin, end = np.split(some, [len(some) * 4 // 5])

    def error(choice: tuple[float, float]) -> float:
        found = interpolator(x[begin], y[begin], choice[0] * typical, choice[1])
        return float(((found(x[end]) - y[end]) ** 2).mean())

    width, penalty = min(product(WIDTHS, PENALTIES), key=error)
    found = interpolator(x, y, width * typical, penalty)

    def forecast(new: Rows) -> Rows:
        mean = new.mean(1, keepdims=True)
        return found((new - mean)[..., 0] / unit)[..., None] * unit + mean

    return forecast


def folds_of(groups: np.ndarray) -> np.ndarray:
    """[window]: the fold of its group; groups of one fold are drawn at random."""
    names, index = np.unique(groups, return_inverse=True)
    dealt = np.random.default_rng(SEED).permutation(len(names)) % FOLDS
    return dealt[index]


def out_of_fold(
    windows: Windows, fold: np.ndarray, fit: Callable[[Rows, Rows], Map], whole: bool
) -> np.ndarray:
    """Forecasts [window, H, channel], each by a map fitted without its fold."""
    found = np.zeros_like(windows.target)
    context = rows_of(windows.context, whole)
    target = rows_of(windows.target, whole)
    owner = np.repeat(fold, len(context) // len(fold))
    for held in np.unique(fold):
        forecast = fit(context[owner != held], target[owner != held])
        part = forecast(context[owner == held])
        found[fold == held] = as_windows(part, found[fold == held].shape, whole)
    return found


def as_windows(rows: Rows, shape: tuple[int, ...], whole: bool) -> np.ndarray:
    """Undoes `rows_of`."""
    if whole:
        return rows.reshape(shape)
    return rows.reshape(shape[0], shape[2], shape[1]).swapaxes(1, 2)


def fitted_to(
    training: Windows, windows: Windows, fit: Callable[[Rows, Rows], Map], whole: bool
) -> np.ndarray:
    """Forecasts by one map that was fitted to other windows."""
    forecast = fit(rows_of(training.context, whole), rows_of(training.target, whole))
    found = forecast(rows_of(windows.context, whole))
    return as_windows(found, windows.target.shape, whole)


def case_of(name: str) -> tuple[Case, Case | None]:
    """A case, and one to train on if it has one of its own."""
    generated = read_config(GENERATED).evaluation
    if isinstance(case := generated.get(name), Forecast):
        more = replace(case, samples=TIMES * case.samples, seed=case.seed + 1)
        return case.case(name), more.case(name)
    if name not in measured.CASES:
        needed = ", ".join((*measured.CASES, *generated))
        raise DataError(f"CASE: found {name!r}; needed some of {needed}")
    prepared = os.environ.get("WLAM_PREPARED_DIR", "data")
    read = measured.reader(prepared, os.environ.get("WLAM_DATA_DIR"))
    case = measured.CASES[name](read)
    training = None
    if name.startswith("uomo"):
        training = measured.CASES[name](lambda dataset, _: read(dataset, "train"))
    return eval_case(case), training and eval_case(training)


def eval_case(made: measured.MeasuredCase) -> Case:
    return Case(**{f.name: getattr(made, f.name) for f in fields(Case)})


def windows_of(case: Case) -> Windows:
    """Those that `evaluate` cuts."""
    task = task_of(case.task)
    return cut_windows(
        task.sequences(case.data),
        case.context,
        case.horizon,
        case.stride,
        case.tail,
        task.sliding,
    )


def untrained() -> PredictorAPI:
    """A model as it begins, whose heads change nothing."""
    small = TransformerConfig(width=16, layers=1, heads=2)
    return PredictorAPI(
        PredictorConfig(small, sweeps=SweepTokenizerConfig()).build(nnx.Rngs(0))
    )


def scores_of(name: str) -> tuple[Result, dict[str, dict[str, Statistic]]]:
    """A case judged with an untrained model, and the scores of all maps by label."""
    case, training = case_of(name)
    result, windows, task = (
        evaluate(case, untrained()),
        windows_of(case),
        task_of(case.task),
    )
    found = {"start": dict(result.statistics[MODEL])}
    sweeps = str(case.task).startswith("beam")
    maps = {"ridge": fit_linear}
    maps |= {"kernel": fit_kernel} if sweeps else {"absolute": fit_absolute}
    folds = dict.fromkeys(maps, folds_of(windows.groups))
    if SCENARIO in windows.labels:
        maps["elsewhere"], folds["elsewhere"] = fit_kernel, windows.labels[SCENARIO]
    for label, fit in maps.items() if name not in NO_FOLDS else ():
        if training is None:
            forecast = out_of_fold(windows, folds[label], fit, sweeps)
        else:
            forecast = fitted_to(windows_of(training), windows, fit, sweeps)
        scored = windows.steps(slice(case.skip, None))
        scores = task.scores(forecast[:, case.skip :], case.data, scored)
        found[label] = dict(scores)
    return result, found


def main() -> None:
    names, rows = sys.argv[1:] or list(MISSED), list[list[str]]()
    for name in names:
        result, found = scores_of(name)
        for label, scores in found.items():
            for metric in (m for m in METRICS if m in scores):
                best = result.best_baseline(metric)
                assert best is not None
                value = result.statistics[best][metric].value
                low, high = interval(scores[metric], result.groups)
                cells = name, metric, best, f"{value:.4g}", label
                mine = f"{scores[metric].value:.4g}", f"{low:.4g} … {high:.4g}"
                rows.append([*cells, *mine])
        print(f"{name} …", file=sys.stderr, flush=True)
    header = ["case", "metric", "best baseline", "its value", "map", "value", "95 %"]
    print(text(Table(header, rows, frozenset({0, 1, 2, 4}))))


if __name__ == "__main__":
    try:
        main()
    except DataError as error:
        sys.exit(f"full_shot.py: {error}")
