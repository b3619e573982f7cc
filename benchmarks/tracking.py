"""Beam tracking between sweeps: every network of configs/tracker.py and every floor.

    python benchmarks/tracking.py            # networks without a run are trained first
    python benchmarks/tracking.py --choose   # the constants of the Kalman filter

Prints the spectral efficiency of the chosen beam over that of the best one at the end
of the interval between two sweeps and at ten times within it, how much the liquid
network is ahead, and what is lost from the first of these times to the last. Two rows
are told what nobody knows: where the user is, or where he is and how fast he goes at
the last sweep, as if he went straight on.
"""

import itertools
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from compare import configs_of, trained, verdicts_of

from wlam.baselines.sweeps import bearing_tracker
from wlam.bootstrap import interval
from wlam.evaluation.forecast import generated_case, generated_cases
from wlam.evaluation.judge import MODEL, Verdict, judge
from wlam.metrics import Statistic
from wlam.phy.channels.tr38901.config import LAYOUT
from wlam.phy.codebooks import beam_directions
from wlam.simulate.beams import array_gain
from wlam.simulate.sweeps import SweepConfig

CONFIG = str(Path(__file__).parents[1] / "configs" / "tracker.py")
METRIC = "SE ratio"
OURS = "cfc"
PLACE, STRAIGHT = "told the place", "told place and speed at the sweep"
VALIDATION_SEED = 7
"""Of tracks on which constants are chosen; those that are reported have seed 0."""
Row = Callable[[Verdict, str], str]


def predictor(verdict: Verdict, name: str) -> str:
    return name if name in verdict.forecasts else MODEL


def ratio(verdict: Verdict, name: str, steps: slice = slice(None)) -> Statistic:
    """The metric of one row over some of the times."""
    everything = np.arange(len(verdict.windows.source))
    return verdict.score_slice(predictor(verdict, name), everything, steps)[METRIC]


def with_interval(value: Statistic) -> str:
    low, high = interval(value)
    return f"{value.value:.3f} [{low:.3f}, {high:.3f}]"


def at_end(verdict: Verdict, name: str) -> str:
    """At the last of the times."""
    return with_interval(ratio(verdict, name, slice(-1, None)))


def overall(verdict: Verdict, name: str) -> str:
    """Over all times."""
    return with_interval(ratio(verdict, name))


def lost(verdict: Verdict, name: str) -> str:
    """From the first to the last of the times, in per cent."""
    first = ratio(verdict, name, slice(0, 1)).value
    last = ratio(verdict, name, slice(-1, None)).value
    return f"{100 * (1 - last / first):.1f}"


def ahead(ours: Verdict, verdict: Verdict, name: str) -> str:
    """Of our network at the last of the times, per cent of the other's; paired."""
    mine, other = (
        ratio(v, n, slice(-1, None)) for v, n in ((ours, OURS), (verdict, name))
    )
    difference = Statistic(mine.numerator - other.numerator, other.denominator)
    scale = 100 / other.value
    low, high = interval(difference)
    return f"{scale * difference.value:+.1f} [{scale * low:+.1f}, {scale * high:+.1f}]"


def told(verdict: Verdict, sweep: SweepConfig, straight: bool) -> Verdict:
    """The beam towards the user's place, known at all times or until the last sweep.

    Args:
        verdict: of tracks.
        sweep: what they were drawn from.
        straight: whether he goes on from the last step before the times that are asked
            for as he went there.
    """
    windows, data = verdict.windows, verdict.case.data
    place = np.asarray(data.labels["position_m"])[windows.source]
    ahead = np.arange(1, windows.horizon + 1)
    last = windows.start[:, None] - 1
    rows = np.arange(len(place))[:, None]
    if straight:
        speed = place[rows, last] - place[rows, last - 1]
        place = place[rows, last] + ahead[None, :, None] * speed
    else:
        place = place[rows, last + ahead]
    height = sweep.base_height_m or LAYOUT[sweep.scenario][0]
    across = place - np.array([0.0, 0.0, height])
    sine = (across[..., 1] / np.linalg.norm(across, axis=-1)).astype(np.float32)
    beams = sweep.num_beams[1]
    gain = np.asarray(array_gain(jnp.asarray(sine), beam_directions(beams), beams))
    return replace(verdict, forecasts={MODEL: gain})


