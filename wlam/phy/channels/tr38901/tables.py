"""Parameters of TR 38.901 tables 7.5-6 to 7.5-11, for versions 16.1 and 19.2.

One column per scenario and state of the link: line of sight (LOS), none (NLOS), or from
outdoors to indoors (O2I). Indoor scenarios have no O2I state; there it repeats NLOS, so
that all tables have one shape and the state may be drawn inside a jitted function.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Scenario = Literal["UMi", "UMa", "RMa", "InH", "InF"]
SCENARIOS: tuple[Scenario, ...] = ("UMi", "UMa", "RMa", "InH", "InF")
LOS, NLOS, O2I = 0, 1, 2
STATES = ("los", "nlos", "o2i")
"""What they are called, in order."""
LARGE_SCALE = ("SF", "K", "DS", "ASD", "ASA", "ZSD", "ZSA")
"""Order of the large-scale parameters everywhere."""

Line = tuple[float, float]
"""(a, c) of a value a log10(x) + c; x is 1 + f or f in GHz, see `Parameters`."""


@dataclass(frozen=True)
class Parameters:
    """A column of table 7.5-6: spreads in log10 of seconds or degrees, others in dB."""

    ds: tuple[Line, Line]  # mean and std of the delay spread
    asd: tuple[Line, Line]  # azimuth spread of departure
    asa: tuple[Line, Line]  # azimuth spread of arrival
    zsa: tuple[Line, Line]  # zenith spread of arrival
    zsd_std: Line  # its mean is in `large_scale.zenith_spread_of_departure`
    shadowing_db: float  # std
    k_db: tuple[float, float]  # mean and std
    # Correlation of pairs of large-scale parameters; a pair not named has 0.
    correlation: dict[str, float]
    delay_scaling: float  # r_tau
    xpr_db: tuple[float, float]  # mean and std
    clusters: int
    cluster_shadowing_db: float  # zeta
    cluster_ds_ns: tuple[float, float, float]  # max(a, b - c log10 f)
    cluster_asd_deg: float
    cluster_asa_deg: float
    cluster_zsa_deg: float
    log_offset_ghz: float = 1.0  # the 1 in log10(1 + f); 0 for UMa


def _flat(mean: float, std: float) -> tuple[Line, Line]:
    return (0.0, mean), (0.0, std)


NO_K = (0.0, 0.0)
CLUSTER_DS = (3.91, 0.0, 0.0)  # where the table has no value

_UMI_LOS = Parameters(
    ds=((-0.24, -7.14), (0.0, 0.38)),
    asd=((-0.05, 1.21), (0.0, 0.41)),
    asa=((-0.08, 1.73), (0.014, 0.28)),
    zsa=((-0.1, 0.73), (-0.04, 0.34)),
    zsd_std=(0.0, 0.35),
    shadowing_db=4.0,
    k_db=(9.0, 5.0),
    correlation={
        "ASD DS": 0.5,
        "ASA DS": 0.8,
        "ASA SF": -0.4,
        "ASD SF": -0.5,
        "DS SF": -0.4,
        "ASD ASA": 0.4,
        "ASD K": -0.2,
        "ASA K": -0.3,
        "DS K": -0.7,
        "SF K": 0.5,
        "ZSA DS": 0.2,
        "ZSD ASD": 0.5,
        "ZSA ASD": 0.3,
    },
    delay_scaling=3.0,
    xpr_db=(9.0, 3.0),
    clusters=12,
    cluster_shadowing_db=3.0,
    cluster_ds_ns=(5.0, 0.0, 0.0),
    cluster_asd_deg=3.0,
    cluster_asa_deg=17.0,
    cluster_zsa_deg=7.0,
)
_UMI_NLOS = Parameters(
    ds=((-0.24, -6.83), (0.16, 0.28)),
    asd=((-0.23, 1.53), (0.11, 0.33)),
    asa=((-0.08, 1.81), (0.05, 0.3)),
    zsa=((-0.04, 0.92), (-0.07, 0.41)),
    zsd_std=(0.0, 0.35),
    shadowing_db=7.82,
    k_db=NO_K,
    correlation={
        "ASA DS": 0.4,
        "ASA SF": -0.4,
        "DS SF": -0.7,
        "ZSD DS": -0.5,
        "ZSD ASD": 0.5,
        "ZSA ASD": 0.5,
        "ZSA ASA": 0.2,
    },
    delay_scaling=2.1,
    xpr_db=(8.0, 3.0),
    clusters=19,
    cluster_shadowing_db=3.0,
    cluster_ds_ns=(11.0, 0.0, 0.0),
    cluster_asd_deg=10.0,
    cluster_asa_deg=22.0,
    cluster_zsa_deg=7.0,
)
_UMI_O2I = Parameters(
    ds=_flat(-6.62, 0.32),
    asd=_flat(1.25, 0.42),
    asa=_flat(1.76, 0.16),
    zsa=_flat(1.01, 0.43),
    zsd_std=(0.0, 0.35),
    shadowing_db=7.0,
    k_db=NO_K,
    correlation={
        "ASD DS": 0.4,
        "ASA DS": 0.4,
        "ASD SF": 0.2,
        "DS SF": -0.5,
        "ZSD DS": -0.6,
        "ZSA DS": -0.2,
        "ZSD ASD": -0.2,
        "ZSA ASA": 0.5,
        "ZSD ZSA": 0.5,
    },
    delay_scaling=2.2,
    xpr_db=(9.0, 5.0),
    clusters=12,
    cluster_shadowing_db=4.0,
    cluster_ds_ns=(11.0, 0.0, 0.0),
    cluster_asd_deg=5.0,
    cluster_asa_deg=8.0,
    cluster_zsa_deg=3.0,
)
_UMA_LOS = Parameters(
    ds=((-0.0963, -6.955), (0.0, 0.66)),
    asd=((0.1114, 1.06), (0.0, 0.28)),
    asa=_flat(1.81, 0.2),
    zsa=_flat(0.95, 0.16),
    zsd_std=(0.0, 0.4),
    shadowing_db=4.0,
    k_db=(9.0, 3.5),
    correlation={
        "ASD DS": 0.4,
        "ASA DS": 0.8,
        "ASA SF": -0.5,
        "ASD SF": -0.5,
        "DS SF": -0.4,
        "ASA K": -0.2,
        "DS K": -0.4,
        "ZSA SF": -0.8,
        "ZSD DS": -0.2,
        "ZSD ASD": 0.5,
        "ZSD ASA": -0.3,
        "ZSA ASA": 0.4,
    },
    delay_scaling=2.5,
    xpr_db=(8.0, 4.0),
    clusters=12,
    cluster_shadowing_db=3.0,
    cluster_ds_ns=(0.25, 6.5622, 3.4084),
    cluster_asd_deg=5.0,
    cluster_asa_deg=11.0,
    cluster_zsa_deg=7.0,
    log_offset_ghz=0.0,
)
_UMA_NLOS = Parameters(
    ds=((-0.204, -6.28), (0.0, 0.39)),
    asd=((-0.1144, 1.5), (0.0, 0.28)),
    asa=((-0.27, 2.08), (0.0, 0.11)),
    zsa=((-0.3236, 1.512), (0.0, 0.16)),
    zsd_std=(0.0, 0.49),
    shadowing_db=6.0,
    k_db=NO_K,
    correlation={
        "ASD DS": 0.4,
        "ASA DS": 0.6,
        "ASD SF": -0.6,
        "DS SF": -0.4,
        "ASD ASA": 0.4,
        "ZSA SF": -0.4,
        "ZSD DS": -0.5,
        "ZSD ASD": 0.5,
        "ZSA ASD": -0.1,
    },
    delay_scaling=2.3,
    xpr_db=(7.0, 3.0),
    clusters=20,
    cluster_shadowing_db=3.0,
    cluster_ds_ns=(0.25, 6.5622, 3.4084),
    cluster_asd_deg=2.0,
    cluster_asa_deg=15.0,
    cluster_zsa_deg=7.0,
    log_offset_ghz=0.0,
)
_UMA_O2I = replace(_UMI_O2I, zsd_std=(0.0, 0.49))
_RMA_LOS = Parameters(
    ds=_flat(-7.49, 0.55),
    asd=_flat(0.9, 0.38),
    asa=_flat(1.52, 0.24),
    zsa=_flat(0.47, 0.4),
    zsd_std=(0.0, 0.34),
    shadowing_db=4.0,  # 6 beyond the breakpoint, see `pathloss`
    k_db=(7.0, 4.0),
    correlation={
        "DS SF": -0.5,
        "ZSD SF": 0.01,
        "ZSA SF": -0.17,
        "ZSA K": -0.02,
        "ZSD DS": -0.05,
        "ZSA DS": 0.27,
        "ZSD ASD": 0.73,
        "ZSA ASD": -0.14,
        "ZSD ASA": -0.2,
        "ZSA ASA": 0.24,
        "ZSD ZSA": -0.07,
    },
    delay_scaling=3.8,
    xpr_db=(12.0, 4.0),
    clusters=11,
    cluster_shadowing_db=3.0,
    cluster_ds_ns=CLUSTER_DS,
    cluster_asd_deg=2.0,
    cluster_asa_deg=3.0,
    cluster_zsa_deg=3.0,
)
_RMA_NLOS = Parameters(
    ds=_flat(-7.43, 0.48),
    asd=_flat(0.95, 0.45),
    asa=_flat(1.52, 0.13),
    zsa=_flat(0.58, 0.37),
    zsd_std=(0.0, 0.3),
    shadowing_db=8.0,
    k_db=NO_K,
    correlation={
        "ASD DS": -0.4,
        "ASD SF": 0.6,
        "DS SF": -0.5,
        "ZSD SF": -0.04,
        "ZSA SF": -0.25,
        "ZSD DS": -0.1,
        "ZSA DS": -0.4,
        "ZSD ASD": 0.42,
        "ZSA ASD": -0.27,
        "ZSD ASA": -0.18,
        "ZSA ASA": 0.26,
        "ZSD ZSA": -0.27,
    },
    delay_scaling=1.7,
    xpr_db=(7.0, 3.0),
    clusters=10,
    cluster_shadowing_db=3.0,
    cluster_ds_ns=CLUSTER_DS,
    cluster_asd_deg=2.0,
    cluster_asa_deg=3.0,
    cluster_zsa_deg=3.0,
)
_RMA_O2I = replace(
    _RMA_NLOS,
    ds=_flat(-7.47, 0.24),
    asd=_flat(0.67, 0.18),
    asa=_flat(1.66, 0.21),
    zsa=_flat(0.93, 0.22),
    correlation={
        "ASD ASA": -0.7,
        "ZSD ASD": 0.66,
        "ZSA ASD": 0.47,
        "ZSD ASA": -0.55,
        "ZSA ASA": -0.22,
    },
)
_INH_LOS = Parameters(
    ds=((-0.01, -7.692), (0.0, 0.18)),
    asd=_flat(1.6, 0.18),
    asa=((-0.19, 1.781), (0.12, 0.119)),
    zsa=((-0.26, 1.44), (-0.04, 0.264)),
    zsd_std=(0.13, 0.3),
    shadowing_db=3.0,
    k_db=(7.0, 4.0),
    correlation={
        "ASD DS": 0.6,
        "ASA DS": 0.8,
        "ASA SF": -0.5,
        "ASD SF": -0.4,
        "DS SF": -0.8,
        "ASD ASA": 0.4,
        "DS K": -0.5,
        "SF K": 0.5,
        "ZSD SF": 0.2,
        "ZSA SF": 0.3,
        "ZSA K": 0.1,
        "ZSD DS": 0.1,
        "ZSA DS": 0.2,
        "ZSD ASD": 0.5,
        "ZSA ASA": 0.5,
    },
    delay_scaling=3.6,
    xpr_db=(11.0, 4.0),
    clusters=15,
    cluster_shadowing_db=6.0,
    cluster_ds_ns=CLUSTER_DS,
    cluster_asd_deg=5.0,
    cluster_asa_deg=8.0,
    cluster_zsa_deg=9.0,
)
_INH_NLOS = Parameters(
    ds=((-0.28, -7.173), (0.1, 0.055)),
    asd=_flat(1.62, 0.25),
    asa=((-0.11, 1.863), (0.12, 0.059)),
    zsa=((-0.15, 1.387), (-0.09, 0.746)),
    zsd_std=(0.0, 0.36),
    shadowing_db=8.03,
    k_db=NO_K,
    correlation={
        "ASD DS": 0.4,
        "ASA SF": -0.4,
        "DS SF": -0.5,
        "ZSD DS": -0.27,
        "ZSA DS": -0.06,
        "ZSD ASD": 0.35,
        "ZSA ASD": 0.23,
        "ZSD ASA": -0.08,
        "ZSA ASA": 0.43,
        "ZSD ZSA": 0.42,
    },
    delay_scaling=3.0,
    xpr_db=(10.0, 4.0),
    clusters=19,
    cluster_shadowing_db=3.0,
    cluster_ds_ns=CLUSTER_DS,
    cluster_asd_deg=5.0,
    cluster_asa_deg=11.0,
    cluster_zsa_deg=9.0,
)
# The delay spread of a factory follows its hall: `large_scale.factory_delay_spread`.
_INF_LOS = Parameters(
    ds=_flat(np.nan, 0.15),
    asd=_flat(1.56, 0.25),
    asa=((-0.18, 1.78), (0.12, 0.2)),
    zsa=((-0.2, 1.5), (0.0, 0.35)),
    zsd_std=(0.0, 0.35),
    shadowing_db=4.3,
    k_db=(7.0, 8.0),
    correlation={"DS K": -0.7, "ASD K": -0.5},
    delay_scaling=2.7,
    xpr_db=(12.0, 6.0),
    clusters=25,
    cluster_shadowing_db=4.0,
    cluster_ds_ns=CLUSTER_DS,
    cluster_asd_deg=5.0,
    cluster_asa_deg=8.0,
    cluster_zsa_deg=9.0,
)
_INF_NLOS = replace(
    _INF_LOS,
    ds=_flat(np.nan, 0.19),
    asd=_flat(1.57, 0.2),
    asa=_flat(1.72, 0.3),
    zsa=((-0.13, 1.45), (0.0, 0.45)),
    shadowing_db=5.7,  # of sparse clutter and a low base, see `pathloss`
    k_db=NO_K,
    correlation={},
    delay_scaling=3.0,
    xpr_db=(11.0, 6.0),
    cluster_shadowing_db=3.0,
)

_V16_1: dict[str, tuple[Parameters, Parameters, Parameters]] = {
    "UMi": (_UMI_LOS, _UMI_NLOS, _UMI_O2I),
    "UMa": (_UMA_LOS, _UMA_NLOS, _UMA_O2I),
    "RMa": (_RMA_LOS, _RMA_NLOS, _RMA_O2I),
    "InH": (_INH_LOS, _INH_NLOS, _INH_NLOS),
    "InF": (_INF_LOS, _INF_NLOS, _INF_NLOS),
}
# Release 19 measured the urban cells anew (7 to 24 GHz study); nothing else changed.
_V19_2 = _V16_1 | {
    "UMi": (
        replace(
            _UMI_LOS,
            ds=((-0.18, -7.28), (0.0, 0.39)),
            asd=((-0.05, 1.21), (0.08, 0.29)),
            asa=((-0.07, 1.66), (0.021, 0.26)),
            zsa=((-0.11, 0.81), (-0.03, 0.29)),
        ),
        replace(
            _UMI_NLOS,
            ds=((-0.22, -6.87), (0.19, 0.22)),
            asd=((-0.24, 1.54), (0.1, 0.33)),
            asa=((-0.07, 1.76), (0.05, 0.27)),
            zsa=((-0.03, 0.92), (-0.05, 0.35)),
        ),
        _UMI_O2I,
    ),
    "UMa": (
        replace(
            _UMA_LOS,
            ds=((-0.0794, -7.067), (0.026, 0.57)),
            asd=_flat(0.92, 0.31),
            asa=_flat(1.76, 0.19),
            zsa=_flat(0.96, 0.15),
            cluster_asd_deg=3.58,
        ),
        replace(
            _UMA_NLOS,
            ds=((-0.134, -6.47), (0.0, 0.39)),
            asd=_flat(1.09, 0.44),
            asa=((-0.25, 2.04), (-0.03, 0.17)),
            zsa=((-0.2856, 1.445), (0.0, 0.17)),
            cluster_asd_deg=1.8,
        ),
        replace(_UMA_O2I, asd=_flat(0.58, 0.7), cluster_asd_deg=1.8),
    ),
}
VERSIONS = {"16.1": _V16_1, "19.2": _V19_2}

# Below these carriers, in GHz, spreads are those at the bound (notes of table 7.5-6).
LOWEST_CARRIER_GHZ = {"UMi": 2.0, "UMa": 6.0, "RMa": 0.0, "InH": 6.0, "InF": 0.0}

# Scaling of angles without line of sight, by number of clusters, tables 7.5-2, 7.5-4.
AZIMUTH_SCALING = {
    10: 1.090,
    11: 1.123,
    12: 1.146,
    15: 1.211,
    19: 1.273,
    20: 1.289,
    25: 1.358,
}
ZENITH_SCALING = {
    10: 0.957,
    11: 1.031,
    12: 1.104,
    15: 1.1088,
    19: 1.184,
    20: 1.178,
    25: 1.282,
}


def parameters(
    scenario: str, spec_version: str = "19.2"
) -> tuple[Parameters, Parameters, Parameters]:
    """The columns of a scenario: LOS, NLOS, O2I.

    Raises:
        ValueError: unknown scenario or version.
    """
    if spec_version not in VERSIONS:
        raise ValueError(
            f"spec_version: found {spec_version!r}; needed one of {', '.join(VERSIONS)}"
        )
    if scenario not in SCENARIOS:
        raise ValueError(
            f"scenario: found {scenario!r}; needed one of {', '.join(SCENARIOS)}"
        )
    return VERSIONS[spec_version][scenario]


def correlation_root(column: Parameters) -> np.ndarray:
    """The Cholesky factor [7, 7] of a column's cross-correlations, in table order."""
    matrix = np.eye(len(LARGE_SCALE))
    for pair, value in column.correlation.items():
        i, j = (LARGE_SCALE.index(name) for name in pair.split())
        matrix[i, j] = matrix[j, i] = value
    return np.linalg.cholesky(matrix)
