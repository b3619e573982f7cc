"""Training-free forecasts of rows, which the model starts from, and their record.

A network of any size has to learn from millions of examples what a least-squares fit
reads off one context: the frequencies of a few tones, how much of yesterday returns. So
such forecasts are made for it after every patch, from the simplest to seasonal fits
(`OPTIONS`), with what each missed so far; the network decides how far to trust which,
and what to change.
"""

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Bool, Float, Inexact, Int

from wlam.ops.einsum import einsum
from wlam.ops.solve import solve_positive
from wlam.simulate.traffic import DAY_S
from wlam.types import TIME

OPTIONS = (
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
"""What is forecast. Without a day in the context, the last four are the short AR."""

# Chosen on training and validation streams: the first three when the long AR was all
# there was, the record's when all were. What the options give:
# python -m benchmarks.speed.baselines.
ORDER = 8
"""Own past samples of the long AR; complex series may hold as many tones."""
POOLED_ORDER = 12
"""The same for groups of complex series, which share more equations."""
NEIGHBOURS = 4
"""Past samples of the beam on either side that the long AR of a sweep uses as well."""
SHORT_ORDER = 3
"""Own past samples of the short AR, past changes, and samples of the seasonal AR."""
SEASON = (-1, 0, 1)
"""Samples about the same time of yesterday that the seasonal AR uses."""
DAYS = 3
"""Days that the last option is the mean of."""
FEWEST = 2
"""Past samples without which there is no equation; older unknown ones are 0."""
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
"""Multiple of that bound at which changes stop to grow."""
FADE = 0.9
"""What an error counts a patch later: fits grow better, and series change."""
RARE = 1e-3
"""Samples that the record of an option begins with, at the error of the mean."""
STRIDE = 4
"""Samples between two forecasts that are recorded: more of them than patches."""
ABSENT = 1e3
"""What is recorded of an option that there is not, and another stands for."""
OF_ALL_LEADS = 4
"""Samples that the record of a lead begins with, at the error over all leads."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class BaselineForecasts:
    """Forecasts after every patch, and how they did before it."""

    forecasts: Float[Array, "*b n q option"]
    # Mean square error of each so far, of forecasts up to as many samples ahead; 1,
    # that of the mean, where nothing is known.
    missed: Float[Array, "*b n q option"]


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
    """`OPTIONS` for what follows each patch, from that past alone.

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

    Forecasts are made every STRIDE samples, for the record. A context has the mean 0,
    which its first half does not know: every forecast, and its fit, begins from the
    mean of what was given by then. Else the mean would be on record as a prophet.

    Args:
        values: normalised series; hidden samples have no influence.
        hidden: True where a sample is unknown.
        given: where samples are of the context: those after it, known or forecast
            before, are not in the record.
        season: steps in a day, see `steps_per_day`; 0: none.
        patch, horizon: samples in a patch, and to forecast after each.
        is_complex: the first half of a group are real and the second half imaginary
            parts of g / 2 series, whose coefficients are complex.

    Returns:
        What stands at [:, :, i] uses samples of patches 0..i only. Where they are too
        few for a fit, an AR is the mean so far, and that of changes the last value.
    """
    x = jnp.where(hidden[:, None], 0.0, values)
    stride, given = math.gcd(patch, STRIDE), given & ~hidden
    level = _means_so_far(x, given)[:, stride - 1 :: stride]
    if is_complex:
        half = values.shape[1] // 2
        z = jax.lax.complex(x[:, :half], x[:, half:])
        z, there = _guess(z, hidden, 0 * level, season, stride, horizon)
        forecasts = jnp.concatenate([z.real, z.imag], axis=1)
    else:
        forecasts, there = _guess(x, hidden, level, season, stride, horizon)
    missed = _missed(forecasts, there, x, given, stride, patch)
    now = slice(patch // stride - 1, None, patch // stride)
    missed = jnp.where(there[:, None, now], missed, ABSENT)
    return BaselineForecasts(forecasts[:, :, now], missed)


@partial(jax.jit, static_argnames=("stride", "horizon"))
def _guess(
    x: Inexact[Array, "b g t"],
    hidden: Bool[Array, "b t"],
    level: Float[Array, "b m"],
    season: Int[Array, " b"],
    stride: int,
    horizon: int,
) -> tuple[
    Inexact[Array, "b g m {horizon} option"], Bool[Array, "b m {horizon} option"]
]:
    """The options after every `stride` samples, and where they may be judged.

    Args:
        level: the mean of what was given by then.
    """
    is_complex, alone = jnp.iscomplexobj(x), x.shape[1] == 1
    order = POOLED_ORDER if is_complex and not alone else ORDER
    time = jnp.arange(x.shape[-1])
    last = time[stride - 1 :: stride]

    # lags[..., t, k] = x[t - k]; 0, the mean, where unknown.
    ago = time[:, None] - jnp.arange(order + 1)[None]
    lags = jnp.where(ago >= 0, x[..., jnp.maximum(ago, 0)], 0.0)
    known = jnp.where(ago >= 0, ~hidden[:, jnp.maximum(ago, 0)], False)
    table, shown = _own_and_neighbours(lags), known
    if table.shape[-1] > shown.shape[-1]:  # neighbours are known when a series is
        near = known[..., 1 : NEIGHBOURS + 1]
        shown = jnp.concatenate([known, near, near], axis=-1)
    number = jnp.arange(table.shape[-1] - 1)
    few = known[..., : FEWEST + 1].all(-1)
    largest = BOUND * jax.lax.cummax(abs(x), axis=2)[..., last]

    def bounded(forecast: Array) -> Array:
        limit = largest[..., None]
        return forecast * limit / jnp.maximum(jnp.maximum(abs(forecast), limit), 1e-30)

    def centred(values: Array, are_known: Array) -> Array:
        """Known values [b g m k] minus the level; 0 is the mean, where unknown too."""
        return jnp.where(are_known[:, None], values - level[:, None, :, None], 0)

    def go_on(coefficients: Array, beside: Array) -> Array:
        """Feeds forecasts back; `beside` holds more regressors of every step."""

        def step(past: Array, more: Array) -> tuple[Array, Array]:
            now = _own_and_neighbours(jnp.pad(past, ((0, 0), (0, 0), (0, 0), (1, 0))))
            now = jnp.concatenate([now[..., 1:], more], axis=-1)
            after = einsum("bgnk,bnk->bgn", now, coefficients)
            after = bounded(after[..., None])
            return jnp.concatenate([after, past[..., :-1]], axis=-1), after[..., 0]

        past = centred(lags[..., last, :order], known[:, last, :order])
        _, forecast = jax.lax.scan(step, past, beside)
        return rearrange(forecast, "q b g n -> b g n q") + level[:, None, :, None]

    # ---- fits to the own past --------------------------------------------------------
    nothing = jnp.zeros((horizon, *x.shape[:2], len(last), 0), x.dtype)
    products, short_is = _products(table, shown, few, level, stride, SHORT_ORDER)
    short = _solve(products, number < SHORT_ORDER, FIRM_RIDGE)
    by_short = go_on(jnp.where(short_is[..., None], short, 0), nothing)
    whole = known.all(-1)
    products, long_is = _products(table, shown, whole, level, stride, len(number))
    by_long = go_on(_solve(products, number >= 0, RIDGE), nothing)
    by_long = jnp.where(long_is[:, None, :, None], by_long, by_short)

    # ---- lines -----------------------------------------------------------------------
    ahead = jnp.arange(1, horizon + 1)
    latest = jax.lax.cummax(jnp.where(hidden, -1, time[None]), axis=1)[:, last]
    hold = jnp.take_along_axis(x, jnp.maximum(latest, 0)[:, None], axis=2)
    hold = jnp.where((latest >= 0)[:, None], hold, level[:, None])
    hold = jnp.broadcast_to(hold[..., None], by_short.shape)
    difference = jnp.where(known[:, last, :2].all(-1)[:, None], 1, 0)
    difference = difference * (lags[..., last, 0] - lags[..., last, 1])
    slope = bounded(hold + difference[..., None] * ahead[None, None, None])
    mean = jnp.broadcast_to(level[:, None, :, None], hold.shape)

    # ---- a fit to the changes --------------------------------------------------------
    both = known[..., :-1] & known[..., 1:]
    changes = jnp.where(both[:, None], lags[..., :-1] - lags[..., 1:], 0)
    changes, both = (part[..., : SHORT_ORDER + 1] for part in (changes, both))
    products, change_is = _products(
        changes, both, both.all(-1), 0 * level, stride, SHORT_ORDER
    )
    by_change = _solve(products, jnp.ones(SHORT_ORDER, bool), FIRM_RIDGE)
    by_change = bounded(
        hold + _summed(changes[..., last, :-1], by_change, largest, horizon)
    )
    by_change = jnp.where(change_is[:, None, :, None], by_change, hold)
    options = [hold, mean, slope, by_long, by_short, by_change]
    # Before the first known sample nothing is forecast.
    always = jnp.broadcast_to((latest >= 0)[..., None], by_short[:, 0].shape)
    # An AR before its first fit is judged as what stands for it.
    there = [always] * len(options)
    if is_complex or not alone:
        more = len(OPTIONS) - len(options)
        return (
            jnp.stack([*options, *[by_short] * more], axis=-1),
            jnp.stack([*there, *[always & False] * more], axis=-1),
        )

    # ---- of a single real series, with a day -----------------------------------------
    of_day = partial(_same_time, x, hidden, season, stride, horizon)
    seen, are_seen = _yesterday(x, hidden, season)
    table = jnp.concatenate([table, seen], axis=-1)
    shown = jnp.concatenate([shown, are_seen], axis=-1)
    usable = known[..., : SHORT_ORDER + 1].all(-1) & are_seen.all(-1)
    used = jnp.concatenate([number < SHORT_ORDER, jnp.ones(len(SEASON), bool)])
    count = SHORT_ORDER + len(SEASON)
    products, enough = _products(table, shown, usable, level, stride, count)
    about = [of_day(steps, 1) for steps in SEASON]
    about = [centred(value, are_known[:, 0]) for value, are_known in about]
    beside = rearrange(jnp.stack(about, axis=-1), "b g n q k -> q b g n k")
    by_season = go_on(_solve(products, used, FIRM_RIDGE), beside)
    days, were_there = map(
        jnp.stack, zip(*(of_day(0, back) for back in range(1, DAYS + 1)), strict=True)
    )
    yesterday, was_there = days[0], were_there[0]
    count = were_there.sum(0)
    mean = days.sum(0) / jnp.maximum(count, 1)  # 0 where there was no such day
    # What was at the time of the last sample, or just after it.
    before, is_before = _same_time(x, hidden, season, stride, 1, -1, 1)
    after = jnp.where(was_there[..., :1], yesterday[..., :1], level[:, None, :, None])
    start = jnp.where(is_before, before, after)
    found = [by_season, yesterday, bounded(hold + yesterday - start), mean]
    fitted = jnp.broadcast_to(enough[:, None, :, None], was_there.shape)
    for option, is_there in zip(
        found, [fitted, was_there, was_there, count > 0], strict=True
    ):
        options.append(jnp.where(is_there, option, by_short))
        there.append(is_there[:, 0])
    return jnp.stack(options, axis=-1), jnp.stack(there, axis=-1)


def _summed(
    changes: Inexact[Array, "b g n k"],
    coefficients: Inexact[Array, "b n k"],
    largest: Float[Array, "b g n"],
    horizon: int,
) -> Inexact[Array, "b g n {horizon}"]:
    """How far a series goes from its last sample, its last changes being continued.

    Changes that grow and grow are stopped far above the largest sample, before they
    are no numbers any more.
    """
    most = EXPLODED * largest[..., None]

    def step(past: Array, _: None) -> tuple[Array, Array]:
        after = einsum("bgnk,bnk->bgn", past, coefficients)[..., None]
        after = after * most / jnp.maximum(jnp.maximum(abs(after), most), 1e-30)
        return jnp.concatenate([after, past[..., :-1]], axis=-1), after[..., 0]

    _, found = jax.lax.scan(step, changes, None, length=horizon)
    return jnp.cumsum(rearrange(found, "q b g n -> b g n q"), axis=-1)


def _missed(
    forecasts: Float[Array, "b g m q option"],
    there: Bool[Array, "b m q option"],
    x: Float[Array, "b g t"],
    given: Bool[Array, "b t"],
    stride: int,
    patch: int,
) -> Float[Array, "b g n q option"]:
    """The mean square error, after every patch, of forecasts whose targets are over.

    The error of a few samples says little, so that every lead begins with that of all.
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
    """The mean of what a group shows of the context up to every step, 0 of nothing."""
    count = jnp.cumsum(given, axis=1)
    return jnp.cumsum(jnp.where(given, x.mean(1), 0), axis=1) / jnp.maximum(count, 1)


def _own_and_neighbours(past: Inexact[Array, "b g n k"]) -> Inexact[Array, "b g n r"]:
    """A sample and those before it, and of real groups those before it of neighbours.

    Newest first: the first is what is to be forecast from the others.
    """
    if past.shape[1] == 1 or jnp.iscomplexobj(past):
        return past
    # The outermost series are their own neighbours.
    near = past[..., 1 : NEIGHBOURS + 1]
    before = jnp.concatenate([near[:, :1], near[:, :-1]], axis=1)
    after = jnp.concatenate([near[:, 1:], near[:, -1:]], axis=1)
    return jnp.concatenate([past, before, after], axis=-1)


def _yesterday(
    x: Float[Array, "b g t"], hidden: Bool[Array, "b t"], season: Int[Array, " b"]
) -> tuple[Float[Array, "b g t k"], Bool[Array, "b t k"]]:
    """The SEASON samples a day before each, 0 where unknown, and which are known."""
    time = jnp.arange(x.shape[-1])[None, :, None]
    index = time + jnp.array(SEASON)[None, None] - season[:, None, None]
    value, known = _at(x, hidden, index)
    # A day must be longer than the samples about it reach, or they are today's.
    return value, known & (season > max(SEASON))[:, None, None]


def _same_time(
    x: Float[Array, "b g t"],
    hidden: Bool[Array, "b t"],
    season: Int[Array, " b"],
    stride: int,
    horizon: int,
    about: int,
    back: int,
) -> tuple[Float[Array, "b g n q"], Bool[Array, "b 1 n q"]]:
    """The time of day of each of the samples after an origin, some days before.

    Args:
        about: samples that are added to the time.
        back: days before; 1 is the latest day that the origin or those before it reach.
    """
    last = jnp.arange(stride - 1, x.shape[-1], stride)
    ahead = jnp.arange(1, horizon + 1) + about
    day = jnp.maximum(season, 1)[:, None, None]
    days = jnp.maximum(-(-ahead[None, None] // day), 1) + back - 1
    index = last[None, :, None] + ahead[None, None] - days * day
    value, known = _at(x, hidden, index)
    known = known & (season > max(SEASON))[:, None, None]
    return jnp.where(known[:, None], value, 0.0), known[:, None]


def _at(
    x: Float[Array, "b g t"], hidden: Bool[Array, "b t"], index: Int[Array, "b n q"]
) -> tuple[Float[Array, "b g n q"], Bool[Array, "b n q"]]:
    """Samples at some places, 0 where there are none, and whether there are."""
    inside = jnp.clip(index, 0, x.shape[-1] - 1)
    rows = jnp.arange(len(x))[:, None, None]
    known = (index >= 0) & ~hidden[rows, inside]
    value = jnp.moveaxis(x.swapaxes(1, 2)[rows, inside], -1, 1)
    return jnp.where(known[:, None], value, 0.0), known


def _products(
    table: Inexact[Array, "b g t k1"],
    shown: Bool[Array, "b t k1"],
    usable: Bool[Array, "b t"],
    level: Float[Array, "b n"],
    stride: int,
    coefficients: int,
) -> tuple[Inexact[Array, "b n k1 k1"], Bool[Array, "b n"]]:
    """Sums, up to every origin, of the products that a fit is made of.

    Of samples minus the level there, for which each sum is taken anew: a fit that knew
    the mean of what it is to forecast would have too good a record.

    Args:
        table: what is to be forecast, then what from; 0 where not shown.
        usable: equations that count.

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
        # What a far level leaves behind is rounding, and need not be positive.
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
    # The small constant keeps a fit of nothing solvable.
    return solve_positive(
        gram + (ridge * power + 1e-6) * jnp.eye(len(used))[None, None], right
    )
