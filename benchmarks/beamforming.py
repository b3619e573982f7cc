"""Downlink beams from imperfect channels: one table of docs/liquid.md, in bit/s/Hz.

    python benchmarks/beamforming.py PART

PART is a case of configs/beamforming.py, whose evaluator judges networks of
configs/beamformer.py and classical precoders, as eval.py does; a second table is what
the liquid network has less, or more, than each, paired over drops. What has no run is
trained first. Rows that are here alone:

GLNN, published       the loop of arXiv 2405.07291, which learns while it runs, at the
                      power of all others; steadied: from RZF, with a bounded change
liquid, tuned online  the network whose filter goes on learning from the imperfect
                      channels alone (`wlam.models.beamformer.tuning`)
parts                 the filter before classical precoders, and networks and loops
                      without one of their parts
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from compare import configs_of, judged, trained
from flax import nnx

from wlam.config import read_config
from wlam.evaluation.precode import How, Precode, by
from wlam.evaluation.table import predictor_table, text
from wlam.models.base import Card, Model
from wlam.models.beamformer.network import Beamformer
from wlam.models.beamformer.online import OnlineBeamformer, OnlineConfig, steadied
from wlam.models.beamformer.tuning import OnlineTuner

CONFIGS = Path(__file__).parents[1] / "configs"
CASES, NETWORKS = CONFIGS / "beamforming.py", str(CONFIGS / "beamformer.py")
PARTS = ("tracks", "white", "all_clusters", "users", "parts")
LIQUID = "liquid"
PUBLISHED = OnlineConfig()
Form = Callable[[Any, Any], Any]
"""Imperfect channels [time, user, rx, tx] and variances of their errors -> beams."""


@dataclass(frozen=True)
class Options:
    """What is printed, and on how much."""

    # A name of configs/beamforming.py.
    part: Annotated[str, tyro.conf.Positional]
    # Base stations to judge; None: those of the config.
    drops: int | None = None


class Precoding(Model):
    """Beams by any function, as a model that evaluators can ask."""

    def __init__(self, name: str, form: Form):
        self.card, self._form = Card(name), jax.jit(form)

    num_parameters = 0

    def precode(
        self, channels: Any, error_variance: Any, active: Any = None
    ) -> np.ndarray:
        """Beams [time, tx, user] of all users, sample after sample."""
        return np.asarray(self._form(channels, error_variance))


def network(name: str) -> Model:
    """A network of configs/beamformer.py; trained by train.py where it has no run."""
    return trained(NETWORKS, name, configs_of(NETWORKS)[name])


def online(name: str, config: OnlineConfig) -> Model:
    """A network that is trained while it runs, a fresh one for every drop."""
    loop = OnlineBeamformer(config)
    return Precoding(
        name, lambda y, v: loop.follow(loop.start(), y, jax.random.key(0))[0]
    )


def tuned(model: Beamformer) -> Model:
    """A network whose filter goes on learning, one of its own for every drop."""
    tuner = OnlineTuner(model)

    def form(y: Any, v: Any) -> Any:
        start = tuner.start(y.shape[1])
        h, left, _ = tuner.follow(start, y, v, jax.random.key(0))
        beams = model.beams(h[None], left[None])[0]
        # Behind the last whole window the last beams are held.
        return jnp.pad(beams, ((0, len(y) - len(beams)), (0, 0), (0, 0)), "edge")

    return Precoding(f"{LIQUID}, tuned online", form)


def filtered(name: str, model: Beamformer, how: How) -> Model:
    """The network's filter, and a classical precoder of what it gives."""
    power = model.config.power

    def form(y: Any, v: Any) -> Any:
        h, left, _ = model.clean(model.start(1, y.shape[1]), y[None], v[None])
        active = jnp.ones(h.shape[:3], bool)
        return by(h, 1 + power * left, active, power=power, how=how)[0]

    return Precoding(name, form)


def without_manifold(model: Beamformer) -> Model:
    """The same network, whose steps take place in all antennas."""
    graph, params = nnx.split(model)

    def form(y: Any, v: Any) -> Any:
        other = nnx.merge(graph, params)
        other.config = replace(other.config, manifold=False)
        return other(other.start(1, y.shape[1]), y[None], v[None])[0][0]

    return Precoding(f"{LIQUID}, no manifold", form)


def models_of(part: str) -> list[Model]:
    """What is judged beside the classical precoders, the liquid network first."""
    liquid = network(LIQUID)
    if part == "users":
        return [liquid]
    if part != "parts":
        return [
            liquid,
            tuned(liquid.network),
            online("GLNN, published", PUBLISHED),
            online("GLNN, steadied", steadied(PUBLISHED)),
        ]
    other = partial(replace, PUBLISHED)
    return [
        liquid,
        filtered(f"{LIQUID}'s filter and RZF", liquid.network, "rzf"),
        filtered(f"{LIQUID}'s filter and WMMSE, 40", liquid.network, 40),
        without_manifold(liquid.network),
        *(network(name) for name in ("no_filter", "lstm", "mlp")),
        online("GLNN, published", PUBLISHED),
        online("published, no residual", other(residual=False)),
        online("published, no manifold", other(manifold=False)),
        online("published, LSTM", other(cell="lstm")),
        online("published, MLP", other(cell="mlp")),
        online("published, no variance in its loss", other(variance_weight=0.0)),
        online("published, rate 1e-3", other(rate=1e-3)),
        online("GLNN, steadied", steadied(PUBLISHED)),
    ]


def main(options: Options) -> None:
    if options.part not in PARTS:
        needed = ", ".join(PARTS)
        raise ValueError(f"PART: found {options.part!r}; needed one of {needed}")
    asked = dict(read_config(f"{CASES}:{options.part}").evaluation)
    if options.drops is not None:
        asked = {
            name: replace(case, drops=options.drops)
            for name, case in asked.items()
            if isinstance(case, Precode)
        }
    results = judged(asked, models_of(options.part))
    print(text(predictor_table(results, every=True)))
    print()
    print(text(predictor_table(results, every=True, against=LIQUID)))


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        print(f"beamforming.py: {error}", file=sys.stderr)
        sys.exit(2)
