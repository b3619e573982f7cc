"""Time of a drop-based channel here and in Sionna, on one CPU thread.

    pip install -e ".[peers]"
    python benchmarks/channel.py [ROUNDS]

UMi street canyon, no line of sight, single snapshot: 32 base station antennas, one user
antenna, 64 subcarriers of 30 kHz. Rounds are interleaved; the time is CPU time, the
minimum over rounds. Mean power and RMS delay spread of both are printed beside it.
"""

import os
import sys
import time

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
os.environ["OMP_NUM_THREADS"] = "1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import jax
import numpy as np
import torch
from sionna.phy.channel import cir_to_ofdm_channel, subcarrier_frequencies
from sionna.phy.channel.tr38901 import PanelArray, UMi

from wlam.phy.tr38901.drops import DropConfig, PanelConfig, generate

BATCH, CARRIER_HZ, SUBCARRIERS, SPACING_HZ = 64, 3.5e9, 64, 30e3
DISTANCES_M = (50.0, 100.0)

torch.set_num_threads(1)
CONFIG = DropConfig(
    "UMi",
    state="nlos",
    carriers_hz=(CARRIER_HZ,),
    num_times=1,
    num_subcarriers=SUBCARRIERS,
    subcarrier_spacings_hz=(SPACING_HZ,),
    base=PanelConfig(4, 8, "V", "38.901"),
    distances_m=DISTANCES_M,
)
ours = jax.jit(lambda key: generate(key, CONFIG, BATCH).clean)


def make_theirs():
    """A function that draws as many with Sionna, [batch, subcarrier, antenna]."""
    arrays = {
        "base": PanelArray(
            num_rows_per_panel=4,
            num_cols_per_panel=8,
            polarization="single",
            polarization_type="V",
            antenna_pattern="38.901",
            carrier_frequency=CARRIER_HZ,
        ),
        "user": PanelArray(
            num_rows_per_panel=1,
            num_cols_per_panel=1,
            polarization="single",
            polarization_type="V",
            antenna_pattern="omni",
            carrier_frequency=CARRIER_HZ,
        ),
    }
    channel = UMi(
        carrier_frequency=CARRIER_HZ,
        o2i_model="low",
        ut_array=arrays["user"],
        bs_array=arrays["base"],
        direction="downlink",
        enable_pathloss=False,
        enable_shadow_fading=False,
    )
    frequencies = subcarrier_frequencies(SUBCARRIERS, SPACING_HZ)
    rng = np.random.default_rng(0)

    def draw():
        distance = np.sqrt(rng.uniform(*np.square(DISTANCES_M), BATCH))
        azimuth = np.deg2rad(rng.uniform(-60, 60, BATCH))
        user = np.stack(
            [
                distance * np.cos(azimuth),
                distance * np.sin(azimuth),
                np.full(BATCH, 1.5),
            ],
            axis=-1,
        )
        heading = np.zeros((BATCH, 1, 3), np.float32)
        heading[..., 0] = rng.uniform(0, 2 * np.pi, (BATCH, 1))
        channel.set_topology(
            ut_loc=torch.tensor(user[:, None], dtype=torch.float32),
            bs_loc=torch.tensor([0.0, 0.0, 10.0]).repeat(BATCH, 1, 1),
            ut_orientations=torch.tensor(heading),
            bs_orientations=torch.zeros(BATCH, 1, 3),
            ut_velocities=torch.zeros(BATCH, 1, 3),
            in_state=torch.zeros(BATCH, 1, dtype=torch.bool),
            los=False,
        )
        a, tau = channel(num_time_samples=1, sampling_frequency=1e3)
        h = cir_to_ofdm_channel(frequencies, a, tau, normalize=False)
        return h.reshape(BATCH, 32, SUBCARRIERS).transpose(1, 2)

    return draw


def statistics(h: np.ndarray) -> tuple[float, float]:
    """Mean power, and RMS delay spread in ns of the mean power delay profile."""
    power = abs(h) ** 2
    taps = (abs(np.fft.ifft(h, axis=1)) ** 2).mean((0, 2))
    taps = taps[: SUBCARRIERS // 2] / taps[: SUBCARRIERS // 2].sum()
    delay = np.arange(SUBCARRIERS // 2) / (SUBCARRIERS * SPACING_HZ)
    mean = (taps * delay).sum()
    return float(power.mean()), 1e9 * float(np.sqrt((taps * (delay - mean) ** 2).sum()))


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 16
    theirs = make_theirs()
    contenders = {
        "wlam": lambda i: np.asarray(ours(jax.random.key(i)))[:, 0],
        "sionna": lambda i: theirs().numpy(),
    }
    times = {name: [] for name in contenders}
    draws = {name: [] for name in contenders}
    for i in range(rounds + 1):
        for name, draw in contenders.items():
            begin = time.process_time()
            h = draw(i)
            times[name].append(time.process_time() - begin)
            draws[name].append(h)
    print("| | ms per channel | mean power | delay spread of the mean profile, ns |")
    print("|---|---|---|---|")
    fastest = {name: min(t[1:]) / BATCH for name, t in times.items()}
    for name in contenders:
        power, spread_ns = statistics(np.concatenate(draws[name]))
        print(f"| {name} | {1e3 * fastest[name]:.3f} | {power:.3f} | {spread_ns:.0f} |")
    print(f"ratio {fastest['sionna'] / fastest['wlam']:.1f}")
    size = SUBCARRIERS * 32 * 8
    print(f"{1 / fastest['wlam']:.0f} samples/s, {size} bytes a sample")


if __name__ == "__main__":
    main()
