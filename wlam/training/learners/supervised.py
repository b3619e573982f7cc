"""Gradient steps on the losses of the network, on batches of the mixture."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, PRNGKeyArray

from wlam.models.base import Figures
from wlam.tasks.mixture import draw_batch, shares
from wlam.training.conflicts import conflicts
from wlam.training.learners.base import Learner, LearnerConfig, State
from wlam.training.objective import total_loss
from wlam.training.state import init_state, merged, model_params, samples_of

if TYPE_CHECKING:
    import wlam.config

# Folded into the seed's key: two independent streams.
TRAINING, VALIDATION = 0, 1


@dataclass(frozen=True)
class Supervised(LearnerConfig):
    """The share-weighted losses of all data sources, one batch a step."""

    def build(self, config: "wlam.config.Config") -> "SupervisedLearner":
        return SupervisedLearner(config)


class SupervisedLearner(Learner):
    """One gradient step a batch; the state is that of `wlam.training.state`.

    A step is a function of seed, step and parameters, so that a resumed run gives the
    same bits. Validation draws from a stream of its own.
    """

    def __init__(self, config: "wlam.config.Config"):
        self.config = config

    @cached_property
    def graph(self) -> Any:
        """Graph of the network, without parameters."""
        model = self.config.model
        return nnx.graphdef(nnx.eval_shape(lambda: model.build(nnx.Rngs(0))))

    def init(self, start: dict[str, Any] | None = None) -> State:
        return init_state(self.config, start)

    def params(self, state: State) -> dict[str, Any]:
        return model_params(state, self.config)

    def advance(self, state: State) -> tuple[State, dict[str, Float[Array, " step"]]]:
        config = self.config
        optimizer = config.optimizer.build(config.steps)

        def one_step(state: State, _: None) -> tuple[State, Figures]:
            key = jax.random.fold_in(self._key(state, TRAINING), state["step"])
            (loss, (losses, figures)), gradients = self.gradients(state, key)
            updates, memory = optimizer.update(
                gradients, state["optimizer"], state["params"]
            )
            params = optax.apply_updates(state["params"], updates)
            norm = optax.tree.norm(gradients)
            metrics = {"loss": loss, "gradient_norm": norm} | figures
            metrics |= {f"loss/{name}": value for name, value in losses.items()}
            new = {"params": params, "optimizer": memory, "step": state["step"] + 1}
            return state | new, metrics

        return jax.lax.scan(one_step, state, length=config.steps_per_dispatch)

    def gradients(
        self, state: State, key: PRNGKeyArray
    ) -> tuple[tuple[Array, tuple[Figures, Figures]], Any]:
        """((loss, (losses, figures)), gradients of trained parameters) of a batch."""

        def loss_of(params: Any) -> tuple[Array, tuple[Figures, Figures]]:
            return self._loss(merged(state | {"params": params}, self.config), key)

        return jax.value_and_grad(loss_of, has_aux=True)(state["params"])

    def validate(self, state: State) -> Figures:
        """Losses on data of the training distribution that are not trained on.

        With averaged parameters they are those of the average.
        """
        key = self._key(state, VALIDATION)
        loss, (losses, _) = self._loss(self.params(state), key)
        return {"validation": loss} | {
            f"validation/{name}": value for name, value in losses.items()
        }

    def conflicts(self, state: State) -> Figures:
        """Conflicts between the gradients of the data sources on these data.

        Of trained parameters only, see `wlam.training.conflicts`.
        """
        names = sorted(self.config.mixture)
        key = self._key(state, VALIDATION)

        def losses_of(params: Any) -> jax.Array:
            params_of_model = merged(state | {"params": params}, self.config)
            loss, (losses, _) = self._loss(params_of_model, key)
            return jnp.stack([loss, *(losses[name] for name in names)])

        return conflicts(losses_of, state["params"], names)

    def validations(self) -> tuple[tuple[int, Callable[[State], Figures]], ...]:
        return (
            (self.config.validate_every, self.validate),
            (self.config.conflicts_every, self.conflicts),
        )

    def _key(self, state: State, stream: int) -> PRNGKeyArray:
        return jax.random.fold_in(jax.random.wrap_key_data(state["key"]), stream)

    def _loss(
        self, params: dict[str, Any], key: PRNGKeyArray
    ) -> tuple[Array, tuple[Figures, Figures]]:
        """The loss of one batch, given all parameters of the network."""
        config = self.config
        data_key, loss_key = jax.random.split(key)
        batch = draw_batch(data_key, config.mixture, samples_of(config))
        if config.mesh.data > 1:  # each device generates and trains on its own part
            batch = jax.lax.with_sharding_constraint(batch, PartitionSpec("data"))
        share = shares(config.mixture, config.temperature)
        return total_loss(self.graph, params, batch, share, loss_key)
