"""Codebooks against linear algebra: frames, Kronecker products and plane waves."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.phy import arrays, codebooks

upa_codebook = jax.jit(codebooks.upa_codebook, static_argnums=(0, 1, 2))
dft_codebook = jax.jit(codebooks.dft_codebook, static_argnums=(0, 1, 2))
beam_amplitude = jax.jit(codebooks.beam_amplitude, static_argnums=2)
beam_phase = jax.jit(codebooks.beam_phase, static_argnums=1)
steering = jax.jit(codebooks.steering, static_argnums=1)


def test_critically_sampled_codebooks_are_orthonormal():
    for codebook in (dft_codebook(16, 16), upa_codebook((2, 8), (2, 8))):
        gram = np.asarray(codebook) @ np.asarray(codebook).conj().T
        np.testing.assert_allclose(gram, np.eye(16), atol=2e-6)


def test_oversampled_codebooks_are_tight_frames_of_unit_norm():
    for codebook in (dft_codebook(64, 16), upa_codebook((4, 16), (2, 8))):
        codebook = np.asarray(codebook)
        np.testing.assert_allclose(np.linalg.norm(codebook, axis=1), 1.0, rtol=1e-5)
        frame = codebook.conj().T @ codebook
        np.testing.assert_allclose(frame, 4 * np.eye(16), atol=2e-5)


def test_oversampled_codebook_is_ordered():
    codebook = np.asarray(dft_codebook(64, 16))
    neighbours = np.abs(np.sum(codebook[1:] * codebook[:-1].conj(), axis=1))
    assert np.all(neighbours > 0.85)
    assert np.all(np.diff(codebooks.beam_directions(64)) > 0)


def test_limited_field_of_view_is_uniform_in_angle():
    angle = np.rad2deg(np.arcsin(codebooks.beam_directions(64, 90.0)))
    np.testing.assert_allclose(np.diff(angle), 90 / 64, rtol=1e-3)
    np.testing.assert_allclose(angle[0], -45 + 45 / 64, rtol=1e-4)


def test_planar_codebook_is_the_kronecker_product():
    got = upa_codebook((3, 8), (2, 4))
    np.testing.assert_allclose(
        got, np.kron(dft_codebook(3, 2), dft_codebook(8, 4)), atol=1e-6
    )


def test_gain_is_the_number_of_antennas_at_the_beams_own_direction():
    """With plane waves and positions of `arrays`, so that orders agree too."""
    number, shape = (6, 10), (4, 5)
    codebook = np.asarray(upa_codebook(number, shape))
    z, y = np.asarray(codebooks.upa_directions(number)).T
    visible = z**2 + y**2 < 1
    assert 0.6 < visible.mean() < 0.9  # pi / 4 of a square
    y, z = y[visible], z[visible]
    azimuth, zenith = jnp.asarray(np.arcsin(y / np.sqrt(1 - z**2))), np.arccos(z)
    waves = jax.jit(arrays.response)(arrays.upa(*shape), azimuth, jnp.asarray(zenith))
    gain = np.abs(np.asarray(waves) @ codebook.conj().T) ** 2
    own = gain[np.arange(visible.sum()), np.flatnonzero(visible)]
    np.testing.assert_allclose(own, 20.0, rtol=1e-3)
    assert np.all(np.argmax(gain, axis=1) == np.flatnonzero(visible))


@pytest.mark.parametrize("num_ant", [5, 16])
def test_amplitude_and_phase_make_the_inner_product(num_ant):
    beams = codebooks.beam_directions(12)
    # Between beams, on beams, next to one, and at the edge.
    direction = jnp.array([0.123, -0.9, beams[3], beams[0], beams[5] + 1e-4, 1.0])
    codebook = np.asarray(dft_codebook(12, num_ant), np.complex128)
    n = np.arange(num_ant)
    waves = np.exp(1j * np.pi * np.asarray(direction, float)[:, None] * n)
    amplitude = beam_amplitude(direction, beams, num_ant)
    phases = [np.asarray(beam_phase(x, num_ant)) for x in (direction, beams)]
    got = amplitude * phases[0][:, None] * phases[1][None].conj()
    np.testing.assert_allclose(got, waves @ codebook.conj().T, atol=2e-3)


def test_wide_beams_use_few_elements_and_have_half_their_gain_at_their_edge():
    wide = np.asarray(dft_codebook(4, 16, 4))
    assert np.all(wide[:, 4:] == 0)
    np.testing.assert_allclose(np.linalg.norm(wide, axis=1), 1.0, rtol=1e-5)
    # Half way between two beams of 4 orthogonal ones: the Dirichlet kernel there.
    beams = np.asarray(codebooks.beam_directions(4))
    edge = (beams[1:] + beams[:-1]) / 2
    gain = np.abs(np.asarray(steering(edge, 16)) @ wide.conj().T) ** 2
    expected = 1 / (4 * np.sin(np.pi / 8) ** 2)
    np.testing.assert_allclose(np.diagonal(gain), expected, rtol=1e-4)
    np.testing.assert_allclose(gain.max(axis=1), expected, rtol=1e-4)
    planar = np.asarray(upa_codebook((2, 4), (4, 8), (2, 4))).reshape(8, 4, 8)
    assert np.all(planar[:, 2:] == 0)
    assert np.all(planar[:, :, 4:] == 0)
    np.testing.assert_allclose(
        planar[:, :2, :4].reshape(8, 8), upa_codebook((2, 4), (2, 4)), atol=1e-6
    )


def test_every_nth_beam_in_both_directions():
    mask = codebooks.every_nth((4, 8), (2, 4)).reshape(4, 8)
    assert np.array_equal(np.argwhere(mask), [[1, 2], [1, 6], [3, 2], [3, 6]])
    assert codebooks.every_nth((3, 5), (1, 1)).all()


def test_random_subsets_are_of_their_size_and_fair():
    draw = jax.jit(
        jax.vmap(partial(codebooks.random_subset, num_beams=8, num_measured=3))
    )
    masks = np.asarray(draw(jax.random.split(jax.random.key(0), 4000)))
    assert np.all(masks.sum(1) == 3)
    np.testing.assert_allclose(masks.mean(0), 3 / 8, atol=0.04)
    pairs = masks.T.astype(float) @ masks / 4000
    np.testing.assert_allclose(pairs[~np.eye(8, dtype=bool)], 3 * 2 / 56, atol=0.04)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: codebooks.dft_codebook(4, 4, 5), "num_active: found 5"),
        (lambda: codebooks.every_nth((4, 4), (5, 1)), "step: found"),
        (lambda: codebooks.random_subset(jax.random.key(0), 4, 0), "num_measured: "),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
