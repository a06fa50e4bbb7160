"""What came of a step, as entries of the lock."""

from dataclasses import replace

from tuneops.core.creation import Made, Outcome, Refusal, Unknown
from tuneops.core.lock import Creation, Lock
from tuneops.core.steps import CancelJob, DeleteVersion, MovePointer, Step
from tuneops.engine.deleting import deleted
from tuneops.engine.execute import troubles

Entry = tuple[str, str, Creation | None]
"""An address, a key, and what the lock is to say of it; None that an intent came to nothing."""


def entries(ledger: Lock, step: Step, outcome: Outcome | None) -> list[Entry]:
    """What came of a step, for the lock."""
    if isinstance(step, CancelJob):
        if outcome is not None and not troubles(outcome):
            return []
        return [
            (address, key, replace(creation, cancel_asked=True))
            for address, key, creation in ledger.creations()
            if creation.job == step.change.job
        ]
    if isinstance(step, DeleteVersion):
        return [*deleted(ledger, step)] if outcome is None else []
    if isinstance(step, MovePointer):
        return []
    assert step.change.key is not None, "a create has a key"
    match outcome:
        case Made(creation) | Unknown(creation, _):
            return [(step.change.address, step.change.key, creation)]
        case Refusal():
            return [(step.change.address, step.change.key, None)]
        case _:
            return []
