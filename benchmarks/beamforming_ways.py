"""Everybody who finds beams in `beamforming.py`, and their channels."""

import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from wlam.models.beamformer.network import Beamformer, BeamformerConfig
from wlam.models.beamformer.online import OnlineBeamformer, OnlineConfig
from wlam.models.beamformer.tuning import OnlineTuner
from wlam.phy.mimo.precoding import (
    error_variance,
    keep_active,
    mrt,
    rzf,
    smoothed_wiener,
    sum_rate,
    with_error,
    wmmse,
    zf,
)
from wlam.simulate.downlink import DownlinkConfig, rayleigh, tracks

POWER = 10.0
VALIDATION, TEST, ERRORS = 1, 3, 5
ERRORS_DB = {"none": 300.0, "10 dB": 10.0, "5 dB": 5.0, "0 dB": 0.0}
SCORED = slice(1000, None, 20)
SMOOTHING = [
    *itertools.product((0.9, 0.95, 0.98), (0.7, 0.9, 1.1, 1.4), (2,)),
    *itertools.product((0.9, 0.95, 0.98), (1.0,), (1,)),
]
"""Memories, exponents and oversampling to choose from."""
Way = Callable[..., Any]
note = partial(print, file=sys.stderr, flush=True)


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


def tuned(model: Beamformer) -> Way:
    """A network whose filter goes on learning, one of its own for every drop."""
    tuner = OnlineTuner(model)

    @jax.jit
    def way(y: Any, v: Any, a: Any) -> Any:
        def one(drop: tuple) -> tuple:
            h, left, _ = tuner.follow(tuner.start(y.shape[2]), *drop)
            return h[SCORED], left[SCORED]

        keys = jax.random.split(jax.random.key(0), len(y))
        return model.beams(*jax.lax.map(one, (y, v, keys)))

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
