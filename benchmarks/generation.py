"""Drawn channels beside simulated ones: the tables and pictures of docs/generation.md.

    python benchmarks/generation.py MODEL [--number 400] [--page docs/generation.md]

For each scenario, with and without a line of sight, channels that a generator draws are
compared with simulated ones that it was not trained on (`wlam.evaluation.generation`):

simulated again    others of the same kind: what a set of this size cannot tell
MODEL              drawn under the condition
MODEL, n calls     the same by shortcuts, in so few calls of the network
MODEL, guided      at guidance 2
MODEL, untold      drawn under no condition
Gaussian           drawn from the covariance of simulated ones

covariance         error of the covariance, Frobenius norms
delay, angle       divergence of the spectra of power, in nats
MMD                of the logarithms of the powers over delay and angle
compression        NMSE of simulated channels as 32 numbers, along axes of the set, less
                   that along axes of as many simulated ones: dB lost
estimation         the same of linear estimates at 10 dB, under the set's covariance

Others are over guidance: how many draws are told for what they were asked to be by a
judge of simulated channels, and how much variety there is over that of simulated ones;
over the user's azimuth: the divergence of the spectra over angle in a sector, of draws
that were told it and of draws that were not; and over many draws, all kinds alike: the
error of their covariance.
"""

import math
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro
from matplotlib.figure import Figure

from benchmarks.leaderboard.document import Block, as_markdown, put
from wlam.config import Config
from wlam.data.files import write_text_atomic
from wlam.evaluation import generation as of
from wlam.hub import load_with_config
from wlam.models.generator.api import ChannelGenerator
from wlam.models.generator.network import SECTORS_DEG, sector
from wlam.phy.channels.tr38901.drops import generate
from wlam.phy.channels.tr38901.tables import STATES

STATES_JUDGED = ("los", "nlos")
GUIDANCE, SWEEP = 2.0, (0.0, 1.0, 1.5, 2.0, 4.0)
NUMBERS, SNR_DB = 32, 10.0
TEST, AGAIN, TRAINING = 101, 102, 103  # streams that no training has
MANY = 104, 105
NAMES = ("scenario", "state")
PIECE, MOST = 200, 1000  # pieces of a scenario that are looked through
FEW_CALLS = (1, 2, 4, 8)
FEW = 100  # draws of each kind over guidance and positions
Kind = tuple[str, str]  # scenario, state
Sets = dict[Kind, np.ndarray]


@dataclass(frozen=True)
class Options:
    """What is judged, and where the page is."""

    # A run or a released generator.
    model: Annotated[str, tyro.conf.Positional]
    # Channels of each kind.
    number: int = 400
    # Calls of the network for a draw, and calls of shortcuts for many draws.
    calls: int = 20
    few_calls: int = 8
    # Channels of all kinds together whose covariance is judged.
    many: int = 16_000
    # Markdown with <!-- generation --> and <!-- /generation -->; none: it is printed.
    page: str | None = None


def simulated(config: Config, number: int, stream: int) -> tuple[Sets, Sets]:
    """Channels of every kind [number, subcarrier, antenna], and their users' sectors.

    Each channel is of mean power 1.
    """
    found: Sets = {}
    sectors: Sets = {}
    for part in config.mixture.values():
        source = part.source
        make = jax.jit(lambda key, s=source: generate(key, s, PIECE))
        pieces = []
        for i in range(MOST):
            data = make(jax.random.fold_in(jax.random.key(stream), i))
            state = np.asarray(data.labels["state"])
            where = np.asarray(sector(data.labels["azimuth_rad"]))
            pieces.append((np.asarray(data.clean)[:, 0], state, where))
            states = np.concatenate([piece[1] for piece in pieces])
            if all((states == STATES.index(s)).sum() >= number for s in STATES_JUDGED):
                break
        clean, states, where = map(np.concatenate, zip(*pieces, strict=True))
        for state in STATES_JUDGED:
            at = np.flatnonzero(states == STATES.index(state))[:number]
            if len(at) < number:
                raise ValueError(
                    f"number: found {len(at)} of {source.scenario} {state}; needed "
                    f"{number}"
                )
            power = (abs(clean[at]) ** 2).mean((1, 2), keepdims=True)
            kind = source.scenario, state
            found[kind] = (clean[at] / np.sqrt(power)).astype(np.complex64)
            sectors[kind] = where[at]
    return found, sectors


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


@dataclass(frozen=True)
class Draws:
    """Draws of a generator, of each kind or of none."""

    model: ChannelGenerator
    kinds: list[Kind]
    calls: int  # where nothing else is said

    def of_kind(
        self,
        kind: Kind | None,
        count: int,
        seed: int,
        also: dict[str, float] | None = None,
        **how: Any,
    ) -> np.ndarray:
        told = {} if kind is None else dict(zip(NAMES, kind, strict=True))
        how = {"calls": self.calls, **how}
        return self.model.draw(count, {**told, **(also or {})}, seed=seed, **how)

    def of_all(self, count: int, first_seed: int = 0, **how: Any) -> Sets:
        seeds = enumerate(self.kinds, first_seed)
        return {kind: self.of_kind(kind, count, seed, **how) for seed, kind in seeds}


def say(what: str) -> None:
    print(f"{what} …", file=sys.stderr, flush=True)


