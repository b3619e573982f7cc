"""Clustered delay lines CDL-A to CDL-E, 3GPP TR 38.901 tables 7.7.1-1 to 7.7.1-5.

The first axis of every array is the profile, in the order of `PROFILES`; the second,
where there is one, is the cluster, padded to the 24 of CDL-C. A padded cluster has a
power of -inf dB and angles of zero. The line-of-sight ray of CDL-D and CDL-E stands
apart from the clusters: it has no angular spread. `TABLES` joins the two, ready for
use: the line of sight is the last path, which both profiles leave empty. `scaled` makes
such tables of other K factors and angles.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

PROFILES = ("A", "B", "C", "D", "E")
MAX_CLUSTERS = 24

# Columns as in the standard: delay in units of the delay spread, power in dB, then
# azimuth of departure and arrival and zenith of departure and arrival in degrees.
_CDL_A = (
    (0.0, -13.4, -178.1, 51.3, 50.2, 125.4),
    (0.3819, 0.0, -4.2, -152.7, 93.2, 91.3),
    (0.4025, -2.2, -4.2, -152.7, 93.2, 91.3),
    (0.5868, -4.0, -4.2, -152.7, 93.2, 91.3),
    (0.461, -6.0, 90.2, 76.6, 122.0, 94.0),
    (0.5375, -8.2, 90.2, 76.6, 122.0, 94.0),
    (0.6708, -9.9, 90.2, 76.6, 122.0, 94.0),
    (0.575, -10.5, 121.5, -1.8, 150.2, 47.1),
    (0.7618, -7.5, -81.7, -41.9, 55.2, 56.0),
    (1.5375, -15.9, 158.4, 94.2, 26.4, 30.1),
    (1.8978, -6.6, -83.0, 51.9, 126.4, 58.8),
    (2.2242, -16.7, 134.8, -115.9, 171.6, 26.0),
    (2.1718, -12.4, -153.0, 26.6, 151.4, 49.2),
    (2.4942, -15.2, -172.0, 76.6, 157.2, 143.1),
    (2.5119, -10.8, -129.9, -7.0, 47.2, 117.4),
    (3.0582, -11.3, -136.0, -23.0, 40.4, 122.7),
    (4.081, -12.7, 165.4, -47.2, 43.3, 123.2),
    (4.4579, -16.2, 148.4, 110.4, 161.8, 32.6),
    (4.5695, -18.3, 132.7, 144.5, 10.8, 27.2),
    (4.7966, -18.9, -118.6, 155.3, 16.7, 15.2),
    (5.0066, -16.6, -154.1, 102.0, 171.7, 146.0),
    (5.3043, -19.9, 126.5, -151.8, 22.7, 150.7),
    (9.6586, -29.7, -56.2, 55.2, 144.9, 156.1),
)
_CDL_B = (
    (0.0, 0.0, 9.3, -173.3, 105.8, 78.9),
    (0.1072, -2.2, 9.3, -173.3, 105.8, 78.9),
    (0.2155, -4.0, 9.3, -173.3, 105.8, 78.9),
    (0.2095, -3.2, -34.1, 125.5, 115.3, 63.3),
    (0.287, -9.8, -65.4, -88.0, 119.3, 59.9),
    (0.2986, -1.2, -11.4, 155.1, 103.2, 67.5),
    (0.3752, -3.4, -11.4, 155.1, 103.2, 67.5),
    (0.5055, -5.2, -11.4, 155.1, 103.2, 67.5),
    (0.3681, -7.6, -67.2, -89.8, 118.2, 82.6),
    (0.3697, -3.0, 52.5, 132.1, 102.0, 66.3),
    (0.57, -8.9, -72.0, -83.6, 100.4, 61.6),
    (0.5283, -9.0, 74.3, 95.3, 98.3, 58.0),
    (1.1021, -4.8, -52.2, 103.7, 103.4, 78.2),
    (1.2756, -5.7, -50.5, -87.8, 102.5, 82.0),
    (1.5474, -7.5, 61.4, -92.5, 101.4, 62.4),
    (1.7842, -1.9, 30.6, -139.1, 103.0, 78.0),
    (2.0169, -7.6, -72.5, -90.6, 100.0, 60.9),
    (2.8294, -12.2, -90.6, 58.6, 115.2, 82.9),
    (3.0219, -9.8, -77.6, -79.0, 100.5, 60.8),
    (3.6187, -11.4, -82.6, 65.8, 119.6, 57.3),
    (4.1067, -14.9, -103.6, 52.7, 118.7, 59.9),
    (4.279, -9.2, 75.6, 88.7, 117.8, 60.1),
    (4.7834, -11.3, -77.6, -60.4, 115.7, 62.3),
)
_CDL_C = (
    (0.0, -4.4, -46.6, -101.0, 97.2, 87.6),
    (0.2099, -1.2, -22.8, 120.0, 98.6, 72.1),
    (0.2219, -3.5, -22.8, 120.0, 98.6, 72.1),
    (0.2329, -5.2, -22.8, 120.0, 98.6, 72.1),
    (0.2176, -2.5, -40.7, -127.5, 100.6, 70.1),
    (0.6366, 0.0, 0.3, 170.4, 99.2, 75.3),
    (0.6448, -2.2, 0.3, 170.4, 99.2, 75.3),
    (0.656, -3.9, 0.3, 170.4, 99.2, 75.3),
    (0.6584, -7.4, 73.1, 55.4, 105.2, 67.4),
    (0.7935, -7.1, -64.5, 66.5, 95.3, 63.8),
    (0.8213, -10.7, 80.2, -48.1, 106.1, 71.4),
    (0.9336, -11.1, -97.1, 46.9, 93.5, 60.5),
    (1.2285, -5.1, -55.3, 68.1, 103.7, 90.6),
    (1.3083, -6.8, -64.3, -68.7, 104.2, 60.1),
    (2.1704, -8.7, -78.5, 81.5, 93.0, 61.0),
    (2.7105, -13.2, 102.7, 30.7, 104.2, 100.7),
    (4.2589, -13.9, 99.2, -16.4, 94.9, 62.3),
    (4.6003, -13.9, 88.8, 3.8, 93.1, 66.7),
    (5.4902, -15.8, -101.9, -13.7, 92.2, 52.9),
    (5.6077, -17.1, 92.2, 9.7, 106.7, 61.8),
    (6.3065, -16.0, 93.3, 5.6, 93.0, 51.9),
    (6.6374, -15.7, 106.6, 0.7, 92.9, 61.7),
    (7.0427, -21.6, 119.5, -21.9, 105.2, 58.0),
    (8.6523, -22.8, -123.8, 33.6, 107.8, 57.0),
)
_CDL_D = (
    (0.0, -13.5, 0.0, -180.0, 98.5, 81.5),
    (0.035, -18.8, 89.2, 89.2, 85.5, 86.9),
    (0.612, -21.0, 89.2, 89.2, 85.5, 86.9),
    (1.363, -22.8, 89.2, 89.2, 85.5, 86.9),
    (1.405, -17.9, 13.0, 163.0, 97.5, 79.4),
    (1.804, -20.1, 13.0, 163.0, 97.5, 79.4),
    (2.596, -21.9, 13.0, 163.0, 97.5, 79.4),
    (1.775, -22.9, 34.6, -137.0, 98.5, 78.2),
    (4.042, -27.8, -64.5, 74.5, 88.4, 73.6),
    (7.937, -23.6, -32.9, 127.7, 91.3, 78.3),
    (9.424, -24.8, 52.6, -119.6, 103.8, 87.0),
    (9.708, -30.0, -132.1, -9.1, 80.3, 70.6),
    (12.525, -27.7, 77.2, -83.8, 86.5, 72.9),
)
_CDL_E = (
    (0.0, -22.03, 0.0, -180.0, 99.6, 80.4),
    (0.5133, -15.8, 57.5, 18.2, 104.2, 80.4),
    (0.544, -18.1, 57.5, 18.2, 104.2, 80.4),
    (0.563, -19.8, 57.5, 18.2, 104.2, 80.4),
    (0.544, -22.9, -20.1, 101.8, 99.4, 80.8),
    (0.7112, -22.4, 16.2, 112.9, 100.8, 86.3),
    (1.9092, -18.6, 9.3, -155.5, 98.8, 82.7),
    (1.9293, -20.8, 9.3, -155.5, 98.8, 82.7),
    (1.9589, -22.6, 9.3, -155.5, 98.8, 82.7),
    (2.6426, -22.3, 19.0, -143.3, 100.8, 82.9),
    (3.7136, -25.6, 32.7, -94.7, 96.4, 88.0),
    (5.4524, -20.2, 0.5, 147.0, 98.9, 81.0),
    (12.0034, -29.8, 55.9, -36.2, 95.6, 88.6),
    (20.6419, -29.2, 57.6, -26.0, 104.6, 78.3),
)
_CLUSTERS = (_CDL_A, _CDL_B, _CDL_C, _CDL_D, _CDL_E)

NUM_CLUSTERS = np.array([len(rows) for rows in _CLUSTERS])


def _column(index: int, padding: float) -> np.ndarray:
    table = np.full((len(PROFILES), MAX_CLUSTERS), padding)
    for profile, rows in enumerate(_CLUSTERS):
        table[profile, : len(rows)] = [row[index] for row in rows]
    return table


DELAY = _column(0, 0.0)  # in units of the delay spread
POWER_DB = _column(1, -np.inf)
AOD_DEG = _column(2, 0.0)
AOA_DEG = _column(3, 0.0)
ZOD_DEG = _column(4, 0.0)
ZOA_DEG = _column(5, 0.0)

# Spread of the rays of a cluster, and cross-polarisation ratio, one value a profile.
C_ASD_DEG = np.array([5.0, 10.0, 2.0, 5.0, 5.0])
C_ASA_DEG = np.array([11.0, 22.0, 15.0, 8.0, 11.0])
C_ZSD_DEG = np.array([3.0, 3.0, 3.0, 3.0, 3.0])
C_ZSA_DEG = np.array([3.0, 7.0, 7.0, 3.0, 7.0])
XPR_DB = np.array([10.0, 8.0, 7.0, 11.0, 8.0])

# The line-of-sight ray, of zero delay. Its power over that of the first cluster, which
# comes from the same direction, is the K factor that the tables quote: 13.3 and 22 dB.
LOS_POWER_DB = np.array([-np.inf, -np.inf, -np.inf, -0.2, -0.03])
LOS_AOD_DEG = np.zeros(5)
LOS_AOA_DEG = np.array([0.0, 0.0, 0.0, -180.0, -180.0])
LOS_ZOD_DEG = np.array([0.0, 0.0, 0.0, 98.5, 99.6])
LOS_ZOA_DEG = np.array([0.0, 0.0, 0.0, 81.5, 80.4])

# Offsets of the 20 rays of a cluster for a spread of one degree, table 7.5-3.
_OFFSETS = (
    0.0447,
    0.1413,
    0.2492,
    0.3715,
    0.5129,
    0.6797,
    0.8844,
    1.1481,
    1.5195,
    2.1551,
)
RAY_OFFSETS = np.array([sign * offset for offset in _OFFSETS for sign in (1, -1)])


# Linear, of clusters [profile, cluster] and lines of sight [profile]; the sum over a
# profile is 1.
_POWER = 10.0 ** (POWER_DB / 10)
_LOS_POWER = 10.0 ** (LOS_POWER_DB / 10)
_TOTAL = _POWER.sum(1) + _LOS_POWER
POWER = _POWER / _TOTAL[:, None]
LOS_POWER = _LOS_POWER / _TOTAL


@dataclass(frozen=True, eq=False)
class PathTables:
    """What the rays of every profile are made from; a path is a cluster or the LOS."""

    # The squares of a profile sum to 1. The line of sight is ray 0.
    amplitude: Float[np.ndarray, "profile path ray"]
    # In units of the delay spread.
    delay: Float[np.ndarray, "profile path"]
    # Azimuth and zenith of arrival, then those of departure: centres of the paths ...
    angles_deg: Float[np.ndarray, "profile 4 path"]
    # ... and the spreads about them.
    spreads_deg: Float[np.ndarray, "profile 4 path"]


@dataclass(frozen=True)
class Scaling:
    """Changes to the profiles; None leaves a thing as it is tabulated."""

    # K factor in dB of the profiles with a line of sight: TR 38.901 clause 7.7.6.
    k_db: float | None = None
    # RMS spreads in degrees of the azimuths of departure and arrival and of the
    # zeniths of departure and arrival: clause 7.7.5.1.
    asd_deg: float | None = None
    asa_deg: float | None = None
    zsd_deg: float | None = None
    zsa_deg: float | None = None
    # Mean angles in degrees, in the same order.
    aod_deg: float | None = None
    aoa_deg: float | None = None
    zod_deg: float | None = None
    zoa_deg: float | None = None

    def __post_init__(self) -> None:
        for name in ("asd_deg", "asa_deg", "zsd_deg", "zsa_deg"):
            spread = getattr(self, name)
            if spread is not None and spread < 0:
                raise ValueError(f"{name}: found {spread}; needed 0 or more")


def _path_table(clusters: np.ndarray, line_of_sight: np.ndarray) -> np.ndarray:
    table = clusters.astype(np.float32)
    has_los = np.isfinite(LOS_POWER_DB)
    table[has_los, -1] = line_of_sight[has_los]
    return table


def _spread_table(degrees: np.ndarray) -> np.ndarray:
    return _path_table(np.tile(degrees[:, None], MAX_CLUSTERS), np.zeros(5))


def _amplitudes(power: np.ndarray, los_power: np.ndarray) -> np.ndarray:
    num_rays = len(RAY_OFFSETS)
    rays = np.repeat(power[..., None] / num_rays, num_rays, axis=-1)
    rays[:, -1, 0] += los_power
    return np.sqrt(rays).astype(np.float32)


TABLES = PathTables(
    amplitude=_amplitudes(POWER, LOS_POWER),
    delay=_path_table(DELAY, np.zeros(5)),
    angles_deg=np.stack(
        [
            _path_table(AOA_DEG, LOS_AOA_DEG),
            _path_table(ZOA_DEG, LOS_ZOA_DEG),
            _path_table(AOD_DEG, LOS_AOD_DEG),
            _path_table(ZOD_DEG, LOS_ZOD_DEG),
        ],
        axis=1,
    ),
    spreads_deg=np.stack(
        [_spread_table(c) for c in (C_ASA_DEG, C_ZSA_DEG, C_ASD_DEG, C_ZSD_DEG)], axis=1
    ),
)


def with_k_factor(
    k_db: float,
    power: Float[np.ndarray, "profile path"],
    los_power: Float[np.ndarray, "profile"],
    delay: Float[np.ndarray, "profile path"],
) -> tuple[
    Float[np.ndarray, "profile path"],
    Float[np.ndarray, "profile"],
    Float[np.ndarray, "profile path"],
]:
    """Return powers and delays of another K factor: TR 38.901 clause 7.7.6.

    That is the power of the line of sight over that of everything else (equations
    7.7.6-1 and -2). Powers still sum to 1, and the delays are divided by the delay
    spread that results. Profiles without a line of sight stay as they are.

    Args:
        k_db: The K factor in dB.
        power: Of the paths but the line of sight.
        los_power: Of the line of sight; 0 where there is none.
        delay: Of the paths; that of the line of sight is 0.
    """
    has_los = los_power > 0
    k = 10.0 ** (k_db / 10)
    share = np.where(has_los, k / (k + 1), 0.0)
    power = power * ((1 - share) / (1 - los_power))[:, None]
    mean = (power * delay).sum(1)
    spread = np.sqrt((power * delay**2).sum(1) - mean**2)
    return power, share, delay / np.where(has_los, spread, 1.0)[:, None]


def angle_spread(
    angles_deg: Float[np.ndarray, "*ray"], power: Float[np.ndarray, "*ray"]
) -> tuple[float, float]:
    """Return RMS spread and mean of angles, in degrees: TR 38.901 annex A.

    The spread is the circular one, sqrt(-2 ln |z|), and the mean arg z, where z is the
    mean of exp(j angle), weighted by the powers.
    """
    z = (power * np.exp(1j * np.deg2rad(angles_deg))).sum() / power.sum()
    size = min(abs(z), 1.0)  # rounding may pass 1
    return np.rad2deg(np.sqrt(-2 * np.log(size))), np.rad2deg(np.angle(z))


@lru_cache(maxsize=64)
def scaled(scaling: Scaling, profiles: tuple[str, ...] = PROFILES) -> PathTables:
    """Return the tables with K factor, angular spreads and mean angles as wanted.

    Equation 7.7-5 multiplies the distances of all rays from their mean angle by the
    ratio of the wanted spread to that of the table. Spreads are circular, so that this
    ratio gives the wanted one only where it is near 1 or spreads are small; here the
    factor is the smallest that gives it exactly, and the means are exact as well. The
    rays of a cluster stay together. Zeniths beyond a pole are left there: the direction
    that they mean lies beyond it.

    Args:
        scaling: What is wanted.
        profiles: Whose angles are changed; the others' stay as tabulated.

    Raises:
        ValueError: No factor gives a spread, as where the line of sight is too strong.
    """
    if scaling == Scaling():
        return TABLES
    power, los_power, delay = POWER, LOS_POWER, DELAY
    if scaling.k_db is not None:
        power, los_power, delay = with_k_factor(scaling.k_db, POWER, LOS_POWER, DELAY)
    wanted = {
        "asa_deg": scaling.aoa_deg,
        "zsa_deg": scaling.zoa_deg,
        "asd_deg": scaling.aod_deg,
        "zsd_deg": scaling.zod_deg,
    }
    tables = PathTables(
        _amplitudes(power, los_power),
        _path_table(delay, np.zeros(5)),
        TABLES.angles_deg.copy(),
        TABLES.spreads_deg.copy(),
    )
    for name in profiles:
        profile = PROFILES.index(name)
        rays = tables.amplitude[profile].astype(np.float64) ** 2
        for angle, (field, mean_deg) in enumerate(wanted.items()):
            centre, width = (
                table[profile, angle]
                for table in (tables.angles_deg, tables.spreads_deg)
            )
            spread_deg, place = getattr(scaling, field), f"{field}: CDL-{name}"
            centre[:], width[:] = _scaled_angles(
                centre, width, rays, spread_deg, mean_deg, place
            )
    return tables


def _scaled_angles(centre, width, power, spread_deg, mean_deg, place):
    """Centres and widths of one kind of angle of one profile, in degrees."""
    if spread_deg is None and mean_deg is None:
        return centre, width
    _, middle = angle_spread(_rays(centre, width), power)
    offset = (centre - middle + 180) % 360 - 180
    factor = 1.0
    if spread_deg is not None:
        # Here, since it takes a fifth of a second and few configs scale spreads.
        from scipy.optimize import brentq

        def spread(factor):
            return angle_spread(factor * _rays(offset, width), power)[0]

        # Rays of a larger factor would go round the circle.
        largest = max(1.0, 180 / np.abs(_rays(offset, width)[power > 0]).max())
        steps = np.linspace(0, largest, 500)
        above = next(
            (i for i, step in enumerate(steps) if spread(step) > spread_deg), 0
        )
        if not above:
            most = math.floor(max(map(spread, steps)) * 10) / 10
            raise ValueError(f"{place} found {spread_deg}; needed {most} or less")
        factor = brentq(lambda x: spread(x) - spread_deg, *steps[above - 1 : above + 1])
    _, shift = angle_spread(factor * _rays(offset, width), power)
    mean_deg = middle if mean_deg is None else mean_deg
    return factor * offset - shift + mean_deg, factor * width


def _rays(centre, width):
    """All rays of all paths; float64, since ratios of spreads are taken."""
    return centre[:, None] + width[:, None] * RAY_OFFSETS
