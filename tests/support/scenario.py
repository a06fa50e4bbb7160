"""Behaviour as text: specs, lock and what is seen above a line; below it what comes of that.

That is the plan with its prices, the results that count, and then what `apply` (approved) and an
unattended `reconcile --once` send (`>`), say and exit with: on the tip of the remote's default
branch, and off it. All of it is really run; see `columns.py`.

`python -m tests.support.scenario` writes the lower halves again; read the difference.

    was | specs     `bot/week data=b after=bot/seed checkpoint=epoch:2 retry=1 suspended …`,
                    `supersede=finish remove=cancel queued=24h accept-partial protect`,
                    `was=robot/week accept=2:-1d` (the version of model 2, until yesterday),
                    `resume=2` (although job 2 was cancelled by somebody),
                    `data=new~old` (the bytes of `old` under another name),
                    `epochs=-` (left to the service), `suspended=-1d` (until yesterday)
    lock            `bot/week week@was 2 SUCCEEDED attempt=1 asked=20m by-us retired …`
                    `from=1:2` (made from checkpoint 2 of model 1)
                    `stamped` (recorded as what the spec of its address says now)
                    `removed bot/week 1@2` (the version is to be deleted)
    seen            `bot/week week@was 2 RUNNING age=30h still=25h …`, `missing 2`,
                    `gone model 2`, `object b moved`, `object b gone`

`nameless` is a job without labels of ours, `by-line` one that its machine line alone names.
`used=3` is a job that shows how many epochs it has used.

What a job's data turns out to be when it may have read it: `input=same`, `moved`, `gone`, `late`
(moved after the job ended) or `again` (the same bytes, written while it ran); `read` is a job that
shows what it counted in its data.

A job in lock and seen is made for the spec of its address, as it was if there is a `was`. The
number is the job's id; `-` is an intent whose job was not seen. `slots` limits concurrent jobs.
`alias prod 1@2`, `default 3 1@2` (its checkpoint), `deployed 7 1@2` (to an endpoint) and
`deleted - 1@2` are about a version.
`elsewhere europe-west4 2` are live jobs of another location, `elsewhere europe-west4 unknown` is
one that could not be listed. `rule perApply 20`, `rule maxCreates 2`, `rule frozen` are declared
rules; every dataset has a million tokens, so that three epochs cost $15.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.support.builders import (
    NOON,
    a_creation,
    a_declaration,
    a_declared,
    a_failure,
    a_key,
    a_lock,
    a_promotion,
    a_target,
    an_observed,
    an_observed_job,
    job_name,
    model_name,
    pins_of,
    some_checkpoints,
)
from tests.support.columns import Play, columns, looked_at
from tuneops.core.address import Address
from tuneops.core.advice import advise
from tuneops.core.desired import (
    DeclaredJob,
    DesiredGraph,
    DesiredJob,
    Promotion,
    desire,
)
from tuneops.core.labels import Note, describe, policy_words
from tuneops.core.lock import Creation, Lock, Measured, Pointer
from tuneops.core.metrics import pin_of
from tuneops.core.observed import JobState, ModelVersion, Observed, ObservedJob, SeenObject
from tuneops.core.plan import Action, Change
from tuneops.core.planner import make_plan
from tuneops.core.policy import Acceptance, Gate, Policy, Removal, Retry, Timeout
from tuneops.core.recipe import (
    AtEpoch,
    AtStep,
    CheckpointRule,
    Dataset,
    Evidence,
    HyperParameters,
    Pretuned,
    Upstream,
    WithId,
    rule_text,
)
from tuneops.core.rules import Ceiling, Freeze, Rules
from tuneops.core.waits import waits
from tuneops.costs.amounts import Tokens
from tuneops.costs.estimates import Knowledge
from tuneops.costs.history import bytes_of
from tuneops.costs.verdicts import appraise
from tuneops.diagnostics import SourceRef
from tuneops.engine.ports import StoredObject
from tuneops.render.advice import advice_lines
from tuneops.render.costs import cost_cell, cost_lines
from tuneops.render.waits import wait_lines

MILLION = Tokens(1_000_000, 1_000_000)
LOSS = "eval_total_loss"
FOLDER = Path(__file__).parent.parent / "scenarios"

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
MONEY = {"paid": "$", "free": "0", "blocked": "!"}


@dataclass
class Story:
    """The upper half of a file, in words."""

    title: str = ""
    slots: int | None = None
    rules: list[list[str]] = field(default_factory=list)
    sections: dict[str, list[list[str]]] = field(default_factory=dict)


def _read(text: str) -> Story:
    story = Story()
    section = ""
    for line in text.splitlines():
        words = line.split()
        if line.startswith("#"):
            story.title += line.lstrip("# ") + "\n"
        elif not words or words == ["plan"]:
            continue
        elif line.startswith("  "):
            story.sections[section].append(words)
        elif words[0] == "slots":
            story.slots = int(words[1])
        elif words[0] == "rule":
            story.rules.append(words[1:])
        else:
            (section,) = words
            assert section in ("specs", "was", "lock", "seen"), section
            story.sections[section] = []
    return story


def _options(words: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _rule(text: str) -> CheckpointRule:
    kind, _, value = text.partition(":")
    if kind == "epoch":
        return AtEpoch(epoch=int(value))
    if kind == "step":
        return AtStep(step=int(value))
    if kind == "id":
        return WithId(id=value)
    assert kind in ("last", "default"), text
    return "default" if kind == "default" else "last"


def _gate(text: str | None) -> Gate | None:
    if text is None:
        return None
    return Gate(metric=LOSS, most="promoted" if text == "promoted" else Decimal(text))


def _promotion(words: list[str]) -> Promotion:
    address, alias, *rest = words
    options = _options(rest)
    rule = _rule(options.get("checkpoint", "last"))
    return a_promotion(address, alias=alias, checkpoint=rule, to=options.get("to"))


def _declared(words: list[str]) -> DeclaredJob:
    address, *rest = words
    options = _options(rest)
    policy = Policy(retry=Retry(limit=int(options.pop("retry", 0))))
    if options.pop("supersede", "cancel") == "finish":
        policy = replace(policy, on_supersede="finish")
    if options.pop("remove", "retain") == "cancel":
        policy = replace(policy, on_remove="cancel")
    if hours := options.pop("queued", ""):
        policy = replace(policy, timeout=Timeout(queued=timedelta(hours=int(hours[:-1]))))
    policy = replace(
        policy,
        accept_partial="accept-partial" in options or None,
        protect="protect" in options or None,
    )
    for flag in ("accept-partial", "protect"):
        options.pop(flag, None)
    data = options.pop("data", address.rpartition("/")[2]).partition("~")[0]
    job = a_declared(
        address,
        after=options.pop("after", None),
        checkpoint=_rule(options.pop("checkpoint", "last")),
        data=f"gs://data/{data}",
        hyper_parameters=HyperParameters(epoch_count=_count(options.pop("epochs", "3"))),
        nonce=options.pop("nonce", None),
        suspended="suspended" in options,
        suspended_until=_days(options.get("suspended")),
        gate=_gate(options.pop("gate", None)),
        validation="gs://data/check" if options.pop("checked", None) is not None else None,
        policy=policy,
        moved_from=Address.parse(options.pop("was")) if "was" in options else None,
        accept=_accepted(options),
        resume=options.pop("resume", None),
    )
    options.pop("suspended", None)
    assert not options, options
    return job


def _days(text: str | None) -> datetime | None:
    return NOON + timedelta(days=int(text.removesuffix("d"))) if text else None


def _count(text: str) -> int | None:
    return None if text == "-" else int(text)


def _rules(story: Story) -> Rules:
    rules = Rules()
    where = SourceRef(path="specs/workspace.yaml", line=1, column=1)
    for words in story.rules:
        match words:
            case ["frozen"]:
                freeze = Freeze(reason="", where=where, moments=(NOON, NOON + timedelta(hours=1)))
                rules = replace(rules, freezes=(freeze,))
            case ["maxCreates", most]:
                limit = Ceiling(name="maxCreates", most=Decimal(most), where=where)
                rules = replace(rules, creates=(limit,))
            case [name, most]:
                limit = Ceiling(name=name, most=Decimal(most), where=where)
                rules = replace(rules, ceilings=(*rules.ceilings, limit))
            case _:
                raise AssertionError(words)
    return rules


def _accepted(options: dict[str, str]) -> Acceptance | None:
    """`accept=2` or `accept=2:-1d`: the version of model 2, and how far its date is from now."""
    number, _, until = options.pop("accept", "").partition(":")
    if not number:
        return None
    days = timedelta(days=int(until.removesuffix("d"))) if until else None
    return Acceptance(
        model=model_name(int(number)),
        reason="good enough",
        until=NOON + days if days is not None else None,
        where=SourceRef(path="specs/jobs.yaml", line=1, column=1),
    )


def _graph(story: Story, section: str, lock: Lock | None = None) -> DesiredGraph:
    lines = story.sections.get(section, [])
    jobs = [_declared(words) for words in lines if words[0] not in ("promote", "removed")]
    promotions = tuple(_promotion(words[1:]) for words in lines if words[0] == "promote")
    accepted = {
        job.address: creation.lineage
        for job in jobs
        for _, _, creation in (lock.creations() if lock else ())
        if job.accept and creation.model and job.accept.covers(creation.model)
    }
    removals = tuple(
        Removal(address=words[1], confirm=f"models/{words[2]}")
        for words in lines
        if words[0] == "removed"
    )
    target = a_target(concurrent_jobs=story.slots, rules=_rules(story))
    if not jobs:
        return DesiredGraph(target, (), removals=removals)
    contents = {}
    for words in story.sections.get(section, []):
        name, _, content = _options(words[1:]).get("data", "").partition("~")
        if content:
            contents[f"gs://data/{name}"] = f"gs://data/{content}"
    declaration = a_declaration(*jobs, target=target)
    declaration = replace(declaration, promotions=promotions, removals=removals)
    return desire(declaration, replace(pins_of(declaration, contents), parents=accepted))


def _version(text: str) -> str:
    """`1@2` in full."""
    model, _, version = text.partition("@")
    return model_name(int(model), int(version))


def _minutes(text: str) -> timedelta:
    return timedelta(minutes=int(text.removesuffix("m")))


class _Cast:
    """The jobs that a story's lines speak of."""

    def __init__(self, story: Story) -> None:
        self.specs = _graph(story, "specs")
        self.was = _graph(story, "was")
        self.inputs: dict[str, SeenObject | None] = {}

    def find(self, word: str) -> DesiredJob:
        address, _, when = word.partition("@")
        graphs = {"": (self.was, self.specs), "was": (self.was,), "specs": (self.specs,)}[when]
        for graph in graphs:
            job = graph.find_text(address)
            if job is not None:
                return job
        raise AssertionError(f"no spec for {word}")

    def entry(self, words: list[str]) -> tuple[str, str, Creation, bool]:
        """A line of the lock."""
        place, number, *rest = words
        job = self.find(place)
        options = _options(rest[1:] if number != "-" else rest)
        attempt = int(options.pop("attempt", 1))
        changes: dict[str, Any] = {}
        if "by-us" in options:
            changes["cancel_asked"] = True
        if "code" in options:
            changes["error"] = a_failure(int(options["code"]))
        if "deleted" in options:
            changes["delete_asked"] = True
        if "wrong" in options:
            changes["wrong_bytes"] = True
        if "read" in options:
            changes["data_read"] = True
        if "from" in options:
            model, _, checkpoint = options["from"].partition(":")
            changes["source"] = Pretuned(model=model_name(int(model)), checkpoint=checkpoint)
        if "stamped" in options:
            changes["stamps"] = (self.find(f"{job.address}@specs").lineage,)
        if number == "-":
            changes["asked"] = NOON - _minutes(options["asked"])
            creation = a_creation(job, number=None, attempt=attempt, **changes)
        else:
            changes["state"] = JobState(rest[0])
            if "model" in options:
                changes["model"] = model_name(int(options["model"]))
            if "version" in options:
                changes["model"] = _version(options["version"])
            if "loss" in options and job.validation is not None:
                values = zip("123", options["loss"].split("/"), strict=False)
                on = pin_of(job, LOSS)
                changes["measured"] = {LOSS: Measured(on=on, values=dict(values))}
            changes["created"] = NOON - timedelta(hours=2) + timedelta(seconds=int(number))
            if changes["state"] is JobState.SUCCEEDED:
                changes["billable_tokens"] = MILLION.low
            creation = a_creation(job, number=int(number), attempt=attempt, **changes)
        address = options.get("at", str(job.address))
        return address, a_key(job, attempt), creation, "retired" in options

    def job(self, words: list[str]) -> ObservedJob:
        """A line of what is seen."""
        place, number, state, *rest = words
        options = _options(rest)
        changes: dict[str, Any] = {"state": JobState(state)}
        if "code" in options:
            changes["failure"] = a_failure(int(options["code"]))
        if "model" in options:
            changes["model"] = model_name(int(options["model"]))
            changes["checkpoints"] = some_checkpoints()
        if "version" in options:
            changes["model"] = _version(options["version"])
        if "age" in options:
            changes["created"] = NOON - timedelta(hours=int(options["age"][:-1]))
        if "still" in options:
            changes["updated"] = NOON - timedelta(hours=int(options["still"][:-1]))
        job = self.find(place)
        attempt = int(options.get("attempt", 1))
        seen = an_observed_job(job, number=int(number), attempt=attempt, **changes)
        seen = replace(seen, description=describe("", _marks(job, attempt)))
        if "read" in options:
            seen = replace(seen, data_read=True)
        if "input" in options:
            self.inputs[seen.name] = _input(job, options["input"])
        if "used" in options:
            used = replace(seen.fields, epoch_count=int(options["used"]))
            seen = replace(seen, fields=used)
        if "nameless" in options:
            seen = replace(seen, ownership=None)
        if "by-line" in options:
            assert seen.ownership is not None
            seen = replace(seen, ownership=replace(seen.ownership, by_line=True))
        if "other-settings" in options:
            seen = replace(seen, fields=replace(seen.fields, epoch_count=77))
        return seen


