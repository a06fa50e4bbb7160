"""A plan for people and for machines: text, Markdown, JSON. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tuneops.core.desired import DesiredGraph, DesiredJob
from tuneops.core.diff import fields
from tuneops.core.plan import Action, Change, Plan, Reason
from tuneops.costs.amounts import spell
from tuneops.costs.verdicts import Bill
from tuneops.render.advice import acceptance, advice_json, advice_lines
from tuneops.render.costs import (
    cost_cell,
    cost_lines,
    estimate_json,
    foot_lines,
    summary_json,
    sunk_json,
    total,
)
from tuneops.render.drift import drift_json, drift_lines, unpinned_json, unpinned_lines
from tuneops.render.fields import dataset_text, field_rows, new_data
from tuneops.render.findings import finding_text, findings_json
from tuneops.render.inert import inert
from tuneops.render.lines import PAGE, Line, columns, counted, fenced
from tuneops.render.promotion import gate_text, promotion_json, promotion_lines
from tuneops.render.waits import wait_json, wait_lines

FORMAT_VERSION = 1

GLYPHS = {
    Action.KEEP: "=",
    Action.WAIT: "…",
    Action.ADOPT: "<",
    Action.CREATE: "+",
    Action.CONTINUE: "»",
    Action.CANCEL: "-",
    Action.RETIRE: ".",
    Action.POINT: "→",
    Action.HOLD: "!",
}

REASONS = {
    Reason.IN_SYNC: "in sync",
    Reason.REUSED: "this very training was done before",
    Reason.RENAMED: "renamed; the training is the same",
    Reason.RE_STAMPED: "said in other words; the training is the same",
    Reason.FOUND: "found by its labels",
    Reason.NAMED: "named by its spec",
    Reason.RUNNING: "running",
    Reason.PAUSED: "paused by the service",
    Reason.UNKNOWN_STATE: "in a state that this tuneops does not know",
    Reason.CANCELLING: "being cancelled",
    Reason.QUEUED_TOO_LONG: "queued for longer than its `timeout`",
    Reason.FINISHING: "runs to its end, by policy",
    Reason.NO_MODEL_YET: "succeeded, its model is not there yet",
    Reason.UNANSWERED: "create sent, no answer seen; it may still land",
    Reason.FIRST_RUN: "first run",
    Reason.INPUTS_CHANGED: "inputs changed",
    Reason.PARENT_CHANGED: "parent changed",
    Reason.PARENT_ACCEPTED: "its parent changed; what it was is accepted",
    Reason.ACCEPTANCE_OVER: "what its parent was is accepted no longer",
    Reason.NEVER_MADE: "the create that was sent never landed",
    Reason.RETRY: "another try, by policy",
    Reason.WANTED_AGAIN: "wanted again after tuneops cancelled it",
    Reason.RESUMED: "wanted again although somebody cancelled it, as `resume` says",
    Reason.SUPERSEDED: "superseded by the specs",
    Reason.DUPLICATE: "second job of one creation",
    Reason.REMOVED: "no spec wants it any more",
    Reason.PROTECTED: "no spec wants it any more, and it is protected",
    Reason.FAILED: "failed",
    Reason.PARTIAL_RESULT: "ended early, but left a usable version",
    Reason.PARTIAL_ACCEPTED: "ended early; its version is taken, as `acceptPartial` says",
    Reason.CANCELLED_ELSEWHERE: "cancelled, and not by tuneops",
    Reason.JOB_GONE: "the running job is not there any more",
    Reason.ANOTHER_JOB: "the lock names another job",
    Reason.MISSING_ARTEFACT: "its model version was deleted outside tuneops",
    Reason.CHECKPOINT_MISSING: "the parent has no such checkpoint",
    Reason.GATE: "its gate is not passed",
    Reason.NOT_MEASURED: "its metrics cannot be compared",
    Reason.PIN_MOVED: "the dataset's bytes changed since they were pinned",
    Reason.PIN_LOST: "the pinned dataset is not there any more",
    Reason.WRONG_BYTES: "it read, or may have read, other bytes than the pinned ones",
    Reason.PARENT_BLOCKED: "its parent is blocked",
    Reason.SUSPENDED: "suspended by its spec",
    Reason.NOT_KNOWN_HERE: "a job with our labels that this repository does not know",
    Reason.NOT_AT_TIP: "not done: this is not the tip of the remote's default branch",
    Reason.NOT_FOUND: "what it adopts is not there",
    Reason.NOT_ADOPTABLE: "what it adopts is a workspace's already, or left no model",
    Reason.DIFFERS: "what it adopts has other settings",
    Reason.PROMOTED: "to the result of its stage",
    Reason.PINNED: "to the version that the spec pins",
    Reason.POINTER_MOVED: "was moved by hand; back to where it was",
    Reason.ALIAS_TAKEN: "somebody else's",
    Reason.STILL_PROMOTED: "is on a result that no spec has any more",
    Reason.RELEASED: "no spec moves it any more; it stays where it is",
    Reason.DELETED: "its version is deleted for good, as `removed` says",
    Reason.NOT_DELETABLE: "its version is not deleted",
}

HELP = {
    Reason.FAILED: "mend the cause, then `tuneops retry ADDRESS`; or give it a `retry` policy",
    Reason.PARTIAL_RESULT: "`acceptPartial: true` takes that version; a new `nonce` trains again",
    Reason.PAUSED: "it may go on by itself; a new `nonce` trains again, and stops this one",
    Reason.UNKNOWN_STATE: "look at it in the console; a newer tuneops may know its state",
    Reason.QUEUED_TOO_LONG: "look at the project's quota; it goes on by itself once there is room",
    Reason.ACCEPTANCE_OVER: "remove `acceptParent:`, or set a later `until:`",
    Reason.PROTECTED: "put its spec back; with `protect: false` there it can be removed next",
    Reason.CANCELLED_ELSEWHERE: "`tuneops resume ADDRESS` writes `resume:` into its spec, and the "
    "next run trains it again; so does another recipe",
    Reason.SUSPENDED: "`tuneops resume ADDRESS` lets it begin",
    Reason.ANOTHER_JOB: "`tuneops lock diff` shows what was edited; "
    "`tuneops lock rebuild` writes what the service says",
    Reason.JOB_GONE: "`tuneops retry ADDRESS` if it should be bought again",
    Reason.MISSING_ARTEFACT: "`tuneops retry ADDRESS` if it should be bought again",
    Reason.CHECKPOINT_MISSING: "`tuneops lock show` lists the checkpoints; name one of them",
    Reason.PIN_MOVED: "put the old bytes back, or take the new ones with `tuneops lock pin`",
    Reason.GATE: "change what it is trained on, or the gate; nothing continues from it until then",
    Reason.NOT_MEASURED: "name a checkpoint by epoch or id, or change the gate; a `nonce` trains "
    "and measures it again",
    Reason.PIN_LOST: "put the object back, or name another one",
    Reason.WRONG_BYTES: "put the pinned bytes back and give it a new `nonce`, or take the new ones "
    "with `tuneops lock pin`; either trains again",
    Reason.NOT_FOUND: "check the name in `adopt:`; `tuneops discover` lists what is there",
    Reason.NOT_ADOPTABLE: "remove `adopt:` to train it, or name another job",
    Reason.DIFFERS: "mend the spec, or take the job over with `asIs: true`",
    Reason.ALIAS_TAKEN: "take the alias off there, or choose another name for this one",
    Reason.STILL_PROMOTED: "promote another result first, or take the alias off by hand",
    Reason.DELETED: "give it a new `nonce` if it should be bought again",
    Reason.NOT_DELETABLE: "mend that, or take the version out of `removed:`",
    Reason.NOT_AT_TIP: "the next run at that tip does it, or a `tuneops apply` that is approved",
    Reason.NOT_KNOWN_HERE: "left alone, since its labels, the lock and a claim made here do not "
    "all name it with the settings that it shows: `tuneops lock rebuild` if the lock was lost; "
    "else let it end, or stop it in the console or from the checkout that made it",
}

_COPIED = "its settings are others than the spec's; a new `nonce` trains beside it"
"""What to do where a job with our labels stands in the way of a create."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Where a plan would act, in words."""

    target: str
    lock: str
    lock_state: str
    guard: str
    emulated: bool
    supposed: tuple[str, ...] = ()
    """Values that no spec has, laid over them to see what they would lead to."""
    unseen: tuple[str, ...] = ()
    """What the plan was made without a look at, in words."""


