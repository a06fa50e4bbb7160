"""A spec for a job or version that was made without tuneops, as YAML. Pure.

Values that come from the service are written as JSON strings, which YAML reads as they are.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal

from tuneops.core.fingerprint import decimal_text
from tuneops.core.match import is_stand_in
from tuneops.core.observed import DeclaredFields, JobState, ObservedJob
from tuneops.spec.text import sayable

_WORDS = re.compile(r"[a-z0-9]+")
_LONGEST = 50
_NO_TEXT = ("null", "true", "false")
"""What YAML reads as something else than a name."""
_FREE = ("# Written by `tuneops discover`: a job made without tuneops, taken over for free.",)
_LOST = (
    "# Written by `tuneops discover`: a version made without tuneops, taken over for free.",
    "# Its job is not there any more, so that its data is unknown: add `trainingDatasetUri:` below",
    "# if you know it.",
)


def why_not(job: ObservedJob) -> str | None:
    """Why no spec can stand for a job, or for a version without one; None when one can."""
    shown = job.fields
    if job.ownership is not None:
        return f"it belongs to {job.ownership.owner}"
    if shown.method is None:
        return "its tuning method is not one of tuneops'"
    if is_stand_in(job):
        return None if shown.base_model else "its base model is not known"
    if not shown.base_model and not (shown.pretuned_model and "@" in shown.pretuned_model):
        return "its source is not known"
    if not (shown.training_uri or "").startswith("gs://"):
        return "its data is not an object in Cloud Storage"
    if not all(sayable(uri or "") for uri in (shown.training_uri, shown.validation_uri)):
        return "no spec can say the name of its data"
    if job.state.terminal and (job.state is not JobState.SUCCEEDED or job.model is None):
        return f"it ended as {job.raw_state or job.state.value} and left no model"
    return None


def suggest_name(job: ObservedJob, taken: set[str]) -> str:
    """A job name made from the display name, which no other job has."""
    words = _WORDS.findall(job.display_name.lower())
    stem = "-".join(words)[:_LONGEST].strip("-") or "tuned"
    if not stem[0].isalpha():
        stem = f"job-{stem}"
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    return name


def spec_text(name: str, job: ObservedJob, *, as_is: bool = False, nonce: bool = False) -> str:
    """The YAML of a `TuningJob` that adopts a job or a version; it passes `why_not`.

    With a `nonce`, its own id, it is told from jobs with the very same settings.
    """
    shown = job.fields
    lines = [
        *(_LOST if is_stand_in(job) else _FREE),
        "apiVersion: tuneops.dev/v1",
        "kind: TuningJob",
        f"metadata: {{name: {_text(name) if name in _NO_TEXT else name}}}",
        "spec:",
        f"  adopt: {_text(job.name)}",
        *(["  asIs: true"] if as_is else []),
        *([f"  nonce: {_text(job.name.rpartition('/')[2])}"] if nonce else []),
        *_source(shown),
    ]
    # the name is nothing that an adoption compares: one that no spec can say is left out
    if job.display_name.strip() and shown.base_model and sayable(job.display_name):
        lines.append(f"  tunedModelDisplayName: {_text(job.display_name)}")
    if shown.encryption_key:
        lines.append(f"  encryptionSpec: {{kmsKeyName: {_text(shown.encryption_key)}}}")
    if shown.service_account:
        lines.append(f"  serviceAccount: {_text(shown.service_account)}")
    lines += _method(shown)
    return "\n".join(lines) + "\n"


def _source(shown: DeclaredFields) -> Iterator[str]:
    if shown.base_model:
        yield f"  baseModel: {_text(shown.base_model)}"
        return
    yield "  preTunedModel:"
    yield f"    tunedModelName: {_text(shown.pretuned_model or '')}"
    if shown.checkpoint:
        yield f"    checkpointId: {_text(shown.checkpoint)}"


def _method(shown: DeclaredFields) -> Iterator[str]:
    supervised = shown.method == "supervised"
    key = "supervisedTuningSpec" if supervised else "preferenceOptimizationSpec"
    rows = list(_method_rows(shown))
    yield f"  {key}:" if rows else f"  {key}: {{}}"
    yield from rows


def _method_rows(shown: DeclaredFields) -> Iterator[str]:
    if shown.training_uri:
        yield f"    trainingDatasetUri: {_text(shown.training_uri)}"
    if shown.validation_uri:
        yield f"    validationDatasetUri: {_text(shown.validation_uri)}"
    if shown.last_checkpoint_only:
        yield "    exportLastCheckpointOnly: true"
    hyper = [
        ("epochCount", shown.epoch_count),
        ("adapterSize", shown.adapter_size),
        ("learningRateMultiplier", shown.learning_rate_multiplier),
        ("beta", shown.beta),
    ]
    given = [(key, value) for key, value in hyper if value is not None]
    if given:
        yield "    hyperParameters:"
        for key, value in given:
            number = decimal_text(value) if isinstance(value, Decimal) else str(value)
            yield f"      {key}: {number}"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
