"""`make soak SEEDS=1000000`: many seeds on two cores; one line, and each seed that fails."""

import os
import sys
import time
from collections.abc import Iterator
from multiprocessing import Pool
from typing import NamedTuple

from tests.support.swarm import play

CORES = 2
CHUNK = 250
MOST_FAILURES = 20
"""After so many it stops: they are one bug, or the simulation is broken."""


class Tally(NamedTuple):
    """What some seeds gave."""

    seeds: int = 0
    faults: int = 0
    jobs: int = 0
    runs: int = 0
    hours: float = 0
    failures: tuple[tuple[int, str], ...] = ()

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            self.seeds + other.seeds,
            self.faults + other.faults,
            self.jobs + other.jobs,
            self.runs + other.runs,
            self.hours + other.hours,
            self.failures + other.failures,
        )


def one(seed: int) -> Tally:
    """Live through one seed, and count."""
    try:
        swarm = play(seed)
    except Exception as wrong:
        first = str(wrong).partition("\n")[0]
        return Tally(seeds=1, failures=((seed, f"{type(wrong).__name__}: {first}"),))
    hours = (swarm.world.at - swarm.born).total_seconds() / 3600
    runs = sum(runner.ticks for runner in swarm.runners)
    return Tally(1, swarm.faults, len(swarm.world.jobs), runs, hours)


def some(seeds: range) -> Tally:
    """Live through these seeds."""
    tally = Tally()
    for seed in seeds:
        tally = tally.plus(one(seed))
    return tally


def _chunks(start: int, count: int) -> Iterator[range]:
    end = start + count
    for first in range(start, end, CHUNK):
        yield range(first, min(first + CHUNK, end))


def soak(start: int, count: int) -> Tally:
    """So many seeds from `start` on, on two cores; a failing seed is printed when it is found."""
    tally = Tally()
    with Pool(CORES) as pool:
        for part in pool.imap_unordered(some, _chunks(start, count)):
            tally = tally.plus(part)
            for seed, words in part.failures:
                print(f"seed {seed} fails: {words}", flush=True)
            if len(tally.failures) >= MOST_FAILURES:
                break
    return tally


def main() -> int:
    """Read how many from the environment, and give 1 when a seed fails."""
    start, count = int(os.environ.get("START", "0")), int(os.environ.get("SEEDS", "20000"))
    began = time.monotonic()
    tally = soak(start, count)
    speed = tally.seeds / (time.monotonic() - began)
    print(
        f"{tally.seeds} seeds from {start}: {len(tally.failures)} fail; {tally.runs} runs, "
        f"{tally.jobs} jobs, {tally.faults} faults, {tally.hours / 8766:.1f} virtual years; "
        f"{speed:.0f} seeds/s"
    )
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
