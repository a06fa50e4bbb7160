"""The marks that tuneops leaves on a job: labels, fixed for ever, and one line of its description.

Labels, that line and the API are all that is needed to write the lock again. Google's rule for
label values: at most 63 characters of lower-case letters, digits, `_` and `-`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tuneops.core.address import Address
from tuneops.core.observed import Ownership

_ATTEMPT = re.compile(r"a(\d{4,})-([a-z2-7]{26})")
_LINE = re.compile(r"\n?\[tuneops1 (\{.*\})\]\s*\Z", re.DOTALL)

RESERVED = ("tuneops-", "google-", "goog-", "managed-by", "tune-type")
"""Label keys that a spec may not set: ours, and those that the service keeps for itself."""

MACHINE_LINE_LIMIT = 1000
"""The longest machine line, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What the machine line keeps because no label or field of the service can."""

    attempt: int
    training: tuple[int, str]
    validation: tuple[int, str] | None = None
    checkpoint_rule: str = ""
    source: str = ""
    """How the spec named the tuned model that the job continues, if it was none of ours."""
    declared: tuple[str, ...] = ()
    """The hyperparameters that the spec set; the service fills in the others later."""
    policy: tuple[str, ...] = ()
    """What the policy says beyond its defaults, as `name=value`."""
    commit: str = ""
    dirty: bool = False
    plan: str = ""


def job_labels(ownership: Ownership) -> dict[str, str]:
    """The five labels that every job of ours carries."""
    return {
        "managed-by": "tuneops",
        "tuneops-owner": ownership.owner,
        "tuneops-address": Address.parse(ownership.address).label,
        "tuneops-lineage": ownership.lineage,
        "tuneops-attempt": f"a{ownership.attempt:04d}-{ownership.mark}",
    }


def read_labels(labels: Mapping[str, str]) -> Ownership | None:
    """Read our labels back; None when they are not ours or not whole."""
    attempt = _ATTEMPT.fullmatch(labels.get("tuneops-attempt", ""))
    owner, lineage = labels.get("tuneops-owner"), labels.get("tuneops-lineage")
    if labels.get("managed-by") != "tuneops" or not attempt or not owner or not lineage:
        return None
    return Ownership(
        owner=owner,
        address=str(Address.from_label(labels.get("tuneops-address", ""))),
        lineage=lineage,
        attempt=int(attempt[1]),
        mark=attempt[2],
    )


def describe(text: str, note: Note) -> str:
    """A job's description: the user's text and, as its last line, the machine line."""
    value = {
        "a": note.attempt,
        "t": list(note.training),
        "v": list(note.validation) if note.validation else None,
        "r": note.checkpoint_rule or None,
        "s": note.source or None,
        "h": list(note.declared) or None,
        "o": list(note.policy) or None,
        "c": note.commit or None,
        "d": note.dirty or None,
        "p": note.plan or None,
    }
    compact = {key: item for key, item in value.items() if item is not None}
    line = f"[tuneops1 {json.dumps(compact, separators=(',', ':'), sort_keys=True)}]"
    assert len(line.encode()) <= MACHINE_LINE_LIMIT, "the machine line outgrew its limit"
    return f"{text}\n{line}" if text else line


def read_note(description: str) -> Note | None:
    """Read the machine line back; None when there is none or it was edited beyond reading."""
    found = _LINE.search(description)
    if not found:
        return None
    try:
        value = json.loads(found[1])
        validation = value.get("v")
        return Note(
            attempt=int(value["a"]),
            training=_pin(value["t"]),
            validation=_pin(validation) if validation else None,
            checkpoint_rule=str(value.get("r", "")),
            source=str(value.get("s", "")),
            declared=tuple(str(name) for name in value.get("h", ())),
            policy=tuple(str(item) for item in value.get("o", ())),
            commit=str(value.get("c", "")),
            dirty=bool(value.get("d", False)),
            plan=str(value.get("p", "")),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _pin(value: object) -> tuple[int, str]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(value)
    return int(value[0]), str(value[1])
