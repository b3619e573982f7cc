"""Recurrences of independent channels as loops and as parallel scans: CPU time.

    python -m benchmarks.speed.scans [ROUNDS]

First linear recurrences [steps, rows, channels]: forward and gradient, by every form
and by the dispatcher, which should be as fast as the best. Then the diagonal cell
(`wlam.nn.liquid.lrc`) before and after training on a sum of what it hears: Newton
iterations, their largest error beside the loop in double precision, by themselves in
double and in single, the loop's own in single, and the cost of both. One thread,
contenders in turns, the minimum over the rounds, of which there are 10. On an
accelerator it prints that one's times, by the wall clock.
"""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from wlam.evaluation.table import Table, text
from wlam.kernels.linear_scan import Form, linear_scan
from wlam.kernels.newton_scan import newton, nonlinear_scan
from wlam.nn.liquid import LrcConfig
from wlam.nn.liquid.lrc import LrcCell, flow

FORMS: tuple[Form, ...] = ("sequential", "parallel", "auto")
BOTH: tuple[Form, ...] = ("parallel", "sequential")
SHAPES = ((32, 32, 64), (128, 1, 64), (128, 32, 128), (1024, 8, 64), (4096, 1, 64))
STEPS, ROWS, INPUTS, UNITS = 1024, 4, 3, 64
TRAINING, RATE = 1000, 1e-2
RNG = np.random.default_rng(0)
clock = time.process_time if jax.default_backend() == "cpu" else time.perf_counter


def timed(programs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Seconds, the least of all rounds; the first warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds + 1):
        for name, run in programs.items():
            begin = clock()
            jax.block_until_ready(run())
            seconds[name].append(clock() - begin)
    return {name: min(times[1:]) for name, times in seconds.items()}


def linear(rounds: int) -> None:
    """Linear recurrences by shape."""
    rows = []
    for shape in SHAPES:
        decay, drive, weight = (
            jnp.asarray(RNG.uniform(size=shape), jnp.float32) for _ in range(3)
        )
        start = jnp.zeros(shape[1:])

        def score(decay, drive, form, weight=weight, start=start):
            return (linear_scan(decay, drive, start, form) * weight).sum()

        found = timed(
            {
                form: partial(
                    jax.jit(jax.grad(partial(score, form=form), argnums=(0, 1))),
                    decay,
                    drive,
                )
                for form in FORMS
            },
            rounds,
        )
        cells = [f"{found[form] * 1e3:.2f} ms" for form in FORMS]
        ratio = found["auto"] / min(found.values())
        rows.append([" x ".join(map(str, shape)), *cells, f"{ratio:.2f}x"])
    header = ["steps x rows x channels", *FORMS, "auto over best"]
    print(text(Table(header, rows, frozenset({0}))), flush=True)


def learned(x: jax.Array, elapsed: jax.Array) -> tuple[LrcCell, LrcCell, float]:
    """A fresh cell, the same trained, and what of its loss is left."""
    cell = LrcConfig(UNITS).build(INPUTS, nnx.Rngs(0))
    graph, fresh = nnx.split(cell)
    wanted = jnp.sin(0.15 * jnp.cumsum(x[..., :1] * elapsed[..., None], axis=1))

    def loss(params: Any) -> jax.Array:
        cell = nnx.merge(graph, params[0])
        _, out = cell.unroll(cell.start(ROWS), x, elapsed, None)
        return ((out @ params[1] - wanted) ** 2).mean()

    optimizer = optax.adam(RATE)

    @jax.jit
    def step(params: Any, state: Any) -> tuple[Any, Any, jax.Array]:
        value, gradients = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(params, updates), state, value

    params: Any = fresh, jnp.zeros((UNITS, 1))
    state = optimizer.init(params)
    losses = []
    for _ in range(TRAINING):
        params, state, value = step(params, state)
        losses.append(float(value))
    return cell, nnx.merge(graph, params[0]), losses[-1] / losses[0]


def in_double(cell: LrcCell, driven: dict[str, jax.Array]) -> dict[str, np.ndarray]:
    """The loop and Newton iterations in double precision."""
    with jax.enable_x64(True):
        given = jax.tree.map(
            lambda a: jnp.asarray(np.asarray(a), jnp.float64),
            (cell._arrays(), cell.start(ROWS), driven),
        )
        loop = jax.jit(lambda p, s, u: nonlinear_scan(flow, p, s, u, "sequential"))
        solved = jax.jit(lambda p, s, u: newton(flow, p, s, u).states)
        return {"loop": np.asarray(loop(*given)), "newton": np.asarray(solved(*given))}


def mean_square(form: Form) -> Callable[..., jax.Array]:
    """Of all states; a function of what `nonlinear_scan` takes."""
    return lambda p, s, u: (nonlinear_scan(flow, p, s, u, form) ** 2).mean()


def nonlinear(rounds: int) -> None:
    """The diagonal cell by a loop and by Newton iterations."""
    x = jnp.asarray(RNG.normal(size=(ROWS, STEPS, INPUTS)), jnp.float32)
    elapsed = jnp.asarray(RNG.uniform(0.2, 2.0, size=(ROWS, STEPS)), jnp.float32)
    fresh, trained, left = learned(x, elapsed)
    print(f"trained: {left:.3f} of the loss is left", file=sys.stderr)
    rows = []
    for name, cell in (("fresh", fresh), ("trained", trained)):
        driven = cell._driven(jnp.swapaxes(x, 0, 1), elapsed.T)
        given = cell._arrays(), cell.start(ROWS), driven
        found = jax.jit(lambda *g: newton(flow, *g))(*given)
        exact = in_double(cell, driven)
        run = {form: jax.jit(partial(nonlinear_scan, flow, form=form)) for form in BOTH}
        errors = [
            f"{abs(np.asarray(states) - exact['loop']).max():.1e}"
            for states in (exact["newton"], found.states, run["sequential"](*given))
        ]
        gradient = {form: jax.jit(jax.grad(mean_square(form))) for form in BOTH}
        times = timed(
            {
                f"{form} {i}": partial(f[form], *given)
                for i, f in enumerate((run, gradient))
                for form in run
            },
            rounds,
        )
        cells = [f"{seconds * 1e3:.1f} ms" for seconds in times.values()]
        count = f"{int(found.iterations)}{'' if found.converged else ', no end'}"
        rows.append([name, count, *errors, *cells])
    header = ["cell", "iterations", "Newton's error, double", "single"]
    header += ["the loop's, single", "Newton", "loop", "with gradient, Newton", "loop"]
    print(f"\n{text(Table(header, rows, frozenset({0})))}")


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 10
    print(jax.devices()[0].platform, file=sys.stderr)
    linear(rounds)
    nonlinear(rounds)


if __name__ == "__main__":
    main()
