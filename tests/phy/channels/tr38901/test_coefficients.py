"""Steps 10 and 11 against an independent implementation, and against physics."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.special import j0

from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy.channels.tr38901.antennas import Antennas, fields, panel
from wlam.phy.channels.tr38901.coefficients import LineOfSight, Rays, impulse_response
from wlam.phy.channels.tr38901.geometry import rotation, spherical_basis

HERE = Path(__file__).parent
# Made by benchmarks/remake_oracle.py, and a larger set beside the checkout.
CASES = [HERE / "step11_los.npz", HERE / "step11_nlos.npz"]
CASES += [
    pytest.param(path, marks=pytest.mark.slow)
    for path in sorted((HERE.parents[4] / "shared" / "oracle").glob("step11_*.npz"))
]
FREQUENCIES_HZ = np.linspace(-10e6, 10e6, 5)


def respond(path, dtype):
    """Our frequency responses and those of the oracle, [link, f, rx, tx, time].

    Frequency responses, because the order of paths is everybody's own.
    """
    with np.load(path) as file:
        oracle = dict(file)
    link = {
        name: x[:, 0, 0].astype(dtype if x.dtype.kind == "f" else x.dtype)
        for name, x in oracle.items()
        if x.ndim > 2
    }
    wavelength = SPEED_OF_LIGHT / oracle["carrier_hz"]
    cycles = (oracle["distance_3d"][:, 0, 0] / wavelength) % 1
    names = "ray_delays ray_powers aoa zoa aod zod xpr phi strongest c_ds"
    rays = Rays(*(link[name] for name in names.split()))
    los = LineOfSight(
        *(link[name] for name in ("los_aoa", "los_zoa", "los_aod", "los_zod")),
        cycles=cycles.astype(dtype),
        k_factor=link["k_factor"],
    )
    places = (oracle["bs_ant_pos"] / wavelength).astype(dtype)
    slant = np.zeros(len(places), dtype)
    if oracle["bs_pol"] == "dual":
        slant = np.repeat([-np.pi / 4, np.pi / 4], len(places) // 2).astype(dtype)
    base = Antennas(places, slant, "38.901")
    user = Antennas(np.zeros((2, 3), dtype), np.array([0, np.pi / 2], dtype))

    def one(rays, los, base_orientation, user_orientation, velocity):
        return impulse_response(
            rays,
            None if "nlos" in path.name else los,
            base,
            base_orientation,
            user,
            user_orientation,
            velocity,
            oracle["times"].astype(dtype),
            oracle["carrier_hz"].astype(dtype),
        )

    moving = (oracle[x].astype(dtype) for x in ("bs_ori", "ut_ori", "ut_vel"))
    ours, delays = jax.jit(jax.vmap(one))(rays, los, *moving)
    pairs = ((ours, delays), (oracle["h"][:, 0, 0], oracle["delays"][:, 0, 0]))
    return [
        np.einsum(
            "bpust,bpf->bfust",
            np.asarray(h),
            np.exp(-2j * np.pi * np.asarray(tau, float)[..., None] * FREQUENCIES_HZ),
        )
        for h, tau in pairs
    ]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_oracle(path):
    ours, theirs = respond(path, np.float32)
    error = abs(ours - theirs).max() / abs(theirs).max()
    assert error < 1e-4
    with jax.enable_x64(True):
        ours, theirs = respond(path, np.float64)
    error = abs(ours - theirs).max() / abs(theirs).max()
    assert error < 1e-6


# ---- physics, on rays made by hand ---------------------------------------------------
RAYS = 20


def uniform_rays(key, clusters=1, kappa=1e12):
    """Clusters of equal power whose rays arrive from all directions in the horizon."""
    shape = (clusters, RAYS)
    keys = jax.random.split(key, 3)
    azimuth = jax.random.uniform(keys[0], shape, maxval=2 * jnp.pi)
    level = jnp.full(shape, jnp.pi / 2)
    return Rays(
        delay_s=1e-7 * jnp.arange(clusters),
        power=jnp.full(clusters, 1 / clusters),
        arrival_azimuth=azimuth,
        arrival_zenith=level,
        departure_azimuth=jax.random.uniform(keys[1], shape, maxval=2 * jnp.pi),
        departure_zenith=level,
        cross_polarisation=jnp.full(shape, kappa),
        phase=jax.random.uniform(keys[2], (*shape, 4), maxval=2 * jnp.pi),
        strongest=jnp.array([0, clusters - 1]),
        cluster_delay_spread_s=jnp.float32(0.0),
    )


ONE = panel(1, 1)
STILL = jnp.zeros(3)
CARRIER = 3e9


def respond_once(rays, transmitter=ONE, receiver=ONE, velocity=STILL, times=(0.0,)):
    """The narrowband channel [rx, tx, time] of one drop."""
    times = jnp.asarray(times)
    h, _ = impulse_response(
        rays, None, transmitter, STILL, receiver, STILL, velocity, times, CARRIER
    )
    return h.sum(0)


def test_time_correlation_is_a_bessel_function():
    """Clarke's model: J0(2 pi f_D tau), here at f_D tau = 0 to 1."""
    velocity = jnp.array([30.0, 0.0, 0.0])
    doppler = 30.0 * CARRIER / SPEED_OF_LIGHT
    times = np.linspace(0, 1, 9) / doppler

    @jax.jit
    def many(keys):
        def one(key):
            return respond_once(uniform_rays(key), velocity=velocity, times=times)[0, 0]

        return jax.vmap(one)(keys)

    h = np.asarray(many(jax.random.split(jax.random.key(0), 4000)))
    correlation = (h * h[:, :1].conj()).mean(0)
    np.testing.assert_allclose(correlation, j0(2 * np.pi * doppler * times), atol=0.06)


