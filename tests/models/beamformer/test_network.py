"""Beams by liquid networks: gradients, invariances, memory, power, what is refused."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.models.beamformer import network as beamformer
from wlam.models.beamformer.network import BeamformerConfig, Space
from wlam.models.beamformer.online import OnlineBeamformer, OnlineConfig, steadied
from wlam.phy import noise
from wlam.phy.mimo.precoding import rates
from wlam.phy.mimo.precoding.linear import gram_of, rzf, stacked

B, T, K, N, M, P = 2, 4, 3, 2, 8, 10.0
CONFIG = BeamformerConfig(antennas=M, units=4, steps=2, step_units=4, power=P)
ONLINE = OnlineConfig(antennas=M, users=K, power=P)
complex_normal = jax.jit(noise.complex_normal, static_argnums=1)
H = complex_normal(jax.random.key(0), (B, T, K, N, M))
VARIANCE = jnp.full((B, T), 0.1)
sum_rate = jax.jit(rates.sum_rate)


def shaken(config, by=0.5):
    """A network whose last layers are not zero: a fresh one would hide errors."""
    model = config.build(nnx.Rngs(0))
    key = jax.random.key(1)

    def shake(x):
        return x + by * jax.random.normal(jax.random.fold_in(key, x.size), x.shape)

    nnx.update(model, jax.tree.map(shake, nnx.state(model)))
    return model


def runner(model):
    """(carried, channels, variances, elapsed, active) -> beams and what is carried."""
    graph, params = nnx.split(model)

    @jax.jit
    def run(carried, h, variance, elapsed=None, active=None):
        return nnx.merge(graph, params)(carried, h, variance, elapsed, active)

    return run


@pytest.fixture(scope="module")
def model():
    return shaken(CONFIG)


@pytest.fixture(scope="module")
def run(model):
    return runner(model)


@pytest.fixture(scope="module")
def beams(model, run):
    return np.asarray(run(model.start(B, K), H, VARIANCE)[0])


@pytest.mark.parametrize("manifold", [True, False])
def test_the_gradient_is_that_of_finite_differences(manifold):
    """Of -sum rate at full power; in coordinates it is H^H times what is found."""
    h = H[0, 0]
    rows, start = stacked(h), complex_normal(jax.random.key(2), (K * N, K))
    w = rows.conj().T @ start
    x, space = (start, Space(gram_of(h), None)) if manifold else (w, Space(rows, rows))
    level = jnp.array([1.0, 2.0, 0.5])

    def loss(w):
        return -sum_rate(h, rates.normalise_power(w, P), level)

    way, found_rates = jax.jit(
        lambda x: beamformer.gradient(space, x, space.hear(x), level, P)
    )(x)
    way = rows.conj().T @ way if manifold else way
    np.testing.assert_allclose(-found_rates.sum(), loss(w), rtol=1e-5)
    for seed in range(3):
        ahead = complex_normal(jax.random.key(seed), w.shape)
        step = 3e-3 * jnp.linalg.norm(w) / jnp.linalg.norm(ahead)
        slope = (loss(w + step * ahead) - loss(w - step * ahead)) / (2 * step)
        # d loss = 2 Re <d / dW*, dW>.
        wanted = 2 * (way.conj() * ahead).sum().real
        np.testing.assert_allclose(slope, wanted, rtol=2e-2, atol=2e-3)
    # What is only longer is not better.
    assert abs((way.conj() * w).sum().real) < 1e-3 * jnp.linalg.norm(way) * (
        jnp.linalg.norm(w)
    )


def test_power_is_held_to_a_millionth(beams):
    assert beams.shape == (B, T, M, K)
    spent = (abs(beams.astype(np.complex128)) ** 2).sum((2, 3))
    np.testing.assert_allclose(spent, P, rtol=1e-6)


def test_beams_change_places_with_users(model, run, beams):
    order = jnp.array([2, 0, 1])
    turned = run(model.start(B, K), H[:, :, order], VARIANCE)[0]
    np.testing.assert_allclose(turned, beams[..., np.asarray(order)], atol=1e-3)


def test_piece_by_piece_is_the_whole_and_what_is_carried_matters(model, run, beams):
    carried, pieces = model.start(B, K), []
    for t in range(T):
        w, carried = run(carried, H[:, t : t + 1], VARIANCE[:, t : t + 1])
        pieces.append(np.asarray(w))
    np.testing.assert_allclose(np.concatenate(pieces, 1), beams, atol=1e-4)
    afresh = run(model.start(B, K), H[:, -1:], VARIANCE[:, -1:])[0]
    assert abs(np.asarray(afresh)[:, 0] - beams[:, -1]).max() > 1e-2


def test_elapsed_time_matters(model, run, beams):
    late = run(model.start(B, K), H, VARIANCE, jnp.full((B, T), 5.0))[0]
    assert abs(np.asarray(late) - beams).max() > 1e-2


def test_who_is_not_there_has_no_beam_and_changes_nobody_elses(model, run):
    active = jnp.ones((B, T, K), bool).at[:, 1:3, 0].set(False)
    gone = H.at[:, 1:3, 0].set(0.0)
    w = np.asarray(run(model.start(B, K), gone, VARIANCE, None, active)[0])
    assert not w[:, 1:3, :, 0].any()
    assert abs(w[:, 3, :, 0]).min() > 0
    spent = (abs(w.astype(np.complex128)) ** 2).sum((2, 3))
    np.testing.assert_allclose(spent, P, rtol=1e-6)
    alone = run(model.start(B, K - 1), H[:, :, 1:], VARIANCE)[0]
    np.testing.assert_allclose(w[:, 1:3, :, 1:], alone[:, 1:3], atol=1e-3)


def test_fresh_steps_go_nowhere():
    """Before training it is regularised zero forcing of what the filter gives."""
    model = replace(CONFIG, filter=False).build(nnx.Rngs(0))
    w = runner(model)(None, H, VARIANCE)[0]
    wanted = jax.jit(lambda h: rzf(h, P, 1 + P * 0.1))(H)
    np.testing.assert_allclose(w, wanted, atol=1e-4)


def test_all_antennas_give_what_coordinates_give(model, beams):
    """The gradient lies in the span of the channels, so that no beam leaves it."""
    whole = replace(CONFIG, manifold=False).build(nnx.Rngs(0))
    nnx.update(whole, nnx.state(model))
    w = runner(whole)(whole.start(B, K), H, VARIANCE)[0]
    np.testing.assert_allclose(w, beams, atol=2e-3)


def test_without_an_error_the_filter_keeps_the_channel():
    model = CONFIG.build(nnx.Rngs(0))
    none = jnp.zeros((B, T))
    h, left, _ = jax.jit(model.clean)(model.start(B, K), H, none)
    miss = (abs(h - H) ** 2).sum() / (abs(H) ** 2).sum()
    assert float(miss) < 1e-3
    assert float(left.max()) < 1e-3


@pytest.mark.parametrize("cell", ["lstm", "mlp"])
def test_other_cells_have_memory_or_none(cell):
    model = shaken(replace(CONFIG, cell=cell, steps=0))
    run = runner(model)
    whole = np.asarray(run(model.start(B, K), H, VARIANCE)[0])[:, -1:]
    afresh = np.asarray(run(model.start(B, K), H[:, -1:], VARIANCE[:, -1:])[0])
    assert (abs(whole - afresh).max() > 1e-2) == (cell == "lstm")


@pytest.fixture(scope="module")
def published():
    return OnlineBeamformer(ONLINE)


def test_the_published_loop_holds_the_power_and_remembers(published):
    key = jax.random.key(3)
    w, tuned = published.follow(published.start(), H[0], key)
    spent = (abs(np.asarray(w, np.complex128)) ** 2).sum((1, 2))
    np.testing.assert_allclose(spent, P, rtol=1e-6)
    again, _ = published.follow(tuned, H[0], key)
    forgot = replace(tuned, state=jax.tree.map(jnp.zeros_like, tuned.state))
    other, _ = published.follow(forgot, H[0], key)
    assert abs(again - other).max() > 1e-3
    # The network is tuned, and it is the network that says so.
    assert abs(again - w).max() > 1e-3


def test_its_loss_is_its_equation(published):
    h = H[0, 0]
    x = complex_normal(jax.random.key(4), (K * N, K))
    found, w = jax.jit(published.loss)(h, x)
    rate = np.asarray(rates.spectral_efficiency(h, w))
    below = np.maximum(2.5 - rate, 0).sum()
    wanted = -rate.sum() + 0.7 * below + 0.3 * rate.var(ddof=1)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    phases = jnp.exp(1j * jnp.arange(K, dtype=jnp.float32))[None]
    turned, _ = jax.jit(published.loss)(h, x * phases)
    np.testing.assert_allclose(turned, found, rtol=1e-4)


def test_the_steadied_loop_begins_at_regularised_zero_forcing():
    """With a last layer of zeros and one tuning, the first beams are the start's."""
    loop = OnlineBeamformer(replace(steadied(ONLINE), tunings=1))
    w, _ = loop.follow(loop.start(), H[0], jax.random.key(5))
    wanted = np.asarray(jax.jit(lambda h: rzf(h, P))(H[0, 0]))
    np.testing.assert_allclose(w[0], wanted, atol=5e-5)
    wanted = np.asarray(jax.jit(lambda h: rzf(h, P))(H[0, -1]))
    assert abs(np.asarray(w[-1]) - wanted).max() > 2e-4


