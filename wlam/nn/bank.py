"""Several training-free forecasts of every bin of a channel, for a network to mix.

Which fit is best depends on the noise, on how many rays share a bin and on how many
snapshots there are; a network sees that and a formula does not.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int

from wlam.phy.floors.local import Reach, fit, iterate, lag_moments, pool


@dataclass(frozen=True)
class Fit:
    """One autoregression, see `wlam.phy.floors.local`."""

    order: int
    reach: Reach
    ridge: float
    backward: bool = True  # rows in reverse as well


BANK = (
    Fit(4, (0, 0), 1e-4),
    Fit(4, (1, 1), 1e-2),
    Fit(6, (0, 1), 1e-5),
    Fit(6, (1, 0), 1e-5),
    Fit(6, (1, 1), 1e-5),
    Fit(8, (1, 1), 1e-7),
    Fit(8, (2, 2), 1e-6),
    Fit(6, (0, None), 1e-6),
    Fit(8, (None, None), 1e-5, backward=False),
    Fit(12, (None, None), 1e-6, backward=False),
)
"""From few equations of few rays to many equations of all of them; light penalties are
right without noise, heavy ones with it. The last two are the floors "AR" along time and
along frequency: the model has no business losing to them."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Fits:
    """What the members of the bank found, for all bins of a flat grid."""

    coefficients: list[Complex[Array, "n bin _"]]
    unexplained: list[Float[Array, "n bin"]]  # share of the equations' power


def fit_bank(x: Complex[Array, "n l u v"], known: Bool[Array, "n l"]) -> Fits:
    """Fits every member of the bank to every bin.

    Args:
        x: series, unknown steps zero; of a scale near 1.
        known: which steps are known.
    """
    n, length = x.shape[:2]
    moments = {}
    found = Fits([], [])
    for member in BANK:
        order = max(1, min(member.order, length // 2))
        rows = order, member.backward
        if rows not in moments:
            moments[rows] = lag_moments(x, known, *rows)
        pooled = pool(moments[rows], member.reach)
        coefficients, rest = fit(pooled, member.ridge)
        found.coefficients.append(coefficients.reshape(n, -1, order))
        found.unexplained.append(rest.reshape(n, -1))
    return found


def bank_forecasts(
    series: Complex[Array, "n l k"],
    fits: Fits,
    chosen: Int[Array, "n k"],
    horizon: int,
) -> tuple[Complex[Array, "n h k member"], Float[Array, "n k member"]]:
    """Forecasts of the chosen bins by every member, and what each left unexplained."""
    forecasts = [
        iterate(series, jnp.take_along_axis(one, chosen[..., None], axis=1), horizon)
        for one in fits.coefficients
    ]
    rests = [jnp.take_along_axis(one, chosen, axis=1) for one in fits.unexplained]
    return jnp.stack(forecasts, -1), jnp.stack(rests, -1)