def test_covariance_of_a_line_is_toeplitz_and_its_cross_polar_power_is_kappa():
    transmitter = panel(1, 4)
    receiver = panel(1, 1, "VH")

    @jax.jit
    def many(keys):
        return jax.vmap(
            lambda key: respond_once(
                uniform_rays(key, kappa=10.0), transmitter, receiver
            )[..., 0]
        )(keys)

    h = np.asarray(many(jax.random.split(jax.random.key(1), 8000)))
    covariance = np.einsum("ns,nt->st", h[:, 0], h[:, 0].conj()) / len(h)
    for lag in range(4):
        diagonal = np.diagonal(covariance, lag)
        # Over all directions of the plane: E exp(j pi lag sin(azimuth)) = J0(pi lag).
        np.testing.assert_allclose(diagonal, j0(np.pi * lag), atol=0.06)
    # From V to H comes 1 / kappa of what comes from V to V, equation 7.5-28.
    ratio = (abs(h[:, 0]) ** 2).mean() / (abs(h[:, 1]) ** 2).mean()
    np.testing.assert_allclose(ratio, 10.0, rtol=0.06)


def test_gradients_with_respect_to_positions_and_phases():
    rays = uniform_rays(jax.random.key(2), clusters=2)
    antennas = panel(1, 2)

    def loss(positions, phase):
        moved = replace(antennas, positions=positions)
        h = respond_once(replace(rays, phase=phase), moved)
        return abs(h.sum()) ** 2

    arguments = (jnp.asarray(antennas.positions), rays.phase)
    check_grads(jax.jit(loss), arguments, order=1, modes=["rev"], rtol=2e-2, eps=1e-2)


def test_rotating_both_ends_together_changes_nothing():
    """Only relative directions matter; V and H antennas rotate with their panel."""
    rays = uniform_rays(jax.random.key(3), clusters=2)
    both = panel(1, 2, "VH")
    turn = 0.7

    @jax.jit
    def response(bearing, shift):
        turned = replace(
            rays,
            arrival_azimuth=rays.arrival_azimuth + shift,
            departure_azimuth=rays.departure_azimuth + shift,
        )
        bearing = jnp.stack([bearing, 0.0, 0.0])
        return impulse_response(
            turned, None, both, bearing, both, bearing, STILL, jnp.zeros(1), CARRIER
        )[0]

    np.testing.assert_allclose(response(0.0, 0.0), response(turn, turn), atol=1e-5)


