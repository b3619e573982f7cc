"""Several training-free forecasts of every bin of a channel, for a network to mix.

Which fit is best depends on the noise, on how many rays share a bin and on how many
snapshots there are; a network sees that and a formula does not.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jaxtyping import Array, Bool, Complex, Float, Int

from wlam.baselines.bank.bands import Bands, bands_forecasts, fit_bands, guesses
from wlam.baselines.bank.burg import burg
from wlam.baselines.forecast.local import Reach, fit, iterate, lag_moments, pool
from wlam.ops.einsum import einsum
from wlam.ops.pieces import in_pieces
from wlam.ops.solve import solve_tall

# A channel forecast to the last bit has missed nothing, and nothing has no logarithm.
TINY = 1e-9
ROUNDING = 1e-12
"""Penalty of fits of all bins: the least that float32 tells from none."""


@dataclass(frozen=True)
class Fit:
    """One autoregression."""

    order: int
    reach: Reach
    # "normal": penalised normal equations, see `wlam.baselines.forecast.local`; "burg":
    # see `wlam.baselines.bank.burg`, no penalty; "whole": of all bins, by
    # orthogonalisation.
    method: Literal["normal", "burg", "whole"] = "normal"
    ridge: float = 0.0
    backward: bool = True  # rows in reverse as well


BANK = (
    Fit(6, (1, 0), ridge=1e-7),
    Fit(16, (0, 1), ridge=1e-6),
    Fit(16, (1, 1), ridge=1e-6),
    Fit(16, (1, 1), ridge=1e-7),
    Fit(16, (2, 2), ridge=1e-7),
    Fit(4, (0, None), "burg"),
    Fit(12, (0, None), "burg"),
    Fit(12, (2, 2), "burg"),
    Fit(16, (0, 1), "burg"),
    Fit(8, (None, None), "whole", backward=False),
    Fit(12, (None, None), "whole", backward=False),
    Fit(16, (None, None), "whole"),
)
"""Normal equations of a few bins are best in noise, Burg's recursion far ahead and
without noise, orthogonalisation where there is no noise at all. Orders are at most half
of the context. Chosen one by one from 74 on drops of the training scenarios, each for
what it adds to those before it. AR(8) and AR(12) of all bins are the floors "AR" along
time and along frequency: the model has no business losing to them."""
MEMBERS = len(BANK) + 1
"""With the predictor of `wlam.baselines.bank.bands`, which comes last."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Fits:
    """What the members of the bank found, for all bins of a flat grid.

    Members of one order were fitted together, so there is an array for each order.
    """

    coefficients: list[Complex[Array, "n bin _ _"]]
    bands: Bands
    unexplained: Float[Array, "n bin member"]  # share of the equations' power
    # Error power of the last steps, forecast from those before them, over the bin's
    # own power; silence, which says 0, comes last.
    missed: Float[Array, "n bin option"]
    missed_around: Float[Array, "n bin option"]  # the same of the bin and its eight


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Options:
    """The forecasts of some bins by every member, and what speaks for each."""

    forecasts: Complex[Array, "n h k option"]  # silence comes last
    unexplained: Float[Array, "n k member"]
    missed: Float[Array, "n k option"]
    missed_around: Float[Array, "n k option"]
    prior: Float[Array, " option"]  # logits, before any record


