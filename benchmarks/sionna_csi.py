"""A model beside the floors on channels of another simulator, Sionna.

    pip install -e ".[peers]"
    python benchmarks/sionna_csi.py MODEL [SAMPLES] [JSON]

24 snapshots x 64 subcarriers of 180 kHz x 32 antennas (4 x 8), users at 3 to 120 km/h:
street canyon, urban and rural macro cells with and without a line of sight, CDL-A to E;
carriers of 2 to 28 GHz, clean and at 20 dB. Eight snapshots from 16, and 32 subcarriers
from 32. The last lines are mean differences in dB to AR and to AR local, over settings.
"""

import json
import sys

import numpy as np
import torch
from sionna.phy.channel import cir_to_ofdm_channel, subcarrier_frequencies
from sionna.phy.channel.tr38901 import CDL, PanelArray, RMa, UMa, UMi

import wlam
from wlam.data.tensors import Csi
from wlam.evaluation.cases import add_noise
from wlam.evaluation.judge import MODEL, EvalCase, Verdict, judge
from wlam.evaluation.table import text_table
from wlam.phy.constants import SPEED_OF_LIGHT

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
SETTINGS = [
    (scenario, state, ghz)
    for scenario, carriers in (("UMi", (3.5, 28.0)), ("UMa", (2.0, 28.0)))
    for state in ("NLOS", "LOS")
    for ghz in carriers
]
SETTINGS += [("RMa", state, 2.0) for state in ("NLOS", "LOS")]
SETTINGS += [(f"CDL-{letter}", "", 3.5) for letter in "ABCDE"]
TASKS = {"csi_time": (16, 8), "csi_frequency": (32, 32)}


def array(rows: int, columns: int, pattern: str, carrier_hz: float) -> PanelArray:
    return PanelArray(
        num_rows_per_panel=rows,
        num_cols_per_panel=columns,
        polarization="single",
        polarization_type="V",
        antenna_pattern=pattern,
        carrier_frequency=carrier_hz,
    )


def channels(scenario: str, state: str, ghz: float, samples: int) -> Csi:
    """Channels of one setting, without noise."""
    torch.manual_seed(1)
    carrier_hz, step_s = ghz * 1e9, CARRIERS[ghz]
    pattern = "omni" if scenario.startswith("CDL") else "38.901"
    base, user = (
        array(4, 8, pattern, carrier_hz),
        array(1, 1, "omni", carrier_hz),
    )
    if scenario.startswith("CDL"):
        channel = CDL(
            model=scenario[-1],
            delay_spread=100e-9,
            carrier_frequency=carrier_hz,
            ut_array=user,
            bs_array=base,
            direction="downlink",
            min_speed=SPEEDS_KMH[0] / 3.6,
            max_speed=SPEEDS_KMH[1] / 3.6,
        )
        a, tau = channel(samples, num_time_steps=TIMES, sampling_frequency=1 / step_s)
    else:
        kind, height, distances = SCENARIOS[scenario]
        inside = {} if scenario == "RMa" else {"o2i_model": "low"}
        channel = kind(
            carrier_frequency=carrier_hz,
            ut_array=user,
            bs_array=base,
            direction="downlink",
            enable_pathloss=False,
            enable_shadow_fading=False,
            **inside,
        )
        set_users(channel, samples, height, distances, state == "LOS")
        a, tau = channel(num_time_samples=TIMES, sampling_frequency=1 / step_s)
    h = cir_to_ofdm_channel(FREQUENCIES, a, tau, normalize=False)
    h = h.reshape(samples, 32, TIMES, SUBCARRIERS).permute(0, 2, 3, 1)
    ones = np.ones(samples, np.float32)
    positions = np.asarray(base.ant_pos) * (carrier_hz / SPEED_OF_LIGHT)
    return Csi(
        csi=h.numpy().astype(np.complex64),
        time_step_s=step_s * ones,
        subcarrier_spacing_hz=SPACING_HZ * ones,
        carrier_hz=carrier_hz * ones,
        antenna_positions=positions.astype(np.float32),
        antenna_polarisation=np.zeros(32, np.int32),
    )


def set_users(
    channel: UMi, samples: int, height: float, distances: tuple, los: bool
) -> None:
    """One user a link, uniform over the ring and the sector, in any direction."""
    rng = np.random.default_rng(2)
    distance = np.sqrt(rng.uniform(*np.square(distances), samples))
    azimuth = np.deg2rad(rng.uniform(-60, 60, samples))
    heading = rng.uniform(0, 2 * np.pi, samples)
    speed = rng.uniform(*SPEEDS_KMH, samples) / 3.6

    def vectors(length: np.ndarray, angle: np.ndarray, z: float) -> torch.Tensor:
        x = [length * np.cos(angle), length * np.sin(angle), np.full(samples, z)]
        return torch.tensor(np.stack(x, -1)[:, None], dtype=torch.float32)

    turned = np.zeros((samples, 1, 3), np.float32)
    turned[:, 0, 0] = heading
    channel.set_topology(
        ut_loc=vectors(distance, azimuth, 1.5),
        bs_loc=torch.tensor([0.0, 0.0, height]).repeat(samples, 1, 1),
        ut_orientations=torch.tensor(turned),
        bs_orientations=torch.zeros(samples, 1, 3),
        ut_velocities=vectors(speed, heading, 0.0),
        in_state=torch.zeros(samples, 1, dtype=torch.bool),
        los=los,
    )


def differences(verdicts: list[Verdict], floor: str) -> str:
    """Mean over settings of the model's decibels minus the floor's."""
    found = [
        v.value("NMSE dB", MODEL).value - v.value("NMSE dB", floor).value
        for v in verdicts
    ]
    return f"{np.mean(found):+.2f} dB to {floor} (worst {max(found):+.2f})"


def main() -> None:
    model = wlam.load(sys.argv[1])
    samples = int(sys.argv[2]) if sys.argv[2:] else 32
    verdicts: dict[tuple, list[Verdict]] = {}
    for scenario, state, ghz in SETTINGS:
        clean = channels(scenario, state, ghz, samples)
        for snr_db in (20.0, None):
            data = clean if snr_db is None else add_noise(clean, snr_db)
            noise = "clean" if snr_db is None else f"{snr_db:g} dB"
            for task, (context, horizon) in TASKS.items():
                name = " ".join(filter(None, (scenario, state, f"{ghz:g} GHz", noise)))
                case = EvalCase(name, task, data, context, horizon)
                print(task, name, "…", file=sys.stderr, flush=True)
                group = state == "NLOS", task, noise
                verdicts.setdefault(group, []).append(judge(case, model))
    everything = [v for group in verdicts.values() for v in group]
    for task in TASKS:
        print(f"\n{task}\n")
        print(text_table([v for v in everything if v.case.task == task]))
    print()
    for (no_los, task, noise), group in sorted(verdicts.items(), reverse=True):
        kind = "without a line of sight" if no_los else "others"
        for floor in ("AR", "AR local"):
            print(f"{task}, {kind}, {noise}: {differences(group, floor)}")
    if sys.argv[3:]:
        with open(sys.argv[3], "w") as file:
            for v in everything:
                file.writelines(json.dumps(r.record()) + "\n" for r in v.results)


if __name__ == "__main__":
    main()
