"""What is there and no spec wants: strays, duplicates, old intents, retired addresses. Pure."""

from collections.abc import Iterator, Mapping

from tuneops.core.desired import DesiredJob
from tuneops.core.ledger import survivor
from tuneops.core.lock import Creation
from tuneops.core.match import made_by
from tuneops.core.observed import JobState, ObservedJob, Ownership, by_seniority
from tuneops.core.plan import Action, Change, Reason
from tuneops.core.recipe import Recipe
from tuneops.core.view import View


def excess(view: View) -> Iterator[Change]:
    """Live jobs of ours that no desired address is bound to, old intents, retired addresses."""
    wanted = {job.lineage: str(job.address) for job in view.graph.jobs}
    recorded = {
        creation.job: (address, key, creation)
        for address, key, creation in view.ledger.creations()
        if creation.job is not None
    }
    bound = {
        creation.job
        for creation in (entry[2] for entry in recorded.values())
        if creation.lineage in wanted
    }
    owners = view.graph.target.owners
    loose = (
        job
        for job in view.observed.jobs.values()
        if not job.state.terminal and job.name not in bound
    )
    for job in by_seniority(loose):
        ownership = job.ownership
        if ownership is None or ownership.owner not in owners:
            continue
        if ownership.lineage in wanted:
            yield _duplicate(view, job, wanted[ownership.lineage])
        else:
            yield _stray(view, job, recorded.get(job.name))
    yield from _old_intents(view, wanted)
    yield from _retired(view)


def _old_intents(view: View, wanted: Mapping[str, str]) -> Iterator[Change]:
    for address, key, creation in view.ledger.creations():
        if creation.unanswered and creation.lineage not in wanted:
            yield Change(
                address=address,
                action=Action.WAIT,
                reason=Reason.UNANSWERED,
                lineage=creation.lineage,
                key=key,
                attempt=creation.attempt,
            )


def _duplicate(view: View, job: ObservedJob, address: str) -> Change:
    desired = view.graph.find_text(address)
    assert desired is not None and job.ownership is not None
    mark = job.ownership
    twins = view.observed.owned(*view.graph.target.owners)[mark.lineage, mark.attempt]
    ours = job.name not in view.observed.strangers and not mark.by_line
    known = ours and made_by(_recorded(view, mark, desired), job)
    surplus = survivor(twins).name != job.name and known
    return _job_line(
        address,
        job,
        Action.CANCEL if surplus else Action.HOLD,
        Reason.DUPLICATE if surplus else Reason.NOT_KNOWN_HERE,
    )


def _recorded(view: View, mark: Ownership, desired: DesiredJob) -> Recipe:
    """The recipe that a job was made for: its data may have had another name than it has now."""
    for creation in view.ledger.at(str(desired.address)).creations.values():
        if (creation.lineage, creation.attempt) == (mark.lineage, mark.attempt):
            return creation.recipe
    return desired.recipe


def _stray(view: View, job: ObservedJob, entry: tuple[str, str, Creation] | None) -> Change:
    assert job.ownership is not None, "a stray carries our labels"
    stranger = job.name in view.observed.strangers or job.ownership.by_line
    if entry is None or stranger or not made_by(entry[2].recipe, job):
        return _job_line(job.ownership.address, job, Action.HOLD, Reason.NOT_KNOWN_HERE)
    address, _, creation = entry
    replaced = view.graph.find_text(address) is not None
    if job.state is JobState.CANCELLING:
        return _job_line(address, job, Action.WAIT, Reason.CANCELLING)
    if not replaced and creation.policy.protect:
        return _job_line(address, job, Action.HOLD, Reason.PROTECTED)
    if replaced and creation.policy.on_supersede == "finish":
        return _job_line(address, job, Action.WAIT, Reason.FINISHING)
    if not replaced and creation.policy.on_remove == "retain":
        return _job_line(address, job, Action.RETIRE, Reason.FINISHING)
    return _job_line(address, job, Action.CANCEL, Reason.SUPERSEDED if replaced else Reason.REMOVED)


def _retired(view: View) -> Iterator[Change]:
    """Addresses whose entries leave the lock's living part in this tick, or are kept from it."""
    for address, locked in sorted(view.ledger.jobs.items()):
        if view.graph.find_text(address) is None and locked.current:
            yield Change(
                address=address,
                action=Action.HOLD,
                reason=Reason.PROTECTED,
                key=locked.current,
                model=locked.result.model if locked.result else None,
            )
    for address in sorted(view.before.jobs):
        if address not in view.ledger.jobs and address in view.ledger.retired:
            locked = view.ledger.retired[address]
            result = locked.result
            yield Change(
                address=address,
                action=Action.RETIRE,
                reason=Reason.REMOVED,
                key=locked.current,
                model=result.model if result else None,
            )


def _job_line(address: str, job: ObservedJob, action: Action, reason: Reason) -> Change:
    assert job.ownership is not None, "only jobs of ours get a line"
    return Change(
        address=address,
        action=action,
        reason=reason,
        lineage=job.ownership.lineage,
        attempt=job.ownership.attempt,
        job=job.name,
        model=job.model,
    )
