"""CSI traced in the city scenes of Sionna RT, which needs the extra [rt].

The base station is fixed; every sample is another outdoor user with at least one path.
Angles, delays and gains of a sample are those of one position, and the velocity rotates
the phases.
"""

import functools
import importlib
import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Complex64, Float

from wlam.data.generated import Draw, GeneratedConfig
from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy.arrays import upa
from wlam.types import Antennas, Csi, DataError

# Ground of each scene; position of the base station in m, on a roof or a mast.
SCENES: dict[str, tuple[str, tuple[float, float, float]]] = {
    "munich": ("ground", (8.5, 21.0, 27.0)),
    "etoile": ("Plane", (-160.0, 70.0, 15.0)),
    "florence": ("ground", (0.0, 0.0, 15.0)),
    "san_francisco": ("Terrain", (15.9, 121.2, 25.0)),
}
LABELS = {
    **dict.fromkeys(("speed_kmh", "snr_db", "max_doppler_hz"), ((), np.float32)),
    **dict.fromkeys(("distance_m", "path_loss_db"), ((), np.float32)),
    **dict.fromkeys(("position_m", "velocity_mps"), ((3,), np.float32)),
    "state": ((), np.int32),
}
ROUNDS = 50  # of a block of users each, before a position counts as unreachable


@dataclass(frozen=True)
class SceneConfig:
    """Scene, array, grid and users; pairs are (lowest, highest)."""

    # "munich", "etoile", "florence" or "san_francisco".
    scene: str = "munich"
    # Position of the base station in the coordinates of the scene, in m.
    base_m: tuple[float, float, float] = SCENES["munich"][1]
    # Boresight of its array, from x to y.
    azimuth_deg: float = 0.0
    # Rows and columns of its isotropic, vertically polarised antennas, half a
    # wavelength apart. The user has one such antenna.
    array: tuple[int, int] = (1, 8)
    carrier_hz: float = 3.5e9
    num_subcarriers: int = 64
    subcarrier_spacing_hz: float = 180e3
    # Snapshots of a sample, and the time between them in s.
    num_times: int = 16
    time_step_s: float = 5e-4
    # Speed of the user in km/h, in a random direction; uniform.
    speeds_kmh: tuple[float, float] = (3.0, 60.0)
    # Horizontal distance in m, uniform over the area; height above the ground in m.
    distances_m: tuple[float, float] = (10.0, 200.0)
    user_height_m: float = 1.5
    # Signal-to-noise ratio in dB; uniform.
    snr_db: tuple[float, float] = (0.0, 30.0)
    # Largest number of reflections and refractions of a path.
    max_depth: int = 3
    # Whether paths diffract at edges.
    diffraction: bool = False
    # Rays that leave the base station.
    rays: int = 1_000_000

    def __post_init__(self) -> None:
        if self.scene not in SCENES:
            known = ", ".join(SCENES)
            raise DataError(f"scene: found {self.scene!r}; needed one of {known}")
        for name in ("speeds_kmh", "distances_m", "snr_db"):
            pair = getattr(self, name)
            if pair[0] > pair[1]:
                raise DataError(f"{name}: found {pair}; needed the lower one first")
        for name in ("num_times", "num_subcarriers", "rays"):
            if getattr(self, name) < 1:
                raise DataError(
                    f"{name}: found {getattr(self, name)}; needed 1 or more"
                )

    def positions(self) -> Float[np.ndarray, "antenna 3"]:
        """Of the base station's antennas in wavelengths, relative to their centre."""
        corner = upa(*self.array)
        return corner - corner.mean(axis=0, keepdims=True)


@dataclass(eq=False)
class RayTracedConfig(GeneratedConfig):
    """Users of a scene to trace; about a second each on two CPU cores.

    Rays run in parallel: a sample traced twice may differ by 0.001 of its amplitude.
    """

    source: Any = field(default_factory=SceneConfig)
    splits: Mapping[str, int] = field(
        default_factory=lambda: {"train": 900, "validation": 100, "test": 200}
    )

    def sources(self) -> Iterable[type]:
        return (SceneConfig,)

    def draw(self) -> Draw:
        _sionna()  # raises before anything is written
        return draw_block

    def shapes(self) -> Csi:
        source, of = self.source, jax.ShapeDtypeStruct
        positions = source.positions()
        shape = (1, source.num_times, source.num_subcarriers, len(positions))
        return Csi(
            csi=of(shape, np.complex64),
            time_step_s=of((1,), np.float32),
            subcarrier_spacing_hz=of((1,), np.float32),
            carrier_hz=of((1,), np.float32),
            antennas=Antennas(positions, np.zeros(len(positions), np.int32)),
            clean=of(shape, np.complex64),
            labels={name: of((1, *s), dtype) for name, (s, dtype) in LABELS.items()},
        )


