"""Channels from pilots in noise: estimation, with and without a model."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jaxtyping import PRNGKeyArray

from wlam.baselines.estimate import linear_matrix, spline_matrix
from wlam.baselines.estimate.combs import by_delay_spectrum
from wlam.baselines.estimate.interpolation import between_snapshots
from wlam.data.files import CSI
from wlam.phy.arrays import array_shape, uniform_lines
from wlam.phy.transforms import directions
from wlam.tasks.csi import CsiTask
from wlam.tasks.task import Baseline
from wlam.tasks.windows import Sequences, Windows
from wlam.types import FREQUENCY, LINEAR_BEYOND, Array, Csi, Pilots, SnapshotBatch

TX_ANTENNAS = "tx_antennas"
"""The label of channels whose subcarriers are antennas of another line."""
NOISE = "noise_variance"
"""The label that tells the variance of the noise of every entry."""
FEWEST = 4
"""Pilots that a spline needs."""


class CsiEstimate(CsiTask):
    """All of a block [time, subcarrier, antenna] from its pilots.

    Steps are subcarriers and channels (time, antenna) pairs, as they are. Baselines:
    "repeat last" holds a pilot until the next, "interpolation" and "spline" are linear
    and cubic along subcarriers (least squares, so noise stays); snapshots and antennas
    without pilots are on the line between those beside them. "sparse Bayes" fits, to
    each beam of a comb, the delay spectrum that all snapshots share, and the noise too
    where nobody knows it; it needs a regular array and the same pilots everywhere.
    """

    name = "csi_estimate"
    layout = replace(CSI, target="subcarrier", completes=True, pilots=True)
    window = (0, 0)  # all of the block
    axis = FREQUENCY
    verb = "estimate"

    def sequences(self, data: Csi) -> Sequences:
        _, times, _, antennas = np.shape(data.csi)

        def steps(csi: Array) -> Array:
            return rearrange(csi, "n t k a -> n k (t a)")

        seen = (
            np.ones(np.shape(data.csi)[1:], bool)
            if data.pilots is None
            else data.pilots
        )
        return Sequences(
            values=steps(data.csi),
            clean=steps(data.csi if data.clean is None else data.clean),
            interval=data.subcarrier_spacing_hz,
            axis=FREQUENCY,
            labels=data.labels,
            grid=(times, antennas),
            pilots=Pilots(rearrange(seen, "t k a -> k (t a)"), data.antennas),
        )

    def batch(
        self,
        key: PRNGKeyArray,
        data: Csi,
        per_sample: int,
        context: int | None,
        linear_beyond: float = LINEAR_BEYOND,
    ) -> SnapshotBatch:
        """Every time by itself, without noise and of mean power 1."""
        clean = jnp.asarray(data.csi if data.clean is None else data.clean)
        clean = rearrange(clean, "n t k a -> (n t) k a")
        power = (abs(clean) ** 2).mean((1, 2), keepdims=True)
        assert data.antennas is not None
        array = data.antennas.positions, data.antennas.polarisation
        times = np.shape(data.csi)[1]
        labels = {name: x for name, x in data.labels.items() if jnp.ndim(x) == 1}
        return SnapshotBatch(
            clean / jnp.sqrt(jnp.where(power > 0, power, 1)),
            tuple(tuple(line) for line in uniform_lines(*array).tolist()),
            array_shape(*array),
            frequency=TX_ANTENNAS not in data.labels,
            labels={name: jnp.repeat(x, times) for name, x in labels.items()},
        )

    def question(self, windows: Windows) -> Csi:
        """The pilots; what is none is NaN."""
        assert windows.pilots is not None
        assert windows.grid is not None
        blocks = rearrange(windows.context, "n k (t a) -> n t k a", t=windows.grid[0])
        return Csi(
            blocks,
            subcarrier_spacing_hz=windows.interval,
            antennas=windows.pilots.antennas,
        )

    def values(self, answer: Csi) -> np.ndarray:
        return rearrange(np.asarray(answer.csi), "n t k a -> n k (t a)")

    def baselines(self, data: Csi, windows: Windows) -> dict[str, Baseline]:
        assert windows.grid is not None
        assert windows.pilots is not None
        seen = np.asarray(windows.pilots.seen)[: windows.horizon]
        seen = rearrange(seen, "k (t a) -> t k a", t=windows.grid[0])
        found: dict[str, Baseline] = {
            "zero": lambda context, horizon: np.zeros_like(np.nan_to_num(context)),
            "repeat last": partial(filled, seen=seen, matrix=hold_matrix),
            "interpolation": partial(filled, seen=seen, matrix=linear_matrix),
        }
        if seen.any((0, 2)).sum() >= FEWEST:
            found["spline"] = partial(filled, seen=seen, matrix=spline_matrix)
        at = comb(seen)
        assert data.antennas is not None
        array = data.antennas.positions, data.antennas.polarisation
        regular = uniform_lines(*array).shape[1] > 1
        if at is not None and regular:
            told = windows.labels.get(NOISE)
            found["sparse Bayes"] = partial(
                by_spectrum, data=data, seen=seen, at=at, noise_variance=told
            )
        return found

    def user_arrays(
        self, forecast: np.ndarray, data: Csi, windows: Windows
    ) -> dict[str, np.ndarray]:
        times = np.shape(data.csi)[1]
        return {"prediction": rearrange(forecast, "n k (t a) -> n t k a", t=times)}


def comb(seen: np.ndarray) -> np.ndarray | None:
    """The pilots' subcarriers, if all snapshots with any have these; else None."""
    at = np.flatnonzero(seen.any((0, 2)))
    same = np.zeros_like(seen)
    same[np.ix_(np.flatnonzero(seen.any((1, 2))), at)] = True
    return at if np.array_equal(same, seen) else None


