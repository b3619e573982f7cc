"""A trained beamformer that takes and gives numpy arrays."""

from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from flax import nnx

from wlam.models.base import Card, Model
from wlam.nn.liquid.sequence import Carried
from wlam.types import DataError, Downlink

if TYPE_CHECKING:
    from wlam.models.beamformer.network import Beamformer


class BeamformerAPI(Model):
    """Beams from imperfect channels, by a network of this folder."""

    accepts = frozenset({Downlink})
    network: "Beamformer"

    def __init__(self, network: "Beamformer", card: Card | None = None):
        super().__init__(network, card)
        graph = self._graph

        @jax.jit
        def formed(params, carried, channels, variance, elapsed, active):
            network = nnx.merge(graph, params)
            return network(carried, channels, variance, elapsed, active)

        self._formed = formed

    def precode(
        self,
        channels: Any,
        error_variance: Any,
        elapsed: Any = None,
        active: Any = None,
    ) -> np.ndarray:
        """Beams along tracks, each sample from it and those before it alone.

        Args:
            channels: complex [track, time, user, user antenna, antenna], or without
                tracks; imperfect, of users with noise of variance 1, antennas those of
                the network's config. A `wlam.types.Downlink` stands for its channels.
            error_variance: of the error of every entry: a number, [time], or
                [track, time].
            elapsed: time since the sample before, in samples, like `error_variance`;
                None: 1.
            active: bool [track, time, user] or without tracks: who is served; None:
                all.

        Returns:
            complex64 [track, time, antenna, user], or without tracks: column k is the
            beam of user k, and all beams of a sample together have the power of the
            config.

        Raises:
            DataError: naming the argument, what was found and what is needed.
        """
        h, asked = self._asked(channels, error_variance, elapsed, active)
        beams, _ = self._formed(
            self._params, self.network.start(len(h), h.shape[2]), h, *asked
        )
        found = np.asarray(beams)
        return found if np.ndim(_array_of(channels)) == 5 else found[0]

    def follow(self, users: int) -> "Follower":
        """One base station whose channels come piece by piece."""
        if users < 1:
            raise DataError(f"users: found {users}; needed 1 or more")
        return Follower(self, users)

    def golden(self) -> dict[str, np.ndarray]:
        config = self.network.config
        size = 6, 3, config.user_antennas, config.antennas
        k = np.arange(np.prod(size))
        phases = np.exp(2j * np.pi * (0.37 * k**0.5 + 1e-3 * k))
        channels = (phases * (1 + np.cos(0.3 * k))).reshape(size).astype(np.complex64)
        return {"beams": self.precode(channels, 0.1)}

    def _asked(
        self, channels: Any, error_variance: Any, elapsed: Any, active: Any
    ) -> tuple[np.ndarray, tuple[Any, ...]]:
        """Checked arguments, with tracks."""
        h, config = _array_of(channels), self.network.config
        h = h[None] if h.ndim == 4 else h
        wanted = config.user_antennas, config.antennas
        if h.ndim != 5 or h.dtype.kind != "c" or 0 in h.shape or h.shape[3:] != wanted:
            raise DataError(
                f"channels: found {h.dtype} of shape {np.shape(channels)}; needed "
                f"complex [time, user, {wanted[0]}, {wanted[1]}], or with tracks first"
            )
        if not np.isfinite(h).all():
            raise DataError("channels: found NaN or infinite ones; needed finite ones")
        variance = _along("error_variance", error_variance, h.shape[:2])
        when = None if elapsed is None else _along("elapsed", elapsed, h.shape[:2])
        if active is None:
            return h.astype(np.complex64), (variance, when, None)
        there = np.asarray(active)
        there = there[None] if there.ndim == 2 else there
        if there.dtype != bool or there.shape != h.shape[:3]:
            raise DataError(
                f"active: found {there.dtype} of shape {np.shape(active)}; needed bool "
                f"{h.shape[:3]}, or without tracks"
            )
        return h.astype(np.complex64), (variance, when, there)

    @property
    def _accepted(self) -> str:
        return "wlam.types.Downlink"


class Follower:
    """Beams for one base station, from one piece of its channels to the next.

    Piece by piece it gives what `BeamformerAPI.precode` gives for the whole.
    """

    def __init__(self, model: BeamformerAPI, users: int):
        self._model, self._users = model, users
        self._carried: Carried | None = model.network.start(1, users)

    def precode(
        self,
        channels: Any,
        error_variance: Any,
        elapsed: Any = None,
        active: Any = None,
    ) -> np.ndarray:
        """Beams of the next samples, complex64 [time, antenna, user].

        Args, raises: see `BeamformerAPI.precode`, of one track; always either with
            `active` or without it, and always as many users.
        """
        h, asked = self._model._asked(channels, error_variance, elapsed, active)
        if len(h) != 1 or h.shape[2] != self._users:
            raise DataError(
                f"channels: found {h.shape[0]} tracks of {h.shape[2]} users; needed "
                f"one of {self._users}"
            )
        model = self._model
        beams, self._carried = model._formed(model._params, self._carried, h, *asked)
        return np.asarray(beams)[0]


def _array_of(channels: Any) -> np.ndarray:
    return np.asarray(channels.channels if isinstance(channels, Downlink) else channels)


def _along(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """One number of 0 or more for every sample of every track, float32."""
    given = np.asarray(value, np.float64)
    fits = given.shape in ((), shape[1:], shape)
    if not fits or not (np.isfinite(given) & (given >= 0)).all():
        raise DataError(
            f"{name}: found {given.ravel()[:3]} of shape {given.shape}; needed finite "
            f"numbers of 0 or more: one, {shape[1:]} or {shape}"
        )
    return np.broadcast_to(given, shape).astype(np.float32)
