"""Measured snapshots, and NaN in the others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.data.generators import generate
from wlam.phy.channels.tdl import TdlConfig
from wlam.simulate.irregular import IrregularConfig, hide, measured

SOURCE = TdlConfig(num_times=48, num_subcarriers=1, array=(1, 1))
CONFIG = IrregularConfig(SOURCE, every=6, jitter=2, missing=(0.25, 0.25))


def test_one_in_every_with_jitter_and_losses():
    seen = np.asarray(measured(jax.random.key(0), CONFIG, 4000, 48))
    slots = seen.reshape(4000, 8, 6)
    assert (slots.sum(2) <= 1).all()
    # The first is never lost, of the others a quarter is.
    np.testing.assert_array_equal(slots[:, 0].sum(1), 1)
    assert slots[:, 1:].sum(2).mean() == pytest.approx(0.75, abs=0.01)
    # Places 1 to 5, each as often as the others.
    places = slots.sum((0, 1)) / slots.sum()
    np.testing.assert_allclose(places, [0, 0.2, 0.2, 0.2, 0.2, 0.2], atol=0.01)


def test_every_sample_has_its_own_share_of_losses():
    config = IrregularConfig(SOURCE, every=2, jitter=0, missing=(0.1, 0.6))
    seen = np.asarray(measured(jax.random.key(0), config, 400, 4000))
    lost = 1 - seen.reshape(400, 2000, 2).any(2)[:, 1:].mean(1)
    # Uniform from 0.1 to 0.6, give or take what 1,999 draws vary by.
    assert lost.min() == pytest.approx(0.1, abs=0.04)
    assert lost.max() == pytest.approx(0.6, abs=0.04)
    assert lost.mean() == pytest.approx(0.35, abs=0.03)


def test_snapshots_without_measurement_are_nan_and_clean_is_complete():
    key = jax.random.key(1)
    found = generate(key, CONFIG, 3)
    source_key, hide_key = jax.random.split(key)
    want = generate(source_key, SOURCE, 3)
    seen = np.asarray(measured(hide_key, CONFIG, 3, 48))
    np.testing.assert_array_equal(np.isfinite(found.csi).all((2, 3)), seen)
    np.testing.assert_array_equal(found.csi[seen], want.csi[seen])
    np.testing.assert_array_equal(found.clean, want.clean)


def test_without_noise_clean_is_the_source():
    channels = generate(jax.random.key(0), SOURCE, 2)
    channels = jax.tree.map(jnp.asarray, channels)
    bare = type(channels)(**{**vars(channels), "clean": None})
    found = hide(jax.random.key(1), bare, CONFIG)
    np.testing.assert_array_equal(found.clean, channels.csi)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"every": 4, "jitter": 2}, "every, jitter: found 4, 2; needed a jitter of 0"),
        ({"missing": (0.0, 1.0)}, r"missing: found \(0.0, 1.0\); needed 0 or more"),
        ({"missing": (0.5, 0.2)}, r"missing: found \(0.5, 0.2\); .* in order"),
    ],
)
def test_impossible_configs_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        IrregularConfig(SOURCE, **wrong)
