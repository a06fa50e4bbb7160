"""Which method answers which path, and with which query parameters of its own."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import BaseConverter, Map, RequestRedirect, Rule
from werkzeug.wrappers import Request, Response

from tuneops.emulator import (
    endpoints_api,
    jobs_api,
    metadata_api,
    models_api,
    operations_api,
    storage_api,
    uploads_api,
)
from tuneops.emulator.calls import Call, Handler, read_arguments
from tuneops.emulator.errors import StorageError, VertexError
from tuneops.emulator.ledger import Ledger
from tuneops.emulator.masks import masked, parse_mask
from tuneops.emulator.names import scope
from tuneops.emulator.settings import Settings

StorageHandler = Callable[..., Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class VertexMethod:
    """A method of the Vertex API and the query parameters that only some methods have."""

    handler: Handler
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageMethod:
    """A method of the Cloud Storage API."""

    handler: StorageHandler


class _Segment(BaseConverter):
    """A path segment up to a custom method: no slash and no colon."""

    regex = r"[^/:]+"


class _Rest(BaseConverter):
    """All that is left of a path, slashes at its ends and doubled ones too."""

    regex = r".+"
    part_isolating = False
    weight = 200


_PAGED = ("pageSize", "pageToken")
_LISTED = (*_PAGED, "filter", "orderBy", "readMask")

_VERTEX: tuple[tuple[str, str, VertexMethod], ...] = (
    ("POST", "tuningJobs", VertexMethod(handler=jobs_api.create)),
    (
        "GET",
        "tuningJobs",
        VertexMethod(handler=jobs_api.list_jobs, parameters=(*_PAGED, "filter")),
    ),
    ("GET", "tuningJobs/<segment:job>", VertexMethod(handler=jobs_api.get)),
    ("POST", "tuningJobs/<segment:job>:cancel", VertexMethod(handler=jobs_api.cancel)),
    ("GET", "models", VertexMethod(handler=models_api.list_models, parameters=_LISTED)),
    ("GET", "models/<segment:model>", VertexMethod(handler=models_api.get)),
    (
        "PATCH",
        "models/<segment:model>",
        VertexMethod(handler=models_api.patch, parameters=("updateMask",)),
    ),
    ("DELETE", "models/<segment:model>", VertexMethod(handler=models_api.delete)),
    (
        "GET",
        "models/<segment:model>:listVersions",
        VertexMethod(handler=models_api.list_versions, parameters=_LISTED),
    ),
    (
        "GET",
        "models/<segment:model>:listCheckpoints",
        VertexMethod(handler=models_api.list_checkpoints, parameters=_PAGED),
    ),
    (
        "POST",
        "models/<segment:model>:mergeVersionAliases",
        VertexMethod(handler=models_api.merge_aliases),
    ),
    (
        "DELETE",
        "models/<segment:model>:deleteVersion",
        VertexMethod(handler=models_api.delete_version),
    ),
    (
        "GET",
        "endpoints",
        VertexMethod(handler=endpoints_api.list_endpoints, parameters=(*_PAGED, "filter")),
    ),
    ("GET", "endpoints/<segment:endpoint>", VertexMethod(handler=endpoints_api.get)),
    ("DELETE", "endpoints/<segment:endpoint>", VertexMethod(handler=endpoints_api.delete)),
    (
        "POST",
        "endpoints/<segment:endpoint>:undeployModel",
        VertexMethod(handler=endpoints_api.undeploy),
    ),
    ("GET", "operations/<segment:operation>", VertexMethod(handler=operations_api.get)),
    (
        "GET",
        "metadataStores/<segment:store>/contexts/<segment:context>",
        VertexMethod(handler=metadata_api.get_context),
    ),
)
_PARENT = "/<any(v1, v1beta1):version>/projects/<segment:project>/locations/<segment:location>"

_OBJECTS = "/storage/v1/b/<bucket>/o"
_STORAGE: tuple[tuple[str, str, StorageMethod], ...] = (
    ("GET", "/storage/v1/b/<bucket>", StorageMethod(handler=storage_api.get_bucket)),
    ("GET", _OBJECTS, StorageMethod(handler=storage_api.list_objects)),
    ("GET", f"{_OBJECTS}/<rest:name>", StorageMethod(handler=storage_api.get_object)),
    ("GET", f"/download{_OBJECTS}/<rest:name>", StorageMethod(handler=storage_api.get_object)),
    ("PATCH", f"{_OBJECTS}/<rest:name>", StorageMethod(handler=storage_api.patch_object)),
    ("DELETE", f"{_OBJECTS}/<rest:name>", StorageMethod(handler=storage_api.delete_object)),
    *(
        (verb, f"{prefix}{_OBJECTS}", StorageMethod(handler=handler))
        for prefix in ("/upload", "/resumable/upload")
        for verb, handler in (
            ("POST", uploads_api.insert),
            ("PUT", uploads_api.resume),
            ("DELETE", uploads_api.abandon),
        )
    ),
)

_MAP = Map(
    [
        *(
            Rule(f"{_PARENT}/{path}", methods=[verb], endpoint=method)
            for verb, path, method in _VERTEX
        ),
        *(Rule(path, methods=[verb], endpoint=method) for verb, path, method in _STORAGE),
    ],
    converters={"segment": _Segment, "rest": _Rest},
    strict_slashes=False,
    merge_slashes=False,
)
_STORAGE_PATHS = ("/storage/", "/upload/", "/download/", "/resumable/")


def is_storage(path: str) -> bool:
    """Tell whether a path belongs to Cloud Storage, and errors take its shape."""
    return path.startswith(_STORAGE_PATHS)


def dispatch(request: Request, ledger: Ledger, settings: Settings) -> Response:
    """Answer a request, or raise the refusal."""
    method, values = _route(request)
    if isinstance(method, StorageMethod):
        return _storage(method, request, ledger, settings, values)
    arguments = read_arguments(request.args, method.parameters)
    call = Call(
        ledger=ledger,
        settings=settings,
        version=values.pop("version"),
        scope=scope(values.pop("project"), values.pop("location")),
        arguments=arguments,
        body=request.get_data(),
    )
    body = method.handler(call, **values)
    fields = request.args.get("fields")
    shown = masked(body, parse_mask(fields)) if fields else body
    return json_response(shown, pretty=request.args.get("prettyPrint") == "true")


def json_response(body: Any, status: int = 200, *, pretty: bool = False) -> Response:
    """Return JSON, on one line unless asked otherwise: indenting makes long lists slow."""
    text = json.dumps(body, indent=2 if pretty else None, ensure_ascii=False)
    return Response(f"{text}\n", status=status, content_type="application/json; charset=UTF-8")


def _route(request: Request) -> tuple[VertexMethod | StorageMethod, dict[str, Any]]:
    adapter = _MAP.bind_to_environ(request.environ)
    try:
        method, values = adapter.match()
    except (RequestRedirect, MethodNotAllowed, HTTPException):
        message = f"Method not found: {request.method} {request.path}"
        if is_storage(request.path):
            raise StorageError(404, "notFound", message) from None
        raise VertexError("NOT_FOUND", message) from None
    assert isinstance(method, VertexMethod | StorageMethod)
    return method, dict(values)


def _storage(
    method: StorageMethod,
    request: Request,
    ledger: Ledger,
    settings: Settings,
    values: dict[str, Any],
) -> Response:
    try:
        return method.handler(ledger, settings, request, **values)
    except VertexError as error:
        # Masks and page tokens are read by code that both services share.
        raise StorageError(error.code, "invalid", error.message) from None
