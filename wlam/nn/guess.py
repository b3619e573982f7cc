"""A training-free forecast that the model starts from: the linear fit of each context.

A network of any size has to learn from millions of examples what a least-squares fit
reads off one context: the frequencies of a few tones, the direction in which a sweep
moves, how much of yesterday returns. So the fit is made for it, after every patch, and
the network decides how far to trust it and what to change.
"""

from functools import partial

import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Bool, Float, Inexact, Int

from wlam.nn.embeddings import TIME
from wlam.phy.solve import solve_positive
from wlam.phy.traffic import DAY_S

# Chosen on the training streams: benchmarks/guess.py.
ORDER = 8
"""Own past samples of a series; complex ones may hold as many tones."""
POOLED_ORDER = 12
"""The same for groups of complex series, which share more equations."""
NEIGHBOURS = 4
"""Past samples of the beam on either side that the fit of a sweep uses as well."""
SEASON = (-1, 0, 1)
"""Samples about the same time of yesterday that the fit of a real series uses."""
FEWEST = 2
"""Past samples without which there is no equation; older unknown ones are 0."""
ENOUGH = 2
"""Equations for each coefficient that a fit needs."""
RIDGE = 1e-4
"""Penalty relative to the mean power of the regressors."""
BOUND = 2.0
"""Forecasts are kept within this multiple of the largest sample seen so far."""


def steps_per_day(
    interval: Float[Array, " b"], axis: Int[Array, "#b"] | int
) -> Int[Array, " b"]:
    """A day in steps, which only series along time have; 0 for the others."""
    steps = jnp.round(DAY_S / jnp.where(axis == TIME, interval, jnp.inf))
    return jnp.minimum(steps, 1e9).astype(jnp.int32)


def linear_guess(
    values: Float[Array, "b g t"],
    hidden: Bool[Array, "b t"],
    season: Int[Array, " b"],
    patch: int,
    horizon: int,
    is_complex: bool,
) -> Float[Array, "b g n {horizon}"]:
    """Autoregressive forecasts of what follows each patch, from that past alone.

    Regularised least squares (the covariance method), one coefficient vector for the g
    series of a group: the beams of a sweep, or the angles of a channel. Sums of lag
    products over patches are accumulated, so that the fits of all n prefixes cost one
    pass over the series. The regressors are the last ORDER samples
    (POOLED_ORDER of a group of complex series), and beside them

    - of g > 1 real series, NEIGHBOURS samples of the series before and after them in
      the group: a user's movement shifts the pattern of a sweep over its beams, so that
      a beam rises because its neighbour was strong;
    - of a single real series, the SEASON samples of the day before (a seasonal AR).

    Args:
        values: normalised series; hidden samples have no influence.
        hidden: True where a sample is unknown.
        season: steps in a day, see `steps_per_day`. Without influence where it is not
            longer than the horizon: the own past covers most of so short a day.
        patch, horizon: samples in a patch, and to forecast after each.
        is_complex: the first half of a group are real and the second half imaginary
            parts of g / 2 series, whose coefficients are complex.

    Returns:
        [:, :, i] uses samples of patches 0..i only. Where they are too few for a fit,
        the forecast is 0, the mean.
    """
    x = jnp.where(hidden[:, None], 0.0, values)
    if not is_complex:
        return _guess(x, hidden, season, patch, horizon)
    half = values.shape[1] // 2
    x = jax.lax.complex(x[:, :half], x[:, half:])
    z = _guess(x, hidden, season, patch, horizon)
    return jnp.concatenate([z.real, z.imag], axis=1)