def likeness_blocks(
    draws: Draws, name: str, number: int, test: Sets, again: Sets, training: Sets
) -> tuple[list[Block], Sets]:
    """Sets of all rows beside the test set; and what was drawn as it is."""
    kinds = draws.kinds
    say(f"{name}, {draws.calls} calls")
    sets = {"simulated again": again, name: draws.of_all(number)}
    for calls in FEW_CALLS:
        row = f"{name}, {calls} call{'s' * (calls > 1)}"
        say(row)
        sets[row] = draws.of_all(number, calls=calls, shortcuts=True)
    say("guided and untold")
    sets[f"{name}, guided"] = draws.of_all(number, guidance=GUIDANCE)
    untold = draws.of_kind(None, number, 99)
    sets[f"{name}, untold"] = dict.fromkeys(kinds, untold)
    sets["Gaussian"] = {kind: gaussian(training[kind], number) for kind in kinds}
    values = {
        row: {kind: likeness(x[kind], test[kind], training[kind]) for kind in kinds}
        for row, x in sets.items()
    }
    means = [[r, *cells(list(np.mean([*v.values()], 0)))] for r, v in values.items()]
    return [
        Block("Likeness", 3, [f"Means over {len(kinds)} kinds, {number} of each."],
              ["channels", *COLUMNS], means),
        Block("Kinds", 3, [f"{name}, each kind by itself."], ["kind", *COLUMNS],
              [[" ".join(kind), *cells(v)] for kind, v in values[name].items()]),
    ], sets[name]  # fmt: skip


def guidance_block(
    draws: Draws, name: str, few: int, test: Sets, again: Sets, training: Sets
) -> Block:
    """What a judge takes draws for, and their variety, over guidance."""
    kinds = draws.kinds
    judge = of.Judge([training[kind] for kind in kinds])

    def told_apart(sets: Sets) -> list[str]:
        right = [(judge.kind(sets[kind]) == i).mean() for i, kind in enumerate(kinds)]
        sight = [np.isin(judge.kind(sets[kind]), alike(kind)).mean() for kind in kinds]
        variety = [of.spread(sets[kind]) / of.spread(test[kind]) for kind in kinds]
        return [f"{np.mean(x):.3f}" for x in (right, sight, variety)]

    def alike(kind: Kind) -> list[int]:
        return [i for i, other in enumerate(kinds) if other[1] == kind[1]]

    rows = [["simulated again", "", *told_apart(again)]]
    for guidance in SWEEP:
        say(f"guidance {guidance:g}")
        drawn = draws.of_all(few, guidance=guidance)
        rows.append([name, f"{guidance:g}", *told_apart(drawn)])
    return Block("Guidance", 3, [f"{few} draws of each kind."],
                 ["channels", "guidance", "kind told", "line of sight told", "variety"],
                 rows)  # fmt: skip


def position_block(
    draws: Draws,
    few: int,
    test: tuple[Sets, Sets],
    again: tuple[Sets, Sets],
    anywhere: Sets,
) -> Block:
    """Spectra over angle in each sector, of all kinds together."""
    rows = []
    for i, (low, high) in enumerate(pairwise(SECTORS_DEG)):
        say(f"sector {i + 1} of {len(SECTORS_DEG) - 1}")
        there = draws.of_all(few, 10, also={"azimuth_deg": (low + high) / 2})
        real = in_sector(*test, i)
        others = in_sector(*again, i), together(there), together(anywhere)
        apart = [of.divergence(of.spectra(x)[1], of.spectra(real)[1]) for x in others]
        rows.append([f"{low:g}° to {high:g}°", *(f"{x:.3f}" for x in apart)])
    return Block("Positions", 3, [f"{few} draws of each kind and sector."],
                 ["azimuth", "simulated again", "drawn there", "drawn anywhere"],
                 rows)  # fmt: skip


def many_block(draws: Draws, name: str, config: Config, each: int, calls: int) -> Block:
    """Covariance of many channels, of all kinds together."""
    real, other = (together(simulated(config, each, stream)[0]) for stream in MANY)
    say("many")
    found = together(draws.of_all(each, calls=calls, shortcuts=True))
    rows = [
        ["simulated again", f"{of.covariance_error(other, real):.3f}"],
        [f"{name}, {calls} calls", f"{of.covariance_error(found, real):.3f}"],
    ]
    return Block("Many", 3, [f"{each} of each kind, together."],
                 ["channels", "covariance"], rows)  # fmt: skip


def main(options: Options) -> None:
    """Draws, judges, prints."""
    model, config, _ = load_with_config(options.model)
    if not isinstance(model, ChannelGenerator):
        raise ValueError(f"MODEL: found {options.model}; needed a generator")
    name, number = Path(options.model).name, options.number
    test, again, (training, _) = (
        simulated(config, number, stream) for stream in (TEST, AGAIN, TRAINING)
    )
    draws, few = Draws(model, list(test[0]), options.calls), min(number, FEW)
    blocks, drawn = likeness_blocks(draws, name, number, test[0], again[0], training)
    blocks.append(guidance_block(draws, name, few, test[0], again[0], training))
    blocks.append(position_block(draws, few, test, again, drawn))
    each = math.ceil(options.many / len(draws.kinds))
    blocks.append(many_block(draws, name, config, each, options.few_calls))
    text = as_markdown(blocks)
    if options.page is None:
        print(text)
        return
    page = Path(options.page)
    write_text_atomic(page, put(page.read_text(), "generation", text))
    picture(test[0], drawn).savefig(page.parent / "images" / "generation.png", dpi=110)


def together(sets: Sets) -> np.ndarray:
    return np.concatenate([*sets.values()])


def in_sector(sets: Sets, sectors: Sets, which: int) -> np.ndarray:
    return np.concatenate([x[sectors[kind] == which] for kind, x in sets.items()])


def picture(test: Sets, drawn: Sets) -> Figure:
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