def test_one_user_with_one_antenna_gets_maximum_ratio():
    """log2(1 + P |h|^2): down the gradient from random beams, and by the loop."""
    h = H[0, :, :1, :1]
    wanted = np.log2(1 + P * (abs(np.asarray(h)) ** 2).sum((1, 2, 3)))
    rows, level = stacked(h), jnp.ones((T, 1))
    space = Space(rows, rows)

    @jax.jit
    def descend(w):
        def once(_, w):
            way, _ = beamformer.gradient(space, w, space.hear(w), level, P)
            length = jnp.linalg.norm(w, axis=(1, 2), keepdims=True)
            return w - 0.3 * length**2 * way

        return rates.normalise_power(jax.lax.fori_loop(0, 200, once, w), P)

    w = complex_normal(jax.random.key(7), (T, M, 1))
    before = sum_rate(h, rates.normalise_power(w, P))
    assert (np.asarray(before) < 0.9 * wanted).any()
    np.testing.assert_allclose(sum_rate(h, descend(w)), wanted, rtol=1e-2)
    # Coordinates of one antenna can only be a number, whatever the network says.
    loop = OnlineBeamformer(replace(ONLINE, users=1, user_antennas=1, units=8))
    w, _ = loop.follow(loop.start(), h, jax.random.key(6))
    np.testing.assert_allclose(sum_rate(h, w), wanted, rtol=1e-2)


