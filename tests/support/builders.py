"""Values for tests: each builder gives something sensible, of which a test overrides one thing."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tuneops.core.address import Address
from tuneops.core.creation import Order
from tuneops.core.desired import (
    DatasetRef,
    Declaration,
    DeclaredJob,
    DesiredGraph,
    DesiredJob,
    Metadata,
    ParentRef,
    Pinned,
    Pins,
    Promotion,
    Target,
    desire,
)
from tuneops.core.entry import evidence_of
from tuneops.core.fingerprint import creation_key
from tuneops.core.labels import Note, describe
from tuneops.core.lock import Cause, Creation, Lock
from tuneops.core.observed import (
    Checkpoint,
    DeclaredFields,
    Failure,
    JobState,
    ModelVersion,
    Observed,
    ObservedJob,
    Ownership,
)
from tuneops.core.policy import Policy
from tuneops.core.recipe import (
    BaseModel,
    CheckpointRule,
    Dataset,
    Evidence,
    HyperParameters,
    Method,
    Pretuned,
    Recipe,
    Upstream,
)
from tuneops.core.request import JobRequest
from tuneops.diagnostics import SourceRef
from tuneops.store.lockfile import empty_lock

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
"""The instant that tests call now."""

SETTLE = timedelta(minutes=15)
PARENT = "projects/123/locations/us-central1"
SEED = "gs://data/seed.jsonl"

PLAIN = HyperParameters(epoch_count=3)


def a_mark(number: int = 1) -> str:
    """A mark as `new_mark` makes them, a different one for each number."""
    digest = hashlib.sha256(f"mark {number}".encode()).digest()
    return base64.b32encode(digest).decode().lower()[:26]


def a_target(**changes: Any) -> Target:
    """An environment of the workspace `acme`."""
    return replace(
        Target(
            workspace="acme",
            environment="local",
            provider="emulator",
            project="demo-project",
            location="us-central1",
            dataset_bucket="gs://tuneops-local",
        ),
        **changes,
    )


def a_dataset(uri: str = SEED, content: str | None = None) -> Dataset:
    """A dataset whose bytes follow from its URI, or from `content` where two must be equal."""
    digest = hashlib.sha256((content or uri).encode()).digest()
    crc32c = base64.b64encode(digest[:4]).decode()
    return Dataset(uri=uri, size=1000 + digest[4], crc32c=crc32c)


def a_recipe(**changes: Any) -> Recipe:
    """A first supervised run."""
    return replace(
        Recipe(
            method=Method.SUPERVISED,
            source=BaseModel(base_model="gemini-2.5-flash"),
            training=a_dataset(),
            hyper_parameters=PLAIN,
            project="demo-project",
            location="us-central1",
        ),
        **changes,
    )


def a_declared(
    address: str = "support-bot/seed",
    *,
    after: str | None = None,
    checkpoint: CheckpointRule = "last",
    data: str = SEED,
    validation: str | None = None,
    **changes: Any,
) -> DeclaredJob:
    """A declared job: a first run, or the continuation of the address `after`."""
    where = SourceRef(path="specs/jobs.yaml", line=1, column=1)
    source: BaseModel | ParentRef = BaseModel(base_model="gemini-2.5-flash")
    if after is not None:
        source = ParentRef(address=Address.parse(after), checkpoint=checkpoint)
    plain = DeclaredJob(
        address=Address.parse(address),
        method=Method.SUPERVISED,
        source=source,
        training=DatasetRef(location=data, where=where),
        validation=DatasetRef(location=validation, where=where) if validation else None,
        hyper_parameters=PLAIN,
        last_checkpoint_only=False,
        display_name=None if after else Address.parse(address).name,
        encryption_key=None,
        service_account=None,
        nonce=None,
        suspended=False,
        metadata=Metadata(),
        policy=Policy(),
        where=where,
    )
    return replace(plain, **changes)


def a_chain(*stages: str, name: str = "support-bot", **changes: Any) -> tuple[DeclaredJob, ...]:
    """A line of stages, each on data of its own; `changes` hold for all of them."""
    jobs = []
    above: str | None = None
    for stage in stages or ("seed", "week", "tone"):
        address = f"{name}/{stage}"
        jobs.append(a_declared(address, after=above, data=f"gs://data/{stage}.jsonl", **changes))
        above = address
    return tuple(jobs)


def a_promotion(stage: str = "support-bot/tone", **changes: Any) -> Promotion:
    """A promotion of a stage's last checkpoint to `prod`."""
    address = Address.parse(stage)
    where = SourceRef(path="specs/jobs.yaml", line=1, column=1)
    plain = Promotion(
        name=address.name, alias="prod", stage=address, checkpoint="last", where=where
    )
    return replace(plain, **changes)


