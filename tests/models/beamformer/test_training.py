"""The beamformer as a model like any other: its loss, its data, and what users call."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.data.generators import generate
from wlam.models.beamformer.network import BeamformerConfig
from wlam.phy.mimo.precoding import rzf, sum_rate
from wlam.phy.noise import complex_normal
from wlam.simulate.downlink import DownlinkConfig, RayleighConfig, rayleigh, tracks
from wlam.tasks import TASKS
from wlam.tasks.mixture import DataSource, draw_batch
from wlam.types import DataError, Downlink, DownlinkBatch, SweepBatch

CONFIG = BeamformerConfig(antennas=8, units=4, steps=1, step_units=4)
T, K = 6, 3
H = np.asarray(complex_normal(jax.random.key(0), (2, T, K, 2, 8)))


@pytest.fixture(scope="module")
def model():
    network = CONFIG.build(nnx.Rngs(0))
    key = jax.random.key(1)
    nnx.update(
        network,
        jax.tree.map(
            lambda x: x + 0.5 * jax.random.normal(key, x.shape), nnx.state(network)
        ),
    )
    return network.model()


def test_the_loss_is_minus_the_sum_rate_behind_the_first_samples():
    """Without errors, filter and steps the beams are those of RZF."""
    config = replace(
        CONFIG, filter=False, steps=0, error_ratio_db=(300.0, 300.0), warm=2
    )
    network = config.build(nnx.Rngs(0))
    h = jnp.asarray(H)
    loss = jax.jit(network.loss)(DownlinkBatch(h), jax.random.key(0))
    late = h[:, 2:]
    wanted = -sum_rate(late, rzf(late, config.power)).mean()
    np.testing.assert_allclose(loss, wanted, rtol=1e-5)


def test_errors_cost_rate():
    values = []
    for ratio_db in (30.0, 0.0):
        config = replace(CONFIG, error_ratio_db=(ratio_db, ratio_db), warm=0)
        network = config.build(nnx.Rngs(0))
        batch = DownlinkBatch(jnp.asarray(H))
        values.append(float(jax.jit(network.loss)(batch, jax.random.key(0))))
    assert values[0] < values[1] - 1


def test_what_a_loss_cannot_use_is_named():
    network = CONFIG.build(nnx.Rngs(0))
    sweeps = SweepBatch(jnp.zeros((1, 4, 8)), jnp.zeros((1, 4, 8)), jnp.ones(1), 2)
    with pytest.raises(ValueError, match=r"mixture: .* needed precode"):
        network.loss(sweeps, jax.random.key(0))
    with pytest.raises(ValueError, match="found 6 samples; needed more than warm, 8"):
        network.loss(DownlinkBatch(jnp.asarray(H)), jax.random.key(0))


def test_sources_draw_independent_base_stations_by_their_key():
    white = RayleighConfig(users=K, antennas=8, num_times=T)
    data = jax.jit(lambda key: generate(key, white, 3))(jax.random.key(5))
    assert data.channels.shape == (3, T, K, 2, 8)
    for i, key in enumerate(jax.random.split(jax.random.key(5), 3)):
        one = rayleigh(key, T, K, 2, 8)
        np.testing.assert_allclose(data.channels[i], one, rtol=1e-5, atol=1e-6)
    given = DownlinkConfig(users=1, clusters=2)
    given = replace(given, tracks=replace(given.tracks, num_times=3))
    draw = jax.jit(lambda key: generate(key, given, 1))
    key = jax.random.key(5)
    found = draw(key)
    np.testing.assert_allclose(found.time_step_s, 0.01)
    one = jax.jit(lambda key: tracks(key, given))(jax.random.split(key, 1)[0])
    np.testing.assert_allclose(found.channels[0], one, rtol=1e-5, atol=1e-6)


def test_a_mixture_gives_the_batch_that_the_loss_takes():
    source = RayleighConfig(users=K, antennas=8, num_times=12)
    mixture = {"white": DataSource("precode", source, 1.0, rows_per_sample=1)}
    batch = draw_batch(jax.random.key(0), mixture, {"white": 4})
    assert batch["white"].channels.shape == (4, 12, K, 2, 8)
    losses, figures = CONFIG.build(nnx.Rngs(0)).losses(batch, jax.random.key(1))
    assert list(losses) == ["white"]
    assert losses["white"] < 0
    assert figures == {}


def test_the_task_forecasts_nothing():
    with pytest.raises(DataError, match="precode, which forecasts nothing"):
        TASKS["precode"].sequences(None)


def test_piece_by_piece_gives_the_beams_of_the_whole_track(model):
    whole = model.precode(H, 0.1)
    assert whole.shape == (2, T, 8, K)
    np.testing.assert_allclose((abs(whole) ** 2).sum((2, 3)), 10.0, rtol=1e-5)
    np.testing.assert_allclose(model.precode(H[1], 0.1), whole[1], atol=1e-5)
    follower = model.follow(K)
    pieces = [follower.precode(H[0, t : t + 1], 0.1) for t in range(T)]
    np.testing.assert_allclose(np.concatenate(pieces), whole[0], atol=1e-4)
    # The past matters: a follower of the last sample alone forms others.
    assert abs(model.follow(K).precode(H[0, -1:], 0.1) - whole[0, -1:]).max() > 1e-3


def test_users_who_are_away_have_no_beam(model):
    there = np.ones((T, K), bool)
    there[2:, 1] = False
    beams = model.precode(H[0], np.full(T, 0.1), active=there)
    assert not beams[2:, :, 1].any()
    assert (abs(beams[:2, :, 1]) ** 2).sum(1).all()


def test_data_and_golden_pair_are_taken_alike(model):
    data = Downlink(H, np.full(2, 0.01, np.float32))
    np.testing.assert_array_equal(model.precode(data, 0.1), model.precode(H, 0.1))
    golden = model.golden()
    assert golden["beams"].shape == (6, 8, 3)
    np.testing.assert_array_equal(golden["beams"], model.golden()["beams"])


def test_a_model_says_what_it_can(model):
    assert model.can("precode")
    assert not model.can("predict")
    assert model.why_not(Downlink) == ""
    assert "takes wlam.types.Downlink; can precode" in repr(model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((H.real, 0.1), r"channels: found float32 .* needed complex"),
        ((H[..., :4], 0.1), r"channels: .* needed complex \[time, user, 2, 8\]"),
        ((H * np.nan, 0.1), "channels: found NaN"),
        ((H, -0.1), "error_variance: .* needed finite numbers of 0 or more"),
        ((H, np.ones(5)), r"error_variance: .* one, \(6,\) or \(2, 6\)"),
        ((H, 0.1, np.ones((3, 6))), "elapsed: "),
        ((H, 0.1, None, np.ones((2, T, K))), "active: found float64"),
    ],
)
def test_what_cannot_be_used_is_named(model, arguments, message):
    with pytest.raises(DataError, match=message):
        model.precode(*arguments)


def test_a_follower_takes_one_base_station_with_its_users(model):
    with pytest.raises(DataError, match="users: found 0"):
        model.follow(0)
    with pytest.raises(DataError, match="found 2 tracks of 3 users; needed one of 3"):
        model.follow(K).precode(H, 0.1)
