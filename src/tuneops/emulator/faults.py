"""Fault scripts: what shall go wrong, at which method, how often and where.

    script  one fault after another, between commas, semicolons or line ends; `#` is a comment
    fault   METHOD:ACTION[=VALUE][@PLACE][*COUNT], the count being 1 if it is not given

A method is that of the discovery file, such as `tuningJobs.create` or `storage.objects.insert`;
`job` stands for the life of the next job that is created. The faults of one method are met in
order, each as often as asked, by the calls that it can happen to (`page-token-expired` waits for
a call that has a token, `lag` for a list that would show something young, `accept-then-drop` for
a create that is accepted). `pass` lets a call through unharmed.

    any method          503 (any 400 to 599; `=30s` adds Retry-After), html[=STATUS],
                        redirect[=STATUS], accept-then-503, accept-then-drop, reset-before,
                        drop-mid-answer, truncated, slow=5s, trickle=5s, pass
    a list              page-token-expired, token-loop
    tuningJobs.list,    lag=120s (what was created within the last 120 s of virtual time is
    models.list         not shown)
    tuningJobs.create   lost-labels, lost-labels-then-drop
    job                 fail=CODE@pending|processing|tuning|post-processing|cancelling,
                        stuck@pending|processing|running|tuning|post-processing|cancelling,
                        paused@running, updating@running, queued@pending,
                        expired@pending|running, unknown-state=NAME@pending|running, partial,
                        win-cancel-race, no-capacity=3h, pass
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from tuneops.emulator.durations import duration
from tuneops.emulator.fates import Fate

JOB = "job"
LISTS = frozenset({
    "tuningJobs.list", "models.list", "models.listVersions", "models.listCheckpoints",
    "endpoints.list", "metadataStores.contexts.list", "metadataStores.executions.list",
    "tensorboards.experiments.runs.list", "tensorboards.experiments.runs.timeSeries.list",
    "storage.objects.list",
})  # fmt: skip
METHODS = LISTS | {
    "tuningJobs.create", "tuningJobs.get", "tuningJobs.cancel",
    "models.get", "models.patch", "models.delete", "models.mergeVersionAliases",
    "models.deleteVersion",
    "endpoints.get", "endpoints.delete", "endpoints.undeployModel", "operations.get",
    "metadataStores.contexts.get", "metadataStores.artifacts.get",
    "tensorboards.get", "tensorboards.batchRead", "tensorboards.experiments.get",
    "tensorboards.experiments.runs.get", "tensorboards.experiments.runs.timeSeries.get",
    "tensorboards.experiments.runs.timeSeries.read",
    "storage.buckets.get", "storage.buckets.patch",
    "storage.objects.get", "storage.objects.insert", "storage.objects.compose",
    "storage.objects.patch", "storage.objects.delete",
}  # fmt: skip
_YOUNG = frozenset({"tuningJobs.list", "models.list"})

_FAULT = re.compile(
    r"(?P<method>[^\s:]+)\s*:\s*(?P<action>[^\s=@*×]+)(?:=(?P<value>[^\s@*×]+))?"  # noqa: RUF001
    r"(?:@(?P<place>[^\s*×]+))?(?:\s*[*×]\s*(?P<count>\d{1,6}))?"  # noqa: RUF001
)
_STATUS = re.compile(r"[45]\d\d")
_LATE_STATUS = re.compile(r"accept-then-[45]\d\d")
_STATE = re.compile(r"[A-Z][A-Z0-9_]{0,99}")


class FaultError(ValueError):
    """The script cannot be understood; the text says where and what was meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a script; `value` and `place` are empty when they were not given."""

    method: str
    action: str
    value: str
    place: str
    count: int

    @property
    def text(self) -> str:
        """The fault as it is written, without its count."""
        value = f"={self.value}" if self.value else ""
        place = f"@{self.place}" if self.place else ""
        return f"{self.method}:{self.action}{value}{place}"

    def fate(self) -> Fate:
        """Return what a job fault does, with its place filled in."""
        return Fate(kind=self.action, value=self.value, place=self.place or _JOB[self.action].place)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultScript:
    """Faults in the order in which they are wanted."""

    faults: tuple[Fault, ...]

    @classmethod
    def parse(cls, text: str) -> "FaultScript":
        """Read a script, or raise FaultError."""
        lines = (line.partition("#")[0] for line in text.splitlines())
        pieces = (piece.strip() for line in lines for piece in re.split(r"[,;]", line))
        return cls(faults=tuple(parse_fault(piece) for piece in pieces if piece))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How an action is written: its value, whether it must have one, and its places."""

    value: str = ""
    optional: bool = False
    places: tuple[str, ...] = ()
    place: str = ""


