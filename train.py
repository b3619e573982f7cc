"""Trains a model: python train.py CONFIG [overrides].

CONFIG is FILE.py, or FILE.py:NAME where a file defines several.
Run the same command again to resume. `python train.py configs/quickstart.py --help`
lists every field that can be overridden.
"""

import sys
import time

import jax
import numpy as np

from wlam.config import Config, load_config
from wlam.finetune import prepare, pretrained
from wlam.training.checkpoint import Checkpoints
from wlam.training.log import MetricLogger
from wlam.training.sharding import make_mesh, tree_shardings
from wlam.training.signals import StopRequest


class NonFiniteError(FloatingPointError):
    """The loss or a gradient is NaN or infinite."""


def check_finite(
    first_step: int, metrics: dict[str, np.ndarray], saved: object
) -> None:
    """Stops the run at the first step whose loss or gradient is not finite."""
    bad = {name: ~np.isfinite(values) for name, values in metrics.items()}
    if any(b.any() for b in bad.values()):
        when = min(int(b.argmax()) for b in bad.values() if b.any())
        names = [n for n, b in bad.items() if b[when] and n != "loss"] or ["loss"]
        raise NonFiniteError(
            f"step {first_step + when}: {', '.join(names)} not finite; the last good "
            f"checkpoint is {saved}; lower optimizer.learning_rate or check the data"
        )


class Pending:
    """Metrics of the last dispatch, read while the device computes the next one."""

    def __init__(self, log: MetricLogger, checkpoints: Checkpoints, steps: int):
        self.log, self.checkpoints, self.steps = log, checkpoints, steps
        self.last: tuple[int, dict] | None = None  # first step, metrics of each

    def settle(self) -> None:
        """Checks and records the metrics, if there are any."""
        if self.last is None:
            return
        first, device_metrics = self.last
        metrics = jax.device_get(device_metrics)
        check_finite(first, metrics, self.checkpoints.last_good)
        means = {name: float(x.mean()) for name, x in metrics.items()}
        self.log.write(first + self.steps - 1, means)
        self.last = None


def train(config: Config) -> int:
    """Runs the experiment to its end or to a stop signal; returns the exit code."""
    stop = StopRequest()

    # ---- mesh: placement of arrays --------------------------------------------------
    mesh = make_mesh(config.mesh)
    jax.set_mesh(mesh)

    # ---- state: shapes first; arrays are allocated after they are checked ----------
    learner = config.learner.build(config)
    shapes = jax.eval_shape(learner.init)
    shardings = tree_shardings(shapes, mesh)
    advance = jax.jit(
        learner.advance,
        donate_argnums=0,
        in_shardings=(shardings,),
        out_shardings=(shardings, None),
    )
    validations = [
        (every, jax.jit(validate, in_shardings=(shardings,)))
        for every, validate in learner.validations()
    ]
    count = sum(x.size for x in jax.tree.leaves(shapes["params"]))
    print(
        f"{config.run}: {count:,} parameters to train, {config.steps} steps on "
        f"{mesh.size} {jax.devices()[0].platform} device(s)",
        flush=True,
    )

    with Checkpoints(config.run, config.checkpoint.keep) as checkpoints:
        # ---- restore -----------------------------------------------------------------
        # 1. A complete checkpoint in the run's folder wins; else start from config.init
        #    or, without one, from the seed.
        # 2. It must come from this config, except for fields that no bit depends on.
        # 3. It holds params, optimiser, PRNG key and step; step is the stream position.
        # 4. The metric log drops what was written after it.
        state = checkpoints.restore(shapes, shardings, config)
        if state is None:
            begin = jax.jit(learner.init, out_shardings=shardings)
            state = begin(pretrained(config))
        step = int(state["step"])
        if step:
            print(f"resuming {checkpoints.folder.parent} at step {step}", flush=True)

        # ---- loop --------------------------------------------------------------------
        with MetricLogger(config.run, step, config.steps) as log:
            pending = Pending(log, checkpoints, config.steps_per_dispatch)
            began = saved_at = time.monotonic()
            saved_step = step

            while step < config.steps and not stop:
                state, metrics = advance(state)
                # The host reads step i while the device computes step i + 1.
                pending.settle()
                pending.last = (step + 1, metrics)
                step += config.steps_per_dispatch

                for every, validate in validations:
                    if every and step % every == 0:
                        pending.settle()
                        found = jax.device_get(validate(state))
                        log.write(step, {n: float(x) for n, x in found.items()})
                minutes = (time.monotonic() - saved_at) / 60
                if config.checkpoint.is_due(step - saved_step, minutes):
                    pending.settle()  # a state whose loss is not finite is never saved
                    checkpoints.save(step, state, config)
                    saved_at, saved_step = time.monotonic(), step
            pending.settle()
            checkpoints.save(step, state, config)

    print(f"step {step} after {time.monotonic() - began:.0f} s", flush=True)
    if stop.signal:
        print(
            f"stopped by {stop.signal.name} at step {step}, saved; the same command "
            "resumes",
            flush=True,
        )
        return stop.exit_code
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        sys.exit(0 if sys.argv[1:] in (["-h"], ["--help"]) else 2)
    try:
        config, notes = prepare(load_config(sys.argv[1], sys.argv[2:]))
        for note in notes:
            print(note)
        sys.exit(train(config))
    except (ValueError, NonFiniteError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        sys.exit(2)
