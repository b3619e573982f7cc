"""WMMSE: it ascends, it converges, and the span of the channels suffices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.phy import noise
from wlam.phy.mimo.precoding import rates
from wlam.phy.mimo.precoding.linear import gram_of, rzf_coordinates, strongest
from wlam.phy.mimo.precoding.wmmse import rate_of, wmmse, wmmse_converged, wmmse_step

B, K, N, M, P = 3, 3, 2, 8, 10.0
complex_normal = jax.jit(noise.complex_normal, static_argnums=1)
H = complex_normal(jax.random.key(0), (B, K, N, M))
solved = jax.jit(lambda h, active=None: wmmse(h, P, 1.0, active, 60))
sum_rate = jax.jit(rates.sum_rate)


def plainly(h, iterations):
    """The textbook over all antennas, in double precision, from random beams.

    Receivers, weights, and beams whose multiplier is found by bisection.
    """
    rng = np.random.default_rng(0)
    users, _, tx = h.shape
    w = rng.standard_normal((tx, users)) + 1j * rng.standard_normal((tx, users))
    w *= np.sqrt(P / (abs(w) ** 2).sum())
    for _ in range(iterations):
        received = h @ w
        receiver, weight = [], []
        for k in range(users):
            covariance = received[k] @ received[k].conj().T + np.eye(h.shape[1])
            receiver.append(np.linalg.solve(covariance, received[k][:, k]))
            weight.append(1 / (1 - (receiver[k].conj() @ received[k][:, k]).real))
        a = np.stack([r.conj() @ x for r, x in zip(receiver, h, strict=True)])
        matrix = (a.conj().T * weight) @ a
        right = a.conj().T * weight
        low, high = 0.0, 1e4
        for _ in range(80):
            middle = (low + high) / 2
            w = np.linalg.solve(
                matrix + middle * np.eye(tx) + 1e-12 * np.eye(tx), right
            )
            low, high = (middle, high) if (abs(w) ** 2).sum() > P else (low, middle)
    return w


def test_the_sum_rate_never_falls():
    gram, u = gram_of(H), strongest(H)
    level = jnp.ones((B, K))
    x = rzf_coordinates(gram, u, P, level)
    step = jax.jit(lambda x: wmmse_step(gram, x, P, level))
    rate = jax.jit(lambda x: rate_of(gram, x, P, level).sum(-1))
    before = np.asarray(rate(x))
    first = before
    for _ in range(30):
        x = step(x)
        after = np.asarray(rate(x))
        assert (after > before - 2e-5).all()
        before = after
    assert (before > first + 0.01).any()


def test_the_span_of_the_channels_contains_the_textbook_solution():
    """Nothing outside it; and from another start, no sum rate more than 2 % away."""
    w = plainly(np.asarray(H[0], np.complex128), 400)
    rows = np.asarray(H[0], np.complex128).reshape(K * N, M)
    inside = np.linalg.pinv(rows) @ rows @ w
    np.testing.assert_allclose(inside, w, atol=1e-9)
    theirs = float(sum_rate(H[:1], jnp.asarray(w[None], jnp.complex64))[0])
    ours = float(sum_rate(H, solved(H))[0])
    assert ours == pytest.approx(theirs, rel=0.02)


def test_one_user_with_one_antenna_gets_maximum_ratio():
    h = H[:, :1, :1]
    found = sum_rate(h, jax.jit(lambda h: wmmse(h, P, iterations=5))(h))
    wanted = np.log2(1 + P * (abs(np.asarray(h)) ** 2).sum((1, 2, 3)))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_it_converges():
    w, iterations = jax.jit(lambda h: wmmse_converged(h, P, tolerance=1e-6))(H)
    assert 3 < int(iterations) < 1000
    spent = (abs(np.asarray(w, np.complex128)) ** 2).sum((1, 2))
    np.testing.assert_allclose(spent, P, rtol=1e-6)
    np.testing.assert_allclose(sum_rate(H, w), sum_rate(H, solved(H)), rtol=5e-3)


def test_inactive_users_have_no_beam_and_no_influence():
    active = jnp.ones((B, K), bool).at[:, 2].set(False)
    w = np.asarray(solved(H, active))
    assert not w[:, :, 2].any()
    alone = solved(H[:, :2])
    some = sum_rate(H[:, :2], w[:, :, :2])
    np.testing.assert_allclose(some, sum_rate(H[:, :2], alone), rtol=1e-4)


def test_no_iterations_are_refused():
    with pytest.raises(ValueError, match="iterations: found 0; needed 1 or more"):
        wmmse(H, P, iterations=0)