_ANY: Mapping[str, _Form] = {
    "pass": _Form(),
    "accept-then-drop": _Form(),
    "reset-before": _Form(),
    "drop-mid-answer": _Form(),
    "truncated": _Form(),
    "slow": _Form(value="duration"),
    "trickle": _Form(value="duration"),
    "html": _Form(value="status", optional=True),
    "redirect": _Form(value="redirect", optional=True),
}
_PAGED = {"page-token-expired": _Form(), "token-loop": _Form()}
_RUNS = ("running",)
_WORKS = ("pending", "processing", "running", "tuning", "post-processing", "cancelling")
_JOB: Mapping[str, _Form] = {
    "pass": _Form(),
    "fail": _Form(value="code", places=tuple(place for place in _WORKS if place != "running")),
    "stuck": _Form(places=_WORKS),
    "win-cancel-race": _Form(place="cancelling"),
    "partial": _Form(place="post-processing"),
    "no-capacity": _Form(value="duration", place="running"),
    "paused": _Form(places=_RUNS, place="running"),
    "updating": _Form(places=_RUNS, place="running"),
    "queued": _Form(places=("pending",), place="pending"),
    "expired": _Form(places=("pending", "running"), place="pending"),
    "unknown-state": _Form(value="state", places=("pending", "running"), place="running"),
}
_VALUES = {
    "duration": "a length of time such as 200ms, 5s or 2h",
    "status": "an HTTP status from 200 to 599",
    "redirect": "301, 302, 303, 307 or 308",
    "code": "a google.rpc code from 1 to 16",
    "state": "a state such as JOB_STATE_HIBERNATING",
}


def parse_fault(text: str) -> Fault:
    """Read one fault, or raise FaultError."""
    match = _FAULT.fullmatch(text)
    if match is None:
        raise FaultError(f"`{text}` is not METHOD:ACTION[=VALUE][@PLACE][*COUNT]")
    fault = Fault(
        method=match["method"],
        action=match["action"],
        value=match["value"] or "",
        place=match["place"] or "",
        count=int(match["count"] or 1),
    )
    if fault.method not in METHODS and fault.method != JOB:
        near = _near(fault.method, (*METHODS, JOB))
        raise FaultError(f"`{text}`: no method is called `{fault.method}`{near}")
    if not fault.count:
        raise FaultError(f"`{text}`: a fault happens at least once")
    _check_form(fault, text)
    return fault


def _check_form(fault: Fault, text: str) -> None:
    forms = _forms(fault.method)
    form = forms.get(fault.action)
    if form is None and fault.method != JOB and _STATUS.fullmatch(fault.action):
        form = _Form(value="duration", optional=True)
    if form is None and fault.method != JOB and _LATE_STATUS.fullmatch(fault.action):
        form = _Form()
    if form is None:
        near = _near(fault.action, forms) or f"; it has a status such as 503, {', '.join(forms)}"
        raise FaultError(f"`{text}`: `{fault.method}` has no fault `{fault.action}`{near}")
    if fault.value and not form.value:
        raise FaultError(f"`{text}`: `{fault.action}` takes no value")
    if form.value and not _fits(fault.value, form):
        raise FaultError(f"`{text}`: `{fault.action}=` wants {_VALUES[form.value]}")
    if fault.place and fault.place not in form.places:
        near = _near(fault.place, form.places)
        raise FaultError(f"`{text}`: `{fault.action}` cannot happen at `{fault.place}`{near}")
    if form.places and not (fault.place or form.place):
        raise FaultError(f"`{text}`: say where, `@{'`, `@'.join(form.places)}`")


def _forms(method: str) -> Mapping[str, _Form]:
    if method == JOB:
        return _JOB
    forms = dict(_ANY)
    if method in LISTS:
        forms |= _PAGED
    if method in _YOUNG:
        forms["lag"] = _Form(value="duration")
    if method == "tuningJobs.create":
        forms |= {"lost-labels": _Form(), "lost-labels-then-drop": _Form()}
    return forms


def _fits(value: str, form: _Form) -> bool:
    if not value:
        return form.optional
    match form.value:
        case "duration":
            return duration(value) is not None
        case "status":
            return value.isdecimal() and 200 <= int(value) <= 599
        case "redirect":
            return value in ("301", "302", "303", "307", "308")
        case "code":
            return value.isdecimal() and 1 <= int(value) <= 16
        case _:
            return _STATE.fullmatch(value) is not None


def _near(word: str, known: Iterable[str]) -> str:
    found = get_close_matches(word, sorted(known), n=1, cutoff=0.5)
    return f"; did you mean `{found[0]}`?" if found else ""
