"""Training-free forecasts of rows, which the model starts from, and their record.

A network of any size has to learn from millions of examples what a least-squares fit
reads off one context: the frequencies of a few tones, how much of yesterday returns. So
such forecasts are made for it after every patch, from the simplest to seasonal fits
(`OPTIONS`), with what each missed so far; the network decides how far to trust which,
and what to change.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Bool, Float, Inexact, Int

from wlam.nn.embeddings import TIME
from wlam.phy.solve import solve_positive
from wlam.phy.traffic import DAY_S

OPTIONS = (
    "last value",
    "mean",
    "constant slope",
    "long AR",
    "short AR",
    "seasonal AR",
    "yesterday",
    "yesterday from here",
    "days' mean",
)
"""What is forecast. Without a day in the context, the last four are the short AR."""

# The first three were chosen on training streams, when the long AR was all there was;
# the others are first choices. What the options give: benchmarks/guess.py.
ORDER = 8
"""Own past samples of the long AR; complex series may hold as many tones."""
POOLED_ORDER = 12
"""The same for groups of complex series, which share more equations."""
NEIGHBOURS = 4
"""Past samples of the beam on either side that the long AR of a sweep uses as well."""
SHORT_ORDER = 3
"""Own past samples of the short AR, and of the seasonal one."""
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
BOUND = 2.0
"""Forecasts are kept within this multiple of the largest sample seen so far."""
FADE = 0.9
"""What an error counts a patch later: fits grow better, and series change."""
RARE = 1e-3
"""Samples that the record of an option begins with, at the error of the mean."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Guesses:
    """Forecasts after every patch, and how they did before it."""

    forecasts: Float[Array, "*b n q option"]
    # Mean square error of each so far; 1, that of the mean, where nothing is known.
    missed: Float[Array, "*b n option"]


def steps_per_day(
    interval: Float[Array, " b"], axis: Int[Array, "#b"] | int
) -> Int[Array, " b"]:
    """A day in steps, which only series along time have; 0 for the others."""
    steps = jnp.round(DAY_S / jnp.where(axis == TIME, interval, jnp.inf))
    return jnp.minimum(steps, 1e9).astype(jnp.int32)


