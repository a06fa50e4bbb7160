"""Answers as bytes: JSON, and refusals in the shape of the service that was asked."""

import json
from typing import Any

from werkzeug.wrappers import Request, Response

from tuneops.emulator.errors import Refusal, StorageError

_STORAGE_PATHS = ("/storage/", "/upload/", "/download/", "/resumable/")


def is_storage(path: str) -> bool:
    """Tell whether a path belongs to Cloud Storage, and errors take its shape."""
    return path.startswith(_STORAGE_PATHS)


def json_response(body: Any, status: int = 200, *, pretty: bool = False) -> Response:
    """Return JSON, on one line unless asked otherwise: indenting makes long lists slow."""
    text = json.dumps(body, indent=2 if pretty else None, ensure_ascii=False)
    return Response(f"{text}\n", status=status, content_type="application/json; charset=UTF-8")


def refusal_response(refusal: Refusal, request: Request) -> Response:
    """Return a refusal as an answer to a request."""
    if refusal.code == 304:
        return Response(status=304)
    if isinstance(refusal, StorageError) and request.args.get("alt") == "media":
        return Response(refusal.message, status=refusal.code, content_type="text/html")
    return json_response(refusal.body(), refusal.code)
