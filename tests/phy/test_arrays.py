"""Positions, responses, angular bins and the element pattern."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.ops.phasor import angle, product
from wlam.phy import arrays
from wlam.phy.arrays import (
    array_shape,
    beamspace,
    direction,
    element_gain_db,
    panel,
    spherical_cycles,
    ula,
    uniform_line,
    upa,
)
from wlam.types import DataError

response = jax.jit(arrays.response)
from_beamspace = jax.jit(arrays.from_beamspace, static_argnums=1)
to_beamspace = jax.jit(arrays.to_beamspace, static_argnums=1)
RIGHT = np.float32(np.pi / 2)


def dft(num: int) -> np.ndarray:
    row, column = np.mgrid[:num, :num]
    return np.exp(-2j * np.pi * row * column / num) / np.sqrt(num)


def one(num: int) -> np.ndarray:
    return np.zeros(num, np.int32)


def test_positions_run_along_y_first_and_then_along_z():
    want = [[0, 0, 0], [0, 0.5, 0], [0, 1, 0], [0, 0, 0.5], [0, 0.5, 0.5], [0, 1, 0.5]]
    np.testing.assert_array_equal(upa(2, 3), np.float32(want))
    np.testing.assert_array_equal(ula(3), upa(1, 3))
    np.testing.assert_allclose(ula(2, spacing=0.7)[1], [0, 0.7, 0], rtol=1e-6)


def test_a_panel_has_one_polarisation_after_the_other_at_the_same_positions():
    antennas = panel(2, 3, polarisations=2, spacing=0.7)
    assert len(antennas) == 12
    np.testing.assert_array_equal(antennas.positions[:6], upa(2, 3, 0.7))
    np.testing.assert_array_equal(antennas.positions[6:], upa(2, 3, 0.7))
    np.testing.assert_array_equal(antennas.polarisation, [0] * 6 + [1] * 6)
    assert antennas.positions.dtype == np.float32
    assert antennas.polarisation.dtype == np.int32
    shape = array_shape(antennas.positions, antennas.polarisation)
    assert shape == ((2, 3, 1), (2, 3, 1))
    np.testing.assert_array_equal(panel(1, 4).positions, ula(4))


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ((0, 4), r"rows: found 0; needed a whole number, at least 1"),
        ((2, 1.5), r"columns: found 1.5; needed a whole number, at least 1"),
        ((2, 4, 3), r"polarisations: found 3; needed 1 or 2"),
        ((2, 4, 0), r"polarisations: found 0; needed 1 or 2"),
        ((2, 4, True), r"polarisations: found True; needed 1 or 2"),
        ((2, 4, "cross"), r"polarisations: found 'cross'; needed 1 or 2"),
        ((2, 4, 2, 0.0), r"spacing: found 0.0; needed a positive number"),
        ((2, 4, 2, float("nan")), r"spacing: found nan; needed a positive number"),
        ((2, 4, 2, "half"), r"spacing: found 'half'; needed a positive number"),
    ],
)
def test_impossible_panels_are_refused_in_one_line(given, match):
    with pytest.raises(DataError, match=rf"^{match}[^\n]*$"):
        panel(*given)


@pytest.mark.parametrize("shape", [(0, 4), (2, -1)])
def test_an_array_without_antennas_is_refused(shape):
    with pytest.raises(ValueError, match="at least 1"):
        upa(*shape)


def test_the_angle_of_a_point_is_its_arctangent():
    level = np.linspace(-2.0, 2.0, 41, dtype=np.float32)
    x, y = (g.ravel() for g in np.meshgrid(level, level))
    np.testing.assert_allclose(jax.jit(angle)(y, x), np.arctan2(y, x), atol=5e-7)
    slope = np.array(jax.jit(jax.grad(angle, argnums=(0, 1)))(0.0, 0.0))
    assert np.isfinite(slope).all()


def test_a_product_is_the_complex_one():
    rng = np.random.default_rng(0)
    left, right = (
        (rng.normal(size=(2, *shape)) @ np.array([1, 1j])).astype(np.complex64)
        for shape in ((3, 4, 2), (4, 5, 2))
    )
    found = product(jnp.asarray(left), jnp.asarray(right))
    np.testing.assert_allclose(found, left @ right, atol=1e-6)


def test_a_spherical_wave_has_the_distance_of_every_antenna():
    places, cycles = upa(2, 8, 3.0), jax.jit(spherical_cycles)
    towards = np.array([0.6, 0.0, 0.8], np.float32)
    source = 100.0 * np.array([0.6, 0.0, 0.8])
    exact = 100.0 - np.linalg.norm(source - places.astype(np.float64), axis=1)
    found = cycles(places, towards, 100.0)
    np.testing.assert_allclose(found, exact, atol=1e-5)
    far = cycles(places, towards, 1e7)
    np.testing.assert_allclose(far, places @ towards, atol=1e-4)


def test_directions():
    azimuth = jnp.deg2rad(jnp.array([0.0, 90.0, 180.0, 45.0, 10.0]))
    zenith = jnp.deg2rad(jnp.array([90.0, 90.0, 90.0, 45.0, 0.0]))
    half = np.sqrt(0.5)
    want = [[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0.5, 0.5, half], [0, 0, 1]]
    np.testing.assert_allclose(direction(azimuth, zenith), want, atol=1e-6)


def test_steering_of_a_line_at_a_known_angle():
    # sin(30 degrees) / 2 is a quarter of a cycle per antenna.
    got = response(ula(5), np.float32(np.pi / 6), RIGHT)
    np.testing.assert_allclose(got, [1, 1j, -1, -1j, 1], atol=1e-6)


def test_response_follows_zenith_on_a_planar_array():
    azimuth, zenith = np.array([0.3, -1.2, 2.5]), np.array([1.2, 0.4, 2.8])
    towards = np.stack(
        [
            np.sin(zenith) * np.cos(azimuth),
            np.sin(zenith) * np.sin(azimuth),
            np.cos(zenith),
        ],
        axis=-1,
    )
    want = np.exp(2j * np.pi * towards @ upa(4, 8).T)
    got = response(upa(4, 8), np.float32(azimuth), np.float32(zenith))
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_element_gain_follows_table_7_3_1():
    azimuth = np.deg2rad([0, 32.5, 0, 180, 360, 65, 32.5]).astype(np.float32)
    zenith = np.deg2rad([90, 90, 122.5, 90, 90, 155, 122.5]).astype(np.float32)
    want = [8, 5, 5, -22, 8, -16, 2]  # half of a beamwidth off is 3 dB down
    np.testing.assert_allclose(
        element_gain_db(*map(jnp.asarray, (azimuth, zenith))), want, atol=1e-3
    )


def test_beamspace_of_a_line_is_its_dft():
    matrix = beamspace(ula(8), one(8))
    assert matrix.dtype == np.complex64
    np.testing.assert_allclose(matrix, dft(8), atol=1e-6)
    # Bin k of a half-wavelength line is the sine k / 4.
    wave = np.asarray(response(ula(8), np.arcsin(np.float32(0.75)), RIGHT))
    np.testing.assert_allclose(np.abs(matrix @ wave), np.eye(8)[3] * 8**0.5, atol=1e-4)


def test_beamspace_of_a_planar_array_is_the_kronecker_dft():
    np.testing.assert_allclose(
        beamspace(upa(3, 4), one(12)), np.kron(dft(3), dft(4)), atol=1e-6
    )


@pytest.mark.parametrize("turn", [[0, 1, 2], [1, 0, 2], [2, 1, 0]])
def test_order_position_and_rotation_of_the_array_do_not_change_its_bins(turn):
    order = np.random.default_rng(0).permutation(12)
    positions = upa(3, 4)[order][:, turn] + np.float32([3.3, -1, 7])
    positions += np.random.default_rng(1).uniform(-2e-4, 2e-4, (12, 3))
    matrix = beamspace(positions, one(12))
    np.testing.assert_allclose(matrix @ matrix.conj().T, np.eye(12), atol=1e-6)
    if turn[2] == 2:  # turned about z, the rows remain rows
        np.testing.assert_allclose(
            matrix[:, np.argsort(order)], np.kron(dft(3), dft(4)), atol=1e-6
        )


def test_polarisations_are_transformed_apart():
    positions = np.repeat(ula(4), 2, axis=0)
    matrix = beamspace(positions, np.tile([1, 0], 4))
    want = np.zeros((8, 8), complex)
    want[:4, 1::2] = want[4:, 0::2] = dft(4)
    np.testing.assert_allclose(matrix, want, atol=1e-6)


@pytest.mark.parametrize(
    "positions",
    [
        np.random.default_rng(0).normal(size=(6, 3)),  # anywhere
        np.array([[0, 0, 0], [0, 0.5, 0], [0, 1.5, 0]]),  # a hole
        np.array([[0, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]),  # a corner is missing
        np.array([[0, 0, 0], [0, 0.5, 0.5], [0, 1, 1]]),  # askew
        np.zeros((2, 3)),  # in one place
        np.array([[0, 0, 0], [0, np.nan, 0]]),
    ],
)
def test_an_irregular_array_keeps_its_antennas(positions):
    matrix = beamspace(positions, one(len(positions)))
    np.testing.assert_array_equal(matrix, np.eye(len(positions)))


IRREGULAR = np.float32([[0, 0, 0], [0, 0.5, 0], [0, 1.7, 0]])
ARRAYS = {
    "line": (ula(8), one(8), ((1, 8, 1),)),
    "panel": (upa(3, 4), one(12), ((3, 4, 1),)),
    "cross": (np.repeat(upa(2, 3), 2, 0), np.tile([0, 1], 6), ((2, 3, 1),) * 2),
    "unequal": (np.concatenate([ula(3), upa(2, 2)]), [5, 5, 5, 7, 7, 7, 7],
                ((1, 3, 1), (2, 2, 1))),
    "irregular": (IRREGULAR, one(3), ()),
}  # fmt: skip


@pytest.mark.parametrize("name", ARRAYS)
def test_angular_bins_are_inverted_by_the_array_shape(name):
    positions, polarisation, want = ARRAYS[name]
    polarisation = np.asarray(polarisation)
    shapes = array_shape(positions, polarisation)
    assert shapes == want
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(2, len(positions), 2)) @ [1, 1j]).astype(np.complex64)
    bins = x @ beamspace(positions, polarisation).T
    antennas = from_beamspace(bins, shapes)
    # Sorted by polarisation, z, y and x.
    order = np.lexsort((*positions.T, polarisation)) if shapes else np.arange(3)
    np.testing.assert_allclose(antennas, x[:, order], atol=1e-5)
    np.testing.assert_allclose(to_beamspace(antennas, shapes), bins, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_line_is_found_in_any_order_along_any_axis(axis):
    order = np.random.default_rng(0).permutation(6)
    positions = np.zeros((6, 3), np.float32)
    positions[:, axis] = 0.7 * order
    found, spacing = uniform_line(positions, np.ones(6, np.int32))
    np.testing.assert_array_equal(order[found], np.arange(6))
    assert spacing == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("positions", "polarisation"),
    [
        (upa(2, 3), np.zeros(6, int)),
        (np.repeat(ula(3), 2, axis=0), np.tile([0, 1], 3)),
        (ula(4) ** 2, np.zeros(4, int)),
        (ula(1), np.zeros(1, int)),
    ],
)
def test_other_than_a_uniform_line_of_one_polarisation_is_refused(
    positions, polarisation
):
    with pytest.raises(DataError, match=r"antennas: found .* uniform line"):
        uniform_line(positions, polarisation)


def test_beamspace_of_one_antenna_is_one():
    np.testing.assert_allclose(beamspace(ula(1), one(1)), [[1]])
