"""Makes the reference values of tests/phy with an independent implementation.

    pip install -e ".[peers]"
    python benchmarks/remake_oracle.py

Sionna (Apache-2.0, NVIDIA) in double precision: path loss at fixed places, moments of
the large-scale parameters over 4000 drops for both versions of TR 38.901, impulse
responses of given rays with and without a line of sight, delay spreads of CDL-A to
CDL-E, and DM-RS of TS 38.211.
"""

import json
from pathlib import Path

import numpy as np
import torch
from sionna.phy import config
from sionna.phy.channel.tr38901 import CDL, PanelArray
from sionna.phy.channel.tr38901.channel_coefficients import (
    ChannelCoefficientsGenerator,
    Topology,
)
from sionna.phy.channel.tr38901.lsp import LSPGenerator
from sionna.phy.channel.tr38901.rays import Rays
from sionna.phy.channel.tr38901.rma_scenario import RMaScenario
from sionna.phy.channel.tr38901.uma_scenario import UMaScenario
from sionna.phy.channel.tr38901.umi_scenario import UMiScenario
from sionna.phy.nr import CarrierConfig, PUSCHConfig

TESTS = Path(__file__).parents[1] / "tests" / "phy"
CHANNELS, FOLDER = TESTS / "channels", TESTS / "channels" / "tr38901"
SCENARIOS = {"UMi": UMiScenario, "UMa": UMaScenario, "RMa": RMaScenario}
HEIGHT_M = {"UMi": 10.0, "UMa": 25.0, "RMa": 35.0}
USER_HEIGHT_M = 1.5
URBAN_M, RURAL_M = (50, 100, 200, 400, 800, 1500), (50, 100, 400, 1500, 4000, 8000)
PATH_LOSS_GHZ = {"UMi": (2.1, 6, 28), "UMa": (2.1, 6, 28), "RMa": (0.7, 2.1, 6)}
# Scenario, carrier in GHz and horizontal distance in m of the moments.
MOMENTS = (
    ("UMi", 3.5, 100.0),
    ("UMi", 28, 100.0),
    ("UMa", 3.5, 100.0),
    ("UMa", 28, 100.0),
    ("RMa", 2.1, 500.0),
)
DROPS = 4000
ANGLES = ("aoa", "aod", "zoa", "zod")


def scenario_at(name, ghz, distances_m, los, spec_version, batch=1):
    """A scenario with one base station at the origin and users along +x, [batch, 1]."""
    array = PanelArray(
        num_rows_per_panel=1,
        num_cols_per_panel=1,
        polarization="single",
        polarization_type="V",
        antenna_pattern="omni",
        carrier_frequency=ghz * 1e9,
    )
    arguments = {"spec_version": spec_version, "precision": "double"}
    if name != "RMa":
        arguments["o2i_model"] = "low"
    scenario = SCENARIOS[name](
        carrier_frequency=ghz * 1e9,
        ut_array=array,
        bs_array=array,
        direction="downlink",
        **arguments,
    )
    users = torch.zeros(batch, len(distances_m), 3, dtype=torch.float64)
    users[..., 0] = torch.tensor(distances_m, dtype=torch.float64)
    users[..., 2] = USER_HEIGHT_M
    base = torch.tensor([[[0.0, 0.0, HEIGHT_M[name]]]], dtype=torch.float64)
    base = base.expand(batch, 1, 3)
    scenario.set_topology(
        ut_loc=users,
        bs_loc=base,
        ut_orientations=torch.zeros_like(users),
        bs_orientations=torch.zeros_like(base),
        ut_velocities=torch.zeros_like(users),
        in_state=torch.zeros(batch, len(distances_m), dtype=torch.bool),
        los=los,
    )
    return scenario


def path_losses():
    table = {}
    for name, carriers in PATH_LOSS_GHZ.items():
        distances_m = RURAL_M if name == "RMa" else URBAN_M
        for ghz in carriers:
            for state in ("los", "nlos"):
                scenario = scenario_at(name, ghz, distances_m, state == "los", "19.2")
                loss = scenario.basic_pathloss[0, 0]
                table[f"{name}_{ghz}_{state}"] = {
                    "d2d_m": list(distances_m),
                    "h_bs": HEIGHT_M[name],
                    "h_ut": USER_HEIGHT_M,
                    "pathloss_db": [round(float(x), 6) for x in loss],
                }
    return table


def moments():
    table = {}
    for version in ("16.1", "19.2"):
        for name, ghz, distance_m in MOMENTS:
            for state in ("los", "nlos"):
                scenario = scenario_at(
                    name, ghz, [distance_m], state == "los", version, DROPS
                )
                generator = LSPGenerator(scenario)
                generator.topology_updated_callback()
                drawn = generator()
                values = {
                    "lgDS": torch.log10(drawn.ds),
                    "lgASD": torch.log10(drawn.asd),
                    "lgASA": torch.log10(drawn.asa),
                    "lgZSA": torch.log10(drawn.zsa),
                    "lgZSD": torch.log10(drawn.zsd),
                    "K_dB": 10 * torch.log10(drawn.k_factor),
                    "SF_dB": 10 * torch.log10(drawn.sf),
                }
                table[f"v{version}_{name}_{ghz}_{state}"] = {
                    key: [round(float(x.mean()), 4), round(float(x.std()), 4)]
                    for key, x in values.items()
                }
    return table