def a_declaration(*jobs: DeclaredJob, target: Target | None = None) -> Declaration:
    """What the specs say; parents must come before children."""
    return Declaration(target=target or a_target(), jobs=jobs or (a_declared(),))


def pins_of(declaration: Declaration, contents: Mapping[str, str] | None = None) -> Pins:
    """A pin for every dataset of a declaration; `contents` says what lies behind a URI."""
    return Pins(
        datasets={
            (address, ref.location): Pinned(
                dataset=a_dataset(ref.location, (contents or {}).get(ref.location)),
                evidence=Evidence(generation="1"),
            )
            for address, ref in declaration.datasets()
        }
    )


def a_graph(
    *jobs: DeclaredJob, target: Target | None = None, contents: Mapping[str, str] | None = None
) -> DesiredGraph:
    """The desired graph of some declared jobs, one first run if none are given."""
    declaration = a_declaration(*jobs, target=target)
    return desire(declaration, pins_of(declaration, contents))


def a_job(address: str = "support-bot/seed", **changes: Any) -> DesiredJob:
    """One desired job that stands alone."""
    return a_graph(a_declared(address, **changes)).jobs[0]


def a_key(job: DesiredJob, attempt: int = 1, target: Target | None = None) -> str:
    """The creation key of an attempt at a desired job."""
    where = target or a_target()
    return creation_key(
        owner=where.owner,
        project=where.project,
        location=where.location,
        lineage=job.lineage,
        attempt=attempt,
    )


def some_checkpoints(count: int = 3) -> dict[str, Checkpoint]:
    """A checkpoint for each epoch."""
    return {
        str(epoch): Checkpoint(
            epoch=epoch, step=100 * epoch, endpoint=f"{PARENT}/endpoints/{epoch}"
        )
        for epoch in range(1, count + 1)
    }


def a_creation(
    job: DesiredJob, *, number: int | None = 1, attempt: int = 1, **changes: Any
) -> Creation:
    """The entry of a finished job; `number` is the job's id, None for an intent."""
    plain = Creation(
        attempt=attempt,
        lineage=job.lineage,
        mark=a_mark(number or 0),
        recipe=job.recipe,
        evidence=evidence_of(job),
        policy=job.policy,
        cause=Cause(commit="f3e1", plan="8f2c"),
    )
    if number is None:
        return replace(plain, **{"asked": NOON, **changes})
    finished: dict[str, Any] = {
        "job": job_name(number),
        "state": JobState.SUCCEEDED,
        "created": NOON - timedelta(hours=2),
        "ended": NOON - timedelta(hours=1),
        "model": model_name(number),
        "checkpoints": some_checkpoints(),
        "chosen": "3",
        "billable_tokens": 1000,
    }
    if changes.get("state", JobState.SUCCEEDED) is not JobState.SUCCEEDED:
        absent = ("model", "chosen", "billable_tokens")
        finished.update(dict.fromkeys(absent), checkpoints={})
        if not changes["state"].terminal:
            finished["ended"] = None
    return replace(plain, **{**finished, **changes})


def a_lock(
    *entries: tuple[str, str, Creation], target: Target | None = None, **changes: Any
) -> Lock:
    """A lock with these (address, key, creation); a success becomes its address's current."""
    lock = empty_lock(target or a_target())
    for address, key, creation in entries:
        lock = lock.put(address, key, creation)
        if creation.succeeded:
            job = replace(lock.at(address), current=key)
            lock = replace(lock, jobs={**lock.jobs, address: job})
    return replace(lock, **changes)


def job_name(number: int) -> str:
    """The full name of a job."""
    return f"{PARENT}/tuningJobs/{number}"


def model_name(number: int, version: int = 1) -> str:
    """The full name of a model version."""
    return f"{PARENT}/models/{number}@{version}"