def hold_matrix(positions: np.ndarray, subcarriers: int) -> np.ndarray:
    """The pilot before each subcarrier, the first one before it; [1, k, pilot]."""
    before = np.searchsorted(positions[0], np.arange(subcarriers), side="right") - 1
    return np.eye(positions.shape[1], dtype=np.float32)[np.maximum(before, 0)][None]


def filled(
    context: np.ndarray, horizon: int, seen: np.ndarray, matrix: Any
) -> np.ndarray:
    """Along subcarriers by a linear map of the pilots; then snapshots, then antennas.

    Args:
        context: [window, k, (t a)].
        seen: [t, k, a].
        matrix: positions [1, pilot] and k to [1, k, pilot]; where there are too few
            pilots for a spline it is a line.
    """
    blocks = rearrange(np.nan_to_num(context), "n k (t a) -> n t k a", t=len(seen))
    found = np.zeros_like(blocks)
    columns = rearrange(seen, "t k a -> (t a) k")
    patterns, which = np.unique(columns, axis=0, return_inverse=True)
    for i, pattern in enumerate(patterns):
        at = np.flatnonzero(pattern)
        if not len(at):
            continue
        enough = matrix is not spline_matrix or len(at) >= FEWEST
        weights = (matrix if enough else linear_matrix)(
            at[None].astype(np.float32), horizon
        )[0]
        t, a = np.divmod(np.flatnonzero(which.ravel() == i), seen.shape[2])
        found[:, t, :, a] = np.einsum(
            "kp,cnp->cnk", weights, blocks[:, t, :, a][..., at]
        )
    n, there = len(found), np.asarray(seen.any(1))  # [t, a]
    with_time = np.asarray(there.any(0))
    for a in np.flatnonzero(with_time):
        one = found[..., a : a + 1]
        found[..., a : a + 1] = between_snapshots(one, np.tile(there[:, a], (n, 1)))
    sides = rearrange(found, "n t k a -> n a k t")
    found = between_snapshots(sides, np.tile(with_time, (n, 1)))
    return rearrange(found, "n a k t -> n k (t a)")


def by_spectrum(
    context: np.ndarray,
    horizon: int,
    data: Csi,
    seen: np.ndarray,
    at: np.ndarray,
    noise_variance: np.ndarray | None,
) -> np.ndarray:
    """Sparse Bayes of every beam, see `wlam.baselines.estimate.combs`."""
    there = np.asarray(seen.any((1, 2)))
    blocks = rearrange(np.nan_to_num(context), "n k (t a) -> n t k a", t=len(seen))
    found = np.zeros_like(blocks)
    found[:, there] = by_delay_spectrum(
        blocks[:, there][:, :, at],
        at,
        horizon,
        directions(data.antennas, blocks.shape[-1]),
        noise_variance,
    )
    whole = between_snapshots(found, np.tile(there, (len(found), 1)))
    return rearrange(whole, "n t k a -> n k (t a)")
