"""Whether what a job made is good enough to go on from: its gate, and the values that it saw. Pure.

A gate is asked of every checkpoint in use: those that a child starts from or a promotion points
at, and the last one where nothing does. It never takes back what was bought.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import isnan

from tuneops.core.checkpoints import resolve_checkpoint
from tuneops.core.desired import DesiredJob
from tuneops.core.lock import Creation
from tuneops.core.metrics import compares, pin_of, value_at
from tuneops.core.plan import Reason
from tuneops.core.policy import Gate
from tuneops.core.recipe import Upstream
from tuneops.core.view import View


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a gate holds anything back, and what it saw, in words."""

    hold: Reason | None
    words: str


def judge(view: View, job: DesiredJob, creation: Creation) -> tuple[Verdict, ...]:
    """What the gate of a finished job says of each checkpoint in use; nothing without a gate."""
    if job.gate is None:
        return ()
    return tuple(
        _judge(view, job, job.gate, creation, checkpoint)
        for checkpoint in sorted(set(_in_use(view, job, creation)))
    )


def _in_use(view: View, job: DesiredJob, creation: Creation) -> Iterator[str]:
    rules = [
        child.recipe.source.checkpoint
        for child in view.graph.jobs
        if isinstance(child.recipe.source, Upstream) and child.parent == job.address
    ]
    rules += [
        promotion.checkpoint
        for promotion in view.graph.promotions
        if promotion.stage == job.address and promotion.to is None
    ]
    for rule in rules or ["last"]:
        checkpoint = resolve_checkpoint(rule, creation, view.observed)
        if checkpoint is not None:
            yield checkpoint


def _judge(view: View, job: DesiredJob, gate: Gate, creation: Creation, checkpoint: str) -> Verdict:
    value = value_at(creation, gate.metric, checkpoint)
    if value is None:
        words = f"{gate.metric} of checkpoint {checkpoint} is not there"
        return Verdict(Reason.NOT_MEASURED, words)
    seen = f"{gate.metric} {_shown(value)} at checkpoint {checkpoint}"
    if (creation.measured or {})[gate.metric].on != pin_of(job, gate.metric):
        return Verdict(Reason.NOT_MEASURED, f"{seen}, measured on other data or in another way")
    rival = _rival(view, job, gate, creation)
    if rival is not None and rival.value is None:
        words = f"{seen}; the promoted {rival.name} was not measured on the same"
        return Verdict(Reason.NOT_MEASURED, words)
    passed, wishes = not isnan(value), []
    for word, bound in (("at least", gate.least), ("at most", gate.most)):
        limit = (rival.value if rival else None) if bound == "promoted" else bound
        if limit is not None:
            passed = passed and (value >= limit if word == "at least" else value <= limit)
            whose = f" like the promoted {rival.name}" if rival and bound == "promoted" else ""
            wishes.append(f"{word} {_shown(limit)}{whose}")
    words = f"{seen}, {' and '.join(wishes) or 'nothing else is promoted'}"
    return Verdict(None if passed else Reason.GATE, words)


@dataclass(frozen=True, slots=True)
class _Rival:
    """The version to compare with; without a value it was not measured, or on something else."""

    name: str
    value: float | None


def _rival(view: View, job: DesiredJob, gate: Gate, creation: Creation) -> _Rival | None:
    """The promoted version; None where there is none, or where this is it."""
    if not compares(gate):
        return None
    known = {key: entry for _, key, entry in view.ledger.creations()}
    for promotion in view.graph.promotions:
        pointer = view.ledger.pointer(promotion.name, promotion.alias)
        if promotion.name != job.address.name or pointer is None:
            continue
        if pointer.model == creation.model:
            return None
        name = f"models/{pointer.model.rpartition('/models/')[2]}"
        other = known.get(pointer.creation)
        measured = (other.measured or {}).get(gate.metric) if other else None
        if other is None or measured is None or measured.on != pin_of(job, gate.metric):
            return _Rival(name, None)
        value = value_at(other, gate.metric, pointer.checkpoint)
        return _Rival(name, None if value is None or isnan(value) else value)
    return None


def _shown(value: float | Decimal | None) -> str:
    return "?" if value is None else f"{float(value):.6g}"