def by_order(length: int) -> dict[tuple[str, int, bool], list[int]]:
    """Members that are fitted together: (method, order, backward) -> indices."""
    groups: dict[tuple[str, int, bool], list[int]] = {}
    for i, member in enumerate(BANK):
        order = max(1, min(member.order, length // 2))
        groups.setdefault((member.method, order, member.backward), []).append(i)
    return groups


def in_bank_order(parts: list[Array], length: int) -> Array:
    """Puts what groups of `by_order` found, [..., fit] each, in the order of BANK."""
    places = [i for group in by_order(length).values() for i in group]
    columns = jnp.concatenate(parts, axis=-1)
    return columns[..., jnp.argsort(jnp.array(places))]


def fit_bank(
    x: Complex[Array, "n l u v"], known: Bool[Array, "n l"], horizon: int
) -> Fits:
    """Fits every member of the bank to every bin, and has it forecast what is known.

    Half a horizon is held back, but not from the fit: coefficients of fewer steps are
    others, and iterated over some steps, a bad fit betrays itself all the same.

    Args:
        x: series, unknown steps zero; of a scale near 1.
        known: which steps are known.
        horizon: steps that will be asked for.

    Raises:
        ValueError: one step, of which nothing is held back.
    """
    n, length, u, v = x.shape
    if length < 2:
        raise ValueError(f"context: found {length} step; needed 2 or more")
    back = min(length // 2, max(1, horizon // 2))
    series = x.reshape(n, length, u * v)
    before, after = series[:, : length - back], series[:, length - back :]
    coefficients, unexplained, missed = [], [], []
    recursions = all_burg(x, known)
    bands = fit_bands(x, known)
    for (method, order, backward), group in by_order(length).items():
        if method == "burg":
            parts = [recursions[BANK[i].reach][order] for i in group]
            found, rest = (jnp.stack(part, axis=3) for part in zip(*parts, strict=True))
        elif method == "whole":
            found, rest = fit_whole(x, known, order, backward)
            found = jnp.broadcast_to(found, (n, u, v, len(group), order))
            rest = jnp.broadcast_to(rest, (n, u, v, len(group)))
        else:
            moments = lag_moments(x, known, order, backward)
            pooled = jnp.stack([pool(moments, BANK[i].reach) for i in group], axis=3)
            ridge = jnp.array([BANK[i].ridge for i in group])
            found, rest = fit(pooled, ridge.reshape(1, 1, 1, len(group)))
        found = found.reshape(n, u * v, len(group), order)
        error = forecast_all(before, found, back) - after[..., None]
        coefficients.append(found)
        unexplained.append(rest.reshape(n, u * v, len(group)))
        missed.append((abs(error) ** 2).mean(1))
    by_bands = bands_forecasts(before, bands, back)
    last = jnp.stack([by_bands - after, after], axis=-1)
    last = (abs(last) ** 2).mean(1)
    missed = jnp.concatenate([in_bank_order(missed, length), last], axis=-1)
    noise = guesses()[1]
    noise = (noise / (1 + noise)).astype(np.float32)
    noise = einsum("nbg,g->nb", bands.weights, noise)
    unexplained = [in_bank_order(unexplained, length), noise[..., None]]
    power = ((abs(series) ** 2).sum(1) / known.sum(1)[:, None])[..., None]

    def around(part: Array) -> Array:
        grid = part.reshape(n, u, v, -1)
        return pool(grid, (1, 1)).reshape(part.shape)

    def share(part: Array, whole: Array) -> Array:
        return part / jnp.where(whole > 0, whole, 1) + TINY

    return Fits(
        coefficients,
        bands,
        jnp.concatenate(unexplained, axis=-1),
        share(missed, power),
        share(around(missed), around(power)),
    )


def all_burg(x: Complex[Array, "n l u v"], known: Bool[Array, "n l"]) -> dict:
    """One recursion for each reach, which passes through the orders asked for."""
    orders: dict[Reach, set[int]] = {}
    for (method, order, _), group in by_order(x.shape[1]).items():
        for i in group if method == "burg" else ():
            orders.setdefault(BANK[i].reach, set()).add(order)
    return {reach: burg(x, known, sorted(o), reach) for reach, o in orders.items()}


def fit_whole(
    x: Complex[Array, "n l u v"], known: Bool[Array, "n l"], order: int, backward: bool
) -> tuple[Complex[Array, "n 1 1 1 p"], Float[Array, "n 1 1 1"]]:
    """One autoregression for all bins: coefficients and what they do not explain."""
    length = x.shape[1]
    lags = jnp.stack([x[:, order - k : length - k] for k in range(order + 1)], axis=-1)
    usable = jnp.stack([known[:, order - k : length - k] for k in range(order + 1)])
    rows = jnp.where(usable.all(0)[:, :, None, None, None], lags, 0)
    if backward:  # the oldest first and conjugate: the same recurrence in reverse
        rows = jnp.concatenate([rows, rows[..., ::-1].conj()], axis=1)
    rows = rearrange(rows, "n t u v p -> n (t u v) p")
    power = (abs(rows[..., 1:]) ** 2).sum((1, 2)) / order
    load = jnp.sqrt(ROUNDING * power)[:, None, None] * jnp.eye(order + 1)[None, 1:]
    rows = jnp.concatenate([rows, load.astype(x.dtype)], axis=1)
    found = solve_tall(rows[..., 1:], rows[..., 0])
    error = rows[..., 0] - einsum("nrp,np->nr", rows[..., 1:], found)
    energy = (abs(rows[..., 0]) ** 2).sum(1)
    rest = (abs(error) ** 2).sum(1) / jnp.where(energy > 0, energy, 1)
    return found[:, None, None, None], rest[:, None, None, None]


def forecast_all(
    series: Complex[Array, "n l k"], coefficients: Complex[Array, "n k m p"], steps: int
) -> Complex[Array, "n {steps} k m"]:
    """Every series continued by several recurrences."""
    many = jnp.broadcast_to(series[..., None], (*series.shape, coefficients.shape[2]))
    return iterate(many, coefficients, steps)


def of_bins(x: Array, chosen: Int[Array, "n k"]) -> Array:
    """Of what there is for every bin, [n, bin, ...], that of the chosen ones."""
    index = chosen.reshape(*chosen.shape, *(1,) * (x.ndim - 2))
    return jnp.take_along_axis(x, index, axis=1)


def bank_forecasts(
    series: Complex[Array, "n l k"],
    fits: Fits,
    chosen: Int[Array, "n k"],
    horizon: int,
) -> Options:
    """Forecasts of the chosen bins by every member."""
    pick = partial(of_bins, chosen=chosen)
    forecasts = [forecast_all(series, pick(c), horizon) for c in fits.coefficients]
    forecasts = in_bank_order(forecasts, series.shape[1])
    by_bands = bands_forecasts(series, jax.tree.map(pick, fits.bands), horizon)
    last = jnp.stack([by_bands, 0 * by_bands], axis=-1)
    # To a single antenna rays come from everywhere: the predictor for bands, which
    # knows, counts as much as all others together.
    alone = fits.missed.shape[1] == 1
    prior = jnp.zeros(MEMBERS + 1).at[MEMBERS - 1].set(alone * math.log(len(BANK)))
    return Options(
        jnp.concatenate([forecasts, last], axis=-1),
        pick(fits.unexplained),
        pick(fits.missed),
        pick(fits.missed_around),
        prior,
    )


def track_record(options: Options) -> Float[Array, "n k option"]:
    """Logits that weigh every member, and silence, by prior and what it missed.

    The geometric mean of what it missed in the bin and around it. On clean tones the
    member that is exact has all the weight; in noise, where all miss the same, the
    weights are level.
    """
    record = -(jnp.log(options.missed) + jnp.log(options.missed_around)) / 2
    return record + options.prior[None, None]


LIMIT = 4.0
"""Forecasts are cut at this many times the size of their bin."""


def mixed_by_record(
    options: Options, series: Complex[Array, "n l k"]
) -> Complex[Array, "n h k"]:
    """All options by their records alone, of bins whose series are known."""
    size = jnp.sqrt((abs(series) ** 2).mean(1))[:, None, :, None]
    cut = jnp.maximum(1, abs(options.forecasts) / (LIMIT * size + TINY))
    weights = jax.nn.softmax(track_record(options), axis=-1)[:, None]
    return (weights * options.forecasts / cut).sum(-1)


PIECE = 4
"""Channels that `ar_bank` forecasts at once."""


def ar_bank(
    context: Complex[np.ndarray, "n l bin"], horizon: int, grid: tuple[int, int]
) -> Complex[np.ndarray, "n {horizon} bin"]:
    """The bank by its record alone: where a model with channels as a whole starts.

    Args:
        context: channels of a grid of bins; one step, which nothing can be fitted to,
            is repeated.
        horizon: steps to forecast.
        grid: rows and columns of the bins.
    """
    if context.shape[1] == 1:
        return np.repeat(np.asarray(context), horizon, axis=1)
    return in_pieces(
        lambda _, piece: _ar_bank(piece, horizon, grid), PIECE, np.asarray(context)
    )


@partial(jax.jit, static_argnames=("horizon", "grid"))
def _ar_bank(context: Array, horizon: int, grid: tuple[int, int]) -> Array:
    options, x, peak = options_of(context, horizon, grid)
    return mixed_by_record(options, x) * peak


def options_of(
    context: Complex[Array, "n l bin"], horizon: int, grid: tuple[int, int]
) -> tuple[Options, Complex[Array, "n l bin"], Float[Array, "n 1 1"]]:
    """What every member says of all bins, of the context over its peak, that, and it.

    Arguments are those of `ar_bank`.
    """
    n, length, bins = context.shape
    peak = abs(context).max((1, 2), keepdims=True)
    x = context / jnp.where(peak > 0, peak, 1)
    known = jnp.ones((n, length), bool)
    fits = fit_bank(rearrange(x, "n l (u v) -> n l u v", u=grid[0]), known, horizon)
    chosen = jnp.broadcast_to(jnp.arange(bins)[None], (n, bins))
    return bank_forecasts(x, fits, chosen, horizon), x, peak
