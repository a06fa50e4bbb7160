"""How runs wait: in real time, or in the virtual time of the embedded emulator."""

import time
from datetime import timedelta

from tuneops.emulator.application import Emulator


class RealClock:
    """Waiting takes its time."""

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass."""
        time.sleep(seconds)


class VirtualClock:
    """Waiting for the embedded emulator moves its time on, and takes none of ours."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self._emulator.advance(timedelta(seconds=seconds))