def plan_text(
    plan: Plan,
    graph: DesiredGraph,
    header: Header,
    bill: Bill | None = None,
    *,
    unchanged: bool = False,
) -> Iterator[Line]:
    """The plan as a person reads it; unchanged addresses are counted, not listed."""
    yield Line(f"Target  {header.target}", "dim")
    yield Line(inert(f"Lock    {header.lock} · {header.lock_state}"), "dim")
    yield Line(f"Guard   {header.guard}", "dim")
    for text in header.unseen:
        yield Line(inert(f"Unseen  {text}"), "strong")
    for text in header.supposed:
        yield Line(inert(f"If      {text}"), "strong")
    yield Line()
    shown = [c for c in plan.changes if unchanged or not _quiet(c)]
    if shown:
        heads = columns([(*_head(change), cost_cell(change, bill)) for change in shown])
        for change, head in zip(shown, heads, strict=True):
            yield Line(inert(head), change.action.value)
            yield from _body(change, plan, graph, bill)
    quiet = len(plan.changes) - len(shown)
    if quiet and shown:
        yield Line(f"  {quiet} unchanged", "dim")
    yield from drift_lines(plan)
    yield from advice_lines(plan, bill)
    if shown:
        yield Line()
    yield from _foot(plan, graph, header, bill)


