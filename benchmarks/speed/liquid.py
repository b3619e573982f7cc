"""What liquid cells cost beside ncps and a GRU of torch: CPU time, one thread.

    pip install -e ".[peers]"
    python -m benchmarks.speed.liquid [ROUNDS]

A training step (loss, gradients, Adam) of a dense CfC cell of 128 units with a hidden
layer of 128, 32 sequences of 128 steps and 32 channels, and one step of one sequence.
The two CfC cells have the same parameters, and their losses and gradients are compared
before anything is timed. Contenders take turns; the minimum over the rounds, of which
there are 10.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import jax
import jax.numpy as jnp
import ncps.torch
import numpy as np
import optax
import torch
from flax import nnx

from wlam.evaluation.table import Table, text
from wlam.nn.liquid import CfcConfig, LiquidCell
from wlam.nn.liquid.cfc import CfcCell

UNITS, HIDDEN, INPUTS, STEPS, BATCH = 128, 128, 32, 128, 32
CALLS = 200  # of a single step, to one round
RATE = 1e-3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(BATCH, STEPS, INPUTS)).astype(np.float32)
WANTED = RNG.normal(size=(BATCH, STEPS, UNITS)).astype(np.float32)
ELAPSED = RNG.uniform(0.5, 1.5, size=(BATCH, STEPS)).astype(np.float32)


def with_parameters_of(theirs: Any) -> CfcCell:
    """Our cell with the parameters of one of ncps."""
    cell = CfcConfig(UNITS, backbone=HIDDEN).build(INPUTS, nnx.Rngs(0))
    given = {k: jnp.asarray(v.detach().numpy()) for k, v in theirs.named_parameters()}
    heads = ("ff1", "ff2", "time_a", "time_b")
    kernels = [given[f"{h}.weight"].T for h in heads]
    cell.heads.kernel[...] = jnp.concatenate(kernels, axis=1)
    cell.heads.bias[...] = jnp.concatenate([given[f"{h}.bias"] for h in heads])
    cell.hidden.kernel[...] = given["backbone.0.weight"].T
    cell.hidden.bias[...] = given["backbone.0.bias"]
    return cell


def loss_of(cell: LiquidCell, unroll: Callable, elapsed: Any) -> tuple[Callable, Any]:
    """Mean square error of a cell as a function of its parameters, and those."""
    graph, params = nnx.split(cell)

    def loss(params: Any) -> jax.Array:
        cell = nnx.merge(graph, params)
        _, out = unroll(cell, cell.start(BATCH), jnp.asarray(X), elapsed, None)
        return ((out - WANTED) ** 2).mean()

    return loss, params


def training(cell: LiquidCell, unroll: Callable, elapsed: Any) -> Callable[[], None]:
    """A training step of ours."""
    loss, params = loss_of(cell, unroll, elapsed)
    optimizer = optax.adam(RATE)

    @jax.jit
    def step(params: Any, state: Any) -> tuple[Any, Any]:
        gradients = jax.grad(loss)(params)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(params, updates), state

    kept = [params, optimizer.init(params)]

    def run() -> None:
        kept[:] = step(*kept)
        jax.block_until_ready(kept)

    return run


def products_alone() -> Callable[[], None]:
    """The matrix products of a training step and nothing else, which is its bound."""
    rng = np.random.default_rng(1)

    def matrix(rows: int, columns: int) -> jax.Array:
        scale = 0.3 / rows**0.5  # small, or without tanh the state would grow
        return jnp.asarray(scale * rng.normal(size=(rows, columns)), jnp.float32)

    weights = matrix(INPUTS, HIDDEN), matrix(UNITS, HIDDEN), matrix(HIDDEN, 3 * UNITS)

    @jax.jit
    def run_all(weights: Any, x: Any, wanted: Any) -> Any:
        inward, around, heads = weights

        def advance(state: Any, now: Any) -> Any:
            hidden = now + state @ around
            z = hidden @ heads
            return z[:, :UNITS], (z[:, :UNITS], hidden, z)

        def retreat(of_state: Any, now: Any) -> Any:
            of_this, z = now
            of_a = z @ heads.T
            return of_this + of_a @ around.T, of_a

        def over_steps(a: Any, b: Any) -> Any:
            return a.reshape(-1, a.shape[-1]).T @ b.reshape(-1, b.shape[-1])

        start = jnp.zeros((BATCH, UNITS))
        _, (states, hidden, z) = jax.lax.scan(advance, start, x @ inward)
        _, of_a = jax.lax.scan(retreat, start, (wanted, z), reverse=True)
        pairs = (x, of_a), (states, of_a), (hidden, z)
        return [over_steps(*pair) for pair in pairs]

    x, wanted = (jnp.asarray(a.swapaxes(0, 1)) for a in (X, WANTED))
    return lambda: jax.block_until_ready(run_all(weights, x, wanted))


def training_of_torch(network: Any) -> Callable[[], None]:
    """A training step of theirs."""
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    x, wanted = torch.tensor(X), torch.tensor(WANTED)

    def run() -> None:
        optimizer.zero_grad()
        ((network(x)[0] - wanted) ** 2).mean().backward()
        optimizer.step()

    return run


def check_parity(cell: CfcCell, theirs: Any) -> None:
    """Equal losses and gradients, to the last digits of single precision."""
    loss, params = loss_of(cell, type(cell).unroll, None)
    ours, gradients = jax.jit(jax.value_and_grad(loss))(params)
    mean = ((theirs(torch.tensor(X))[0] - torch.tensor(WANTED)) ** 2).mean()
    theirs.zero_grad()
    mean.backward()
    np.testing.assert_allclose(ours, mean.item(), rtol=1e-5)
    inner = theirs.rnn_cell
    for got, want in (
        (gradients["heads"]["kernel"][...][:, :UNITS], inner.ff1.weight.grad.T),
        (gradients["heads"]["bias"][...][-UNITS:], inner.time_b.bias.grad),
        (gradients["hidden"]["kernel"][...], inner.backbone[0].weight.grad.T),
    ):
        scale = abs(want).max().item()
        np.testing.assert_allclose(got, want.numpy(), atol=1e-4 * scale)


def single_steps(cell: CfcCell, theirs: Any) -> dict[str, Callable[[], None]]:
    """Steps of one sequence, one after another; our weights are constants."""
    step = jax.jit(lambda state, x: cell(state, x)[0])
    x, state = jnp.asarray(X[:1, 0]), jnp.zeros((1, UNITS))
    x_torch, zeros = torch.tensor(X[:1, 0]), torch.zeros(1, UNITS)

    def ours() -> None:
        now = state
        for _ in range(CALLS):
            now = step(now, x)
        jax.block_until_ready(now)

    def ncps_steps() -> None:
        now = zeros
        with torch.no_grad():
            for _ in range(CALLS):
                now = theirs.rnn_cell(x_torch, now, 1.0)[1]

    return {"CfC, wlam": ours, "CfC, ncps": ncps_steps}


def timed(programs: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Seconds of CPU, the least of all rounds; the first warms up."""
    seconds = {name: [] for name in programs}
    for _ in range(rounds + 1):
        for name, run in programs.items():
            begin = time.process_time()
            run()
            seconds[name].append(time.process_time() - begin)
    return {name: min(times[1:]) for name, times in seconds.items()}


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 10
    torch.set_num_threads(1)
    torch.manual_seed(0)
    theirs = ncps.torch.CfC(INPUTS, UNITS, backbone_units=HIDDEN)
    cell = with_parameters_of(theirs.rnn_cell)
    check_parity(cell, theirs)
    print("losses and gradients are equal", file=sys.stderr)
    steps = timed(
        {
            "CfC, wlam": training(cell, type(cell).unroll, None),
            "CfC, wlam, gradient of the plain loop": training(
                cell, LiquidCell.unroll, None
            ),
            "CfC, wlam, elapsed times": training(
                cell, type(cell).unroll, jnp.asarray(ELAPSED)
            ),
            "its matrix products alone": products_alone(),
            "CfC, ncps": training_of_torch(theirs),
            "GRU, torch": training_of_torch(
                torch.nn.GRU(INPUTS, UNITS, batch_first=True)
            ),
        },
        rounds,
    )
    table("training step", steps, 1e3, "ms")
    single = timed(single_steps(cell, theirs), rounds)
    table("one step of one sequence", single, 1e6 / CALLS, "us")


def table(title: str, seconds: dict[str, float], unit: float, name: str) -> None:
    """Prints times, and how many times faster each is than ncps and the GRU."""
    beside = [k for k in ("CfC, ncps", "GRU, torch") if k in seconds]
    rows = [
        [
            who,
            f"{value * unit:.1f}",
            *(f"{seconds[other] / value:.2f}x" for other in beside),
        ]
        for who, value in seconds.items()
    ]
    header = [title, name, *(f"over {other}" for other in beside)]
    print(f"\n{text(Table(header, rows, frozenset({0})))}")


if __name__ == "__main__":
    main()
