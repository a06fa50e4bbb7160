"""Which method answers which path, and with which query parameters of its own."""

from collections.abc import Callable, Mapping
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
    tensorboard_api,
    uploads_api,
)
from tuneops.emulator.answers import is_storage, json_response
from tuneops.emulator.calls import Call, Handler, read_arguments
from tuneops.emulator.errors import StorageError, VertexError
from tuneops.emulator.ledger import Ledger
from tuneops.emulator.masks import masked, parse_mask
from tuneops.emulator.names import Scope, scope
from tuneops.emulator.settings import Settings

StorageHandler = Callable[..., Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class VertexMethod:
    """A method of the Vertex API and the query parameters that only some methods have."""

    name: str
    handler: Handler
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageMethod:
    """A method of the Cloud Storage API."""

    name: str
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

_FILTERED = (*_PAGED, "filter")
_JOB = "tuningJobs/<segment:job>"
_MODEL = "models/<segment:model>"
_ENDPOINT = "endpoints/<segment:endpoint>"
_STORE = "metadataStores/<segment:store>"
_BOARD = "tensorboards/<segment:tensorboard>"
_TRIAL = f"{_BOARD}/experiments/<segment:experiment>"
_RUN = f"{_TRIAL}/runs/<segment:run>"

# HTTP method, path below the location, name, handler, query parameters of its own.
_VERTEX: tuple[tuple[str, str, str, Handler, tuple[str, ...]], ...] = (
    ("POST", "tuningJobs", "tuningJobs.create", jobs_api.create, ()),
    ("GET", "tuningJobs", "tuningJobs.list", jobs_api.list_jobs, _FILTERED),
    ("GET", _JOB, "tuningJobs.get", jobs_api.get, ()),
    ("POST", f"{_JOB}:cancel", "tuningJobs.cancel", jobs_api.cancel, ()),
    ("GET", "models", "models.list", models_api.list_models, _LISTED),
    ("GET", _MODEL, "models.get", models_api.get, ()),
    ("PATCH", _MODEL, "models.patch", models_api.patch, ("updateMask",)),
    ("DELETE", _MODEL, "models.delete", models_api.delete, ()),
    ("GET", f"{_MODEL}:listVersions", "models.listVersions", models_api.list_versions, _LISTED),
    (
        "GET",
        f"{_MODEL}:listCheckpoints",
        "models.listCheckpoints",
        models_api.list_checkpoints,
        _PAGED,
    ),
    (
        "POST",
        f"{_MODEL}:mergeVersionAliases",
        "models.mergeVersionAliases",
        models_api.merge_aliases,
        (),
    ),
    ("DELETE", f"{_MODEL}:deleteVersion", "models.deleteVersion", models_api.delete_version, ()),
    ("GET", "endpoints", "endpoints.list", endpoints_api.list_endpoints, _FILTERED),
    ("GET", _ENDPOINT, "endpoints.get", endpoints_api.get, ()),
    ("DELETE", _ENDPOINT, "endpoints.delete", endpoints_api.delete, ()),
    (
        "POST",
        f"{_ENDPOINT}:undeployModel",
        "endpoints.undeployModel",
        endpoints_api.undeploy,
        (),
    ),
    ("GET", "operations/<segment:operation>", "operations.get", operations_api.get, ()),
    (
        "GET",
        f"{_STORE}/contexts/<segment:context>",
        "metadataStores.contexts.get",
        metadata_api.get_context,
        (),
    ),
    (
        "GET",
        f"{_STORE}/contexts",
        "metadataStores.contexts.list",
        metadata_api.list_contexts,
        (*_FILTERED, "orderBy"),
    ),
    (
        "GET",
        f"{_STORE}/artifacts/<segment:artifact>",
        "metadataStores.artifacts.get",
        metadata_api.get_artifact,
        (),
    ),
    (
        "GET",
        f"{_STORE}/executions",
        "metadataStores.executions.list",
        metadata_api.list_executions,
        (*_FILTERED, "orderBy"),
    ),
    ("GET", _BOARD, "tensorboards.get", tensorboard_api.get_tensorboard, ()),
    (
        "GET",
        f"{_BOARD}:batchRead",
        "tensorboards.batchRead",
        tensorboard_api.batch_read,
        ("timeSeries",),
    ),
    ("GET", _TRIAL, "tensorboards.experiments.get", tensorboard_api.get_experiment, ()),
    (
        "GET",
        f"{_TRIAL}/runs",
        "tensorboards.experiments.runs.list",
        tensorboard_api.list_runs,
        _LISTED,
    ),
    ("GET", _RUN, "tensorboards.experiments.runs.get", tensorboard_api.get_run, ()),
    (
        "GET",
        f"{_RUN}/timeSeries",
        "tensorboards.experiments.runs.timeSeries.list",
        tensorboard_api.list_series,
        _LISTED,
    ),
    (
        "GET",
        f"{_RUN}/timeSeries/<segment:series>",
        "tensorboards.experiments.runs.timeSeries.get",
        tensorboard_api.get_series,
        (),
    ),
    (
        "GET",
        f"{_RUN}/timeSeries/<segment:series>:read",
        "tensorboards.experiments.runs.timeSeries.read",
        tensorboard_api.read_series,
        ("maxDataPoints", "filter"),
    ),
)
_PARENT = "/<any(v1, v1beta1):version>/projects/<segment:project>/locations/<segment:location>"

# Google's generated clients, over REST, poll operations below this and not below a version.
_POLLED = "/ui/projects/<segment:project>/locations/<segment:location>/operations/<operation>"
_POLL = VertexMethod(name="operations.get", handler=operations_api.get)

_OBJECTS = "/storage/v1/b/<bucket>/o"
_OBJECT = f"{_OBJECTS}/<rest:name>"
_STORAGE: tuple[tuple[str, str, str, StorageHandler], ...] = (
    ("GET", "/storage/v1/b/<bucket>", "storage.buckets.get", storage_api.get_bucket),
    ("PATCH", "/storage/v1/b/<bucket>", "storage.buckets.patch", storage_api.patch_bucket),
    ("POST", f"{_OBJECT}/compose", "storage.objects.compose", storage_api.compose),
    ("GET", _OBJECTS, "storage.objects.list", storage_api.list_objects),
    ("GET", _OBJECT, "storage.objects.get", storage_api.get_object),
    ("GET", f"/download{_OBJECT}", "storage.objects.get", storage_api.get_object),
    ("PATCH", _OBJECT, "storage.objects.patch", storage_api.patch_object),
    ("DELETE", _OBJECT, "storage.objects.delete", storage_api.delete_object),
    *(
        (verb, f"{prefix}{_OBJECTS}", "storage.objects.insert", handler)
        for prefix in ("/upload", "/resumable/upload")
        for verb, handler in (
            ("POST", uploads_api.insert),
            ("PUT", uploads_api.resume),
            ("DELETE", uploads_api.abandon),
        )
    ),
)

METHODS = frozenset(name for _, _, name, *_ in (*_VERTEX, *_STORAGE))

_MAP = Map(
    [
        *(
            Rule(
                f"{_PARENT}/{path}",
                methods=[verb],
                endpoint=VertexMethod(name=name, handler=handler, parameters=parameters),
            )
            for verb, path, name, handler, parameters in _VERTEX
        ),
        Rule(_POLLED, methods=["GET"], endpoint=_POLL, defaults={"version": "v1"}),
        *(
            Rule(path, methods=[verb], endpoint=StorageMethod(name=name, handler=handler))
            for verb, path, name, handler in _STORAGE
        ),
    ],
    converters={"segment": _Segment, "rest": _Rest},
    strict_slashes=False,
    redirect_defaults=False,
    merge_slashes=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The method that a request is for, and what its path says."""

    method: VertexMethod | StorageMethod
    values: Mapping[str, Any]

    @property
    def scope(self) -> Scope | None:
        """The project and location that the path names; Cloud Storage has none."""
        if "location" not in self.values:
            return None
        return scope(self.values["project"], self.values["location"])


def find_route(request: Request) -> Route:
    """Return which method a request is for, or raise the refusal."""
    adapter = _MAP.bind_to_environ(request.environ)
    try:
        method, values = adapter.match()
    except (RequestRedirect, MethodNotAllowed, HTTPException):
        message = f"Method not found: {request.method} {request.path}"
        if is_storage(request.path):
            raise StorageError(404, "notFound", message) from None
        raise VertexError("NOT_FOUND", message) from None
    assert isinstance(method, VertexMethod | StorageMethod)
    return Route(method=method, values=dict(values))


def dispatch(
    route: Route, request: Request, ledger: Ledger, settings: Settings, lag: int = 0
) -> Response:
    """Answer a request, or raise the refusal; what is younger than `lag` is not listed."""
    method, values = route.method, dict(route.values)
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
        lag=lag,
    )
    body = method.handler(call, **values)
    fields = request.args.get("fields")
    shown = masked(body, parse_mask(fields)) if fields else body
    return json_response(shown, pretty=request.args.get("prettyPrint") == "true")


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