def make_guesses(
    values: Float[Array, "b g t"],
    hidden: Bool[Array, "b t"],
    given: Bool[Array, "b t"],
    season: Int[Array, " b"],
    patch: int,
    horizon: int,
    is_complex: bool,
) -> Guesses:
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
        few for a fit, an AR is 0, the mean.
    """
    x = jnp.where(hidden[:, None], 0.0, values)
    if is_complex:
        half = values.shape[1] // 2
        z = jax.lax.complex(x[:, :half], x[:, half:])
        z, there = _guess(z, hidden, season, patch, horizon)
        forecasts = jnp.concatenate([z.real, z.imag], axis=1)
    else:
        forecasts, there = _guess(x, hidden, season, patch, horizon)
    return Guesses(forecasts, _missed(forecasts, there, x, given & ~hidden, patch))


@partial(jax.jit, static_argnames=("patch", "horizon"))
def _guess(
    x: Inexact[Array, "b g t"],
    hidden: Bool[Array, "b t"],
    season: Int[Array, " b"],
    patch: int,
    horizon: int,
) -> tuple[
    Inexact[Array, "b g n {horizon} option"], Bool[Array, "b n {horizon} option"]
]:
    """The options, and where they are what their names say."""
    is_complex, alone = jnp.iscomplexobj(x), x.shape[1] == 1
    order = POOLED_ORDER if is_complex and not alone else ORDER
    time = jnp.arange(x.shape[-1])
    last = time[patch - 1 :: patch]  # of every patch

    # lags[..., t, k] = x[t - k]; 0, the mean, where unknown.
    ago = time[:, None] - jnp.arange(order + 1)[None]
    lags = jnp.where(ago >= 0, x[..., jnp.maximum(ago, 0)], 0.0)
    known = jnp.where(ago >= 0, ~hidden[:, jnp.maximum(ago, 0)], False)
    target, own = lags[..., 0], _own_and_neighbours(lags[..., 1:])
    few = known[..., : FEWEST + 1].all(-1)
    largest = BOUND * jax.lax.cummax(abs(x), axis=2)[..., last]

    def bounded(forecast: Array) -> Array:
        limit = largest[..., None]
        return forecast * limit / jnp.maximum(jnp.maximum(abs(forecast), limit), 1e-30)

    def go_on(coefficients: Array, beside: Array) -> Array:
        """Feeds forecasts back; `beside` holds more regressors of every step."""

        def step(past: Array, more: Array) -> tuple[Array, Array]:
            now = jnp.concatenate([_own_and_neighbours(past), more], axis=-1)
            after = jnp.einsum("bgnk,bnk->bgn", now, coefficients)
            after = bounded(after[..., None])
            return jnp.concatenate([after, past[..., :-1]], axis=-1), after[..., 0]

        _, forecast = jax.lax.scan(step, lags[..., last, :order], beside)
        return rearrange(forecast, "q b g n -> b g n q")

    # ---- fits to the own past --------------------------------------------------------
    nothing = jnp.zeros((horizon, *x.shape[:2], len(last), 0), x.dtype)
    number = jnp.arange(own.shape[-1])
    products, enough = _products(target, own, few, patch, SHORT_ORDER)
    short = _solve(products, number < SHORT_ORDER, FIRM_RIDGE)
    by_short = go_on(jnp.where(enough[..., None], short, 0), nothing)
    products, enough = _products(target, own, known.all(-1), patch, own.shape[-1])
    by_long = go_on(_solve(products, number >= 0, RIDGE), nothing)
    by_long = jnp.where(enough[:, None, :, None], by_long, by_short)

    # ---- lines -----------------------------------------------------------------------
    ahead = jnp.arange(1, horizon + 1)
    latest = jax.lax.cummax(jnp.where(hidden, -1, time[None]), axis=1)[:, last]
    hold = jnp.take_along_axis(x, jnp.maximum(latest, 0)[:, None], axis=2)
    hold = jnp.broadcast_to(hold[..., None], by_short.shape)
    difference = jnp.where(known[:, last, :2].all(-1)[:, None], 1, 0)
    difference = difference * (lags[..., last, 0] - lags[..., last, 1])
    slope = bounded(hold + difference[..., None] * ahead[None, None, None])
    options = [hold, 0 * hold, slope, by_long, by_short]
    # Before the first known sample nothing is forecast.
    always = jnp.broadcast_to((latest >= 0)[..., None], by_short[:, 0].shape)
    there = [always] * len(options)
    if is_complex or not alone:
        more = len(OPTIONS) - len(options)
        return (
            jnp.stack([*options, *[by_short] * more], axis=-1),
            jnp.stack([*there, *[always & False] * more], axis=-1),
        )

    # ---- of a single real series, with a day -----------------------------------------
    of_day = partial(_same_time, x, hidden, season, patch, horizon)
    seen, are_seen = _yesterday(x, hidden, season)
    regressors = jnp.concatenate([own, seen], axis=-1)
    usable = known[..., : SHORT_ORDER + 1].all(-1) & are_seen
    used = jnp.concatenate([number < SHORT_ORDER, jnp.ones(len(SEASON), bool)])
    count = SHORT_ORDER + len(SEASON)
    products, enough = _products(target, regressors, usable, patch, count)
    beside = jnp.stack([of_day(about, 1)[0] for about in SEASON], axis=-1)
    beside = rearrange(beside, "b g n q k -> q b g n k")
    by_season = go_on(_solve(products, used, FIRM_RIDGE), beside)
    days, were_there = map(
        jnp.stack, zip(*(of_day(0, back) for back in range(1, DAYS + 1)), strict=True)
    )
    yesterday, was_there = days[0], were_there[0]
    count = were_there.sum(0)
    mean = days.sum(0) / jnp.maximum(count, 1)  # 0 where there was no such day
    # What was at the time of the last sample, or just after it.
    before, is_before = _same_time(x, hidden, season, patch, 1, -1, 1)
    start = jnp.where(is_before, before, yesterday[..., :1])
    found = [by_season, yesterday, bounded(hold + yesterday - start), mean]
    fitted = jnp.broadcast_to(enough[:, None, :, None], was_there.shape)
    for option, is_there in zip(
        found, [fitted, was_there, was_there, count > 0], strict=True
    ):
        options.append(jnp.where(is_there, option, by_short))
        there.append(is_there[:, 0])
    return jnp.stack(options, axis=-1), jnp.stack(there, axis=-1)


def _missed(
    forecasts: Float[Array, "b g n q option"],
    there: Bool[Array, "b n q option"],
    x: Float[Array, "b g t"],
    given: Bool[Array, "b t"],
    patch: int,
) -> Float[Array, "b g n option"]:
    """The mean square error of the forecasts whose targets are given by each patch."""
    patches, horizon = forecasts.shape[2:4]
    index = patch * jnp.arange(1, patches + 1)[:, None] + jnp.arange(horizon)[None]
    exists, index = index < x.shape[2], jnp.minimum(index, x.shape[2] - 1)
    counts = (given[:, index] & exists[None])[..., None] & there
    error = (forecasts - x[:, :, index][..., None]) ** 2 * counts[:, None]
    # A forecast of more than a patch is judged when all of it is over.
    age = jnp.arange(patches)[:, None] - jnp.arange(patches)[None] - horizon // patch
    fade = jnp.where(age >= 0, FADE ** jnp.maximum(age, 0), 0)
    total = jnp.einsum("ij,bgjo->bgio", fade, error.sum(3))
    count = jnp.einsum("ij,bjo->bio", fade, 1.0 * counts.sum(2))[:, None]
    return (total + RARE) / (count + RARE)


def _own_and_neighbours(past: Inexact[Array, "b g n k"]) -> Inexact[Array, "b g n r"]:
    """Past samples, newest first, and of real groups those of both neighbours."""
    if past.shape[1] == 1 or jnp.iscomplexobj(past):
        return past
    # The outermost series are their own neighbours.
    near = past[..., :NEIGHBOURS]
    before = jnp.concatenate([near[:, :1], near[:, :-1]], axis=1)
    after = jnp.concatenate([near[:, 1:], near[:, -1:]], axis=1)
    return jnp.concatenate([past, before, after], axis=-1)


def _yesterday(
    x: Float[Array, "b g t"], hidden: Bool[Array, "b t"], season: Int[Array, " b"]
) -> tuple[Float[Array, "b g t k"], Bool[Array, "b t"]]:
    """The SEASON samples a day before each, 0 where unknown, and whether all are."""
    time = jnp.arange(x.shape[-1])[None, :, None]
    index = time + jnp.array(SEASON)[None, None] - season[:, None, None]
    value, known = _at(x, hidden, index)
    # A day must be longer than the samples about it reach, or they are today's.
    return value, known.all(-1) & (season > max(SEASON))[:, None]


def _same_time(
    x: Float[Array, "b g t"],
    hidden: Bool[Array, "b t"],
    season: Int[Array, " b"],
    patch: int,
    horizon: int,
    about: int,
    back: int,
) -> tuple[Float[Array, "b g n q"], Bool[Array, "b 1 n q"]]:
    """The time of day of each of the samples after a patch, some days before.

    Args:
        about: samples that are added to the time.
        back: days before; 1 is the latest day that the patch or those before it reach.
    """
    last = jnp.arange(patch - 1, x.shape[-1], patch)
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
    target: Inexact[Array, "b g t"],
    regressors: Inexact[Array, "b g t k"],
    usable: Bool[Array, "b t"],
    patch: int,
    coefficients: int,
) -> tuple[Inexact[Array, "b n k1 k1"], Bool[Array, "b n"]]:
    """Sums over a patch and those before it of the products that a fit is made of.

    Lag 0, the target, comes first. Also whether there are ENOUGH equations for that
    many coefficients.
    """
    table = jnp.concatenate([target[..., None], regressors], axis=-1)
    equations = jnp.where(usable[:, None, :, None], table, 0.0)
    equations = rearrange(equations, "b g (n p) k -> b n (g p) k", p=patch)
    products = jnp.einsum("bnpi,bnpj->bnij", equations.conj(), equations)
    count = usable.cumsum(1)[:, patch - 1 :: patch] * target.shape[1]
    return jnp.cumsum(products, axis=1), count >= ENOUGH * coefficients


def _solve(
    products: Inexact[Array, "b n k1 k1"], used: Bool[Array, " k"], ridge: float
) -> Inexact[Array, "b n k"]:
    """Coefficients of the regressors that are used; those of the others are 0."""
    gram, right = products[..., 1:, 1:], products[..., 1:, 0] * used[None, None]
    gram = gram * (used[:, None] & used[None])[None, None]
    power = jnp.trace(gram, axis1=-2, axis2=-1).real[..., None, None] / used.sum()
    # The small constant keeps a fit of nothing solvable.
    return solve_positive(
        gram + (ridge * power + 1e-6) * jnp.eye(len(used))[None, None], right
    )
