"""Channels as bins: inverses, unitary, and a path of known sign in its bin."""

import jax
import numpy as np
import pytest
from einops import rearrange

from wlam.phy.arrays import beamspace, panel, ula
from wlam.phy.transforms import directions, from_bins, steps_back, steps_first, to_bins
from wlam.types import ANTENNA, FREQUENCY, TIME, Antennas

RNG = np.random.default_rng(0)
N, T, K, A = 2, 6, 8, 12
AXES = (TIME, FREQUENCY, ANTENNA)


def shuffled(antennas):
    order = RNG.permutation(len(antennas.positions))
    return Antennas(antennas.positions[order], antennas.polarisation[order])


ARRAYS = {
    "a line": Antennas(ula(A), np.zeros(A, np.int32)),
    "a dual-polarised panel": panel(2, 3, polarisations=2),
    "its antennas in another order": shuffled(panel(2, 3, polarisations=2)),
    "nothing known": None,
}


def channels():
    re, im = RNG.normal(size=(2, N, T, K, A)).astype(np.float32)
    return re + 1j * im


@pytest.mark.parametrize("antennas", ARRAYS.values(), ids=ARRAYS)
@pytest.mark.parametrize("axis", AXES)
def test_from_bins_inverts_to_bins(axis, antennas):
    csi = channels()
    steps = steps_first(csi, axis)
    assert steps.shape[1] == csi.shape[1 + axis]
    np.testing.assert_array_equal(steps_back(steps, axis), csi)
    bins = to_bins(steps, axis, antennas)
    assert bins.dtype == np.complex64
    np.testing.assert_allclose(from_bins(bins, axis, antennas), steps, atol=1e-5)


@pytest.mark.parametrize("antennas", ARRAYS.values(), ids=ARRAYS)
@pytest.mark.parametrize("axis", AXES)
def test_inner_products_of_every_step_are_preserved(axis, antennas):
    """Unitary: errors and noise are the same in either domain."""
    x, y = (steps_first(channels(), axis) for _ in range(2))
    p, q = (to_bins(z, axis, antennas) for z in (x, y))
    np.testing.assert_allclose(
        (x.conj() * y).sum((2, 3)), (p.conj() * q).sum((2, 3)), atol=1e-4
    )


@pytest.mark.parametrize("axis", AXES)
def test_compiled_and_numpy_agree(axis):
    antennas = ARRAYS["a dual-polarised panel"]
    steps = steps_first(channels(), axis)
    for transform in (to_bins, from_bins):
        compiled = jax.jit(lambda x, f=transform: f(x, axis, antennas))(steps)
        np.testing.assert_allclose(
            compiled, transform(steps, axis, antennas), atol=1e-5
        )


def path(delay=0, doppler=0, beam=0):
    """One path on the grid, as clause 7.5 of TR 38.901 has it: [1, t, k, a].

    Its delay is delay / (K df), its Doppler shift doppler / (T dt), its direction that
    of a bin of the line.
    """
    along_time = np.exp(2j * np.pi * doppler * np.arange(T) / T)
    along_frequency = np.exp(-2j * np.pi * delay * np.arange(K) / K)
    line = ARRAYS["a line"]
    along_antennas = beamspace(line.positions, line.polarisation)[beam].conj()
    path = np.einsum("t,k,a->tka", along_time, along_frequency, along_antennas)
    return path[None].astype(np.complex64) * np.sqrt(A)


@pytest.mark.parametrize(("delay", "doppler", "beam"), [(3, 1, 2), (7, 4, 11)])
def test_a_path_is_one_bin_of_its_own_sign(delay, doppler, beam):
    """Delay tau at bin tau K df, Doppler +nu at bin +nu T dt, direction b at b."""
    csi, line = path(delay, doppler, beam), ARRAYS["a line"]
    bins = {axis: to_bins(steps_first(csi, axis), axis, line)[0] for axis in AXES}
    place = {TIME: (delay, beam), FREQUENCY: (doppler, beam), ANTENNA: (doppler, delay)}
    for axis, (row, column) in place.items():
        power = abs(bins[axis]) ** 2
        everything = power.sum((1, 2))
        np.testing.assert_allclose(power[:, row, column], everything, rtol=1e-4)
        assert everything.min() > 1


def test_directions_are_those_of_a_plane_wave():
    """A half-wavelength line has the response exp(j pi n s) to sine s."""
    line = ARRAYS["a line"]
    bins = directions(line, A)
    for sine, beam in ((0.0, 0), (2 / A, 1), (4 / A, 2), (-2 / A, A - 1)):
        wave = np.exp(1j * np.pi * np.arange(A) * sine) / np.sqrt(A)
        assert abs(bins[beam] @ wave) == pytest.approx(1, abs=1e-5)


def test_bins_are_those_of_the_first_definition():
    """Inverse FFT over subcarriers, FFT over snapshots."""
    csi, antennas = channels(), ARRAYS["a dual-polarised panel"]
    angles = beamspace(antennas.positions, antennas.polarisation)
    beams = np.einsum("ba,ntka->ntkb", angles, csi)
    delays = np.fft.ifft(csi, axis=2, norm="ortho")
    old = {
        TIME: np.fft.ifft(beams, axis=2, norm="ortho"),
        FREQUENCY: np.fft.fft(beams, axis=1, norm="ortho"),
        ANTENNA: np.fft.fft(delays, axis=1, norm="ortho"),
    }
    layout = {
        TIME: "n t k a -> n t k a",
        FREQUENCY: "n t k a -> n k t a",
        ANTENNA: "n t k a -> n a t k",
    }
    for axis in AXES:
        found = to_bins(steps_first(csi, axis), axis, antennas)
        expected = rearrange(old[axis], layout[axis])
        np.testing.assert_allclose(found, expected, atol=1e-5)
