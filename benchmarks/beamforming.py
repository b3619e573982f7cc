"""Downlink beams from imperfect channels: sum rates in bit/s/Hz, differences, cost.

    python benchmarks/beamforming.py [all | train | rates | users | parts | time]

64 antennas serve 4 users of 2, 10 dB; all beams are chosen from channels with errors
and judged on the true ones: white channels, tracks at 28 GHz of 5 clusters
(`wlam.phy.precoding.downlink`) and of all, 2,000 samples 10 ms apart. Judged is every
20th of the last 1,000, so that what learns while it runs has had 1,000. Errors are 10,
5 and 0 dB below the channels, or none.

MRT, ZF, RZF, WMMSE   of the imperfect channel; WMMSE from RZF
told                  the error's variance, times the power, is added to the noise
smoothed              of channels by Wiener gains of directions whose powers are
                      exponential averages (`smoothed_wiener`), and told what is left
GLNN, published       the loop of arXiv 2405.07291, at fair power
GLNN, steadied        the same from RZF, with a bounded change that is zero at first
liquid                `wlam.nn.beamformer`, trained on generated tracks, told as well

Everybody who is told is told the same: the variance of the error. 95 % intervals are
over drops, and differences are paired. Networks are trained by `train` (some minutes of
one core for each) on drops of their own and kept in `--weights`; the other parts train
what is missing. Sizes and rates of networks, and memories and exponents of the averages
(by this program, for every error), were chosen on validation drops, seed 1; no figure
is of those.
"""

import os

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from flax import nnx

from wlam.evaluation.bootstrap import Pair, difference, interval
from wlam.nn.beamformer import Beamformer, BeamformerConfig
from wlam.nn.beamformer_online import OnlineBeamformer, OnlineConfig, steadied
from wlam.phy.precoding import (
    DownlinkConfig,
    activity,
    error_variance,
    keep_active,
    mrt,
    rayleigh,
    rzf,
    smoothed_wiener,
    sum_rate,
    tracks,
    with_error,
    wmmse,
    wmmse_converged,
    zf,
)
from wlam.tasks.metrics import Statistic

POWER = 10.0
TRAINING, VALIDATION, TEST, ERRORS = 1000, 1, 3, 5
ERRORS_DB = {"none": 300.0, "10 dB": 10.0, "5 dB": 5.0, "0 dB": 0.0}
SCORED = slice(1000, None, 20)
SMOOTHING = [
    *itertools.product((0.9, 0.95, 0.98), (0.7, 0.9, 1.1, 1.4), (2,)),
    *itertools.product((0.9, 0.95, 0.98), (1.0,), (1,)),
]
"""Memories, exponents and oversampling to choose from."""
WINDOW, WARM, BATCH, DROPS, RATE = 48, 8, 8, 40, 1e-2
"""Of training: samples of a window, those without a loss, windows, drops, Adam."""
Way = Callable[..., Any]
note = partial(print, file=sys.stderr, flush=True)
LIQUID = BeamformerConfig()
NETWORKS = {
    "liquid": LIQUID,
    "LSTM": replace(LIQUID, cell="lstm"),
    "MLP": replace(LIQUID, cell="mlp"),
    "no filter": replace(LIQUID, filter=False),
}


@dataclass(frozen=True)
class Options:
    """What is printed, and on how much."""

    part: Annotated[
        Literal["all", "train", "rates", "users", "parts", "time"],
        tyro.conf.Positional,
    ] = "all"
    # Where trained networks are kept.
    weights: Path = Path("runs/beamforming")
    # To judge, of 2,000 samples each.
    drops: int = 24
    # Of `rates`.
    kinds: tuple[str, ...] = ("white", "tracks", "all clusters")
    # Of training.
    steps: int = 600
    # Turns that contenders take.
    rounds: int = 10


