"""Channel estimation: one table of docs/estimation.md, NMSE in dB with 95 % intervals.

    python benchmarks/estimation.py PART [MODEL ...]

PART names cases of configs/estimation.py, whose evaluators judge models and baselines
as `python eval.py MODEL --cases configs/estimation.py:PART` does. Rows that are here
alone:

MODEL, CASE       the same model on the same channels, as another case asks it
MODEL, one call   without moving the spectrum between bins and back (mimo, drops)
MODEL, 10 calls   as a diffusion model, from the SNR down in ten network evaluations
Fesl              arXiv 2403.03545 with its own weights, from WLAM_DATA_DIR: as its
                  loop is published, and with the step that this leaves out (inclusive)

half and line have no released model and show baselines alone. thz shows, of a fixed
point, the largest change in a network evaluation and the error after so many.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

import wlam
from wlam.config import read_config
from wlam.data.checked import checked_csi
from wlam.diffusion import PosteriorMean, evenly_spaced, sample, scale_to_step
from wlam.evaluation.combined import NOISE, CombinedEstimate, drawn
from wlam.evaluation.evaluator import Evaluator, Result
from wlam.evaluation.judge import judge
from wlam.evaluation.table import Table, predictor_table, text
from wlam.metrics import nmse_mean_db
from wlam.models.base import Card, Model
from wlam.models.deq_estimator.api import CombinedEstimator
from wlam.models.peers import fesl
from wlam.nn.fixed_point import Solver
from wlam.ops.pieces import in_pieces
from wlam.phy.channels.hybrid_field import observe
from wlam.types import Csi

CONFIG = Path(__file__).parents[1] / "configs" / "estimation.py"
ESTIMATOR, FIXED_POINT = "wlam_estimator", "wlam_array_estimator"
PARTS: dict[str, tuple[str, ...]] = {
    "mimo": (ESTIMATOR,),
    "drops": (ESTIMATOR,),
    "combs": ("wlam_tiny", "wlam_little", ESTIMATOR),
    "slot": (ESTIMATOR,),
    "chains": (ESTIMATOR,),
    "entries": (ESTIMATOR,),
    "thz": (FIXED_POINT,),
    "half": (),
    "line": (),
}
"""Parts, and the models that the page shows."""
VARIANTS = ("mimo", "drops", "chains", "entries")
"""Parts whose cases ask the same channels in other ways: rows and not columns."""
PIECE, CALLS = 50, 10
EVALUATIONS = (5, 10, 15, 20, 30, 50, 100, 200)
Matrices = Callable[[np.ndarray, float], np.ndarray]
"""Observed [n, tx, rx] and the noise variance -> estimates."""


@dataclass(frozen=True)
class Options:
    """What is printed, and on how much."""

    # A name of configs/estimation.py.
    part: Annotated[str, tyro.conf.Positional]
    # Runs or released models; none: those of the page.
    models: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    # Channels to judge, and to fit covariances to; None: those of the config.
    channels: int | None = None
    training: int | None = None
    # Signal-to-noise ratios in dB; none: those of the config.
    snrs_db: tuple[float, ...] = ()


class Estimating(Model):
    """MIMO matrices by any function, as a model that evaluators can ask."""

    accepts = frozenset({Csi})

    def __init__(self, name: str, of: Matrices):
        self.card, self._of = Card(name), of

    def estimate(
        self, question: Any, noise_variance: Any = None, frequency: bool = False
    ) -> Csi:
        """Of channels [sample, 1, tx, rx] that are observed all over."""
        csi = checked_csi(question, None)
        found = self._of(np.asarray(csi.csi)[:, 0], float(noise_variance))
        return replace(csi, csi=found[:, None])


def other_ways(model: Any) -> list[Model]:
    """A trained estimator by one network evaluation, and as a chain of some."""
    network, name = model.network, model.card.name
    once = jax.jit(lambda x, v: network.denoiser(x, v))

    def by_one(y: np.ndarray, level: float) -> np.ndarray:
        levels = np.full(len(y), level, np.float32)
        return in_pieces(lambda _, x, v: once(x, v), PIECE, y, levels)

    def chained(y: np.ndarray, level: float) -> np.ndarray:
        schedule = network.config.schedule
        first = int(schedule.nearest(jnp.array([1 / level]))[0])
        grid = evenly_spaced(first, min(CALLS, first))
        run = jax.jit(
            lambda x: sample(
                lambda x, step: network.data(x, step[None]),
                schedule,
                scale_to_step(schedule, x, jnp.full(len(x), first)),
                grid,
                PosteriorMean(),
                "data",
            )
        )
        return in_pieces(lambda _, x: run(x), PIECE, y)

    return [
        Estimating(f"{name}, one call", by_one),
        Estimating(f"{name}, {CALLS} calls", chained),
    ]


def published() -> list[Model]:
    """The published estimator both ways; none where its weights are not at hand."""
    path = Path(os.environ.get("WLAM_DATA_DIR", "")) / fesl.FILE
    if not path.is_file():
        print(f"no {path}: its rows are left out", file=sys.stderr)
        return []
    network = fesl.load(path)

    def by(name: str, inclusive: bool) -> Model:
        solve = fesl.FeslEstimator(network, inclusive)

        def estimate(y: np.ndarray, level: float) -> np.ndarray:
            # Its matrices are [rx, tx].
            turned = y.swapaxes(1, 2)
            found = in_pieces(lambda _, x: solve(x, 1 / level), PIECE, turned)
            return found.swapaxes(1, 2)

        return Estimating(name, estimate)

    return [by("Fesl (published)", False), by("Fesl (inclusive)", True)]


def sized(evaluator: Any, options: Options) -> Evaluator:
    """With other sizes, where options give some."""
    given = {name: getattr(options, name) for name in ("channels", "snrs_db")}
    if evaluator.training:  # 0 means that nothing is fitted
        given["training"] = options.training
    return replace(evaluator, **{name: x for name, x in given.items() if x})


def results_of(
    part: str, asked: Mapping[str, Evaluator], models: Sequence[Model]
) -> list[Result]:
    """A result for each case, or one with the variants of models as rows."""
    if not models:
        return [evaluator.run(name, None) for name, evaluator in asked.items()]
    names, others = [*asked], list[Model]()
    if part in ("mimo", "drops"):
        others = [*published(), *(way for model in models for way in other_ways(model))]
    first = {names[0]: asked[names[0]]} if part in VARIANTS else asked
    results = []
    for name, result, skipped in judge(first, [*models, *others]):
        print(f"{name} …", file=sys.stderr, flush=True)
        if result is None or skipped:
            raise ValueError(skipped[0])
        results.append(result)
    if part not in VARIANTS:
        return results
    variants = []
    for name in names[1:]:
        for model in models:
            print(f"{model.card.name}, {name} …", file=sys.stderr, flush=True)
            found = asked[name].run(name, model, baselines=False)
            variants.append(found.renamed(f"{model.card.name}, {name}"))
    return [results[0].beside(variants)]


def over_evaluations(model: CombinedEstimator, asked: CombinedEstimate) -> Table:
    """Changes and errors by network evaluations at 10 dB, without acceleration."""
    config, key = model.network.config.array, jax.random.key(asked.seed)
    clean = drawn(config, key, asked.channels)
    ratios = jnp.full(len(clean), 10.0)
    key = jax.random.fold_in(key, NOISE)
    seen = observe(key, jnp.asarray(clean), model.receiver.weights, ratios)
    y, rows = model.receiver.white(np.asarray(seen)), []
    for most in EVALUATIONS:
        solver = Solver(weight=0.8, tolerance=0.0, most=most)
        found, residuals = model.with_residuals(y, 0.1, solver)
        error = nmse_mean_db(found, clean).value
        rows.append([str(most), f"{residuals[:, -1].max():.1e}", f"{error:.2f}"])
    return Table(["evaluations", "largest change", "NMSE"], rows, frozenset())


def main(options: Options) -> None:
    if options.part not in PARTS:
        needed = ", ".join(PARTS)
        raise ValueError(f"PART: found {options.part!r}; needed one of {needed}")
    config = read_config(f"{CONFIG}:{options.part}")
    asked = {name: sized(x, options) for name, x in config.evaluation.items()}
    models = [wlam.load(name) for name in options.models or PARTS[options.part]]
    results = results_of(options.part, asked, models)
    print(text(predictor_table(results, every=True)))
    for model in models:
        case = next(iter(asked.values()))
        if isinstance(case, CombinedEstimate) and isinstance(model, CombinedEstimator):
            print(f"\n{model.card.name}, 10 dB, without acceleration:\n")
            print(text(over_evaluations(model, case)))


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except (ValueError, OSError) as error:
        print(f"estimation.py: {error}", file=sys.stderr)
        sys.exit(2)
