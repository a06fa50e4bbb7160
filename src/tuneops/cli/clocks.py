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


LEAST_SETTLE = timedelta(minutes=2)
"""A create may begin a minute after the list that its mark is dated by, and take a minute: who
waited for less would take over a claim whose create is still being sent."""


def settle_time(*, emulated: bool) -> timedelta:
    """How long an unanswered create may still land; UsageError for what is no such time."""
    text = os.environ.get("TUNEOPS_SETTLE", "15m")
    length = read_duration(text)
    if length is None:
        raise click.UsageError(f"`TUNEOPS_SETTLE={text}` is no length of time, such as 5m or 15m")
    if length < (timedelta(seconds=1) if emulated else LEAST_SETTLE):
        raise click.UsageError(
            f"`TUNEOPS_SETTLE={text}` is too short: a create may take two minutes to be sent, and "
            "whoever takes it for lost before buys it a second time"
        )
    return length