def impulse_response(los: bool) -> dict[str, np.ndarray]:
    """Random rays, and what steps 10 and 11 make of them; one link, four clusters."""
    rng = np.random.default_rng(int(los))
    clusters, carrier_hz, rate_hz, times = 4, 3.5e9, 1e3, 3
    shape = (1, 1, 1, clusters, 20)
    data = {
        "aoa": rng.uniform(-np.pi, np.pi, shape),
        "aod": rng.uniform(-np.pi, np.pi, shape),
        "zoa": rng.uniform(0.2, 2.9, shape),
        "zod": rng.uniform(0.2, 2.9, shape),
        "xpr": 10 ** rng.normal(0.9, 0.3, shape),
        "phi": rng.uniform(-np.pi, np.pi, (*shape, 4)),
        "ray_delays": 1e-7 * np.sort(rng.exponential(size=shape[:-1])),
        "ray_powers": rng.dirichlet(np.ones(clusters)).reshape(shape[:-1]),
        "k_factor": np.full((1, 1, 1), 3.0),
        "c_ds": np.full((1, 1, 1), 4e-9),
        "distance_3d": np.full((1, 1, 1), 73.21),
        "bs_ori": rng.normal(size=(1, 3)),
        "ut_ori": rng.normal(size=(1, 3)),
        "ut_vel": 20 * rng.normal(size=(1, 3)),
    }
    data |= {f"los_{angle}": rng.uniform(0.3, 2.8, (1, 1, 1)) for angle in ANGLES}
    base, user = (
        PanelArray(
            num_rows_per_panel=1,
            num_cols_per_panel=columns,
            polarization="dual",
            polarization_type=kind,
            antenna_pattern=pattern,
            carrier_frequency=carrier_hz,
            precision="double",
        )
        for columns, kind, pattern in ((2, "cross", "38.901"), (1, "VH", "omni"))
    )
    tensor = {name: torch.tensor(x) for name, x in data.items()}
    names = ("ray_delays", "ray_powers", *ANGLES, "xpr", "phi")
    keys = ("delays", "powers", *ANGLES, "xpr", "phases")
    rays = Rays(**{key: tensor[name] for key, name in zip(keys, names, strict=True)})
    topology = Topology(
        velocities=tensor["ut_vel"][None],
        moving_end="rx",
        los=torch.full((1, 1, 1), los),
        distance_3d=tensor["distance_3d"],
        tx_orientations=tensor["bs_ori"][None],
        rx_orientations=tensor["ut_ori"][None],
        **{f"los_{angle}": tensor[f"los_{angle}"] for angle in ANGLES},
    )
    generate = ChannelCoefficientsGenerator(
        carrier_hz, base, user, subclustering=True, precision="double"
    )
    h, delays = generate(
        times, rate_hz, tensor["k_factor"], rays, topology, tensor["c_ds"]
    )
    return data | {
        "strongest": np.argsort(-data["ray_powers"], axis=-1)[..., :2],
        "carrier_hz": np.float64(carrier_hz),
        "times": np.arange(times) / rate_hz,
        "bs_ant_pos": base.ant_pos.numpy(),
        "bs_pol": np.array("dual"),
        "h": h.numpy(),
        "delays": delays.numpy(),
    }


def cdl_delay_spreads(draws: int = 2000) -> dict[str, float]:
    """RMS delay spread over the requested one, of the mean power of every path."""
    antenna = PanelArray(
        num_rows_per_panel=1,
        num_cols_per_panel=1,
        polarization="single",
        polarization_type="V",
        antenna_pattern="omni",
        carrier_frequency=3.5e9,
    )
    spreads = {}
    for profile in "ABCDE":
        channel = CDL(profile, 1e-7, 3.5e9, antenna, antenna, "downlink")
        gain, delay_s = channel(draws, num_time_steps=1, sampling_frequency=1e3)
        power = (gain.abs() ** 2).mean(0).ravel().double().numpy()
        delay = delay_s[0].ravel().double().numpy() / 1e-7
        power /= power.sum()
        variance = (power * delay**2).sum() - (power * delay).sum() ** 2
        spreads[profile] = round(float(np.sqrt(variance)), 4)
    return spreads


def dmrs() -> dict[str, np.ndarray]:
    """Four ports of both types with 0 to 3 additional symbols, [port, symbol, f].

    Of the PUSCH, whose tables for single-symbol DM-RS are those of the PDSCH; as signs
    of the real and imaginary part, 0 where nothing is sent.
    """
    patterns = {}
    for configuration, groups in ((1, 2), (2, 3)):
        for additional in range(4):
            carrier = CarrierConfig(n_size_grid=2, slot_number=3, n_cell_id=7)
            channel = PUSCHConfig(carrier_config=carrier)
            channel.num_antenna_ports = channel.num_layers = 4
            channel.dmrs.config_type = configuration
            channel.dmrs.additional_position = additional
            channel.dmrs.dmrs_port_set = [0, 1, 2, 3]
            channel.dmrs.num_cdm_groups_without_data = groups
            grid = np.asarray(channel.dmrs_grid).transpose(0, 2, 1)
            signs = np.stack([np.sign(grid.real), np.sign(grid.imag)], -1)
            patterns[f"type{configuration}_{additional}"] = signs.astype(np.int8)
    return patterns


def main() -> None:
    np.savez_compressed(TESTS / "ofdm" / "dmrs.npz", **dmrs())
    config.seed = 1
    text = json.dumps(cdl_delay_spreads(), indent=1)
    (CHANNELS / "cdl_delay_spreads.json").write_text(text + "\n")
    config.seed = 1  # the rest does not depend on the above
    for state in ("los", "nlos"):
        path = FOLDER / f"step11_{state}.npz"
        np.savez_compressed(path, **impulse_response(state == "los"))
        print(path)
    for file, make in (("pathloss.json", path_losses), ("lsp_moments.json", moments)):
        text = json.dumps(make(), indent=1)
        (FOLDER / file).write_text(text + "\n")
        print(FOLDER / file)


if __name__ == "__main__":
    main()
