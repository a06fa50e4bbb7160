"""How long reads are patient.

The figures are those of google-cloud-storage's own retry (408, 429, 5xx, connection errors) with
full jitter, so that runners which failed together do not come back together.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

TRIES = 6
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 20.0
LONGEST_ASKED = 60.0
PATIENCE = 90.0
"""Seconds after which a read is given up, pauses included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Time and chance, as things that are handed in: a test brings its own.

    Chance is the system's: a program that has us as a library keeps its own seeded sequence.
    """

    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.SystemRandom().random
    monotonic: Callable[[], float] = time.monotonic

    def pause(self, failures: int, asked: float | None) -> float:
        """The seconds to wait after so many failures; a wish of the service's goes first."""
        if asked is not None:
            return min(asked, LONGEST_ASKED)
        return self.random() * min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (failures - 1))