@cache
def channels(kind: str, seed: int, drops: int, users: int = 4) -> np.ndarray:
    """[drop, time, user, rx, tx]: "white", "tracks", or "all clusters"."""
    clusters = None if kind == "all clusters" else 5
    config = DownlinkConfig(users=users, clusters=clusters)

    @jax.jit
    def draw(key: Any) -> Any:
        if kind == "white":
            return rayleigh(key, config.tracks.num_times, users)
        return tracks(key, config)

    keys = jax.random.split(jax.random.key(seed), drops)
    return np.stack([np.asarray(draw(key)) for key in keys])


@dataclass(frozen=True)
class Seen:
    """Channels of one kind in errors of one size; activity [drop, time, user]."""

    clean: np.ndarray
    noisy: np.ndarray
    variance: np.ndarray  # [drop, time]
    active: np.ndarray


def seen(clean: np.ndarray, ratio_db: float, active: np.ndarray | None = None) -> Seen:
    """Users who are not there are not seen either."""

    @jax.jit
    def see(key: Any, h: Any, there: Any) -> Any:
        noisy = keep_active(with_error(key, h, ratio_db), there)
        return noisy, error_variance(noisy, ratio_db)

    there = np.ones(clean.shape[:3], bool) if active is None else active
    keys = jax.random.split(jax.random.key(ERRORS), len(clean))
    found = [see(*drop) for drop in zip(keys, clean, there, strict=True)]
    noisy, variance = (np.stack([np.asarray(x[i]) for x in found]) for i in (0, 1))
    return Seen(clean, noisy, variance, there)


def judged(way: Way, case: Seen) -> np.ndarray:
    """Sum rates [drop, scored sample] of the beams that a way chooses."""
    w = way(case.noisy, case.variance, case.active)
    clean, there = (jnp.asarray(x[:, SCORED]) for x in (case.clean, case.active))
    h = keep_active(clean, there)
    return np.asarray(jax.jit(sum_rate)(h, w), np.float64)


def plain(solve: Way, told: bool = False) -> Way:
    """A precoder of the scored samples by themselves."""
    solve = jax.jit(solve)

    def way(y: np.ndarray, v: np.ndarray, a: np.ndarray) -> Any:
        noise = np.ones_like(v) + POWER * v * told
        return solve(y[:, SCORED], noise[:, SCORED, None], a[:, SCORED])

    return way


def smoothed(solve: Way, constants: tuple) -> Way:
    """A precoder of smoothed channels."""

    @jax.jit
    def way(y: Any, v: Any, a: Any) -> Any:
        def one(drop: tuple) -> tuple:
            h, left = smoothed_wiener(*drop, *constants)
            return h[SCORED], left[SCORED]

        h, left = jax.lax.map(one, (y, v, a))
        return solve(h, 1 + POWER * left, a[:, SCORED])

    return way


def learned(
    model: Beamformer, solve: Way | None = None, config: BeamformerConfig | None = None
) -> Way:
    """A network, or a precoder of what its filter gives."""
    graph, params = nnx.split(model)

    @jax.jit
    def run(params: Any, y: Any, v: Any, a: Any) -> Any:
        network = nnx.merge(graph, params)
        network.config = config or network.config

        def one(drop: tuple) -> tuple:
            y, v, a = (x[None] for x in drop)
            h, left, _ = network.clean(network.start(1, y.shape[2]), y, v, None, a)
            return h[0, SCORED], left[0, SCORED]

        h, left = jax.lax.map(one, (y, v, a))
        if solve is None:
            return network.beams(h, left)
        return solve(h, 1 + POWER * left, a[:, SCORED])

    return partial(run, params)


def online(config: OnlineConfig) -> Way:
    """A network that is tuned as it runs, a fresh one for every drop."""
    loop = OnlineBeamformer(config)

    @jax.jit
    def way(y: Any, v: Any, a: Any) -> Any:
        def one(y: Any, key: Any) -> Any:
            return loop.follow(loop.start(), y, key)[0][SCORED]

        return jax.vmap(one)(y, jax.random.split(jax.random.key(0), len(y)))

    return way


def by_rzf(y: Any, noise: Any, a: Any) -> Any:
    return rzf(y, POWER, noise, a)


