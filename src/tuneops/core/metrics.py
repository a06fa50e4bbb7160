"""What is measured of a tuning job, on what, and which checkpoint it says is the best.

Metrics come from two places: series of a job's experiment, written while it trains, and the scores
of its evaluation, which the job shows itself. Names of series are those of Google's tuning pages;
a score is called as Google's evaluation notebook calls it, such as `bleu/AVERAGE`.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isnan
from typing import Any

from tuneops.core.desired import DesiredGraph, DesiredJob
from tuneops.core.labels import read_note
from tuneops.core.lock import Creation, Lock, Measured
from tuneops.core.observed import Checkpoint, JobState, Observed, ObservedJob, Point
from tuneops.core.policy import Gate
from tuneops.core.recipe import Best, Method, Upstream

TRAINING = {
    Method.SUPERVISED: (
        "train_total_loss",
        "train_fraction_of_correct_next_step_preds",
        "train_num_predictions",
    ),
    Method.PREFERENCE: ("preference_optimization_train_loss",),
}
VALIDATION = {
    Method.SUPERVISED: (
        "eval_total_loss",
        "eval_fraction_of_correct_next_step_preds",
        "eval_num_predictions",
    ),
    Method.PREFERENCE: ("eval_total_loss",),
}

SCORES = {
    "pointwiseMetricSpec": "pointwise",
    "exactMatchSpec": "exactMatch",
    "bleuSpec": "bleu",
    "rougeSpec": "rouge",
}
"""The kinds of metric whose results carry a number, and what their scores are called."""

ON_TRAINING = "training"


def published(
    method: Method, validated: bool, evaluation: Mapping[str, Any] | None
) -> tuple[str, ...]:
    """The metrics that a job will have, from what its spec says.

    Of two metrics of one kind the service does not say which score is whose: they are left out.
    """
    names = [*TRAINING[method], *(VALIDATION[method] if validated else ())]
    kinds = [SCORES[kind] for metric in _metrics(evaluation) for kind in SCORES if kind in metric]
    for metric in _metrics(evaluation):
        for kind in (SCORES[kind] for kind in SCORES if kind in metric):
            if kinds.count(kind) == 1:
                names += (f"{kind}/{how}" for how in metric.get("aggregationMetrics", ["AVERAGE"]))
    return tuple(names)


def is_score(metric: str) -> bool:
    """Say whether a metric is a score of an evaluation, and no series."""
    return "/" in metric


def wanted(graph: DesiredGraph, lock: Lock) -> Mapping[str, frozenset[str]]:
    """The metrics that rules and gates ask for, by the lineage of the job that they are of."""
    found: dict[str, set[str]] = {}
    for job in graph.jobs:
        source = job.recipe.source
        if isinstance(source, Upstream) and isinstance(source.checkpoint, Best):
            found.setdefault(source.lineage, set()).add(source.checkpoint.best)
        if job.gate is not None:
            found.setdefault(job.lineage, set()).add(job.gate.metric)
        if job.gate is not None and compares(job.gate):
            for lineage in _promoted(graph, lock, job):
                found.setdefault(lineage, set()).add(job.gate.metric)
    for promotion in graph.promotions:
        stage = graph.find(promotion.stage)
        if stage is not None and isinstance(promotion.checkpoint, Best):
            served = lock.at(str(promotion.stage)).result
            for lineage in (stage.lineage, *([served.lineage] if served else ())):
                found.setdefault(lineage, set()).add(promotion.checkpoint.best)
    return {lineage: frozenset(names) for lineage, names in found.items()}


def compares(gate: Gate) -> bool:
    """Say whether a gate compares with the promoted version."""
    return "promoted" in (gate.least, gate.most)


def _promoted(graph: DesiredGraph, lock: Lock, job: DesiredJob) -> Iterator[str]:
    known = {key: creation for _, key, creation in lock.creations()}
    for promotion in graph.promotions:
        pointer = lock.pointer(promotion.name, promotion.alias)
        if promotion.name == job.address.name and pointer and pointer.creation in known:
            yield known[pointer.creation].lineage


def unread(asked: frozenset[str], recorded: Creation | None, job: ObservedJob) -> frozenset[str]:
    """The series of a finished job that have to be read: those asked for, not recorded whole."""
    if job.state is not JobState.SUCCEEDED or job.model is None:
        return frozenset()
    known = {name for name in asked if recorded is not None and _whole(recorded, name)}
    return frozenset(name for name in asked - known if not is_score(name))


def _whole(creation: Creation, metric: str) -> bool:
    known = (creation.measured or {}).get(metric)
    return known is not None and set(known.values) >= set(creation.checkpoints) != set()


def note_metrics(graph: DesiredGraph, lock: Lock, observed: Observed) -> Lock:
    """The lock with what was seen of the metrics that are wanted, and with no others.

    What is recorded of a wanted one stays. The service keeps the others, should somebody ask again.
    """
    asked = wanted(graph, lock)
    desired = {job.lineage: job for job in graph.jobs}
    news: list[tuple[str, str, Creation]] = []
    for address, key, creation in lock.creations():
        job = observed.jobs.get(creation.job or "")
        recorded = creation.measured or {}
        names = sorted(asked.get(creation.lineage, ()))
        known = {name: recorded[name] for name in names if name in recorded}
        for metric in names:
            if job is None or not creation.succeeded or _whole(creation, metric):
                continue
            values = _values(metric, job, creation.checkpoints, observed.series.get(job.name, {}))
            if values:
                on = _measured_on(metric, job, desired.get(creation.lineage))
                known[metric] = Measured(on=on, values=values)
        if known != recorded:
            news.append((address, key, replace(creation, measured=known or None)))
    return lock.record(news) if news else lock


def _values(
    metric: str,
    job: ObservedJob,
    checkpoints: Mapping[str, Checkpoint],
    series: Mapping[str, tuple[Point, ...]],
) -> dict[str, str]:
    if is_score(metric):
        scores = job.scores.get(metric, {})
        if set(scores) == {""} and len(checkpoints) == 1:
            scores = {next(iter(checkpoints)): scores[""]}
        return {name: str(scores[name]) for name in checkpoints if name in scores}
    return {name: str(value) for name, value in _at(checkpoints, series.get(metric, ()))}


def _at(
    checkpoints: Mapping[str, Checkpoint], points: tuple[Point, ...]
) -> Iterator[tuple[str, float]]:
    """What a series says of each checkpoint: its last value since the checkpoint before it.

    No value is of two checkpoints, and a checkpoint without one of its own is not measured.
    """
    before = -1
    for name, checkpoint in sorted(checkpoints.items(), key=lambda item: (item[1].step, item[0])):
        own = [point for point in points if before < point.step <= checkpoint.step]
        if own:
            yield name, max(own, key=lambda point: point.step).value
        before = checkpoint.step


# --- on what -------------------------------------------------------------------------------------


def pin_of(job: DesiredJob, metric: str) -> str:
    """What a metric of a job is measured on as its spec says it now: data, and how it is scored."""
    if metric in TRAINING[job.recipe.method]:
        return ON_TRAINING
    if job.validation is None:
        return ""
    data = f"{job.validation.dataset.size}:{job.validation.dataset.crc32c}"
    if not is_score(metric):
        return data
    return f"{data}:{_digest(metric, job.evaluation_config, job.evaluation_config)}"


def _measured_on(metric: str, job: ObservedJob, desired: DesiredJob | None) -> str:
    """What a metric of a job was measured on; empty when nothing says it."""
    if any(metric in names for names in TRAINING.values()):
        return ON_TRAINING
    data = _validation(job, desired)
    if not data or not is_score(metric):
        return data
    declared = desired.evaluation_config if desired else None
    return f"{data}:{_digest(metric, declared, job.evaluation)}"


def _validation(job: ObservedJob, desired: DesiredJob | None) -> str:
    """The validation data of a job, by its own mark; of an adopted one, by the name of its data."""
    note = read_note(job.description) if job.ownership is not None else None
    if note is not None:
        return f"{note.validation[0]}:{note.validation[1]}" if note.validation else ""
    pinned = desired.validation if desired else None
    if job.ownership is None and pinned and pinned.dataset.uri == job.fields.validation_uri:
        return f"{pinned.dataset.size}:{pinned.dataset.crc32c}"
    return ""


def _digest(
    metric: str, declared: Mapping[str, Any] | None, shown: Mapping[str, Any] | None
) -> str:
    """A hash of how a score is made: as declared, where what is shown says no less."""
    said, seen = _manner(metric, declared), _manner(metric, shown)
    manner = said if said and _within(said, seen) else seen
    text = json.dumps(manner, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _manner(metric: str, config: Mapping[str, Any] | None) -> Any:
    name = metric.partition("/")[0]
    kinds = [kind for kind, called in SCORES.items() if called == name]
    found = [entry[kind] for entry in _metrics(config) for kind in kinds if kind in entry]
    names = ("autoraterConfig", "inferenceGenerationConfig")
    beside = {key: (config or {})[key] for key in names if key in (config or {})}
    return _plain({"metrics": found, **beside}) if found else None


def _within(said: Any, seen: Any) -> bool:
    """Say whether what is shown holds all that was said; the service may fill in the rest."""
    if isinstance(said, dict):
        return isinstance(seen, dict) and all(
            name in seen and _within(value, seen[name]) for name, value in said.items()
        )
    if isinstance(said, list):
        alike = isinstance(seen, list) and len(said) == len(seen)
        return alike and all(map(_within, said, seen))
    return bool(said == seen)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _metrics(config: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    yield from (config or {}).get("metrics") or ()


# --- which is best -------------------------------------------------------------------------------


def value_at(creation: Creation, metric: str, checkpoint: str) -> float | None:
    """What a metric said of a checkpoint; None where it was not measured."""
    known = (creation.measured or {}).get(metric)
    return float(known.values[checkpoint]) if known and checkpoint in known.values else None


def best(rule: Best, creation: Creation) -> str | None:
    """The checkpoint that a rule means; None unless every one of them was measured.

    What is not a number is never the best. Of equals, the one with fewer training steps.
    """
    if not creation.checkpoints or not _whole(creation, rule.best):
        return None
    ranked = []
    for name, checkpoint in creation.checkpoints.items():
        value = value_at(creation, rule.best, name)
        if value is not None and not isnan(value):
            ranked.append((-value if rule.goal == "highest" else value, checkpoint.step, name))
    return min(ranked)[2] if ranked else None
