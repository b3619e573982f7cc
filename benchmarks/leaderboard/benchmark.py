"""The benchmark: every case that a page shows, and scores that are computed once.

A case is made when it is needed and not before, since generating one takes longer than
reading its scores. Scores are kept by what they depend on: the case, the model's files
and the code in between. A killed run goes on where it was, and one more model costs its
own forecasts alone.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import jax
import numpy as np

import wlam
from benchmarks.leaderboard import raytraced, simulated, sionna
from benchmarks.leaderboard.goals import JAKES, Board
from benchmarks.leaderboard.simulated import Simulated, noise_name
from benchmarks.leaderboard.strata import Sizes, trained_sizes
from wlam.config import Config, read_config
from wlam.data.measured import CASES
from wlam.evaluation.cases import measured_cases
from wlam.evaluation.evaluator import MODEL
from wlam.evaluation.forecast import Case, Forecast, Given, evaluate
from wlam.evaluation.scores import Scores, joined, load_scores, save_scores, scores_of
from wlam.hub import CONFIG, RELEASED, WEIGHTS, load_with_config
from wlam.serialise import to_json
from wlam.training.checkpoint import FOLDER
from wlam.types import DataError

GENERATED, MEASURED = "Generated", "Measured"
SIONNA, RAYTRACED = sionna.CHANNELS.title, raytraced.CHANNELS.title
SIMULATED = (SIONNA, RAYTRACED)


@dataclass(frozen=True)
class Entry:
    """A case that the page has a row for, whether its data are there or not."""

    name: str
    section: str  # GENERATED, SIONNA, RAYTRACED or MEASURED
    task: str
    question: str = ""  # context → horizon
    key: str = ""  # changes when the data or the question do
    make: Callable[[], Case] | None = None  # None: it is not there
    missing: str = ""  # why


@dataclass(frozen=True)
class Judged:
    """An entry with the scores of floors and models, or why there are none."""

    entry: Entry
    scores: Scores | None
    missing: str = ""
    # Models that could not be judged, and why.
    failed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Model:
    """A model on the page."""

    name: str
    fingerprint: str  # of its files
    predicts: wlam.models.base.Model
    parameters: int
    sizes: dict[str, Sizes]  # task -> what it was trained on
    step: int = 0
    folder: Path = Path()
    # What it is judged on: of a family each member on its own; None: all.
    tasks: tuple[str, ...] | None = None

    def judged_on(self, task: str, section: str) -> bool:
        """Row by row, a simulator's blocks would take a family hours."""
        if self.tasks is None:
            return True
        return task in self.tasks and section not in SIMULATED


def open_models(path: str) -> list[Model]:
    """A run or a released model, or a family: a folder of those.

    A family is an architecture with weights for every task. It is judged under one
    name, its folder's, in each case by the member that was trained on the case's task.

    Raises:
        ValueError: there is none at the path, its files do not fit, or two members of a
            family were trained on the same task.
    """
    folder = Path(path) if Path(path).is_dir() else RELEASED / path
    if (folder / CONFIG).is_file() or (folder / FOLDER).is_dir():
        return [_open(folder, folder.absolute().name)]
    members = sorted({file.parent for file in folder.glob(f"*/{CONFIG}")})
    members = members or sorted({kept.parent for kept in folder.glob(f"*/{FOLDER}")})
    if not members:
        return [_open(Path(path), path)]  # which says what is not there
    family = [_open(member, folder.absolute().name, True) for member in members]
    tasks = [task for model in family for task in model.tasks or ()]
    if len(set(tasks)) < len(tasks):
        raise ValueError(f"tasks: found {tasks}; needed one model for each")
    return family


def _open(folder: Path, name: str, only_its_tasks: bool = False) -> Model:
    predicts, config, step = load_with_config(str(folder))
    if not predicts.can("predict"):
        raise ValueError(f"model: found {name}; needed one that forecasts")
    kept = folder / FOLDER / str(step)
    files = kept.rglob("*") if kept.is_dir() else weights_of(folder)
    trained = dict.fromkeys(part.task for part in config.mixture.values())
    return Model(
        name=name,
        fingerprint=digest_files(files, folder),
        predicts=predicts,
        parameters=predicts.num_parameters,
        sizes={task: trained_sizes(config, task) for task in simulated.TASKS},
        step=step,
        folder=folder,
        tasks=tuple(trained) if only_its_tasks else None,
    )


