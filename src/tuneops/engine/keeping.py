"""Write down in claims what a lock knows of jobs and would lose."""

from collections.abc import Callable
from dataclasses import replace

from tuneops.core.claim import Claim
from tuneops.core.keepsakes import NOTHING, Kept, keepsakes, noted
from tuneops.core.lock import Lock
from tuneops.core.observed import ObservedJob
from tuneops.core.view import View
from tuneops.engine.ports import ClaimStore
from tuneops.engine.telling import Event
from tuneops.errors import ClaimDamaged, TuneopsError

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
) -> Lock:
    """Keep what changed between two states of the lock; gives the later one, to be written then.

    Where a claim cannot be written it is said, and nothing else fails for it: the lock has it, and
    notes it, so that a later run keeps it. Costs nothing where nothing changed or is owed.
    """
    found = keepsakes(before, after, view.observed)
    left = set(found)

    def say(why: str) -> None:
        watch(Event(address="", event="kept in the lock alone", detail=why))

    try:
        for key, kept in found.items():
            if why := _write(key, kept, claims, runner):
                say(why)
            else:
                left.remove(key)
    except TuneopsError as fault:
        say(fault.message)
    return noted(after, found, left)


def _write(key: str, kept: Kept, claims: ClaimStore, runner: str) -> str:
    """Write what is kept of a job into its claim; gives what is wrong with that claim alone."""
    job = kept.job
    for _ in range(TRIES):
        try:
            there = claims.read(key)
        except ClaimDamaged as fault:
            return fault.message
        claim = there[0] if there else _claim(key, job, runner)
        said = claim.kept or NOTHING
        new = kept.over(said)
        if claim.job not in (None, job.name) or new == said:
            return ""
        claim = replace(claim, phase="bound", job=job.name, kept=new)
        if claims.swap(claim, there[1] if there else None) is not None:
            return ""
    return f"the claim of `{job.name}` changes faster than it can be written"


def _claim(key: str, job: ObservedJob, runner: str) -> Claim:
    """The claim of a job whose own was lost."""
    assert job.ownership is not None, "only jobs with our labels are kept"
    marks = (job.ownership.mark,)
    return Claim(
        key=key, phase="bound", epoch=1, marks=marks, runner=runner, at=job.created, job=job.name
    )
