"""What an estimator is asked: blocks with pilots, checked, and cut into images."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from einops import rearrange
from jaxtyping import Bool, Complex, Float, Int

from wlam.ops.checks import within_float32
from wlam.ops.ranges import noise_levels, over_unit, power_of_two
from wlam.phy.arrays import beamspace, lines, ula


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
    def of(
        observed: np.ndarray,
        noise_variance: float | list[float] | np.ndarray | None = None,
        antenna_positions: np.ndarray | None = None,
        antenna_polarisation: np.ndarray | None = None,
    ) -> "Observation":
        """Checks the arguments of `ChannelEstimator.estimate`.

        Raises:
            ValueError: naming the argument, what was found and what is needed.
        """
        x = np.asarray(observed)
        if x.ndim != 4 or x.dtype.kind != "c" or 0 in x.shape:
            raise ValueError(
                f"observed: found {x.dtype} of shape {x.shape}; needed complex "
                "[sample, time, subcarrier, antenna] without empty axes"
            )
        seen = ~np.isnan(x)
        if np.isinf(x).any():
            raise ValueError(
                "observed: found infinite values; needed numbers, NaN where nothing is "
                "seen"
            )
        within_float32("observed", x)
        empty = np.flatnonzero(~seen.any((1, 2, 3)))
        if len(empty):
            raise ValueError(
                f"observed: sample {empty[0]} has no pilot; needed one or more"
            )
        level = None if noise_variance is None else noise_levels(noise_variance, len(x))
        antennas = x.shape[3]
        positions = ula(antennas) if antenna_positions is None else antenna_positions
        kinds = antenna_polarisation
        kinds = np.zeros(antennas, np.int32) if kinds is None else kinds
        for name, part, wanted in (
            ("antenna_positions", positions, (antennas, 3)),
            ("antenna_polarisation", kinds, (antennas,)),
        ):
            if np.shape(part) != wanted:
                raise ValueError(
                    f"{name}: found shape {np.shape(part)}; needed {wanted}, for "
                    f"{antennas} antennas"
                )
        values = np.where(seen, x, 0)
        peak = np.maximum(abs(np.real(values)), abs(np.imag(values))).max((1, 2, 3))
        unit = power_of_two(peak)
        values = (values / unit[:, None, None, None]).astype(np.complex64)
        level = None if level is None else over_unit(level, unit)
        array = lines(positions, kinds), beamspace(positions, kinds)
        return Observation(values, seen, level, unit, *array)

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

    def completed(
        self,
        complete: Callable[..., np.ndarray],
        subcarrier_spacing_hz: float | np.ndarray,
    ) -> Complex[np.ndarray, "n t k a"]:
        """Blocks that a forecaster completes, in bins of Doppler and angle."""
        n, times, _, antennas = self.values.shape
        bins = np.fft.fft(self.values @ self.matrix.T, axis=1, norm="ortho")
        bins[:, :, ~self.seen.any((0, 1, 3))] = np.nan
        found = complete(
            rearrange(bins, "n t k a -> n k (t a)").astype(np.complex64),
            interval=subcarrier_spacing_hz,
            axis="frequency",
            grid=(times, antennas),
        )
        whole = rearrange(found, "n k (t a) -> n t k a", n=n, t=times)
        return self.in_unit(
            np.fft.ifft(whole @ self.matrix.conj(), axis=1, norm="ortho")
        )

    def per_image(self, x: np.ndarray) -> np.ndarray:
        """A number for each sample, for each of its images."""
        return np.repeat(x, self.values.shape[1] * len(self.lines))


class CompletesCombs:
    """Estimates through `complete`, which its heir has."""

    complete: Callable[..., np.ndarray]

    def estimate(
        self,
        observed: np.ndarray,
        noise_variance: float | np.ndarray | None = None,
        subcarrier_spacing_hz: float | np.ndarray = 15e3,
        antenna_positions: np.ndarray | None = None,
        antenna_polarisation: np.ndarray | None = None,
    ) -> np.ndarray:
        """Channels from pilots on a comb: `complete` of their Doppler-angle bins.

        Args:
            observed: complex [sample, time, subcarrier, antenna]; NaN where there is
                no pilot. They are evenly spaced, the same in all snapshots.
            noise_variance: without influence; the model is never told the noise.
            subcarrier_spacing_hz: one number, or one per sample.
            antenna_positions, antenna_polarisation: [antenna, 3] in wavelengths, and
                [antenna]; a half-wavelength line if not given.

        Raises:
            ValueError: as `complete` and `ChannelEstimator.estimate` do.
        """
        array = antenna_positions, antenna_polarisation
        asked = Observation.of(observed, noise_variance, *array)
        if asked.comb is None or not asked.snapshots.all():
            raise ValueError(
                "observed: found pilots that differ between snapshots; needed the same "
                "comb in all, the model completes nothing else"
            )
        return asked.completed(self.complete, subcarrier_spacing_hz)