def draw_block(
    source: SceneConfig, seed: int, split: str, block: int, number: int
) -> Csi:
    """`block` users, drawn by (seed, split, number) and traced together.

    The mean power of every sample is normalised to 1; before that it is the label
    path_loss_db. The noise has the drawn ratio to it. Other labels: speed_kmh, snr_db,
    max_doppler_hz, state (0 in line of sight, 1 not), distance_m, position_m and
    velocity_mps in the coordinates of the scene.

    Raises:
        DataError: Sionna RT cannot be imported, or too few positions have a path.
    """
    rng = np.random.default_rng([seed, zlib.crc32(split.encode()), number])
    found: list[dict[str, np.ndarray]] = []
    for _ in range(ROUNDS):
        users = _draw_users(source, rng, block)
        channel, los = trace(source, users["position_m"], users["velocity_mps"])
        power: Any = np.mean(np.abs(channel) ** 2, axis=(1, 2, 3), dtype=np.float64)
        reached = power > 0
        users |= {"channel": channel, "power": power, "state": 1 - los}
        found.append({name: values[reached] for name, values in users.items()})
        if sum(len(part["power"]) for part in found) >= block:
            break
    else:
        raise DataError(
            f"base_m: found fewer than {block} of {ROUNDS * block} positions about "
            f"{source.base_m} in {source.scene} with a path; needed another position "
            "or distance"
        )
    rows = {name: np.concatenate([p[name] for p in found])[:block] for name in found[0]}
    return _tensor(source, rng, rows)


