"""Deleting a version over REST: the very one, its operation followed, absence no trouble."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tuneops.errors import Rejected, Unavailable

Make = Callable[..., httpx.Response]
PARENT = "projects/123456789012/locations/us-central1"
MODEL = f"{PARENT}/models/55@2"
OPERATION = f"{PARENT}/operations/7"


def sent(service: Any) -> list[tuple[str, str]]:
    return [(request.method, request.url.path) for request in service.requests]


DELETE = ("DELETE", f"/v1/{MODEL}:deleteVersion")
POLL = ("GET", f"/v1/{OPERATION}")


def test_an_operation_that_is_done_needs_no_other_look(service: Any, ok: Make) -> None:
    service.says(ok({"name": OPERATION, "done": True})).delete_version(MODEL)
    assert sent(service) == [DELETE]


def test_an_operation_is_followed_to_its_end(service: Any, ok: Make, time: Any) -> None:
    running = ok({"name": OPERATION})
    service.says(running, running, ok({"name": OPERATION, "done": True})).delete_version(MODEL)
    assert sent(service) == [DELETE, POLL, POLL]
    assert len(time.pauses) == 2


def test_an_operation_that_does_not_end_goes_on_without_us(service: Any, ok: Make) -> None:
    service.says(ok({"name": OPERATION})).delete_version(MODEL)
    assert sent(service).count(DELETE) == 1
    assert 1 < len(sent(service)) < 10


def test_an_operation_that_failed_is_a_refusal(service: Any, ok: Make) -> None:
    failed = {"name": OPERATION, "done": True, "error": {"code": 9, "message": "it serves"}}
    with pytest.raises(Rejected, match="it serves"):
        service.says(ok({"name": OPERATION}), ok(failed)).delete_version(MODEL)


def test_what_is_not_there_is_no_trouble(service: Any, ok: Make, no: Make) -> None:
    service.says(no(404, "NOT_FOUND")).delete_version(MODEL)
    service.says(ok({"name": OPERATION}), no(404, "NOT_FOUND")).delete_version(MODEL)


def test_a_not_found_that_is_not_googles_is_no_proof(service: Any) -> None:
    with pytest.raises(Unavailable):
        service.says(httpx.Response(404, text="<html>proxy</html>")).delete_version(MODEL)


def test_an_answer_that_was_lost_is_asked_for_again(service: Any, no: Make) -> None:
    service.says(httpx.ReadError("lost"), no(404, "NOT_FOUND")).delete_version(MODEL)
    assert sent(service) == [DELETE, DELETE]


def test_a_refusal_is_said_in_the_services_words(service: Any, no: Make) -> None:
    with pytest.raises(Rejected, match="is deployed"):
        service.says(no(400, "FAILED_PRECONDITION", "it is deployed")).delete_version(MODEL)


@pytest.mark.parametrize(
    "name",
    [
        f"{PARENT}/models/55",
        f"{PARENT}/models/55@prod",
        f"{PARENT}/models/55@-",
        "projects/123456789012/locations/europe-west4/models/55@2",
        f"{PARENT}/models/55@2/../../x",
    ],
)
def test_only_a_numbered_version_of_this_location_is_ever_asked_for(
    service: Any, ok: Make, name: str
) -> None:
    with pytest.raises(Rejected, match="does not name"):
        service.says(ok({})).delete_version(name)
    assert sent(service) == []


def test_where_a_version_is_served_is_read(service: Any, ok: Make) -> None:
    served = [{"endpoint": f"{PARENT}/endpoints/{n}", "deployedModelId": "1"} for n in (9, 8, 9)]
    model = {"name": MODEL, "versionId": "2", "deployedModels": served}
    found = service.says(ok({"models": [model]})).list_versions(f"{PARENT}/models/55")
    assert found["2"].deployed == (f"{PARENT}/endpoints/8", f"{PARENT}/endpoints/9")