def table(title: str, head: list[str], rows: dict[str, list[str]]) -> None:
    print(f"| {title} |", " | ".join(head), "|")
    print(f"|---|{'---:|' * len(head)}")
    for name, cells in rows.items():
        print(f"| {name} |", " | ".join(cells), "|")
    print(flush=True)


def choose() -> None:
    """Constants of the extended Kalman filter, on tracks of their own."""
    configs = configs_of(CONFIG)
    cases = {
        name: replace(case, seed=VALIDATION_SEED)
        for name, case in configs[OURS].evaluation.items()
    }
    verdicts = {name: judge(generated_case(name, c), None) for name, c in cases.items()}
    rows = {}
    for noise, acceleration in itertools.product(
        (0.15, 0.3, 0.6), (0.4, 0.8, 1.6, 3.2, 6.4, 12.8)
    ):
        tracker = partial(bearing_tracker, noise=noise, acceleration=acceleration)
        cells = []
        for verdict in verdicts.values():
            windows = verdict.windows
            given = np.float32(windows.interval)
            found = np.asarray(tracker(windows.context, windows.horizon, given))
            tried = replace(verdict, forecasts={"EKF": found})
            cells.append(ratio(tried, "EKF").value)
        shown = [f"{x:.4f}" for x in (*cells, float(np.mean(cells)))]
        rows[f"{noise} beams, {acceleration} rad/s^2"] = shown
    table("validation tracks", [*verdicts, "mean"], rows)


def main() -> None:
    configs = configs_of(CONFIG)
    models = {name: trained(CONFIG, name, c) for name, c in configs.items()}
    cases = configs[OURS].evaluation
    found = verdicts_of(generated_cases(configs[OURS].evaluation), models)
    rows = [x for x in next(iter(found.values())) if x not in models] + [*models]
    rows += [STRAIGHT, PLACE]
    for name, row in found.items():
        sweep = cases[name].source.source
        row[STRAIGHT] = told(row[OURS], sweep, straight=True)
        row[PLACE] = told(row[OURS], sweep, straight=False)
    short = [name.removeprefix("tracks_").replace("_", " ") for name in found]
    shown = {name: f"`{name}`" if name in models else name for name in rows}

    def each(title: str, cell: Row) -> None:
        table(
            title,
            short,
            {shown[x]: [cell(row[x], x) for row in found.values()] for x in rows},
        )

    each("at the end", at_end)
    each("over all times", overall)
    each("lost over the interval, %", lost)
    others = [x for x in rows if x != OURS]
    table(
        f"`{OURS}` ahead at the end, %",
        short,
        {
            shown[x]: [ahead(row[OURS], row[x], x) for row in found.values()]
            for x in others
        },
    )
    for name in ("tracks_5mps", "tracks_20mps"):
        table(
            f"{name.removeprefix('tracks_')}: ms after the sweep",
            times(cases[name]),
            {
                shown[x]: [
                    f"{ratio(found[name][x], x, slice(i, i + 1)).value:.3f}"
                    for i in range(cases[name].horizon)
                ]
                for x in rows
            },
        )


def times(case: Case) -> list[str]:
    """Of the targets, from the last sweep on."""
    source = case.source
    (step_s,) = source.source.time_steps_s
    last = (case.context - 1 - source.every // 2) // source.every * source.every
    since = case.context - last - source.every // 2
    return [f"{1e3 * step_s * (since + i):.0f}" for i in range(case.horizon)]


if __name__ == "__main__":
    try:
        if sys.argv[1:] not in ([], ["--choose"]):
            raise ValueError(
                f"arguments: found {sys.argv[1:]}; needed --choose or none"
            )
        choose() if sys.argv[1:] else main()
    except (ValueError, subprocess.CalledProcessError) as error:
        print(f"tracking.py: {error}", file=sys.stderr)
        sys.exit(2)