def _marks(job: DesiredJob, attempt: int) -> Note:
    """What the machine line of a job says that was made for a spec."""
    source, training = job.recipe.source, job.recipe.training
    upstream = source if isinstance(source, Upstream) else None
    epochs = job.recipe.hyper_parameters.epoch_count
    return Note(
        attempt=attempt,
        training=(training.size, training.crc32c),
        parent=upstream.from_ if upstream else "",
        parent_lineage=upstream.lineage if upstream else "",
        checkpoint_rule=rule_text(upstream.checkpoint) if upstream else "",
        nonce=job.recipe.nonce or "",
        declared={"epochCount": str(epochs)} if epochs else {},
        policy=tuple(policy_words(job.policy)),
    )


def _input(job: DesiredJob, kind: str) -> SeenObject | None:
    """What lies behind a job's data now; jobs of stories end an hour before they are looked at."""
    if kind == "gone":
        return None
    there = job.recipe.training
    if kind not in ("same", "again"):
        there = replace(there, crc32c="AAAAAQ==")
    written = NOON - timedelta(minutes={"late": 30, "same": 600}.get(kind, 90))
    return SeenObject(dataset=there, created=written)


def _lock(story: Story, cast: _Cast) -> Lock:
    entries = any(words[0] != "pointer" for words in story.sections.get("lock", []))
    lock = a_lock(target=cast.specs.target, project_number="123" if entries else None)
    for words in story.sections.get("lock", []):
        if words[0] == "pointer":
            _, alias, place, version, checkpoint = words
            job = cast.find(place)
            pointer = Pointer(creation=a_key(job), model=_version(version), checkpoint=checkpoint)
            lock = lock.point(job.address.name, alias, pointer)
            continue
        address, key, creation, retired = cast.entry(words)
        lock = lock.put(address, key, creation)
        if creation.succeeded:
            book = replace(lock.at(address), current=key)
            lock = replace(lock, jobs={**lock.jobs, address: book})
        if retired:
            rest = {name: book for name, book in lock.jobs.items() if name != address}
            lock = replace(lock, jobs=rest, retired={**lock.retired, address: lock.at(address)})
    return lock


