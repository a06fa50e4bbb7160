"""The state of every job, the lock's entries and a run's outcome, as text and as JSON. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from tuneops.core.lock import Creation, Lock, LockedJob
from tuneops.core.observed import JobState
from tuneops.core.plan import Action, Change, Plan, Reason
from tuneops.core.view import View
from tuneops.costs.amounts import spell
from tuneops.costs.charges import Charge
from tuneops.render.costs import cost_json
from tuneops.render.drift import drift_json, drift_lines
from tuneops.render.inert import inert
from tuneops.render.lines import Line, columns, counted
from tuneops.render.plan import FORMAT_VERSION, REASONS, short_job, short_model
from tuneops.render.waits import wait_json, wait_words

SYNC = {
    Action.KEEP: "InSync",
    Action.WAIT: "InSync",
    Action.ADOPT: "OutOfSync",
    Action.CREATE: "OutOfSync",
    Action.CONTINUE: "OutOfSync",
    Action.HOLD: "OutOfSync",
}


def some_of(plan: Plan, addresses: Sequence[str]) -> Plan:
    """What the plan says of some addresses, to be shown: it is not to be approved or run."""
    names = {address.partition("/")[0] for address in addresses}

    def mine(place: str) -> bool:
        name, _, alias = place.partition("@")
        return name in (names if alias else addresses)

    return replace(
        plan,
        desired={name: lineage for name, lineage in plan.desired.items() if name in addresses},
        changes=tuple(change for change in plan.changes if mine(change.place)),
        drift=tuple(drift for drift in plan.drift if mine(drift.address)),
        waits={name: wait for name, wait in plan.waits.items() if name in addresses},
    )


def jobs_json(
    plan: Plan, view: View, costs: Mapping[str, Charge] | None = None
) -> list[dict[str, Any]]:
    """One entry for each desired address: what it asks for, what there is, and its price."""
    jobs = [_job_json(address, plan, view) for address in plan.desired]
    if costs is None:
        return jobs
    return [{**job, **_cost_json(costs.get(job["address"]))} for job in jobs]


def _cost_json(charge: Charge | None) -> dict[str, Any]:
    return {
        "cost": cost_json(charge.cost) if charge else None,
        "costBilled": charge.billed if charge else None,
    }


def _job_json(address: str, plan: Plan, view: View) -> dict[str, Any]:
    change = plan.find(address)
    assert change is not None, "every desired address has a line"
    locked = view.ledger.at(address)
    creation = locked.creations.get(change.key or "")
    result = locked.result
    shown = creation or None
    return {
        "address": address,
        "sync": SYNC[change.action],
        "health": _health(shown, held=change.action is Action.HOLD),
        "reason": change.reason.value,
        **wait_json(change, plan),
        "state": shown.state.value if shown and shown.state else None,
        "job": shown.job if shown else None,
        "model": result.model if result else None,
        "checkpoint": result.chosen if result else None,
        "checkpoints": len(shown.checkpoints) if shown else 0,
        "endpoint": result.endpoint if result else None,
        "attempt": shown.attempt if shown else 0,
        "created": _time(shown.created if shown else None),
        "ended": _time(shown.ended if shown else None),
        "ageSeconds": _age(shown, view.observed.at),
        "billableTokens": shown.billable_tokens if shown else None,
        "plan": shown.cause.plan if shown else None,
    }


def _age(creation: Creation | None, at: datetime) -> int | None:
    """How long ago a job ended, or how long it has been there, by the service's clock."""
    moment = (creation.ended or creation.created or creation.asked) if creation else None
    return max(0, int((at - moment).total_seconds())) if moment is not None else None


def _health(creation: Creation | None, *, held: bool) -> str:
    """In one word: a finished job whose line is a hold has lost what it made."""
    if creation is None:
        return "Missing"
    if creation.unanswered:
        return "Unknown"
    if creation.succeeded:
        return "Degraded" if held else "Healthy"
    return "Progressing" if creation.live else "Degraded"


def _time(moment: Any) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment is not None else None


def status_json(
    plan: Plan, view: View, costs: Mapping[str, Charge] | None = None
) -> dict[str, Any]:
    """The document of `status --format json`."""
    return {
        "formatVersion": FORMAT_VERSION,
        "command": "status",
        "environment": plan.environment,
        "jobs": jobs_json(plan, view, costs),
        **({"pointers": pointers} if (pointers := pointers_json(plan, view)) else {}),
        "drift": drift_json(plan),
        "summary": {"settled": plan.settled, "drift": len(plan.drift)},
        "diagnostics": [],
    }


