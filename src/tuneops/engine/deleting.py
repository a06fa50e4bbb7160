"""Delete one model version, after a fresh look and after writing down that it is us who do."""

from dataclasses import dataclass, replace

from tuneops.core.creation import Contended, Refusal
from tuneops.core.lock import Creation, Lock
from tuneops.core.pointers import short_version
from tuneops.core.removal import refusals
from tuneops.core.steps import DeleteVersion
from tuneops.engine.execute import Memory
from tuneops.engine.point import Say
from tuneops.engine.ports import Disposal, ModelRegistry
from tuneops.errors import Rejected


@dataclass(frozen=True, slots=True)
class Desk:
    """What a deletion is done with."""

    memory: Memory
    registry: ModelRegistry
    disposal: Disposal


def delete_version(
    step: DeleteVersion, ledger: Lock, desk: Desk, say: Say
) -> Refusal | Contended | None:
    """Ask for a version to be deleted, once; None when it is gone, or soon will be.

    What serves, or is pointed at, since the plan was made is left alone. Where the journal cannot
    be written nothing is sent. A run that stops anywhere is continued by the next one, which finds
    the version gone or deletes it.
    """
    model = step.change.model or ""
    base, _, number = model.partition("@")
    versions = desk.registry.list_versions(base) or {}
    there = versions.get(number)
    if there is not None:
        if why := tuple(refusals(there, only=len(versions) == 1)):
            return Contended(f"`models/{short_version(model)}` is left alone: {why[0]}")
        for address, key, creation in deleted(ledger, step):
            desk.memory.remember(address, key, creation)
        say("deleting", f"models/{short_version(model)}")
        try:
            desk.disposal.delete_version(there.name)
        except Rejected as refusal:
            return Refusal(refusal.message, refusal.notes)
        say("deleted", f"models/{short_version(model)}")
    return None


def deleted(ledger: Lock, step: DeleteVersion) -> list[tuple[str, str, Creation]]:
    """The entry of the version, as it is once its deletion was asked for."""
    return [
        (address, key, replace(creation, delete_asked=True))
        for address, key, creation in ledger.creations()
        if creation.model == step.change.model and creation.lineage == step.change.lineage
    ]
