"""Prony's method on the strongest angle-delay bins of a channel (PAD)."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float

from wlam.baselines.forecast.ar import ar_per_channel
from wlam.baselines.forecast.bounds import at_least_one, peak, unit_scale

# The pseudo-inverse of the paper is the limit of a vanishing penalty; this is about the
# least that float32 supports.
RIDGE = 1e-6


@partial(jax.jit, static_argnames=("horizon", "order", "share"))
def pad(
    context: Complex[Array, "n l bin"],
    horizon: int,
    order: int = 6,
    share: float = 0.999,
) -> Complex[Array, "n h bin"]:
    """Prony-based angular-delay domain (PAD) prediction.

    Yin, Wang, Liu & Gesbert, "Addressing the curse of mobility in massive MIMO with
    Prony-based angular-delay domain channel predictions", IEEE J. Sel. Areas Commun.
    38(12), 2020. With many antennas and a wide band a bin of angle and delay holds few
    paths, hence few Doppler shifts: at most p of them obey a linear recurrence of
    order p exactly, whose coefficients are those of the polynomial that has them for
    its roots. The roots themselves are not needed to continue it.

    Only the strongest bins are forecast and all others are set to zero, since they
    contain little but noise. That, and coefficients by the pseudo-inverse instead of a
    penalised fit, are the differences from `ar_per_channel`. The paper needs 2 p
    snapshots; here all of the context takes part, by least squares.

    Args:
        context: [n, L, bin], in the angle-delay domain.
        horizon: steps to forecast.
        order: p, reduced to L // 2 where the context is short.
        share: the strongest bins that hold this share of the energy are forecast.

    Returns:
        [n, H, bin], kept within twice the largest magnitude of each bin.

    Raises:
        ValueError: the order is below 1, or the share not in (0, 1].
    """
    at_least_one(order=order)
    if not 0 < share <= 1:
        raise ValueError(f"share: found {share}; needed more than 0, at most 1")
    forecast = ar_per_channel(context, horizon, order=order, ridge=RIDGE)
    scale = unit_scale(peak(context).max(axis=2, keepdims=True))
    energy = (jnp.abs(context / scale) ** 2).sum(axis=1)
    return jnp.where(strongest(energy, share)[:, None], forecast, 0)


def strongest(energy: Float[Array, "n bin"], share: float) -> Bool[Array, "n bin"]:
    """The fewest bins of each sample that together hold `share` of its energy."""
    falling = -jnp.sort(-energy, axis=1)
    before = jnp.cumsum(falling, axis=1) - falling
    kept = before < share * falling.sum(axis=1, keepdims=True)
    least = jnp.where(kept, falling, jnp.inf).min(axis=1, keepdims=True)
    return energy >= least
