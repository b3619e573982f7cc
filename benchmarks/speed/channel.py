"""Time of a channel here and in Sionna, on one CPU thread.

    pip install -e ".[peers]"
    python -m benchmarks.speed.channel [ROUNDS]

32 base station antennas, one user antenna, 64 subcarriers of 30 kHz; a UMi street
canyon without line of sight (one snapshot, and 24 of a moving user) and CDL-A. Rounds
are interleaved; the time is CPU time, the minimum over rounds. Mean power and RMS delay
spread of both are printed beside it.
"""

import os
import sys
import time
from collections.abc import Callable

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
os.environ["OMP_NUM_THREADS"] = "1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import jax
import numpy as np
import torch
from sionna.phy.channel import cir_to_ofdm_channel, subcarrier_frequencies
from sionna.phy.channel.tr38901 import CDL, PanelArray, UMi

from wlam.evaluation.table import Table, text
from wlam.phy.channels import cdl
from wlam.phy.channels.tr38901 import drops

CARRIER_HZ, SUBCARRIERS, SPACING_HZ, STEP_S = 3.5e9, 64, 30e3, 5e-4
DISTANCES_M, SPEED_KMH, DELAY_SPREAD_S = (50.0, 100.0), 36.0, 100e-9

torch.set_num_threads(1)
FREQUENCIES = subcarrier_frequencies(SUBCARRIERS, SPACING_HZ)
Draw = Callable[[int], np.ndarray]  # round -> [sample, time, subcarrier, antenna]


def our_umi(batch: int, times: int) -> Draw:
    config = drops.DropConfig(
        "UMi",
        state="nlos",
        carriers_hz=(CARRIER_HZ,),
        time_steps_s=(STEP_S,),
        speeds_kmh=(SPEED_KMH, SPEED_KMH),
        num_times=times,
        num_subcarriers=SUBCARRIERS,
        subcarrier_spacings_hz=(SPACING_HZ,),
        base=drops.PanelConfig(4, 8, "V", "38.901"),
        distances_m=DISTANCES_M,
    )
    draw = jax.jit(lambda key: drops.generate(key, config, batch).clean)
    return lambda i: np.asarray(draw(jax.random.key(i)))


def our_cdl(batch: int, times: int) -> Draw:
    config = cdl.CdlConfig(
        profiles=("A",),
        carriers_hz=(CARRIER_HZ,),
        time_steps_s=(STEP_S,),
        speeds_kmh=(SPEED_KMH, SPEED_KMH),
        delay_spreads_s=(DELAY_SPREAD_S, DELAY_SPREAD_S),
        num_times=times,
        num_subcarriers=SUBCARRIERS,
        subcarrier_spacings_hz=(SPACING_HZ,),
        array=(4, 8),
    )
    draw = jax.jit(lambda key: cdl.generate(key, config, batch).clean)
    return lambda i: np.asarray(draw(jax.random.key(i)))


def their_array(rows: int, columns: int, pattern: str) -> PanelArray:
    return PanelArray(
        num_rows_per_panel=rows,
        num_cols_per_panel=columns,
        polarization="single",
        polarization_type="V",
        antenna_pattern=pattern,
        carrier_frequency=CARRIER_HZ,
    )


def their_ofdm(a: torch.Tensor, tau: torch.Tensor) -> np.ndarray:
    h = cir_to_ofdm_channel(FREQUENCIES, a, tau, normalize=False)
    return h.reshape(len(h), 32, -1, SUBCARRIERS).permute(0, 2, 3, 1).numpy()


