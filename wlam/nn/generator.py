"""A generator of channels under conditions: a diffusion Transformer of their bins.

Channels [subcarrier, antenna] are learnt as delays by angles, where few bins have most
of the power and noise stays white. Peebles & Xie, arXiv 2212.09748; conditions are
dropped now and then, so that one network also knows channels of no condition, and can
be guided (Ho & Salimans, arXiv 2207.12598).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from wlam.diffusion import (
    DpmSolver,
    Schedule,
    denoising_loss,
    drop_conditions,
    even_db,
    evenly_spaced,
    guided,
    sample,
    standard_noise,
)
from wlam.nn.dit import Dit, DitConfig
from wlam.nn.model import Network, NetworkConfig
from wlam.nn.request import in_pieces
from wlam.nn.spectral_denoiser import centred_fft, centred_ifft
from wlam.phy.tr38901.tables import SCENARIOS, STATES
from wlam.tasks.sequences import Part, Snapshots

PIECE = 64
"""Channels that a call draws at once."""
CONDITIONS = {"scenario": SCENARIOS, "state": STATES}
"""Labels of drops that can be conditions, and what their values are called."""


@dataclass(frozen=True)
class GeneratorConfig(NetworkConfig):
    """Everything that fixes the parameters; ValueError where it cannot be."""

    # The network, which has all of CONDITIONS.
    dit: DitConfig = field(
        default_factory=lambda: DitConfig(
            width=96, layers=4, heads=4, conditions=tuple(map(len, CONDITIONS.values()))
        )
    )
    # Subcarriers and antennas of what is drawn.
    size: tuple[int, int] = (32, 16)
    # Steps of the diffusion, evenly spaced in dB from the cleanest to the noisiest. A
    # path may have all the power in one bin: the noisiest has to hide that too.
    steps: int = 201
    snr_db: tuple[float, float] = (30.0, -40.0)
    # Share of the samples that are not told their conditions.
    untold: float = 0.1

    def __post_init__(self) -> None:
        even_db(self.steps, *self.snr_db)  # names what is wrong
        if not 0 <= self.untold <= 1:
            raise ValueError(f"untold: found {self.untold}; needed from 0 to 1")
        wanted = tuple(map(len, CONDITIONS.values()))
        if self.dit.conditions != wanted:
            raise ValueError(
                f"dit.conditions: found {self.dit.conditions}; needed {wanted}, the "
                f"values of {', '.join(CONDITIONS)}"
            )
        if any(n % p for n, p in zip(self.size, self.dit.patch, strict=True)):
            raise ValueError(
                f"size: found {self.size}; needed multiples of the patch, "
                f"{self.dit.patch}"
            )

    @property
    def schedule(self) -> Schedule:
        return even_db(self.steps, *self.snr_db)

    def build(self, rngs: nnx.Rngs) -> "Generator":
        return Generator(self, rngs)


class Generator(Network):
    """The network, its loss and what it is used through."""

    def __init__(self, config: GeneratorConfig, rngs: nnx.Rngs):
        self.config = config
        self.dit = Dit(config.dit, rngs)

    def loss(self, part: Part, key: PRNGKeyArray) -> Float[Array, ""]:
        """The diffusion loss of the velocity; at random SNRs, all alike.

        Raises:
            ValueError: anything but channels without noise, with labels of CONDITIONS.
        """
        if not isinstance(part, Snapshots) or not CONDITIONS.keys() <= {*part.labels}:
            raise ValueError(
                "mixture: found an ingredient that a generator does not take; needed "
                f"csi_estimate of a source with labels {', '.join(CONDITIONS)}"
            )
        drop_key, key = jax.random.split(key)
        cut = part.clean[..., np.array(part.lines)]
        images = rearrange(cut, "n k line v -> (n line) k v")
        told = jnp.stack([part.labels[name] for name in CONDITIONS], axis=1)
        told = jnp.repeat(told.astype(jnp.int32), len(part.lines), axis=0)
        condition = drop_conditions(
            drop_key, told, self.config.dit.none, self.config.untold
        )
        return denoising_loss(
            lambda x, step: self.dit.predict(x, step, condition),
            self.config.schedule,
            centred_fft(images),
            key,
            "velocity",
        )

    def forecaster(self) -> "ChannelGenerator":
        return ChannelGenerator(self)


class ChannelGenerator:
    """Channels drawn by a network, as numpy arrays."""

    takes_rows = takes_channels = takes_sweeps = False
    only = "conditions"

    def __init__(self, model: Any):
        self.model = model
        graph, self._params = nnx.split(model)

        @partial(jax.jit, static_argnames=("calls", "as_it_is"))
        def drawn(params, key, condition, guidance, calls, as_it_is):
            model = nnx.merge(graph, params)
            config, schedule = model.config, model.config.schedule
            shape = (len(condition), *config.size)

            def predict(x: Array, step: Array, condition: Array) -> Array:
                return model.dit.predict(x, jnp.full(len(x), step), condition)

            bins = sample(
                partial(predict, condition=condition)
                if as_it_is
                else guided(predict, condition, config.dit.none, guidance),
                schedule,
                standard_noise(key, shape, jnp.complex64),
                evenly_spaced(schedule.num_steps, calls),
                DpmSolver(),
                "velocity",
            )
            return centred_ifft(bins)

        self._drawn = drawn

    @property
    def num_parameters(self) -> int:
        """Trainable numbers of the model."""
        return sum(x.size for x in jax.tree.leaves(self._params))

    def draw(
        self,
        number: int,
        condition: Mapping[str, str] | None = None,
        guidance: float = 1.0,
        calls: int = 40,
        seed: int = 0,
    ) -> np.ndarray:
        """Channels that were never simulated.

        Args:
            number: how many.
            condition: of CONDITIONS, such as {"scenario": "UMa", "state": "nlos"}; what
                is not there is left open.
            guidance: 1: the condition as it is; more: what is typical of it, with less
                variety; see `wlam.diffusion.guidance`.
            calls: of the network.
            seed: another one draws others.

        Returns:
            complex64 [number, subcarrier, antenna], of mean power around 1.

        Raises:
            ValueError: naming the argument, what was found and what is needed.
        """
        steps = self.model.config.schedule.num_steps
        if number < 1 or not 1 <= calls <= steps:
            raise ValueError(
                f"number, calls: found {number}, {calls}; needed at least 1, and 1 to "
                f"{steps} calls"
            )
        values = np.tile(condition_values(condition or {}), (number, 1))
        key = jax.random.key(seed)
        return in_pieces(
            lambda begin, c: self._drawn(
                self._params,
                jax.random.fold_in(key, begin),
                c,
                np.float32(guidance),
                calls=calls,
                as_it_is=guidance == 1,  # half of the work
            ),
            PIECE,
            values,
        )


def condition_values(condition: Mapping[str, str]) -> Int[np.ndarray, " c"]:
    """Names to numbers, the one that stands for none where nothing is said.

    Raises:
        ValueError: an unknown condition or value.
    """
    if unknown := condition.keys() - CONDITIONS.keys():
        raise ValueError(
            f"condition: found {', '.join(sorted(unknown))}; needed some of "
            f"{', '.join(CONDITIONS)}"
        )
    found = []
    for name, values in CONDITIONS.items():
        value = condition.get(name)
        if value is not None and value not in values:
            raise ValueError(
                f"condition: found {name} {value!r}; needed one of {', '.join(values)}"
            )
        found.append(len(values) if value is None else values.index(value))
    return np.array(found, np.int32)
