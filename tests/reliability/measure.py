"""`make figures`: run what takes minutes, and leave its figures for the document."""

import os
import sys
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.e2e.conftest import Nursery
from tests.side_by_side import ours, theirs
from tests.side_by_side.table import MEASURED, STORIES
from tests.simulation.test_anything_people_do import People
from tests.simulation.test_crash_anywhere import CASES, _runner
from tests.simulation.test_every_schedule import PUSH
from tests.support.figures import leave
from tests.support.schedules import schedules
from tests.support.soak import soak

SEEDS = int(os.environ.get("SEEDS", "20000"))
EXAMPLES = int(os.environ.get("EXAMPLES", "300"))


def worlds() -> int:
    """Random worlds by seed."""
    tally = soak(0, SEEDS)
    tally.leave(0)
    return len(tally.failures)


def interleavings() -> int:
    """Every schedule of the protocol within bounds, and every instant at which a run can stop."""
    counts: dict[str, int | float | str] = {
        f"schedules with {bounds.runners} runners" + (", late lists" if bounds.lag else ""): sum(
            1 for _ in schedules(bounds)
        )
        for bounds in PUSH
    }
    instants = 0
    for case in CASES:
        runner = _runner(case)
        runner.converge()
        instants += len(runner.instants)
    counts["instants at which a run was stopped"] = instants
    leave("enumerated", "make figures", counts)
    return 0


def people() -> int:
    """Anything that people do, in any order."""
    People.counts.clear()
    run_state_machine_as_test(
        People, settings=settings(max_examples=EXAMPLES, deadline=None, database=None)
    )
    leave("people", f"make figures EXAMPLES={EXAMPLES}", dict(sorted(People.counts.items())))
    return 0


def accidents() -> int:
    """The stories of both tools, by their verdicts."""
    name = theirs.version()
    nurseries = [Nursery(), Nursery()]
    counts: dict[str, int | float | str] = {"compared with": name or f"nobody here ({MEASURED})"}
    with tempfile.TemporaryDirectory(prefix="tuneops-figures-") as folder:
        for key, words in STORIES.items():
            mine, other = Path(folder) / f"{key}-ours", Path(folder) / f"{key}-theirs"
            mine.mkdir()
            other.mkdir()
            verdict = ours.live(key, mine, nurseries).verdict
            if name is not None:
                verdict += f"; {name.split()[0]}: {theirs.live(key, other).verdict}"
            counts[words] = verdict
    for nursery in nurseries:
        nursery.close()
    leave("side by side", "make side-by-side", counts)
    return 0


if __name__ == "__main__":
    sys.exit(max(part() for part in (worlds, interleavings, people, accidents)))
