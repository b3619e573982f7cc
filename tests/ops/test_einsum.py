"""Products in full precision where results depend on small differences."""

import jax
import jax.numpy as jnp
import pytest

from wlam.baselines.bank.series import baseline_forecasts
from wlam.baselines.bank.smoothers import adaptive_spectrum, covariance, wiener
from wlam.diffusion.posterior import through_matrix
from wlam.nn.lipschitz import contracted
from wlam.ops.einsum import einsum
from wlam.ops.solve import inverse_positive

PILOTS = jnp.ones((1, 8, 2, 2), jnp.complex64)
SPECTRUM, NOISE = jnp.ones((1, 2, 2, 32)), jnp.ones((1, 2, 2))
ROWS = jnp.ones((1, 1, 32))
NOTHING = jnp.zeros((1, 32), bool)


def forecasts(rows):
    season = jnp.zeros(1, jnp.int32)
    return baseline_forecasts(rows, NOTHING, ~NOTHING, season, 16, 16, False).forecasts


def pulled(data):
    sensing = jnp.ones((3, 4), jnp.complex64)
    pull = through_matrix(jnp.ones((2, 3), jnp.complex64), sensing, jnp.ones(2))
    return pull(data, jnp.ones((1, 1)))


@pytest.mark.parametrize(
    ("function", "argument"),
    [
        (lambda x: einsum("ij,kj->ik", x, x), jnp.ones((3, 4))),
        (inverse_positive, jnp.eye(3)),
        (lambda x: covariance(x, NOISE), SPECTRUM),
        (lambda x: adaptive_spectrum(x, None, None, 1), PILOTS),
        (lambda x: wiener(x, SPECTRUM, NOISE), PILOTS),
        (forecasts, ROWS),
        (pulled, jnp.ones((2, 4), jnp.complex64)),
        (contracted, jnp.ones((3, 4))),
    ],
)
def test_no_product_has_the_default_precision_of_accelerators(function, argument):
    """TF32 on GPUs and bfloat16 on TPUs: not visible on a CPU, but in the program."""
    program = str(jax.make_jaxpr(function)(argument))
    products = program.count("dot_general[")
    assert products > 0
    assert program.count("precision=(Precision.HIGHEST, Prec") == products
