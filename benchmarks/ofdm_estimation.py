"""Estimation between pilots on a comb, 4 x 64 x 32 UMa blocks: NMSE in dB.

    python benchmarks/ofdm_estimation.py [MODEL ...] [--samples N] [--training N]

The cases `pilots_*` of configs/benchmark.py: pilots on every fourth or eighth of 64
subcarriers, without a line of sight; the first of them at more SNRs, and with eight
pilots on 32 subcarriers. Models and the training-free floors of the benchmark page,
none of which is told the noise, and

LMMSE, one        a covariance over subcarriers for all bins of Doppler and angle
LMMSE, by bin     one for each of them
sparse Bayes      training-free: for each angle the delay spectrum, the same for all
                  snapshots, that the observation is most probable under

The first two are of drops of the same scenario; all three are told the noise, as is a
MODEL that is an estimator (`wlam.models.estimator.network`): it goes over what spectra
over delay and Doppler leave (`wlam.baselines.estimate.combs`), snapshot by snapshot. 95
% intervals are over samples. Time is for one block, of the second of two runs.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from einops import rearrange

from wlam.baselines.estimate import Moments, delay_atoms, lmmse, sparse_bayes
from wlam.bootstrap import interval
from wlam.config import load_config
from wlam.evaluation.forecast import generated_case
from wlam.evaluation.judge import forecast
from wlam.hub import load
from wlam.models.estimator.api import ChannelEstimator
from wlam.ops.pieces import in_pieces
from wlam.tasks import TASKS
from wlam.tasks.windows import Windows, cut_windows

CASES = Path(__file__).parents[1] / "configs" / "benchmark.py"
TRAINING_SEED = 20_000
EVERY, MORE_SNRS_DB = 4, (0.0, 30.0)
SHORT, SHORT_SNRS_DB = 8, (10.0, 20.0)  # pilots on few subcarriers


@dataclass(frozen=True)
class Options:
    """Who is judged, and on how many blocks."""

    # Runs or released models.
    models: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    # Blocks to judge, and to train covariances on.
    samples: int = 80
    training: int = 3000


@cache
def training(steps: int, number: int) -> np.ndarray:
    """Channels of the same kind without noise, [n, subcarrier, bin]."""
    first = cases()[f"pilots_{EVERY}_20dB"]
    source = replace(first.source, num_subcarriers=steps)
    parts = []
    for i in range(-(-number // 100)):
        drawn = replace(first, source=source, samples=100, seed=TRAINING_SEED + i)
        data = generated_case("training", drawn).data
        parts.append(np.asarray(TASKS[first.task].sequences(data).clean))
    return np.concatenate(parts)[:number]


class Block:
    """One case: its windows, and what the noise is."""

    def __init__(self, name: str, case, options: Options):
        self.name, self.task, self.steps = name, TASKS[case.task], case.context
        found = generated_case(name, replace(case, samples=options.samples))
        self.windows = cut_windows(
            self.task.sequences(found.data), self.steps, self.steps, sliding=False
        )
        self.data = found.data
        self.at = np.flatnonzero(np.isfinite(self.windows.context[0, :, 0]))
        clean, noisy = np.asarray(found.data.clean), np.asarray(found.data.csi)
        self.noise = (abs(noisy - clean) ** 2).mean((1, 2, 3)).astype(np.float32)
        self.training = training(self.steps, options.training)

    def by_moments(self, moments: Moments, pilots: np.ndarray) -> np.ndarray:
        """[n, p, bin] with one covariance for all these bins."""
        n, _, bins = pilots.shape
        sensing = jnp.asarray(np.eye(self.steps, dtype=np.float32)[self.at])
        flat = jnp.asarray(rearrange(pilots, "n p b -> (n b) p"))
        found = lmmse(flat, jnp.repeat(self.noise, bins), sensing, moments)
        return rearrange(np.asarray(found), "(n b) l -> n l b", n=n)

    def by_one_covariance(self, windows: Windows) -> np.ndarray:
        flat = rearrange(self.training, "n l b -> (n b) l")
        covariance = jnp.asarray(flat.T @ flat.conj() / len(flat))
        zero = jnp.zeros(self.steps, jnp.complex64)
        return self.by_moments(Moments(zero, covariance), windows.context[:, self.at])

    def by_bin(self, windows: Windows) -> np.ndarray:
        pilots, found = windows.context[:, self.at], []
        zero = jnp.zeros(self.steps, jnp.complex64)
        for b in range(pilots.shape[2]):
            x = self.training[:, :, b]
            covariance = jnp.asarray(x.T @ x.conj() / len(x))
            found.append(
                self.by_moments(Moments(zero, covariance), pilots[..., b : b + 1])
            )
        return np.concatenate(found, axis=2)

    def by_estimator(self, model: ChannelEstimator, windows: Windows) -> np.ndarray:
        blocks = np.array(self.data.csi)[: len(windows.source)]
        blocks[:, :, np.setdiff1d(np.arange(self.steps), self.at)] = np.nan
        found = model.estimate(
            blocks,
            self.noise[: len(blocks)],
            antenna_positions=self.data.antennas.positions,
            antenna_polarisation=self.data.antennas.polarisation,
        )
        bins = self.task.sequences(replace(self.data, csi=found, clean=None))
        return np.asarray(bins.values)

    def by_spectrum(self, windows: Windows) -> np.ndarray:
        assert windows.grid is not None
        atoms = delay_atoms(self.steps, int(self.at[1] - self.at[0]))
        sensing = np.eye(self.steps, dtype=np.float32)[self.at][None]
        parts = rearrange(
            windows.context[:, self.at], "n p (t u) -> (n u) t p", u=windows.grid[1]
        )
        noise = np.repeat(self.noise, windows.grid[1])
        found = in_pieces(
            lambda _, y, level: sparse_bayes(y, level, sensing, atoms, 30),
            32,
            parts,
            noise,
        )
        return rearrange(found, "(n u) t l -> n l (t u)", u=windows.grid[1])


def cases() -> dict[str, Case]:
    """Those of the benchmark page, and others like the first."""
    evaluation = load_config(str(CASES), []).evaluation
    chosen = {k: x for k, x in evaluation.items() if k.startswith("pilots_")}
    first = chosen[f"pilots_{EVERY}_20dB"]
    for snr_db in MORE_SNRS_DB:
        source = replace(first.source, snr_db=(snr_db, snr_db))
        chosen[f"pilots_{EVERY}_{snr_db:g}dB"] = replace(first, source=source)
    for snr_db in SHORT_SNRS_DB:
        source = replace(
            first.source, snr_db=(snr_db, snr_db), num_subcarriers=EVERY * SHORT
        )
        short = replace(
            first, source=source, context=EVERY * SHORT, horizon=EVERY * SHORT
        )
        chosen[f"{SHORT} of {EVERY * SHORT}, {snr_db:g} dB"] = short
    return chosen


def main(options: Options) -> None:
    chosen = cases()
    models = {Path(path).name: load(path) for path in options.models}
    rows: dict[str, list[str]] = {}
    times: dict[str, float] = {}
    for name, case in chosen.items():
        block = Block(name, case, options)
        windows = block.windows
        ways: dict[str, Callable[[Windows], np.ndarray]] = {
            baseline: lambda w, way=way: np.asarray(way(w.context, w.horizon))
            for baseline, way in block.task.baselines(block.data, windows).items()
            if baseline != "zero"
        }
        ways |= {
            "LMMSE, one": block.by_one_covariance,
            "LMMSE, by bin": block.by_bin,
            "sparse Bayes": block.by_spectrum,
        }
        for key, model in models.items():
            if isinstance(model, ChannelEstimator):
                ways[key] = lambda w, m=model, b=block: b.by_estimator(m, w)
            else:
                ways[key] = lambda w, m=model: forecast(m, w)
        for who, way in ways.items():
            print(f"{name}: {who} …", file=sys.stderr, flush=True)
            found = way(windows)
            score = block.task.scores(found, block.data, windows)["NMSE dB"]
            low, high = interval(score)
            cell = f"{score.value:.2f} [{low:.2f}, {high:.2f}]"
            rows.setdefault(who, []).append(cell)
            if who in models and who not in times:
                one = windows.subset(np.arange(1))
                way(one)
                begin = time.process_time()
                way(one)
                times[who] = time.process_time() - begin
    print("| estimator |", " | ".join(chosen), f"|\n| --- |{' ---: |' * len(chosen)}")
    for who, cells in rows.items():
        print(f"| {who} |", " | ".join(cells), "|")
    for who, seconds in times.items():
        print(f"\nOne block by {who}: {seconds:.2f} s of CPU time")
    print(f"\n{jax.devices()[0].device_kind}")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