def weights_of(folder: Path) -> list[Path]:
    """The files of a released model that its forecasts depend on."""
    return [folder / CONFIG, *(folder / WEIGHTS).rglob("*")]


def digest_files(files: Iterable[Path], root: Path) -> str:
    """Of names and contents of the files, in any order."""
    state = hashlib.sha256()
    for path in sorted(path for path in files if path.is_file()):
        state.update(f"{path.relative_to(root)}\0".encode())
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()


@cache
def digest_code() -> str:
    """Of all modules of wlam that this program has imported: what scores depend on."""
    root = Path(wlam.__file__).parent
    files = {
        Path(module.__file__)
        for name, module in sys.modules.items()
        if name.partition(".")[0] == "wlam" and getattr(module, "__file__", None)
    }
    return digest_files(files, root)


def digest(*parts: Any) -> str:
    """Of anything that JSON can say."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def digest_case(case: Case) -> str:
    """Of a case's question and all its numbers."""
    state = hashlib.sha256()
    for part in fields(case):
        if part.name not in ("data", "about"):
            state.update(f"{part.name}={getattr(case, part.name)}\0".encode())
    for path, x in jax.tree_util.tree_flatten_with_path(case.data)[0]:
        x = np.ascontiguousarray(x)
        state.update(f"{jax.tree_util.keystr(path)}{x.shape}{x.dtype}\0".encode())
        state.update(x.tobytes())
    return state.hexdigest()


def question(case: Case | Forecast) -> str:
    """Context and horizon, and the first step that is scored if others are not."""
    text = f"{case.context}→{case.horizon}"
    return f"{text}, step {case.skip + 1}" if case.skip else text


def generated_entries(config: Config) -> list[Entry]:
    """The evaluation cases of a config."""
    return [
        Entry(
            name=name,
            section=GENERATED,
            task=case.task,
            question=question(case),
            key=digest(name, to_json(case), digest_code()),
            make=partial(case.case, name),
        )
        for name, case in config.evaluation.items()
        if isinstance(case, Forecast)
    ]


def simulated_entries(channels: Simulated, folder: Path) -> list[Entry]:
    """A simulator's channels in both tasks, clean and noisy; missing ones say so."""
    entries, title = [], channels.title
    for setting in channels.settings:
        path = folder / simulated.file_of(setting)
        why = channels.missing(setting, folder)
        file = "" if why else digest_files([path], folder)
        for snr_db in simulated.SNRS_DB:
            for task in simulated.TASKS:
                name = simulated.case_name(setting, task, snr_db)
                if why:
                    entries.append(Entry(name, title, task, missing=why))
                    continue
                make = partial(channels.case, setting, task, snr_db, folder)
                key = digest(name, file, digest_code())
                asked = "→".join(map(str, simulated.TASKS[task]))
                entries.append(Entry(name, title, task, asked, key, make))
    return entries


def measured_entries(fetched: str | None, prepared: str) -> list[Entry]:
    """Every measured case; missing ones say so."""
    found, skipped = measured_cases(fetched, prepared, tuple(CASES))
    cases = {case.name: case for case in found}
    reasons = dict(line.removeprefix("skipped ").split(": ", 1) for line in skipped)
    entries = []
    for name in CASES:
        if name not in cases:
            entries.append(Entry(name, MEASURED, "", missing=reasons[name]))
            continue
        case = cases[name]
        key = digest_case(case)
        make = partial(cases.__getitem__, name)
        entries.append(Entry(name, MEASURED, case.task, question(case), key, make))
    return entries


