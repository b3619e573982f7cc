"""Downlink beams from imperfect channels: sum rates in bit/s/Hz, differences, cost.

    python benchmarks/beamforming.py [all | train | rates | users | parts | time]

64 antennas serve 4 users of 2, 10 dB; all beams are chosen from channels with errors
and judged on the true ones: white channels, tracks at 28 GHz of 5 clusters
(`wlam.simulate.downlink`) and of all, 2,000 samples 10 ms apart. Judged is every
20th of the last 1,000, so that what learns while it runs has had 1,000. Errors are 10,
5 and 0 dB below the channels, or none.

MRT, ZF, RZF, WMMSE   of the imperfect channel; WMMSE from RZF
told                  the error's variance, times the power, is added to the noise
smoothed              of channels by Wiener gains of directions whose powers are
                      exponential averages (`smoothed_wiener`), and told what is left
GLNN, published       the loop of arXiv 2405.07291, at fair power
GLNN, steadied        the same from RZF, with a bounded change that is zero at first
liquid                `wlam.models.beamformer.network`, trained on generated tracks,
told as well liquid, tuned online  the same, whose filter goes on learning from the
imperfect
                      channels alone (`wlam.models.beamformer.tuning`)

Everybody who is told is told the same: the variance of the error. 95 % intervals are
over drops, and differences are paired. Networks are trained by `train` (some minutes of
one core for each) on drops of their own and kept in `--weights`; the other parts train
what is missing. Sizes and rates of networks, and memories and exponents of the averages
(by this program, for every error), were chosen on validation drops, seed 1; no figure
is of those.
"""

import os

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from beamforming_ways import (
    ERRORS_DB,
    POWER,
    SCORED,
    TEST,
    TRAINING,
    Way,
    by_rzf,
    by_wmmse,
    channels,
    classical,
    judged,
    learned,
    note,
    online,
    plain,
    seen,
    tuned,
)
from flax import nnx

from wlam.bootstrap import Pair, difference, interval
from wlam.metrics import Statistic
from wlam.models.beamformer.network import Beamformer, BeamformerConfig
from wlam.models.beamformer.online import OnlineBeamformer, OnlineConfig, steadied
from wlam.phy.mimo.precoding import (
    error_variance,
    rzf,
    sum_rate,
    with_error,
    wmmse,
    wmmse_converged,
)
from wlam.simulate.downlink import activity, rayleigh

WINDOW, WARM, BATCH, DROPS, RATE = 48, 8, 8, 40, 1e-2
"""Of training: samples of a window, those without a loss, windows, drops, Adam."""
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
            ways["liquid, tuned online"] = tuned(model)
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
        "published, no variance in its loss": online(
            replace(config, variance_weight=0.0)
        ),
        "published, rate 1e-3": online(replace(config, rate=1e-3)),
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
