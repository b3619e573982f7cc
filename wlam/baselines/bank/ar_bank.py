"""An expert bank: several training-free forecasts of every bin, for a network to mix.

Which fit is best depends on the noise, on how many rays share a bin and on how many
snapshots there are; a network learns that dependence.
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

from wlam.baselines.bank.bands import Bands, bands_forecasts, fit_bands, hypotheses
from wlam.baselines.bank.burg import burg
from wlam.baselines.forecast.local import Reach, fit, iterate, lag_moments, pool
from wlam.ops.einsum import einsum
from wlam.ops.pieces import in_pieces
from wlam.ops.solve import solve_tall

# Keeps logarithms of backtest errors finite where a forecast is exact to the last bit.
TINY = 1e-9
ROUNDING = 1e-12
"""Penalty of fits of all bins: the smallest that float32 resolves."""


@dataclass(frozen=True)
class Expert:
    """One autoregression of the bank."""

    order: int
    reach: Reach
    # "normal": penalised normal equations, see `wlam.baselines.forecast.local`; "burg":
    # see `wlam.baselines.bank.burg`, no penalty; "whole": of all bins, by
    # orthogonalisation.
    method: Literal["normal", "burg", "whole"] = "normal"
    ridge: float = 0.0
    backward: bool = True  # equations in reverse as well


BANK = (
    Expert(6, (1, 0), ridge=1e-7),
    Expert(16, (0, 1), ridge=1e-6),
    Expert(16, (1, 1), ridge=1e-6),
    Expert(16, (1, 1), ridge=1e-7),
    Expert(16, (2, 2), ridge=1e-7),
    Expert(4, (0, None), "burg"),
    Expert(12, (0, None), "burg"),
    Expert(12, (2, 2), "burg"),
    Expert(16, (0, 1), "burg"),
    Expert(8, (None, None), "whole", backward=False),
    Expert(12, (None, None), "whole", backward=False),
    Expert(16, (None, None), "whole"),
)
"""Normal equations of a few bins are best in noise, Burg's recursion far ahead and
without noise, orthogonalisation where there is no noise at all. Orders are at most half
of the context. Chosen one by one from 74 on drops of the training scenarios, each for
its gain over those before it. AR(8) and AR(12) of all bins are the baselines "AR" along
time and along frequency: a model that starts from the bank should not lose to them."""
NUM_EXPERTS = len(BANK) + 1
"""With the predictor of `wlam.baselines.bank.bands`, which is the last."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class BankFit:
    """The fits of all experts to all bins of a flat grid.

    Experts of one order are fitted together, so there is an array for each order.
    """

    coefficients: list[Complex[Array, "n bin _ _"]]
    bands: Bands
    unexplained: Float[Array, "n bin expert"]  # share of the equations' power
    # Error power of the last steps, forecast from those before them, over the bin's
    # own power; the zero forecast is the last.
    backtest_error: Float[Array, "n bin forecast"]
    pooled_error: Float[Array, "n bin forecast"]  # the same over 3 x 3 bins


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class BankForecasts:
    """The forecasts of some bins by every expert, with their backtest errors."""

    forecasts: Complex[Array, "n h k forecast"]  # the zero forecast is the last
    unexplained: Float[Array, "n k expert"]
    backtest_error: Float[Array, "n k forecast"]
    pooled_error: Float[Array, "n k forecast"]
    prior: Float[Array, " forecast"]  # logits, before any backtest


