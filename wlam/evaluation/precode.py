"""Downlink beams from imperfect channels: the sum rate, beside classical precoders.

All beams are chosen from channels with errors and judged on the channels without them.
A base station is one group of the bootstrap.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Complex, Float

from wlam.data.generators import generate
from wlam.evaluation.ask import curves, mean_of
from wlam.evaluation.evaluator import MODEL, Evaluator, Result
from wlam.metrics import Statistic
from wlam.models.base import Model
from wlam.phy.mimo.precoding import (
    error_variance,
    keep_active,
    mrt,
    normalise_power,
    rzf,
    smoothed_wiener,
    sum_rate,
    with_error,
    wmmse,
    zf,
)
from wlam.simulate.downlink import DownlinkConfig, RayleighConfig, activity

ERRORS, ACTIVITY, VALIDATION_SEED = 5, 6, 1
"""Seed of the errors, stream of who is there, seed on which constants are chosen."""
NO_ERROR_DB = 300.0
TRUE = "WMMSE, true channels"
SMOOTHING = (
    *itertools.product((0.9, 0.95, 0.98), (0.7, 0.9, 1.1, 1.4), (2,)),
    *itertools.product((0.9, 0.95, 0.98), (1.0,), (1,)),
)
"""Memories, exponents and oversampling of averages, to choose from."""


@dataclass(frozen=True)
class Observed:
    """What precoders see of base stations, and what their beams are judged on."""

    clean: Complex[np.ndarray, "drop time user rx tx"]
    noisy: Complex[np.ndarray, "drop time user rx tx"]
    variance: Float[np.ndarray, "drop time"]  # of the error of every entry
    active: Bool[np.ndarray, "drop time user"]


How = str | int
"""mrt, zf, rzf, or the iterations of WMMSE."""
Constants = tuple[float, float, int]
Way = Callable[[Observed], Any]
"""-> beams [drop, scored sample, tx, user]"""


@dataclass(frozen=True)
class Precode(Evaluator):
    """Sum rates in bit/s/Hz, at one or more sizes of the channels' errors."""

    # Config of a generator of Downlink; its samples are consecutive.
    source: Any = field(default_factory=DownlinkConfig)
    # Power of the channels over that of their errors, in dB; 300 is no error.
    error_ratio_db: tuple[float, ...] = (10.0, 0.0)
    # Of all beams together, over the noise at a user's antenna.
    power: float = 10.0
    # Base stations.
    drops: int = 4
    # The first sample that is judged, and every which of those behind it.
    first: int = 1000
    every: int = 20
    # Share of the time for which each user is there; None: always.
    activity: float | None = None
    # Of users who come and go, in samples.
    memory: float = 200.0
    # Iterations of WMMSE: each is a baseline.
    iterations: tuple[int, ...] = (40, 400)
    # Base stations of their own on which averages over time choose their constants; 0:
    # no such baselines.
    validation: int = 2
    seed: int = 3

    def __post_init__(self) -> None:
        for name in ("drops", "every"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name}: found {value}; needed 1 or more")
        if not self.error_ratio_db or not self.iterations:
            raise ValueError(
                f"error_ratio_db, iterations: found {self.error_ratio_db}, "
                f"{self.iterations}; needed one or more"
            )
        if not 0 <= self.first < self._samples:
            raise ValueError(
                f"first: found {self.first} of {self._samples} samples; needed fewer"
            )

    @property
    def _samples(self) -> int:
        source = self.source
        if isinstance(source, RayleighConfig):
            return source.num_times
        return source.tracks.num_times

    @property
    def _scored(self) -> slice:
        return slice(self.first, None, self.every)

    def why_not(self, model: Model) -> str:
        """Only what forms beams."""
        return "" if model.can("precode") else "the model forms no beams"

    def run(self, name: str, model: Model | None, baselines: bool = True) -> Result:
        """Sum rates: a metric for each ratio, and for each number of users there."""
        clean, active = self._channels(self.seed, self.drops)
        statistics: dict[str, dict[str, Statistic]] = {}
        for ratio_db in self.error_ratio_db:
            seen = self._observe(clean, active, ratio_db)
            ways = self._baselines(ratio_db) if baselines else {}
            if model is not None:
                ways = {MODEL: partial(self._beams, model)} | ways
            for who, way in ways.items():
                found = self._rates(way(seen), seen)
                scores = self._scores(found, active, metric_of(ratio_db))
                statistics[who] = statistics.get(who, {}) | scores
        metrics = [metric_of(x) for x in self.error_ratio_db]
        scored = clean[:, self._scored].shape[1]
        result = Result(
            name=name,
            question=f"{self.source.users} users",
            headline=metrics[0],
            statistics=statistics,
            groups=np.repeat(np.arange(self.drops), scored),
            about=f"generated: {self.source}",
            informed=frozenset({TRUE}),
        )

        def pictures() -> dict[str, Any]:
            shown = [x for x in self.error_ratio_db if x < NO_ERROR_DB]
            names = [metric_of(x) for x in shown]
            along = "channels over their errors, dB"
            drawn = curves(result, names, shown, along, "sum rate, bit/s/Hz")
            return {"sum rate over the error of channels": drawn}

        return replace(result, pictures=pictures)

    def _beams(self, model: Any, seen: Observed) -> Any:
        """What the model forms, at the power of all others."""
        found = []
        for h, variance, there in zip(
            seen.noisy, seen.variance, seen.active, strict=True
        ):
            known = None if self.activity is None else there
            beams = model.precode(h, variance, active=known)
            found.append(beams[self._scored])
        return normalise_power(jnp.asarray(np.stack(found)), self.power)

    def _rates(self, beams: Any, seen: Observed) -> Float[np.ndarray, "drop scored"]:
        there = jnp.asarray(seen.active[:, self._scored])
        h = keep_active(jnp.asarray(seen.clean[:, self._scored]), there)
        return np.asarray(jax.jit(sum_rate)(h, beams), np.float64)

    def _scores(
        self, rates: np.ndarray, active: np.ndarray, metric: str
    ) -> dict[str, Statistic]:
        found = {metric: mean_of(rates.ravel(), higher=True)}
        if self.activity is None:
            return found
        number = active[:, self._scored].sum(-1).ravel()
        for low in range(1, self.source.users + 1, 2):
            inside = (number >= low) & (number <= low + 1)
            name = f"{metric}, {low} or {low + 1} users"
            found[name] = mean_of(rates.ravel(), inside, higher=True)
        return found

    def _channels(self, seed: int, drops: int) -> tuple[np.ndarray, np.ndarray]:
        """Channels, and who is there."""
        key = jax.random.key(seed)
        draw = jax.jit(lambda key: generate(key, self.source, drops).channels)
        clean = np.asarray(draw(key))
        if self.activity is None:
            return clean, np.ones(clean.shape[:3], bool)
        share, samples, users = self.activity, clean.shape[1], clean.shape[2]
        there = jax.jit(lambda key: activity(key, samples, users, share, self.memory))
        keys = jax.random.split(jax.random.fold_in(key, ACTIVITY), drops)
        return clean, np.stack([np.asarray(there(key)) for key in keys])

    def _observe(
        self, clean: np.ndarray, active: np.ndarray, ratio_db: float
    ) -> Observed:
        """Users who are not there are not seen either."""

        keys = jax.random.split(jax.random.key(ERRORS), len(clean))
        found = [
            observe(*drop, ratio_db) for drop in zip(keys, clean, active, strict=True)
        ]
        noisy, variance = (np.stack([np.asarray(x[i]) for x in found]) for i in (0, 1))
        return Observed(clean, noisy, variance, active)

    # ---- baselines -------------------------------------------------------------------

    def _baselines(self, ratio_db: float) -> dict[str, Way]:
        few, most = min(self.iterations), max(self.iterations)
        ways = {
            "MRT": self._plain("mrt"),
            "ZF": self._plain("zf"),
            "RZF": self._plain("rzf"),
            **{f"WMMSE, {count}": self._plain(count) for count in self.iterations},
            "RZF, error known": self._plain("rzf", known=True),
            f"WMMSE, {most}, error known": self._plain(most, known=True),
        }
        if self.validation:
            clean, active = self._channels(VALIDATION_SEED, self.validation)
            seen = self._observe(clean, active, ratio_db)
            ways["RZF, smoothed"] = self._best_smoothed("rzf", seen)
            ways[f"WMMSE, {few}, smoothed"] = self._best_smoothed(few, seen)
        return ways | {TRUE: self._plain(most, true=True)}

    def _plain(self, how: How, known: bool = False, true: bool = False) -> Way:
        """A precoder of the scored samples by themselves."""

        def way(seen: Observed) -> Any:
            scored = self._scored
            y, active = (seen.clean if true else seen.noisy), seen.active[:, scored]
            noise = np.ones_like(seen.variance) + self.power * seen.variance * known
            h = keep_active(jnp.asarray(y[:, scored]), jnp.asarray(active))
            return by(h, noise[:, scored, None], active, power=self.power, how=how)

        return way

    def _smoothed(self, how: How, constants: Constants) -> Way:
        """A precoder of channels whose directions are weighted by averages over time.

        What is left of the error counts as noise.
        """
        memory, exponent, oversampling = constants

        def way(seen: Observed) -> Any:
            found = [
                smoothed(y, v, a, memory, exponent, oversampling=oversampling)
                for y, v, a in zip(seen.noisy, seen.variance, seen.active, strict=True)
            ]
            h, left = (jnp.stack([x[i][self._scored] for x in found]) for i in (0, 1))
            active = seen.active[:, self._scored]
            return by(h, 1 + self.power * left, active, power=self.power, how=how)

        return way

    def _best_smoothed(self, how: How, seen: Observed) -> Way:
        """With the constants whose sum rate is the largest on these base stations."""
        ways = [self._smoothed(how, constants) for constants in SMOOTHING]
        return max(ways, key=lambda way: self._rates(way(seen), seen).mean())


