"""The beam tracker: what is looked at, what time does, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.models.beam_tracker.network import CELLS, BeamTrackerConfig
from wlam.types import DataError, SeriesBatch, SweepBatch, Sweeps

N, T, B, Q = 3, 14, 12, 4
RNG = np.random.default_rng(0)
SWEEPS = RNG.uniform(-90, -60, size=(N, T, B)).astype(np.float32)
SEEN = RNG.random((N, T)) < 0.5
SEEN[:, [1, 3, 5, 7]] = True
INTERVAL = np.full(N, 0.025, np.float32)
ORIGIN = RNG.integers(-4, 0, size=(N, Q))
AHEAD = RNG.uniform(0, 0.2, size=(N, Q)).astype(np.float32)


def tiny(**more):
    return BeamTrackerConfig(**{"units": 4, "layers": 2, "reach": 1, **more})


@pytest.fixture(scope="module", params=[*CELLS, "together"])
def run(request):
    if request.param == "together":
        return jax.jit(tiny(together=B).build(nnx.Rngs(0)))
    return jax.jit(tiny(cell=request.param).build(nnx.Rngs(0)))


@pytest.fixture(scope="module")
def cfc():
    return jax.jit(tiny(memory=T).build(nnx.Rngs(0)))


def test_probabilities_of_what_was_seen_and_nothing_else(run):
    want = run(SWEEPS, SEEN, INTERVAL, ORIGIN, AHEAD)
    np.testing.assert_allclose(np.exp(want).sum(2), 1, rtol=1e-5)
    holes = np.where(SEEN[..., None], SWEEPS, np.nan)
    np.testing.assert_array_equal(run(holes, SEEN, INTERVAL, ORIGIN, AHEAD), want)
    # Powers count against the strongest: another unit of power changes nothing.
    louder = run(SWEEPS + 20, SEEN, INTERVAL, ORIGIN, AHEAD)
    np.testing.assert_allclose(louder, want, atol=1e-4)


def test_asked_behind_an_earlier_sweep_the_later_ones_are_unheard(cfc):
    earlier = np.full((N, Q), -3)
    want = cfc(SWEEPS, SEEN, INTERVAL, earlier, AHEAD)
    # Without the last two sweeps that one is the last.
    late = np.cumsum(SEEN[:, ::-1], axis=1)[:, ::-1] <= 2
    found = cfc(SWEEPS, SEEN & ~late, INTERVAL, np.full((N, Q), -1), AHEAD)
    np.testing.assert_allclose(found, want, atol=1e-5)


def test_the_last_sweeps_are_listened_to():
    run = jax.jit(tiny(memory=3).build(nnx.Rngs(0)))
    origin = np.full((N, Q), -1)
    want = run(SWEEPS, SEEN, INTERVAL, origin, AHEAD)
    early = np.cumsum(SEEN[:, ::-1], axis=1)[:, ::-1] > 3
    other = np.where(early[..., None], SWEEPS[:, :, ::-1], SWEEPS)
    np.testing.assert_array_equal(run(other, SEEN, INTERVAL, origin, AHEAD), want)


def test_questions_leave_no_trace(cfc):
    want = cfc(SWEEPS, SEEN, INTERVAL, ORIGIN, AHEAD)
    order = np.array([2, 0, 3, 1])
    found = cfc(SWEEPS, SEEN, INTERVAL, ORIGIN[:, order], AHEAD[:, order])
    np.testing.assert_allclose(found, want[:, order], atol=1e-6)


def test_beams_are_a_circle():
    """But for where they point, which is an input of its own, here not heard."""
    network = tiny().build(nnx.Rngs(0))
    kernel = network.layers[0].around.kernel
    kernel[...] = kernel[...].at[1::3].set(0)
    for layer in (network.head.w1, network.head.w3):
        layer.kernel[...] = layer.kernel[...].at[-2].set(0)
    run = jax.jit(network)
    want = run(SWEEPS, SEEN, INTERVAL, ORIGIN, AHEAD)
    found = run(np.roll(SWEEPS, 5, axis=2), SEEN, INTERVAL, ORIGIN, AHEAD)
    np.testing.assert_allclose(found, np.roll(want, 5, axis=2), atol=1e-5)


def test_heard_together_beams_are_those_of_one_codebook():
    run = jax.jit(tiny(together=B).build(nnx.Rngs(0)))
    with pytest.raises(ValueError, match="sweeps: found 11 beams; needed 12"):
        run(SWEEPS[..., 1:], SEEN, INTERVAL, ORIGIN, AHEAD)
    # No neighbours: a beam that moves does not take the answer along.
    want = run(SWEEPS, SEEN, INTERVAL, ORIGIN, AHEAD)
    moved = run(np.roll(SWEEPS, 1, axis=2), SEEN, INTERVAL, ORIGIN, AHEAD)
    assert abs(moved - np.roll(want, 1, axis=2)).max() > 1e-3


def test_who_is_told_the_time():
    def differs(interval, ahead, **about):
        run = jax.jit(tiny(**about).build(nnx.Rngs(0)))
        found = run(SWEEPS, SEEN, INTERVAL, ORIGIN, AHEAD)
        return float(abs(run(SWEEPS, SEEN, interval, ORIGIN, ahead) - found).max())

    slower = 2 * INTERVAL
    assert differs(slower, AHEAD) > 1e-4
    assert differs(slower, AHEAD, elapsed=False) < 1e-6
    assert differs(INTERVAL, 2 * AHEAD, elapsed=False) > 1e-4
    assert differs(slower, 2 * AHEAD, cell="lstm") < 1e-6


def test_the_loss_is_of_finite_gradient_where_sweeps_and_truth_are_missing():
    network = tiny().build(nnx.Rngs(0))
    holes = np.where(SEEN[..., None], SWEEPS, np.nan)
    clean = SWEEPS.copy()
    clean[0, 4:] = np.nan
    part = SweepBatch(jnp.asarray(holes), jnp.asarray(clean), jnp.asarray(INTERVAL), 8)
    run = jax.jit(nnx.value_and_grad(lambda n: n.loss(part, jax.random.key(0))))
    loss, gradients = run(network)
    assert float(loss) == pytest.approx(np.log(B), abs=1.0)  # fresh, all alike
    assert all(jnp.isfinite(g).all() for g in jax.tree.leaves(gradients))
    rows = SeriesBatch(part.values, part.clean, part.interval, 0, True)
    with pytest.raises(ValueError, match="needed task beam_irregular with a context"):
        network.loss(rows, jax.random.key(0))


def test_a_model_of_sweeps_as_users_have_them():
    network = tiny().build(nnx.Rngs(0))
    model = network.model()
    holes = np.where(SEEN[..., None], SWEEPS, np.nan)
    asked = Sweeps(holes, time_step_s=0.025)
    found = model.predict(asked, 5).rsrp_db
    assert found.shape == (N, 5, B)
    last = T - 1 - np.argmax(SEEN[:, ::-1], axis=1)
    ahead = 0.025 * (T + np.arange(5)[None] - last[:, None])
    want = jax.jit(network)(
        SWEEPS, SEEN, INTERVAL, np.full((N, 5), -1), ahead.astype(np.float32)
    )
    np.testing.assert_allclose(found, want, atol=1e-5)
    alone = model.predict(Sweeps(holes[1], time_step_s=0.025), 5)
    np.testing.assert_allclose(alone.rsrp_db, found[1], atol=1e-5)
    # By a mask, whatever the values; a sweep of which a beam is missing is not made.
    mask = np.repeat(SEEN[..., None], B, axis=2)
    mask[..., 1:] |= RNG.random((N, T, B - 1)) < 0.5
    mask[~SEEN, 0] = False
    masked = model.predict(Sweeps(SWEEPS, time_step_s=0.025, mask=mask), 5)
    np.testing.assert_array_equal(masked.rsrp_db, found)


@pytest.mark.parametrize(
    ("context", "said"),
    [
        (np.ones((2, 4, 8), complex), "rsrp_db: found complex128 of shape"),
        (np.ones(4), r"rsrp_db: found shape \(4,\)"),
        (np.full((2, 4, 8), np.nan), "mask: sample 0 has nothing measured"),
        (
            np.where(np.arange(8) > 3, np.nan, np.ones((1, 4, 8))),
            "mask: found no whole sweep in sample 0",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused(context, said):
    model = tiny().build(nnx.Rngs(0)).model()
    with pytest.raises(DataError, match=said):
        model.predict(Sweeps(context, time_step_s=0.1), 3)
    with pytest.raises(DataError, match="axis: found 'frequency'; needed 'time'"):
        model.predict(Sweeps(np.ones((4, 8)), time_step_s=0.1), 3, "frequency")


@pytest.mark.parametrize(
    "wrong", [{"layers": 0}, {"reach": -1}, {"unit_s": 0.0}, {"together": 0}]
)
def test_sizes_that_make_no_network_are_named(wrong):
    with pytest.raises(ValueError, match=f"model.*{next(iter(wrong))}.*: found"):
        BeamTrackerConfig(**wrong)
