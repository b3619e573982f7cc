"""A trained generator, and the names of its conditions."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Int

from wlam.diffusion import (
    Ddim,
    DpmSolver,
    doublings_of,
    evenly_spaced,
    guided,
    sample,
    standard_noise,
)
from wlam.models.base import Card, Model
from wlam.models.generator.network import (
    AZIMUTH,
    KINDS,
    NAMED,
    SECTORS_DEG,
    with_doublings,
)
from wlam.nn.denoisers.spectral import centred_ifft
from wlam.ops.pieces import in_pieces
from wlam.phy.noise import complex_normal

PIECE = 64
"""Channels that a call draws at once."""
FAINTEST = 1e-12
"""Power that a draw is taken to have at least."""


class ChannelGenerator(Model):
    """Channels drawn by a network, as numpy arrays."""

    def __init__(self, network: Any, card: Card | None = None):
        super().__init__(network, card)
        graph = self._graph

        @partial(jax.jit, static_argnames=("calls", "shortcuts", "as_it_is"))
        def drawn(params, key, condition, guidance, calls, shortcuts, as_it_is):
            model = nnx.merge(graph, params)
            config, schedule = model.config, model.config.schedule
            doublings = doublings_of(schedule, calls) if shortcuts else 0

            def predict(x: Array, step: Array, condition: Array) -> Array:
                told = with_doublings(condition, jnp.full(len(x), doublings))
                return model.dit.predict(x, jnp.full(len(x), step), told)

            bins = sample(
                partial(predict, condition=condition)
                if as_it_is
                else guided(predict, condition, KINDS, guidance),
                schedule,
                standard_noise(key, (len(condition), *config.size), jnp.complex64),
                evenly_spaced(schedule.num_steps, calls),
                Ddim() if shortcuts else DpmSolver(),
                "velocity",
            )
            # All channels that were learnt from had this power.
            power = (abs(bins) ** 2).mean((1, 2), keepdims=True)
            return centred_ifft(bins / jnp.sqrt(jnp.maximum(power, FAINTEST)))

        self._drawn = drawn

    def golden(self) -> dict[str, np.ndarray]:
        return {"draws": self.draw(2, {"state": "los"}, guidance=2.0, nfe=4)}

    def draw(
        self,
        number: int,
        condition: Mapping[str, str | float] | None = None,
        guidance: float = 1.0,
        nfe: int = 40,
        seed: int = 0,
        shortcuts: bool = False,
        snr_db: float | None = None,
    ) -> np.ndarray:
        """Channels that were never simulated.

        Args:
            number: how many.
            condition: such as {"scenario": "UMa", "state": "nlos", "azimuth_deg": -35};
                what is not there is left open. An azimuth, where the user is, stands
                for its bin of SECTORS_DEG.
            guidance: 1: the condition as it is; more: what is typical of it, with less
                variety; see `wlam.diffusion.guidance`.
            nfe: network evaluations.
            seed: another one draws others.
            shortcuts: in evaluations that were learnt to be so few, a power of 2; else
                by DPM-Solver++.
            snr_db: white noise of this SNR over the mean power of each channel is
                added; None: none.

        Returns:
            complex64 [number, subcarrier, antenna], each of mean power 1, and noise.

        Raises:
            ValueError: naming the argument, what was found and what is needed.
        """
        schedule = self.network.config.schedule
        if number < 1 or not 1 <= nfe <= schedule.num_steps:
            raise ValueError(
                f"number, nfe: found {number}, {nfe}; needed at least 1, and 1 to "
                f"{schedule.num_steps} network evaluations"
            )
        if shortcuts:
            doublings_of(schedule, nfe)  # names what is wrong
        if not np.isfinite(guidance):
            raise ValueError(f"guidance: found {guidance}; needed a finite number")
        if snr_db is not None and not np.isfinite(snr_db):
            raise ValueError(f"snr_db: found {snr_db}; needed a finite number, or None")
        values = np.tile(condition_values(condition or {}), (number, 1))
        key = jax.random.key(seed)
        x = in_pieces(
            lambda begin, c: self._drawn(
                self._params,
                jax.random.fold_in(key, begin),
                c,
                np.float32(guidance),
                calls=nfe,
                shortcuts=shortcuts,
                as_it_is=guidance == 1,  # half of the work
            ),
            PIECE,
            values,
        )
        if snr_db is None:
            return x
        power = (abs(x) ** 2).mean((1, 2), keepdims=True) * 10 ** (-snr_db / 10)
        noise = complex_normal(jax.random.fold_in(key, 2**31), x.shape)
        return (x + np.sqrt(power) * np.asarray(noise)).astype(np.complex64)


def condition_values(
    condition: Mapping[str, str | float],
) -> Int[np.ndarray, " c"]:
    """Names, and an azimuth, to numbers; what stands for none where nothing is said.

    Raises:
        ValueError: an unknown condition or value.
    """
    if unknown := condition.keys() - {*NAMED, AZIMUTH}:
        raise ValueError(
            f"condition: found {', '.join(sorted(unknown))}; needed some of "
            f"{', '.join(NAMED)}, {AZIMUTH}"
        )
    found = []
    for name, values in NAMED.items():
        value = condition.get(name)
        if value is not None and value not in values:
            raise ValueError(
                f"condition: found {name} {value!r}; needed one of {', '.join(values)}"
            )
        found.append(len(values) if value is None else values.index(value))
    if (azimuth := condition.get(AZIMUTH)) is None:
        return np.array([*found, KINDS[-1]], np.int32)
    first, last = SECTORS_DEG[0], SECTORS_DEG[-1]
    if isinstance(azimuth, str) or not first <= azimuth <= last:
        raise ValueError(
            f"condition: found {AZIMUTH} {azimuth!r}; needed {first:g} to {last:g}"
        )
    bin_ = np.searchsorted(SECTORS_DEG[1:-1], azimuth)
    return np.array([*found, bin_], np.int32)