def pointers_json(plan: Plan, view: View) -> list[dict[str, Any]]:
    """One entry for each promotion: where its alias is, and whether it belongs there."""
    lines = {change.place: change for change in plan.changes if change.alias}
    found = []
    for promotion in view.graph.promotions:
        if str(promotion.stage) not in plan.desired:
            continue
        place = f"{promotion.name}@{promotion.alias}"
        pointer = view.ledger.pointer(promotion.name, promotion.alias)
        change = lines[place]
        drift = any(one.address == place for one in plan.drift)
        found.append(
            {
                "name": promotion.name,
                "alias": promotion.alias,
                "sync": "Drifted" if drift else POINTED.get(change.action, "OutOfSync"),
                "reason": change.reason.value,
                "model": pointer.model if pointer else None,
                "checkpoint": pointer.checkpoint if pointer else None,
                "target": promotion.target,
            }
        )
    return found


POINTED = {Action.KEEP: "InSync"}

HEADS = ("JOB", "SYNC", "HEALTH", "REASON", "MODEL", "CHECKPOINT", "AGE")
WIDE = ("STATE", "ATTEMPT", "TUNING JOB", "ENDPOINT", "TOKENS", "COST", "PLAN")


def status_text(
    plan: Plan, view: View, costs: Mapping[str, Charge] | None = None
) -> Iterator[Line]:
    """A table of all desired addresses; with `costs`, it has what a person seldom asks for."""
    jobs = jobs_json(plan, view)
    rows: list[tuple[str, ...]] = [HEADS if costs is None else (*HEADS, *WIDE)]
    for job in jobs:
        more = () if costs is None else _wide_cells(job, costs.get(job["address"]))
        rows.append((*_cells(job), *more))
    head, *body = columns(rows)
    yield Line(head, "dim")
    manners = {"Healthy": "keep", "Degraded": "cancel", "Missing": "hold"}
    for job, row in zip(jobs, body, strict=True):
        yield Line(inert(row), manners.get(job["health"], "wait"))
    for address, wait in plan.waits.items():
        yield Line(inert(f"{address}  {wait_words(wait)}"), "wait")
    for change in ending(plan):
        words = f"{short_job(change.job)} {REASONS[change.reason]}"
        yield Line(inert(f"{change.address}  {words}"), "wait")
    for pointer in pointers_json(plan, view):
        where = f"{short_model(pointer['model']) or '-'} checkpoint {pointer['checkpoint'] or '-'}"
        words = f"{pointer['sync']}, {REASONS[Reason(pointer['reason'])]}"
        manner = "keep" if pointer["sync"] == "InSync" else "hold"
        yield Line(inert(f"{pointer['name']}@{pointer['alias']}  {words}  {where}"), manner)
    yield from drift_lines(plan)
    yield Line()
    yield Line(f"{_tally(plan, jobs)}. Drift: {_kinds(plan) or 'none'}.")


def ending(plan: Plan) -> list[Change]:
    """The jobs that no spec wants as they are, and that run to their end by policy."""
    return [change for change in plan.changes if change.reason is Reason.FINISHING]


def _tally(plan: Plan, jobs: Sequence[dict[str, Any]]) -> str:
    """How many jobs are done, how many run, and what becomes of the others."""
    health = Counter(job["health"] for job in jobs)
    changes = [change for address in plan.desired if (change := plan.find(address)) is not None]
    to_run = [change for change in changes if change.action.buys]
    waiting = sum(1 for change in to_run if change.after)
    held = sum(1 for change in changes if change.action is Action.HOLD)
    more = {
        "to start": len(to_run) - waiting,
        "waiting for a parent": waiting,
        "on hold (`tuneops plan` says why)": held,
    }
    done = f"{health['Healthy']} of {counted(len(jobs), 'job')} done"
    rest = [f"{number} {words}" for words, number in more.items() if number]
    running = health["Progressing"] + len(ending(plan))
    return ", ".join([done, f"{running} running", *rest])


