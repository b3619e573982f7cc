"""How alike drawn channels are to simulated ones that a generator was not trained on.

Three ways to look at draws: kind by kind (a scenario, with or without a line of sight),
sector by sector of the user's azimuth, or all together. A kind, or a sector, is one
sample.
"""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Complex

from wlam.data.generators import generate
from wlam.evaluation import generation as of
from wlam.evaluation.ask import mean_of
from wlam.evaluation.evaluator import MODEL, Evaluator, Result
from wlam.metrics import Statistic
from wlam.models.base import Model
from wlam.phy.channels.tr38901.config import DropConfig, PanelConfig
from wlam.phy.channels.tr38901.tables import STATES
from wlam.types import DataError

JUDGED_STATES = ("los", "nlos")
AGAIN, TRAINING = 1, 2
"""Folded into the seed's key: other simulated channels of the same kinds."""
NUMBERS, SNR_DB = 32, 10.0
"""Of compression and of estimation."""
PIECE, MOST = 200, 1000
"""Samples of a scenario at once, and how many times they are looked through."""
SIMULATED, GAUSSIAN, ANYWHERE = "simulated again", "Gaussian", "azimuth unknown"
METRICS = ("covariance", "delay", "angle", "MMD", "compression dB", "estimation dB")
Channels = Complex[np.ndarray, "_ u v"]
Kind = tuple[str, str]  # scenario, state
Sets = dict[Kind, Channels]
Sectors = dict[Kind, np.ndarray]
"""[channel], the number of the user's sector."""


def drops(scenario: str) -> DropConfig:
    """The channels that configs/generator.py trains on."""
    return DropConfig(
        scenario=scenario,
        num_times=1,
        num_subcarriers=32,
        subcarrier_spacings_hz=(180e3,),
        base=PanelConfig(1, 16),
    )


