"""Is an exchange as Google's own would be: by the discovery documents and by the protos.

`answer_faults` judges what the emulator said to anybody, `request_faults` what our client sent.
"""

import importlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from google.api_core import exceptions
from google.longrunning import operations_pb2
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2

from tests.conformance.support.discovery import Discovery, storage, vertex
from tests.conformance.support.recorder import Exchange

LAGGING: Mapping[str, frozenset[str]] = {
    "GoogleCloudAiplatformV1TuningJob": frozenset({"preferenceOptimizationSpec"}),
    "GoogleCloudAiplatformV1TuningDataStats": frozenset({"preferenceOptimizationDataStats"}),
    "GoogleCloudAiplatformV1DeployedModelRef": frozenset({"checkpointId"}),
    "GoogleCloudAiplatformV1beta1TuningJob": frozenset(
        {"preferenceOptimizationSpec", "tuningJobMetadata", "tuningJobState"}
    ),
    "GoogleCloudAiplatformV1beta1TuningDataStats": frozenset({"preferenceOptimizationDataStats"}),
    "GoogleCloudAiplatformV1beta1DeployedModelRef": frozenset({"checkpointId"}),
}
"""Fields of the discovery documents that the protos of google-cloud-aiplatform do not have yet."""

_PREFIX = "GoogleCloudAiplatform"
_OPERATION = "GoogleLongrunningOperation"
_STORAGE_ROOTS = ("/storage/", "/upload/", "/download/", "/resumable/")
_DETAILS = frozenset(error_details_pb2.DESCRIPTOR.message_types_by_name)
_CODES = {
    kind.grpc_status_code.name: kind.code
    for kind in vars(exceptions).values()
    if isinstance(kind, type)
    and issubclass(kind, exceptions.GoogleAPICallError)
    and kind.grpc_status_code is not None
    and kind.code is not None
}
_BODILESS = (204, 304, 308, 499)


def answer_faults(exchange: Exchange) -> list[str]:
    """What is wrong with an answer of the emulator."""
    judge = _storage_faults if exchange.path.startswith(_STORAGE_ROOTS) else _vertex_faults
    return [f"{exchange}: {fault}" for fault in judge(exchange)]


def request_faults(exchange: Exchange) -> list[str]:
    """What is wrong with a request that our client sent."""
    document = _document(exchange.path)
    method = document.method(exchange.verb, exchange.path)
    if method is None:
        return [f"{exchange}: there is no such method"]
    query = {name: values for name, values in exchange.query.items() if name != "upload_id"}
    faults = document.parameter_faults(method, query)
    if exchange.request and not exchange.path.startswith("/upload/") and method.request:
        body = _strict(exchange.request)
        faults += document.faults(body, method.request, sent=True)
        faults += proto_faults(body, method.request)
    elif exchange.request and not method.request:
        faults.append("a body was sent to a method that has none")
    return [f"{exchange}: {fault}" for fault in faults]


def proto_faults(body: Any, schema: str) -> list[str]:
    """What the official proto, parsing strictly, says to a body; none where there is no proto."""
    message = proto_class(schema)
    if message is None:
        return []
    try:
        document = vertex("v1beta1" if schema.startswith(f"{_PREFIX}V1beta1") else "v1")
        known = document.without(body, schema, LAGGING)
        json_format.ParseDict(known, message(), ignore_unknown_fields=False)
    except json_format.ParseError as error:
        return [f"proto {schema}: {error}"]
    return []


def proto_class(schema: str) -> Any:
    """The protobuf class of a schema; None where the package has none."""
    if schema == _OPERATION:
        return operations_pb2.Operation
    if not schema.startswith(_PREFIX):
        return None
    version = "v1beta1" if schema.startswith(f"{_PREFIX}V1beta1") else "v1"
    name = schema.removeprefix(f"{_PREFIX}{version.capitalize()}")
    types = importlib.import_module(f"google.cloud.aiplatform_{version}.types")
    message = getattr(types, name, None)
    return None if message is None else message.pb()


def _vertex_faults(exchange: Exchange) -> Iterator[str]:
    yield from _header_faults(exchange, "application/json; charset=UTF-8")
    try:
        body = _strict(exchange.answer)
    except ValueError as error:
        yield f"not JSON: {error}"
        return
    if exchange.status != 200:
        yield from _error_faults(exchange.status, body)
        return
    if exchange.path == "/" or exchange.path.startswith("/tuneops/"):
        return  # the emulator speaking of itself
    document = _document(exchange.path)
    # Google's generated clients poll operations below `/ui`, of which the documents know nothing.
    path = exchange.path.replace("/ui/", "/v1/", 1)
    method = document.method(exchange.verb, path)
    if method is None or method.response is None:
        yield "answered, but there is no such method"
        return
    yield from document.faults(body, method.response, sparse=True)
    yield from proto_faults(body, method.response)
    yield from _name_faults(body)


