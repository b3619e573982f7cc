"""What an estimator is asked: blocks with pilots, checked, and cut into images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from einops import rearrange
from jaxtyping import Bool, Complex, Float, Int

from wlam.ops.ranges import noise_levels, over_unit, power_of_two
from wlam.phy.arrays import beamspace, uniform_lines
from wlam.types import Csi


@dataclass(frozen=True)
class Observation:
    """Blocks of which some entries are seen, in noise; each sample in its own unit."""

    values: Complex[np.ndarray, "n t k a"]  # 0 where nothing is seen
    seen: Bool[np.ndarray, "n t k a"]
    noise_variance: Float[np.ndarray, " n"] | None  # None: nobody knows
    unit: Float[np.ndarray, " n"]  # see `power_of_two`
    lines: Int[np.ndarray, "line v"]  # antennas of each uniform line
    matrix: Complex[np.ndarray, "a a"]  # antennas to beams

    @staticmethod
    def of(csi: Csi, noise_variance: Any = None) -> "Observation":
        """What an estimator sees of channels that `wlam.data.checked` has checked.

        Args:
            csi: with a mask, and without receive antennas.
            noise_variance: of every entry, one number or [sample]; None: not known.

        Raises:
            ValueError: naming the argument, what was found and what is needed.
        """
        level = (
            None
            if noise_variance is None
            else noise_levels(noise_variance, len(csi.csi))
        )
        seen, values = np.asarray(csi.mask), np.asarray(csi.csi)
        peak = np.maximum(abs(np.real(values)), abs(np.imag(values))).max((1, 2, 3))
        unit = power_of_two(peak)
        values = (values / unit[:, None, None, None]).astype(np.complex64)
        level = None if level is None else over_unit(level, unit)
        assert csi.antennas is not None
        array = csi.antennas.positions, csi.antennas.polarisation
        return Observation(
            values, seen, level, unit, uniform_lines(*array), beamspace(*array)
        )

    @property
    def snapshots(self) -> Bool[np.ndarray, "n t"]:
        """Which have pilots."""
        return np.asarray(self.seen.any((2, 3)))

    @property
    def comb(self) -> Int[np.ndarray, " p"] | None:
        """Subcarriers that are seen, all the same wherever there is one; else None."""
        at = np.asarray(self.seen.any((0, 1, 3)))
        alike = self.seen == (self.snapshots[:, :, None, None] & at[:, None])
        return np.flatnonzero(at) if alike.all() else None

    def images(self, x: np.ndarray) -> np.ndarray:
        """[n, t, k, a] -> [image, k, v]: snapshots of single lines."""
        cut = x[..., self.lines]
        return rearrange(cut, "n t k line v -> (n t line) k v")

    def blocks(self, images: np.ndarray) -> np.ndarray:
        """The inverse of `images`."""
        n, t, k, a = self.values.shape
        cut = rearrange(
            images, "(n t line) k v -> n t k (line v)", n=n, t=t, line=len(self.lines)
        )
        found = np.zeros((n, t, k, a), images.dtype)
        found[..., self.lines.ravel()] = cut
        return found

    def in_unit(self, blocks: np.ndarray) -> Complex[np.ndarray, "n t k a"]:
        """Blocks like `values`, in the unit of what was given."""
        return (blocks * self.unit[:, None, None, None]).astype(np.complex64)

    def per_image(self, x: np.ndarray) -> np.ndarray:
        """A number for each sample, for each of its images."""
        return np.repeat(x, self.values.shape[1] * len(self.lines))
