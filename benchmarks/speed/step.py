"""What a training step costs, and which part of it is generating its batch.

    python -m benchmarks.speed.step [CONFIG] [ROUNDS]

One CPU thread; the time is CPU time, the minimum over rounds; the two are interleaved.
The aim is that generation takes at most 5 % of a step.
"""

import os
import sys
import time

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import jax

from wlam.config import load_config
from wlam.evaluation.table import Table, text
from wlam.tasks.mixture import DataSource, draw_batch, samples_per_step, shares


def main() -> None:
    file = sys.argv[1] if sys.argv[1:] else "configs/quickstart.py"
    rounds = int(sys.argv[2]) if sys.argv[2:] else 8
    config = load_config(file, ["--steps-per-dispatch", "1"])
    samples = samples_per_step(
        config.mixture, shares(config.mixture, config.temperature), config.rows
    )
    learner = config.learner.build(config)
    step = jax.jit(learner.advance)
    state = jax.jit(learner.init)()

    def batch_of(mixture: dict[str, DataSource]):
        draw = jax.jit(lambda key: draw_batch(key, mixture, samples))
        return lambda i: draw(jax.random.key(i))

    programs = {"whole step": lambda i: step(state)}
    programs["its batch"] = batch_of(config.mixture)
    for name, part in config.mixture.items():
        programs[name] = batch_of({name: part})
    seconds = {name: [] for name in programs}
    for i in range(rounds + 1):
        for name, run in programs.items():
            begin = time.process_time()
            jax.block_until_ready(run(i))
            seconds[name].append(time.process_time() - begin)
    best = {name: min(times[1:]) for name, times in seconds.items()}
    rows = [
        [
            name,
            str(samples.get(name, "")),
            f"{1e3 * value:.1f}",
            f"{100 * value / best['whole step']:.1f} %",
        ]
        for name, value in best.items()
    ]
    header = ["", "samples", "ms", "share of the step"]
    print(text(Table(header, rows, frozenset({0}))))


if __name__ == "__main__":
    main()