def their_umi(batch: int, times: int) -> Draw:
    channel = UMi(
        carrier_frequency=CARRIER_HZ,
        o2i_model="low",
        ut_array=their_array(1, 1, "omni"),
        bs_array=their_array(4, 8, "38.901"),
        direction="downlink",
        enable_pathloss=False,
        enable_shadow_fading=False,
    )
    rng = np.random.default_rng(0)

    def draw(i: int) -> np.ndarray:
        distance = np.sqrt(rng.uniform(*np.square(DISTANCES_M), batch))
        azimuth = np.deg2rad(rng.uniform(-60, 60, batch))
        user = np.stack(
            [
                distance * np.cos(azimuth),
                distance * np.sin(azimuth),
                np.full(batch, 1.5),
            ],
            axis=-1,
        )
        heading = np.zeros((batch, 1, 3), np.float32)
        heading[..., 0] = rng.uniform(0, 2 * np.pi, (batch, 1))
        going = np.stack(
            [np.cos(heading[..., 0]), np.sin(heading[..., 0]), 0 * heading[..., 0]], -1
        )
        channel.set_topology(
            ut_loc=torch.tensor(user[:, None], dtype=torch.float32),
            bs_loc=torch.tensor([0.0, 0.0, 10.0]).repeat(batch, 1, 1),
            ut_orientations=torch.tensor(heading),
            bs_orientations=torch.zeros(batch, 1, 3),
            ut_velocities=torch.tensor(SPEED_KMH / 3.6 * going, dtype=torch.float32),
            in_state=torch.zeros(batch, 1, dtype=torch.bool),
            los=False,
        )
        return their_ofdm(
            *channel(num_time_samples=times, sampling_frequency=1 / STEP_S)
        )

    return draw


def their_cdl(batch: int, times: int) -> Draw:
    channel = CDL(
        model="A",
        delay_spread=DELAY_SPREAD_S,
        carrier_frequency=CARRIER_HZ,
        ut_array=their_array(1, 1, "omni"),
        bs_array=their_array(4, 8, "omni"),
        direction="downlink",
        min_speed=SPEED_KMH / 3.6,
    )
    return lambda i: their_ofdm(
        *channel(batch, num_time_steps=times, sampling_frequency=1 / STEP_S)
    )


# Channels in a batch and snapshots of each; both sides have the same.
CASES = {
    "UMi, 1 snapshot": (our_umi, their_umi, 64, 1),
    "CDL-A, 1 snapshot": (our_cdl, their_cdl, 64, 1),
    "UMi, 24 snapshots": (our_umi, their_umi, 16, 24),
}


def statistics(h: np.ndarray) -> tuple[float, float]:
    """Mean power, and RMS delay spread in ns of the mean power delay profile."""
    power = abs(h) ** 2
    taps = (abs(np.fft.ifft(h, axis=2)) ** 2).mean((0, 1, 3))
    taps = taps[: SUBCARRIERS // 2] / taps[: SUBCARRIERS // 2].sum()
    delay = np.arange(SUBCARRIERS // 2) / (SUBCARRIERS * SPACING_HZ)
    mean = (taps * delay).sum()
    return float(power.mean()), 1e9 * float(np.sqrt((taps * (delay - mean) ** 2).sum()))


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 16
    header = ["", "by", "ms a channel", "mean power", "delay spread, ns"]
    header, rows = [*header, "channels/s", "bytes"], []
    for case, (ours, theirs, batch, times) in CASES.items():
        contenders = {"wlam": ours(batch, times), "sionna": theirs(batch, times)}
        seconds = {name: [] for name in contenders}
        draws = {name: [] for name in contenders}
        for i in range(rounds + 1):
            for name, draw in contenders.items():
                begin = time.process_time()
                h = draw(i)
                seconds[name].append(time.process_time() - begin)
                draws[name].append(h)
        best = {name: min(times[1:]) / batch for name, times in seconds.items()}
        for name, drawn in draws.items():
            power, spread_ns = statistics(np.concatenate(drawn))
            mine = f"{1e3 * best[name]:.3f}", f"{power:.3f}", f"{spread_ns:.0f}"
            rate, size = f"{1 / best[name]:.0f}", str(drawn[0][0].nbytes)
            rows.append([case, name, *mine, rate, size])
        ratio = f"{best['sionna'] / best['wlam']:.1f}"
        rows.append([case, "ratio", ratio, "", "", "", ""])
    print(text(Table(header, rows, frozenset({0, 1}))))


if __name__ == "__main__":
    main()
