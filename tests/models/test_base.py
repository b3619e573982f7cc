"""What every model says of itself, and how it refuses what it cannot do."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.models.base import VERBS, Card, Model, Network
from wlam.models.beam_tracker.network import BeamTrackerConfig
from wlam.models.continuous.network import ContinuousConfig
from wlam.models.estimator.network import EstimatorConfig
from wlam.models.peers.dlinear import DLinearConfig
from wlam.models.peers.wifo import WifoConfig
from wlam.models.predictor.channels import ChannelTokenizerConfig
from wlam.models.predictor.network import PredictorConfig
from wlam.models.predictor.sweeps import SweepTokenizerConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.nn.denoisers.spectral import SpectralConfig
from wlam.types import TIME, Csi, DataError, Series, SeriesBatch, Sweeps, Traffic

BACKBONE = TransformerConfig(width=16, layers=1, heads=2)
EVERYTHING = PredictorConfig(
    BACKBONE,
    channels=ChannelTokenizerConfig(bins=4),
    sweeps=SweepTokenizerConfig(3, 2),
    heads=("line_of_sight",),
)
CONFIGS: dict[str, Any] = {
    "rows": PredictorConfig(BACKBONE, quantiles=()),
    "whole": EVERYTHING,
    "tracker": BeamTrackerConfig(units=4, layers=1, reach=1),
    "continuous": ContinuousConfig(units=6),
    "estimator": EstimatorConfig(SpectralConfig(width=8, blocks=1), steps=21),
    "dlinear": DLinearConfig(context=4, horizon=2, kernel=3),
    "wifo": WifoConfig(16, encoder_layers=1, decoder_layers=1, heads=2),
}
CSI = Csi(np.ones((1, 4, 4, 2), np.complex64), 1e-3, 3e4)
ASK: dict[str, Callable[[Model], Any]] = {
    "predict": lambda m: m.predict(CSI, 2),
    "predict_interval": lambda m: m.predict_interval(CSI, 2),
    "sample": lambda m: m.sample(CSI, 2),
    "embed": lambda m: m.embed(CSI),
    "complete": lambda m: m.complete(CSI),
    "estimate": lambda m: m.estimate(CSI),
    "head": lambda m: m.head("line_of_sight", CSI),
    "draw": lambda m: m.draw(2),
    "precode": lambda m: m.precode(CSI, 0.1),
}
ROWS = SeriesBatch(jnp.ones((1, 1, 4)), jnp.ones((1, 1, 4)), jnp.ones(1), TIME, True)
CAN = {
    "rows": {"predict", "embed"},
    "whole": set(VERBS) - {"draw", "precode"},
    "tracker": {"predict"},
    "continuous": {"predict"},
    "estimator": {"estimate"},
    "dlinear": {"predict"},
    "wifo": {"predict"},
}


@pytest.fixture(scope="module", params=CONFIGS)
def case(request):
    return request.param, CONFIGS[request.param].build(nnx.Rngs(0)).model()


def test_every_verb_has_a_question_here():
    assert set(ASK) == set(VERBS)


def test_a_model_can_what_it_says(case):
    name, model = case
    assert {verb for verb in VERBS if model.can(verb)} == CAN[name]


@pytest.mark.parametrize("verb", VERBS)
def test_what_a_model_cannot_do_is_one_line_that_names_it(case, verb):
    name, model = case
    if verb in CAN[name]:
        return
    with pytest.raises(DataError) as error:
        ASK[verb](model)
    said = str(error.value)
    assert "found" in said
    assert "needed" in said
    assert "\n" not in said
    if getattr(type(model), verb) is getattr(Model, verb):
        assert said.startswith(f"{verb}: found {model.card.name}, which cannot; needed")


def test_a_model_says_what_it_takes_and_how_large_it_is(case):
    name, model = case
    first, second = repr(model).splitlines()[:2]
    assert f"{model.num_parameters:,} parameters" in first
    takes, can = second.removeprefix("takes ").split("; can ")
    assert set(takes.split(", ")) == {f"wlam.{kind.__name__}" for kind in model.accepts}
    assert set(can.split(", ")) == CAN[name]
    assert model.num_parameters == sum(
        x.size for x in jax.tree.leaves(nnx.state(model.network, nnx.Param))
    )


def test_what_a_model_does_not_take_is_named():
    model = CONFIGS["wifo"].build(nnx.Rngs(0)).model()
    assert model.why_not(CSI) == model.why_not(Csi) == ""
    assert model.why_not(Sweeps) == "the model takes wlam.Csi, not Sweeps"
    series = CONFIGS["dlinear"].build(nnx.Rngs(0)).model()
    assert series.why_not(Traffic(np.ones(4))) == ""  # traffic is a series
    assert series.accepts == {Series}


def test_a_card_is_in_the_repr():
    network = CONFIGS["dlinear"].build(nnx.Rngs(0))
    model = type(network.model())(network, Card("mine", "Forecasts cells.", step=1200))
    said = repr(model).splitlines()
    assert said[0].startswith("mine: ")
    assert said[0].endswith("step 1,200")
    assert said[-1] == "Forecasts cells."


def test_losses_of_several_sources_have_their_own_keys():
    class Drawing(Network):
        """Whose loss is a number drawn from its key."""

        def loss(self, batch, key):
            return jax.random.normal(key)

    found, figures = Drawing().losses({"b": ROWS, "a": ROWS}, jax.random.key(0))
    assert list(found) == ["a", "b"]
    assert found["a"] != found["b"]
    assert figures == {}
    with pytest.raises(NotImplementedError):
        Network().losses({"a": ROWS}, jax.random.key(0))
