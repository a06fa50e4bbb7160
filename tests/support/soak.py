"""`make soak`: random worlds by the million, on all cores; `make bugs` shows what they find.

    python -m tests.support.soak --seeds 1000000 --start 0 --json FILE

It may be stopped at any time (SIGINT, SIGTERM): what it found until then is written all the same.
Seeds that fail are printed and kept in `tests/simulation/seeds.txt`, which every push plays first.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.support import hunts
from tests.support.figures import leave
from tests.support.swarm import play

CHUNK = 100
SMALL = 10
"""Every so-many-th seed plays the small worlds too."""

MOST_FAILURES = 20
"""After so many it stops: they are one bug, or the simulation is broken."""

SELDOM = 60.0
"""Seconds between two lines of progress where nobody watches."""

PINNED = Path(__file__).parent.parent / "simulation/seeds.txt"


@dataclass(slots=True)
class Tally:
    """What some seeds gave."""

    seeds: int = 0
    jobs: int = 0
    runs: int = 0
    hours: float = 0
    met: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each kind of fault struck, and at which point of a run."""
    failures: list[tuple[int, str]] = field(default_factory=list)
    stopped: bool = False

    @property
    def faults(self) -> int:
        """How many faults struck."""
        return sum(self.met.values())

    def add(self, other: "Tally") -> None:
        """Take another tally in."""
        self.seeds += other.seeds
        self.jobs += other.jobs
        self.runs += other.runs
        self.hours += other.hours
        self.met += other.met
        self.failures += other.failures

    def figures(self) -> dict[str, Any]:
        """The numbers, as they are published."""
        kinds: Counter[str] = Counter()
        for (kind, _), count in self.met.items():
            kinds[kind] += count
        return {
            "seeds": self.seeds,
            "failures": [{"seed": seed, "words": words} for seed, words in self.failures],
            "runs": self.runs,
            "jobs": self.jobs,
            "virtualHours": round(self.hours),
            "faults": dict(sorted(kinds.items())),
            "points": len({place for _, place in self.met}),
            "pointsTimesKinds": len(self.met),
        }

    def leave(self, start: int) -> None:
        """Write down the numbers for the document, if it is a run for it."""
        kinds: Counter[str] = Counter()
        for (kind, _), count in self.met.items():
            kinds[kind] += count
        counts = {
            "seeds": self.seeds,
            "seeds that failed": len(self.failures),
            "runs": self.runs,
            "jobs": self.jobs,
            "virtual years": round(self.hours / 8766, 1),
            "faults that struck": self.faults,
            "kinds of fault, times the points of a run where they struck": len(self.met),
            **{f"faults: {kind}": count for kind, count in sorted(kinds.items())},
        }
        begin = f" START={start}" if start else ""
        leave("random worlds", f"make soak SEEDS={self.seeds}{begin}", counts)


def one(seed: int) -> Tally:
    """Live through one seed, and count."""
    try:
        swarm = play(seed)
        if seed % SMALL == 0:
            for hunt in (hunts.answers, hunts.disks, hunts.aliases, hunts.digests):
                hunt(seed)
    except Exception as wrong:
        first = str(wrong).partition("\n")[0]
        return Tally(seeds=1, failures=[(seed, f"{type(wrong).__name__}: {first}")])
    hours = (swarm.world.at - swarm.born).total_seconds() / 3600
    runs = sum(runner.ticks for runner in swarm.runners)
    return Tally(1, len(swarm.world.jobs), runs, hours, swarm.met)


def some(seeds: range) -> Tally:
    """Live through these seeds."""
    tally = Tally()
    for seed in seeds:
        tally.add(one(seed))
    return tally


def _chunks(start: int, count: int) -> Iterator[range]:
    end = start + count
    for first in range(start, end, CHUNK):
        yield range(first, min(first + CHUNK, end))


def soak(start: int, count: int, told: Callable[[Tally], None] = lambda _: None) -> Tally:
    """So many seeds from `start` on, on all cores; `told` hears of each part.

    A SIGINT ends it early, with what there is by then.
    """
    tally = Tally()
    with get_context("spawn").Pool(os.cpu_count(), _deafen) as pool:
        try:
            for part in pool.imap_unordered(some, _chunks(start, count)):
                tally.add(part)
                told(tally)
                if len(tally.failures) >= MOST_FAILURES:
                    break
        except KeyboardInterrupt:
            tally.stopped = True
    return tally


def _deafen() -> None:
    """A terminal sends its SIGINT to all; who counts is stopped by who counts them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def keep(failures: list[tuple[int, str]]) -> None:
    """Write failing seeds where every push plays them."""
    known = {line.split()[0] for line in PINNED.read_text().splitlines() if line.strip()}
    new = [f"{seed:<5} {words}\n" for seed, words in sorted(failures) if str(seed) not in known]
    with PINNED.open("a") as file:
        file.writelines(new)


def main(words: list[str]) -> int:
    """Give 1 when a seed fails, 130 when it was stopped before the last one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=int(os.environ.get("SEEDS", "1000000")))
    parser.add_argument("--start", type=int, default=int(os.environ.get("START", "0")))
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(words)
    for number in (signal.SIGINT, signal.SIGTERM):  # one that was started by `&` ignores SIGINT
        signal.signal(number, signal.default_int_handler)
    teller = Teller(chosen.seeds)
    tally = soak(chosen.start, chosen.seeds, teller.tell)
    teller.end(tally)
    for seed, failure in tally.failures:
        print(f"seed {seed} fails: {failure}")
    keep(tally.failures)
    tally.leave(chosen.start)
    figures = {"start": chosen.start, **tally.figures()}
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 1 if tally.failures else 130 if tally.stopped else 0


class Teller:
    """Says how far it is: on one line of a terminal; elsewhere by a line now and then."""

    def __init__(self, of: int) -> None:
        self._of = of
        self._began = time.monotonic()
        self._next = self._began

    def tell(self, tally: Tally) -> None:
        """Say it, if it is time."""
        now = time.monotonic()
        if sys.stdout.isatty():
            print(f"\r{self._line(tally, now)}", end="", flush=True)
        elif now >= self._next:
            self._next = now + SELDOM
            print(self._line(tally, now), flush=True)

    def end(self, tally: Tally) -> None:
        """Say it once more."""
        start = "\r" if sys.stdout.isatty() else ""
        stopped = "; stopped" if tally.stopped else ""
        print(f"{start}{self._line(tally, time.monotonic())}{stopped}", flush=True)

    def _line(self, tally: Tally, now: float) -> str:
        speed = tally.seeds / max(now - self._began, 0.001)
        return (
            f"{tally.seeds} of {self._of} seeds, {len(tally.failures)} fail; {tally.runs} runs, "
            f"{tally.jobs} jobs, {tally.faults} faults, "
            f"{tally.hours / 8766:.1f} virtual years; {speed:.0f} seeds/s"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
