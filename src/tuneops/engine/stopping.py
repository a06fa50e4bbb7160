"""Ask for a job to stop, written down before it is sent and again when it was heard.

Only a cancel that the service has accepted counts as ours later: one that was written down and
perhaps never sent must not turn a cancel by a person into one that we may buy over.
"""

from dataclasses import replace

from tuneops.core.claim import Claim
from tuneops.core.creation import Found, Held, Refusal
from tuneops.core.lock import Creation, Lock
from tuneops.core.observed import JobState, ObservedJob
from tuneops.core.steps import CancelJob
from tuneops.engine.execute import Hands
from tuneops.errors import ClaimDamaged, Rejected, TuneopsError, Unavailable

TRIES = 3
"""How often a claim that others change meanwhile is read again."""


def cancel_job(
    step: CancelJob, ledger: Lock, hands: Hands, runner: str
) -> Refusal | Found | Held | None:
    """Ask for a job to stop, after a fresh look and after writing down that it is us who ask.

    A job that has ended meanwhile is left alone, and its end is not ours: that is Found. One that
    is not what the plan saw, or whose twin is not there to take its place, is not cancelled. Where
    journal or claim cannot be written nothing is sent.
    """
    assert step.change.job is not None, "a cancel names its job"
    fresh = hands.service.get_job(step.change.job)
    if fresh is None or fresh.state.terminal:
        return Found(step.change.job)
    if fresh.ownership is None or fresh.ownership.lineage != step.change.lineage:
        return Refusal(f"`{fresh.name}` is not the job that the plan saw; it was left alone")
    if step.keep is not None and not _useful(hands.service.get_job(step.keep)):
        return Refusal(f"`{step.keep}` is not there to be kept; its twin was left alone")
    notes = _entries(ledger, fresh)
    try:
        _write(notes, fresh, hands, runner, sent=False)
    except ClaimDamaged as fault:
        return Held("claim-damaged", f"{fault.message}; {fault.help}")
    try:
        hands.service.cancel_job(fresh.name)
    except Rejected as refusal:
        return Refusal(refusal.message, refusal.notes)
    try:
        _write(notes, fresh, hands, runner, sent=True)
    except TuneopsError as fault:
        told = f"`{fresh.name}` was asked to stop, and that could not be written down"
        return Refusal(told, notes=(fault.message,), troubles=(fault.message,))
    return None


def _entries(ledger: Lock, job: ObservedJob) -> list[tuple[str, str, Creation]]:
    """The entry of a job with its address and key; for a surplus twin, one like its brother's."""
    mark = job.ownership
    assert mark is not None, "only a job with our labels is stopped"
    entries = [entry for entry in ledger.creations() if entry[2].job == job.name]
    return entries or [
        (address, name, replace(creation, mark=mark.mark, job=job.name, state=job.state))
        for address, name, creation in ledger.creations()
        if (creation.lineage, creation.attempt) == (mark.lineage, mark.attempt)
    ]


def _write(
    entries: list[tuple[str, str, Creation]],
    job: ObservedJob,
    hands: Hands,
    runner: str,
    *,
    sent: bool,
) -> None:
    for address, key, creation in entries:
        asked = sent or bool(creation.cancel_asked)
        hands.memory.remember(address, key, replace(creation, cancel_asked=asked))
        _claim(hands, key, job, asked, runner)


def _claim(hands: Hands, key: str, job: ObservedJob, asked: bool, runner: str) -> None:
    """Say it in the claim as well; that of a surplus twin is bound to its brother, and stays."""
    assert job.ownership is not None, "only a job with our labels is stopped"
    for _ in range(TRIES):
        found = hands.claims.read(key)
        if found is None:
            claim = Claim(
                key=key,
                phase="bound",
                epoch=1,
                marks=(job.ownership.mark,),
                runner=runner,
                at=job.created,
                job=job.name,
            )
        else:
            claim = replace(found[0], phase="bound", job=found[0].job or job.name)
        if claim.job != job.name or claim.cancel_asked in (asked, True):
            return
        claim = replace(claim, cancel_asked=asked)
        if hands.claims.swap(claim, found[1] if found else None) is not None:
            return
    raise Unavailable(
        f"the claim of `{job.name}` changes faster than it can be written",
        notes=("the job was not asked to stop",) if not asked else (),
        help="run the command again",
    )


def _useful(job: ObservedJob | None) -> bool:
    return job is not None and (not job.state.terminal or job.state is JobState.SUCCEEDED)
