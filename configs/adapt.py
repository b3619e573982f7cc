"""Adapts a trained model to your own data; see docs/training.md.

command   python train.py configs/adapt.py --init MODEL --data FILE.npz --run runs/mine
          && python eval.py runs/mine
hardware  2 CPU cores
time      not yet measured
expected  not yet measured

MODEL is a run's folder, a released model's or its name. Training takes the first 80 %
of the samples (--shots 100: the first hundred of them), eval.py evaluates on the rest.
--adapt.method full trains all parameters, head those of the heads alone, lora low-rank
changes of the backbone's matrices (--adapt.rank).
"""

from wlam.adapt.lora import AdaptConfig
from wlam.config import Config
from wlam.training.optimisers import OptimizerConfig

config = Config(
    run="runs/adapted",
    mixture={},
    evaluation={},
    init="wlam_tiny",
    adapt=AdaptConfig(method="lora"),
    steps=400,
    rows=240,
    validate_every=0,
    # Decay would pull away from the trained parameters, except with low ranks.
    optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=40, weight_decay=0.0),
)