def all_entries(
    config_file: str,
    folders: Mapping[str, str | Path | None],
    fetched: str | None = None,
    prepared: str = "data",
) -> list[Entry]:
    """Every row of the page.

    Args:
        config_file: whose cases are generated.
        folders: of SIMULATED channels; None: the usual one.
        fetched, prepared: of measured sets, see `measured_cases`.
    """
    entries = generated_entries(read_config(config_file))
    for channels in (sionna.CHANNELS, raytraced.CHANNELS):
        folder = folders[channels.title] or channels.root()
        entries += simulated_entries(channels, Path(folder))
    return entries + measured_entries(fetched, prepared)


def judge_entry(entry: Entry, models: Sequence[Model], folder: Path) -> Judged:
    """The floors and all models on one case; what was judged before is read.

    Args:
        entry: the case.
        models: under names of their own, but for members of a family.
        folder: where scores are kept.
    """
    if entry.make is None:
        return Judged(entry, None, entry.missing)
    parts: list[Scores] = []
    failed: list[tuple[str, str]] = []
    case: Case | None = None
    for model in (None, *(m for m in models if m.judged_on(entry.task, entry.section))):
        who = "baselines" if model is None else model.fingerprint
        path = folder / f"{digest(entry.key, who, digest_code())}.npz"
        found = _read(path)
        if found is None:
            name = "baselines" if model is None else model.name
            print(f"{entry.name}: {name} …", file=sys.stderr, flush=True)
            try:
                case = case or entry.make()
                predicts = None if model is None else model.predicts
                if predicts is not None and (why := Given(case).why_not(predicts)):
                    raise ValueError(why)
                result = evaluate(case, predicts, baselines=model is None)
                found = scores_of(result)
            except ValueError as error:
                if model is None:
                    return Judged(entry, None, str(error))
                failed.append((name, str(error)))
                continue
            folder.mkdir(parents=True, exist_ok=True)
            save_scores(path, found)
        parts.append(found if model is None else found.renamed(MODEL, model.name))
    return Judged(entry, joined(parts), failed=tuple(failed))


def _read(path: Path) -> Scores | None:
    """What is kept; a file that cannot be read is made again."""
    try:
        return load_scores(path) if path.is_file() else None
    except DataError:
        return None


@dataclass(frozen=True)
class Results:
    """All that the page is made of."""

    judged: list[Judged]
    models: list[Model]
    peers: list[Model] = field(default_factory=list)  # other architectures
    seeds: list[Model] = field(default_factory=list)  # one model, trained again
    absent: list[str] = field(default_factory=list)  # models that could not be opened

    @property
    def board(self) -> Board:
        return {j.entry.name: j.scores for j in self.judged if j.scores is not None}

    @property
    def shown(self) -> list[str]:
        """Names of the predictors that have columns."""
        names = (model.name for model in (*self.models, *self.peers))
        return list(dict.fromkeys(names))

    @property
    def wifo(self) -> list[Model]:
        """The peers of WiFo's architecture, known by their names."""
        return [peer for peer in self.peers if "wifo" in peer.name.lower()]

    def peer_of(self, model: Model) -> Model | None:
        """The WiFo peer of the most similar size."""

        def gap(peer: Model) -> float:
            return abs(np.log(peer.parameters / model.parameters))

        return min(self.wifo, key=gap, default=None)

    def sets(self) -> dict[str, list[str]]:
        """Cases that are summed up together, by title; only those that are there.

        Jakes rows are not: the ratio of an error to a single fading target has no mean.
        """
        found: dict[str, list[str]] = {}
        for task in simulated.TASKS:
            names = self.names_of(GENERATED, task)
            found[f"{GENERATED}, {task}"] = [n for n in names if n not in JAKES]
            for section, snr_db in product(SIMULATED, simulated.SNRS_DB):
                noise = noise_name(snr_db)
                names = self.names_of(section, task, noise)
                found[f"{section}, {task}, {noise}"] = names
        return found

    def names_of(self, section: str, task: str, ending: str = "") -> list[str]:
        """Cases that are there, of a section and a task, whose names end alike."""
        return [
            j.entry.name
            for j in self.judged
            if (j.entry.section, j.entry.task) == (section, task)
            and j.entry.name.endswith(ending)
            and j.scores is not None
        ]
