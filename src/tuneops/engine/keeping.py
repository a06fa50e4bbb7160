"""Write down in claims what a lock knows of jobs and would lose."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from tuneops.core.claim import Claim
from tuneops.core.keepsakes import NOTHING, Kept, keepsakes
from tuneops.core.lock import Lock
from tuneops.core.observed import ObservedJob
from tuneops.core.view import View
from tuneops.engine.ports import ClaimStore
from tuneops.engine.telling import Event
from tuneops.errors import TuneopsError

TRIES = 3
"""How often a claim that others change meanwhile is read again."""


def keep(
    view: View,
    before: Lock,
    after: Lock,
    *,
    claims: ClaimStore,
    runner: str,
    watch: Callable[[Event], None],
) -> None:
    """Keep what changed between two states of the lock; to be called before the later is written.

    Where a claim cannot be written it is said, and nothing else fails for it: the lock has it.
    """
    try:
        _write(keepsakes(before, after, view.observed), claims, runner)
    except TuneopsError as fault:
        watch(Event(address="", event="kept in the lock alone", detail=fault.message))


def _write(found: Mapping[str, Kept], claims: ClaimStore, runner: str) -> None:
    for key, kept in found.items():
        job = kept.job
        for _ in range(TRIES):
            there = claims.read(key)
            claim = there[0] if there else _claim(key, job, runner)
            said = claim.kept or NOTHING
            new = kept.over(said)
            if claim.job not in (None, job.name) or new == said:
                break
            claim = replace(claim, phase="bound", job=job.name, kept=new)
            if claims.swap(claim, there[1] if there else None) is not None:
                break


def _claim(key: str, job: ObservedJob, runner: str) -> Claim:
    """The claim of a job whose own was lost."""
    assert job.ownership is not None, "only jobs with our labels are kept"
    marks = (job.ownership.mark,)
    return Claim(
        key=key, phase="bound", epoch=1, marks=marks, runner=runner, at=job.created, job=job.name
    )
