"""The three ways to store an object: media, multipart and resumable.

All end in `_store`, which checks the preconditions in the transaction that writes.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from email.message import Message
from email.parser import BytesParser
from typing import Any

from werkzeug.wrappers import Request, Response

from tuneops.emulator.errors import StorageError
from tuneops.emulator.ledger import Ledger
from tuneops.emulator.objects import StoredObject, Upload, checksums
from tuneops.emulator.settings import Settings
from tuneops.emulator.storage_api import (
    answer,
    check_conditions,
    editable,
    object_json,
    read_json,
)

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_RANGE = re.compile(r"bytes (?:(?P<start>\d+)-(?P<stop>\d+)|\*)/(?P<total>\d+|\*)")
_HASHES = ("md5Hash", "crc32c")
_PART = 256 << 10
_CONDITIONS = (
    "ifGenerationMatch",
    "ifGenerationNotMatch",
    "ifMetagenerationMatch",
    "ifMetagenerationNotMatch",
)


def insert(ledger: Ledger, settings: Settings, request: Request, *, bucket: str) -> Response:
    """Store an object, or begin to."""
    if not _BUCKET.fullmatch(bucket):
        raise StorageError(400, "invalid", f"Invalid bucket name: '{bucket[:230]}'")
    conditions = {name: request.args[name] for name in _CONDITIONS if name in request.args}
    match request.args.get("uploadType"):
        case "media":
            properties = {"contentType": request.content_type or "application/octet-stream"}
            content = request.get_data()
            metadata: dict[str, Any] = {}
        case "multipart":
            metadata, type, content = _parts(request)
            properties = {"contentType": type, **editable(metadata)}
        case "resumable":
            return _begin(ledger, request, bucket, conditions)
        case _:
            raise StorageError(400, "required", "Required parameter: uploadType")
    if "contentEncoding" in request.args:
        properties["contentEncoding"] = request.args["contentEncoding"]
    name = _object_name(request, metadata)
    upload = Upload(
        id="",
        bucket=bucket,
        name=name,
        properties=properties,
        conditions={**conditions, **{name: metadata[name] for name in _HASHES if name in metadata}},
        content=content,
    )
    return answer(object_json(_store(ledger, upload), request), request)


def resume(ledger: Ledger, settings: Settings, request: Request, *, bucket: str) -> Response:
    """Take the next bytes of a resumable upload, or say how far it has come."""
    body = request.get_data()
    id = request.args.get("upload_id", "")
    given = request.headers.get("Content-Range")
    with ledger.writing() as writing:
        upload = writing.objects.upload(id)
        if upload is None or upload.bucket != bucket:
            raise StorageError(404, "notFound", "No such upload session.")
        content, finished = _joined(upload.content, body, given)
        upload = replace(upload, content=content)
        if not finished:
            writing.objects.keep_upload(upload)
    if not finished:
        response = Response(status=308)
        if content:
            response.headers["Range"] = f"bytes=0-{len(content) - 1}"
        return response
    return answer(object_json(_store(ledger, upload), request), request)


def abandon(ledger: Ledger, settings: Settings, request: Request, *, bucket: str) -> Response:
    """Give up a resumable upload."""
    with ledger.writing() as writing:
        writing.objects.drop_upload(request.args.get("upload_id", ""))
    return Response(status=499)


def _begin(
    ledger: Ledger, request: Request, bucket: str, conditions: Mapping[str, str]
) -> Response:
    metadata = read_json(request.get_data())
    type = request.headers.get("X-Upload-Content-Type", "application/octet-stream")
    upload = Upload(
        id=secrets.token_urlsafe(24),
        bucket=bucket,
        name=_object_name(request, metadata),
        properties={"contentType": type, **editable(metadata)},
        conditions={**conditions, **{name: metadata[name] for name in _HASHES if name in metadata}},
        content=b"",
    )
    with ledger.writing() as writing:
        check_conditions(writing.objects.find(bucket, upload.name), conditions)
        writing.objects.keep_upload(upload)
    session = f"uploadType=resumable&upload_id={upload.id}"
    response = Response(status=200)
    response.headers["Location"] = f"{request.base_url}?{session}"
    response.headers["X-GUploader-UploadID"] = upload.id
    return response


def _joined(held: bytes, body: bytes, given: str | None) -> tuple[bytes, bool]:
    """Return the bytes held after this request, and whether they are all."""
    if given is None:
        return body, True
    match = _RANGE.fullmatch(given)
    if match is None:
        raise StorageError(400, "invalid", f"Failed to parse Content-Range header: {given[:100]}")
    content = held
    if match["start"] is not None:
        start, stop = int(match["start"]), int(match["stop"])
        if start > len(held) or stop - start + 1 != len(body):
            raise StorageError(400, "invalid", "The Content-Range does not continue the upload.")
        last = match["total"] != "*" and stop + 1 == int(match["total"])
        if not last and len(body) % _PART:
            message = "All parts but the last must be a multiple of 256 KiB long."
            raise StorageError(400, "invalid", message)
        content = held[:start] + body
    elif body:
        raise StorageError(400, "invalid", "A status request has no body.")
    return content, match["total"] != "*" and len(content) == int(match["total"])


def _store(ledger: Ledger, upload: Upload) -> StoredObject:
    _check_hashes(upload.content, upload.conditions)
    with ledger.writing() as writing:
        live = writing.objects.find(upload.bucket, upload.name)
        check_conditions(live, upload.conditions)
        writing.objects.drop_upload(upload.id)
        return writing.objects.put(
            upload.bucket, upload.name, upload.content, upload.properties, writing.instant
        )


def _object_name(request: Request, metadata: Mapping[str, Any]) -> str:
    name = request.args.get("name") or metadata.get("name")
    if not isinstance(name, str) or not name:
        raise StorageError(400, "required", "Required parameter: name")
    if len(name.encode()) > 1024 or "\r" in name or "\n" in name or name in (".", ".."):
        raise StorageError(400, "invalid", "Invalid object name.")
    return name


def _check_hashes(content: bytes, metadata: Mapping[str, Any]) -> None:
    """Refuse bytes that are not those whose checksum the caller gave."""
    md5, crc32c = checksums(content)
    for name, actual in (("md5Hash", md5), ("crc32c", crc32c)):
        if metadata.get(name) not in (None, actual):
            message = f"Provided {name} does not match the calculated one: {actual}."
            raise StorageError(400, "invalid", message)


def _parts(request: Request) -> tuple[dict[str, Any], str, bytes]:
    """Return metadata, content type and bytes of a multipart/related body."""
    type, parameters = _type_header(request.headers.get("Content-Type", ""))
    boundary = parameters.get("boundary", "")
    if type != "multipart/related" or not boundary:
        raise StorageError(400, "badContent", "Expected a multipart/related body.")
    line = _line_end(request.get_data(), boundary.encode())
    pieces = (line + request.get_data()).split(line + b"--" + boundary.encode())
    if len(pieces) != 4 or not pieces[3].startswith(b"--"):
        raise StorageError(400, "badContent", "Expected two parts, metadata and media.")
    _, metadata = _part(pieces[1], line)
    headers, content = _part(pieces[2], line)
    properties = read_json(metadata)
    return properties, headers.get("Content-Type", "application/octet-stream"), content


def _line_end(body: bytes, boundary: bytes) -> bytes:
    """Return what ends the lines of a multipart body: google-api-python-client writes a bare LF."""
    after = body.partition(b"--" + boundary)[2]
    return b"\n" if after.startswith(b"\n") else b"\r\n"


def _part(piece: bytes, line: bytes) -> tuple[Message, bytes]:
    # A part without headers begins with two line ends, the first of which ends the boundary.
    if piece.startswith(line * 2):
        return Message(), piece[2 * len(line) :]
    head, gap, content = piece.removeprefix(line).partition(line * 2)
    if not gap:
        raise StorageError(400, "badContent", "A part of the body has no end of headers.")
    return BytesParser().parsebytes(head, headersonly=True), content


def _type_header(text: str) -> tuple[str, dict[str, str]]:
    message = Message()
    message["Content-Type"] = text
    boundary = message.get_boundary("")
    return message.get_content_type(), {"boundary": str(boundary)}
