"""Logging of metrics: a progress bar, JSON lines, TensorBoard events."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter
from tqdm import tqdm

METRICS = "metrics.jsonl"


class MetricLogger:
    """Records one number per name and step.

    A resumed run continues its log: lines after the restored step are removed, since
    these steps run again.
    """

    def __init__(self, run: str | Path, step: int, total: int):
        self.path = Path(run) / METRICS
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._drop_after(step)
        self._lines = self.path.open("a")
        self._events = SummaryWriter(
            str(Path(run) / "tensorboard"), purge_step=step + 1
        )
        self._bar = tqdm(
            total=total, initial=step, unit="step", dynamic_ncols=True, mininterval=0.5
        )

    def __enter__(self) -> "MetricLogger":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        self._lines.close()
        self._events.close()

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Appends metrics of a step and advances the progress bar to it."""
        self._lines.write(json.dumps({"step": step, **metrics}) + "\n")
        self._lines.flush()
        for name, value in metrics.items():
            self._events.add_scalar(name, value, step)
        self._bar.update(step - self._bar.n)
        if "loss" in metrics:
            self._bar.set_postfix(loss=f"{metrics['loss']:.4f}", refresh=False)

    def _drop_after(self, step: int) -> None:
        if not self.path.exists():
            return
        kept = []
        for line in self.path.read_text().splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
            except (ValueError, KeyError):
                continue  # the process was killed in the middle of this line
        fresh = self.path.with_suffix(".tmp")
        fresh.write_text("".join(kept))
        os.replace(fresh, self.path)