def _seen(story: Story, cast: _Cast, lock: Lock) -> Observed:
    jobs: list[ObservedJob] = []
    marks: list[list[str]] = []
    missing: set[str] = set()
    elsewhere: dict[str, int | None] = {}
    gone: set[int] = set()
    objects: dict[str, Dataset | None] = {}
    for words in story.sections.get("seen", []):
        match words:
            case ["elsewhere", location, live]:
                elsewhere[location] = None if live == "unknown" else int(live)
            case ["missing", number]:
                missing.add(job_name(int(number)))
            case ["gone", "model", number]:
                gone.add(int(number))
            case ["object", name, "gone"]:
                objects[f"gs://data/{name}"] = None
            case ["object", name, "moved"]:
                objects[f"gs://data/{name}"] = Dataset(
                    uri=f"gs://data/{name}", size=1, crc32c="AAAAAQ=="
                )
            case ["alias" | "default" | "deployed" | "deleted", *_]:
                marks.append(words)
            case _:
                jobs.append(cast.job(words))
    recorded = [
        an_observed_job(
            number=1,
            state=JobState.SUCCEEDED,
            model=creation.model,
            checkpoints=some_checkpoints(),
        )
        for _, _, creation in lock.creations()
        if creation.model is not None
    ]
    versions = dict(an_observed(*recorded, *jobs).versions)
    for kind, what, version in marks:
        base, _, number = _version(version).partition("@")
        there = dict(versions.get(base) or {})
        found = there.get(number, ModelVersion(name=f"{base}@{number}", default_checkpoint="3"))
        if kind == "deleted":
            versions[base] = {name: one for name, one in there.items() if name != number}
            continue
        fields = {"alias": "aliases", "default": "default_checkpoint", "deployed": "deployed"}
        changed = {fields[kind]: what if kind == "default" else (what,)}
        versions[base] = {**there, number: replace(found, **changed)}  # type: ignore[arg-type]
    for model in gone:
        versions[model_name(model).partition("@")[0]] = None
    return an_observed(
        *jobs,
        missing=frozenset(missing),
        versions=versions,
        objects=objects,
        inputs=cast.inputs,
        elsewhere=elsewhere,
    )


