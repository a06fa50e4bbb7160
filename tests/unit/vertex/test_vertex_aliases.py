"""Moving aliases and the default checkpoint: of the very version that was named, or of none."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tuneops.errors import Rejected

Make = Callable[..., httpx.Response]
PARENT = "projects/123456789012/locations/us-central1"
MODEL = f"{PARENT}/models/55@2"


def sent(service: Any) -> list[tuple[str, str, Any]]:
    return [
        (request.method, str(request.url).partition(".com")[2], json.loads(request.content))
        for request in service.requests
    ]


def test_aliases_are_merged_into_one_version(service: Any, ok: Make) -> None:
    service.says(ok({})).merge_aliases(MODEL, ("prod", "-old"))
    body = {"versionAliases": ["prod", "-old"]}
    assert sent(service) == [("POST", f"/v1/{MODEL}:mergeVersionAliases", body)]


@pytest.mark.parametrize(("etag", "more"), [("e", {"etag": "e"}), (None, {})])
def test_a_default_checkpoint_is_set_on_what_was_seen(
    service: Any, ok: Make, etag: str | None, more: dict[str, str]
) -> None:
    service.says(ok({})).set_default_checkpoint(MODEL, "3", etag)
    body = {"name": MODEL, "defaultCheckpointId": "3", **more}
    assert sent(service) == [("PATCH", f"/v1/{MODEL}?updateMask=defaultCheckpointId", body)]


def test_what_is_refused_is_said(service: Any, no: Make) -> None:
    provider = service.says(no(400, "FAILED_PRECONDITION", "it changed"))
    with pytest.raises(Rejected, match="it changed"):
        provider.merge_aliases(MODEL, ("prod",))
    with pytest.raises(Rejected, match="it changed"):
        provider.set_default_checkpoint(MODEL, "3", "e")
    count = len(service.requests)
    for name in (f"{PARENT}/models/55", f"{PARENT}/models/55@prod", MODEL.replace("l1", "l2")):
        with pytest.raises(Rejected, match="does not name"):
            provider.merge_aliases(name, ("prod",))
    assert len(service.requests) == count
