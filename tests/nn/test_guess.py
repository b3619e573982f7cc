"""The linear fit that forecasts start from."""

import jax
import jax.numpy as jnp
import numpy as np

from wlam.nn.guess import linear_guess, solve_positive

P = 16
T = jnp.arange(6 * P)
NOTHING_HIDDEN = jnp.zeros((1, 6 * P), bool)


def test_solves_positive_systems():
    a = jax.random.normal(jax.random.key(0), (5, 8, 12))
    matrix = jnp.einsum("bik,bjk->bij", a, a) + 0.1 * jnp.eye(8)[None]
    right = jax.random.normal(jax.random.key(1), (5, 8))
    np.testing.assert_allclose(
        solve_positive(matrix, right),
        jnp.linalg.solve(matrix, right[..., None])[..., 0],
        rtol=1e-3,
        atol=1e-4,
    )


def test_continues_tones():
    """A complex tone obeys a complex recurrence of order one, and so does any other."""
    phase = 0.3 * T
    tone = jnp.stack([jnp.cos(phase), jnp.sin(phase)])[None]
    guess = linear_guess(tone, NOTHING_HIDDEN, P, P, True)
    after = 0.3 * (T[P - 1 :: P, None] + 1 + jnp.arange(P)[None])
    truth = jnp.stack([jnp.cos(after), jnp.sin(after)])
    error = ((guess[0] - truth) ** 2).mean((0, 2))[:-1] / 0.5
    assert (error[1:] < 1e-3).all()  # a penalty, so close but not exact
    assert (jnp.diff(error) < 1e-6).all()  # and better with more context


def test_uses_the_past_only():
    x = jax.random.normal(jax.random.key(0), (1, 2, 6 * P))
    guess = linear_guess(x, NOTHING_HIDDEN, P, P, True)
    changed = x.at[..., 3 * P :].add(1.0)
    again = linear_guess(changed, NOTHING_HIDDEN, P, P, True)
    np.testing.assert_array_equal(again[:, :, :3], guess[:, :, :3])
    assert (again[:, :, 3:] != guess[:, :, 3:]).any()


def test_hidden_samples_do_not_exist():
    x = jax.random.normal(jax.random.key(0), (1, 2, 6 * P))
    hidden = NOTHING_HIDDEN.at[:, : 2 * P].set(True)
    guess = linear_guess(jnp.where(hidden[:, None], jnp.nan, x), hidden, P, P, True)
    short = linear_guess(x[..., 2 * P :], hidden[:, 2 * P :], P, P, True)
    np.testing.assert_allclose(guess[:, :, 2:], short, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(guess[:, :, :2], 0)


def test_stays_within_its_bound():
    growth = (1.5 ** jnp.arange(6 * P)).reshape(1, 1, -1) / 1.5 ** (6 * P)
    guess = linear_guess(growth, NOTHING_HIDDEN, P, P, False)
    assert (abs(guess[0, 0]) <= 2 * growth[0, 0, P - 1 :: P, None] + 1e-6).all()