def _quiet(change: Change) -> bool:
    return change.action is Action.KEEP and change.reason in (Reason.IN_SYNC, Reason.DELETED)


def _head(change: Change) -> tuple[str, ...]:
    where = f"after {change.after}" if change.after else short_model(change.model)
    if not where and change.job:
        where = short_job(change.job)
    reason = REASONS[change.reason]
    if change.attempt > 1 and change.action.buys:
        reason += f" (attempt {change.attempt})"
    return f"{GLYPHS[change.action]} {change.place}", change.action.value, reason, where


def _body(change: Change, plan: Plan, graph: DesiredGraph, bill: Bill | None) -> Iterator[Line]:
    job = graph.find_text(change.address)
    rows = field_rows(change.fields)
    if change.action.buys and job is not None:
        rows = chain(new_data(change.fields, job), rows) if change.fields else _recipe_rows(job)
    if change.action.buys or change.action is Action.KEEP:
        yield from (Line(f"    {inert(row)}") for row in columns(list(rows)))
    yield from unpinned_lines(change, plan)
    if bill is not None:
        yield from cost_lines(change, bill)
    yield from wait_lines(change, plan)
    yield from promotion_lines(change)
    if job is not None and change.lineage == job.lineage:
        yield from acceptance(job, graph)
    if change.action is Action.HOLD and change.reason in HELP:
        copied = change.reason is Reason.NOT_KNOWN_HERE and change.key is not None
        words = _COPIED if copied else HELP[change.reason]
        yield Line(f"    help: {words.replace('ADDRESS', change.address)}")


def _recipe_rows(job: DesiredJob) -> Iterator[tuple[str, str]]:
    values = fields(job.recipe)
    if "baseModel" in values:
        yield "baseModel", str(values["baseModel"])
    elif "from" in values:
        yield "from", f"{values['from']}, checkpoint {values['from.checkpoint']}"
    else:
        model, checkpoint = values["preTunedModel"], values["preTunedModel.checkpointId"]
        yield "preTunedModel", f"{model}, checkpoint {checkpoint}"
    yield "method", str(values["method"])
    yield "training", dataset_text(job.training)
    if job.validation is not None:
        yield "validation", dataset_text(job.validation)
    for path, value in values.items():
        if path.startswith("hyperParameters."):
            yield path, str(value)
    if job.gate is not None:
        yield "gate", gate_text(job.gate)
    for path in ("encryptionKey", "nonce"):
        if path in values:
            yield path, str(values[path])
    if job.evaluation_config is not None:
        yield "evaluation", _evaluation(job.evaluation_config)


def _evaluation(config: Mapping[str, Any]) -> str:
    count = counted(len(config["metrics"]), "metric")
    return f"{count}, to {config['outputConfig']['gcsDestination']['outputUriPrefix']}"


def _foot(plan: Plan, graph: DesiredGraph, header: Header, bill: Bill | None) -> Iterator[Line]:
    if plan.is_empty and not plan.drift:
        what = counted(len(plan.desired), "job")
        yield Line(f"No changes. {what} in place, as the specs and the lock say.")
        return
    words = {
        "create": "to create",
        "continue": "to continue",
        "cancel": "to cancel",
        "point": "to point",
        "adopt": "to adopt",
        "retire": "to retire",
        "delete": "to delete for good",
        "wait": "under way",
        "hold": "on hold",
        "keep": "unchanged",
    }
    counts = plan.counts()
    if plan.deletions:
        counts = {**counts, "delete": len(plan.deletions)}
        counts["retire"] -= counts["delete"]
    said = [f"{counts[action]} {word}" for action, word in words.items() if counts.get(action)]
    free = " On the emulator nothing is billed." if header.emulated and plan.buys else ""
    yield Line(f"Plan: {', '.join(said)}.{free}")
    if bill is not None:
        yield from foot_lines(plan, graph, bill, emulated=header.emulated)
    yield Line(f"Digest {plan.digest}", "dim")