def by_order(length: int) -> dict[tuple[str, int, bool], list[int]]:
    """Experts that are fitted together: (method, order, backward) -> indices."""
    groups: dict[tuple[str, int, bool], list[int]] = {}
    for i, expert in enumerate(BANK):
        order = max(1, min(expert.order, length // 2))
        groups.setdefault((expert.method, order, expert.backward), []).append(i)
    return groups


def in_bank_order(parts: list[Array], length: int) -> Array:
    """Sorts results of the groups of `by_order`, [..., expert] each, as in BANK."""
    positions = [i for group in by_order(length).values() for i in group]
    columns = jnp.concatenate(parts, axis=-1)
    return columns[..., jnp.argsort(jnp.array(positions))]


def fit_bank(
    x: Complex[Array, "n l u v"], known: Bool[Array, "n l"], horizon: int
) -> BankFit:
    """Fits every expert of the bank to every bin, and backtests it on the context.

    The backtest forecasts the last half horizon. The fit uses these steps too, since
    coefficients of a shorter context differ; iterated over some steps, a bad fit has a
    large error all the same.

    Args:
        x: series, unknown steps zero; of a scale near 1.
        known: which steps are known.
        horizon: steps that will be forecast.

    Raises:
        ValueError: one step, which leaves none for the backtest.
    """
    n, length, u, v = x.shape
    if length < 2:
        raise ValueError(f"context: found {length} step; needed 2 or more")
    back = min(length // 2, max(1, horizon // 2))
    series = x.reshape(n, length, u * v)
    before, after = series[:, : length - back], series[:, length - back :]
    coefficients, unexplained, errors = [], [], []
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
        errors.append((abs(error) ** 2).mean(1))
    by_bands = bands_forecasts(before, bands, back)
    last = jnp.stack([by_bands - after, after], axis=-1)
    last = (abs(last) ** 2).mean(1)
    errors = jnp.concatenate([in_bank_order(errors, length), last], axis=-1)
    noise = hypotheses()[1]
    noise = (noise / (1 + noise)).astype(np.float32)
    noise = einsum("nbg,g->nb", bands.weights, noise)
    unexplained = [in_bank_order(unexplained, length), noise[..., None]]
    power = ((abs(series) ** 2).sum(1) / known.sum(1)[:, None])[..., None]

    def around(part: Array) -> Array:
        grid = part.reshape(n, u, v, -1)
        return pool(grid, (1, 1)).reshape(part.shape)

    def share(part: Array, whole: Array) -> Array:
        return part / jnp.where(whole > 0, whole, 1) + TINY

    return BankFit(
        coefficients,
        bands,
        jnp.concatenate(unexplained, axis=-1),
        share(errors, power),
        share(around(errors), around(power)),
    )


def all_burg(x: Complex[Array, "n l u v"], known: Bool[Array, "n l"]) -> dict:
    """One recursion for each reach, which passes through all orders of the bank."""
    orders: dict[Reach, set[int]] = {}
    for (method, order, _), group in by_order(x.shape[1]).items():
        for i in group if method == "burg" else ():
            orders.setdefault(BANK[i].reach, set()).add(order)
    return {reach: burg(x, known, sorted(o), reach) for reach, o in orders.items()}


def fit_whole(
    x: Complex[Array, "n l u v"], known: Bool[Array, "n l"], order: int, backward: bool
) -> tuple[Complex[Array, "n 1 1 1 p"], Float[Array, "n 1 1 1"]]:
    """One autoregression for all bins: coefficients and unexplained share."""
    length = x.shape[1]
    lags = jnp.stack([x[:, order - k : length - k] for k in range(order + 1)], axis=-1)
    usable = jnp.stack([known[:, order - k : length - k] for k in range(order + 1)])
    equations = jnp.where(usable.all(0)[:, :, None, None, None], lags, 0)
    if backward:  # the oldest first and conjugate: the same recurrence in reverse
        equations = jnp.concatenate([equations, equations[..., ::-1].conj()], axis=1)
    equations = rearrange(equations, "n t u v p -> n (t u v) p")
    power = (abs(equations[..., 1:]) ** 2).sum((1, 2)) / order
    load = jnp.sqrt(ROUNDING * power)[:, None, None] * jnp.eye(order + 1)[None, 1:]
    equations = jnp.concatenate([equations, load.astype(x.dtype)], axis=1)
    regressors, target = equations[..., 1:], equations[..., 0]
    found = solve_tall(regressors, target)
    error = target - einsum("nrp,np->nr", regressors, found)
    energy = (abs(target) ** 2).sum(1)
    rest = (abs(error) ** 2).sum(1) / jnp.where(energy > 0, energy, 1)
    return found[:, None, None, None], rest[:, None, None, None]


def forecast_all(
    series: Complex[Array, "n l k"], coefficients: Complex[Array, "n k m p"], steps: int
) -> Complex[Array, "n {steps} k m"]:
    """Every series continued by several recurrences."""
    many = jnp.broadcast_to(series[..., None], (*series.shape, coefficients.shape[2]))
    return iterate(many, coefficients, steps)


def of_bins(x: Array, chosen: Int[Array, "n k"]) -> Array:
    """The chosen bins of an array [n, bin, ...]."""
    index = chosen.reshape(*chosen.shape, *(1,) * (x.ndim - 2))
    return jnp.take_along_axis(x, index, axis=1)


def bank_forecasts(
    series: Complex[Array, "n l k"],
    fitted: BankFit,
    chosen: Int[Array, "n k"],
    horizon: int,
) -> BankForecasts:
    """Forecasts of the chosen bins by every expert."""
    pick = partial(of_bins, chosen=chosen)
    forecasts = [forecast_all(series, pick(c), horizon) for c in fitted.coefficients]
    forecasts = in_bank_order(forecasts, series.shape[1])
    by_bands = bands_forecasts(series, jax.tree.map(pick, fitted.bands), horizon)
    last = jnp.stack([by_bands, 0 * by_bands], axis=-1)
    # At a single antenna rays arrive from all directions, as the predictor for bands
    # assumes: its prior is as large as that of all others together.
    alone = fitted.backtest_error.shape[1] == 1
    of_bands = alone * math.log(len(BANK))
    prior = jnp.zeros(NUM_EXPERTS + 1).at[NUM_EXPERTS - 1].set(of_bands)
    return BankForecasts(
        jnp.concatenate([forecasts, last], axis=-1),
        pick(fitted.unexplained),
        pick(fitted.backtest_error),
        pick(fitted.pooled_error),
        prior,
    )


def backtest_logits(bank: BankForecasts) -> Float[Array, "n k forecast"]:
    """Logits of the weight of every expert, and of the zero forecast.

    The prior, and minus the logarithm of the geometric mean of the backtest errors in
    the bin and around it. On clean tones an exact expert has all the weight; in noise,
    where all errors are alike, so are the weights.
    """
    errors = jnp.log(bank.backtest_error) + jnp.log(bank.pooled_error)
    return -errors / 2 + bank.prior[None, None]


LIMIT = 4.0
"""Forecasts are limited to this many times the RMS of their bin."""


def backtest_mixture(
    bank: BankForecasts, series: Complex[Array, "n l k"]
) -> Complex[Array, "n h k"]:
    """The mean of all forecasts, weighted by backtest error; all steps are known."""
    size = jnp.sqrt((abs(series) ** 2).mean(1))[:, None, :, None]
    cut = jnp.maximum(1, abs(bank.forecasts) / (LIMIT * size + TINY))
    weights = jax.nn.softmax(backtest_logits(bank), axis=-1)[:, None]
    return (weights * bank.forecasts / cut).sum(-1)


PIECE = 4
"""Channels that `ar_bank` forecasts at once."""


def ar_bank(
    context: Complex[np.ndarray, "n l bin"], horizon: int, grid: tuple[int, int]
) -> Complex[np.ndarray, "n {horizon} bin"]:
    """The bank weighted by backtest error alone: where a model of channels starts.

    Args:
        context: channels of a grid of bins; one step, which is too short for
            a fit, is repeated.
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
    bank, x, peak = fit_and_forecast(context, horizon, grid)
    return backtest_mixture(bank, x) * peak


def fit_and_forecast(
    context: Complex[Array, "n l bin"], horizon: int, grid: tuple[int, int]
) -> tuple[BankForecasts, Complex[Array, "n l bin"], Float[Array, "n 1 1"]]:
    """Forecasts of all bins of the context over its peak; that context; its peak.

    Arguments are those of `ar_bank`.
    """
    n, length, bins = context.shape
    peak = abs(context).max((1, 2), keepdims=True)
    x = context / jnp.where(peak > 0, peak, 1)
    known = jnp.ones((n, length), bool)
    bins_uv = rearrange(x, "n l (u v) -> n l u v", u=grid[0])
    fitted = fit_bank(bins_uv, known, horizon)
    chosen = jnp.broadcast_to(jnp.arange(bins)[None], (n, bins))
    return bank_forecasts(x, fitted, chosen, horizon), x, peak
