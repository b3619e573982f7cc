"""The training state of gradient descent: its beginning, and its model."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from flax import nnx

from wlam.adapt.lora import merge_params, split_params
from wlam.tasks.mixture import samples_per_step, shares
from wlam.training.learners.base import State
from wlam.training.optimisers import averaged

if TYPE_CHECKING:
    import wlam.config


def samples_of(config: "wlam.config.Config") -> dict[str, int]:
    """Samples of each data source in a step, on the devices that share the batch."""
    share = shares(config.mixture, config.temperature)
    return samples_per_step(config.mixture, share, config.rows, config.mesh.data)


def init_state(
    config: "wlam.config.Config", start: dict[str, Any] | None = None
) -> State:
    """A fresh state; call it under `jax.eval_shape` or `jax.jit`.

    Args:
        start: parameters to start from; None: initial ones from the seed.

    Returns:
        `params`, `optimizer` (its state), `step` (also the position in the data stream)
        and `key`. Of an adapted model, `params` are the trained parameters and
        `frozen` the others, if any.
    """
    params_key, data_key = jax.random.split(jax.random.key(config.seed))
    if start is None:
        model = config.model.build(nnx.Rngs(params_key))
        start = nnx.to_pure_dict(nnx.state(model, nnx.Param))
    params, frozen = split_params(start, config.adapt, params_key)
    rest = {"frozen": frozen} if frozen else {}
    return rest | {
        "params": params,
        "optimizer": config.optimizer.build(config.steps).init(params),
        "step": jnp.zeros((), jnp.int32),
        "key": jax.random.key_data(data_key),
    }


def merged(state: State, config: "wlam.config.Config") -> dict[str, Any]:
    """The model parameters at the next step, with adapted ones merged."""
    return merge_params(state["params"], state.get("frozen", {}), config.adapt)


def model_params(state: State, config: "wlam.config.Config") -> dict[str, Any]:
    """The parameters of the model of a state, to load and release.

    Those of an adapted model are merged. With `OptimizerConfig.ema` they are the
    average.
    """
    average = averaged(state["optimizer"])
    return merged(state if average is None else state | {"params": average}, config)