@dataclass(frozen=True)
class Generate(Evaluator):
    """Errors of drawn channels; 0 is a set that nothing tells from the real one.

    covariance         Frobenius norm of the error of the covariance, over its own
    delay, angle       divergence of the spectra of power, in nats
    MMD                of the logarithms of the powers over delay and angle
    compression dB     NMSE of simulated channels as 32 numbers along axes of the draws,
                       less that along axes of as many simulated ones
    estimation dB      the same of linear estimates at 10 dB
    kind recognised    share of the draws that a classifier of simulated channels takes
                       for the kind they were drawn as, and for its line of sight
    variety            of the draws over that of simulated channels
    """

    # Configs of DropConfig, one for each scenario.
    sources: tuple[DropConfig, ...] = field(
        default_factory=lambda: tuple(map(drops, ("UMi", "UMa", "RMa", "InH")))
    )
    # What one sample is.
    by: Literal["kind", "sector", "all"] = "kind"
    # Channels of each kind.
    number: int = 50
    # Network evaluations for each draw, and whether they are shortcuts.
    nfe: int = 20
    shortcuts: bool = False
    # 1: conditions as they are; more: what is typical of them.
    guidance: float = 1.0
    # Whether draws are conditioned on their kind.
    conditioned: bool = True
    # Edges of the sectors of the user's azimuth.
    sectors_deg: tuple[float, ...] = (-60.0, -40.0, -20.0, 0.0, 20.0, 40.0, 60.0)
    seed: int = 50_000

    def __post_init__(self) -> None:
        if not self.sources or self.number < 2:
            raise ValueError(
                f"sources, number: found {len(self.sources)}, {self.number}; needed 1 "
                "and 2 or more"
            )
        if len(self.sectors_deg) < 2 or any(a >= b for a, b in self._sectors):
            raise ValueError(
                f"sectors_deg: found {self.sectors_deg}; needed two or more, rising"
            )

    @property
    def _sectors(self) -> list[tuple[float, float]]:
        return list(pairwise(self.sectors_deg))

    def why_not(self, model: Model) -> str:
        """Only what draws channels."""
        return "" if model.can("draw") else "the model cannot draw"

    def run(self, name: str, model: Model | None, baselines: bool = True) -> Result:
        """See the class; `by` chooses the samples and the metrics."""
        key = jax.random.key(self.seed)
        real, where = self._simulated(key)
        again, elsewhere = self._simulated(jax.random.fold_in(key, AGAIN))
        drawn = {} if model is None else self._drawn(model, list(real))
        sets = {MODEL: drawn} if drawn else {}
        if baselines:
            sets[SIMULATED] = again
        if self.by == "kind":
            training, _ = self._simulated(jax.random.fold_in(key, TRAINING))
            if baselines:
                sets[GAUSSIAN] = {
                    kind: gaussian(x, self.number) for kind, x in training.items()
                }
            judge = of.Judge(list(training.values()))
            statistics = {
                who: _by_kind(x, real, training, judge) for who, x in sets.items()
            }
        elif self.by == "sector":
            statistics = self._by_sector(model, sets, real, where, elsewhere)
        else:
            whole = np.concatenate([*real.values()])
            statistics = {
                who: {
                    METRICS[0]: mean_of(
                        np.array(
                            [of.covariance_error(np.concatenate([*x.values()]), whole)]
                        )
                    )
                }
                for who, x in sets.items()
            }
        count = len(next(iter(next(iter(statistics.values())).values())).numerator)
        result = Result(
            name=name,
            question=f"{self.number} of {len(real)} kinds",
            headline=METRICS[2] if self.by == "sector" else METRICS[0],
            statistics=statistics,
            groups=np.arange(count),
            about=f"generated: {self.sources}; {self.nfe} network evaluations, "
            f"guidance {self.guidance:g}",
            informed=frozenset({SIMULATED}),
        )
        return replace(result, pictures=lambda: _pictures(real, drawn or again))

    def _asked(
        self, model: Any, number: int, condition: dict[str, Any], seed: int
    ) -> Channels:
        """What the model draws."""
        return model.draw(
            number,
            condition,
            seed=seed,
            guidance=self.guidance,
            nfe=self.nfe,
            shortcuts=self.shortcuts,
        )

    def _drawn(self, model: Any, kinds: list[Kind], **also: float) -> Sets:
        found = {}
        for seed, (scenario, state) in enumerate(kinds):
            kind = {"scenario": scenario, "state": state} if self.conditioned else {}
            found[scenario, state] = self._asked(
                model, self.number, kind | also, seed + 100 * len(also)
            )
        return found

    def _by_sector(
        self,
        model: Any,
        sets: dict[str, Sets],
        real: Sets,
        where: Sectors,
        elsewhere: Sectors,
    ) -> dict[str, dict[str, Statistic]]:
        """Divergence of the spectra over angle from those of real channels there."""
        found: dict[str, list[float]] = {}
        for i, (low, high) in enumerate(self._sectors):
            wanted = of.spectra(_in_sector(real, where, i))[1]
            there = {}
            if model is not None:
                middle = {"azimuth_deg": (low + high) / 2}
                draws = self._drawn(model, list(real), **middle)
                there[MODEL] = np.concatenate([*draws.values()])
                there[ANYWHERE] = np.concatenate([*sets[MODEL].values()])
            if SIMULATED in sets:
                there[SIMULATED] = _in_sector(sets[SIMULATED], elsewhere, i)
            for who, x in there.items():
                found.setdefault(who, []).append(
                    of.divergence(of.spectra(x)[1], wanted)
                )
        return {who: {METRICS[2]: mean_of(np.array(x))} for who, x in found.items()}

    def _simulated(self, key: jax.Array) -> tuple[Sets, Sectors]:
        """Channels of every kind, each of mean power 1, and their users' sectors.

        Raises:
            DataError: a scenario has too few channels of a state.
        """
        found: Sets = {}
        sectors: Sectors = {}
        for i, source in enumerate(self.sources):
            pieces = self._looked_through(jax.random.fold_in(key, i), source)
            clean, states, where = map(np.concatenate, zip(*pieces, strict=True))
            for state in JUDGED_STATES:
                at = np.flatnonzero(states == STATES.index(state))[: self.number]
                if len(at) < self.number:
                    raise DataError(
                        f"number: found {len(at)} of {source.scenario} {state}; needed "
                        f"{self.number}"
                    )
                power = (abs(clean[at]) ** 2).mean((1, 2), keepdims=True)
                kind = source.scenario, state
                found[kind] = (clean[at] / np.sqrt(power)).astype(np.complex64)
                sectors[kind] = where[at]
        return found, sectors

    def _looked_through(self, key: jax.Array, source: DropConfig) -> list[tuple]:
        """Channels, states and sectors, until there are enough of each state."""
        make = jax.jit(lambda key: generate(key, source, PIECE))
        edges, pieces = np.radians(self.sectors_deg[1:-1]), []
        for i in range(MOST):
            data = make(jax.random.fold_in(key, i))
            state = np.asarray(data.labels["state"])
            where = np.searchsorted(edges, np.asarray(data.labels["azimuth_rad"]))
            pieces.append((np.asarray(data.clean)[:, 0], state, where))
            states = np.concatenate([piece[1] for piece in pieces])
            wanted = [STATES.index(state) for state in JUDGED_STATES]
            if all((states == one).sum() >= self.number for one in wanted):
                break
        return pieces


