"""Rules by path, and equal results of eight simulated devices and one."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import pytest
from jax.sharding import AbstractMesh
from jax.sharding import PartitionSpec as P

from wlam.config import load_config
from wlam.training.checkpoint import check_same
from wlam.training.sharding import MeshConfig, make_mesh, partition

ROOT = Path(__file__).parents[2]


EIGHT = AbstractMesh((2, 4), ("data", "model"))


def test_rules_by_path():
    up = "params/backbone/blocks/0/up/kernel"
    assert partition(up, (8, 32), EIGHT) == P(None, "model")
    assert partition(up.replace("up", "down"), (32, 8), EIGHT) == P("model", None)
    assert partition("optimizer/1/0/mu/backbone/blocks/0/up/kernel", (8, 32), EIGHT)
    assert partition(up, (8, 30), EIGHT) == P()  # four does not divide 30
    expert = up.replace("up", "experts/up")
    assert partition(expert, (3, 16, 64), EIGHT) == P(None, None, "model")
    expert = up.replace("up", "experts/down")
    assert partition(expert, (3, 64, 16), EIGHT) == P(None, "model", None)
    assert partition(up.replace("up", "experts/router"), (16, 3), EIGHT) == P()
    assert partition("params/embed/mlp/w3/kernel", (8, 32), EIGHT) == P()


def test_too_few_devices_are_named():
    with pytest.raises(ValueError, match="mesh: 64 x 2 devices needed; found"):
        make_mesh(MeshConfig(64, 2))


def test_a_run_resumes_only_with_equal_samples_per_step():
    saved = load_config(str(ROOT / "configs" / "quickstart.py"), [])
    other = replace(saved, mesh=MeshConfig(data=4))
    with pytest.raises(ValueError, match=r"mesh.data: 4 here, for \d+ samples of"):
        check_same(saved, other, Path("runs/here"))
    check_same(saved, replace(saved, mesh=MeshConfig(model=2)), Path("runs/here"))
    with pytest.raises(ValueError, match=r"seed: 5 here but 0 in .*here; resume with"):
        check_same(saved, replace(saved, seed=5), Path("runs/here"))


CODE = """
import jax, numpy as np
from wlam.config import Config, MeshConfig
from wlam.tasks.mixture import DataSource
from wlam.models.predictor.network import PredictorConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.simulate.traffic import TrafficConfig
from wlam.training.sharding import make_mesh, tree_shardings
from wlam.training.state import init_state

source = TrafficConfig(num_times=32)
config = Config(
    run="", mixture={"t": DataSource("traffic", source, 1.0, 1)}, evaluation={},
    model=PredictorConfig(TransformerConfig(width=16, layers=1, heads=2), patch=8),
    steps=4, rows=8, steps_per_dispatch=4, validate_every=0,
)
losses = []
for data, model in ((1, 1), (4, 2)):
    mesh = make_mesh(MeshConfig(data, model))
    with jax.set_mesh(mesh):
        shapes = jax.eval_shape(lambda: init_state(config))
        shardings = tree_shardings(shapes, mesh)
        state = jax.jit(lambda: init_state(config), out_shardings=shardings)()
        advance = jax.jit(
            config.learner.build(config).advance, in_shardings=(shardings,),
            out_shardings=(shardings, None),
        )
        state, metrics = advance(state)
        losses.append(jax.device_get(metrics["loss"]))
kernel = state["params"]["backbone"]["blocks"][0]["up"]["kernel"]
assert kernel.addressable_shards[0].data.shape == (16, 32), kernel.sharding
np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
print("same losses", losses)
"""


@pytest.mark.slow
def test_eight_devices_train_like_one(program_environment):
    environment = program_environment | {"JAX_NUM_CPU_DEVICES": "8"}
    command = [sys.executable, "-W", "error", "-c", CODE]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, timeout=300)


def test_one_device_is_the_default():
    assert dict(make_mesh(MeshConfig()).shape) == {"data": 1, "model": 1}
    assert len(jax.devices()) >= 1
