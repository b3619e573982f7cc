"""The optimiser of a run."""

from dataclasses import dataclass
from typing import Any

import jax
import optax


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW with linear warm-up and cosine decay to zero."""

    # Peak of the schedule.
    learning_rate: float = 1e-3
    # Steps of linear warm-up.
    warmup_steps: int = 200
    # Decoupled; on matrices only.
    weight_decay: float = 0.05
    # Global norm that gradients are clipped to.
    clip_norm: float = 1.0
    # Memory of the second moment.
    beta2: float = 0.98

    def build(self, steps: int) -> optax.GradientTransformation:
        """AdamW behind a global-norm clip, for a run of so many steps."""
        schedule = optax.warmup_cosine_decay_schedule(
            init_value=0.0,
            peak_value=self.learning_rate,
            warmup_steps=min(self.warmup_steps, steps - 1),
            decay_steps=steps,
        )

        def matrices(params: Any) -> Any:
            return jax.tree.map(lambda x: x.ndim > 1, params)

        return optax.chain(
            optax.clip_by_global_norm(self.clip_norm),
            optax.adamw(
                schedule,
                b2=self.beta2,
                weight_decay=self.weight_decay,
                mask=matrices,
            ),
        )
