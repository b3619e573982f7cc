"""Equality with ncps 1.0.1 for the same parameters: outputs, gradients, wirings."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.nn.liquid import (
    CfcConfig,
    LtcConfig,
    MixedMemoryConfig,
    Ncp,
    WiredCfcConfig,
    auto_ncp,
    unroll,
)
from wlam.nn.liquid.cfc import CfcCell, WiredCfcCell
from wlam.nn.liquid.ltc import LtcCell
from wlam.nn.liquid.memory import MixedMemory


def _reference():
    path = Path(__file__).with_name("reference.py")
    spec = importlib.util.spec_from_file_location("liquid_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = _reference()
POLICY = auto_ncp(reference.UNITS, reference.MOTOR)


def config_of(variant):
    kind, how = reference.VARIANTS[variant]
    dense = CfcConfig(reference.UNITS, backbone=reference.HIDDEN)
    if kind == "memory":
        return MixedMemoryConfig(dense if how == "cfc" else LtcConfig(POLICY))
    if kind == "ltc":
        return LtcConfig(POLICY, positive="softplus" if how else "clip")
    if kind == "wired":
        return WiredCfcConfig(POLICY, how)
    hidden = 0 if kind == "bare" else reference.HIDDEN
    return CfcConfig(reference.UNITS, how, hidden)


def put(target, value):
    assert target.shape == value.shape
    target[...] = jnp.asarray(value, jnp.float32)


def fill(cell, arrays, prefix):
    """Puts parameters, or gradients, of ncps where ours are."""

    def at(name):
        return arrays[f"{prefix}{name}"]

    if isinstance(cell, MixedMemory):
        put(cell.inward.kernel, at("lstm.input_map.weight").T)
        put(cell.inward.bias, at("lstm.input_map.bias"))
        put(cell.around.kernel, at("lstm.recurrent_map.weight").T)
        fill(cell.cell, arrays, prefix)
    elif isinstance(cell, WiredCfcCell):
        for number, layer in enumerate(cell.layers):
            inner = f"{prefix}cell.layer_{number}."
            mine = {k.replace(inner, f"{prefix}cell."): v for k, v in arrays.items()}
            fill(layer, mine, prefix)
    elif isinstance(cell, CfcCell):
        pure = cell.config.mode == "pure"
        heads = ["ff1"] if pure else ["ff1", "ff2", "time_a", "time_b"]
        kernels = [at(f"cell.{h}.weight").T for h in heads]
        put(cell.heads.kernel, np.concatenate(kernels, axis=1))
        put(cell.heads.bias, np.concatenate([at(f"cell.{h}.bias") for h in heads]))
        if cell.config.backbone:
            put(cell.hidden.kernel, at("cell.backbone.0.weight").T)
            put(cell.hidden.bias, at("cell.backbone.0.bias"))
        if pure:
            put(cell.rate, at("cell.w_tau")[0])
            put(cell.target, at("cell.A")[0])
    else:
        assert isinstance(cell, LtcCell)
        put(cell.leak, at("cell.gleak"))
        put(cell.rest, at("cell.vleak"))
        put(cell.capacitance, at("cell.cm"))
        for ours, theirs in ((cell.inner, ""), (cell.sensory, "sensory_")):
            put(ours.weight, at(f"cell.{theirs}w"))
            put(ours.slope, at(f"cell.{theirs}sigma"))
            put(ours.threshold, at(f"cell.{theirs}mu"))
            put(ours.reversal, at(f"cell.{theirs}erev"))
        put(cell.input_scale, at("cell.input_w"))
        put(cell.input_shift, at("cell.input_b"))
        put(cell.output_scale, at("cell.output_w"))
        put(cell.output_shift, at("cell.output_b"))


def assert_same(variant, arrays):
    config = config_of(variant)
    cell = config.build(reference.I, nnx.Rngs(0))
    fill(cell, arrays, "p/")
    graph, params = nnx.split(cell)
    x, elapsed, weights = (
        jnp.asarray(arrays[k], jnp.float32) for k in ("x", "elapsed", "weights")
    )

    @jax.jit
    def both(params, x, elapsed):
        def loss(params, x, elapsed):
            out, _ = unroll(nnx.merge(graph, params), x, elapsed)
            return (out * weights[..., : out.shape[-1]]).sum(), out

        return jax.grad(loss, argnums=(0, 1, 2), has_aux=True)(params, x, elapsed)

    (of_params, of_x, of_elapsed), out = both(params, x, elapsed)
    np.testing.assert_allclose(out, arrays["out"], rtol=1e-6, atol=1e-6)
    wanted = config.build(reference.I, nnx.Rngs(0))
    fill(wanted, arrays, "g/")

    mine = jax.tree_util.tree_flatten_with_path((of_params, of_x, of_elapsed))[0]
    theirs = nnx.state(wanted), arrays["g/x"], arrays["g/elapsed"]
    for (path, got), want in zip(mine, jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5, rtol=1e-5, err_msg=str(path))


@pytest.mark.parametrize("variant", reference.VARIANTS)
def test_stored_reference_values(variant):
    with np.load(reference.FILE) as stored:
        arrays = {
            name.removeprefix(f"{variant}/"): stored[name]
            for name in stored.files
            if name.startswith(f"{variant}/")
        }
    assert_same(variant, arrays)


@pytest.mark.skipif(
    importlib.util.find_spec("ncps") is None, reason="needs the extra [peers]"
)
@pytest.mark.parametrize("variant", reference.VARIANTS)
def test_the_installed_ncps(variant):
    assert_same(variant, reference.compute(variant, seed=1))


def test_wirings():
    made = {
        "auto 16 4 3": (auto_ncp(16, 4), 3),
        "auto 30 8 16": (auto_ncp(30, 8), 16),
        "auto 40 2 1": (auto_ncp(40, 2, sparsity=0.8, seed=5), 1),
        "ncp": (
            Ncp(
                23,
                3,
                7,
                command=8,
                sensory_fanout=4,
                inter_fanout=5,
                recurrent=6,
                motor_fanin=4,
            ),
            5,
        ),
    }
    with np.load(reference.FILE) as stored:
        for name, (config, inputs) in made.items():
            wired = config.wire(inputs)
            np.testing.assert_array_equal(
                wired.synapses, stored[f"wiring/{name}/synapses"], name
            )
            np.testing.assert_array_equal(
                wired.sensory, stored[f"wiring/{name}/sensory"], name
            )
