"""Series as the predictor takes them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Bool, Float, Int

from wlam.baselines.bank.series import (
    BaselineForecasts,
    baseline_forecasts,
    steps_per_day,
)

if TYPE_CHECKING:
    import wlam.models.predictor.network


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SeriesInputs:
    """Rows as the predictor takes them: normalised, with training-free forecasts."""

    values: Float[Array, "b t"]  # t is a multiple of the patch
    hidden: Bool[Array, "b t"]  # True where a sample is unknown: without influence
    guesses: BaselineForecasts  # not looked at with baselines=False
    interval: Float[Array, " b"]  # of the samples, in seconds, Hz or wavelengths
    axis: Int[Array, " b"]  # index into `AXES`, what the series run along

    @staticmethod
    def of(
        values: Float[Array, "b g t"],
        hidden: Bool[Array, "b t"],
        given: Bool[Array, "b t"],
        interval: Float[Array, " b"],
        axis: Int[Array, " b"],
        config: "wlam.models.predictor.network.PredictorConfig",
        is_complex: bool,
    ) -> "SeriesInputs":
        """Every row of every group by itself; arguments as of `baseline_forecasts`."""
        patch, group = config.patch, values.shape[1]
        horizon, season = config.horizon_patches * patch, steps_per_day(interval, axis)
        guesses = baseline_forecasts(
            values, hidden, given, season, patch, horizon, is_complex
        )
        return SeriesInputs(
            rearrange(values, "b g t -> (b g) t"),
            jnp.repeat(hidden, group, axis=0),
            jax.tree.map(lambda x: rearrange(x, "b g ... -> (b g) ..."), guesses),
            jnp.repeat(interval, group),
            jnp.repeat(axis, group),
        )