FAR = ("departure_distance_m", "arrival_distance_m")
LINE = panel(1, 32)


@jax.jit
def curved(rays, los, distance):
    """The channel [path, rx, tx, 1] of two lines, sources `distance` m off or plane."""
    if distance is not None:
        bounces = {name: jnp.full(len(rays.delay_s), distance) for name in FAR}
        rays, los = replace(rays, **bounces), replace(los, distance_m=distance)
    return impulse_response(
        rays, los, LINE, STILL, LINE, STILL, STILL, jnp.zeros(1), CARRIER
    )[0]


def test_spherical_waves_have_every_antenna_s_own_distance():
    """A line of sight against distances computed one by one; far away it is plane."""
    rays = uniform_rays(jax.random.key(5))
    azimuth, level = jnp.float32(0.3), jnp.float32(np.pi / 2)
    los = LineOfSight(azimuth + np.pi, level, azimuth, level, 0.0, jnp.float32(1e9))
    distance, wavelength = 5.0, SPEED_OF_LIGHT / CARRIER
    h = np.asarray(curved(rays, los, jnp.float32(distance)))[0, :, :, 0]
    places = np.asarray(LINE.positions, np.float64) * wavelength
    towards = distance * np.array([np.cos(0.3), np.sin(0.3), 0.0])
    length = np.linalg.norm(towards + places[:, None] - places[None], axis=-1)
    expected = np.exp(-2j * np.pi * (length - distance) / wavelength)
    np.testing.assert_allclose(h, expected, atol=2e-3)

    los = replace(los, k_factor=jnp.float32(1.0))
    far = curved(rays, los, jnp.float32(1e5))
    np.testing.assert_allclose(far, curved(rays, los, None), atol=5e-3)


def fields_ahead(antennas, tilt, zenith):
    """Of tilted antennas, at azimuth 0: [antenna, theta and phi, *zenith]."""

    @jax.jit
    def towards(tilt, zenith):
        turn = rotation(jnp.stack([0.0, tilt, 0.0]))
        basis = spherical_basis(jnp.zeros_like(zenith), zenith)
        return fields(antennas, turn, basis)

    return np.array(towards(tilt, zenith))


def test_slant_of_45_degrees_has_equal_components():
    field = fields_ahead(panel(1, 1, "cross"), 0.0, 1.3)
    np.testing.assert_allclose(abs(field), np.sqrt(0.5), rtol=1e-5)
    np.testing.assert_allclose(field[0] @ field[1], 0.0, atol=1e-6)


def test_a_field_has_its_power_up_to_the_poles():
    """There 1 - cos^2 cancels; rotated arrays have their poles elsewhere."""
    zenith = jnp.linspace(1e-4, 0.05, 100)
    for tilt, start in ((0.0, 0.0), (0.3, 0.3)):
        turn = rotation(jnp.array([0.0, tilt, 0.0]))
        basis = spherical_basis(jnp.zeros(100), start + zenith)
        ((theta, phi),) = fields(ONE, turn, basis)
        np.testing.assert_allclose(theta**2 + phi**2, 1.0, atol=1e-5)


def test_downtilt_moves_the_beam_of_the_element():
    """Tilted by 12 degrees, the 8 dBi maximum is at zenith 102, clause 7.3."""
    zenith_deg = np.arange(60.0, 140.0, 1.0)
    ((theta, phi),) = fields_ahead(
        panel(1, 1, "V", "38.901"), np.deg2rad(12.0), np.deg2rad(zenith_deg)
    )
    power = theta**2 + phi**2
    assert zenith_deg[power.argmax()] == pytest.approx(102.0)
    np.testing.assert_allclose(10 * np.log10(power.max()), 8.0, atol=1e-3)
