"""Training-free forecasts of series, which the model starts from, with backtest errors.

A network needs millions of examples to learn what a least-squares fit finds in one
context: the frequencies of a few tones, how similar two days are. So such forecasts,
from the simplest to seasonal fits (`FORECASTS`), are made after every patch, with the
error of each so far; the network weights and corrects them.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Bool, Float, Inexact, Int

from wlam.baselines.bank.days import SEASON, same_time, yesterday
from wlam.ops.einsum import einsum
from wlam.ops.solve import solve_positive
from wlam.simulate.traffic import DAY_S
from wlam.types import TIME

FORECASTS = (
    "last value",
    "mean",
    "constant slope",
    "long AR",
    "short AR",
    "AR of changes",
    "seasonal AR",
    "yesterday",
    "yesterday from here",
    "days' mean",
)
"""Names of the forecasts. Without a day in the context the last four are short ARs."""

# Chosen on training and validation streams: the first three with the long AR alone,
# those of the backtest with all forecasts. benchmarks/speed/baselines.py prints errors.
ORDER = 8
"""Own past samples of the long AR; complex series may have as many tones."""
POOLED_ORDER = 12
"""The same for groups of complex series, which share more equations."""
NEIGHBOURS = 4
"""Past samples of the beam on either side that the long AR of a sweep uses as well."""
SHORT_ORDER = 3
"""Own past samples of the short AR, past changes, and samples of the seasonal AR."""
DAYS = 3
"""Days that the last forecast averages."""
FEWEST = 2
"""Past samples that an equation needs; older unknown ones are 0."""
ENOUGH = 2
"""Equations for each coefficient that a fit needs."""
RIDGE, FIRM_RIDGE = 1e-4, 3e-2
"""Penalties relative to the mean power of the regressors: of the long AR and others."""
ROUNDING = 1e-5
"""Penalty relative to the power of a mean that was subtracted from sums in float32."""
BOUND = 2.0
"""Multiple of the largest sample seen so far that forecasts are kept within, those of
autoregressions counted from the mean so far."""
EXPLODED = 1e3
"""Multiple of that bound at which changes stop growing."""
FADE = 0.9
"""Weight of an error a patch later: fits improve, and series change."""
RARE = 1e-3
"""Samples that a backtest error begins with, at the error of the mean."""
STRIDE = 4
"""Samples between two forecasts of the backtest: more of them than patches."""
ABSENT = 1e3
"""Backtest error of a forecast that does not exist and that another replaces."""
OF_ALL_LEADS = 4
"""Samples that the error of a lead begins with, at the error over all leads."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class BaselineForecasts:
    """Forecasts after every patch, and their backtest errors before it."""

    forecasts: Float[Array, "*b n q forecast"]
    # Mean square error of each so far, of forecasts up to as many samples ahead; 1,
    # that of the mean, without known samples.
    backtest_error: Float[Array, "*b n q forecast"]


def steps_per_day(
    interval: Float[Array, " b"], axis: Int[Array, "#b"] | int
) -> Int[Array, " b"]:
    """A day in steps, which only series along time have; 0 for the others."""
    steps = jnp.round(DAY_S / jnp.where(axis == TIME, interval, jnp.inf))
    return jnp.minimum(steps, 1e9).astype(jnp.int32)


