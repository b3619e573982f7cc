"""What the training-free forecasts of rows miss, alone and together, on training data.

    python benchmarks/guess.py [CONFIG]

For every ingredient of the mixture that enters as rows: NMSE in dB of every option of
`wlam.baselines.bank.series` and of their mean weighed by what each missed so far, which
is where an untrained model starts; 8 samples ahead of the last but one patch, in units
of each context. Nothing that is reported elsewhere is looked at.
"""

import sys

import jax
import jax.numpy as jnp

from wlam.baselines.bank.series import OPTIONS, baseline_forecasts, steps_per_day
from wlam.config import load_config
from wlam.models.predictor.network import SHARPNESS
from wlam.nn.scale import fit_scale
from wlam.tasks.mixture import draw_batch
from wlam.types import SeriesBatch

HORIZON, SAMPLES, SEED = 8, 64, 12345


def errors(rows: SeriesBatch, patch: int) -> jax.Array:
    """NMSE of every option and of their weighted mean, [option + 1]."""
    steps = rows.values.shape[2]
    hidden = jnp.zeros((len(rows.values), steps), bool)
    given = jnp.broadcast_to(jnp.arange(steps)[None] < steps - patch, hidden.shape)
    scale = fit_scale(rows.values, given[:, None], rows.center)
    values, clean = scale.apply(rows.values), scale.apply(rows.clean)
    season = steps_per_day(rows.interval, rows.axis)
    found = baseline_forecasts(
        values, hidden, given, season, patch, HORIZON, is_complex=not rows.center
    )
    options, missed = found.forecasts[:, :, -2], found.missed[:, :, -2]
    weights = missed**-SHARPNESS / (missed**-SHARPNESS).sum(-1, keepdims=True)
    mix = (weights * options).sum(-1, keepdims=True)
    target = clean[..., steps - patch :][..., :HORIZON, None]
    error = jnp.concatenate([options, mix], axis=-1) - target
    return (error**2).mean((0, 1, 2)) / (target**2).mean()


def main() -> None:
    config = load_config(sys.argv[1] if sys.argv[1:] else "configs/tiny.py", [])
    parts = {n: part for n, part in config.mixture.items() if part.context is None}
    batch = draw_batch(jax.random.key(SEED), parts, dict.fromkeys(parts, SAMPLES))
    print("| ingredient |", " | ".join((*OPTIONS, "weighed")), "|")
    print("|---|", "---|" * (len(OPTIONS) + 1), sep="")
    for name, rows in batch.items():
        found = 10 * jnp.log10(errors(rows, config.model.patch))
        print(f"| {name} |", " | ".join(f"{x:.2f}" for x in found), "|", flush=True)


if __name__ == "__main__":
    main()
