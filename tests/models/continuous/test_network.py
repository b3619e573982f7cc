"""Forecasts at any time: what is looked at, what time does, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.models.continuous.network import CELLS, ContinuousConfig
from wlam.types import Csi, DataError, Series, SeriesBatch

B, T, H = 3, 20, 4
RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(B, T, 2)).astype(np.float32)
SEEN = RNG.random((B, T)) < 0.4
SEEN[:, 2] = True
AHEAD = RNG.uniform(1, 9, size=(B, H)).astype(np.float32)


@pytest.fixture(scope="module", params=CELLS)
def case(request):
    """A network of two cells and its compiled forward pass."""
    network = ContinuousConfig(cell=request.param, units=6).build(nnx.Rngs(0))
    graph, params = nnx.split(network)
    return network, jax.jit(lambda *given: nnx.merge(graph, params)(*given))


def test_only_measurements_are_looked_at(case):
    _, run = case
    want = run(VALUES, SEEN, AHEAD)
    holes = np.where(SEEN[..., None], VALUES, np.nan)
    np.testing.assert_array_equal(run(holes, SEEN, AHEAD), want)


def test_questions_leave_no_trace(case):
    _, run = case
    want = run(VALUES, SEEN, AHEAD)
    order = np.array([2, 0, 3, 1])
    np.testing.assert_allclose(run(VALUES, SEEN, AHEAD[:, order]), want[:, order])


def test_neither_padding_nor_what_follows_the_last_measurement_matters(case):
    _, run = case
    want = run(VALUES, SEEN, AHEAD)
    padded = np.concatenate([VALUES[:, -5:], VALUES[:, :-5]], axis=1)
    shown = np.concatenate([np.zeros((B, 5), bool), SEEN[:, :-5]], axis=1)
    before = np.where(np.arange(T)[None] < T - 5, SEEN, False)
    np.testing.assert_allclose(
        run(padded, shown, AHEAD), run(VALUES, before, AHEAD), atol=1e-5
    )
    assert np.isfinite(want).all()


def test_a_phase_turns_the_forecast_and_nothing_else(case):
    _, run = case
    turn = np.exp(1j * np.array([0.3, 2.0, -1.7]))[:, None]

    def turned(x):
        z = (x[..., 0] + 1j * x[..., 1]) * turn
        return np.stack([z.real, z.imag], axis=-1).astype(np.float32)

    found = run(turned(VALUES), SEEN, AHEAD)
    np.testing.assert_allclose(found, turned(run(VALUES, SEEN, AHEAD)), atol=1e-5)
    other = jax.jit(ContinuousConfig(units=6, turned=False).build(nnx.Rngs(0)))
    wanted = turned(other(VALUES, SEEN, AHEAD))
    assert abs(other(turned(VALUES), SEEN, AHEAD) - wanted).max() > 1e-3
    silent = np.zeros_like(VALUES)  # which has no phase
    assert np.isfinite(run(silent, SEEN, AHEAD)).all()


def test_real_series_are_taken_as_they_are():
    run = jax.jit(ContinuousConfig(channels=1, units=6).build(nnx.Rngs(0)))
    found = run(VALUES[..., :1], SEEN, AHEAD)
    assert found.shape == (B, H, 1)
    assert abs(found + run(-VALUES[..., :1], SEEN, AHEAD)).max() > 1e-3


def test_who_is_told_the_times():
    def differs(cell, elapsed):
        config = ContinuousConfig(cell=cell, units=6, elapsed=elapsed)
        run = jax.jit(config.build(nnx.Rngs(0)))
        # The same measurements, twice as far apart.
        wide = np.zeros((B, 2 * T, 2), np.float32)
        shown = np.zeros((B, 2 * T), bool)
        wide[:, ::2], shown[:, ::2] = VALUES, SEEN
        found = run(wide, shown, AHEAD) - run(VALUES, SEEN, AHEAD)
        return float(abs(found).max()) > 1e-4

    assert differs("cfc", True)
    assert differs("gru_d", True)
    assert not differs("cfc", False)
    assert not differs("lstm", True)


def rows(values, center=False):
    interval = jnp.ones(len(values))
    clean = jnp.nan_to_num(values) + 0.1
    return SeriesBatch(values, clean, interval, axis=0, center=center)


def test_the_loss_does_not_depend_on_units_and_is_of_finite_gradient():
    network = ContinuousConfig(units=6).build(nnx.Rngs(0))
    holes = np.where(SEEN[..., None], VALUES, np.nan).swapaxes(1, 2)
    part = rows(jnp.asarray(holes))
    scaled = SeriesBatch(1e-6 * part.values, 1e-6 * part.clean, part.interval, 0, False)
    key = jax.random.key(0)
    loss = jax.jit(lambda n, p: n.loss(p, key))
    np.testing.assert_allclose(loss(network, scaled), loss(network, part), rtol=1e-4)
    gradients = jax.jit(nnx.grad(lambda n: n.loss(part, key)))(network)
    assert all(jnp.isfinite(g).all() for g in jax.tree.leaves(gradients))


def test_channels_are_taken_bin_by_bin_and_have_any_unit():
    """Of one subcarrier and one antenna the only bin is the channel itself."""
    network = ContinuousConfig(units=6).build(nnx.Rngs(0))
    model = network.model()
    x = (VALUES[..., 0] + 1j * VALUES[..., 1]).astype(np.complex64)
    x = np.where(SEEN, x, np.nan)[..., None, None]

    def ask(x):
        return model.predict(Csi(x, time_step_s=1e-3), H).csi

    found = ask(x)
    assert found.shape == (B, H, 1, 1)
    np.testing.assert_allclose(ask(1e-6 * x), 1e-6 * found, rtol=1e-3)
    # What the network says at those times, in units of what was measured.
    size = np.sqrt(
        np.where(SEEN[..., None], VALUES**2, 0).sum((1, 2)) / (2 * SEEN.sum(1))
    )
    last = T - 1 - np.argmax(SEEN[:, ::-1], axis=1)
    ahead = (T + np.arange(H)[None] - last[:, None]).astype(np.float32)
    shown = np.where(SEEN[..., None], VALUES, 0) / size[:, None, None]
    want = np.asarray(jax.jit(network)(shown, SEEN, ahead)) * size[:, None, None]
    np.testing.assert_allclose(
        found[..., 0, 0], want[..., 0] + 1j * want[..., 1], rtol=1e-3, atol=1e-4
    )
    # Two subcarriers alike are one delay; the other bin is silent.
    both = ask(np.repeat(x, 2, axis=2))
    np.testing.assert_allclose(both, np.repeat(found, 2, axis=2), rtol=1e-3, atol=1e-5)


def test_real_series_are_asked_of_a_network_of_one_channel():
    model = ContinuousConfig(channels=1, units=6).build(nnx.Rngs(0)).model()
    assert model.accepts == {Series}
    x = np.where(SEEN, VALUES[..., 0], np.nan)
    found = model.predict(Series(x, time_step_s=1e-3), H).series
    assert found.shape == (B, H)
    moved = model.predict(Series(3 * x + 5, time_step_s=1e-3), H).series
    np.testing.assert_allclose(moved, 3 * found + 5, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Series(np.ones((2, 4)), 1e-3), "question: the model takes wlam.Csi, not Ser"),
        (Csi(np.ones((2, 4, 1, 1)), 1e-3), "csi: found float64 .*; needed complex"),
        (
            Csi(np.full((2, 4, 1, 1), np.nan + 0j), 1e-3),
            "mask: sample 0 has nothing measured",
        ),
        (Csi(np.ones((2, 4, 1, 1), complex)), "time_step_s: found None"),
    ],
)
def test_what_cannot_be_answered_is_refused(asked, said):
    model = ContinuousConfig(units=6).build(nnx.Rngs(0)).model()
    with pytest.raises(DataError, match=said) as error:
        model.predict(asked, H)
    assert "\n" not in str(error.value)


def test_the_last_measurements_are_listened_to():
    run = jax.jit(ContinuousConfig(units=6, memory=3).build(nnx.Rngs(0)))
    want = run(VALUES, SEEN, AHEAD)
    early = np.cumsum(SEEN[:, ::-1], axis=1)[:, ::-1] > 3
    other = np.where(early[..., None], VALUES + 1, VALUES)
    assert early.any()
    np.testing.assert_array_equal(run(other, SEEN, AHEAD), want)
    late = np.cumsum(SEEN[:, ::-1], axis=1)[:, ::-1] == 3
    other = np.where(late[..., None], VALUES + 1, VALUES)
    assert abs(run(other, SEEN, AHEAD) - want).max() > 1e-4


def test_sizes_and_parts_are_checked():
    with pytest.raises(ValueError, match=r"model\.units: found 0; needed 1 or more"):
        ContinuousConfig(units=0)
    network = ContinuousConfig(channels=1, units=6).build(nnx.Rngs(0))
    with pytest.raises(ValueError, match="found an ingredient with 2; needed rows"):
        network.loss(rows(jnp.zeros((B, 2, T))), jax.random.key(0))
