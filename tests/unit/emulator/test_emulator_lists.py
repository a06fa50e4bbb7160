import pytest

from tests.unit.emulator.bench import PARENT, Bench
from tuneops.emulator.clock import SECOND
from tuneops.emulator.errors import VertexError
from tuneops.emulator.filters import EQUAL_ONLY, LABELS, TEXT, TIME, FieldKind, parse_filter

FIELDS = {
    "state": FieldKind(kind=TEXT, reads="state", values=frozenset({"RUNNING", "DONE"})),
    "display_name": FieldKind(kind=TEXT, reads="name"),
    "base": FieldKind(kind=EQUAL_ONLY, reads="base"),
    "labels": FieldKind(kind=LABELS, reads="labels"),
    "create_time": FieldKind(kind=TIME, reads="created"),
}
RESOURCE = {
    "state": "RUNNING",
    "name": "my bot",
    "base": "gemini-2.5-flash",
    "labels": {"tune-type": "sft", "team": "a", "a key": "x", "week": "32"},
    "created": 1_700_000_000 * SECOND,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('state="RUNNING"', True),
        ("state=RUNNING", True),
        ("state = DONE", False),
        ("state!=DONE", True),
        ('displayName="my bot"', True),
        ("display_name='my bot'", True),
        ("base=gemini-2.5-flash", True),
        ("labels.tune-type:*", True),
        ("labels.tune-type=sft", True),
        ("labels:tune-type", True),
        ("labels:absent", False),
        ("labels.absent:*", False),
        ("labels.absent=x", False),
        ("labels.absent!=x", True),
        ('labels."a key"=x', True),
        ("labels.week=32", True),
        ("labels.team=a AND state=RUNNING", True),
        ("labels.team=a state=DONE", False),
        ("labels.team=b OR state=RUNNING", True),
        # OR binds tighter than AND.
        ("state=DONE AND labels.team=b OR labels.team=a", False),
        ("(state=DONE AND labels.team=b) OR labels.team=a", True),
        ("NOT state=DONE", True),
        ("-state=RUNNING", False),
        ("NOT (state=DONE OR labels.team=b)", True),
        ('create_time>"2023-11-14T22:13:19Z"', True),
        ("create_time > 2023-11-14T22:13:20.5Z", False),
        ("create_time<=2023-11-14T22:13:20Z", True),
        ("create_time:*", True),
    ],
)
def test_filters_that_are_understood(text, expected):
    predicate = parse_filter(text, FIELDS)
    assert predicate is not None
    assert predicate(RESOURCE.__getitem__) == expected


@pytest.mark.parametrize(
    "text",
    [
        "state",
        "state=",
        "=RUNNING",
        "state=NONSENSE",
        "state>RUNNING",
        "base!=x",
        "foo=1",
        "state.x=RUNNING",
        "labels=x",
        "labels.a>b",
        "(state=DONE",
        "state=DONE)",
        "state=DONE AND",
        "state=DONE OR",
        "AND state=DONE",
        "create_time>yesterday",
        'state="DONE',
        "(" * 200 + "state=DONE",
        "RUNNING",
    ],
)
def test_filters_that_are_refused(text):
    with pytest.raises(VertexError) as caught:
        parse_filter(text, FIELDS)
    assert caught.value.status == "INVALID_ARGUMENT"


def test_an_empty_filter_is_none():
    assert parse_filter("  ", FIELDS) is None


def names(bench: Bench, **parameters) -> tuple[list[str], list[int]]:
    found, sizes, token = [], [], ""
    while True:
        more = {"pageToken": token} if token else {}
        page = bench.ok("GET", f"{PARENT}/tuningJobs", **parameters, **more)
        assert set(page) <= {"tuningJobs", "nextPageToken"}
        listed = page.get("tuningJobs", [])
        found += [job["name"] for job in listed]
        sizes.append(len(listed))
        token = page.get("nextPageToken", "")
        if not token:
            return found, sizes


def test_pages_hold_every_job_once_newest_first(bench: Bench):
    made = [bench.create()["name"] for _ in range(5)]
    assert names(bench) == (made[::-1], [5])
    assert names(bench, pageSize=2) == (made[::-1], [2, 2, 1])
    assert names(bench, pageSize=5) == (made[::-1], [5])
    assert names(bench, page_size=3) == (made[::-1], [3, 2])
    assert names(bench, pageSize=100_000) == (made[::-1], [5])


def test_empty_pages_come_between_real_ones(make_bench):
    bench = make_bench(page_size_limit=2, empty_pages=True)
    made = [bench.create()["name"] for _ in range(4)]
    assert names(bench) == (made[::-1], [2, 0, 2])


def test_a_job_made_while_paging_moves_nothing(bench: Bench):
    made = [bench.create()["name"] for _ in range(4)]
    first = bench.ok("GET", f"{PARENT}/tuningJobs", pageSize=2)
    bench.create()
    second = bench.ok("GET", f"{PARENT}/tuningJobs", pageSize=2, pageToken=first["nextPageToken"])
    seen = [job["name"] for job in (*first["tuningJobs"], *second["tuningJobs"])]
    assert seen == made[::-1]


def test_tokens_are_bound_to_their_query(bench: Bench):
    for _ in range(3):
        bench.create()
    path = f"{PARENT}/tuningJobs"
    token = bench.ok("GET", path, pageSize=1)["nextPageToken"]
    assert bench.ok("GET", path, pageSize=2, pageToken=token)
    wrong = [
        (path, {"pageToken": token, "filter": "state=JOB_STATE_PENDING"}),
        (path.replace("us-central1", "europe-west4"), {"pageToken": token}),
        (path.replace("tuningJobs", "models"), {"pageToken": token}),
        (path, {"pageToken": "nonsense"}),
        (path, {"pageToken": token[:-3]}),
        (path, {"pageSize": -1}),
        (path, {"pageSize": "many"}),
        (path, {"filter": "nonsense"}),
        (path, {"orderBy": "create_time"}),
    ]
    for where, parameters in wrong:
        response = bench.ask("GET", where, **parameters)
        assert response.status_code == 400, parameters
        assert response.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_jobs_are_filtered_as_they_stand(bench: Bench):
    old = bench.create(labels={"managed-by": "tuneops", "n": "1"}, tunedModelDisplayName="one")
    bench.advance(hours=2)
    new = bench.create(labels={"managed-by": "tuneops"})
    cases = {
        "state=JOB_STATE_SUCCEEDED": [old],
        'state="JOB_STATE_PENDING" AND labels.managed-by=tuneops': [new],
        "labels.n:*": [old],
        "display_name=one": [old],
        "tunedModelDisplayName=one": [old],
        "labels.managed-by=tuneops": [new, old],
        "labels.managed-by=other": [],
        f'create_time>"{old["createTime"]}"': [new],
    }
    for text, expected in cases.items():
        assert names(bench, filter=text)[0] == [job["name"] for job in expected], text
    assert names(bench, filter="labels.managed-by=tuneops", pageSize=1)[1] == [1, 1]