def by_wmmse(iterations: int) -> Way:
    return lambda y, noise, a: wmmse(y, POWER, noise, a, iterations)


def best_smoothed(solve: Way, kind: str, ratio_db: float) -> Way:
    """With the constants whose sum rate is the largest on validation drops."""
    case = seen(channels(kind, VALIDATION, 4), ratio_db)
    rates = {c: judged(smoothed(solve, c), case).mean() for c in SMOOTHING}
    best = max(rates, key=lambda c: rates[c])
    note(f"{kind}, {ratio_db:g} dB: memory, exponent, oversampling {best}")
    return smoothed(solve, best)


def classical(kind: str, ratio_db: float) -> dict[str, Way]:
    """All that is not learned."""
    return {
        "MRT": plain(lambda y, noise, a: mrt(y, POWER, a)),
        "ZF": plain(lambda y, noise, a: zf(y, POWER, a)),
        "RZF": plain(by_rzf),
        "WMMSE, 40 iterations": plain(by_wmmse(40)),
        "WMMSE, 400 iterations": plain(by_wmmse(400)),
        "RZF, told": plain(by_rzf, told=True),
        "WMMSE, 400, told": plain(by_wmmse(400), told=True),
        "RZF, smoothed": best_smoothed(by_rzf, kind, ratio_db),
        "WMMSE, 40, smoothed": best_smoothed(by_wmmse(40), kind, ratio_db),
    }


def trained(name: str, options: Options) -> Beamformer:
    """A network from its file, or from training, which writes the file."""
    path = options.weights / f"{name.replace(' ', '_')}.npz"
    model = NETWORKS[name].build(nnx.Rngs(0))
    graph, params = nnx.split(model)
    leaves, tree = jax.tree.flatten(params)
    if not path.exists():
        params = train(graph, params, name, options.steps)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, *[np.asarray(x) for x in jax.tree.leaves(params)])
    with np.load(path) as file:
        kept = [jnp.asarray(file[x]) for x in file.files]
    if [x.shape for x in kept] != [x.shape for x in leaves]:
        raise ValueError(f"weights: found another network in {path}; needed {name}")
    return nnx.merge(graph, jax.tree.unflatten(tree, kept))


def train(graph: Any, params: Any, name: str, steps: int) -> Any:
    """Adam on the sum rate of true channels: windows of tracks, every 8th white."""
    clean = channels("tracks", TRAINING, DROPS)
    schedule = optax.cosine_decay_schedule(RATE, steps)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))

    @jax.jit
    def step(params: Any, state: Any, h: Any, key: Any) -> tuple:
        keys = jax.random.split(key, 3)
        ratio_db = jax.random.uniform(keys[0], (BATCH, 1), minval=-2.0, maxval=15.0)
        h = h.at[0].set(rayleigh(keys[2], WINDOW))
        noisy = with_error(keys[1], h, ratio_db)
        variance = error_variance(noisy, ratio_db)

        def loss(params: Any) -> Any:
            network = nnx.merge(graph, params)
            begin = network.start(BATCH, h.shape[2])
            w, _ = network(begin, noisy, variance)
            return -sum_rate(h[:, WARM:], w[:, WARM:]).mean()

        value, gradients = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, value

    rng, key = np.random.default_rng(0), jax.random.key(TRAINING)
    state, begin, values = optimizer.init(params), time.perf_counter(), []
    for i in range(steps):
        drops = rng.integers(len(clean), size=BATCH)
        starts = rng.integers(clean.shape[1] - WINDOW, size=BATCH)
        windows = [clean[d, s : s + WINDOW] for d, s in zip(drops, starts, strict=True)]
        params, state, value = step(
            params, state, jnp.asarray(np.stack(windows)), jax.random.fold_in(key, i)
        )
        values.append(float(value))
        if (i + 1) % 100 == 0:
            note(
                f"{name}: step {i + 1}, {-np.mean(values[-100:]):.2f} bit/s/Hz, "
                f"{time.perf_counter() - begin:.0f} s"
            )
    return params


