"""A trained estimator that takes and gives numpy arrays."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Complex, Float

from wlam.baselines.estimate.combs import by_delay_spectrum, by_doppler_spectrum
from wlam.baselines.estimate.interpolation import between_snapshots
from wlam.data.checked import checked_csi, like
from wlam.diffusion import (
    evenly_spaced,
    falling_levels,
    plug_and_play,
    sample_posterior,
    through_mask,
    through_matrix,
)
from wlam.models.base import Card, Model
from wlam.models.estimator.observation import Observation
from wlam.models.golden import golden_channel
from wlam.ops.checks import within_float32
from wlam.ops.pieces import in_pieces
from wlam.ops.ranges import NOISES, noise_levels, over_unit, power_of_two
from wlam.types import Csi, DataError

PIECE = 16
"""Images that a call estimates at once. Fixed: one compilation serves a case."""
LEFT = 0.2
"""Share of the pilots' noise that the network is told of where delay and Doppler
spectra went over them before: chosen on drops that no table has."""
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
    total = jnp.zeros_like(observed)
    for move in moves(*observed.shape[1:]):
        total += denoise(observed * move[None]) * move.conj()[None]
    return total / len(OFFSETS) ** 2


def moves(rows: int, columns: int) -> Complex[Array, "move row column"]:
    """What moves spectra by all pairs of OFFSETS."""
    turns = [
        np.add.outer(
            down * np.arange(rows) / rows, along * np.arange(columns) / columns
        )
        for down, along in product(OFFSETS, OFFSETS)
    ]
    return jnp.asarray(np.exp(2j * np.pi * np.stack(turns)), jnp.complex64)


class ChannelEstimator(Model):
    """Channels from pilots in noise, by a network of `wlam.models.estimator.network`.

    The network goes over every snapshot of every line of antennas by itself; only from
    combs do snapshots learn from each other, see `wlam.baselines.estimate.combs`.
    """

    accepts = frozenset({Csi})

    def __init__(self, network: Any, card: Card | None = None):
        super().__init__(network, card)
        graph = self._graph

        @partial(jax.jit, static_argnames="frequency")
        def denoised(params, observed, level, frequency):
            denoiser = nnx.merge(graph, params).denoiser
            return mean_over_offsets(lambda x: denoiser(x, level, frequency), observed)

        def found(params, pull, shape, level, key, calls, draws, frequency):
            model = nnx.merge(graph, params)
            if not draws:

                def denoise(x: Array, level: Array, number: Array) -> Array:
                    move = moves(*shape[1:])[number % len(OFFSETS) ** 2][None]
                    told = model.denoiser(x * move, level, frequency)
                    return told * move.conj()

                return plug_and_play(denoise, pull, shape, falling_levels(level, calls))
            schedule = model.config.schedule
            draw = partial(
                sample_posterior,
                lambda x, step: model.data(x, step[None], frequency),
                schedule,
                pull,
                shape,
                evenly_spaced(schedule.num_steps, calls),
            )
            return jax.lax.map(draw, jax.random.split(key, draws)).mean(0)

        @partial(jax.jit, static_argnames=("calls", "draws", "frequency"))
        def completed(params, observed, seen, level, key, **how):
            pull = through_mask(observed, seen, level)
            return found(params, pull, observed.shape, level, key, **how)

        @partial(jax.jit, static_argnames=("size", "calls", "draws", "frequency"))
        def combined(params, measured, sensing, level, key, size, **how):
            pull = through_matrix(measured, sensing, level)
            return found(params, pull, (len(measured), *size), level, key, **how)

        self._denoised, self._completed = denoised, completed
        self._combined = combined
        self._noise = jax.jit(
            lambda params, x: nnx.merge(graph, params).denoiser.noise_variance(x)
        )

    def estimate(
        self,
        question: Any,
        noise_variance: Any = None,
        frequency: bool = True,
        nfe: int = 40,
        samples: int = 0,
        seed: int = 0,
    ) -> Csi:
        """The mean of channels given their pilots.

        Where all subcarriers and antennas of a snapshot are seen it is what the network
        takes for it, as `mean_over_offsets`. From a comb, the same subcarriers in all
        antennas of a regular array, `wlam.baselines.estimate.combs` makes a block that
        is less noisy than the pilots are, snapshots without any too, and the network
        goes over it. Else the network is plugged into `wlam.diffusion.restoration`, or,
        if samples are asked for, it is their mean, from `wlam.diffusion.posterior`;
        snapshots without any pilot are then on the line between those that have some.

        Args:
            question: `wlam.Csi`, masked or NaN where there is no pilot.
            noise_variance: of every entry, of all samples or of each; None: not known,
                and found by the network. Then pilots must be on the same subcarriers in
                all samples, antennas, and snapshots that have some.
            frequency: False: subcarriers are antennas of a second line.
            nfe: network evaluations, where entries are missing; for each sample.
            samples: from the posterior; 0: none.
            seed: of the samples.

        Returns:
            Like the question, nothing missing.

        Raises:
            DataError: naming the field, what was found and what is needed.
        """
        csi = checked_csi(question, None)
        received = csi.csi.shape[3] if csi.csi.ndim == 5 else 0
        if received:  # every receive antenna is a channel of its own
            fold = "n t k r a -> (n r) t k a"
            csi = replace(
                csi, csi=rearrange(csi.csi, fold), mask=rearrange(csi.mask, fold)
            )
            if np.size(noise_variance) > 1:
                noise_variance = np.repeat(np.asarray(noise_variance), received)
        self._check(nfe, samples)
        found = self._estimated(
            Observation.of(csi, noise_variance), frequency, nfe, samples, seed
        )
        if received:
            found = rearrange(found, "(n r) t k a -> n t k r a", r=received)
        whole = checked_csi(question, None)
        return like(question, replace(whole, csi=found, mask=None, clean=None))

    def golden(self) -> dict[str, np.ndarray]:
        blocks = Csi(golden_channel()[:, None])
        known, blind = self.estimate(blocks, 0.01), self.estimate(blocks)
        return {"estimate": known.csi, "blind_estimate": blind.csi}

    def _estimated(
        self, asked: Observation, frequency: bool, nfe: int, samples: int, seed: int
    ) -> np.ndarray:
        """Blocks [sample, time, subcarrier, antenna]."""
        images, all_seen, at = asked.images(asked.values), asked.seen.all(), asked.comb
        in_line = asked.lines.shape[1] > 1
        if at is not None and len(at) > 1 and in_line and not all_seen:
            return asked.in_unit(self._between_pilots(asked, at, frequency))
        level = asked.noise_variance
        variance = self._noise_of(asked) if level is None else asked.per_image(level)
        if all_seen:
            blocks = asked.blocks(self._denoise(images, variance, frequency))
            return asked.in_unit(blocks)
        seen = asked.images(asked.seen)
        count = np.maximum(seen.sum((1, 2)), 1)
        unit, back = units_of((abs(images) ** 2).sum((1, 2)) / count, variance)
        keys = jax.random.key(seed)
        found = in_pieces(
            lambda begin, x, s, v: self._completed(
                self._params,
                *(x, s, v, jax.random.fold_in(keys, begin)),
                calls=nfe,
                draws=samples,
                frequency=frequency,
            ),
            PIECE,
            images / unit[:, None, None],
            seen,
            over_unit(variance, unit),
        )
        blocks = asked.blocks(found * back[:, None, None])
        return asked.in_unit(between_snapshots(blocks, asked.snapshots))

    def estimate_combined(
        self,
        measured: np.ndarray,
        sensing: np.ndarray,
        size: tuple[int, int],
        noise_variance: float | list[float] | np.ndarray,
        frequency: bool = False,
        nfe: int = 40,
        samples: int = 0,
        seed: int = 0,
    ) -> np.ndarray:
        """Channels from measurements that combine their entries.

        Such as those of fewer RF chains than antennas; as `estimate` does where entries
        are missing here and there.

        Args:
            measured: complex [sample, m], each the sensing of a channel in white noise,
                in any unit.
            sensing: complex [m, row * column] of a channel [row, column], flattened, of
                any gain.
            size: rows, which are subcarriers or antennas of a line, and columns, which
                are antennas of another.
            noise_variance: of every measurement, of all samples or of each.
            frequency: whether rows are subcarriers.
            nfe, samples, seed: see `estimate`.

        Returns:
            complex64 [sample, row, column].

        Raises:
            ValueError: naming the argument, what was found and what is needed.
        """
        y = np.asarray(measured, np.complex128)
        matrix = np.asarray(sensing, np.complex128)
        rows, columns = size
        fits = y.ndim == 2 and matrix.shape == (y.shape[-1], rows * columns)
        if not fits or not (np.isfinite(y).all() and np.isfinite(matrix).all()):
            raise ValueError(
                f"measured, sensing: found {y.shape}, {matrix.shape}; needed finite "
                f"[sample, m] and [m, {rows * columns}]"
            )
        within_float32("measured", y)
        within_float32("sensing", matrix)
        if not matrix.any():
            raise ValueError(
                f"sensing: found {matrix.shape} of zeros; needed some that are not"
            )
        level = noise_levels(noise_variance, len(y))
        self._check(nfe, samples)
        # A channel of mean power 1 is then measured with power 1.
        gain = np.sqrt((abs(matrix) ** 2).sum(1).mean())
        matrix, y = matrix / gain, y / gain
        scale = power_of_two(abs(y).max(1))
        y, level = y / scale[:, None], over_unit(level, gain * scale)
        unit, back = units_of((abs(y) ** 2).mean(1), level)
        key = jax.random.key(seed)
        found = in_pieces(
            lambda begin, y, v: self._combined(
                self._params,
                y,
                jnp.asarray(matrix, jnp.complex64),
                v,
                jax.random.fold_in(key, begin),
                size=size,
                calls=nfe,
                draws=samples,
                frequency=frequency,
            ),
            PIECE,
            (y / unit[:, None]).astype(np.complex64),
            over_unit(level, unit),
        )
        return (found * (back * scale)[:, None, None]).astype(np.complex64)

    def _check(self, nfe: int, samples: int) -> None:
        steps = self.network.config.schedule.num_steps
        if nfe < 1 or samples < 0 or (samples and nfe > steps):
            raise DataError(
                f"nfe, samples: found {nfe}, {samples}; needed at least 1 evaluation, "
                f"for samples at most {steps}, and no less than 0 samples"
            )

    def _denoise(
        self, images: np.ndarray, levels: np.ndarray, frequency: bool
    ) -> np.ndarray:
        """Images that are seen all over."""
        return in_pieces(
            lambda _, x, v: self._denoised(self._params, x, v, frequency=frequency),
            PIECE,
            images,
            levels,
        )

    def _between_pilots(
        self, asked: Observation, at: np.ndarray, frequency: bool
    ) -> np.ndarray:
        """From a comb: by delay spectra, then the network on what that leaves."""
        blocks, (_, snapshots, subcarriers, _) = asked.values.copy(), asked.values.shape
        there, told = asked.snapshots, asked.noise_variance
        level = told
        if level is None:
            level = self._noise_of(asked).reshape(len(blocks), -1).mean(1)
        # Samples may have their pilots in different snapshots.
        for times in np.unique(there, axis=0):
            same = (there == times).all(1)
            pilots = asked.values[np.ix_(same, times)][:, :, at]
            known = None if told is None else told[same]
            found = by_delay_spectrum(pilots, at, subcarriers, asked.matrix, known)
            where = np.flatnonzero(times)
            blocks[same] = by_doppler_spectrum(
                found, where, snapshots, asked.matrix, level[same]
            )
        left = asked.per_image(LEFT * level)
        return asked.blocks(self._denoise(asked.images(blocks), left, frequency))

    def _noise_of(self, asked: Observation) -> np.ndarray:
        """What the network takes for the noise, of every image.

        Silent ones, and those of snapshots without pilots, say nothing: they get the
        mean of the others of their sample.
        """
        if asked.comb is None:
            raise ValueError(
                "noise_variance: found None, and pilots that are not on the same "
                "subcarriers everywhere; needed the variance"
            )
        images = asked.images(asked.values[:, :, asked.comb])
        # Those that are seen may be too weak for float32 all the same.
        unit = power_of_two(abs(images).max((1, 2)))
        images = (images / unit[:, None, None]).astype(np.complex64)
        found = in_pieces(lambda _, x: self._noise(self._params, x), PIECE, images)
        heard = images.any((1, 2))
        found = np.where(heard, found * unit**2, 0)
        found, heard = (x.reshape(len(asked.values), -1) for x in (found, heard))
        mean = found.sum(1, keepdims=True) / heard.sum(1, keepdims=True).clip(1)
        return np.where(heard, found, mean).ravel().clip(*NOISES).astype(np.float32)


def units_of(
    power: Float[np.ndarray, " n"], noise_variance: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Amplitude of channels whose observations have that power: there, and back.

    The diffusion is of channels of mean power 1. Silence is divided by 1 and stays
    silent, whatever is drawn for it.
    """
    left = np.maximum(power - noise_variance, FAINTEST * power)
    back = np.sqrt(left).astype(np.float32)
    return np.where(back > 0, back, np.float32(1)), back
