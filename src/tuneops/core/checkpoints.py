"""Which checkpoint a rule means, and which one of a result is to be served. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from tuneops.core.desired import DesiredGraph
from tuneops.core.lock import Creation, Lock
from tuneops.core.metrics import best
from tuneops.core.observed import Checkpoint, JobState, Observed
from tuneops.core.recipe import AtEpoch, AtStep, Best, CheckpointRule, WithId


def last_checkpoint(checkpoints: Mapping[str, Checkpoint]) -> str | None:
    """The id of the checkpoint with the most training steps."""
    if not checkpoints:
        return None
    return max(checkpoints, key=lambda name: (checkpoints[name].step, len(name), name))


def resolve_checkpoint(rule: CheckpointRule, parent: Creation, observed: Observed) -> str | None:
    """The concrete checkpoint that a rule means in a finished parent; None if there is none."""
    match rule:
        case "last":
            return last_checkpoint(parent.checkpoints)
        case "default":
            return _default_checkpoint(parent, observed)
        case AtEpoch(epoch=epoch):
            found = [name for name, item in parent.checkpoints.items() if item.epoch == epoch]
        case AtStep(step=step):
            found = [name for name, item in parent.checkpoints.items() if item.step == step]
        case WithId(id=wanted):
            found = [name for name in parent.checkpoints if name == wanted]
        case Best():
            return best(rule, parent)
    return min(found, default=None)


def _default_checkpoint(parent: Creation, observed: Observed) -> str | None:
    base, _, number = (parent.model or "").partition("@")
    version = (observed.versions.get(base) or {}).get(number)
    return version.default_checkpoint if version else None


def chosen(creation: Creation) -> Creation:
    """The creation with the checkpoint that serving code should use, if it is a result.

    The last one, unless a promotion has chosen another.
    """
    done = creation.succeeded or creation.state is JobState.SUCCEEDED
    if not done or creation.chosen in creation.checkpoints:
        return creation
    return replace(creation, chosen=last_checkpoint(creation.checkpoints))


def choose(graph: DesiredGraph, lock: Lock, observed: Observed) -> Lock:
    """The lock with the checkpoints that promotions choose, of the results that are served.

    Of any other result it is the last one. Where no spec has the job, what is served stays.
    """
    rules = {str(promotion.stage): promotion.checkpoint for promotion in graph.promotions}
    news: list[tuple[str, str, Creation]] = []
    for book in (lock.jobs, lock.retired):
        for address, locked in book.items():
            there = graph.find_text(address) is not None
            for key, creation in locked.creations.items():
                served = key == locked.current
                if not creation.succeeded or (served and not there):
                    continue
                wanted = last_checkpoint(creation.checkpoints)
                if served and address in rules:
                    wanted = resolve_checkpoint(rules[address], creation, observed) or wanted
                if wanted is not None and wanted != creation.chosen:
                    news.append((address, key, replace(creation, chosen=wanted)))
    return lock.record(news) if news else lock
