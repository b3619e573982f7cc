"""Chooses order and penalty of the linear guess, on the training streams.

    python benchmarks/guess.py [CONFIG]

For every ingredient of the mixture and every (order, ridge): NMSE in dB of the guess
alone, 8 samples ahead of the last but one patch. Nothing that is reported elsewhere is
looked at.
"""

import sys

import jax
import jax.numpy as jnp

from wlam.config import load_config
from wlam.data.streams import draw_batch
from wlam.nn import guess
from wlam.nn.scale import fit_scale

HORIZON, ORDERS, RIDGES = 8, (4, 8, 12, 16), (1e-4, 1e-3, 1e-2, 1e-1)


def main() -> None:
    config = load_config(sys.argv[1] if sys.argv[1:] else "configs/quickstart.py", [])
    samples = dict.fromkeys(config.mixture, 32)
    batch = draw_batch(jax.random.key(12345), config.mixture, samples)
    p = config.model.patch
    print("| task | order |", " | ".join(f"ridge {r:g}" for r in RIDGES), "|")
    print("|---|---|", "---|" * len(RIDGES), sep="")
    for name, rows in batch.items():
        steps = rows.values.shape[2]
        hidden = jnp.zeros((len(rows.values), steps), bool)
        context = jnp.arange(steps)[None, None] < steps - p
        scale = fit_scale(rows.values, context, rows.center)
        values, clean = scale.apply(rows.values), scale.apply(rows.clean)
        target = clean[..., steps - p :][..., :HORIZON]
        for order in ORDERS:
            line = []
            for ridge in RIDGES:
                guess.ORDER, guess.RIDGE = order, ridge
                jax.clear_caches()
                forecast = guess.linear_guess(
                    values, hidden, p, HORIZON, is_complex=not rows.center
                )[:, :, -2]
                error = ((forecast - target) ** 2).mean() / (target**2).mean()
                line.append(f"{10 * jnp.log10(error):.2f}")
            print(f"| {name} | {order} |", " | ".join(line), "|", flush=True)


if __name__ == "__main__":
    main()
