"""What the baseline forecasts of series cost in error, alone and together.

    python -m benchmarks.speed.baselines [CONFIG]

For every data source of the mixture that enters as series, on training data: NMSE in dB
of every forecast of `wlam.baselines.bank.series` and of their mean weighed by backtest
errors, which is where an untrained model starts; 8 samples ahead of the last but one
patch, in units of each context, and the CPU time of all of them for a series. Nothing
that is reported elsewhere is looked at.
"""

import sys
import time
from functools import partial

import jax
import jax.numpy as jnp

from wlam.baselines.bank.series import FORECASTS, baseline_forecasts, steps_per_day
from wlam.config import read_config
from wlam.evaluation.table import Table, text
from wlam.models.predictor.network import SHARPNESS, PredictorConfig
from wlam.nn.scale import fit_scale
from wlam.tasks.mixture import draw_batch
from wlam.types import SeriesBatch

HORIZON, SAMPLES, SEED = 8, 64, 12345


def errors(rows: SeriesBatch, patch: int) -> jax.Array:
    """NMSE of every forecast and of their weighted mean, [forecast + 1]."""
    steps = rows.values.shape[2]
    hidden = jnp.zeros((len(rows.values), steps), bool)
    given = jnp.broadcast_to(jnp.arange(steps)[None] < steps - patch, hidden.shape)
    scale = fit_scale(rows.values, given[:, None], rows.center)
    values, clean = scale.apply(rows.values), scale.apply(rows.clean)
    season = steps_per_day(rows.interval, rows.axis)
    found = baseline_forecasts(
        values, hidden, given, season, patch, HORIZON, is_complex=not rows.center
    )
    forecasts, missed = found.forecasts[:, :, -2], found.backtest_error[:, :, -2]
    weights = missed**-SHARPNESS / (missed**-SHARPNESS).sum(-1, keepdims=True)
    mix = (weights * forecasts).sum(-1, keepdims=True)
    target = clean[..., steps - patch :][..., :HORIZON, None]
    error = jnp.concatenate([forecasts, mix], axis=-1) - target
    return (error**2).mean((0, 1, 2)) / (target**2).mean()


def main() -> None:
    config = read_config(sys.argv[1] if sys.argv[1:] else "configs/tiny.py")
    if not isinstance(config.model, PredictorConfig):
        raise ValueError("CONFIG: found no predictor; needed one")
    patch = config.model.patch
    parts = {n: part for n, part in config.mixture.items() if part.context is None}
    batch = draw_batch(jax.random.key(SEED), parts, dict.fromkeys(parts, SAMPLES))
    rows = []
    for name, series in batch.items():
        if not isinstance(series, SeriesBatch):
            continue
        run = jax.jit(partial(errors, patch=patch))
        found = 10 * jnp.log10(run(series))  # compiles
        begin = time.process_time()
        jax.block_until_ready(run(series))
        spent = (time.process_time() - begin) / (SAMPLES * series.values.shape[1])
        print(f"{name} …", file=sys.stderr, flush=True)
        rows.append([name, *(f"{x:.2f}" for x in found), f"{1e3 * spent:.2f}"])
    header = ["data source", *FORECASTS, "weighed", "ms a series"]
    print(text(Table(header, rows, frozenset({0}))))


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"baselines: {error}")
