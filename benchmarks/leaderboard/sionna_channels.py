"""Channels of another simulator, Sionna, written as files that need no Sionna.

    pip install -e ".[peers]"
    python -m benchmarks.leaderboard.sionna_channels [FOLDER] [SAMPLES]

FOLDER is data/sionna_csi, SAMPLES 16 a setting. 24 snapshots x 64 subcarriers of 180
kHz x 32 antennas (4 x 8), users at 3 to 120 km/h: street canyon, urban and rural macro
cells with and without a line of sight, CDL-A to E; carriers of 2 to 28 GHz, without
noise. Run again it writes the same bits.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sionna.phy import config
from sionna.phy.channel import cir_to_ofdm_channel, subcarrier_frequencies
from sionna.phy.channel.tr38901 import CDL, PanelArray, RMa, UMa, UMi

from benchmarks.leaderboard.simulated import file_of
from benchmarks.leaderboard.sionna import CHANNELS, SETTINGS, Setting
from wlam.data.files import write_npz_atomic
from wlam.ops.units import SPEED_OF_LIGHT

TIMES, SUBCARRIERS, SPACING_HZ = 24, 64, 180e3
SPEEDS_KMH = (3.0, 120.0)
FREQUENCIES = subcarrier_frequencies(SUBCARRIERS, SPACING_HZ)
# Base station height and horizontal distances of users in m.
SCENARIOS = {
    "UMi": (UMi, 10.0, (20.0, 100.0)),
    "UMa": (UMa, 25.0, (50.0, 250.0)),
    "RMa": (RMa, 35.0, (100.0, 1000.0)),
}
# Carrier in GHz and snapshot interval in s; at 120 km/h below a fifth of a turn.
CARRIERS = {2.0: 5e-4, 3.5: 5e-4, 28.0: 6.25e-5}


def array(rows: int, columns: int, pattern: str, carrier_hz: float) -> PanelArray:
    return PanelArray(
        num_rows_per_panel=rows,
        num_cols_per_panel=columns,
        polarization="single",
        polarization_type="V",
        antenna_pattern=pattern,
        carrier_frequency=carrier_hz,
    )


def vectors(length: np.ndarray, angle: np.ndarray, z: float) -> torch.Tensor:
    """Horizontal polar coordinates and a height as [sample, 3]."""
    x = [length * np.cos(angle), length * np.sin(angle), np.full(len(length), z)]
    return torch.tensor(np.stack(x, -1), dtype=torch.float32)


def channels(setting: Setting, samples: int) -> dict[str, np.ndarray]:
    """The arrays of one setting's file."""
    number = SETTINGS.index(setting)  # other users in every setting
    config.seed = 1 + number
    rng = np.random.default_rng([2, number])
    carrier_hz, step_s = setting.ghz * 1e9, CARRIERS[setting.ghz]
    is_cdl = setting.model.startswith("CDL")
    pattern = "omni" if is_cdl else "38.901"
    base = array(4, 8, pattern, carrier_hz)
    user = array(1, 1, "omni", carrier_hz)
    speed_kmh = rng.uniform(*SPEEDS_KMH, samples)
    heading = rng.uniform(0, 2 * np.pi, samples)
    velocity = vectors(speed_kmh / 3.6, heading, 0.0)
    both = {
        "carrier_frequency": carrier_hz,
        "ut_array": user,
        "bs_array": base,
        "direction": "downlink",
    }
    labels = {"speed_kmh": speed_kmh.astype(np.float32)}
    if is_cdl:
        letter = setting.model[-1]
        channel = CDL(model=letter, delay_spread=100e-9, ut_velocity=velocity, **both)
        a, tau = channel(samples, num_time_steps=TIMES, sampling_frequency=1 / step_s)
    else:
        kind, height, distances = SCENARIOS[setting.model]
        inside = {} if setting.model == "RMa" else {"o2i_model": "low"}
        silent = {"enable_pathloss": False, "enable_shadow_fading": False}
        channel = kind(**both, **silent, **inside)
        # One user a link, uniform over the ring and the sector.
        distance = np.sqrt(rng.uniform(*np.square(distances), samples))
        azimuth = np.deg2rad(rng.uniform(-60, 60, samples))
        turned = torch.zeros(samples, 1, 3)
        turned[:, 0, 0] = torch.tensor(heading)
        los = setting.state == "LOS"
        channel.set_topology(
            ut_loc=vectors(distance, azimuth, 1.5)[:, None],
            bs_loc=torch.tensor([0.0, 0.0, height]).repeat(samples, 1, 1),
            ut_orientations=turned,
            bs_orientations=torch.zeros(samples, 1, 3),
            ut_velocities=velocity[:, None],
            in_state=torch.zeros(samples, 1, dtype=torch.bool),
            los=los,
        )
        labels["los"] = np.full(samples, los, np.int32)
        a, tau = channel(num_time_samples=TIMES, sampling_frequency=1 / step_s)
    h = cir_to_ofdm_channel(FREQUENCIES, a, tau, normalize=False)
    h = h.reshape(samples, 32, TIMES, SUBCARRIERS).permute(0, 2, 3, 1)
    positions = np.asarray(base.ant_pos) * (carrier_hz / SPEED_OF_LIGHT)
    return {
        "csi": h.numpy().astype(np.complex64),
        "time_step_s": np.float32(step_s),
        "subcarrier_spacing_hz": np.float32(SPACING_HZ),
        "carrier_hz": np.float32(carrier_hz),
        "antenna_positions": positions.astype(np.float32),
        "antenna_polarisation": np.zeros(32, np.int32),
        **labels,
    }


def main() -> None:
    folder = Path(sys.argv[1]) if sys.argv[1:] else CHANNELS.root()
    samples = int(sys.argv[2]) if sys.argv[2:] else 16
    folder.mkdir(parents=True, exist_ok=True)
    for setting in SETTINGS:
        path = folder / file_of(setting)
        write_npz_atomic(path, **channels(setting, samples))
        print(f"{path}: {samples} channels", flush=True)


if __name__ == "__main__":
    main()
