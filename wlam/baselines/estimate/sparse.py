"""Estimation of channels that are sums of few paths.

A channel h [d] is observed as y = A h + n, through a sensing matrix A [m, d] and in
white noise, and is a sum of atoms, the columns of a dictionary D. Channels over
subcarriers and antennas are flattened in this order.
"""

import math
from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Complex64, Float, Inexact, Int, Num

from wlam.ops.einsum import einsum


def angle_delay_dictionary(
    num_subcarriers: int,
    antennas: tuple[int, ...],
    oversampling: int = 1,
    num_delays: int | None = None,
) -> Complex64[np.ndarray, "d atom"]:
    """Return channels of unit norm of single paths on a grid of delays and angles.

    Atom (q, k, ...) is exp(-j 2 pi q s / (O S)) on subcarrier s of S times
    exp(j 2 pi k a / (O N)) on antenna a of N, with O the oversampling: a delay of
    q / (O S spacing) and a path of sine k / (O N d) where antennas are d wavelengths
    apart. One factor for each axis of the array. Unitary where O is one.

    Pilots on every p-th subcarrier alias a delay with one S / p away: keep the first
    O S / p delays at most, or aliases share the energy.

    Args:
        num_subcarriers: S.
        antennas: Length of each axis of a uniform array, the fastest last: (N,) for a
            line, (vertical, horizontal) for `wlam.phy.arrays.upa`.
        oversampling: Grid points per resolvable delay and angle.
        num_delays: Keep the first ones only; None for all.

    Raises:
        ValueError: A number is out of range.
    """
    lengths = (num_subcarriers, *antennas)
    for field, number in [("grid", min(lengths)), ("oversampling", oversampling)]:
        if number < 1:
            raise ValueError(f"{field}: found {number}, needed at least 1")
    most = oversampling * num_subcarriers
    num_delays = most if num_delays is None else num_delays
    if not 1 <= num_delays <= most:
        raise ValueError(f"num_delays: found {num_delays}, needed 1 to {most}")
    counts = (num_delays, *(oversampling * length for length in antennas))
    waves = []
    for axis, (length, count) in enumerate(zip(lengths, counts, strict=True)):
        cycles = np.outer(np.arange(length), np.arange(count)) / (oversampling * length)
        sign = 1 if axis else -1
        waves.append(np.exp(sign * 2j * np.pi * cycles) / math.sqrt(length))
    return reduce(np.kron, waves).astype(np.complex64)


@partial(jax.jit, static_argnames="max_paths")
def omp(
    observed: Complex[Array, "n m"],
    noise_variance: Float[Array, "n"],
    sensing: Inexact[Array, "m d"],
    dictionary: Complex[Array, "d atom"],
    max_paths: int,
    false_alarm: Num[ArrayLike, ""] = 0.01,
) -> Complex[Array, "n d"]:
    """Orthogonal matching pursuit: add the best path, fit all again, repeat.

    Tropp & Gilbert, "Signal recovery from random measurements via orthogonal matching
    pursuit", IEEE Trans. Inf. Theory 53(12), 2007, algorithm 3. The rule to stop bounds
    the correlation of the residual with the atoms, as in Cai & Wang, "Orthogonal
    matching pursuit for sparse signal recovery with noise", ibid. 57(7), 2011: that of
    pure noise with one atom has an exponentially distributed power, so none of g atoms
    exceeds variance * log(g / false_alarm) with probability 1 - false_alarm or more.

    Args:
        observed: y.
        noise_variance: Of each element of y, of each sample; may be zero.
        sensing: A.
        dictionary: Channels of single paths, from `angle_delay_dictionary`.
        max_paths: The most paths to find, 1 to m.
        false_alarm: Probability that noise alone is taken for a path.

    Raises:
        ValueError: `max_paths` is out of range.
    """
    num_seen = observed.shape[1]
    if not 1 <= max_paths <= num_seen:
        raise ValueError(f"max_paths: found {max_paths}, needed 1 to {num_seen}")
    seen = einsum("md,dg->mg", sensing, dictionary)
    norm = jnp.linalg.norm(seen, axis=0)
    weight = jnp.where(norm > 0, 1 / jnp.where(norm > 0, norm, 1), 0)
    # Rows: what the pilots see of a path, and the path itself, at the same scale.
    atoms = (weight[None] * jnp.concatenate([seen, dictionary])).T
    level = jnp.log(atoms.shape[0] / jnp.asarray(false_alarm))
    pursue = partial(_pursue, atoms=atoms, max_paths=max_paths)
    scale = _peak(observed)
    found = jax.vmap(pursue)(
        observed / scale[:, None], level * noise_variance / scale**2
    )
    return found * scale[:, None]


@jax.jit
def universal_penalty(
    noise_variance: Float[Array, "n"],
    sensing: Inexact[Array, "m d"],
    dictionary: Complex[Array, "d atom"],
) -> Float[Array, "n"]:
    """Return the penalty for `fista` that noise alone just does not exceed.

    sigma sqrt(log g) for g atoms that the pilots see with at most unit norm: Chen,
    Donoho & Saunders, "Atomic decomposition by basis pursuit", SIAM Review 43(1), 2001,
    section 5, whose sqrt(2 log g) is for real noise of variance sigma^2.
    """
    norm = jnp.linalg.norm(einsum("md,dg->mg", sensing, dictionary), axis=0)
    return jnp.sqrt(noise_variance * math.log(len(norm))) * norm.max()


