"""Claims as objects: the bucket picks one winner, whatever the network makes of the answers."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tuneops.core.claim import Claim
from tuneops.emulator.application import Emulator
from tuneops.errors import ClaimDamaged, NotFound, Rejected, TuneopsError, Unavailable
from tuneops.gcs.claims import TRIES, GcsClaims, Spelling
from tuneops.http.waiting import Waiting
from tuneops.store import claim_record

PLACE = "gs://acme-claims/tuneops"
CLAIM = Claim(
    key="k4f1c",
    phase="intent",
    epoch=1,
    marks=("mark1",),
    runner="runner1",
    at=datetime(2026, 11, 3, 9, 12, 44, tzinfo=UTC),
)
OTHER = replace(CLAIM, runner="runner2", marks=("mark2",))
NAME = f"tuneops/claims/v1/{CLAIM.key}.json"
SPELLING = Spelling(dump=claim_record.dump, load=claim_record.load)
Fault = httpx.Response | Exception


def storage_error(status: int, reason: str) -> httpx.Response:
    error = {"code": status, "message": reason, "errors": [{"reason": reason}]}
    return httpx.Response(status, json={"error": error})


class Bucket:
    """A bucket that keeps its promises, behind a network that does not.

    Faults are played in order, one an upload: `stored` says whether it took effect all the same.
    """

    def __init__(self) -> None:
        self.objects: dict[str, tuple[int, bytes]] = {}
        self.uploads: list[httpx.Request] = []
        self.faults: list[tuple[bool, Fault]] = []
        self.read_faults: list[Fault] = []
        self.generation = 1_700_000_000_000_000

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return self._show(request)
        self.uploads.append(request)
        stored, fault = self.faults.pop(0) if self.faults else (True, None)
        answer = self._put(request) if stored else None
        if isinstance(fault, Exception):
            raise fault
        return fault or answer or httpx.Response(503)

    def put(self, name: str, content: bytes) -> str:
        self.generation += 1
        self.objects[name] = (self.generation, content)
        return str(self.generation)

    def _put(self, request: httpx.Request) -> httpx.Response:
        name = request.url.params["name"]
        there = self.objects.get(name, (0, b""))[0]
        if request.url.params["ifGenerationMatch"] != str(there):
            return storage_error(412, "conditionNotMet")
        return httpx.Response(
            200, json={"name": name, "generation": self.put(name, request.read())}
        )

    def _show(self, request: httpx.Request) -> httpx.Response:
        if self.read_faults:
            fault = self.read_faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        name = request.url.path.split("/o/")[1]
        if name not in self.objects:
            return storage_error(404, "notFound")
        generation, content = self.objects[name]
        if request.url.params.get("alt") != "media":
            return httpx.Response(200, json={"generation": str(generation)})
        if request.url.params["generation"] != str(generation):
            return httpx.Response(404, text="No such object")
        return httpx.Response(200, content=content, headers={"X-Goog-Generation": str(generation)})


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def claims(bucket: Bucket) -> Iterator[GcsClaims]:
    pauses: list[float] = []
    waiting = Waiting(sleep=pauses.append, random=lambda: 1.0, monotonic=lambda: sum(pauses))
    transport = httpx.MockTransport(bucket)
    with httpx.Client(base_url="https://storage.googleapis.com", transport=transport) as client:
        yield GcsClaims(client, PLACE + "/", spelling=SPELLING, waiting=waiting)


def test_a_claim_goes_through_its_phases(claims: GcsClaims, bucket: Bucket) -> None:
    assert claims.read(CLAIM.key) is None
    first = claims.swap(CLAIM, None)
    assert first is not None
    assert claims.read(CLAIM.key) == (CLAIM, first)
    assert claims.swap(OTHER, None) is None
    issued = replace(CLAIM, phase="issued")
    second = claims.swap(issued, first)
    assert second not in (None, first)
    assert claims.swap(OTHER, first) is None
    assert claims.read(CLAIM.key) == (issued, second)
    assert list(bucket.objects) == [NAME]


LOST = {
    "reset": httpx.ReadError("reset"),
    "timeout": httpx.ReadTimeout("slow"),
    "503": httpx.Response(503),
    "408": httpx.Response(408),
    "429": storage_error(429, "rateLimitExceeded"),
    "401": storage_error(401, "authError"),
    "portal": httpx.Response(200, html="<p>log in</p>"),
    "portal refuses": httpx.Response(403, html="<p>no</p>"),
    "half an answer": httpx.Response(200, json={"name": NAME}),
    "redirect": httpx.Response(302, headers={"location": "https://elsewhere.example"}),
}


@pytest.mark.parametrize("how", LOST)
def test_a_lost_answer_is_found_out_by_looking(how: str, claims: GcsClaims, bucket: Bucket) -> None:
    bucket.faults = [(True, LOST[how])]
    first = claims.swap(CLAIM, None)
    assert claims.read(CLAIM.key) == (CLAIM, first)
    assert len(bucket.uploads) == 1
    bucket.faults = [(True, LOST[how])]
    issued = replace(CLAIM, phase="issued")
    assert claims.swap(issued, first) == str(bucket.generation)
    assert claims.read(CLAIM.key) == (issued, str(bucket.generation))
    assert len(bucket.uploads) == 2


@pytest.mark.parametrize("how", LOST)
def test_a_write_that_did_not_arrive_is_sent_again(
    how: str, claims: GcsClaims, bucket: Bucket
) -> None:
    bucket.faults = [(False, LOST[how])] * 2
    assert claims.swap(CLAIM, None) == str(bucket.generation)
    assert len(bucket.uploads) == 3


def test_our_own_412_is_a_win(claims: GcsClaims, bucket: Bucket) -> None:
    """The first answer was lost, and something below sent the request again."""
    bucket.put(NAME, claim_record.dump(CLAIM))
    assert claims.swap(CLAIM, None) == str(bucket.generation)


def test_a_lost_answer_to_a_lost_race_is_no_win(claims: GcsClaims, bucket: Bucket) -> None:
    bucket.put(NAME, claim_record.dump(OTHER))
    bucket.faults = [(False, LOST["reset"])]
    assert claims.swap(CLAIM, None) is None
    assert len(bucket.uploads) == 1


@pytest.mark.parametrize("how", LOST)
def test_a_write_that_never_arrives_is_never_a_win(
    how: str, claims: GcsClaims, bucket: Bucket
) -> None:
    bucket.faults = [(False, LOST[how])] * TRIES
    with pytest.raises(Unavailable, match="creation guard") as fault:
        claims.swap(CLAIM, None)
    assert fault.value.notes == ("nothing was created",)
    assert f"{PLACE}/claims/v1/{CLAIM.key}.json" in fault.value.message


def test_an_answer_that_is_lost_with_the_look_is_unavailable(
    claims: GcsClaims, bucket: Bucket
) -> None:
    bucket.faults = [(True, LOST["reset"])]
    bucket.read_faults = [httpx.Response(503)] * 10
    bound = replace(CLAIM, phase="bound", job="jobs/1")
    with pytest.raises(Unavailable):
        claims.swap(bound, None)


def test_a_missing_permission_says_which_are_needed(claims: GcsClaims, bucket: Bucket) -> None:
    bucket.read_faults = [storage_error(403, "forbidden")]
    with pytest.raises(Rejected) as fault:
        claims.read(CLAIM.key)
    assert "storage.objects.get, list, create and delete" in str(fault.value.help)
    bucket.faults = [(False, storage_error(403, "forbidden"))]
    with pytest.raises(Rejected):
        claims.swap(CLAIM, None)


def test_a_bucket_that_is_not_there_is_a_definite_no(claims: GcsClaims, bucket: Bucket) -> None:
    bucket.faults = [(False, storage_error(404, "notFound"))]
    with pytest.raises(NotFound):
        claims.swap(CLAIM, None)


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(404, html="no"), httpx.Response(200, json={}), httpx.Response(302)],
    ids=["404", "200", "302"],
)
def test_only_google_says_that_there_is_no_claim(
    answer: httpx.Response, claims: GcsClaims, bucket: Bucket
) -> None:
    bucket.read_faults = [answer]
    with pytest.raises(TuneopsError):
        claims.read(CLAIM.key)


GARBAGE = {
    "empty": b"",
    "not JSON": b"<html>",
    "not an object": b"[1]",
    "no claim": b'{"version": 1}',
    "another version": b'{"version": 2, "claim": {}}',
    "another key": claim_record.dump(replace(CLAIM, key="k9")),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_never_no_claim(kind: str, claims: GcsClaims, bucket: Bucket) -> None:
    bucket.put(NAME, GARBAGE[kind])
    with pytest.raises(ClaimDamaged, match=re.escape(f"`{PLACE}/claims/v1/k4f1c.json`")):
        claims.read(CLAIM.key)
    with pytest.raises(ClaimDamaged):
        claims.swap(CLAIM, None)
    assert bucket.objects[NAME][1] == GARBAGE[kind]


def test_a_portal_is_not_garbage(claims: GcsClaims, bucket: Bucket) -> None:
    generation = bucket.put(NAME, claim_record.dump(CLAIM))
    metadata = httpx.Response(200, json={"generation": generation})
    portal = httpx.Response(200, html="<p>log in</p>")
    bucket.read_faults = [metadata, portal, httpx.ReadError("reset")]
    assert claims.read(CLAIM.key) == (CLAIM, generation)
    bucket.read_faults = [metadata, *[portal] * TRIES]
    with pytest.raises(Unavailable):
        claims.read(CLAIM.key)


def test_a_claim_that_changes_between_two_reads_is_read_again(
    claims: GcsClaims, bucket: Bucket
) -> None:
    generation = bucket.put(NAME, claim_record.dump(CLAIM))
    bucket.read_faults = [httpx.Response(200, json={"generation": "17"})]
    assert claims.read(CLAIM.key) == (CLAIM, generation)


def test_the_emulators_storage_picks_one_of_sixteen(tmp_path: Path) -> None:
    database = tmp_path / "emulator.db"
    with Emulator(database, wall=lambda: datetime.now(UTC)) as emulator:
        transport = httpx.WSGITransport(app=emulator)
        headers = {"Authorization": "Bearer emulator"}
        with httpx.Client(
            transport=transport, base_url="http://127.0.0.1", headers=headers
        ) as client:
            store = GcsClaims(client, PLACE, spelling=SPELLING, waiting=Waiting())
            takers = [replace(CLAIM, runner=f"runner{number}") for number in range(16)]
            with ThreadPoolExecutor(16) as pool:
                won = list(pool.map(lambda claim: store.swap(claim, None), takers))
            (generation,) = [one for one in won if one]
            assert store.read(CLAIM.key) == (takers[won.index(generation)], generation)
            name = httpx.URL("http://127.0.0.1/storage/v1/b/acme-claims/o").join(
                "o/" + NAME.replace("/", "%2F")
            )
            shown = client.get(name, params={"alt": "media"})
            assert json.loads(shown.content)["version"] == 1
            assert shown.headers["content-type"] == "application/json"
