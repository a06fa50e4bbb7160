"""How runs wait: in real time, or in the virtual time of the embedded emulator."""

import os
import time
from datetime import timedelta

import click

from tuneops.emulator.application import Emulator
from tuneops.spec.times import read_duration


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


def settle_time() -> timedelta:
    """How long an unanswered create may still land; UsageError for what is no length of time."""
    text = os.environ.get("TUNEOPS_SETTLE", "15m")
    length = read_duration(text)
    if length is None:
        raise click.UsageError(f"`TUNEOPS_SETTLE={text}` is no length of time, such as 90s or 15m")
    return length
