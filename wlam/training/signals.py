"""SIGTERM and SIGINT as requests to save and exit."""

import signal
from types import FrameType


class StopRequest:
    """Records the first stop signal; a second one ends the process at once."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._receive)

    def _receive(self, number: int, _: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        signal.signal(number, signal.SIG_DFL)

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 + signal, the convention of shells, for `make` and Slurm."""
        return 128 + (self.signal or 0)
