from dataclasses import replace
from datetime import timedelta

from tests.support.builders import a_creation, a_job, a_lock
from tuneops.core.lock import Lock, LockedJob, Pointer
from tuneops.core.observed import JobState
from tuneops.core.plan import Reason
from tuneops.core.provenance import find_creation, find_pointer, start, trace, under_way
from tuneops.core.recipe import Pretuned

MODEL = "projects/1/locations/us-central1/models/55"
JOB = a_job()
FIRST = replace(
    a_creation(JOB),
    job="projects/1/locations/us-central1/tuningJobs/7",
    model=f"{MODEL}@1",
    state=JobState.SUCCEEDED,
)
assert FIRST.created is not None
SECOND = replace(
    FIRST,
    job="projects/1/locations/us-central1/tuningJobs/8",
    model=f"{MODEL}@2",
    source=Pretuned(model=f"{MODEL}@1", checkpoint="3"),
    created=FIRST.created + timedelta(hours=1),
)


def lock(**jobs: dict[str, object]) -> Lock:
    books = {
        name: LockedJob(current=next(iter(entries)), creations=entries)  # type: ignore[arg-type]
        for name, entries in jobs.items()
    }
    return replace(a_lock(), jobs=books)


def test_a_creation_is_found_by_address_job_and_version() -> None:
    known = lock(seed={"k1": FIRST})
    for text in ("seed", "tuningJobs/7", FIRST.job, "7", "models/55@1", "55@1", FIRST.model):
        assert find_creation(known, str(text)) == ("seed", "k1", FIRST), text
    for text in ("", "nobody", "tuningJobs/70", "55@11", "models/55"):
        assert find_creation(known, text) is None, text


def test_an_alias_is_found_and_what_its_address_waits_for() -> None:
    live = replace(SECOND, model=None, state=JobState.RUNNING)
    pointer = Pointer(creation="k1", model=str(FIRST.model), checkpoint="1")
    known = lock(tone={"k1": FIRST, "k2": live}).point("tone", "prod", pointer)
    assert find_creation(known, "tone@prod") == ("tone", "k1", FIRST)
    assert find_pointer(known, "tone@prod") == pointer
    for text in ("tone@canary", "seed@prod", "tone", "@prod", "tone@"):
        assert find_pointer(known, text) is None, text
    assert under_way(known, "tone", "k1") == (live,)
    asked = replace(live, job=None, state=None)
    assert under_way(lock(tone={"k1": FIRST, "k2": asked}), "tone", "k1") == (asked,)
    assert under_way(known, "tone", "k2") == ()


def test_the_line_goes_back_by_the_version_that_was_continued() -> None:
    known = lock(seed={"k1": FIRST}, tone={"k2": SECOND})
    line = list(trace(known, "tone", "k2"))
    assert [origin.address for origin in line] == ["tone", "seed"]
    assert start(line[-1]) == JOB.recipe.source.base_model  # type: ignore[union-attr]


def test_a_version_that_continues_itself_ends_the_line() -> None:
    loop = replace(SECOND, source=Pretuned(model=f"{MODEL}@2", checkpoint="1"))
    assert len(list(trace(lock(tone={"k2": loop}), "tone", "k2"))) == 1


def test_the_reason_is_told_by_what_was_there_before() -> None:
    failed = replace(FIRST, model=None, state=JobState.FAILED)
    stopped = replace(FIRST, model=None, state=JobState.CANCELLED, cancel_asked=True)
    again = replace(SECOND, source=None, attempt=2)
    other = replace(again, lineage="v1-other", recipe=replace(JOB.recipe, nonce="2"))
    cases = (
        (None, again, Reason.FIRST_RUN),
        (failed, again, Reason.RETRY),
        (stopped, again, Reason.WANTED_AGAIN),
        (replace(stopped, cancel_asked=None), again, Reason.RESUMED),
        (FIRST, other, Reason.INPUTS_CHANGED),
        (FIRST, replace(again, lineage="v1-other"), Reason.PARENT_CHANGED),
        (None, replace(again, adopted=True), Reason.NAMED),
    )
    for earlier, creation, reason in cases:
        entries = {"k2": creation} | ({"k1": earlier} if earlier else {})
        (origin,) = trace(lock(seed=entries), "seed", "k2")  # type: ignore[arg-type]
        assert origin.reason is reason
        assert bool(origin.changes) is (reason is Reason.INPUTS_CHANGED)
