"""Data sets of the literature by name, as drops of this simulator.

Their authors drew them with QuaDRiGa; carriers, grids, arrays, scenarios and speeds are
theirs, the channels are ours.

    D1 ... D19       WiFo (Liu et al., arXiv 2412.08908); D17 to D19 are its zero-shot
                     sets
    H1 ... H12       zero-shot sets of HeterCSI, in the order of its table
    LLM4CP           arXiv 2406.14440: subcarriers 0-47 are uplink, 48-95 downlink;
                     16 snapshots of context and 4 to predict
"""

from typing import Any

from wlam.phy.channels.tr38901.config import DropConfig, PanelConfig

# Carrier GHz, subcarriers, spacing kHz, steps, step ms, array, scenario, state, km/h.
Row = tuple[Any, ...]

_WIFO: dict[str, Row] = {
    "D1": (1.5, 128, 90, 24, 1, (1, 4), "UMi", "nlos", (3, 50)),
    "D2": (1.5, 128, 180, 24, 0.5, (2, 4), "RMa", "nlos", (120, 300)),
    "D3": (1.5, 64, 90, 16, 1, (1, 8), "InH", "los", (0, 10)),
    "D4": (1.5, 32, 180, 16, 0.5, (4, 8), "UMa", "los", (30, 100)),
    "D5": (2.5, 64, 180, 24, 0.5, (2, 2), "RMa", "nlos", (120, 300)),
    "D6": (2.5, 128, 90, 24, 1, (2, 4), "UMi", "los", (3, 50)),
    "D7": (2.5, 32, 360, 16, 0.5, (4, 8), "UMa", "los", (30, 100)),
    "D8": (2.5, 64, 90, 16, 1, (4, 4), "InH", "nlos", (0, 10)),
    "D9": (4.9, 128, 180, 24, 1, (1, 4), "UMi", "nlos", (3, 50)),
    "D10": (4.9, 64, 180, 24, 0.5, (2, 4), "RMa", "los", (120, 300)),
    "D11": (4.9, 64, 90, 16, 0.5, (4, 4), "UMa", "nlos", (30, 100)),
    "D12": (4.9, 32, 180, 16, 1, (4, 8), "InH", "los", (0, 10)),
    "D13": (5.9, 64, 90, 24, 0.5, (2, 8), "RMa", "los", (120, 300)),
    "D14": (5.9, 128, 180, 24, 1, (2, 4), "UMi", "nlos", (3, 50)),
    "D15": (5.9, 64, 90, 16, 1, (4, 4), "InH", "los", (0, 10)),
    "D16": (5.9, 32, 360, 16, 0.5, (4, 8), "UMa", "nlos", (30, 100)),
    "D17": (3.5, 32, 180, 16, 0.5, (4, 8), "UMa", "nlos", (30, 100)),
    "D18": (6.7, 64, 180, 24, 1, (4, 4), "UMi", "los", (3, 50)),
    "D19": (28, 32, 360, 16, 0.25, (4, 8), "UMa", "los", (30, 100)),
}
# The indoor sets at 39 and 42 GHz do not state whether they have a line of sight.
_HETERCSI: dict[str, Row] = {
    "H1": (2.4, 64, 30, 16, 1, (4, 4), "InH", "nlos", (0, 5)),
    "H2": (39, 64, 480, 16, 0.0625, (4, 4), "InH", "drawn", (0, 10)),
    "H3": (42, 32, 240, 24, 0.125, (2, 4), "InH", "drawn", (0, 10)),
    "H4": (2.6, 128, 60, 24, 0.5, (2, 4), "RMa", "los", (100, 200)),
    "H5": (4.8, 128, 240, 24, 0.25, (2, 4), "RMa", "nlos", (3, 60)),
    "H6": (37.5, 128, 120, 24, 0.25, (2, 4), "RMa", "nlos", (3, 50)),
    "H7": (2.1, 32, 120, 16, 0.5, (4, 8), "UMa", "los", (30, 120)),
    "H8": (26.5, 128, 60, 24, 0.5, (2, 8), "UMa", "los", (10, 40)),
    "H9": (42, 32, 240, 16, 0.125, (4, 8), "UMa", "los", (30, 100)),
    "H10": (2.1, 128, 360, 24, 1, (2, 4), "UMi", "nlos", (3, 50)),
    "H11": (6.2, 128, 240, 24, 0.5, (2, 4), "UMi", "nlos", (20, 80)),
    "H12": (29, 128, 120, 24, 0.125, (2, 8), "UMi", "los", (30, 80)),
}


def _drop(row: Row) -> DropConfig:
    ghz, subcarriers, khz, steps, step_ms, array, scenario, state, speeds = row
    return DropConfig(
        scenario=scenario,
        state=state,
        carriers_hz=(ghz * 1e9,),
        time_steps_s=(step_ms * 1e-3,),
        speeds_kmh=(float(speeds[0]), float(speeds[1])),
        num_times=steps,
        num_subcarriers=subcarriers,
        subcarrier_spacings_hz=(khz * 1e3,),
        base=PanelConfig(*array),
        snr_db=(20.0, 20.0),  # WiFo's rule
    )


PRESETS: dict[str, DropConfig] = {
    name: _drop(row) for name, row in (_WIFO | _HETERCSI).items()
} | {
    "LLM4CP": DropConfig(
        scenario="UMa",
        state="nlos",
        carriers_hz=(2.4e9,),
        time_steps_s=(0.5e-3,),
        speeds_kmh=(10.0, 100.0),
        num_times=20,
        num_subcarriers=96,
        subcarrier_spacings_hz=(180e3,),
        base=PanelConfig(4, 4, "cross"),
        base_height_m=30.0,
        # Users within 20 to 50 m of a point 200 m in front of the base station.
        distances_m=(150.0, 250.0),
        azimuths_deg=(-14.0, 14.0),
        snr_db=(5.0, 20.0),
    )
}
