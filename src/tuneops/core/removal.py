"""Versions that a workspace wants deleted, as lines of the plan: free, and for good. Pure.

A version is deleted only if nothing can miss it. Whatever speaks against it is said in words, and
is a hold; a version that is not there any more is done.
"""

from collections.abc import Iterator
from dataclasses import replace

from tuneops.core.lock import Creation
from tuneops.core.observed import ModelVersion
from tuneops.core.plan import Action, Change, Reason
from tuneops.core.pointers import base_of, short_version
from tuneops.core.policy import Removal
from tuneops.core.recipe import Pretuned, Upstream
from tuneops.core.view import View


def removals(view: View) -> Iterator[Change]:
    """A line for each version that is to be deleted, and for each that was."""
    for removal in view.graph.removals:
        yield _line(view, removal)


def _line(view: View, removal: Removal) -> Change:
    line = Change(address=removal.address, action=Action.RETIRE, reason=Reason.DELETED)
    made = [
        (key, creation)
        for key, creation in view.ledger.at(removal.address).creations.items()
        if creation.model is not None
    ]
    target = view.graph.target
    for key, creation in made:
        if creation.model is None or not removal.names(creation.model, target.project):
            continue
        line = replace(line, lineage=creation.lineage, model=creation.model)
        if not view.observed.has_version(creation.model):
            return replace(line, action=Action.KEEP)
        why = tuple(_objections(view, removal.address, key, creation, creation.model))
        return _held(line, why) if why else replace(line, deletes=True)
    known = ", ".join(sorted(_models(creation.model or "") for _, creation in made))
    said = f"it made {known}" if known else "it made none that the lock knows"
    return _held(line, (f"`{removal.confirm}` is no version of this address: {said}",))


def _held(line: Change, why: tuple[str, ...]) -> Change:
    return replace(line, action=Action.HOLD, reason=Reason.NOT_DELETABLE, detail=why)


def _objections(
    view: View, address: str, key: str, creation: Creation, model: str
) -> Iterator[str]:
    """All that speaks against deleting a version, in words."""
    yield from _wanted(view, address, key, creation)
    locked = view.ledger.at(address)
    if creation.policy.protect or (locked.result and locked.result.policy.protect):
        yield "it is protected: put its spec back with `protect: false` first"
    yield from _unknown(view, key, creation, model)
    yield from _pointed(view, model)
    yield from _continued(view, creation, model)
    versions = view.observed.versions.get(base_of(model)) or {}
    version = versions.get(model.partition("@")[2])
    if version is None:
        yield "it was not looked at"
    else:
        yield from refusals(version, only=len(versions) == 1)


def _wanted(view: View, address: str, key: str, creation: Creation) -> Iterator[str]:
    """Who has it for its result."""
    for job in view.graph.jobs:
        if job.lineage == creation.lineage:
            yield f"the spec of `{job.address}` asks for it"
            return
    if view.graph.find_text(address) is not None and view.ledger.at(address).current == key:
        yield f"it is the current result of `{address}` until there is another"


def _unknown(view: View, key: str, creation: Creation, model: str) -> Iterator[str]:
    """A version is ours if the lock knew its job before, and that job carries our labels."""
    before = view.recorded.get(key)
    job = view.observed.jobs.get(creation.job or "")
    mark = job.ownership if job else None
    if before is None or before[1].job is None or creation.recalled:
        yield "the lock of this repository did not know it yet, or lost it: `tuneops lock rebuild`"
    elif job is None or mark is None or mark.by_line or job.model is None:
        yield "its job does not carry the labels of this workspace, or is not there any more"
    elif (
        mark.owner not in view.graph.target.owners
        or (mark.lineage, mark.attempt, mark.mark)
        != (creation.lineage, creation.attempt, creation.mark)
        or short_version(job.model) != short_version(model)
    ):
        yield "its job carries other labels, or made another version, than the lock says"


def _pointed(view: View, model: str) -> Iterator[str]:
    """Promotions of ours that have it, or are to have it."""
    number = short_version(model)
    for lock in (view.before, view.ledger):
        for name, aliases in (lock.pointers or {}).items():
            for alias, pointer in aliases.items():
                if number in map(short_version, (pointer.model, *(pointer.also or ()))):
                    yield f"`{name}@{alias}` points at it"
                    return
    for promotion in view.graph.promotions:
        if (promotion.to or "").removeprefix("models/").partition("#")[0] == number:
            yield f"the promotion of `{promotion.name}` is to point at it"


def _continued(view: View, creation: Creation, model: str) -> Iterator[str]:
    """Jobs that are not finished and start from it, those of other people too."""
    number = short_version(model)
    for job in view.graph.jobs:
        source, locked = job.recipe.source, view.ledger.at(str(job.address))
        if locked.done(job.lineage):
            continue
        starts = isinstance(source, Upstream) and source.lineage == creation.lineage
        pinned = isinstance(source, Pretuned) and short_version(source.model) == number
        if starts or pinned or (job.accept is not None and job.accept.covers(model)):
            yield f"`{job.address}` is to continue from it"
    for address, _, other in view.ledger.creations():
        under_way = other.live or other.unanswered
        if under_way and other.source and short_version(other.source.model) == number:
            yield f"a job of `{address}` may be continuing from it"
    for there in view.observed.jobs.values():
        named = short_version(there.fields.pretuned_model or "")
        base, _, version = named.partition("@")
        vague = base == base_of(number) and not version.isdigit()
        if not there.state.terminal and (named == number or vague):
            yield f"`{there.name}` runs and continues from it"


def refusals(version: ModelVersion, *, only: bool) -> Iterator[str]:
    """What is against deleting a version as the registry shows it: it serves, or is pointed at.

    The service refuses to delete a version that is deployed, or the only one of its model. Of the
    default one its documents say nothing: it is left alone, since its model is used by it.
    """
    aliases = [alias for alias in version.aliases if alias != "default"]
    if aliases:
        shown = ", ".join(f"`{alias}`" for alias in aliases)
        yield f"it has the alias {shown}: take that off first"
    for endpoint in version.deployed:
        yield f"it is deployed to endpoints/{endpoint.rpartition('/')[2]}: undeploy it there first"
    if only:
        yield "it is the only version of its model, which only goes as a whole: delete that by hand"
    elif "default" in version.aliases:
        yield "it is the default version of its model: put `default` on another one first"


def _models(name: str) -> str:
    return f"models/{short_version(name)}"
