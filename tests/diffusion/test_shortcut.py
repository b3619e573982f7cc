"""Shortcuts: exact ones of Gaussian data, and convergence of training to them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from wlam.diffusion import Ddim, even_db, linear, sample
from wlam.diffusion.shortcut import (
    ddim_step,
    doublings_of,
    most_doublings,
    shortcut_loss,
    shortcut_velocity,
    velocity_to,
)

SCHEDULE = even_db(16, 30.0, -40.0)
VARIANCE = 4.0
KEY = jax.random.key(0)


def width(step):
    """Standard deviation of x at a step."""
    signal = SCHEDULE.signal[step]
    return jnp.sqrt(VARIANCE * signal + 1 - signal)


def exact(x, step, doublings):
    """Gaussian data: the flow scales x in proportion to its standard deviation."""
    after = step - 2**doublings
    there = x * (width(after) / width(step))[:, None]
    return velocity_to(SCHEDULE, x, step, after, there)


def plain(x, step, doublings):
    """The velocity at the step itself, for any number of doublings."""
    signal = SCHEDULE.signal[step]
    gain = (1 - VARIANCE) * jnp.sqrt(signal * (1 - signal)) / width(step) ** 2
    return gain[:, None] * x


@pytest.mark.parametrize("doublings", [1, 2, 4])
def test_two_halves_of_an_exact_shortcut_are_the_whole(doublings):
    x = jax.random.normal(KEY, (3, 2))
    step, d = jnp.full(3, 16), jnp.full(3, doublings)
    found = shortcut_velocity(exact, SCHEDULE, x, step, d)
    np.testing.assert_allclose(found, exact(x, step, d), rtol=2e-3, atol=2e-4)


def test_one_exact_shortcut_has_the_variance_of_the_data():
    x = jnp.ones((1, 1))
    step, d = jnp.array([16]), jnp.array([4])
    nothing = jnp.array([0])
    found = ddim_step(SCHEDULE, x, step, nothing, exact(x, step, d))
    np.testing.assert_allclose(found, 2.0, rtol=1e-3)
    # Of the velocity at the step itself it is the mean, without any variance.
    lost = ddim_step(SCHEDULE, x, step, nothing, plain(x, step, d))
    assert abs(float(lost[0, 0])) < 0.1


def test_velocity_to_is_the_inverse_of_a_ddim_step():
    x, there = jax.random.normal(KEY, (2, 5, 3), jnp.complex64)
    now, after = jnp.array([16, 9, 4, 2, 1]), jnp.array([0, 3, 2, 1, 0])
    velocity = velocity_to(SCHEDULE, x, now, after, there)
    np.testing.assert_allclose(
        ddim_step(SCHEDULE, x, now, after, velocity), there, atol=1e-3
    )


def test_ddim_step_is_that_of_the_sampler():
    x = jax.random.normal(KEY, (2, 2))
    velocity = 0.3 * x + 0.1
    found = sample(lambda x, step: velocity, SCHEDULE, x, (9, 4), Ddim(), "velocity")
    step = ddim_step(SCHEDULE, x, jnp.array([9]), jnp.array([4]), velocity)
    np.testing.assert_allclose(found, step, atol=1e-6)


def test_training_finds_the_shortcuts_of_its_own_chain():
    """A gain for each step and shortcut; one evaluation equals all sixteen."""
    most = most_doublings(SCHEDULE)

    def predict(gains, x, step, doublings):
        return gains[step, doublings][:, None] * x

    def loss(gains, key):
        data = jnp.sqrt(VARIANCE) * jax.random.normal(key, (512, 1))
        key = jax.random.fold_in(key, 1)
        return shortcut_loss(
            lambda *a: predict(gains, *a), SCHEDULE, data, key, share=0.5
        )

    steps = 1500
    optimizer = optax.adam(optax.cosine_decay_schedule(0.05, steps))

    def step(carry, key):
        gains, state = carry
        change, state = optimizer.update(jax.grad(loss)(gains, key), state)
        return (optax.apply_updates(gains, change), state), None

    gains = jnp.zeros((SCHEDULE.num_steps + 1, most + 1))
    start = gains, optimizer.init(gains)
    train = jax.jit(lambda keys: jax.lax.scan(step, start, keys)[0][0])
    gains = train(jax.random.split(KEY, steps))

    def drawn(nfe):
        d = doublings_of(SCHEDULE, nfe)
        x, at = jnp.ones((1, 1)), SCHEDULE.num_steps
        while at:
            now, after = jnp.array([at]), jnp.array([at - 2**d])
            velocity = predict(gains, x, now, jnp.array([d]))
            x, at = ddim_step(SCHEDULE, x, now, after, velocity), at - 2**d
        return float(x[0, 0])

    assert drawn(1) == pytest.approx(drawn(16), rel=0.05)
    assert drawn(2) == pytest.approx(drawn(16), rel=0.05)
    assert drawn(16) == pytest.approx(2.0, rel=0.2)


def test_no_share_is_the_loss_of_the_velocity():
    """The loss of an exact one is the variance of the velocity given x."""
    data = jnp.sqrt(VARIANCE) * jax.random.normal(KEY, (40_000, 1))
    found = shortcut_loss(plain, SCHEDULE, data, jax.random.key(1), share=0.0)
    # x and the velocity are data and noise, of variances v and 1, rotated: the product
    # of their variances, each given the other's, stays v.
    wanted = np.mean(VARIANCE / np.asarray(width(jnp.arange(1, 17))) ** 2)
    assert float(found) == pytest.approx(wanted, rel=0.03)


def test_doublings_of_network_evaluations():
    assert [doublings_of(SCHEDULE, n) for n in (1, 2, 16)] == [4, 3, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: most_doublings(linear(10)), "num_steps: found 10; needed a power of"),
        (lambda: doublings_of(SCHEDULE, 3), "nfe: found 3; needed a power of 2, 1"),
        (lambda: doublings_of(SCHEDULE, 32), "nfe: found 32"),
        (
            lambda: shortcut_loss(plain, SCHEDULE, jnp.ones((2, 1)), KEY, share=1.5),
            "share: found 1.5",
        ),
    ],
)
def test_invalid_numbers_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