def trace(
    source: SceneConfig,
    position_m: Float[np.ndarray, "user 3"],
    velocity_mps: Float[np.ndarray, "user 3"],
) -> tuple[
    Complex64[np.ndarray, "user time subcarrier antenna"], Bool[np.ndarray, "user"]
]:
    """Channels of users, 0 for those without a path, and who is in line of sight.

    Sums of `Paths.cir`, as `Paths.a` lacks the phase of the carrier. The first path
    arrives at 0 s.
    """
    rt, scene = _scene(source, len(position_m))
    for i, receiver in enumerate(scene.receivers.values()):
        receiver.position = position_m[i].tolist()
        receiver.velocity = velocity_mps[i].tolist()
    paths = rt.PathSolver()(
        scene,
        max_depth=source.max_depth,
        samples_per_src=source.rays,
        diffraction=source.diffraction,
    )
    # [user, 1, 1, antenna, path, time] and [user, 1, path]
    gain, delay_s = paths.cir(
        sampling_frequency=1 / source.time_step_s,
        num_time_steps=source.num_times,
        out_type="numpy",
    )
    count = source.num_subcarriers
    offsets = (np.arange(count) - count // 2) * source.subcarrier_spacing_hz
    ramp = np.exp(-2j * np.pi * delay_s[:, 0, :, None] * offsets)
    channel = np.einsum("uapt,upf->utfa", gain[:, 0, 0], ramp, optimize=True)
    valid = paths.valid.numpy()[:, 0]
    direct = (paths.interactions.numpy()[:, :, 0] == 0).all(axis=0)
    # Sionna counts antennas column by column from the top.
    order = np.arange(channel.shape[-1]).reshape(source.array[::-1]).T[::-1].ravel()
    return channel[..., order].astype(np.complex64), (valid & direct).any(axis=1)


def _draw_users(source, rng, count) -> dict[str, np.ndarray]:
    """Positions on open ground, and velocities."""
    positions = np.empty((0, 3))
    near, far = source.distances_m
    for _ in range(ROUNDS):
        distance = np.sqrt(rng.uniform(near**2, far**2, count))
        angle = rng.uniform(0, 2 * math.pi, count)
        xy = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * distance[:, None]
        xy += np.array(source.base_m[:2])
        height = _ground_height(source, xy, count)
        here = np.column_stack([xy, height + source.user_height_m])
        positions = np.concatenate([positions, here[np.isfinite(height)]])[:count]
        if len(positions) == count:
            break
    else:
        raise DataError(
            f"base_m: found too little open ground about {source.base_m} in "
            f"{source.scene}; needed another position or distance"
        )
    speed = rng.uniform(*source.speeds_kmh, count)
    heading = rng.uniform(0, 2 * math.pi, count)
    course = np.stack([np.cos(heading), np.sin(heading), np.zeros(count)], axis=-1)
    return {
        "position_m": positions.astype(np.float32),
        "velocity_mps": (course * speed[:, None] / 3.6).astype(np.float32),
        "speed_kmh": speed,
    }


def _ground_height(source, xy, count) -> np.ndarray:
    """Height of the ground at positions [user, 2]; NaN under buildings."""
    _, scene = _scene(source, count)
    mi = importlib.import_module("mitsuba")  # installed with Sionna RT
    top = float(scene.mi_scene.bbox().max.z) + 1.0
    x, y = xy.T.astype(np.float32)
    ray = mi.Ray3f(o=mi.Point3f(x, y, top), d=mi.Vector3f(0, 0, -1))
    hit = scene.mi_scene.ray_intersect(ray)
    ground = scene.objects[SCENES[source.scene][0]].mi_mesh
    open_ground = (hit.is_valid() & (hit.shape == mi.ShapePtr(ground))).numpy()
    return np.where(open_ground, hit.p.z.numpy(), np.nan)


def _tensor(source, rng, rows) -> Csi:
    channel, power = rows.pop("channel"), rows.pop("power")
    samples = len(power)
    clean = channel / np.sqrt(power)[:, None, None, None].astype(np.float32)
    snr_db = rng.uniform(*source.snr_db, samples)
    # Half of the noise power in the real part, half in the imaginary part.
    deviation = np.sqrt(10 ** (-snr_db / 10) / 2).astype(np.float32)
    noise = rng.standard_normal((2, *clean.shape), np.float32)
    noise *= deviation[:, None, None, None]
    labels = rows | {
        "snr_db": snr_db,
        "max_doppler_hz": rows["speed_kmh"] / 3.6 * source.carrier_hz / SPEED_OF_LIGHT,
        "distance_m": np.linalg.norm(
            rows["position_m"][:, :2] - np.array(source.base_m[:2]), axis=-1
        ),
        "path_loss_db": -10 * np.log10(power),
    }
    positions = source.positions()
    return Csi(
        csi=clean + (noise[0] + 1j * noise[1]),
        time_step_s=np.full(samples, source.time_step_s, np.float32),
        subcarrier_spacing_hz=np.full(
            samples, source.subcarrier_spacing_hz, np.float32
        ),
        carrier_hz=np.full(samples, source.carrier_hz, np.float32),
        antennas=Antennas(positions, np.zeros(len(positions), np.int32)),
        clean=clean,
        labels={
            name: labels[name].astype(dtype) for name, (_, dtype) in LABELS.items()
        },
    )


@functools.lru_cache(maxsize=1)
def _scene(source: SceneConfig, users: int) -> tuple[Any, Any]:
    """Sionna RT, and the scene with the base station and that many users."""
    rt = _sionna()
    scene = rt.load_scene(
        getattr(rt.scene, source.scene),
        merge_shapes_exclude_regex=SCENES[source.scene][0],
    )
    scene.frequency = source.carrier_hz
    one = {"pattern": "iso", "polarization": "V"}
    rows, columns = source.array
    scene.tx_array = rt.PlanarArray(num_rows=rows, num_cols=columns, **one)
    scene.rx_array = rt.PlanarArray(num_rows=1, num_cols=1, **one)
    orientation = [math.radians(source.azimuth_deg), 0.0, 0.0]
    scene.add(rt.Transmitter("base", list(source.base_m), orientation=orientation))
    for user in range(users):
        scene.add(rt.Receiver(f"user{user}", [0.0, 0.0, 0.0]))
    return rt, scene


def _sionna() -> Any:
    try:
        return importlib.import_module("sionna.rt")
    except (ImportError, RuntimeError) as cause:
        problem = " ".join(str(cause).split())
        raise DataError(
            f"sionna.rt: cannot be imported ({problem}); needed is pip install "
            "'wlam[rt]' and, without a GPU, libLLVM: see datasets/csi_rt/README.md"
        ) from cause
