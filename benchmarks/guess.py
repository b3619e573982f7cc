"""Errors of the training-free forecasts of series, alone and weighted.

    python benchmarks/guess.py [CONFIG]

For every data source of the mixture that has series: NMSE in dB of every forecast of
`wlam.baselines.bank.series` and of their mean weighted by backtest error, which is what
an untrained model forecasts; 8 samples after the last but one patch, in units of each
context. The data are those of training and of no reported case.
"""

import sys

import jax
import jax.numpy as jnp

from wlam.baselines.bank.series import FORECASTS, baseline_forecasts, steps_per_day
from wlam.config import load_config
from wlam.models.predictor.network import SHARPNESS
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
    forecasts, past = found.forecasts[:, :, -2], found.backtest_error[:, :, -2]
    weights = past**-SHARPNESS / (past**-SHARPNESS).sum(-1, keepdims=True)
    mix = (weights * forecasts).sum(-1, keepdims=True)
    target = clean[..., steps - patch :][..., :HORIZON, None]
    error = jnp.concatenate([forecasts, mix], axis=-1) - target
    return (error**2).mean((0, 1, 2)) / (target**2).mean()


def main() -> None:
    config = load_config(sys.argv[1] if sys.argv[1:] else "configs/tiny.py", [])
    parts = {n: part for n, part in config.mixture.items() if part.context is None}
    batch = draw_batch(jax.random.key(SEED), parts, dict.fromkeys(parts, SAMPLES))
    print("| data source |", " | ".join((*FORECASTS, "weighted")), "|")
    print("|---|", "---|" * (len(FORECASTS) + 1), sep="")
    for name, rows in batch.items():
        found = 10 * jnp.log10(errors(rows, config.model.patch))
        print(f"| {name} |", " | ".join(f"{x:.2f}" for x in found), "|", flush=True)


if __name__ == "__main__":
    main()