def _error_faults(status: int, body: Any) -> Iterator[str]:
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or set(body) != {"error"}:
        yield f"not the shape of an error: {body}"
        return
    if not {"code", "message", "status"} <= set(error) <= {"code", "message", "status", "details"}:
        yield f"an error with {sorted(error)}"
    if error.get("code") != status or _CODES.get(error.get("status", "")) != status:
        yield f"{error.get('code')} {error.get('status')} under HTTP {status}"
    for detail in error.get("details", ()):
        package, _, name = detail.get("@type", "").rpartition(".")
        if package != "type.googleapis.com/google.rpc" or name not in _DETAILS:
            yield f"a detail of type {detail.get('@type')}"
    rpc = {name: error[name] for name in ("code", "message", "details") if name in error}
    try:
        json_format.ParseDict(rpc, status_pb2.Status(), ignore_unknown_fields=False)
    except json_format.ParseError as fault:
        yield f"not a google.rpc.Status: {fault}"


def _storage_faults(exchange: Exchange) -> Iterator[str]:
    if exchange.status in _BODILESS or _is_session_start(exchange):
        yield from _header_faults(exchange, None)
        if exchange.answer:
            yield "this answer has no body"
        return
    media = exchange.query.get("alt") == ["media"] or exchange.path.startswith("/download/")
    if media:
        yield from _header_faults(exchange, None)
        if exchange.status in (200, 206):
            yield from _media_faults(exchange)
        return
    yield from _header_faults(exchange, "application/json; charset=UTF-8")
    body = _strict(exchange.answer)
    if exchange.status != 200:
        yield from _storage_error_faults(exchange.status, body)
        return
    verb = "POST" if exchange.verb == "PUT" else exchange.verb  # the end of a resumable upload
    method = storage().method(verb, exchange.path)
    if method is None or method.response is None:
        yield "answered, but there is no such method"
        return
    yield from storage().faults(body, method.response)
    for resource in (body, *body.get("items", ())):
        for name in ("selfLink", "mediaLink"):
            if not resource.get(name, _here(exchange)).startswith(_here(exchange)):
                yield f"{name} leads away from here: {resource[name]}"


def _here(exchange: Exchange) -> str:
    return f"http://{exchange.request_headers['host']}/"


def _is_session_start(exchange: Exchange) -> bool:
    return (
        exchange.verb == "POST"
        and exchange.query.get("uploadType") == ["resumable"]
        and exchange.status == 200
        and "location" in exchange.headers
    )


def _media_faults(exchange: Exchange) -> Iterator[str]:
    for name in ("x-goog-generation", "x-goog-hash", "etag"):
        if name not in exchange.headers:
            yield f"bytes without {name}"
    if exchange.status == 206 and "content-range" not in exchange.headers:
        yield "a part of the bytes without Content-Range"


def _storage_error_faults(status: int, body: Any) -> Iterator[str]:
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or set(error) != {"code", "message", "errors"}:
        yield f"not the shape of an error of Cloud Storage: {body}"
        return
    if error["code"] != status:
        yield f"{error['code']} under HTTP {status}"
    for entry in error["errors"]:
        if not {"message", "domain", "reason"} <= set(entry):
            yield f"a reason with {sorted(entry)}"


def _header_faults(exchange: Exchange, content_type: str | None) -> Iterator[str]:
    labelled = "x-tuneops-emulator" in exchange.headers
    if not labelled or exchange.headers.get("server") != "tuneops-emulator":
        yield "the answer does not say that it is an emulator's"
    if content_type and exchange.headers.get("content-type") != content_type:
        yield f"Content-Type: {exchange.headers.get('content-type')}"


def _name_faults(body: Any) -> Iterator[str]:
    """Names that come out carry the number of the project, never its id."""
    name = body.get("name", "")
    if name and not name.split("/")[1].isdigit():
        yield f"{name} does not carry the project's number"


def _document(path: str) -> Discovery:
    if path.startswith(_STORAGE_ROOTS):
        return storage()
    return vertex("v1beta1" if path.startswith("/v1beta1/") else "v1")


def _strict(text: bytes) -> Any:
    """JSON without repeated keys and without numbers that JSON does not have."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("a key comes twice")
        return dict(pairs)

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, object_pairs_hook=once, parse_constant=refuse)
