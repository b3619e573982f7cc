"""Downlink beams from imperfect channels: sum rates in bit/s/Hz, differences, cost.

    python benchmarks/beamforming.py [all | rates | users | parts | time]

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
over drops, and differences are paired. Networks are those of configs/beamformer.py;
what has no run is trained first (some minutes of one core for each). Sizes and rates of
networks, and memories and exponents of the averages (by this program, for every error),
were chosen on validation drops, seed 1; no figure is of those.
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
import tyro
from beamforming_ways import (
    ERRORS_DB,
    POWER,
    SCORED,
    TEST,
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
from compare import configs_of, trained
from flax import nnx

from wlam.bootstrap import Pair, difference, interval
from wlam.metrics import Statistic
from wlam.models.beamformer.api import BeamformerAPI
from wlam.models.beamformer.network import Beamformer, BeamformerConfig
from wlam.models.beamformer.online import OnlineBeamformer, OnlineConfig, steadied
from wlam.phy.mimo.precoding import (
    rzf,
    wmmse,
    wmmse_converged,
)
from wlam.simulate.downlink import activity

CONFIG = str(Path(__file__).parents[1] / "configs" / "beamformer.py")
LIQUID = BeamformerConfig()
NETWORKS = {"liquid": "liquid", "LSTM": "lstm", "MLP": "mlp", "no filter": "no_filter"}
"""Rows of the tables, by the names of the config file."""


@dataclass(frozen=True)
class Options:
    """What is printed, and on how much."""

    part: Annotated[
        Literal["all", "rates", "users", "parts", "time"],
        tyro.conf.Positional,
    ] = "all"
    # To judge, of 2,000 samples each.
    drops: int = 24
    # Of `rates`.
    kinds: tuple[str, ...] = ("white", "tracks", "all clusters")
    # Turns that contenders take.
    rounds: int = 10


def network(name: str) -> Beamformer:
    """A network of configs/beamformer.py; trained by train.py where it has no run."""
    key = NETWORKS[name]
    found = trained(CONFIG, key, configs_of(CONFIG)[key])
    assert isinstance(found, BeamformerAPI)
    return found.network


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
    model = network("liquid")
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
    model, most = network("liquid"), 6
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
    model = network("liquid")
    config = OnlineConfig(power=POWER)
    ways: dict[str, Way] = {
        "liquid": learned(model),
        "its filter and RZF (no steps)": learned(model, by_rzf),
        "its filter and WMMSE, 40": learned(model, by_wmmse(40)),
        "no manifold": learned(model, None, replace(LIQUID, manifold=False)),
        "no filter": learned(network("no filter")),
        "LSTM": learned(network("LSTM")),
        "MLP": learned(network("MLP")),
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
    model, count = network("liquid"), 50
    case = seen(channels("tracks", TEST, 4), 10.0)
    y, v = (jnp.asarray(x[0, :count]) for x in (case.noisy, case.variance))
    ys, vs = list(y), list(v)
    loop = OnlineBeamformer(OnlineConfig(power=POWER))
    key = jax.random.key(0)

    def of(solve: Way) -> tuple[Way, Any]:
        return jax.jit(lambda carried, h, _: (solve(h), carried)), None

    def as_constant(config: BeamformerConfig) -> tuple[Way, Any]:
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
        "liquid": as_constant(LIQUID),
        "liquid, no manifold": as_constant(replace(LIQUID, manifold=False)),
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
    programs = {"rates": rates, "users": users, "parts": parts, "time": cost}
    for name, run in programs.items():
        if options.part in ("all", name):
            run(options)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
