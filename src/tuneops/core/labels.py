"""The marks that tuneops leaves on a job: labels, fixed for ever, and one line of its description.

Labels, that line and the API are all that is needed to write the lock again. Google's rule for
label values: at most 63 characters of lower-case letters, digits, `_` and `-`.
"""

import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from tuneops.core.address import Address
from tuneops.core.observed import ObservedJob, Ownership
from tuneops.core.policy import Policy, Retry, Timeout
from tuneops.core.recipe import Evidence

_ATTEMPT = re.compile(r"a([0-9]{4,})-([a-z2-7]{26})")
_LINE = re.compile(r"(?:\A|\n)\[tuneops1 (\{[^\n]*\})\]\s*\Z")

OWNER = "tuneops-owner"
"""The label that says whose a job is."""

RESERVED = ("tuneops-", "google-", "goog-", "managed-by", "tune-type")
"""Label keys that a spec may not set: ours, and those that the service keeps for itself."""

_IDENTITY = (OWNER, "tuneops-address", "tuneops-lineage", "tuneops-attempt")
"""The labels whose values the machine line repeats, in this order."""

MACHINE_LINE_LIMIT = 1000
"""The longest machine line, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What the machine line keeps because no label or field of the service can."""

    attempt: int
    training: tuple[int, str]
    training_evidence: Evidence | None = None
    validation: tuple[int, str] | None = None
    validation_evidence: Evidence | None = None
    parent: str = ""
    """The address of the job that this one continues, if that is one of ours."""
    parent_lineage: str = ""
    """Its lineage, which the parent's own labels do not say if somebody else made it."""
    checkpoint_rule: str = ""
    source: str = ""
    """How the spec named the tuned model that the job continues, if it was none of ours."""
    nonce: str = ""
    declared: Mapping[str, str] = field(default_factory=dict)
    """The hyperparameters that the spec set, as it wrote them: the service fills in the others
    later, and shows a number as its nearest double."""
    policy: tuple[str, ...] = ()
    """What the policy says beyond its defaults, as `name=value`."""
    commit: str = ""
    dirty: bool = False
    plan: str = ""
    ownership: Ownership | None = None
    """What the labels say, once more: a service that drops them must not hide the job from us."""


def job_labels(ownership: Ownership) -> dict[str, str]:
    """The five labels that every job of ours carries."""
    return {
        "managed-by": "tuneops",
        OWNER: ownership.owner,
        "tuneops-address": Address.parse(ownership.address).label,
        "tuneops-lineage": ownership.lineage,
        "tuneops-attempt": f"a{ownership.attempt:04d}-{ownership.mark}",
    }


def read_labels(labels: Mapping[str, str]) -> Ownership | None:
    """Read our labels back; None when they are not ours or not whole."""
    attempt = _ATTEMPT.fullmatch(labels.get("tuneops-attempt", ""))
    owner, lineage = labels.get(OWNER), labels.get("tuneops-lineage")
    if labels.get("managed-by") != "tuneops" or not attempt or not owner or not lineage:
        return None
    return Ownership(
        owner=owner,
        address=str(Address.from_label(labels.get("tuneops-address", ""))),
        lineage=lineage,
        attempt=int(attempt[1]),
        mark=attempt[2],
    )


def known_by_line(jobs: Iterable[ObservedJob]) -> tuple[ObservedJob, ...]:
    """The jobs of a complete list, those without our labels known by their machine lines.

    A mark that labels bear as well has its job: who copied that one by hand copied its description.
    """
    listed = tuple(jobs)
    labelled = {job.ownership.mark for job in listed if job.ownership is not None}
    return tuple(_by_line(job, labelled) for job in listed)


def _by_line(job: ObservedJob, labelled: Container[str]) -> ObservedJob:
    note = read_note(job.description) if job.ownership is None else None
    if note is None or note.ownership is None or note.ownership.mark in labelled:
        return job
    return replace(job, ownership=note.ownership)


def describe(text: str, note: Note) -> str:
    """A job's description: the user's text and, as its last line, the machine line.

    Evidence that would make the line too long is left out: it proves, but it identifies nothing.
    After it goes what the labels say as well.
    """
    less = replace(note, validation_evidence=None)
    least = replace(less, training_evidence=None)
    bare = replace(least, ownership=None)
    line = next((line for line in map(_line, (note, less, least, bare)) if _fits(line)), "")
    assert line, "the machine line outgrew its limit"
    return f"{text}\n{line}" if text else line


