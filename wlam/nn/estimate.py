"""A trained estimator that takes and gives numpy arrays."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Complex

from wlam.diffusion import evenly_spaced, sample_posterior, through_mask
from wlam.nn.combs import by_delay_spectrum
from wlam.nn.observation import Observation, between_snapshots
from wlam.nn.request import in_pieces

PIECE = 16
"""Images that a call estimates at once. Fixed: one compilation serves a case."""
LEFT = 0.4
"""Share of the pilots' noise that the network is told of where delay spectra went over
them before: chosen on drops that no table has."""
FAINTEST = 1e-6
"""Share of the power of what is observed that the channel has at least."""
OFFSETS = (0.0, 0.5)
"""Bins along each axis by which spectra are moved for a call of their own."""


def mean_over_offsets(
    denoise: Callable[[Complex[Array, "n u v"]], Complex[Array, "n u v"]],
    observed: Complex[Array, "n u v"],
) -> Complex[Array, "n u v"]:
    """Estimates from spectra moved by OFFSETS along both axes, moved back: their mean.

    Channels fall between bins as often as on them, but a path on a bin is the sharper
    image, so that errors of the calls differ. Coifman & Donoho, "Translation-invariant
    de-noising" (Wavelets and Statistics, 1995), average for that reason.
    """
    rows, columns = observed.shape[1:]
    total = jnp.zeros_like(observed)
    for of_rows, of_columns in product(OFFSETS, OFFSETS):
        turns = (of_rows * np.arange(rows) / rows)[:, None] + (
            of_columns * np.arange(columns) / columns
        )
        move = jnp.asarray(np.exp(2j * np.pi * turns), jnp.complex64)[None]
        total += denoise(observed * move) * move.conj()
    return total / len(OFFSETS) ** 2


class ChannelEstimator:
    """Channels from pilots in noise, by a network of `wlam.nn.estimator`.

    Every snapshot of every line of antennas is estimated by itself.
    """

    takes_rows = takes_channels = takes_sweeps = False
    only = "pilots"

    def __init__(self, model: Any):
        self.model = model
        graph, self._params = nnx.split(model)

        @partial(jax.jit, static_argnames=("blind", "frequency"))
        def denoised(params, observed, level, blind, frequency):
            denoiser = nnx.merge(graph, params).denoiser
            level = denoiser.noise_variance(observed) if blind else level
            return mean_over_offsets(lambda x: denoiser(x, level, frequency), observed)

        @partial(jax.jit, static_argnames=("calls", "draws", "frequency"))
        def completed(params, observed, seen, level, key, calls, draws, frequency):
            model = nnx.merge(graph, params)
            schedule = model.config.schedule
            draw = partial(
                sample_posterior,
                lambda x, step: model.data(x, step[None], frequency),
                schedule,
                through_mask(observed, seen, level),
                observed.shape,
                evenly_spaced(schedule.num_steps, calls),
            )
            return jax.lax.map(draw, jax.random.split(key, draws)).mean(0)

        self._denoised, self._completed = denoised, completed
        self._noise = jax.jit(
            lambda params, x: nnx.merge(graph, params).denoiser.noise_variance(x)
        )

    @property
    def num_parameters(self) -> int:
        """Trainable numbers of the model."""
        return sum(x.size for x in jax.tree.leaves(self._params))

    def estimate(
        self,
        observed: np.ndarray,
        noise_variance: float | list[float] | np.ndarray | None = None,
        subcarrier_spacing_hz: float | np.ndarray | None = None,
        antenna_positions: np.ndarray | None = None,
        antenna_polarisation: np.ndarray | None = None,
        frequency: bool = True,
        calls: int = 30,
        draws: int = 8,
        seed: int = 0,
    ) -> np.ndarray:
        """The mean of channels given their pilots.

        Where all subcarriers and antennas of a snapshot are seen it is what the network
        takes for it, as `mean_over_offsets`. From a comb, the same subcarriers in all
        antennas of a regular array, `wlam.nn.combs` makes a block that is less noisy
        than the pilots are, which the network goes over. Else it is the mean of draws
        from the posterior, see `wlam.diffusion.posterior`. Snapshots without any pilot
        are on the line between those that have some.

        Args:
            observed: complex [sample, time, subcarrier, antenna], in any unit; NaN
                where there is no pilot.
            noise_variance: of every entry, of all samples or of each; None: not known,
                and found by the network. Then pilots must be on the same subcarriers in
                all samples, antennas, and snapshots that have some.
            subcarrier_spacing_hz: without influence.
            antenna_positions, antenna_polarisation: [antenna, 3] in wavelengths, and
                [antenna]; a half-wavelength line if not given.
            frequency: False: subcarriers are antennas of a second line.
            calls, draws, seed: of the posterior.

        Returns:
            complex64, like `observed`.

        Raises:
            ValueError: naming the argument, what was found and what is needed.
        """
        asked = Observation.of(
            observed, noise_variance, antenna_positions, antenna_polarisation
        )
        if calls < 1 or draws < 1:
            raise ValueError(
                f"calls, draws: found {calls}, {draws}; needed at least 1 of each"
            )
        images = asked.images(asked.values)
        level = asked.noise_variance
        levels = None if level is None else asked.per_image(level)
        if asked.seen.all():
            return asked.blocks(self._denoise(images, levels, frequency))
        if asked.comb is not None and len(asked.comb) > 1 and asked.lines.shape[1] > 1:
            return self._between_pilots(asked, asked.comb, frequency)
        levels = self._noise_of(asked) if levels is None else levels
        seen = asked.images(asked.seen)
        # The diffusion is of channels of mean power 1.
        count = np.maximum(seen.sum((1, 2)), 1)
        total = (abs(images) ** 2).sum((1, 2)) / count
        power = np.maximum(total - levels, FAINTEST * total)
        unit = np.sqrt(np.where(power > 0, power, 1)).astype(np.float32)
        keys = jax.random.key(seed)
        found = in_pieces(
            lambda begin, x, s, v: self._completed(
                self._params,
                *(x, s, v, jax.random.fold_in(keys, begin)),
                calls=calls,
                draws=draws,
                frequency=frequency,
            ),
            PIECE,
            images / unit[:, None, None],
            seen,
            (levels / unit**2).astype(np.float32),
        )
        blocks = asked.blocks(found * unit[:, None, None])
        return between_snapshots(blocks, asked.snapshots)

    def _denoise(
        self, images: np.ndarray, levels: np.ndarray | None, frequency: bool
    ) -> np.ndarray:
        """Images that are seen all over; levels None: blind."""
        told = np.ones(len(images), np.float32) if levels is None else levels
        return in_pieces(
            lambda _, x, v: self._denoised(
                self._params, x, v, blind=levels is None, frequency=frequency
            ),
            PIECE,
            images,
            told,
        )

    def _between_pilots(
        self, asked: Observation, at: np.ndarray, frequency: bool
    ) -> np.ndarray:
        """From a comb: by delay spectra, then the network on what that leaves."""
        blocks, subcarriers = asked.values.copy(), asked.values.shape[2]
        there = asked.snapshots
        # Samples may have their pilots in different snapshots.
        for times in np.unique(there, axis=0):
            same = (there == times).all(1)
            pilots = asked.values[np.ix_(same, times)][:, :, at]
            level = asked.noise_variance
            told = None if level is None else level[same]
            found = by_delay_spectrum(pilots, at, subcarriers, asked.matrix, told)
            blocks[np.ix_(same, times)] = found
        told = asked.noise_variance
        levels = self._noise_of(asked) if told is None else asked.per_image(told)
        images = self._denoise(asked.images(blocks), LEFT * levels, frequency)
        return between_snapshots(asked.blocks(images), there)

    def _noise_of(self, asked: Observation) -> np.ndarray:
        """What the network takes for the noise, of every image."""
        if asked.comb is None:
            raise ValueError(
                "noise_variance: found None, and pilots that are not on the same "
                "subcarriers everywhere; needed the variance"
            )
        images = asked.images(asked.values[:, :, asked.comb])
        found = in_pieces(lambda _, x: self._noise(self._params, x), PIECE, images)
        there = abs(images).max((1, 2)) > 0
        return np.where(there, found, 1).astype(np.float32)
