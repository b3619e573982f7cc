"""Sequences: gaps, parts, both directions, gradients, invalid input."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from wlam.nn.liquid import (
    CfcConfig,
    InputGatedConfig,
    Liquid,
    LiquidConfig,
    LrcConfig,
    LtcConfig,
    MixedMemoryConfig,
    WiredCfcConfig,
    auto_ncp,
    unroll,
)
from wlam.nn.liquid.cell import LiquidCell, check_measured

B, T, I = 3, 7, 2
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, I)).astype(np.float32)
ELAPSED = RNG.uniform(0.2, 2.0, size=(B, T)).astype(np.float32)
SEEN = np.array([[1, 0, 0, 1, 1, 0, 1], [0, 1, 1, 0, 1, 1, 0], [1] * 7], bool)
POLICY = auto_ncp(12, 3)
CELLS = {
    "cfc": CfcConfig(6, backbone=5),
    "no_gate": CfcConfig(6, "no_gate", backbone=0),
    "pure": CfcConfig(6, "pure", backbone=5),
    "wired": WiredCfcConfig(POLICY),
    "ltc": LtcConfig(POLICY, unfolds=2),
    "memory": MixedMemoryConfig(CfcConfig(6, backbone=5)),
    "gated": InputGatedConfig(6),
    "lrc": LrcConfig(6),
}


def built(*names, bidirectional=False):
    config = LiquidConfig(tuple(CELLS[n] for n in names), bidirectional)
    return config.build(I, nnx.Rngs(1))


def said(liquid, *arrays):
    return np.asarray(jax.jit(liquid)(*arrays))


@pytest.mark.parametrize("name", CELLS)
def test_a_gap_is_a_longer_elapsed_time(name):
    liquid = built(name)
    noisy = np.where(SEEN[..., None], X, np.nan)  # must have no effect
    found = said(liquid, noisy, ELAPSED, SEEN)
    until = np.cumsum(ELAPSED, axis=1)
    for row in (0, 1):
        steps = np.flatnonzero(SEEN[row])
        since = np.diff(until[row, steps], prepend=0.0).astype(np.float32)
        want = said(liquid, X[row : row + 1, steps], since[None])[0]
        np.testing.assert_allclose(found[row, steps], want, atol=2e-5)
        # In between the last output, and zero before the first.
        last = np.cumsum(SEEN[row]) - 1
        again = np.where(last[:, None] < 0, 0.0, want[np.maximum(last, 0)])
        np.testing.assert_allclose(found[row], again, atol=2e-5)


@pytest.mark.parametrize("name", CELLS)
def test_parts_give_the_outputs_of_the_whole(name):
    liquid, pieces = built(name, "cfc"), (1, 1, 1, 4)
    carried, found, at = liquid.start(B), [], 0
    given = [jnp.asarray(a) for a in (X, ELAPSED, SEEN)]
    stream = jax.jit(liquid.stream)
    for steps in pieces:
        now = slice(at, at + steps)
        out, carried = stream(carried, *(a[:, now] for a in given))
        found.append(out)
        at += steps
    whole = said(liquid, X, ELAPSED, SEEN)
    np.testing.assert_allclose(np.concatenate(found, 1), whole, atol=1e-6)


def test_parts_without_gaps_or_times():
    liquid = built("cfc")
    x = jnp.asarray(X)
    first, carried = liquid.stream(liquid.start(B), x[:, :3])
    second, _ = liquid.stream(carried, x[:, 3:])
    both = np.concatenate([first, second], 1)
    np.testing.assert_allclose(both, liquid(x), atol=1e-6)


def test_both_directions_are_mirror_images():
    liquid = built("cfc", bidirectional=True)
    twin = built("cfc", bidirectional=True)
    twin.forward, twin.backward = liquid.backward, liquid.forward
    found = said(liquid, X, ELAPSED, SEEN)
    assert found.shape == (B, T, 12)
    # Backwards, the elapsed time is that until the next step.
    since = np.roll(ELAPSED, -1, axis=1)[:, ::-1]
    turned = said(twin, X[:, ::-1], since, SEEN[:, ::-1])[:, ::-1]
    np.testing.assert_allclose(turned, np.roll(found, 6, axis=2), atol=1e-6)


@pytest.mark.parametrize("name", ["cfc", "no_gate", "pure"])
@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("holes", [False, True])
def test_the_gradient_of_the_recurrence_is_that_of_its_steps(name, timed, holes):
    cell = CELLS[name].build(I, nnx.Rngs(2))
    graph, params = nnx.split(cell)
    start = jnp.asarray(RNG.normal(size=(B, cell.units)), jnp.float32)
    weights = jnp.asarray(RNG.normal(size=(B, T, cell.units)), jnp.float32)
    elapsed = jnp.asarray(ELAPSED) if timed else None
    seen = jnp.asarray(SEEN) if holes else None

    def loss(run):
        def of(params, start, x, elapsed):
            state, out = run(nnx.merge(graph, params), start, x, elapsed, seen)
            out = out if seen is None else jnp.where(seen[..., None], out, 0.0)
            return (weights * out).sum() + (state**2).sum()

        every = (0, 1, 2, 3) if timed else (0, 1, 2)
        return jax.jit(jax.value_and_grad(of, argnums=every))

    arguments = params, start, jnp.asarray(X), elapsed
    ours = loss(lambda cell, *args: cell.unroll(*args))(*arguments)
    plain = loss(LiquidCell.unroll)(*arguments)
    for got, want in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"elapsed": np.zeros((B, T))}, "elapsed: found 0.0; needed times above 0"),
        ({"elapsed": -ELAPSED}, "elapsed: found -"),
        ({"elapsed": np.full((B, T), np.nan)}, "elapsed: found nan"),
        ({"seen": np.zeros((B, T), bool)}, "seen: found nothing in row 0"),
        ({"x": np.full((B, T, I), np.nan)}, "x: found NaN or infinity"),
    ],
)
def test_invalid_input_is_named(given, says):
    given = {k: jnp.asarray(v, None if k == "seen" else "f") for k, v in given.items()}
    with pytest.raises(ValueError, match=says):
        built("cfc")(given.pop("x", jnp.asarray(X)), **given)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"elapsed: found \(3, 6\); needed \(3, 7\)"):
        check_measured(X, I, ELAPSED[:, 1:], None)
    for wrong in (X[..., :1], X[:, :0], X[0]):
        with pytest.raises(ValueError, match=r"x: found .*; needed \[row, step, 2\]"):
            check_measured(wrong, I, None, None)
    with pytest.raises(ValueError, match=r"x: found \(3, 7, 1\); needed"):
        built("cfc")(jnp.asarray(X[..., :1]))


def test_bidirectional_networks_cannot_stream():
    liquid = built("cfc", bidirectional=True)
    with pytest.raises(ValueError, match="bidirectional: found True"):
        liquid.stream(liquid.start(B), jnp.asarray(X))
    with pytest.raises(ValueError, match="cells: found none"):
        Liquid(LiquidConfig(()), I, nnx.Rngs(0))


def sines(key):
    """Samples of sines at irregular times, and the times between them."""
    keys = jax.random.split(key, 3)
    elapsed = jax.random.uniform(keys[0], (64, 16), minval=0.1, maxval=2.0)
    rate = jax.random.uniform(keys[1], (64, 1), minval=0.8, maxval=1.2)
    phase = jax.random.uniform(keys[2], (64, 1), maxval=2 * jnp.pi)
    return jnp.sin(rate * jnp.cumsum(elapsed, 1) + phase), elapsed


@pytest.mark.slow
def test_elapsed_times_help_where_sampling_is_irregular():
    seed = 0

    def error(told):
        cell = CfcConfig(16, backbone=16).build(1, nnx.Rngs(seed))
        head = nnx.Linear(16, 1, rngs=nnx.Rngs(seed + 1))
        graph, params = nnx.split((cell, head))
        optimizer = optax.adam(1e-2)

        def loss(params, key):
            cell, head = nnx.merge(graph, params)
            value, elapsed = sines(key)
            # The next sample, from those before it and the time until it.
            before = value[:, :-1, None]
            out, _ = unroll(cell, before, elapsed[:, 1:] if told else None)
            return ((head(out)[..., 0] - value[:, 1:]) ** 2)[:, 4:].mean()

        @jax.jit
        def train(params):
            def step(carry, key):
                params, state = carry
                grads = jax.grad(loss)(params, key)
                updates, state = optimizer.update(grads, state)
                return (optax.apply_updates(params, updates), state), None

            keys = jax.random.split(jax.random.key(seed), 400)
            (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), keys)
            return jax.vmap(lambda k: loss(params, k))(
                jax.random.split(jax.random.key(seed + 1), 8)
            ).mean()

        return train(params)

    told, untold = error(True), error(False)
    assert told < 0.8 * untold
