"""What beams for one sample of a track cost: CPU time of one thread.

    python -m benchmarks.speed.beamforming [MODEL] [ROUNDS]

MODEL is a beamformer, wlam_beamformer if not given. Contenders take turns; the least
over rounds, of which there are 10. Channels have an error of 10 dB below them.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import wlam
from wlam.data.generators import generate
from wlam.evaluation.precode import observe
from wlam.evaluation.table import Table, text
from wlam.models.beamformer.api import BeamformerAPI
from wlam.models.beamformer.network import BeamformerConfig
from wlam.models.beamformer.online import OnlineBeamformer, OnlineConfig
from wlam.phy.mimo.precoding import rzf, wmmse, wmmse_converged
from wlam.simulate.downlink import DownlinkConfig
from wlam.types import DataError

SEED, SAMPLES, RATIO_DB = 3, 50, 10.0
Contender = tuple[Callable[..., Any], Any]
"""(carried, channels, variance) -> beams and carried; and what is carried at first."""


def of(solve: Callable[[Any], Any]) -> Contender:
    """A precoder of a sample by itself."""
    return jax.jit(lambda carried, h, _: (solve(h), carried)), None


def converged(power: float, tolerance: float, samples: list[Any]) -> Contender:
    """WMMSE until nothing changes any more."""
    run = jax.jit(lambda h: wmmse_converged(h, power, tolerance=tolerance))
    steps = [int(run(h)[1]) for h in samples]
    print(f"WMMSE to {tolerance:g}: {np.mean(steps):.0f} iterations", file=sys.stderr)
    return of(lambda h: run(h)[0])


def as_constant(model: Any, config: BeamformerConfig) -> Contender:
    """Weights are constants of the program."""
    graph, params = nnx.split(model)
    constant = nnx.merge(graph, params)
    constant.config = config

    @jax.jit
    def run(carried: Any, h: Any, variance: Any) -> Any:
        w, carried = constant(carried, h[None, None], variance[None, None])
        return w[0, 0], carried

    return run, constant.start(1, DownlinkConfig().users)


def timed(
    contenders: dict[str, Contender], ys: list[Any], vs: list[Any], rounds: int
) -> dict[str, float]:
    """Seconds for a sample, the least of all rounds; the first warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, (run, carried) in contenders.items():
            begin, w = time.process_time(), None
            for h, variance in zip(ys, vs, strict=True):
                w, carried = run(carried, h, variance)
            jax.block_until_ready(w)
            seconds[name].append((time.process_time() - begin) / len(ys))
    return {name: min(times[1:]) for name, times in seconds.items()}


def main() -> None:
    model = wlam.load(sys.argv[1] if sys.argv[1:] else "wlam_beamformer")
    rounds = int(sys.argv[2]) if sys.argv[2:] else 10
    if not isinstance(model, BeamformerAPI):
        raise DataError(f"MODEL: found {model.card.name}; needed a beamformer")
    config = model.network.config
    power, key = config.power, jax.random.key(SEED)
    clean = generate(key, DownlinkConfig(), 1).channels[0, :SAMPLES]
    there = jnp.ones(clean.shape[:2], bool)
    y, v = observe(key, clean, there, RATIO_DB)
    ys, vs = list(y), list(v)
    loop = OnlineBeamformer(OnlineConfig(power=power))
    contenders = {
        "RZF": of(lambda h: rzf(h, power)),
        "WMMSE, 40 iterations": of(lambda h: wmmse(h, power)),
        "WMMSE, 400 iterations": of(lambda h: wmmse(h, power, iterations=400)),
        **{f"WMMSE to {x:g}": converged(power, x, ys) for x in (1e-4, 1e-5, 1e-6)},
        "GLNN, published": (
            jax.jit(lambda tuned, h, _: loop.sample(tuned, h, key)),
            loop.start(),
        ),
        model.card.name: as_constant(model.network, config),
        f"{model.card.name}, no manifold": as_constant(
            model.network, replace(config, manifold=False)
        ),
    }
    least = timed(contenders, ys, vs, rounds)
    beside = [name for name in contenders if name.startswith("WMMSE")]
    header = ["beams of a sample", "us", *(f"of {name}" for name in beside)]
    rows = [
        [
            name,
            f"{1e6 * value:.0f}",
            *(f"{100 * value / least[other]:.1f} %" for other in beside),
        ]
        for name, value in least.items()
    ]
    print(text(Table(header, rows, frozenset({0}))))


if __name__ == "__main__":
    try:
        main()
    except (DataError, ValueError) as error:
        sys.exit(f"beamforming: {error}")
