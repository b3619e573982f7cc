"""Drawn channels beside simulated ones: the tables and pictures of docs/generation.md.

    python benchmarks/generation.py MODEL [--number 400] [--page docs/generation.md]

For each scenario, with and without a line of sight, channels that a generator draws are
compared with simulated ones that it was not trained on (`wlam.evaluation.generation`):

simulated again    others of the same kind: what a set of this size cannot tell
MODEL              drawn under the condition
MODEL, guided      the same at guidance 2
MODEL, untold      drawn under no condition
Gaussian           drawn from the covariance of simulated ones

covariance         error of the covariance, Frobenius norms
delay, angle       divergence of the spectra of power, in nats
MMD                of the logarithms of the powers over delay and angle
compression        NMSE of simulated channels as 32 numbers, along axes of the set, less
                   that along axes of as many simulated ones: dB lost
estimation         the same of linear estimates at 10 dB, under the set's covariance

A second table is over guidance: how many draws are told for what they were asked to be
by a judge of simulated channels, and how much variety there is over that of simulated
ones.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro
from matplotlib.figure import Figure

from wlam.config import Config
from wlam.data.files import write_text_atomic
from wlam.evaluation import generation as of
from wlam.evaluation.document import Block, as_markdown, put
from wlam.hub import load_with_config
from wlam.nn.generator import ChannelGenerator
from wlam.phy.tr38901.drops import generate
from wlam.phy.tr38901.tables import STATES

STATES_JUDGED = ("los", "nlos")
GUIDANCE, SWEEP = 2.0, (0.0, 1.0, 1.5, 2.0, 4.0)
NUMBERS, SNR_DB = 32, 10.0
TEST, AGAIN, TRAINING = 101, 102, 103  # streams that no training has
PIECE, MOST = 200, 400  # pieces of a scenario that are looked through
Kind = tuple[str, str]  # scenario, state


@dataclass(frozen=True)
class Options:
    """What is judged, and where the page is."""

    # A run or a released generator.
    model: Annotated[str, tyro.conf.Positional]
    # Channels of each kind.
    number: int = 400
    # Calls of the network for a draw.
    calls: int = 30
    # Markdown with <!-- generation --> and <!-- /generation -->; none: it is printed.
    page: str | None = None


def simulated(config: Config, number: int, stream: int) -> dict[Kind, np.ndarray]:
    """Channels of every kind [number, subcarrier, antenna], each of mean power 1."""
    found: dict[Kind, np.ndarray] = {}
    for part in config.mixture.values():
        source = part.source
        make = jax.jit(lambda key, s=source: generate(key, s, PIECE))
        kept: dict[str, list[np.ndarray]] = {state: [] for state in STATES_JUDGED}
        for i in range(MOST):
            data = make(jax.random.fold_in(jax.random.key(stream), i))
            clean = np.asarray(data.clean)[:, 0]
            for state, sets in kept.items():
                sets.append(
                    clean[np.asarray(data.labels["state"]) == STATES.index(state)]
                )
            if min(sum(map(len, sets)) for sets in kept.values()) >= number:
                break
        for state, sets in kept.items():
            x = np.concatenate(sets)[:number]
            if len(x) < number:
                raise ValueError(
                    f"number: found {len(x)} of {source.scenario} {state}; needed "
                    f"{number}"
                )
            power = (abs(x) ** 2).mean((1, 2), keepdims=True)
            found[source.scenario, state] = (x / np.sqrt(power)).astype(np.complex64)
    return found


def gaussian(training: np.ndarray, number: int) -> np.ndarray:
    """Draws of the covariance of a set, of mean power 1 each."""
    values, axes = np.linalg.eigh(of.covariance(training))
    rng = np.random.default_rng(0)
    white = rng.normal(size=(2, number, len(values)))
    flat = ((white[0] + 1j * white[1]) * np.sqrt(np.maximum(values, 0))) @ axes.T
    power = (abs(flat) ** 2).mean(1, keepdims=True)
    x = (flat / np.sqrt(power)).reshape(number, *training.shape[1:])
    return x.astype(np.complex64)


def likeness(x: np.ndarray, real: np.ndarray, training: np.ndarray) -> list[float]:
    """The columns of the first table."""
    pairs = zip(of.spectra(x), of.spectra(real), strict=True)
    divergences = [of.divergence(drawn, wanted) for drawn, wanted in pairs]
    compression = of.compressed_db(x, real, NUMBERS)
    estimation = of.estimated_db(x, real, SNR_DB)
    return [
        of.covariance_error(x, real),
        *divergences,
        of.mmd(x, real),
        compression - of.compressed_db(training, real, NUMBERS),
        estimation - of.estimated_db(training, real, SNR_DB),
    ]


COLUMNS = ["covariance", "delay", "angle", "MMD", "compression", "estimation"]


def cells(values: list[float]) -> list[str]:
    return [f"{x:.3f}" for x in values[:4]] + [f"{x:+.2f}" for x in values[4:]]


def main(options: Options) -> None:
    """Draws, judges, prints."""
    model, config, _ = load_with_config(options.model)
    if not isinstance(model, ChannelGenerator):
        raise ValueError(f"MODEL: found {options.model}; needed a generator")
    name, number = Path(options.model).name, options.number
    sets = [simulated(config, number, stream) for stream in (TEST, AGAIN, TRAINING)]
    test, again, training = sets
    kinds = list(test)

    def draw(kind: Kind | None, guidance: float, count: int, seed: int) -> np.ndarray:
        told = (
            None
            if kind is None
            else dict(zip(("scenario", "state"), kind, strict=True))
        )
        return model.draw(count, told, guidance, options.calls, seed)

    print("drawing …", file=sys.stderr, flush=True)
    drawn = {kind: draw(kind, 1.0, number, i) for i, kind in enumerate(kinds)}
    strong = {kind: draw(kind, GUIDANCE, number, i) for i, kind in enumerate(kinds)}
    untold = draw(None, 1.0, number, 99)
    rows: dict[str, Callable[[Kind], np.ndarray]] = {
        "simulated again": lambda kind: again[kind],
        name: lambda kind: drawn[kind],
        f"{name}, guided": lambda kind: strong[kind],
        f"{name}, untold": lambda _: untold,
        "Gaussian": lambda kind: gaussian(training[kind], number),
    }
    values = {
        row: {kind: likeness(x(kind), test[kind], training[kind]) for kind in kinds}
        for row, x in rows.items()
    }
    means = [[r, *cells(list(np.mean([*v.values()], 0)))] for r, v in values.items()]
    blocks = [
        Block("Likeness", 3, [f"Means over {len(kinds)} kinds, {number} of each."],
              ["channels", *COLUMNS], means),
        Block("Kinds", 3, [f"{name}, each kind by itself."], ["kind", *COLUMNS],
              [[" ".join(kind), *cells(v)] for kind, v in values[name].items()]),
    ]  # fmt: skip
    judge = of.Judge([training[kind] for kind in kinds])

    def told_apart(sets: dict[Kind, np.ndarray]) -> list[str]:
        right = [(judge.kind(sets[kind]) == i).mean() for i, kind in enumerate(kinds)]
        sight = [np.isin(judge.kind(sets[kind]), alike(kind)).mean() for kind in kinds]
        variety = [of.spread(sets[kind]) / of.spread(test[kind]) for kind in kinds]
        return [f"{np.mean(x):.3f}" for x in (right, sight, variety)]

    def alike(kind: Kind) -> list[int]:
        return [i for i, other in enumerate(kinds) if other[1] == kind[1]]

    few = max(number // 4, 1)
    swept = [["simulated again", "", *told_apart(again)]]
    for guidance in SWEEP:
        draws = {kind: draw(kind, guidance, few, i) for i, kind in enumerate(kinds)}
        swept.append([name, f"{guidance:g}", *told_apart(draws)])
    blocks.append(
        Block("Guidance", 3, [f"{few} draws of each kind."],
              ["channels", "guidance", "kind told", "line of sight told", "variety"],
              swept)
    )  # fmt: skip
    text = as_markdown(blocks)
    if options.page is None:
        print(text)
        return
    page = Path(options.page)
    write_text_atomic(page, put(page.read_text(), "generation", text))
    picture(test, drawn).savefig(page.parent / "images" / "generation.png", dpi=110)


def picture(test: dict[Kind, np.ndarray], drawn: dict[Kind, np.ndarray]) -> Figure:
    """Power over delay and angle: simulated channels above, drawn ones below."""
    kinds, each = list(test), 2
    figure = Figure(figsize=(1.3 * each * len(kinds) / 2, 7), layout="constrained")
    axes = figure.subplots(4, each * len(kinds) // 2)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    for i, kind in enumerate(kinds):
        row, first = 2 * (i // (len(kinds) // 2)), each * (i % (len(kinds) // 2))
        for below, sets in enumerate((test, drawn)):
            for j in range(each):
                power = np.fft.fftshift(of.bins(sets[kind][j : j + 1])[0], axes=1)
                axis = axes[row + below, first + j]
                axis.imshow(
                    10 * np.log10(power + 1e-3), vmin=-20, vmax=25, aspect="auto"
                )
                if j == 0:
                    what = "simulated" if below == 0 else "drawn"
                    axis.set_title(f"{' '.join(kind)}\n{what}", fontsize=8, loc="left")
    return figure


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except ValueError as error:
        print(f"generation.py: {error}", file=sys.stderr)
        sys.exit(2)
