"""Learning from imperfect channels alone: what it is aimed at, and its bounds."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from wlam.models.beamformer.network import BeamformerConfig
from wlam.models.beamformer.tuning import OnlineTuner, TuningConfig
from wlam.phy.noise import complex_normal

T, USERS = 160, 2
MODEL = BeamformerConfig(antennas=4, units=4, oversampling=1, steps=0).build(
    nnx.Rngs(0)
)
KEYS = jax.random.split(jax.random.key(0), 3)
CLEAN = complex_normal(KEYS[0], (T, USERS, 2, 4))
NOISY = CLEAN + complex_normal(KEYS[1], CLEAN.shape)
VARIANCE = jnp.ones(T)


def follow(config, h_hat=NOISY, variance=VARIANCE):
    tuner = OnlineTuner(MODEL, config)
    begin = tuner.start(USERS)
    return begin.params, *jax.jit(tuner.follow)(begin, h_hat, variance, KEYS[2])


def test_a_rate_of_nothing_is_the_trained_filter():
    _, h, left, _ = follow(TuningConfig(rate=1e-12))
    begin = MODEL.start(1, USERS)
    want = jax.jit(MODEL.clean)(begin, NOISY[None], VARIANCE[None])
    np.testing.assert_allclose(h, want[0][0], atol=1e-5)
    np.testing.assert_allclose(left, want[1][0], atol=1e-5)


def test_the_error_on_channels_it_never_sees_falls():
    """White channels: the best filter is a half, whatever was just heard."""
    error = [
        float((abs(follow(TuningConfig(window=8, rate=r, trust=9.0))[1] - CLEAN) ** 2)
              [-80:].mean())
        for r in (1e-12, 2e-2)
    ]  # fmt: skip
    assert 0.5 < error[1] < 0.97 * error[0]


def test_it_stays_within_the_trust_region():
    start, _, _, tuning = follow(TuningConfig(window=8, rate=1.0, trust=0.05))
    change = jax.tree.map(jnp.subtract, tuning.params, start)
    share = float(optax.tree.norm(change) / optax.tree.norm(start))
    assert share == pytest.approx(0.05, rel=1e-3)


def test_without_errors_all_stays_finite():
    found = follow(TuningConfig(window=8), CLEAN, 0 * VARIANCE)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(found))


@pytest.mark.parametrize("name", ["window", "rate", "trust", "share"])
def test_settings_are_checked(name):
    with pytest.raises(ValueError, match=f"{name}: found 0"):
        TuningConfig(**{name: 0 if name == "window" else 0.0})


def test_there_must_be_a_filter():
    model = BeamformerConfig(antennas=4, filter=False).build(nnx.Rngs(0))
    with pytest.raises(ValueError, match="model: found no filter"):
        OnlineTuner(model)
