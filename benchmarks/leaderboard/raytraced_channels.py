"""Channels of cities, traced by Sionna RT, written as files that need no tracer.

    pip install -e ".[rt]"    # without a GPU also libLLVM: datasets/csi_rt/README.md
    python -m benchmarks.leaderboard.raytraced_channels [FOLDER]

FOLDER is data/raytraced_csi. 32 users outdoors a setting in Munich, Paris, Florence and
San Francisco, at 5 or 40 km/h, on 2.6 or 3.5 GHz: 24 snapshots x 64 subcarriers of 180
kHz x 16 antennas (4 x 4), without noise, of mean power 1. Files that are there are
kept: kill it and run it again at will. Users are always the same; rays run in parallel,
so that a sample traced twice may differ by about 0.001 of its amplitude.
"""

import sys
from pathlib import Path

import numpy as np

from benchmarks.leaderboard.raytraced import CHANNELS, SETTINGS, Setting
from benchmarks.leaderboard.simulated import file_of
from wlam.data.files import CSI_SCALARS, write_npz_atomic
from wlam.data.raytraced import SCENES, SceneConfig, draw_block
from wlam.types import Array, DataError

SEED, USERS = 0, 32
TIMES, SUBCARRIERS = 24, 64
# Speed in km/h and snapshot interval in s: an eighth of a turn at the most. More often,
# slow users without noise would be a question of float32's last bits.
STEPS_S = {5.0: 5e-3, 40.0: 1e-3}


def channels(setting: Setting) -> dict[str, Array]:
    """The arrays of one setting's file."""
    source = SceneConfig(
        scene=setting.scene,
        base_m=SCENES[setting.scene][1],
        array=(4, 4),
        carrier_hz=setting.ghz * 1e9,
        num_subcarriers=SUBCARRIERS,
        num_times=TIMES,
        time_step_s=STEPS_S[setting.speed_kmh],
        speeds_kmh=(setting.speed_kmh, setting.speed_kmh),
    )
    number = SETTINGS.index(setting)  # other users in every setting
    data = draw_block(source, SEED, "test", USERS, number)
    labels = {**data.labels, "los": 1 - data.labels["state"]}
    del labels["state"], labels["snr_db"]  # the noise is not in the file
    return {
        "csi": data.clean,
        **{name: getattr(data, name)[0] for name in CSI_SCALARS},
        "antenna_positions": data.antennas.positions.astype(np.float32),
        "antenna_polarisation": data.antennas.polarisation,
        **labels,
    }


def main() -> None:
    folder = Path(sys.argv[1]) if sys.argv[1:] else CHANNELS.root()
    for setting in SETTINGS:
        path = folder / file_of(setting)
        if path.is_file():
            continue
        arrays = channels(setting)
        folder.mkdir(parents=True, exist_ok=True)  # not before there is a file for it
        write_npz_atomic(path, **arrays)
        print(f"{path}: {USERS} channels, {arrays['los'].sum()} with sight", flush=True)


if __name__ == "__main__":
    try:
        main()
    except (DataError, OSError) as error:
        print(f"raytraced_channels.py: {error}", file=sys.stderr)
        sys.exit(2)
