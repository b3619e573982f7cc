"""Which channels of another simulator, Sionna, have a line of sight.

    python -m benchmarks.leaderboard.sionna_channels  # once; extra [peers]
    python benchmarks/line_of_sight.py MODEL [FOLDER]

FOLDER is data/sionna_csi. Cells with and without a line of sight, 16 snapshots at
20 dB. AUC is the probability that a channel with one is ranked above a channel without
(the statistic of Mann and Whitney, 1947); `right` the share of channels on the right
side of one half. Beside the model stand three numbers that need no training: the share
of the strongest delay-angle bin in the power; the K factor by the second and fourth
moment of all samples (Greenstein, Michelson & Erceg, "Moment-method estimation of the
Ricean K-factor", IEEE Communications Letters 3(6), 1999); and how few bins hold the
power. 95 % intervals are bootstrapped over channels.
"""

import sys
from dataclasses import replace

import numpy as np
from einops import rearrange

import wlam
from benchmarks.leaderboard.sionna import CHANNELS, SETTINGS
from wlam.phy.transforms import steps_first, to_bins
from wlam.types import TIME, DataError

STEPS, SNR_DB = 16, 20.0
DRAWS = 1000


def strongest_share(bins: np.ndarray) -> np.ndarray:
    """[sample] of bins [sample, step, bin]."""
    power = (abs(bins) ** 2).mean(1)
    return power.max(1) / power.sum(1)


def concentration(bins: np.ndarray) -> np.ndarray:
    """One over how many bins of one power would be as uneven."""
    power = (abs(bins) ** 2).mean(1)
    return (power**2).sum(1) / power.sum(1) ** 2


def k_factor(channel: np.ndarray) -> np.ndarray:
    """By moments: of |h|^2, sqrt(2 m^2 - m4) over the rest, 0 where that is nothing."""
    square = (abs(channel) ** 2).reshape(len(channel), -1)
    second, fourth = square.mean(1), (square**2).mean(1)
    fixed = np.sqrt(np.maximum(2 * second**2 - fourth, 0))
    return fixed / np.maximum(second - fixed, 1e-9 * second)


def auc(scores: np.ndarray, seen: np.ndarray) -> float:
    """Of pairs with and without; ties count half."""
    with_, without = scores[seen][:, None], scores[~seen][None]
    return float((with_ > without).mean() + 0.5 * (with_ == without).mean())


def with_interval(scores: np.ndarray, seen: np.ndarray) -> str:
    random = np.random.default_rng(0)
    groups = [np.flatnonzero(seen), np.flatnonzero(~seen)]
    drawn = []
    for _ in range(DRAWS):
        chosen = np.concatenate([random.choice(group, len(group)) for group in groups])
        drawn.append(auc(scores[chosen], seen[chosen]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{auc(scores, seen):.3f} [{low:.3f} … {high:.3f}]"


def main() -> None:
    if not sys.argv[1:]:
        raise DataError("MODEL: found none; needed a run or a released model")
    model = wlam.load(sys.argv[1])
    folder = sys.argv[2] if sys.argv[2:] else CHANNELS.root()
    found: dict[str, list[np.ndarray]] = {}
    truth: list[np.ndarray] = []
    for setting in (s for s in SETTINGS if s.state):
        data = CHANNELS.case(setting, "csi_time", SNR_DB, folder).data
        bins = to_bins(steps_first(data.csi, TIME), TIME, data.antennas)[:, :STEPS]
        bins = rearrange(np.asarray(bins), "n t u v -> n t (u v)")
        given = replace(data, csi=data.csi[:, :STEPS], clean=None)
        probable = model.head("line_of_sight", given)
        scores = {
            sys.argv[1]: probable,
            "strongest bin": strongest_share(bins),
            "concentration": concentration(bins),
            "K by moments": k_factor(data.csi[:, :STEPS]),
        }
        for name, values in scores.items():
            found.setdefault(name, []).append(values)
        truth.append(np.full(len(bins), not setting.is_nlos))
        print(f"{setting.name} …", file=sys.stderr, flush=True)
    seen = np.concatenate(truth)
    print(f"{len(seen)} channels, {seen.mean():.0%} with a line of sight\n")
    for name, parts in found.items():
        print(f"{name:>24} AUC {with_interval(np.concatenate(parts), seen)}")
    right = (np.concatenate(found[sys.argv[1]]) > 0.5) == seen
    print(f"{sys.argv[1]:>24} right {right.mean():.3f}")


if __name__ == "__main__":
    try:
        main()
    except (DataError, ValueError) as error:
        sys.exit(f"line_of_sight.py: {error}")
