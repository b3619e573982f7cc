"""What the Transformer attends to."""

import numpy as np
import pytest

import wlam
from wlam.models.predictor.api import PredictorAPI
from wlam.models.predictor.attention import attention_of


def test_attention_is_a_share_of_tokens_and_experts_sum_to_one():
    from flax import nnx

    from wlam.models.predictor.channels import ChannelTokenizerConfig
    from wlam.models.predictor.network import PredictorConfig
    from wlam.nn.backbones.transformer import TransformerConfig

    config = PredictorConfig(
        TransformerConfig(width=16, layers=2, heads=2),
        channels=ChannelTokenizerConfig(patch=4, bins=6),
    )
    model = PredictorAPI(config.build(nnx.Rngs(0)))
    rng = np.random.default_rng(0)
    h = rng.normal(size=(2, 12, 4, 4)) + 1j * rng.normal(size=(2, 12, 4, 4))
    found = model.attention(wlam.Csi(h, time_step_s=1e-3), horizon=4)
    assert found.weights.shape == (2, 2, 6, 4, 6, 4)
    np.testing.assert_allclose(found.weights.sum((4, 5)), 1, rtol=1e-5)
    np.testing.assert_allclose(sum(found.experts.values()), 1, rtol=1e-5)
    power = found.power[tuple(found.bins.T)]
    assert power[0] == found.power.max()
    assert np.all(np.diff(power) <= 1e-6 * power[0])


def test_networks_without_channels_as_a_whole_are_refused(model):
    csi = wlam.Csi(np.ones((1, 8, 2, 2), complex), time_step_s=1e-3)
    with pytest.raises(wlam.DataError, match="attention: found a network without"):
        attention_of(model, csi, 4, "time")
