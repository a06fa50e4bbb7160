"""Random recipes, declarations, worlds and edits."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.support.builders import a_dataset, a_declaration, a_declared
from tests.support.world import Rules
from tuneops.core.desired import Declaration, DeclaredJob, Metadata
from tuneops.core.lock import Creation, Measured, Pointer
from tuneops.core.observed import Checkpoint, Failure, JobState
from tuneops.core.policy import Policy, Retry, Timeout
from tuneops.core.recipe import (
    AtEpoch,
    AtStep,
    BaseModel,
    Best,
    CheckpointRule,
    Evidence,
    HyperParameters,
    Method,
    Pretuned,
    Recipe,
    Upstream,
    WithId,
)

texts = st.text(st.characters(codec="utf-8"), max_size=12)
names = st.from_regex(r"[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,4})?", fullmatch=True)
lineages = st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=52, max_size=52).map("v1-".__add__)
numbers = st.decimals(min_value=Decimal("0.0001"), max_value=100, places=4)
rules: st.SearchStrategy[CheckpointRule] = st.one_of(
    st.just("last"),
    st.just("default"),
    st.integers(1, 3).map(lambda epoch: AtEpoch(epoch=epoch)),
    st.integers(1, 3).map(lambda step: AtStep(step=100 * step)),
    st.integers(1, 3).map(lambda number: WithId(id=str(number))),
)
bests = st.builds(
    Best,
    best=st.sampled_from(["eval_total_loss", "bleu/AVERAGE"]),
    goal=st.none() | st.just("highest"),
)
sources = st.one_of(
    st.builds(BaseModel, base_model=st.sampled_from(["gemini-2.5-flash", "gemini-2.5-pro"])),
    st.builds(Pretuned, model=texts, checkpoint=texts),
    st.builds(Upstream, from_=names, lineage=lineages, checkpoint=rules | bests),
)
hypers = st.builds(
    HyperParameters,
    epoch_count=st.none() | st.integers(1, 100),
    adapter_size=st.none() | st.sampled_from([1, 2, 4, 8, 16]),
    learning_rate_multiplier=st.none() | numbers,
    beta=st.none() | numbers,
)
recipes = st.builds(
    Recipe,
    method=st.sampled_from(Method),
    source=sources,
    training=st.builds(a_dataset, texts, texts),
    hyper_parameters=hypers,
    project=names,
    location=names,
    encryption_key=st.none() | texts,
    nonce=st.none() | texts,
)
policies = st.builds(
    Policy,
    retry=st.builds(Retry, limit=st.integers(0, 2)),
    on_supersede=st.sampled_from(["cancel", "finish"]),
    on_remove=st.sampled_from(["retain", "cancel"]),
    accept_partial=st.sampled_from([None, True]),
    protect=st.sampled_from([None, None, True]),
)

_moments = st.datetimes(timezones=st.just(UTC))
creations = st.builds(
    Creation,
    attempt=st.integers(1, 4),
    lineage=lineages,
    mark=st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=26, max_size=26),
    recipe=recipes,
    policy=policies,
    asked=st.none() | _moments,
    job=st.none() | texts,
    state=st.none() | st.sampled_from(JobState),
    cancel_asked=st.none() | st.booleans(),
    created=st.none() | _moments,
    model=st.none() | texts,
    checkpoints=st.dictionaries(
        texts, st.builds(Checkpoint, epoch=st.integers(0, 9), step=st.integers(0, 999)), max_size=2
    ),
    chosen=st.none() | texts,
    error=st.none() | st.builds(Failure, code=st.integers(0, 16), message=texts),
    stamps=st.none() | st.sets(lineages, min_size=1, max_size=2).map(lambda all: (*sorted(all),)),
    unkept=st.none() | st.sets(names, max_size=2).map(lambda all: (*sorted(all),)),
    measured=st.none()
    | st.dictionaries(
        texts,
        st.builds(
            Measured, on=texts, values=st.dictionaries(texts, st.sampled_from(["0.5", "nan"]))
        ),
        min_size=1,
        max_size=2,
    ),
)
pointers = st.none() | st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.dictionaries(
        st.sampled_from(["prod", "canary"]),
        st.builds(
            Pointer,
            creation=st.sampled_from(["k1", "k2"]),
            model=st.sampled_from(["models/1@1", "models/2@1"]),
            checkpoint=st.sampled_from(["1", "2"]),
            also=st.none() | st.just(("models/3@1",)),
            before=st.none() | st.just(("models/4@1", "models/3@1")),
        ),
        min_size=1,
    ),
    min_size=1,
)
evidence = st.builds(Evidence, generation=st.none() | texts, examples=st.none() | st.integers(0))


@st.composite
def declarations(draw: st.DrawFn, *, policy: Any = None, most: int = 4) -> Declaration:
    """One or two trees of jobs, parents first; no two jobs ask for the same."""
    jobs: list[DeclaredJob] = []
    for chain in range(draw(st.integers(1, 2))):
        stages: list[str] = []
        for stage in range(draw(st.integers(1, most))):
            address = f"c{chain}/s{stage}"
            after = draw(st.sampled_from(stages)) if stages else None
            job = a_declared(
                address,
                after=after,
                checkpoint=draw(rules) if after else "last",
                data=f"gs://data/c{chain}-s{stage}-{draw(st.integers(0, 1))}.jsonl",
                policy=draw(policy) if policy is not None else Policy(),
            )
            jobs.append(job)
            stages.append(address)
    return a_declaration(*jobs)


def _new_data(job: DeclaredJob) -> DeclaredJob:
    training = replace(job.training, location=f"gs://data/other/{job.address}.jsonl")
    return replace(job, training=training)


MATERIAL: dict[str, Callable[[DeclaredJob], DeclaredJob]] = {
    "data": _new_data,
    "epochs": lambda job: replace(job, hyper_parameters=HyperParameters(epoch_count=9)),
    "adapter": lambda job: replace(
        job, hyper_parameters=replace(job.hyper_parameters, adapter_size=16)
    ),
    "rate": lambda job: replace(
        job,
        hyper_parameters=replace(job.hyper_parameters, learning_rate_multiplier=Decimal("0.7")),
    ),
    "beta": lambda job: replace(
        job, hyper_parameters=replace(job.hyper_parameters, beta=Decimal("0.1"))
    ),
    "unset": lambda job: replace(job, hyper_parameters=HyperParameters()),
    "method": lambda job: replace(job, method=Method.PREFERENCE),
    "key": lambda job: replace(job, encryption_key="projects/p/keys/k"),
    "nonce": lambda job: replace(job, nonce="again"),
}
"""Edits that make another training of a job, and of all that descend from it."""

IMMATERIAL: dict[str, Callable[[DeclaredJob], DeclaredJob]] = {
    "description": lambda job: replace(job, metadata=Metadata(description="new words")),
    "labels": lambda job: replace(job, metadata=Metadata(labels={"team": "support"})),
    "policy": lambda job: replace(
        job,
        policy=Policy(
            retry=Retry(limit=2),
            on_supersede="finish",
            on_remove="cancel",
            accept_partial=True,
            protect=True,
            timeout=Timeout(queued=timedelta(hours=24)),
        ),
    ),
    "suspended": lambda job: replace(job, suspended=True),
    "validation": lambda job: replace(
        job, validation=replace(job.training, location="gs://data/check.jsonl")
    ),
    "display name": lambda job: replace(job, display_name="another"),
    "service account": lambda job: replace(job, service_account="a@b.iam.gserviceaccount.com"),
    "last checkpoint only": lambda job: replace(job, last_checkpoint_only=True),
    "place in the file": lambda job: replace(job, where=replace(job.where, line=99)),
}
"""Edits that never make another training."""


def _renamed(job: DeclaredJob) -> DeclaredJob:
    """The job under a name that no other has, which says where it was before."""
    address = replace(job.address, stage=f"{job.address.stage}x")
    return replace(job, address=address, moved_from=job.address)


@st.composite
def edits(draw: st.DrawFn, declaration: Declaration) -> Declaration:
    """The declaration with one job or its policy changed, or one leaf removed or renamed."""
    jobs = list(declaration.jobs)
    place = draw(st.integers(0, len(jobs) - 1))
    parents = {str(job.source.address) for job in jobs if hasattr(job.source, "address")}
    leaf = str(jobs[place].address) not in parents
    if leaf and len(jobs) > 1 and draw(st.booleans()):
        del jobs[place]
    elif draw(st.integers(0, 3)) == 0:
        jobs[place] = replace(jobs[place], policy=draw(policies))
    elif leaf and draw(st.integers(0, 3)) == 0:
        jobs[place] = _new_data(_renamed(jobs[place]))
    else:
        jobs[place] = MATERIAL[draw(st.sampled_from(["data", "epochs", "nonce"]))](jobs[place])
    return replace(declaration, jobs=tuple(jobs))


@st.composite
def histories(draw: st.DrawFn, *, policy: Any = None, most: int = 3) -> list[Declaration]:
    """What is committed, one after the other: edits, removals, reverts."""
    first = draw(declarations(policy=policy, most=most))
    commits = [first]
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            commits.append(draw(st.sampled_from(commits)))
        else:
            commits.append(draw(edits(commits[-1])))
    return commits


@st.composite
def troubles(draw: st.DrawFn, *, honest: bool = False) -> Rules:
    """What the world does to a run: some kinds of trouble, never all of them always."""
    faults: dict[int, str] = {}
    if not honest:
        kinds = st.sampled_from(["lost-answer", "lost-request", "busy"])
        faults = draw(st.dictionaries(st.integers(1, 6), kinds, max_size=2))
    return Rules(
        lag=0 if honest else draw(st.sampled_from([0, 0, 30, 120])),
        faults=faults,
        failures=draw(st.dictionaries(st.integers(1, 6), st.sampled_from([3, 13, 14]), max_size=2)),
        stubborn=draw(st.frozensets(st.integers(1, 6), max_size=1)),
        deaf_lists=frozenset() if honest else draw(st.frozensets(st.integers(3, 40), max_size=2)),
    )
