"""Chooses orders and penalty of the linear guess, on the training streams.

    python benchmarks/guess.py [CONFIG]

For every ingredient of the mixture and every (order, regressors beside, ridge):
NMSE in dB of the guess alone, 8 samples ahead of the last but one patch. Only sweeps
have neighbours; traffic is fitted with yesterday and without. Nothing that is reported
elsewhere is looked at.
"""

import itertools
import sys

import jax
import jax.numpy as jnp

from wlam.config import load_config
from wlam.data.streams import draw_batch
from wlam.nn import guess
from wlam.nn.scale import fit_scale

HORIZON, ORDERS, RIDGES = 8, (4, 8, 12, 16), (1e-4, 1e-3, 1e-2, 1e-1)
BESIDE = {
    "beam": {f"{n} of each neighbour": {"NEIGHBOURS": n} for n in (0, 1, 2, 4)},
    "traffic": {
        "nothing": {"SEASON": ()},
        "yesterday": {"SEASON": (0,)},
        "yesterday and about": {"SEASON": (-1, 0, 1)},
    },
}


def main() -> None:
    config = load_config(sys.argv[1] if sys.argv[1:] else "configs/quickstart.py", [])
    samples = dict.fromkeys(config.mixture, 32)
    batch = draw_batch(jax.random.key(12345), config.mixture, samples)
    p = config.model.patch
    print("| task | order | beside |", " | ".join(f"ridge {r:g}" for r in RIDGES), "|")
    print("|---|---|---|", "---|" * len(RIDGES), sep="")
    for name, rows in batch.items():
        steps = rows.values.shape[2]
        hidden = jnp.zeros((len(rows.values), steps), bool)
        context = jnp.arange(steps)[None, None] < steps - p
        scale = fit_scale(rows.values, context, rows.center)
        values, clean = scale.apply(rows.values), scale.apply(rows.clean)
        season = guess.steps_per_day(rows.interval, rows.axis)
        target = clean[..., steps - p :][..., :HORIZON]
        task = config.mixture[name].task
        beside = BESIDE.get(task, {"": {}})
        for order, what in itertools.product(ORDERS, beside):
            line = []
            for ridge in RIDGES:
                settings = {
                    "ORDER": order,
                    "POOLED_ORDER": order,
                    "RIDGE": ridge,
                } | beside[what]
                for setting, value in settings.items():
                    setattr(guess, setting, value)
                jax.clear_caches()
                forecast = guess.linear_guess(
                    values, hidden, season, p, HORIZON, is_complex=not rows.center
                )[:, :, -2]
                error = ((forecast - target) ** 2).mean() / (target**2).mean()
                line.append(f"{10 * jnp.log10(error):.2f}")
            print(f"| {name} | {order} | {what} |", " | ".join(line), "|", flush=True)


if __name__ == "__main__":
    main()
