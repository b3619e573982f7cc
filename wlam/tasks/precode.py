"""Beams for the users of a downlink: what is asked of a beamformer, not a forecast."""

from typing import Any

from jaxtyping import PRNGKeyArray

from wlam.metrics import Statistic
from wlam.tasks.task import Baseline, Task
from wlam.tasks.windows import Sequences, Windows
from wlam.types import LINEAR_BEYOND, DataError, Downlink, DownlinkBatch


class Precode(Task):
    """Channels of all users, from which beams are learned.

    `wlam.evaluation.precode` compares beamformers; there is no window to forecast.
    """

    name = "precode"
    container = Downlink
    headline = "sum rate"

    def batch(
        self,
        key: PRNGKeyArray,
        data: Downlink,
        per_sample: int,
        context: int | None,
        linear_beyond: float = LINEAR_BEYOND,
    ) -> DownlinkBatch:
        """All of the channels, in whatever errors a network trains with."""
        return DownlinkBatch(data.channels)

    def sequences(self, data: Any) -> Sequences:
        """DataError: beams are formed from channels as they come."""
        raise _no_forecast()

    def baselines(self, data: Any, windows: Windows) -> dict[str, Baseline]:
        """DataError, see `sequences`."""
        raise _no_forecast()

    def scores(
        self, forecast: Any, data: Any, windows: Windows
    ) -> dict[str, Statistic]:
        """DataError, see `sequences`."""
        raise _no_forecast()


def _no_forecast() -> DataError:
    return DataError(
        "task: found precode, which forecasts nothing; needed the evaluator Precode"
    )