def statistic(rates: np.ndarray) -> tuple[Statistic, np.ndarray]:
    """Of rates [drop, sample], and their drops."""
    flat = rates.ravel()
    return Statistic(flat, np.ones_like(flat)), np.repeat(
        np.arange(len(rates)), rates[0].size
    )


def mean_cell(rates: np.ndarray) -> str:
    value, groups = statistic(rates)
    return "{:.2f} [{:.2f}, {:.2f}]".format(value.value, *interval(value, groups))


def difference_cell(ours: np.ndarray, other: np.ndarray) -> str:
    (mine, groups), (theirs, _) = statistic(ours), statistic(other)
    found = difference([Pair(mine, theirs, groups)])
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def table(title: str, head: list[str], rows: dict[str, list[str]]) -> None:
    print(f"| {title} |", " | ".join(head), f"|\n| --- |{' ---: |' * len(head)}")
    for name, cells in rows.items():
        print(f"| {name} |", " | ".join(cells), "|")
    print(flush=True)


def rates(options: Options) -> None:
    """Everybody on both channels and all errors, and what the liquid one has more."""
    model = trained("liquid", options)
    published = OnlineConfig(power=POWER)
    for kind in options.kinds:
        found: dict[str, list[np.ndarray]] = {}
        for name, ratio_db in ERRORS_DB.items():
            ways = classical(kind, ratio_db)
            if kind != "all clusters":
                ways["GLNN, published"] = online(published)
                ways["GLNN, steadied"] = online(steadied(published))
            ways["liquid"] = learned(model)
            case = seen(channels(kind, TEST, options.drops), ratio_db)
            for who, way in ways.items():
                found.setdefault(who, []).append(judged(way, case))
                note(f"{kind}, {name}: {who} {found[who][-1].mean():.2f}")
        head = [f"error {name}" for name in ERRORS_DB]
        cells = {who: [mean_cell(r) for r in each] for who, each in found.items()}
        table(f"{kind}: bit/s/Hz", head, cells)
        ours = found.pop("liquid")
        cells = {
            who: [difference_cell(a, b) for a, b in zip(ours, each, strict=True)]
            for who, each in found.items()
        }
        table(f"{kind}: liquid less", head, cells)


def users(options: Options) -> None:
    """Up to 6 users who come and go, on tracks, at 10 dB: by how many there are."""
    model, most = trained("liquid", options), 6
    keys = jax.random.split(jax.random.key(TEST), options.drops)
    draw = jax.jit(lambda key: activity(key, 2000, most, 0.6, 200.0))
    active = np.stack([np.asarray(draw(key)) for key in keys])
    case = seen(channels("tracks", TEST, options.drops, most), 10.0, active)
    ways = classical("tracks", 10.0) | {"liquid": learned(model)}
    number = active[:, SCORED].sum(-1)
    counts = {"1 or 2": (1, 2), "3 or 4": (3, 4), "5 or 6": (5, 6)}
    found = {who: judged(way, case) for who, way in ways.items()}
    rows = {}
    for who, each in found.items():
        cells = [mean_cell(each)]
        for low, high in counts.values():
            inside = (number >= low) & (number <= high)
            cells.append(f"{each[inside].mean():.2f}")
        rows[who] = [*cells, difference_cell(found["liquid"], each)]
    shares = [
        ((number >= low) & (number <= high)).mean() for low, high in counts.values()
    ]
    head = [f"{c} ({s:.0%})" for c, s in zip(counts, shares, strict=True)]
    table("users", ["all", *head, "liquid less it"], rows)