def _line(note: Note) -> str:
    value = {
        "a": note.attempt,
        "t": _data(note.training, note.training_evidence),
        "v": _data(note.validation, note.validation_evidence) if note.validation else None,
        "f": note.parent or None,
        "l": note.parent_lineage or None,
        "r": note.checkpoint_rule or None,
        "s": note.source or None,
        "n": note.nonce or None,
        "h": dict(note.declared) or None,
        "o": list(note.policy) or None,
        "c": note.commit or None,
        "d": note.dirty or None,
        "p": note.plan or None,
        "i": _identity(note.ownership) if note.ownership else None,
    }
    compact = {key: item for key, item in value.items() if item is not None}
    return f"[tuneops1 {json.dumps(compact, separators=(',', ':'), sort_keys=True)}]"


def _identity(ownership: Ownership) -> str:
    labels = job_labels(ownership)
    return " ".join(labels[key] for key in _IDENTITY)


def _identified(words: str) -> Ownership | None:
    labels = dict(zip(_IDENTITY, words.split(" "), strict=False))
    found = read_labels({"managed-by": "tuneops", **labels})
    return replace(found, by_line=True) if found else None


def _fits(line: str) -> bool:
    return len(line.encode()) <= MACHINE_LINE_LIMIT


def _data(pin: tuple[int, str], evidence: Evidence | None) -> list[Any]:
    """A dataset: what identifies it, and what else is known of it."""
    if evidence is None:
        return [*pin]
    more = {
        "g": evidence.generation,
        "m": evidence.md5,
        "n": evidence.examples,
        "s": evidence.sha256,
    }
    known = {key: item for key, item in more.items() if item is not None}
    return [*pin, known] if known else [*pin]


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
            training_evidence=_evidence(value["t"]),
            validation=_pin(validation) if validation else None,
            validation_evidence=_evidence(validation) if validation else None,
            parent=str(value.get("f", "")),
            parent_lineage=str(value.get("l", "")),
            checkpoint_rule=str(value.get("r", "")),
            source=str(value.get("s", "")),
            nonce=str(value.get("n", "")),
            declared={str(name): str(item) for name, item in dict(value.get("h", {})).items()},
            policy=tuple(str(item) for item in value.get("o", ())),
            commit=str(value.get("c", "")),
            dirty=bool(value.get("d", False)),
            plan=str(value.get("p", "")),
            ownership=_identified(str(value.get("i", ""))),
        )
    except (AttributeError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _pin(value: object) -> tuple[int, str]:
    if not isinstance(value, list) or len(value) < 2:
        raise ValueError(value)
    return int(value[0]), str(value[1])


def _evidence(value: list[Any]) -> Evidence | None:
    if len(value) < 3:
        return None
    known = value[2]
    words = {key: str(known[key]) if key in known else None for key in ("g", "m", "s")}
    examples = int(known["n"]) if "n" in known else None
    return Evidence(generation=words["g"], md5=words["m"], sha256=words["s"], examples=examples)


def policy_words(policy: Policy) -> Iterator[str]:
    """What a policy says beyond its defaults, as the machine line keeps it."""
    usual = Policy()
    queued = policy.timeout.queued if policy.timeout else None
    plain: Mapping[str, tuple[object, object]] = {
        "retry": (policy.retry.limit, usual.retry.limit),
        "onSupersede": (policy.on_supersede, usual.on_supersede),
        "onRemove": (policy.on_remove, usual.on_remove),
        "acceptPartial": ("yes" if policy.accept_partial else None, None),
        "protect": ("yes" if policy.protect else None, None),
        "queued": (int(queued.total_seconds()) if queued is not None else None, None),
    }
    for name, (value, default) in plain.items():
        if value != default:
            yield f"{name}={value}"


def read_policy(words: tuple[str, ...]) -> Policy:
    """The policy of `policy_words`; a word that means nothing here counts as not said."""
    said = dict(word.partition("=")[::2] for word in words)
    limit, queued = said.get("retry", ""), said.get("queued", "")
    seconds = int(queued) if re.fullmatch("[0-9]{1,10}", queued) else None
    return Policy(
        retry=Retry(limit=int(limit)) if re.fullmatch("[0-9]{1,4}", limit) else Retry(),
        on_supersede="finish" if said.get("onSupersede") == "finish" else "cancel",
        on_remove="cancel" if said.get("onRemove") == "cancel" else "retain",
        accept_partial=True if said.get("acceptPartial") == "yes" else None,
        protect=True if said.get("protect") == "yes" else None,
        timeout=Timeout(queued=timedelta(seconds=seconds)) if seconds is not None else None,
    )
