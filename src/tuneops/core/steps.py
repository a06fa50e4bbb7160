"""The effects that are ready now. A step is data: it is executed, shown and tested elsewhere."""

from collections.abc import Container, Iterator
from dataclasses import dataclass

from tuneops.core.checkpoints import resolve_checkpoint
from tuneops.core.desired import DesiredJob
from tuneops.core.entry import evidence_of
from tuneops.core.fingerprint import version_of
from tuneops.core.labels import Note, describe, job_labels, policy_words
from tuneops.core.lock import Cause, Creation
from tuneops.core.observed import JobState, Ownership
from tuneops.core.plan import Action, Change, Move, Plan
from tuneops.core.recipe import Concrete, HyperParameters, Pretuned, Upstream, rule_text
from tuneops.core.request import JobRequest
from tuneops.core.slots import free_slots, most_urgent_first
from tuneops.core.view import View, parent_result


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateJob:
    """Buy the job of a change."""

    change: Change
    job: DesiredJob
    source: Concrete


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJob:
    """Ask for a job of ours to stop; `keep` is the twin that must be there for it to be surplus."""

    change: Change
    keep: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovePointer:
    """Put an alias, and the default checkpoint, where a promotion wants them."""

    change: Change
    move: Move


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteVersion:
    """Delete the version of a change, for good."""

    change: Change


Step = CreateJob | CancelJob | MovePointer | DeleteVersion


def ready_steps(plan: Plan, view: View, *, barred: Container[str] = ()) -> tuple[Step, ...]:
    """What can be done in this tick: cancels, creates (the most urgent in free slots), the rest.

    A superseded job is cancelled only when its replacement could begin; that one then begins when
    the old job has ended. Nothing is made at a `barred` address, hence nothing is cancelled for it.
    """
    gates = dict(_gates(plan, view))
    cancels = [
        CancelJob(change=change, keep=_twin(plan, change))
        for change in plan.cancels
        if change.job is not None and _may_stop(gates.get(change.job, ""), barred)
    ]
    begun = startable(plan, view, barred=barred)[: free_slots(view)]
    wanted = ((change, view.graph.find_text(change.address)) for change in begun)
    creates = [
        CreateJob(change=change, job=job, source=_concrete(view, job))
        for change, job in wanted
        if job is not None
    ]
    points = [
        MovePointer(change=change, move=change.move)
        for change in plan.changes
        if change.action is Action.POINT and change.move is not None
    ]
    deletions = [DeleteVersion(change=change) for change in plan.deletions]
    return (*cancels, *creates, *points, *deletions)


def startable(plan: Plan, view: View, *, barred: Container[str] = ()) -> tuple[Change, ...]:
    """The creates that could begin if there were slots for all of them, the most urgent first."""
    closed = {address for _, address in _gates(plan, view) if address}
    return tuple(
        change
        for change in most_urgent_first(plan, view)
        if change.after is None and change.address not in closed and change.address not in barred
    )


def _may_stop(gate: str | None, barred: Container[str]) -> bool:
    """Say whether a job may be cancelled now; with a gate, only to make room for that create."""
    return gate is not None and (not gate or gate not in barred)


def _twin(plan: Plan, change: Change) -> str | None:
    """The job that a surplus one of the same creation is cancelled for."""
    line = plan.find(change.address)
    return line.job if line is not None and line.lineage == change.lineage else None


def _gates(plan: Plan, view: View) -> Iterator[tuple[str, str | None]]:
    """For each live superseded job: the create that must wait for its end.

    An empty text means that none does; None means that the job must not be cancelled yet, because
    nothing could take its place.
    """
    for change in plan.changes:
        stopping = change.action is Action.CANCEL or _stopping(change, view)
        if change.job is None or not stopping:
            continue
        replacement = plan.find(change.address)
        if replacement is None or replacement.lineage == change.lineage:
            yield change.job, ""
            continue
        while (above := plan.find(replacement.after or "")) is not None:
            replacement = above
        if replacement.action.buys:
            yield change.job, replacement.address
        else:
            yield change.job, None if replacement.action is Action.HOLD else ""


def _stopping(change: Change, view: View) -> bool:
    job = view.observed.jobs.get(change.job or "")
    desired = view.graph.find_text(change.address)
    superseded = desired is not None and desired.lineage != change.lineage
    return bool(job and superseded and job.state is JobState.CANCELLING)


def _concrete(view: View, job: DesiredJob) -> Concrete:
    source = job.recipe.source
    if not isinstance(source, Upstream):
        return source
    parent = parent_result(view, job)
    assert parent is not None and parent.model is not None, "a ready step has a finished parent"
    checkpoint = resolve_checkpoint(source.checkpoint, parent, view.observed)
    assert checkpoint is not None, "a ready step has a checkpoint to start from"
    return Pretuned(model=parent.model, checkpoint=checkpoint)


def intent(step: CreateJob, mark: str, cause: Cause) -> Creation:
    """The ledger entry for a create that is about to be sent."""
    return Creation(
        attempt=step.change.attempt,
        lineage=step.job.lineage,
        mark=mark,
        recipe=step.job.recipe,
        hash_version=version_of(step.job.lineage),
        evidence=evidence_of(step.job),
        policy=step.job.policy,
        source=step.source if isinstance(step.source, Pretuned) else None,
        cause=cause,
    )


def request(step: CreateJob, owner: str, creation: Creation) -> JobRequest:
    """The body that asks for the job, labels and machine line included."""
    job = step.job
    ownership = Ownership(
        owner=owner,
        address=str(job.address),
        lineage=job.lineage,
        attempt=creation.attempt,
        mark=creation.mark,
    )
    return JobRequest(
        method=job.recipe.method,
        source=step.source,
        training_uri=job.training.dataset.uri,
        validation_uri=job.validation.dataset.uri if job.validation else None,
        hyper_parameters=job.recipe.hyper_parameters,
        last_checkpoint_only=job.last_checkpoint_only,
        display_name=job.display_name,
        description=describe(job.metadata.description, _note(job, creation, ownership)),
        labels={**job.metadata.labels, **job_labels(ownership)},
        encryption_key=job.recipe.encryption_key,
        service_account=job.service_account,
        evaluation_config=job.evaluation_config,
    )


def _note(job: DesiredJob, creation: Creation, ownership: Ownership) -> Note:
    source = job.recipe.source
    upstream = source if isinstance(source, Upstream) else None
    validation = job.validation.dataset if job.validation else None
    return Note(
        attempt=creation.attempt,
        training=(job.training.dataset.size, job.training.dataset.crc32c),
        training_evidence=job.training.evidence,
        validation=(validation.size, validation.crc32c) if validation else None,
        validation_evidence=job.validation.evidence if job.validation else None,
        parent=upstream.from_ if upstream else "",
        parent_lineage=upstream.lineage if upstream else "",
        checkpoint_rule=rule_text(upstream.checkpoint) if upstream else "",
        source=job.model_ref.text if job.model_ref else "",
        nonce=job.recipe.nonce or "",
        declared=dict(_declared(job.recipe.hyper_parameters)),
        policy=tuple(policy_words(job.policy)),
        commit=creation.cause.commit or "",
        dirty=creation.cause.dirty,
        plan=creation.cause.plan or "",
        ownership=ownership,
    )


def _declared(hyper: HyperParameters) -> Iterator[tuple[str, str]]:
    values = {
        "epochCount": hyper.epoch_count,
        "adapterSize": hyper.adapter_size,
        "learningRateMultiplier": hyper.learning_rate_multiplier,
        "beta": hyper.beta,
    }
    return ((name, str(value)) for name, value in values.items() if value is not None)
