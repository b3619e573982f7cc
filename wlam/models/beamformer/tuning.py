"""A trained beamformer that goes on learning while it serves, from what it hears alone.

Nobody knows the true channels there, but the variance of their errors is known: with
more noise z of that variance, y + a z and y - z / a are two looks at one channel with
independent errors (Pang et al., "Recorrupted-to-recorrupted", CVPR 2021). What the
filter makes of the one is compared with the other, which in the mean is its error on
the true channel and a constant.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from wlam.models.beamformer.network import LEAST_ERROR, Beamformer, Carried
from wlam.phy.noise import complex_normal

TUNED = ("cell", "keep")
"""Parts of the beamformer that move: its filter."""


@dataclass(frozen=True)
class TuningConfig:
    """ValueError where impossible."""

    # Samples that are served, and learned from, between two steps of Adam.
    window: int = 40
    rate: float = 3e-4
    # Farthest from the trained parameters, over their length.
    trust: float = 0.3
    # How much of the noise is added to what the filter sees (a).
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError(f"window: found {self.window}; needed 1 or more")
        for name in ("rate", "trust", "share"):
            if not (value := getattr(self, name)) > 0:
                raise ValueError(f"{name}: found {value}; needed more than 0")


class Tuning(NamedTuple):
    """What goes from window to window."""

    params: Any
    optimizer: Any
    carried: Carried


class OnlineTuner:
    """Serves and tunes, window by window; of one base station."""

    def __init__(self, model: Beamformer, config: TuningConfig | None = None):
        """ValueError: a beamformer without a filter."""
        if not model.config.filter:
            raise ValueError("model: found no filter; needed one to tune")
        self.model, self.config = model, config or TuningConfig()
        self._graph, self._params, self._fixed = nnx.split(model, _is_tuned, ...)
        self._optimizer = optax.chain(
            optax.clip_by_global_norm(1.0), optax.adam(self.config.rate)
        )

    def start(self, users: int) -> Tuning:
        """The trained parameters, and nothing heard."""
        begin = self._optimizer.init(self._params)
        carried = self.model.start(1, users)
        assert carried is not None
        return Tuning(self._params, begin, carried)

    def follow(
        self,
        tuning: Tuning,
        h_hat: Complex[Array, "t user rx tx"],
        variance: Float[Array, " t"],
        key: PRNGKeyArray,
    ) -> tuple[Complex[Array, "s user rx tx"], Float[Array, "s user"], Tuning]:
        """Filters samples, a step after every whole window of them.

        Args:
            tuning: from `start` or the piece before.
            h_hat: imperfect channels.
            variance: of the error of every entry of them.
            key: of the noise that is added.

        Returns:
            Channels of which less is error and the variance of what is left, for
            `Beamformer.beams`; samples behind the last whole window are left out.
        """
        windows = len(h_hat) // self.config.window
        cut = windows * self.config.window
        pieces = jax.tree.map(
            lambda x: rearrange(x[:cut], "(w t) ... -> w t ...", w=windows),
            (h_hat, variance),
        )
        keys = jax.random.split(key, windows)
        tuning, (h, left) = jax.lax.scan(self._window, tuning, (*pieces, keys))
        return rearrange(h, "w t ... -> (w t) ..."), left.reshape(cut, -1), tuning

    def _window(self, tuning: Tuning, given: tuple) -> tuple[Tuning, tuple]:
        h_hat, variance, key = given
        looks = partial(self._clean, carried=tuning.carried)
        h, left, carried = looks(tuning.params, h_hat, variance)
        a = self.config.share
        z = complex_normal(key, h_hat.shape) * jnp.sqrt(variance)[:, None, None, None]

        power = (abs(h_hat) ** 2).mean((1, 2, 3))
        unit = jnp.maximum(variance, LEAST_ERROR * power)

        def error(params: Any) -> Array:
            found, _, _ = looks(params, h_hat + a * z, (1 + a**2) * variance)
            missed = abs(found - (h_hat - z / a)) ** 2
            return (missed / unit[:, None, None, None]).mean()

        gradients = jax.grad(error)(tuning.params)
        updates, state = self._optimizer.update(gradients, tuning.optimizer)
        params = self._trusted(optax.apply_updates(tuning.params, updates))
        return Tuning(params, state, carried), (h, left)

    def _clean(
        self, params: Any, h_hat: Array, variance: Array, carried: Carried
    ) -> tuple[Array, Array, Any]:
        model = nnx.merge(self._graph, params, self._fixed)
        h, left, after = model.clean(carried, h_hat[None], variance[None])
        return h[0], left[0], after

    def _trusted(self, params: Any) -> Any:
        """Within the trust region around the trained parameters."""
        change = jax.tree.map(jnp.subtract, params, self._params)
        most = self.config.trust * optax.tree.norm(self._params)
        scale = jnp.minimum(1.0, most / jnp.maximum(optax.tree.norm(change), 1e-12))
        return jax.tree.map(lambda p, d: p + scale * d, self._params, change)


def _is_tuned(path: tuple, value: Any) -> bool:
    return isinstance(value, nnx.Variable) and path[0] in TUNED