@partial(jax.jit, static_argnames=("patch", "horizon"))
def _guess(
    x: Inexact[Array, "b g t"],
    hidden: Bool[Array, "b t"],
    season: Int[Array, " b"],
    patch: int,
    horizon: int,
) -> Inexact[Array, "b g n {horizon}"]:
    is_complex, alone = jnp.iscomplexobj(x), x.shape[1] == 1
    order = POOLED_ORDER if is_complex and not alone else ORDER
    time = jnp.arange(x.shape[-1])
    last = time[patch - 1 :: patch]  # of every patch

    # lags[..., t, k] = x[t - k]; 0, the mean, where unknown.
    ago = time[:, None] - jnp.arange(order + 1)[None]
    lags = jnp.where(ago >= 0, x[..., jnp.maximum(ago, 0)], 0.0)
    known = jnp.where(ago >= 0, ~hidden[:, jnp.maximum(ago, 0)], False)
    regressors = _own_and_neighbours(lags[..., 1:])
    own = regressors.shape[-1]
    # What may be fitted, the last possible one is taken: (equations, regressors).
    tiers = [(known[..., : FEWEST + 1].all(-1), own), (known.all(-1), own)]
    ahead = jnp.zeros((horizon, *x.shape[:2], len(last), 0))
    if alone and not is_complex:
        # A season that is too short is put beyond the beginning.
        season = jnp.where(season > horizon, season, x.shape[-1] + horizon + 2)
        yesterday, has_yesterday = _yesterday(x, hidden, season, time)
        regressors = jnp.concatenate([regressors, yesterday], axis=-1)
        tiers.append((known.all(-1) & has_yesterday, regressors.shape[-1]))
        following = last[None] + jnp.arange(1, horizon + 1)[:, None]
        ahead, _ = _yesterday(x, hidden, season, following.ravel())
        ahead = rearrange(ahead, "b g (q n) k -> q b g n k", q=horizon)
    coefficients = _fit(lags[..., 0], regressors, tiers, patch)

    largest = BOUND * jax.lax.cummax(abs(x), axis=2)[..., last]

    def step(past: Array, yesterday: Array) -> tuple[Array, Array]:
        now = jnp.concatenate([_own_and_neighbours(past), yesterday], axis=-1)
        after = jnp.einsum("bgnk,bnk->bgn", now, coefficients)
        after *= largest / jnp.maximum(jnp.maximum(abs(after), largest), 1e-30)
        return jnp.concatenate([after[..., None], past[..., :-1]], axis=-1), after

    _, forecast = jax.lax.scan(step, lags[..., last, :order], ahead)
    return rearrange(forecast, "q b g n -> b g n q")


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
    x: Float[Array, "b g t"],
    hidden: Bool[Array, "b t"],
    season: Int[Array, " b"],
    times: Int[Array, " s"],
) -> tuple[Float[Array, "b g s k"], Bool[Array, "b s"]]:
    """The SEASON samples a season before each time, 0 (the mean) where unknown."""
    about = jnp.array(SEASON, jnp.int32)[None]
    index = (times[:, None] + about)[None] - season[:, None, None]
    inside = jnp.maximum(index, 0)
    rows = jnp.arange(len(x))[:, None, None]
    known = (index >= 0) & ~hidden[rows, inside]
    samples = jnp.where(known[..., None], x.swapaxes(1, 2)[rows, inside], 0.0)
    return rearrange(samples, "b s k g -> b g s k"), known.all(-1)


def _fit(
    target: Inexact[Array, "b g t"],
    regressors: Inexact[Array, "b g t k"],
    tiers: list[tuple[Bool[Array, "b t"], int]],
    patch: int,
) -> Inexact[Array, "b n k"]:
    """Coefficients after every patch, from its equations and those before.

    Each tier names the equations that it takes and how many regressors they have. The
    last tier with ENOUGH equations counts; without any, all coefficients are 0.
    """
    samples, series, _, count = regressors.shape
    table = jnp.concatenate([target[..., None], regressors], axis=-1)
    by_patch = partial(rearrange, pattern="b g (n p) k -> b n (g p) k", p=patch)
    shape = (samples, target.shape[-1] // patch, count + 1, count + 1)
    products = jnp.zeros(shape, table.dtype)
    for usable, used in tiers:
        mask = (
            usable[:, None, :, None] & (jnp.arange(count + 1) <= used)[None, None, None]
        )
        equations = by_patch(jnp.where(mask, table, 0.0))
        better = jnp.einsum("bnpi,bnpj->bnij", equations.conj(), equations)
        number = usable.cumsum(1)[:, patch - 1 :: patch] * series
        enough = number >= ENOUGH * used
        products = jnp.where(
            enough[..., None, None], jnp.cumsum(better, axis=1), products
        )
    gram, right = products[..., 1:, 1:], products[..., 1:, 0]
    power = jnp.trace(gram, axis1=-2, axis2=-1).real[..., None, None] / count
    # The small constant keeps a fit of nothing solvable.
    gram += (RIDGE * power + 1e-6) * jnp.eye(count)[None, None]
    return solve_positive(gram, right)
