"""The losses of a mixture of all kinds of data, by one network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.models.predictor.channels import ChannelTokenizerConfig
from wlam.models.predictor.network import PredictorConfig
from wlam.models.predictor.sweeps import SweepTokenizerConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.phy.transforms import from_bins
from wlam.training.objective import total_loss
from wlam.types import (
    FREQUENCY,
    TIME,
    ChannelBatch,
    SeriesBatch,
    SnapshotBatch,
    SweepBatch,
)

CONFIG = PredictorConfig(
    TransformerConfig(width=16, layers=1, heads=2, experts=2),
    patch=8,
    channels=ChannelTokenizerConfig(bins=4),
    sweeps=SweepTokenizerConfig(3, 2),
)
KEY = jax.random.key(7)
# Printed at commit b37f532, before networks had `losses`, for this model, batch, key.
TOTAL = 1.0015233755111694
LOSSES = {
    "a_rows": 4.165724754333496,
    "b_csi": 3.4260497093200684,
    "csi": 0.26968204975128174,
    "pilots": 0.13890959322452545,
    "rows": 1.514509677886963,
    "sweeps": 0.1445060670375824,
}
FIGURES = {
    "experts/balance": 0.9995096921920776,
    "experts/largest_share": 0.504273533821106,
}


def batch():
    """Tones and what looks like noise: series, channels of two shapes, sweeps."""
    t = np.arange(24.0)[None, :, None, None]
    k = np.arange(4.0).reshape(2, 2)[None, None]
    n = np.arange(2.0)[:, None, None, None]
    tones = np.exp(1j * (0.2 * t + n) * (k + 1)) / (1 + k)
    h = jnp.asarray(tones + 0.1 * np.exp(1.7j * t * t * (k + n)), jnp.complex64)
    step = np.arange(32.0)
    rows = np.sin(0.4 * step + np.arange(3.0)[:, None]) + 0.1 * np.cos(step**2)[None]
    x = jnp.asarray(rows[:, None], jnp.float32)
    away = abs(np.arange(8.0) - 3 - 0.5 * np.arange(5.0)[:, None]) / 3
    s = jnp.asarray(np.stack(2 * [-70 - 20 * np.tanh(away)]), jnp.float32)
    reverse = from_bins(h[:, :, ::-1], TIME, None)
    two, three = (jnp.full(n, 1e-3, jnp.float32) for n in (2, 3))
    pilots = from_bins(h[:, :16], FREQUENCY, None)
    h = from_bins(h, TIME, None)  # the channels that have these bins
    return {
        "csi": ChannelBatch(h, 0.9 * h, two, TIME, 16),
        "b_csi": ChannelBatch(reverse, h, two, TIME, 16),
        "pilots": ChannelBatch(pilots, pilots, two, FREQUENCY, 16, every=4),
        "rows": SeriesBatch(x, x, three, TIME, True),
        "a_rows": SeriesBatch(abs(x), abs(x), three, TIME, True),
        "sweeps": SweepBatch(s, s, jnp.full(2, 0.1), 3),
    }


@pytest.fixture(scope="module")
def network():
    return CONFIG.build(nnx.Rngs(0))


@pytest.fixture(scope="module")
def found(network):
    """The weighed sum, the losses and the figures."""
    graph, params = nnx.split(network)
    given = batch()
    shares = {name: (i + 1) / 21 for i, name in enumerate(sorted(given))}
    return jax.jit(lambda p: total_loss(graph, p, given, shares, KEY))(params)


def test_the_losses_are_those_of_the_code_that_trained_the_released_models(found):
    total, (losses, figures) = jax.tree.map(float, found)
    penalty = losses["experts/penalty"]
    assert losses.keys() - LOSSES.keys() == {"experts/penalty"}
    for name, value in LOSSES.items():
        assert losses[name] == pytest.approx(value, rel=2e-5), name
    assert figures.keys() == FIGURES.keys()
    for name, value in FIGURES.items():
        assert figures[name] == pytest.approx(value, rel=1e-5), name
    assert total == pytest.approx(TOTAL, rel=1e-5)
    # One layer: the weight times its balance, which counts in full.
    assert penalty == pytest.approx(0.01 * FIGURES["experts/balance"], rel=1e-5)
    weighed = sum((i + 1) / 21 * losses[n] for i, n in enumerate(sorted(LOSSES)))
    assert total - weighed == pytest.approx(penalty, abs=1e-6)


def test_batches_of_another_kind_are_named(network):
    clean = jnp.ones((2, 4, 4), jnp.complex64)
    with pytest.raises(ValueError, match="mixture: found SnapshotBatch as blocks; nee"):
        network.losses({"blocks": SnapshotBatch(clean, ((0, 1, 2, 3),))}, KEY)
    rows = PredictorConfig(CONFIG.backbone, patch=8).build(nnx.Rngs(0))
    for name, kind in (("csi", "channels"), ("sweeps", "sweeps")):
        with pytest.raises(ValueError, match=rf"model\.{kind}: found None; needed"):
            rows.losses({name: batch()[name]}, KEY)


def test_a_network_gives_what_is_loaded(network):
    assert network.model().network is network
