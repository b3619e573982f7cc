"""The training state and the one function that advances it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import PartitionSpec

from wlam.adapt.lora import merge_params, split_params
from wlam.models.base import Figures
from wlam.tasks.mixture import draw_batch, samples_per_step, shares
from wlam.training.conflicts import conflicts
from wlam.training.objective import total_loss
from wlam.training.optimisers import make_optimizer

if TYPE_CHECKING:
    import wlam.config

State = dict[str, Any]
"""params, optimizer, step (also the position in the data stream) and key.

Of an adapted model, `params` are those that move, and `frozen` the others, if any.
"""

# Folded into the seed's key: two streams that never meet.
TRAINING, VALIDATION = 0, 1


def samples_of(config: "wlam.config.Config") -> dict[str, int]:
    """Samples of each ingredient in a step, on the devices that share the batch."""
    share = shares(config.mixture, config.temperature)
    return samples_per_step(config.mixture, share, config.rows, config.mesh.data)


def init_state(
    config: "wlam.config.Config", start: dict[str, Any] | None = None
) -> State:
    """A fresh state; call it under `jax.eval_shape` or `jax.jit`.

    Args:
        start: parameters to start from; those that the seed gives if None.
    """
    params_key, data_key = jax.random.split(jax.random.key(config.seed))
    if start is None:
        model = config.model.build(nnx.Rngs(params_key))
        start = nnx.to_pure_dict(nnx.state(model, nnx.Param))
    params, frozen = split_params(start, config.adapt, params_key)
    rest = {"frozen": frozen} if frozen else {}
    return rest | {
        "params": params,
        "optimizer": make_optimizer(config.optimizer, config.steps).init(params),
        "step": jnp.zeros((), jnp.int32),
        "key": jax.random.key_data(data_key),
    }


def model_params(state: State, config: "wlam.config.Config") -> dict[str, Any]:
    """The parameters of the model that a state holds, adapted or not."""
    return merge_params(state["params"], state.get("frozen", {}), config.adapt)


def make_steps(config: "wlam.config.Config") -> tuple[Callable, Callable, Callable]:
    """Builds the three functions of a run, all pure.

    Returns:
        advance: state -> (state, metrics of each of `steps_per_dispatch` steps).
        validate: state -> losses on data of the training distribution that training
            does not draw.
        compare: state -> how the gradients of the ingredients conflict on these data;
            of what moves only.
    """
    graph = nnx.graphdef(nnx.eval_shape(lambda: config.model.build(nnx.Rngs(0))))
    optimizer = make_optimizer(config.optimizer, config.steps)
    share = shares(config.mixture, config.temperature)
    devices, samples = config.mesh.data, samples_of(config)

    def loss_of(
        state: State, key: jax.Array
    ) -> tuple[jax.Array, tuple[Figures, Figures]]:
        data_key, mask_key = jax.random.split(key)
        batch = draw_batch(data_key, config.mixture, samples)
        if devices > 1:  # each generates, and learns from, its own part
            batch = jax.lax.with_sharding_constraint(batch, PartitionSpec("data"))
        return total_loss(graph, model_params(state, config), batch, share, mask_key)

    def key_of(state: State, stream: int) -> jax.Array:
        return jax.random.fold_in(jax.random.wrap_key_data(state["key"]), stream)

    def one_step(state: State, _: None) -> tuple[State, dict[str, jax.Array]]:
        key = jax.random.fold_in(key_of(state, TRAINING), state["step"])
        grad = jax.value_and_grad(
            lambda params: loss_of(state | {"params": params}, key), has_aux=True
        )
        (loss, (losses, figures)), gradients = grad(state["params"])
        updates, opt = optimizer.update(gradients, state["optimizer"], state["params"])
        params = optax.apply_updates(state["params"], updates)
        norm = optax.tree.norm(gradients)
        metrics = {"loss": loss, "gradient_norm": norm} | figures
        metrics |= {f"loss/{name}": value for name, value in losses.items()}
        new = {"params": params, "optimizer": opt, "step": state["step"] + 1}
        return state | new, metrics

    def advance(state: State) -> tuple[State, dict[str, jax.Array]]:
        return jax.lax.scan(one_step, state, length=config.steps_per_dispatch)

    def validate(state: State) -> dict[str, jax.Array]:
        loss, (losses, _) = loss_of(state, key_of(state, VALIDATION))
        return {"validation": loss} | {
            f"validation/{name}": value for name, value in losses.items()
        }

    def compare(state: State) -> dict[str, jax.Array]:
        names = sorted(config.mixture)

        def losses_of(params: Any) -> jax.Array:
            merged = state | {"params": params}
            loss, (losses, _) = loss_of(merged, key_of(state, VALIDATION))
            return jnp.stack([loss, *(losses[name] for name in names)])

        return conflicts(losses_of, state["params"], names)

    return advance, validate, compare