def _short(name: str) -> str:
    return "#" + name.rpartition("/")[2]


def _line(change: Change, cost: str) -> str:
    words = [cost] if cost else []
    if change.attempt > 1:
        words.append(f"attempt {change.attempt}")
    if change.job:
        words.append(_short(change.job))
    if change.after:
        after = _short(change.after) if "tuningJobs" in change.after else change.after
        words.append(f"after {after}")
    if change.move is not None and change.action is Action.POINT:
        there, target = change.move.holder, change.move.model
        moved = f"{_short(there) if there else 'nothing'} -> {_short(target)}"
        words.append(f"{moved} checkpoint {change.move.checkpoint}")
        words += [f"off {_short(name)}" for name in change.move.elsewhere]
    if change.deletes:
        words.append(f"deletes {_short(change.model or '')}")
    if change.action is Action.KEEP:
        words += [f"{one.path} {one.before or 'unset'} -> {one.after}" for one in change.fields]
    words += [f"({detail})" for detail in change.detail]
    parts = (
        f"{GLYPHS[change.action]} {change.place:<12}",
        f"{change.action.value:<9}",
        MONEY[change.money.value],
        f"{change.reason.value:<20}",
        "  ".join(words),
    )
    return "  ".join(parts).rstrip()


def _play(text: str) -> Play:
    """The world that a story's upper half describes."""
    story = _read(text)
    cast = _Cast(story)
    lock = _lock(story, cast)
    cast.specs = _graph(story, "specs", lock)
    seen = _seen(story, cast, lock)
    jobs = (*cast.was.jobs, *cast.specs.jobs)
    stored: dict[str, StoredObject | None] = {}
    for uri, dataset in seen.objects.items():
        stored[uri] = StoredObject(dataset=dataset, evidence=Evidence()) if dataset else None
    for name, there in seen.inputs.items():
        uri = seen.jobs[name].fields.training_uri or ""
        stored[uri] = there and StoredObject(
            dataset=there.dataset, evidence=there.evidence, created=there.created
        )
    counted = {bytes_of(job.recipe.training, job.recipe.method): MILLION for job in jobs}
    return Play(
        graph=cast.specs,
        lock=lock,
        there=seen,
        inputs=stored,
        data={job.recipe.training.uri: job.recipe.training for job in jobs},
        knowledge=Knowledge(counted=counted),
    )