def baseline_forecasts(
    values: Float[Array, "b g t"],
    hidden: Bool[Array, "b t"],
    given: Bool[Array, "b t"],
    season: Int[Array, " b"],
    patch: int,
    horizon: int,
    is_complex: bool,
) -> BaselineForecasts:
    """`FORECASTS` of the samples after each patch, from those before.

    The autoregressions are regularised least squares (the covariance method), one
    coefficient vector for the g series of a group: the beams of a sweep, or the angles
    of a channel. Sums of lag products over patches are accumulated, so that the fits of
    all n prefixes cost one pass over the series. The regressors are the last ORDER
    samples (POOLED_ORDER of a group of complex series), or SHORT_ORDER, and beside them

    - of g > 1 real series, NEIGHBOURS samples of the series before and after them in
      the group: a user's movement shifts the pattern of a sweep over its beams, so that
      a beam rises because its neighbour was strong;
    - of a single real series, the SEASON samples of the day before (a seasonal AR).

    Changes from sample to sample have an AR of their own, for series without a mean.

    The backtest forecasts every STRIDE samples. The context has mean 0, but its first
    half has not: every forecast, and its fit, starts from the mean of the samples given
    by then. Else the backtest error of the mean would be too small.

    Args:
        values: normalised series; hidden samples have no influence.
        hidden: True where a sample is unknown.
        given: True for samples of the context: those after it, known or forecast
            before, are not in the backtest.
        season: steps in a day, see `steps_per_day`; 0: none.
        patch, horizon: samples in a patch, and to forecast after each.
        is_complex: the first half of a group are real and the second half imaginary
            parts of g / 2 series, whose coefficients are complex.

    Returns:
        Entries [:, :, i] use samples of patches 0..i only. Where they are too
        few for a fit, an AR is the mean so far, and that of changes the last value.
    """
    x = jnp.where(hidden[:, None], 0.0, values)
    stride, given = math.gcd(patch, STRIDE), given & ~hidden
    level = _means_so_far(x, given)[:, stride - 1 :: stride]
    if is_complex:
        half = values.shape[1] // 2
        z = jax.lax.complex(x[:, :half], x[:, half:])
        z, there = _forecasts(z, hidden, 0 * level, season, stride, horizon)
        forecasts = jnp.concatenate([z.real, z.imag], axis=1)
    else:
        forecasts, there = _forecasts(x, hidden, level, season, stride, horizon)
    error = _backtest_errors(forecasts, there, x, given, stride, patch)
    now = slice(patch // stride - 1, None, patch // stride)
    error = jnp.where(there[:, None, now], error, ABSENT)
    return BaselineForecasts(forecasts[:, :, now], error)


class _Past(NamedTuple):
    """Series as the forecasts use them, [.., k] being lags."""

    x: Inexact[Array, "b g t"]
    hidden: Bool[Array, "b t"]
    level: Float[Array, "b m"]  # the mean up to every origin
    lags: Inexact[Array, "b g t k"]  # lags[..., t, k] = x[t - k]; 0 where unknown
    known: Bool[Array, "b t k"]
    last: Int[Array, " m"]  # the last step before every origin
    largest: Float[Array, "b g m"]  # bound of the forecasts

    @staticmethod
    def of(x: Array, hidden: Array, level: Array, stride: int, order: int) -> "_Past":
        time = jnp.arange(x.shape[-1])
        last = time[stride - 1 :: stride]
        ago = time[:, None] - jnp.arange(order + 1)[None]
        lags = jnp.where(ago >= 0, x[..., jnp.maximum(ago, 0)], 0.0)
        known = jnp.where(ago >= 0, ~hidden[:, jnp.maximum(ago, 0)], False)
        largest = BOUND * jax.lax.cummax(abs(x), axis=2)[..., last]
        return _Past(x, hidden, level, lags, known, last, largest)

    def bounded(self, forecast: Inexact[Array, "b g m q"]) -> Array:
        limit = self.largest[..., None]
        return forecast * limit / jnp.maximum(jnp.maximum(abs(forecast), limit), 1e-30)

    def centred(self, values: Array, are_known: Array) -> Array:
        """Known values [b g m k] minus the level; 0 is the mean, where unknown too."""
        centred = values - self.level[:, None, :, None]
        return jnp.where(are_known[:, None], centred, 0)

    def continued(self, coefficients: Array, beside: Array) -> Array:
        """Feeds forecasts back; `beside` holds more regressors of every step."""
        order = self.lags.shape[-1] - 1

        def step(past: Array, more: Array) -> tuple[Array, Array]:
            now = _own_and_neighbours(jnp.pad(past, ((0, 0), (0, 0), (0, 0), (1, 0))))
            now = jnp.concatenate([now[..., 1:], more], axis=-1)
            after = einsum("bgnk,bnk->bgn", now, coefficients)
            after = self.bounded(after[..., None])
            return jnp.concatenate([after, past[..., :-1]], axis=-1), after[..., 0]

        known = self.known[:, self.last, :order]
        past = self.centred(self.lags[..., self.last, :order], known)
        _, forecast = jax.lax.scan(step, past, beside)
        forecast = rearrange(forecast, "q b g n -> b g n q")
        return forecast + self.level[:, None, :, None]


@partial(jax.jit, static_argnames=("stride", "horizon"))
def _forecasts(
    x: Inexact[Array, "b g t"],
    hidden: Bool[Array, "b t"],
    level: Float[Array, "b m"],
    season: Int[Array, " b"],
    stride: int,
    horizon: int,
) -> tuple[
    Inexact[Array, "b g m {horizon} forecast"], Bool[Array, "b m {horizon} forecast"]
]:
    """All forecasts after every `stride` samples, and where the backtest counts them.

    Args:
        level: the mean of the known samples of the context by then.
    """
    is_complex, alone = jnp.iscomplexobj(x), x.shape[1] == 1
    order = POOLED_ORDER if is_complex and not alone else ORDER
    past = _Past.of(x, hidden, level, stride, order)
    known, last = past.known, past.last
    table, shown = _own_and_neighbours(past.lags), known
    if table.shape[-1] > shown.shape[-1]:  # neighbours are known when a series is
        near = known[..., 1 : NEIGHBOURS + 1]
        shown = jnp.concatenate([known, near, near], axis=-1)
    number = jnp.arange(table.shape[-1] - 1)
    few, whole = known[..., : FEWEST + 1].all(-1), known.all(-1)

    nothing = jnp.zeros((horizon, *x.shape[:2], len(last), 0), x.dtype)
    products, short_is = _products(table, shown, few, level, stride, SHORT_ORDER)
    short = _solve(products, number < SHORT_ORDER, FIRM_RIDGE)
    by_short = past.continued(jnp.where(short_is[..., None], short, 0), nothing)
    products, long_is = _products(table, shown, whole, level, stride, len(number))
    by_long = past.continued(_solve(products, number >= 0, RIDGE), nothing)
    by_long = jnp.where(long_is[:, None, :, None], by_long, by_short)

    is_begun, hold, mean, slope = _lines(past, horizon)
    by_change = _by_changes(past, hold, stride, horizon)
    found = [hold, mean, slope, by_long, by_short, by_change]
    # Before the first known sample there is no forecast.
    always = jnp.broadcast_to(is_begun[..., None], by_short[:, 0].shape)
    # An AR before its first fit has the error of the forecast that replaces it.
    there = [always] * len(found)
    if is_complex or not alone:
        more = len(FORECASTS) - len(found)
        return (
            jnp.stack([*found, *[by_short] * more], axis=-1),
            jnp.stack([*there, *[always & False] * more], axis=-1),
        )
    for forecast, is_there in _by_days(
        past, table, shown, hold, season, stride, horizon
    ):
        found.append(jnp.where(is_there, forecast, by_short))
        there.append(is_there[:, 0])
    return jnp.stack(found, axis=-1), jnp.stack(there, axis=-1)


def _lines(past: _Past, horizon: int) -> tuple[Bool[Array, "b m"], Array, Array, Array]:
    """Whether any sample is known by then; last value, mean, slope [b g m q]."""
    x, level, known, last = past.x, past.level, past.known, past.last
    time, ahead = jnp.arange(x.shape[-1]), jnp.arange(1, horizon + 1)
    latest = jax.lax.cummax(jnp.where(past.hidden, -1, time[None]), axis=1)[:, last]
    hold = jnp.take_along_axis(x, jnp.maximum(latest, 0)[:, None], axis=2)
    hold = jnp.where((latest >= 0)[:, None], hold, level[:, None])
    hold = jnp.broadcast_to(hold[..., None], (*hold.shape, horizon))
    difference = jnp.where(known[:, last, :2].all(-1)[:, None], 1, 0)
    difference = difference * (past.lags[..., last, 0] - past.lags[..., last, 1])
    slope = past.bounded(hold + difference[..., None] * ahead[None, None, None])
    mean = jnp.broadcast_to(level[:, None, :, None], hold.shape)
    return latest >= 0, hold, mean, slope


def _by_changes(
    past: _Past, hold: Inexact[Array, "b g m q"], stride: int, horizon: int
) -> Inexact[Array, "b g m q"]:
    """The forecast of an AR of the changes from sample to sample."""
    both = past.known[..., :-1] & past.known[..., 1:]
    changes = jnp.where(both[:, None], past.lags[..., :-1] - past.lags[..., 1:], 0)
    changes, both = (part[..., : SHORT_ORDER + 1] for part in (changes, both))
    products, change_is = _products(
        changes, both, both.all(-1), 0 * past.level, stride, SHORT_ORDER
    )
    fitted = _solve(products, jnp.ones(SHORT_ORDER, bool), FIRM_RIDGE)
    latest = changes[..., past.last, :-1]
    forecast = past.bounded(hold + _summed(latest, fitted, past.largest, horizon))
    return jnp.where(change_is[:, None, :, None], forecast, hold)


def _by_days(
    past: _Past,
    table: Float[Array, "b g t k1"],
    shown: Bool[Array, "b t k1"],
    hold: Float[Array, "b g m q"],
    season: Int[Array, " b"],
    stride: int,
    horizon: int,
) -> list[tuple[Float[Array, "b 1 m q"], Bool[Array, "b 1 m q"]]]:
    """The forecasts of a single real series by its days, and where there are any."""
    x, hidden, level = past.x, past.hidden, past.level
    of_day = partial(same_time, x, hidden, season, stride, horizon)
    seen, are_seen = yesterday(x, hidden, season)
    usable = past.known[..., : SHORT_ORDER + 1].all(-1) & are_seen.all(-1)
    used = jnp.arange(table.shape[-1] - 1) < SHORT_ORDER
    used = jnp.concatenate([used, jnp.ones(len(SEASON), bool)])
    table = jnp.concatenate([table, seen], axis=-1)
    shown = jnp.concatenate([shown, are_seen], axis=-1)
    count = SHORT_ORDER + len(SEASON)
    products, enough = _products(table, shown, usable, level, stride, count)
    about = [of_day(steps, 1) for steps in SEASON]
    about = [past.centred(value, are_known[:, 0]) for value, are_known in about]
    beside = rearrange(jnp.stack(about, axis=-1), "b g n q k -> q b g n k")
    by_season = past.continued(_solve(products, used, FIRM_RIDGE), beside)
    days, were_there = map(
        jnp.stack, zip(*(of_day(0, back) for back in range(1, DAYS + 1)), strict=True)
    )
    day_ago, was_there = days[0], were_there[0]
    count = were_there.sum(0)
    mean = days.sum(0) / jnp.maximum(count, 1)  # 0 where there was no such day
    # A day before the last sample, or just after that.
    before, is_before = same_time(x, hidden, season, stride, 1, -1, 1)
    after = jnp.where(was_there[..., :1], day_ago[..., :1], level[:, None, :, None])
    start = jnp.where(is_before, before, after)
    moved = past.bounded(hold + day_ago - start)
    fitted = jnp.broadcast_to(enough[:, None, :, None], was_there.shape)
    return [
        (by_season, fitted),
        (day_ago, was_there),
        (moved, was_there),
        (mean, count > 0),
    ]


def _summed(
    changes: Inexact[Array, "b g n k"],
    coefficients: Inexact[Array, "b n k"],
    largest: Float[Array, "b g n"],
    horizon: int,
) -> Inexact[Array, "b g n {horizon}"]:
    """The sum of the continued changes, from the last sample on.

    Changes that diverge are limited far above the largest sample, before they
    overflow.
    """
    most = EXPLODED * largest[..., None]

    def step(past: Array, _: None) -> tuple[Array, Array]:
        after = einsum("bgnk,bnk->bgn", past, coefficients)[..., None]
        after = after * most / jnp.maximum(jnp.maximum(abs(after), most), 1e-30)
        return jnp.concatenate([after, past[..., :-1]], axis=-1), after[..., 0]

    _, found = jax.lax.scan(step, changes, None, length=horizon)
    return jnp.cumsum(rearrange(found, "q b g n -> b g n q"), axis=-1)


def _backtest_errors(
    forecasts: Float[Array, "b g m q forecast"],
    there: Bool[Array, "b m q forecast"],
    x: Float[Array, "b g t"],
    given: Bool[Array, "b t"],
    stride: int,
    patch: int,
) -> Float[Array, "b g n q forecast"]:
    """The mean square error, after every patch, of forecasts whose targets are over.

    An error of few samples is unreliable: every lead begins with that of all leads.
    """
    steps, horizon = x.shape[2], forecasts.shape[3]
    begins = jnp.arange(stride, steps + 1, stride)
    ends = jnp.arange(patch, steps + 1, patch)
    index = begins[:, None] + jnp.arange(horizon)[None]
    exists, inside = index < steps, jnp.minimum(index, steps - 1)
    counts = (given[:, inside] & exists[None])[..., None] & there
    error = (forecasts - x[:, :, inside][..., None]) ** 2 * counts[:, None]
    over = index[None] < ends[:, None, None]
    age = jnp.maximum(ends[:, None] - begins[None], 0) / patch
    fade = jnp.where(over, FADE ** age[..., None], 0)
    total = einsum("nmq,bgmqo->bgnqo", fade, error)
    count = einsum("nmq,bmqo->bnqo", fade, 1.0 * counts)[:, None]
    whole = (total.sum(3) + RARE) / (count.sum(3) + RARE)
    total, count = (jnp.cumsum(part, axis=3) for part in (total, count))
    return (total + OF_ALL_LEADS * whole[:, :, :, None]) / (count + OF_ALL_LEADS)


def _means_so_far(
    x: Float[Array, "b g t"], given: Bool[Array, "b t"]
) -> Float[Array, "b t"]:
    """The mean of a group's context up to every step; 0 without samples."""
    count = jnp.cumsum(given, axis=1)
    return jnp.cumsum(jnp.where(given, x.mean(1), 0), axis=1) / jnp.maximum(count, 1)


def _own_and_neighbours(past: Inexact[Array, "b g n k"]) -> Inexact[Array, "b g n r"]:
    """A sample and those before it, and of real groups those before it of neighbours.

    Newest first: the first is the target, the others are the regressors.
    """
    if past.shape[1] == 1 or jnp.iscomplexobj(past):
        return past
    # The outermost series are their own neighbours.
    near = past[..., 1 : NEIGHBOURS + 1]
    before = jnp.concatenate([near[:, :1], near[:, :-1]], axis=1)
    after = jnp.concatenate([near[:, 1:], near[:, -1:]], axis=1)
    return jnp.concatenate([past, before, after], axis=-1)


def _products(
    table: Inexact[Array, "b g t k1"],
    shown: Bool[Array, "b t k1"],
    usable: Bool[Array, "b t"],
    level: Float[Array, "b n"],
    stride: int,
    coefficients: int,
) -> tuple[Inexact[Array, "b n k1 k1"], Bool[Array, "b n"]]:
    """Moments of a fit: sums of products up to every origin.

    Of samples minus the level there, for which each sum is taken anew: a fit that used
    the mean of its targets would have too small a backtest error.

    Args:
        table: the target, then its regressors; 0 where not shown.
        usable: equations that are used.

    Returns:
        Also whether there are ENOUGH equations for that many coefficients.
    """

    def equations(part: Array) -> Array:
        part = jnp.where(usable[:, None, :, None], part, 0)
        return rearrange(part, "b g (n p) k -> b n (g p) k", p=stride)

    def sums(first: Array, second: Array) -> Array:
        products = einsum("bnpi,bnpj->bnij", first.conj(), second)
        return jnp.cumsum(products, axis=1)

    values = equations(table)
    products = sums(values, values)
    if not jnp.iscomplexobj(table):  # whose mean is 0
        ones = equations(jnp.broadcast_to(shown[:, None], table.shape).astype(float))
        cross, mean = sums(ones, values), level[..., None, None]
        counts = sums(ones, ones)
        products -= mean * (cross + cross.mT) - mean**2 * counts
        # Rounding at a large level may leave a matrix that is not positive.
        eye = jnp.eye(counts.shape[-1])[None, None]
        products += ROUNDING * mean**2 * counts * eye
    count = usable.cumsum(1)[:, stride - 1 :: stride] * table.shape[1]
    return products, count >= ENOUGH * coefficients


def _solve(
    products: Inexact[Array, "b n k1 k1"], used: Bool[Array, " k"], ridge: float
) -> Inexact[Array, "b n k"]:
    """Coefficients of the regressors that are used; those of the others are 0."""
    gram, right = products[..., 1:, 1:], products[..., 1:, 0] * used[None, None]
    gram = gram * (used[:, None] & used[None])[None, None]
    power = jnp.trace(gram, axis1=-2, axis2=-1).real[..., None, None] / used.sum()
    power = jnp.maximum(power, 0)
    # The small constant keeps a fit of zeros solvable.
    return solve_positive(
        gram + (ridge * power + 1e-6) * jnp.eye(len(used))[None, None], right
    )
