"""A training-free forecast that the model starts from: the linear fit of each context.

A network of any size has to learn from millions of examples what a least-squares fit
reads off one context: the frequencies of a few tones. So the fit is made for it, after
every patch, and the network decides how far to trust it and what to change.
"""

from functools import partial

import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Bool, Float, Inexact

# Chosen on the training streams: benchmarks/guess.py.
ORDER = 8
"""Coefficients: the tones that a series of complex numbers may hold."""
RIDGE = 1e-4
"""Penalty relative to the mean power of the regressors."""
BOUND = 2.0
"""Forecasts are kept within this multiple of the largest sample seen so far."""


def linear_guess(
    values: Float[Array, "b g t"],
    hidden: Bool[Array, "b t"],
    patch: int,
    horizon: int,
    is_complex: bool,
) -> Float[Array, "b g n {horizon}"]:
    """Autoregressive forecasts of what follows each patch, from that past alone.

    AR(ORDER) by regularised least squares (the covariance method), one coefficient
    vector for the g series of a group: the beams of a sweep, or the angles of a
    channel. Sums of lag products over patches are accumulated, so that the fits of all
    n prefixes cost one pass over the series.

    Args:
        values: normalised series; hidden samples have no influence.
        hidden: True where a sample is unknown.
        patch, horizon: samples in a patch, and to forecast after each.
        is_complex: the first half of a group are real and the second half imaginary
            parts of g / 2 series, whose coefficients are complex.

    Returns:
        [:, :, i] uses samples of patches 0..i only. Where they are too few for any
        equation the forecast is 0, the mean.
    """
    x = jnp.where(hidden[:, None], 0.0, values)
    if not is_complex:
        return _guess(x, hidden, patch, horizon)
    half = values.shape[1] // 2
    z = _guess(jax.lax.complex(x[:, :half], x[:, half:]), hidden, patch, horizon)
    return jnp.concatenate([z.real, z.imag], axis=1)


@partial(jax.jit, static_argnames=("patch", "horizon"))
def _guess(
    x: Inexact[Array, "b g t"], hidden: Bool[Array, "b t"], patch: int, horizon: int
) -> Inexact[Array, "b g n {horizon}"]:
    # window[..., t, k] = x[t - k]; zero before the beginning.
    ago = jnp.arange(x.shape[-1])[:, None] - jnp.arange(ORDER + 1)[None]
    window = jnp.where(ago >= 0, x[..., jnp.maximum(ago, 0)], 0.0)
    known = jnp.where(ago >= 0, ~hidden[:, jnp.maximum(ago, 0)], False).all(-1)
    equation = jnp.where(known[:, None, :, None], window, 0.0)
    by_patch = rearrange(equation, "b g (n p) k -> b n (g p) k", p=patch)
    products = jnp.einsum("bnpi,bnpj->bnij", by_patch.conj(), by_patch)
    products = jnp.cumsum(products, axis=1)

    gram, right = products[..., 1:, 1:], products[..., 1:, 0]
    power = jnp.trace(gram, axis1=-2, axis2=-1).real[..., None, None] / ORDER
    # The small constant keeps prefixes without any equation solvable.
    gram += (RIDGE * power + 1e-6) * jnp.eye(ORDER)[None, None]
    coefficients = solve_positive(gram, right)  # [b, n, ORDER]

    largest = BOUND * jax.lax.cummax(abs(x), axis=2)[..., patch - 1 :: patch]
    newest_first = window[..., patch - 1 :: patch, :ORDER]

    def step(state: Array, _: None) -> tuple[Array, Array]:
        after = jnp.einsum("bgnk,bnk->bgn", state, coefficients)
        after *= largest / jnp.maximum(jnp.maximum(abs(after), largest), 1e-30)
        return jnp.concatenate([after[..., None], state[..., :-1]], axis=-1), after

    _, forecast = jax.lax.scan(step, newest_first, length=horizon)
    return rearrange(forecast, "q b g n -> b g n q")


def solve_positive(
    matrix: Inexact[Array, "*b k k"], right: Inexact[Array, "*b k"]
) -> Inexact[Array, "*b k"]:
    """Solves many small positive definite systems by Gauss-Jordan elimination.

    Plain array operations: a LAPACK call per system is slow on accelerators, and inside
    a jitted scan on the CPU it can block the threads that it waits for.
    """
    table = jnp.concatenate([matrix, right[..., None]], axis=-1)
    for k in range(matrix.shape[-1]):  # no pivoting: the diagonal stays positive
        row = table[..., k, :] / table[..., k, k, None]
        table = table - table[..., :, k, None] * row[..., None, :]
        table = table.at[..., k, :].set(row)
    return table[..., -1]