def test_where_nothing_is_to_be_gained_steps_stay():
    """One user's best beam is where they begin; rounding must not lead away."""
    model = shaken(replace(CONFIG, filter=False, user_antennas=1, manifold=False))
    h = H[:, :, :1, :1]
    w, _ = runner(model)(None, h, jnp.zeros((B, T)))
    wanted = np.log2(1 + P * (abs(np.asarray(h)) ** 2).sum((2, 3, 4)))
    np.testing.assert_allclose(sum_rate(h, w), wanted, rtol=1e-2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"units": 0}, "units: found 0"),
        ({"steps": -1}, "steps: found -1"),
        ({"power": 0.0}, "power: found 0.0"),
        ({"trust": -0.1}, "trust: found -0.1"),
    ],
)
def test_impossible_sizes_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **given).build(nnx.Rngs(0))


def test_channels_that_cannot_be_served_are_refused(model, published):
    start = model.start(B, K)
    with pytest.raises(ValueError, match=r"h_hat: found .* antennas; needed"):
        model(start, H[..., :4], VARIANCE)
    with pytest.raises(ValueError, match="h: found NaN or infinity"):
        model(start, H.at[0, 0, 0].set(jnp.nan), VARIANCE)
    with pytest.raises(ValueError, match="h: found a channel of zeros"):
        model(start, H.at[0, 0, 0].set(0.0), VARIANCE)
    with pytest.raises(ValueError, match="active: found nobody"):
        model(start, H, VARIANCE, None, jnp.zeros((B, T, K), bool))
    with pytest.raises(ValueError, match="h_hat: found"):
        published.sample(published.start(), H[0, 0, :2], jax.random.key(0))