def _kinds(plan: Plan) -> str:
    """How much drift there is of each kind: `1 pointer-moved, 2 version-gone`."""
    kinds = Counter(drift.kind.value for drift in plan.drift)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def _cells(job: dict[str, Any]) -> tuple[str, ...]:
    there = job["checkpoints"]
    chosen = f"{job['checkpoint']} of {there}" if job["checkpoint"] and there else job["checkpoint"]
    quiet = job["reason"] in (Reason.IN_SYNC, Reason.REUSED)
    return (
        job["address"],
        job["sync"],
        job["health"],
        "-" if quiet else REASONS[Reason(job["reason"])],
        short_model(job["model"]) or "-",
        chosen or "-",
        age_text(job["ageSeconds"]),
    )


def _wide_cells(job: dict[str, Any], charge: Charge | None) -> tuple[str, ...]:
    return (
        (job["state"] or "-").lower(),
        str(job["attempt"] or "-"),
        short_job(job["job"]) or "-",
        _tail(job["endpoint"]),
        f"{job['billableTokens']:,}" if job["billableTokens"] is not None else "-",
        _charge(charge),
        (job["plan"] or "-")[:8],
    )


def _charge(charge: Charge | None) -> str:
    """`~$3.10`, or `~$3.10 est.` where the service has not counted the tokens."""
    if charge is None:
        return "-"
    return spell(charge.cost) if charge.billed else f"{spell(charge.cost)} est."


def age_text(seconds: int | None) -> str:
    """A length of time in its largest unit, as `kubectl` shows it: `12d`, `5h`, `17m`, `40s`."""
    if seconds is None:
        return "-"
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _tail(name: str | None) -> str:
    return f"endpoints/{name.rpartition('/')[2]}" if name else "-"


def lock_text(lock: Lock, addresses: list[str]) -> Iterator[Line]:
    """The entries of some addresses, in full."""
    for index, address in enumerate(addresses):
        locked = lock.at(address)
        if index:
            yield Line()
        retired = ", retired" if address in lock.retired else ""
        count = counted(len(locked.creations), "creation")
        yield Line(inert(f"{address}    {count}{retired}"), "keep")
        for key, creation in locked.history:
            yield from _creation_lines(key, creation, locked)


def _creation_lines(key: str, creation: Creation, locked: LockedJob) -> Iterator[Line]:
    mark = "superseded" if locked.current else "not done"
    if key == locked.current or creation.live:
        mark = "current" if key == locked.current else "under way"
    state = creation.state.value.lower() if creation.state else "asked for, no answer seen"
    rows = [
        ("  creation", f"{key} (attempt {creation.attempt}, {mark})"),
        ("  lineage", creation.lineage),
        ("  training", f"{creation.recipe.training.uri} crc32c {creation.recipe.training.crc32c}"),
        ("  job", f"{short_job(creation.job) or '-'} {state}"),
    ]
    if creation.source is not None:
        start = f"{short_model(creation.source.model)}, checkpoint {creation.source.checkpoint}"
        rows.insert(2, ("  from", start))
    if creation.model:
        rows.append(("  model", version_text(creation)))
    if creation.checkpoints:
        rows.append(("  checkpoints", ", ".join(_checkpoint_words(creation))))
    if creation.error is not None:
        rows.append(("  error", f"{creation.error.message} (code {creation.error.code})"))
    if creation.cause.commit:
        dirty = ", with uncommitted specs" if creation.cause.dirty else ""
        rows.append(("  cause", f"{creation.cause.commit[:12]}{dirty}"))
    yield from (Line(inert(row)) for row in columns(rows))


def version_text(creation: Creation) -> str:
    """The version that a job made, and whether tuneops asked for it to be deleted."""
    asked = " (tuneops was asked to delete it)" if creation.delete_asked else ""
    return f"{short_model(creation.model)}{asked}"


def _checkpoint_words(creation: Creation) -> Iterator[str]:
    order = sorted(creation.checkpoints.items(), key=lambda item: (item[1].step, item[0]))
    for name, checkpoint in order:
        chosen = ", chosen" if name == creation.chosen else ""
        yield f"{name} (epoch {checkpoint.epoch}{chosen})"


def failed(creation: Creation | None) -> bool:
    """Say whether an entry ended without success."""
    return creation is not None and creation.state in (JobState.FAILED, JobState.EXPIRED)
