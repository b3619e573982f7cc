"""Several training-free forecasts of every bin of a channel, for a network to mix.

Which fit is best depends on the noise, on how many rays share a bin and on how many
snapshots there are; a network sees that and a formula does not.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int

from wlam.phy.floors.local import Reach, fit, iterate, lag_moments, pool

# A channel forecast to the last bit has missed nothing, and nothing has no logarithm.
TINY = 1e-9


@dataclass(frozen=True)
class Fit:
    """One autoregression, see `wlam.phy.floors.local`."""

    order: int
    reach: Reach
    ridge: float
    backward: bool = True  # rows in reverse as well


BANK = (
    Fit(4, (0, 0), 1e-4),
    Fit(6, (1, 0), 1e-7),
    Fit(6, (2, 2), 3e-7),
    Fit(6, (0, None), 1e-6),
    Fit(12, (0, None), 1e-4),
    Fit(16, (1, 0), 1e-6),
    Fit(16, (0, 1), 1e-6),
    Fit(16, (1, 1), 1e-6),
    Fit(16, (1, 1), 1e-7),
    Fit(16, (2, 2), 1e-7),
    Fit(16, (None, 0), 1e-6),
    Fit(16, (0, None), 1e-6),
    Fit(8, (None, None), 1e-5, backward=False),
    Fit(12, (None, None), 1e-6, backward=False),
)
"""From few equations of few rays to many equations of all of them; light penalties are
right without noise, heavy ones with it. Orders are at most half of the context. Chosen
one by one from 192 on drops of the training scenarios, each for what it adds to those
before it. The last two are the floors "AR" along time and along frequency: the model
has no business losing to them."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Fits:
    """What the members of the bank found, for all bins of a flat grid.

    Members of one order were fitted together, so there is an array for each order.
    """

    coefficients: list[Complex[Array, "n bin _ _"]]
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


def by_order(length: int) -> dict[tuple[int, bool], list[int]]:
    """Members that share rows of equations: (order, backward) -> indices into BANK."""
    groups: dict[tuple[int, bool], list[int]] = {}
    for i, member in enumerate(BANK):
        order = max(1, min(member.order, length // 2))
        groups.setdefault((order, member.backward), []).append(i)
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
    """
    n, length, u, v = x.shape
    back = min(length // 2, max(1, horizon // 2))
    series = x.reshape(n, length, u * v)
    before, after = series[:, : length - back], series[:, length - back :]
    coefficients, unexplained, missed = [], [], []
    for (order, backward), group in by_order(length).items():
        moments = lag_moments(x, known, order, backward)
        pooled = jnp.stack([pool(moments, BANK[i].reach) for i in group], axis=3)
        ridge = jnp.array([BANK[i].ridge for i in group])
        found, rest = fit(pooled, ridge.reshape(1, 1, 1, len(group)))
        found = found.reshape(n, u * v, len(group), order)
        error = forecast_all(before, found, back) - after[..., None]
        coefficients.append(found)
        unexplained.append(rest.reshape(n, u * v, len(group)))
        missed.append((abs(error) ** 2).mean(1))
    silence = (abs(after) ** 2).mean(1)[..., None]
    missed = jnp.concatenate([in_bank_order(missed, length), silence], axis=-1)
    power = ((abs(series) ** 2).sum(1) / known.sum(1)[:, None])[..., None]

    def around(part: Array) -> Array:
        grid = part.reshape(n, u, v, -1)
        return pool(grid, (1, 1)).reshape(part.shape)

    def share(part: Array, whole: Array) -> Array:
        return part / jnp.where(whole > 0, whole, 1) + TINY

    return Fits(
        coefficients,
        in_bank_order(unexplained, length),
        share(missed, power),
        share(around(missed), around(power)),
    )


def forecast_all(
    series: Complex[Array, "n l k"], coefficients: Complex[Array, "n k m p"], steps: int
) -> Complex[Array, "n {steps} k m"]:
    """Every series continued by several recurrences."""
    many = jnp.broadcast_to(series[..., None], (*series.shape, coefficients.shape[2]))
    return iterate(many, coefficients, steps)


def bank_forecasts(
    series: Complex[Array, "n l k"],
    fits: Fits,
    chosen: Int[Array, "n k"],
    horizon: int,
) -> Options:
    """Forecasts of the chosen bins by every member."""

    def pick(x: Array) -> Array:
        index = chosen.reshape(*chosen.shape, *(1,) * (x.ndim - 2))
        return jnp.take_along_axis(x, index, axis=1)

    forecasts = [forecast_all(series, pick(c), horizon) for c in fits.coefficients]
    forecasts = in_bank_order(forecasts, series.shape[1])
    return Options(
        jnp.concatenate([forecasts, 0 * forecasts[..., :1]], axis=-1),
        pick(fits.unexplained),
        pick(fits.missed),
        pick(fits.missed_around),
    )


def track_record(options: Options) -> Float[Array, "n k option"]:
    """Logits that weigh every member, and silence, by one over what it missed.

    The geometric mean of what it missed in the bin and around it. On clean tones the
    member that is exact has all the weight; in noise, where all miss the same, the
    weights are level.
    """
    return -(jnp.log(options.missed) + jnp.log(options.missed_around)) / 2