def parts(options: Options) -> None:
    """What becomes of it without its parts, on tracks."""
    model = trained("liquid", options)
    config = OnlineConfig(power=POWER)
    ways: dict[str, Way] = {
        "liquid": learned(model),
        "its filter and RZF (no steps)": learned(model, by_rzf),
        "its filter and WMMSE, 40": learned(model, by_wmmse(40)),
        "no manifold": learned(model, None, replace(LIQUID, manifold=False)),
        "no filter": learned(trained("no filter", options)),
        "LSTM": learned(trained("LSTM", options)),
        "MLP": learned(trained("MLP", options)),
        "GLNN, published": online(config),
        "published, no residual": online(replace(config, residual=False)),
        "published, no manifold": online(replace(config, manifold=False)),
        "published, LSTM": online(replace(config, cell="lstm")),
        "published, MLP": online(replace(config, cell="mlp")),
        "GLNN, steadied": online(steadied(config)),
        "RZF": plain(by_rzf),
    }
    rows: dict[str, list[str]] = {who: [] for who in ways}
    for ratio_db in (10.0, 0.0):
        case = seen(channels("tracks", TEST, options.drops), ratio_db)
        found = {who: judged(way, case) for who, way in ways.items()}
        for who, each in found.items():
            rows[who].append(mean_cell(each))
            rows[who].append(difference_cell(each, found["liquid"]))
    head = ["10 dB", "less liquid", "0 dB", "less liquid"]
    table("tracks: bit/s/Hz", head, rows)


def cost(options: Options) -> None:
    """CPU time of a sample of a track, one thread, contenders in turns, at 10 dB."""
    model, count = trained("liquid", options), 50
    case = seen(channels("tracks", TEST, 4), 10.0)
    y, v = (jnp.asarray(x[0, :count]) for x in (case.noisy, case.variance))
    ys, vs = list(y), list(v)
    loop = OnlineBeamformer(OnlineConfig(power=POWER))
    key = jax.random.key(0)

    def of(solve: Way) -> tuple[Way, Any]:
        return jax.jit(lambda carried, h, _: (solve(h), carried)), None

    def network(config: BeamformerConfig) -> tuple[Way, Any]:
        """Weights are constants of the program."""
        graph, params = nnx.split(model)
        constant = nnx.merge(graph, params)
        constant.config = config

        @jax.jit
        def run(carried: Any, h: Any, variance: Any) -> Any:
            w, carried = constant(carried, h[None, None], variance[None, None])
            return w[0, 0], carried

        return run, constant.start(1, 4)

    def converged(tolerance: float) -> tuple[Way, Any]:
        run = jax.jit(lambda h: wmmse_converged(h, POWER, tolerance=tolerance))
        steps = [int(run(h)[1]) for h in ys]
        note(f"WMMSE to {tolerance:g}: {np.mean(steps):.0f} iterations")
        return of(lambda h: run(h)[0])

    contenders = {
        "RZF": of(lambda h: rzf(h, POWER)),
        "WMMSE, 40 iterations": of(lambda h: wmmse(h, POWER)),
        "WMMSE, 400 iterations": of(lambda h: wmmse(h, POWER, iterations=400)),
        "WMMSE to 1e-4": converged(1e-4),
        "WMMSE to 1e-5": converged(1e-5),
        "WMMSE to 1e-6": converged(1e-6),
        "GLNN, published": (
            jax.jit(lambda tuned, h, _: loop.sample(tuned, h, key)),
            loop.start(),
        ),
        "liquid": network(LIQUID),
        "liquid, no manifold": network(replace(LIQUID, manifold=False)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(options.rounds + 1):
        for name, (run, carried) in contenders.items():
            begin, w = time.process_time(), None
            for h, variance in zip(ys, vs, strict=True):
                w, carried = run(carried, h, variance)
            jax.block_until_ready(w)
            seconds[name].append((time.process_time() - begin) / count)
    least = {name: min(times[1:]) for name, times in seconds.items()}
    beside = [name for name in contenders if name.startswith("WMMSE")]
    table(
        "a sample",
        ["us", *(f"of {name}" for name in beside)],
        {
            name: [f"{1e6 * x:.0f}", *(f"{x / least[other]:.1%}" for other in beside)]
            for name, x in least.items()
        },
    )


def main(options: Options) -> None:
    if options.part in ("all", "train"):
        for name in NETWORKS:
            trained(name, options)
    programs = {"rates": rates, "users": users, "parts": parts, "time": cost}
    for name, run in programs.items():
        if options.part in ("all", name):
            run(options)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
