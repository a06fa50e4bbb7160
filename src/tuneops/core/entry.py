"""How a job becomes an entry of the lock: by its marks, its spec, or because a spec adopts it."""

import contextlib
from dataclasses import replace
from typing import Literal

from tuneops.core.desired import DesiredJob
from tuneops.core.fingerprint import version_of
from tuneops.core.labels import Note, read_note, read_policy
from tuneops.core.lock import Cause, Creation, EvidenceSet
from tuneops.core.match import compatible, shows
from tuneops.core.observed import JobState, ObservedJob
from tuneops.core.recall import UnreadableError, recall
from tuneops.core.recipe import Evidence, Pretuned, Recipe


def found(desired: DesiredJob, job: ObservedJob) -> Creation:
    """The entry for a job of ours that the lock did not know, written from its own marks.

    Its recipe is spelled as the job has it, names that were given up since included: so it does not
    matter who writes the entry, nor when.
    """
    note, recipe = read_note(job.description), desired.recipe
    with contextlib.suppress(UnreadableError):
        recipe, _ = recall(job, recipe.project, recipe.location)
    if note is None:
        entry = marked(recipe, job, Note(attempt=1, training=(0, "")))
        return replace(entry, evidence=evidence_of(desired), policy=desired.policy)
    entry = marked(recipe, job, note)
    if note.training_evidence is None:
        evidence = replace(entry.evidence, training=desired.training.evidence)
        return replace(entry, evidence=evidence)
    return entry


def marked(recipe: Recipe, job: ObservedJob, note: Note) -> Creation:
    """The entry for a job of ours with this recipe: all else as its labels and line say it."""
    ownership = job.ownership
    assert ownership is not None, "only a job with our labels can be recorded"
    return Creation(
        attempt=ownership.attempt,
        lineage=ownership.lineage,
        mark=ownership.mark,
        recipe=recipe,
        hash_version=version_of(ownership.lineage),
        evidence=EvidenceSet(
            training=note.training_evidence or Evidence(),
            validation=(note.validation_evidence or Evidence()) if note.validation else None,
            source=note.source or None,
        ),
        policy=read_policy(note.policy),
        source=source_of(job),
        cause=Cause(commit=note.commit or None, dirty=note.dirty, plan=note.plan or None),
    )


def source_of(job: ObservedJob) -> Pretuned | None:
    """What a job shows that it continues, if it is a tuned model."""
    shown = job.fields
    if not shown.pretuned_model or not shown.checkpoint:
        return None
    return Pretuned(model=shown.pretuned_model, checkpoint=shown.checkpoint)


Refused = Literal["owned", "ended", "differs"]


def refusal(desired: DesiredJob, job: ObservedJob) -> Refused | None:
    """Why a job of somebody else's cannot be taken over; None when it can.

    `owned`: it is a workspace's already. `ended`: it left no model. `differs`: its settings are not
    those of the spec, and the spec does not take it as it is.
    """
    if job.ownership is not None:
        return "owned"
    if job.state.terminal and (job.state is not JobState.SUCCEEDED or job.model is None):
        return "ended"
    as_is = desired.adopt is not None and desired.adopt.as_is
    return None if as_is or compatible(desired.recipe, job) else "differs"


def evidence_of(desired: DesiredJob) -> EvidenceSet:
    """What is known of the bytes that a desired job names."""
    validation = desired.validation.evidence if desired.validation else None
    source = desired.model_ref.text if desired.model_ref else None
    return EvidenceSet(training=desired.training.evidence, validation=validation, source=source)


def is_another(creation: Creation, job: ObservedJob) -> bool:
    """Say whether the job is not the one that the lock's entry describes: the lock was edited.

    Labels that say another training, or none at all and other settings; labels alone can be lost.
    """
    if creation.adopted:
        return False
    mark = job.ownership
    return not shows(creation.recipe, job) if mark is None else mark.lineage != creation.lineage


def renamed(creation: Creation, job: ObservedJob) -> Creation:
    """The entry without what belongs to another job; it says what the POST of this one said."""
    note = read_note(job.description)
    if job.ownership is not None and job.ownership.mark != creation.mark and note is not None:
        return marked(creation.recipe, job, note)
    if creation.job in (None, job.name):
        return creation
    return replace(
        creation,
        job=job.name,
        state=None,
        cancel_asked=None,
        delete_asked=None,
        checkpoints={},
        chosen=None,
        model=None,
        error=None,
        data_read=None,
        wrong_bytes=None,
        rewritten=None,
        measured=None,
    )