def _tell(text: str) -> Iterator[str]:
    play = _play(text)
    view = looked_at(play)
    plan = make_plan(view)
    plan = replace(plan, advice=advise(view, plan, make_plan))
    bill = appraise(plan, view, play.knowledge)
    plan = replace(plan, waits=waits(plan, view, (), bill.verdict.barred))
    for change in plan.changes:
        yield _line(change, cost_cell(change, bill))
        yield from (line.text for line in cost_lines(change, bill))
        yield from (line.text for line in wait_lines(change, plan))
    yield from (line.text for line in advice_lines(plan, bill) if line.text)
    for drift in plan.drift:
        yield f"~ {drift.address:<12}  {drift.kind.value}"
    known = {key: creation for _, key, creation in play.lock.creations()}
    for address, key, creation in sorted(view.ledger.creations(), key=lambda item: item[:2]):
        if key in known and known[key].policy != creation.policy:
            words = " ".join(policy_words(creation.policy)) or "as ever"
            yield f"policy: {address} {_short(creation.job or '')} {words}"
        if creation.rewritten is not None:
            yield f"noted: {address} {_short(creation.job or '')} its data was written again"
    for address, book in sorted(view.ledger.jobs.items()):
        if book.result is not None and book.result.job is not None:
            yield f"current: {address} {_short(book.result.job)}"
    yield from columns(play)


def cases() -> list[Path]:
    """All files with a story."""
    return sorted(FOLDER.glob("*.txt"))


def halves(path: Path) -> tuple[str, str]:
    """What is given, and what is expected."""
    upper, _, lower = path.read_text().partition("----\n")
    return upper, lower


def tell(upper: str) -> str:
    """What the planner makes of it."""
    return "".join(f"{line}\n" for line in _tell(upper))


def rewrite() -> None:
    """Write every lower half again."""
    for path in cases():
        upper, _ = halves(path)
        path.write_text(f"{upper}----\n{tell(upper)}")


if __name__ == "__main__":
    rewrite()
