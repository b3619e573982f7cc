"""Closed forms against numpy, their limits, inactive users."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.phy import noise
from wlam.phy.mimo.precoding import linear, rates
from wlam.phy.mimo.precoding.wmmse import wmmse

B, K, N, M, P = 3, 4, 2, 16, 10.0
complex_normal = jax.jit(noise.complex_normal, static_argnums=1)
H = complex_normal(jax.random.key(0), (B, K, N, M))
HOST = np.asarray(H)
mrt = jax.jit(lambda h: linear.mrt(h, P))
zf = jax.jit(lambda h: linear.zf(h, P))
rzf = jax.jit(lambda h, noise: linear.rzf(h, P, noise))
with_error = jax.jit(rates.with_error)
rate = jax.jit(rates.sum_rate)
rzf_of_some = jax.jit(lambda h, active: linear.rzf(h, P, 1.0, active))


def along(w, v):
    """Cosines between columns, whatever their phases."""
    inner = abs((w.conj() * v).sum(1))
    return inner / np.linalg.norm(w, axis=1) / np.linalg.norm(v, axis=1)


def test_maximum_ratio_is_the_strongest_singular_vector_with_equal_powers():
    w = np.asarray(mrt(H))
    _, _, vh = np.linalg.svd(HOST)
    wanted = vh[:, :, 0].conj().swapaxes(1, 2)
    np.testing.assert_allclose(along(w, wanted), 1, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(w, axis=1) ** 2, P / K, rtol=1e-5)


def test_zero_forcing_nulls_interference_at_the_combiners():
    w = np.asarray(zf(H))
    u = np.linalg.svd(HOST)[0][..., 0]
    received = np.einsum("bkn,bknm,bmj->bkj", u.conj(), HOST, w)
    gains = abs(received[:, range(K), range(K)])
    off = abs(received) * (1 - np.eye(K))
    assert off.max() < 1e-4 * gains.min()
    np.testing.assert_allclose(gains, gains[:, :1] * np.ones(K), rtol=1e-3)


def test_regularised_zero_forcing_is_its_equation():
    u = np.linalg.svd(HOST.astype(np.complex128))[0][..., 0]
    g = np.einsum("bkn,bknm->bkm", u.conj(), HOST)
    gram = g @ g.conj().swapaxes(1, 2) + K * 0.7 / P * np.eye(K)
    wanted = g.conj().swapaxes(1, 2) @ np.linalg.inv(gram)
    w = np.asarray(rzf(H, 0.7))
    np.testing.assert_allclose(along(w, wanted), 1, atol=1e-4)
    norms = np.linalg.norm(wanted, axis=1) ** 2
    shares = norms / norms.sum(1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(w, axis=1) ** 2 / P, shares, rtol=1e-3)


@pytest.mark.parametrize(("level", "limit"), [(1e-5, zf), (1e6, mrt)])
def test_its_limits_are_zero_forcing_and_the_directions_of_maximum_ratio(level, limit):
    found, wanted = np.asarray(rzf(H, level)), np.asarray(limit(H))
    np.testing.assert_allclose(along(found, wanted), 1, atol=1e-3)


def test_power_is_the_given_one():
    for w in (mrt(H), zf(H), rzf(H, 1.0)):
        spent = (abs(np.asarray(w, np.complex128)) ** 2).sum((1, 2))
        np.testing.assert_allclose(spent, P, rtol=1e-6)


def test_inactive_users_have_no_beam_and_no_influence():
    active = jnp.ones((B, K), bool).at[:, 1].set(False)
    w = np.asarray(rzf_of_some(H.at[:, 1].set(jnp.nan), active))
    assert not w[:, :, 1].any()
    kept = [0, 2, 3]
    alone = np.asarray(rzf(H[:, np.array(kept)], 1.0))
    np.testing.assert_allclose(w[:, :, kept], alone, atol=1e-4)
    np.testing.assert_allclose((abs(w) ** 2).sum((1, 2)), P, rtol=1e-6)


def test_beams_are_permuted_with_users():
    order = jnp.array([2, 0, 3, 1])
    turned = np.asarray(rzf(H[:, order], 1.0))
    np.testing.assert_allclose(turned, np.asarray(rzf(H, 1.0))[..., order], atol=1e-4)


def test_more_users_than_antennas_cannot_all_be_nulled():
    with pytest.raises(ValueError, match="h: found 4 users and 3 transmit antennas"):
        linear.zf(H[..., :3], P)


def test_inactive_users_need_no_antenna():
    h, some = H[..., :3], jnp.array([True, True, False, True])
    active = jnp.broadcast_to(some, (B, K))
    w = np.asarray(linear.zf(h, P, active))
    u = np.linalg.svd(np.asarray(h))[0][..., 0]
    received = np.einsum("bkn,bknm,bmj->bkj", u.conj(), h, w)[:, some][:, :, some]
    assert not w[:, :, 2].any()
    assert abs(received * (1 - np.eye(3))).max() < 1e-4 * abs(received).max()


def singular(h):
    """Of the strongest direction the gain, over the largest singular value."""
    u = np.asarray(jax.jit(linear.strongest)(h))
    np.testing.assert_allclose(np.linalg.norm(u, axis=-1), 1, rtol=1e-5)
    gain = np.linalg.norm(np.einsum("bkn,bknm->bkm", u.conj(), h), axis=-1)
    return gain / np.linalg.svd(h, compute_uv=False)[..., 0]


def test_the_strongest_direction_of_two_antennas_and_of_three():
    many = complex_normal(jax.random.key(5), (50, K, 3, M))
    for h in (many, many[:, :, :2], many[:, :, :2] * jnp.array([[[[1.0], [1e-4]]]])):
        np.testing.assert_allclose(singular(np.asarray(h)), 1, rtol=1e-5)
    alike = np.zeros((1, 1, 2, 4), np.complex64)
    alike[..., 0, 0] = alike[..., 1, 1] = 3j
    np.testing.assert_allclose(singular(alike), 1, rtol=1e-6)
    last = np.zeros((1, 1, 2, 4), np.complex64)
    last[..., 1, 2] = 1e-3
    np.testing.assert_allclose(singular(last), 1, rtol=1e-6)
    assert not np.asarray(linear.strongest(jnp.zeros((1, 1, 2, 4), complex))).any()


@pytest.mark.parametrize(
    ("precoder", "wanted"),
    [
        ("rzf", (29.8, 27.2, 24.0, 18.6)),
        ("wmmse", (29.8, 27.2, 24.1, 18.6)),
        ("mrt", (20.1, 19.2, 18.0, 16.2)),
    ],
)
def test_reference_sum_rates_of_white_channels(precoder, wanted):
    """64 antennas, 4 users of 2, 10 dB, errors of none, 10, 5 and 0 dB.

    An independent program found these means over 25 channels, to a digit behind the
    point: within three of their standard errors of the means over 400.
    """
    h = complex_normal(jax.random.key(1), (400, 4, 2, 64))
    way = {
        "mrt": mrt,
        "rzf": lambda h: rzf(h, 1.0),
        "wmmse": jax.jit(lambda h: wmmse(h, P, iterations=40)),
    }[precoder]
    for ratio_db, mean in zip((300.0, 10.0, 5.0, 0.0), wanted, strict=True):
        found = np.asarray(rate(h, way(with_error(jax.random.key(2), h, ratio_db))))
        error = 3 * found.std() * np.sqrt(1 / 25 + 1 / 400) + 0.05
        assert found.mean() == pytest.approx(mean, abs=error)