@jax.jit
def fista(
    observed: Complex[Array, "n m"],
    penalty: Float[Array, "n"],
    sensing: Inexact[Array, "m d"],
    dictionary: Complex[Array, "d atom"],
    num_iterations: Int[ArrayLike, ""] = 200,
) -> Complex[Array, "n d"]:
    """Sparse estimate D x, by the x that minimises |y - A D x|^2 / 2 + penalty |x|_1.

    Beck & Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear
    inverse problems", SIAM J. Imaging Sci. 2(1), 2009, equations 4.1 to 4.3, in the
    monotone form of their "Fast gradient-based algorithms for constrained total
    variation image denoising and deblurring problems", IEEE Trans. Image Process.
    18(11), 2009, section V: an iterate that raises the objective is passed on to the
    extrapolation but not kept. Starts at zero. float32 tells objectives apart to 1e-7,
    hence x to about 3e-4 of the largest element of y.

    Args:
        observed: y.
        penalty: Of each sample, in the unit of y; see `universal_penalty`.
        sensing: A.
        dictionary: D, from `angle_delay_dictionary` without oversampling.
        num_iterations: Each costs two products with A D.
    """
    seen = einsum("md,dg->mg", sensing, dictionary)
    scale = _peak(observed)
    solve = partial(_fista, seen=seen, num_iterations=num_iterations)
    sparse = jax.vmap(solve)(observed / scale[:, None], penalty / scale)
    return einsum("dg,ng->nd", dictionary, sparse) * scale[:, None]


def _pursue(observed, threshold, atoms, max_paths):
    """OMP of one sample; `atoms` [g, m + d] are observed paths, then paths.

    Gram-Schmidt transforms every path together with its observation, so that the fit
    needs no linear system: the observations are orthonormal, the paths sum to the
    channel.
    """
    num_seen = len(observed)
    seen = atoms[:, :num_seen].conj()
    eps = jnp.finfo(observed.dtype).eps
    # The residual of an exact fit.
    rounding = (4 * eps) ** 2 * num_seen * jnp.sum(jnp.abs(observed) ** 2)
    threshold = jnp.maximum(threshold, rounding)

    def match(remainder):
        return jnp.abs(einsum("gm,m->g", seen, remainder[:num_seen])) ** 2

    def unfinished(state):
        step, _, _, power = state
        return (step < max_paths) & (power.max() > threshold)

    def add_path(state):
        step, remainder, basis, power = state
        path = atoms[power.argmax()]
        for _ in range(2):  # once is not orthogonal enough in float32
            overlap = einsum("km,m->k", basis[:, :num_seen].conj(), path[:num_seen])
            path = path - einsum("km,k->m", basis, overlap)
        path = path / jnp.linalg.norm(path[:num_seen])
        amount = einsum("m,m->", path[:num_seen].conj(), remainder[:num_seen])
        remainder = remainder - amount * path
        return step + 1, remainder, basis.at[step].set(path), match(remainder)

    # The observation and, below it, minus the channel found so far.
    channel = jnp.zeros(atoms.shape[1] - num_seen, observed.dtype)
    remainder = jnp.concatenate([observed, channel])
    basis = jnp.zeros((max_paths, atoms.shape[1]), observed.dtype)
    state = (0, remainder, basis, match(remainder))
    _, remainder, _, _ = jax.lax.while_loop(unfinished, add_path, state)
    return -remainder[num_seen:]


def _fista(observed, penalty, seen, num_iterations):
    """Monotone FISTA of one sample; `seen` is A D [m, g]."""
    gram = einsum("mg,lg->ml", seen, seen.conj())
    lipschitz = jnp.linalg.eigvalsh(gram)[-1]
    step = jnp.where(lipschitz > 0, 1 / jnp.where(lipschitz > 0, lipschitz, 1), 0)

    def objective(sparse, image):
        fit = jnp.sum(jnp.abs(observed - image) ** 2) / 2
        return fit + penalty * jnp.abs(sparse).sum()

    def iterate(_, state):
        # Images are products with `seen`; they follow the same linear rules.
        kept, cost, ahead, momentum = state
        slope = einsum("mg,m->g", seen.conj(), ahead[1] - observed)
        candidate = _shrink(ahead[0] - step * slope, step * penalty)
        candidate = (candidate, einsum("mg,g->m", seen, candidate))
        new_cost = objective(*candidate)
        better = new_cost <= cost
        best = jax.tree.map(partial(jnp.where, better), candidate, kept)
        following = (1 + jnp.sqrt(1 + 4 * momentum**2)) / 2
        ahead = jax.tree.map(
            lambda new, old, tried: (
                new
                + (momentum / following) * (tried - new)
                + ((momentum - 1) / following) * (new - old)
            ),
            best,
            kept,
            candidate,
        )
        return best, jnp.minimum(cost, new_cost), ahead, following

    zero = (jnp.zeros(seen.shape[1], observed.dtype), jnp.zeros_like(observed))
    state = (zero, objective(*zero), zero, jnp.ones_like(penalty))
    (sparse, _), _, _, _ = jax.lax.fori_loop(0, num_iterations, iterate, state)
    return sparse


def _shrink(value, threshold):
    """The proximal map of threshold |x|_1: moduli shrink, phases stay."""
    size = jnp.abs(value)
    return value * (jnp.maximum(size - threshold, 0) / jnp.where(size > 0, size, 1))


def _peak(observed):
    """The largest magnitude of each sample; dividing by it keeps squares in range."""
    peak = jnp.abs(observed).max(axis=1)
    return jnp.where(peak > 0, peak, 1)
