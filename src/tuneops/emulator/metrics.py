"""The loss and accuracy series of a job: invented, by a function that is written down here.

Nothing is trained. With n the examples, t the tokens of a mean answer, m the learning-rate
multiplier, r the adapter size and u = epochs done * m * (r / 4) ** 0.25 the effort so far:

    start  = 1.1 + 0.2 * log10(1 + t)
    floor  = 0.25 + 0.5 / (1 + log10(1 + n))
    train  = floor + (start - floor) * exp(-0.9 * u) + shake
    eval   = train + gap + 0.05 * max(0, u - best) ** 1.5
    gap    = 0.4 / (1 + log10(1 + n)),  best = 1.5 + 1.2 * log10(1 + n / 25)
    shake  = 0.02 * (1 + 4 * max(0, m - 3)) * a number from -1 to 1 drawn from n, t and the step

so that loss falls with the epochs, that of validation rises again when they are too many for the
examples or too bold, and a multiplier above 3 makes it jump. The share of tokens predicted right
is exp(-0.55 * loss). Preference tuning starts at ln 2 and its floor is 0.2 + beta. Names of the
series are those of Google's tuning pages; at most about 200 training points are written, the
values of a validation set after each epoch.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuneops.emulator.jobs import Job
from tuneops.emulator.lifecycle import BATCH
from tuneops.emulator.models import ADAPTER_SIZES, PREFERENCE

_POINTS = 200
_SUPERVISED = (
    "/train_total_loss",
    "/train_fraction_of_correct_next_step_preds",
    "/train_num_predictions",
)
_SUPERVISED_EVALUATION = (
    "/eval_total_loss",
    "/eval_fraction_of_correct_next_step_preds",
    "/eval_num_predictions",
)
_PREFERENCE = ("/preference_optimization_train_loss",)
_PREFERENCE_EVALUATION = ("/eval_total_loss",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A value, the step that it belongs to and the instant at which it was written."""

    step: int
    at: int
    value: float


def series_names(job: Job) -> tuple[str, ...]:
    """Return the names of the series that a job writes."""
    preference = job.settled["method"] == PREFERENCE
    names: tuple[str, ...] = _PREFERENCE if preference else _SUPERVISED
    if "validationDatasetUri" in job.request[job.settled["specKey"]]:
        names += _PREFERENCE_EVALUATION if preference else _SUPERVISED_EVALUATION
    return names


def points(job: Job, name: str, now: int) -> list[Point]:
    """Return what a job has written to a series by `now`."""
    if job.life.steps == 0:
        return []
    progress = job.standing(now).progress
    curve = _curve(job)
    evaluated = name.startswith("/eval_")
    result = []
    for step in _evaluated_steps(job) if evaluated else _trained_steps(job.life.steps):
        at = _instant(job, step)
        if at > progress:
            break
        loss = curve.evaluation(step) if evaluated else curve.training(step)
        value = loss
        if name.endswith("_fraction_of_correct_next_step_preds"):
            value = math.exp(-0.55 * loss)
        if name.endswith("_num_predictions"):
            value = round(curve.tokens * BATCH)
        result.append(Point(step=step, at=at, value=round(value, 6)))
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    examples: int
    tokens: float
    multiplier: float
    effort: float
    start: float
    floor: float

    def training(self, step: int) -> float:
        """The loss on the training set after a step."""
        seed = f"{self.examples} {self.tokens} {step}".encode()
        drawn = int.from_bytes(hashlib.sha256(seed).digest()[:4], "big") / 2**31 - 1
        shake = 0.02 * (1 + 4 * max(0.0, self.multiplier - 3)) * drawn
        return max(0.01, self._smooth(step) + shake)

    def evaluation(self, step: int) -> float:
        """The loss on the validation set after a step."""
        gap = 0.4 / (1 + math.log10(1 + self.examples))
        best = 1.5 + 1.2 * math.log10(1 + self.examples / 25)
        beyond = max(0.0, step * self.effort - best)
        return self._smooth(step) + gap + 0.05 * math.pow(beyond, 1.5)

    def _smooth(self, step: int) -> float:
        decay = math.exp(-0.9 * step * self.effort)
        return self.floor + (self.start - self.floor) * decay


def _curve(job: Job) -> _Curve:
    """Return the curve of a job; its `effort` is that of one step."""
    hyper = job.settled["hyperParameters"]
    examples = job.settled["examples"]
    tokens = _answer_tokens(job.settled["stats"])
    multiplier = float(hyper["learningRateMultiplier"])
    rank = ADAPTER_SIZES[hyper["adapterSize"]]
    start = 1.1 + 0.2 * math.log10(1 + tokens)
    floor = 0.25 + 0.5 / (1 + math.log10(1 + examples))
    if job.settled["method"] == PREFERENCE:
        start = math.log(2)
        floor = min(start, 0.2 + float(hyper["beta"]))
    return _Curve(
        examples=examples,
        tokens=tokens,
        multiplier=multiplier,
        effort=job.life.epochs / job.life.steps * multiplier * (rank / 4) ** 0.25,
        start=start,
        floor=floor,
    )


def _answer_tokens(stats: Mapping[str, Any]) -> float:
    (kind,) = stats.values()
    return float(kind["userOutputTokenDistribution"].get("mean", 0))


def _trained_steps(steps: int) -> Iterator[int]:
    stride = -(-steps // _POINTS)
    yield from range(stride, steps, stride)
    yield steps


def _evaluated_steps(job: Job) -> Iterator[int]:
    per_epoch = job.life.steps // job.life.epochs
    yield from range(per_epoch, job.life.steps + 1, per_epoch)


def _instant(job: Job, step: int) -> int:
    life = job.life
    return life.equipped + (life.trained - life.equipped) * step // life.steps