def plan_json(plan: Plan, header: Header, bill: Bill) -> dict[str, Any]:
    """The document of `plan --format json`; keys are only ever added."""
    counts = plan.counts()
    return {
        "formatVersion": FORMAT_VERSION,
        "command": "plan",
        "environment": plan.environment,
        "owner": plan.owner,
        "target": {"kind": "emulator" if header.emulated else "vertex", "name": header.target},
        "actions": [
            change_json(change, bill) | unpinned_json(change, plan) | wait_json(change, plan)
            for change in plan.changes
        ],
        "drift": drift_json(plan),
        "summary": {
            **{action.value: counts.get(action.value, 0) for action in Action},
            "paid": len(plan.buys),
            "settled": plan.settled,
            **summary_json(bill),
        },
        "ceiling": dict(plan.ceiling),
        "advice": advice_json(plan),
        "digest": plan.digest,
        **({"whatIf": list(header.supposed)} if header.supposed else {}),
        **({"unseen": list(header.unseen)} if header.unseen else {}),
        "diagnostics": findings_json(bill.verdict.findings),
    }


def change_json(change: Change, bill: Bill) -> dict[str, Any]:
    """One line of the plan as JSON."""
    return {
        "address": change.address,
        "action": change.action.value,
        "class": change.money.value,
        "reason": change.reason.value,
        "changes": [
            {"path": item.path, "before": item.before, "after": item.after}
            for item in change.fields
        ],
        "lineage": change.lineage,
        "attempt": change.attempt,
        "job": change.job,
        "model": change.model,
        "after": change.after,
        **estimate_json(bill.estimates.get(change.address) if change.action.buys else None),
        "notNow": bill.verdict.barred.get(change.address) if change.action.buys else None,
        "sunk": sunk_json(bill.sunk.get(change.job or "")),
        **({"deletes": change.model} if change.deletes else {}),
        **promotion_json(change),
    }


def plan_markdown(plan: Plan, graph: DesiredGraph, header: Header, bill: Bill | None = None) -> str:
    """The plan for a pull request or a job summary: facts first, all data inside one fence."""
    counts = plan.counts()
    paid = len(plan.buys)
    title = "no changes" if plan.is_empty else f"{counted(paid, 'paid job')}"
    cost = total(bill) if bill is not None else None
    if cost is not None:
        title += f", {spell(cost)}"
    if plan.holds:
        title += f", {len(plan.holds)} on hold"
    lines = [line for line in plan_text(plan, graph, header, bill) if not _is_digest(line)]
    if bill is not None:
        for finding in bill.verdict.findings:
            lines += [Line(), *map(Line, finding_text(finding).splitlines())]
    if sum(len(line.text) + 1 for line in lines) > PAGE:
        lines = [line for line in lines if not line.text.startswith("    ")]
        lines.insert(0, Line("What changed in each job is left out here, for want of room."))
    body = "".join(f"{_in_diff(line)}\n" for line in lines)
    rows = "\n".join(
        f"| {action.value} | {counts[action.value]} |"
        for action in Action
        if action.value in counts
    )
    head, _, page = fenced(f"plan · {plan.environment} · {title}", body, kind="diff").partition(
        "\n\n"
    )
    table = f"| action | jobs |\n| --- | ---: |\n{rows}"
    return f"{head}\n\n{table}\n\n{page}\nDigest `{plan.digest}`\n"


def _is_digest(line: Line) -> bool:
    """The page ends with the digest; its fence need not."""
    return line.text.startswith("Digest ")


def _in_diff(line: Line) -> str:
    """Column 0 of a diff fence: what is bought is green, what ends or is held stands out.

    The sign takes the place of the glyph: the action is said in words as well.
    """
    signs = {"create": "+", "continue": "+", "cancel": "-", "hold": "!"}
    if line.manner in signs and line.text[:2] in {f"{glyph} " for glyph in GLYPHS.values()}:
        return signs[line.manner] + line.text[1:].rstrip()
    return line.text.rstrip()


def short_model(name: str | None) -> str:
    """`models/55@2` of a full name."""
    return f"models/{name.rpartition('/models/')[2]}" if name else ""


def short_job(name: str | None) -> str:
    """`tuningJobs/987` of a full name; of an adopted version without a job, its own."""
    if name and "/models/" in name:
        return short_model(name)
    return f"tuningJobs/{name.rpartition('/tuningJobs/')[2]}" if name else ""
