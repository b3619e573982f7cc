"""A mixture of experts: a feed-forward layer of which every token uses a few experts.

Shazeer et al., "Outrageously large neural networks: the sparsely-gated
mixture-of-experts layer", arXiv 1701.06538; Fedus et al., "Switch transformers",
arXiv 2101.03961.

All experts are computed for all tokens, and gates of zero remove those that a token
does not use. That is exact and drops no token, but every expert costs its compute:
time grows with the parameters. A kernel that computes the used experts alone belongs
in `Experts.__call__`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Load:
    """How visible tokens were spread over the experts of every layer."""

    used: Float[Array, "*layer expert"]  # tokens that used an expert
    wished: Float[Array, "*layer expert"]  # sums of the router's probabilities
    weight: float = field(metadata={"static": True})  # of the balance in the loss

    def shares(self) -> Float[Array, "*layer expert"]:
        """f_e: of all uses, which share each expert had; sums to 1 in a layer."""
        return self.used / jnp.maximum(self.used.sum(-1, keepdims=True), 1)

    def balance(self) -> Float[Array, "*layer"]:
        """E sum_e f_e P_e of every layer (arXiv 2101.03961, eq. 4 to 6).

        P_e is the mean probability of expert e. It is 1 where all experts are used
        alike, and E where one expert has all tokens. Only P_e has a gradient.
        """
        wished = self.wished / jnp.maximum(self.wished.sum(-1, keepdims=True), 1)
        return self.used.shape[-1] * (self.shares() * wished).sum(-1)


def in_layers(loads: Sequence[Load]) -> Load:
    """The load of a stack of layers."""
    return jax.tree.map(lambda *x: jnp.stack(x), *loads)


def in_all(loads: Sequence[Load]) -> Load:
    """The load of several sets of tokens, as if they were one."""
    return jax.tree.map(lambda *x: jnp.stack(x).sum(0), *loads)


class Experts(nnx.Module):
    """y = sum_e g_e(x) W2_e gelu(W1_e x), with g_e = 0 for all but `active` experts.

    The router's probabilities are p = softmax(W x), in float32. A token uses the
    experts of the largest ones. A single expert has the gate p_e (Switch, eq. 2):
    divided by itself, it would give the router no gradient. Several have p_e over
    their sum.
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        experts: int,
        active: int,
        balance: float,
        rngs: nnx.Rngs,
        dtype: jnp.dtype,
    ):
        self.active, self.balance, self.dtype = active, balance, dtype
        # Rounded products, the default of accelerators, would choose other experts.
        self.router = nnx.Linear(
            width, experts, use_bias=False, precision="highest", rngs=rngs
        )
        self.up = Stack(experts, width, hidden, rngs)
        self.down = Stack(experts, hidden, width, rngs)

    def __call__(
        self, x: Float[Array, "b n d"], visible: Bool[Array, "b n"]
    ) -> tuple[Float[Array, "b n d"], Load]:
        """The layer's output, and its load; hidden tokens are not counted."""
        probability = jax.nn.softmax(self.router(x.astype(jnp.float32)), axis=-1)
        chosen = jax.lax.top_k(probability, self.active)[1]
        used = jax.nn.one_hot(chosen, probability.shape[-1]).sum(-2)
        gates = used * probability
        if self.active > 1:
            gates = gates / gates.sum(-1, keepdims=True)
        # One after the other: on a CPU one product over all took twice as long.
        y = jnp.zeros(x.shape, jnp.float32)
        for e in range(gates.shape[-1]):
            hidden = jax.nn.gelu(x.astype(self.dtype) @ self.up(e).astype(self.dtype))
            change = hidden @ self.down(e).astype(self.dtype)
            y += gates[..., e, None] * change.astype(jnp.float32)
        counted = visible[..., None]
        load = Load(
            used=(used * counted).sum((0, 1)),
            wished=jnp.where(counted, probability, 0).sum((0, 1)),
            weight=self.balance,
        )
        return y, load


class Stack(nnx.Module):
    """The matrices of all experts, without biases."""

    def __init__(self, experts: int, inputs: int, outputs: int, rngs: nnx.Rngs):
        draw = nnx.initializers.lecun_normal(batch_axis=0)
        self.kernel = nnx.Param(draw(rngs.params(), (experts, inputs, outputs)))

    def __call__(self, expert: int) -> Float[Array, "i o"]:
        """The matrix of an expert."""
        return self.kernel[expert]
