"""Which training a version comes from that a child accepts in place of its parent's own."""

from collections.abc import Mapping

from tuneops.core.address import Address
from tuneops.core.desired import Declaration, DeclaredJob, ParentRef
from tuneops.core.lock import Lock
from tuneops.core.policy import Acceptance
from tuneops.diagnostics import Diagnostic
from tuneops.engine.ports import JobList


def accepted_parents(
    declaration: Declaration, lock: Lock, service: JobList, findings: list[Diagnostic]
) -> Mapping[Address, str]:
    """The lineage of each accepted version: by the lock, else by its job's labels.

    A full name in another project or location is another environment's and means nothing here. Adds
    a finding for any other version that no job of ours has made. Costs no request where the lock
    knows all of them; else one complete list.
    """
    found: dict[Address, str] = {}
    for job in declaration.jobs:
        if job.accept is None or not isinstance(job.source, ParentRef):
            continue
        if not _here(job.accept, declaration, lock):
            continue
        lineage = _in_lock(job.accept, lock) or _by_labels(job.accept, declaration, service)
        if lineage is None:
            findings.append(_unknown(job, job.accept, lock))
        else:
            found[job.address] = lineage
    return found


def _here(accept: Acceptance, declaration: Declaration, lock: Lock) -> bool:
    if not accept.model.startswith("projects/"):
        return True
    _, project, _, location, *_ = accept.model.split("/")
    target = declaration.target
    return project in (target.project, lock.project_number) and location == target.location


def _in_lock(accept: Acceptance, lock: Lock) -> str | None:
    for _, _, creation in lock.creations():
        if creation.model is not None and accept.covers(creation.model):
            return creation.lineage
    return None


def _by_labels(accept: Acceptance, declaration: Declaration, service: JobList) -> str | None:
    for job in service.list_jobs().jobs:
        mark = job.ownership
        ours = mark is not None and mark.owner in declaration.target.owners
        if mark is not None and ours and job.model is not None and accept.covers(job.model):
            return mark.lineage
    return None


def _unknown(job: DeclaredJob, accept: Acceptance, lock: Lock) -> Diagnostic:
    assert isinstance(job.source, ParentRef), "only a child accepts a parent"
    parent = str(job.source.address)
    made = [
        f"models/{creation.model.rpartition('/')[2]}"
        for _, creation in lock.at(parent).history
        if creation.model is not None
    ]
    return Diagnostic(
        code="accepted-version-unknown",
        message=f"`{accept.model}` is no version that a job of this workspace has made",
        where=accept.where,
        help=f"`{parent}` has made {', '.join(made)}" if made else f"`{parent}` has made none",
    )