def _by_kind(
    sets: Sets, real: Sets, training: Sets, judge: of.Judge
) -> dict[str, Statistic]:
    """All metrics of `Generate` that a kind has."""
    kinds = list(real)
    rows = [likeness(sets[kind], real[kind], training[kind]) for kind in kinds]
    found = {
        name: mean_of(np.array(values))
        for name, values in zip(METRICS, zip(*rows, strict=True), strict=True)
    }
    kept = [judge.kind(sets[kind]) for kind in kinds]
    right = [(x == i).mean() for i, x in enumerate(kept)]
    alike = [
        [i for i, other in enumerate(kinds) if other[1] == kind[1]] for kind in kinds
    ]
    sight = [np.isin(x, same).mean() for x, same in zip(kept, alike, strict=True)]
    variety = [of.spread(sets[kind]) / of.spread(real[kind]) for kind in kinds]
    for name, values in (
        ("kind recognised", right),
        ("line of sight recognised", sight),
        ("variety", variety),
    ):
        found[name] = mean_of(np.array(values), higher=True)
    return found


def likeness(x: Channels, real: Channels, training: Channels) -> list[float]:
    """Values of METRICS; `training` are as many simulated channels as `x`."""
    pairs = zip(of.spectra(x), of.spectra(real), strict=True)
    divergences = [of.divergence(drawn, wanted) for drawn, wanted in pairs]
    numbers = min(NUMBERS, real[0].size)
    compression = of.compressed_db(x, real, numbers)
    estimation = of.estimated_db(x, real, SNR_DB)
    return [
        of.covariance_error(x, real),
        *divergences,
        of.mmd(x, real),
        compression - of.compressed_db(training, real, numbers),
        estimation - of.estimated_db(training, real, SNR_DB),
    ]


def gaussian(training: Channels, number: int) -> Channels:
    """Draws of the covariance of a set, of mean power 1 each."""
    values, axes = np.linalg.eigh(of.covariance(training))
    rng = np.random.default_rng(0)
    white = rng.normal(size=(2, number, len(values)))
    flat = ((white[0] + 1j * white[1]) * np.sqrt(np.maximum(values, 0))) @ axes.T
    power = (abs(flat) ** 2).mean(1, keepdims=True)
    x = (flat / np.sqrt(power)).reshape(number, *training.shape[1:])
    return x.astype(np.complex64)


def _in_sector(sets: Sets, sectors: Sectors, which: int) -> Channels:
    return np.concatenate([x[sectors[kind] == which] for kind, x in sets.items()])


def _pictures(real: Sets, drawn: Sets) -> dict[str, Any]:
    """Power over delay and angle: simulated channels above, drawn ones below."""
    from matplotlib.figure import Figure  # a picture is drawn only when it is asked for

    kinds = list(real)
    figure = Figure(figsize=(1.4 * len(kinds), 4), layout="constrained")
    axes = figure.subplots(2, len(kinds), squeeze=False)
    for column, kind in enumerate(kinds):
        for row, sets in enumerate((real, drawn)):
            power = np.fft.fftshift(of.bins(sets[kind][:1])[0], axes=1)
            axis = axes[row, column]
            axis.imshow(10 * np.log10(power + 1e-3), vmin=-20, vmax=25, aspect="auto")
            axis.set(xticks=[], yticks=[])
            what = "simulated" if row == 0 else "drawn"
            axis.set_title(f"{' '.join(kind)}\n{what}", fontsize=8, loc="left")
    return {"power over delay and angle": figure}