def shown_fields(request: JobRequest) -> DeclaredFields:
    """What the service shows of a request."""
    source, hyper = request.source, request.hyper_parameters
    return DeclaredFields(
        method=request.method.value,
        base_model=source.base_model if isinstance(source, BaseModel) else None,
        pretuned_model=source.model if isinstance(source, Pretuned) else None,
        checkpoint=source.checkpoint if isinstance(source, Pretuned) else None,
        training_uri=request.training_uri,
        epoch_count=hyper.epoch_count,
        adapter_size=hyper.adapter_size,
        encryption_key=request.encryption_key,
    )


def an_observed_job(
    job: DesiredJob | None = None,
    *,
    number: int = 1,
    attempt: int = 1,
    owner: str = "acme--local",
    **changes: Any,
) -> ObservedJob:
    """A running job, made for `job` with all our marks; of somebody else when that is None."""
    plain = ObservedJob(
        name=job_name(number),
        state=JobState.RUNNING,
        created=NOON - timedelta(hours=2) + timedelta(seconds=number),
    )
    if job is not None:
        recipe = job.recipe
        source: BaseModel | Pretuned = Pretuned(model=model_name(55), checkpoint="3")
        if not isinstance(recipe.source, Upstream):
            source = recipe.source
        request = JobRequest(
            method=recipe.method,
            source=source,
            training_uri=recipe.training.uri,
            validation_uri=None,
            hyper_parameters=recipe.hyper_parameters,
            last_checkpoint_only=False,
            display_name=job.display_name,
            description="",
            labels={},
            encryption_key=recipe.encryption_key,
            service_account=None,
        )
        note = Note(attempt=attempt, training=(recipe.training.size, recipe.training.crc32c))
        plain = replace(
            plain,
            ownership=Ownership(
                owner=owner,
                address=str(job.address),
                lineage=job.lineage,
                attempt=attempt,
                mark=a_mark(number),
            ),
            fields=shown_fields(request),
            description=describe("", note),
            display_name=job.display_name or "",
        )
    state = changes.get("state", plain.state)
    if state.terminal:
        plain = replace(plain, ended=NOON - timedelta(hours=1))
    if state is JobState.SUCCEEDED:
        plain = replace(plain, model=model_name(number), checkpoints=some_checkpoints())
    return replace(plain, **changes)


def a_failure(code: int = 3) -> Failure:
    """Why a job failed: 3 is the user's data, 8, 13 and 14 are the service's own."""
    return Failure(code=code, message=f"it ended with code {code}")


def an_observed(*jobs: ObservedJob, at: datetime = NOON, **changes: Any) -> Observed:
    """The world with these jobs, all of them listed, and the versions that they made."""
    versions: dict[str, dict[str, ModelVersion]] = {}
    for job in jobs:
        if job.model is not None:
            base, _, number = job.model.partition("@")
            versions.setdefault(base, {})[number] = ModelVersion(
                name=job.model, default_checkpoint=max(job.checkpoints, default=None)
            )
    plain = Observed(
        at=at,
        jobs={job.name: job for job in jobs},
        listed=frozenset(job.name for job in jobs),
        versions=versions,
    )
    return replace(plain, **changes)


def an_order(job: DesiredJob | None = None, **changes: Any) -> Order:
    """An order for the first attempt at a job."""
    wanted = job or a_job()
    creation = a_creation(wanted, number=None, asked=None)
    request = JobRequest(
        method=wanted.recipe.method,
        source=BaseModel(base_model="gemini-2.5-flash"),
        training_uri=wanted.training.dataset.uri,
        validation_uri=None,
        hyper_parameters=wanted.recipe.hyper_parameters,
        last_checkpoint_only=False,
        display_name=wanted.display_name,
        description="",
        labels={},
        encryption_key=None,
        service_account=None,
    )
    plain = Order(
        address=str(wanted.address),
        key=a_key(wanted),
        owner=a_target().owner,
        creation=creation,
        request=request,
        datasets=(wanted.training,),
        runner="runner-1",
        at=NOON,
        settle=SETTLE,
    )
    return replace(plain, **changes)


def decimals(*texts: str) -> Iterable[Decimal]:
    """Decimal numbers as they are written."""
    return (Decimal(text) for text in texts)