@partial(jax.jit, static_argnames=("power", "how"))
def by(h: Any, noise: Any, active: Any, *, power: float, how: How) -> Any:
    """Beams of a classical precoder, [.., tx, user].

    Args:
        h: channels [.., user, rx, tx] of all who are there.
        noise: at every antenna of a user.
        active: who is there.
        power: of all beams together.
        how: mrt, zf, rzf, or the iterations of WMMSE.
    """
    if how == "mrt":
        return mrt(h, power, active)
    if how == "zf":
        return zf(h, power, active)
    if isinstance(how, str):
        return rzf(h, power, noise, active)
    return wmmse(h, power, noise, active, how)


@partial(jax.jit, static_argnames="oversampling")
def smoothed(
    y: Any, v: Any, a: Any, memory: Any, exponent: Any, *, oversampling: int
) -> tuple[Any, Any]:
    """See `wlam.phy.mimo.precoding.smoothed_wiener`."""
    return smoothed_wiener(y, v, a, memory, exponent, oversampling)


@jax.jit
def observe(key: Any, h: Any, there: Any, ratio_db: Any) -> tuple[Any, Any]:
    """Channels of those who are there in errors, and the variance of these."""
    noisy = keep_active(with_error(key, h, ratio_db), there)
    return noisy, error_variance(noisy, ratio_db)


def metric_of(ratio_db: float) -> str:
    """Name of the sum rate at a ratio of channels over their errors."""
    if ratio_db >= NO_ERROR_DB:
        return "sum rate, no error"
    return f"sum rate, error {ratio_db:g} dB"
