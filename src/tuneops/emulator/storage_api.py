"""The methods of the Cloud Storage JSON API that reading and writing datasets need.

Objects: metadata, bytes (with ranges), list, patch, delete; buckets: get. Buckets come into being
with their first object. Preconditions answer 412, or 304 for a read that asked not to match.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from werkzeug.http import parse_range_header
from werkzeug.wrappers import Request, Response

from tuneops.emulator import clock
from tuneops.emulator.errors import StorageError
from tuneops.emulator.ledger import Ledger
from tuneops.emulator.masks import masked, parse_mask
from tuneops.emulator.names import opaque_tag, project_number
from tuneops.emulator.objects import ObjectStore, StoredObject
from tuneops.emulator.paging import page, read_page
from tuneops.emulator.settings import Settings

_EDITABLE = (
    "contentType",
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "metadata",
)
_MATCHES = ("ifGenerationMatch", "ifMetagenerationMatch")
_NOT_MATCHES = ("ifGenerationNotMatch", "ifMetagenerationNotMatch")


def answer(value: Mapping[str, Any], request: Request) -> Response:
    """Return JSON, reduced to what `fields` asks for."""
    fields = request.args.get("fields")
    shown = masked(dict(value), parse_mask(fields)) if fields else value
    return Response(json.dumps(shown), content_type="application/json; charset=UTF-8")


def get_bucket(ledger: Ledger, settings: Settings, request: Request, *, bucket: str) -> Response:
    """Return a bucket; all of them are in US-CENTRAL1, which is our choice."""
    with ledger.reading() as view:
        created = view.objects.bucket_created(bucket)
        versioned = view.objects.versioned(bucket)
    if created is None:
        raise no_bucket(bucket)
    at = clock.rfc3339_millis(created)
    return answer(
        {
            "kind": "storage#bucket",
            "id": bucket,
            "selfLink": f"{request.host_url}storage/v1/b/{bucket}",
            "name": bucket,
            "projectNumber": project_number(bucket),
            "metageneration": "1",
            "location": "US-CENTRAL1",
            "locationType": "region",
            "storageClass": "STANDARD",
            "etag": opaque_tag("bucket", bucket),
            "timeCreated": at,
            "updated": at,
            **({"versioning": {"enabled": True}} if versioned else {}),
        },
        request,
    )


def patch_bucket(ledger: Ledger, settings: Settings, request: Request, *, bucket: str) -> Response:
    """Let a bucket keep earlier generations, or not; nothing else of a bucket can be changed."""
    body = read_json(request.get_data())
    wish = body.get("versioning")
    if set(body) != {"versioning"} or not isinstance(wish, dict):
        raise StorageError(400, "invalid", "This emulator changes nothing but versioning.")
    with ledger.writing() as writing:
        if writing.objects.bucket_created(bucket) is None:
            raise no_bucket(bucket)
        writing.objects.set_versioned(bucket, wish.get("enabled") is True)
    return get_bucket(ledger, settings, request, bucket=bucket)


def get_object(
    ledger: Ledger, settings: Settings, request: Request, *, bucket: str, name: str
) -> Response:
    """Return an object's metadata, or its bytes with `alt=media`."""
    media = request.args.get("alt") == "media" or request.path.startswith("/download/")
    with ledger.reading() as view:
        stored = _asked_for(view.objects, bucket, name, request)
        check_conditions(stored, request.args, reading=True)
        content = None
        if media and stored.deleted is None:
            content = view.objects.content(bucket, name)
        elif media:
            content = view.objects.earlier_content(stored)
    if content is None:
        return answer(object_json(stored, request), request)
    return _media(stored, content, request)


def list_objects(ledger: Ledger, settings: Settings, request: Request, *, bucket: str) -> Response:
    """Return a page of objects and, with a delimiter, of the prefixes below."""
    arguments = request.args
    if "matchGlob" in arguments:
        raise StorageError(400, "invalid", "This emulator does not serve matchGlob.")
    prefix = arguments.get("prefix", "")
    delimiter = arguments.get("delimiter", "")
    bound = ("prefix", "delimiter", "startOffset", "endOffset")
    query = ("objects", bucket, *(arguments.get(name, "") for name in bound))
    paging = {name: arguments[name] for name in ("pageToken",) if name in arguments}
    paging["pageSize"] = arguments.get("maxResults") or "1000"
    wanted = read_page(paging, query, settings)
    with ledger.reading() as view:
        if view.objects.bucket_created(bucket) is None:
            raise no_bucket(bucket)
        start = max(prefix, arguments.get("startOffset", ""))
        found = view.objects.in_bucket(bucket, start=start, end=arguments.get("endOffset", ""))
        if arguments.get("versions", "").lower() == "true":
            return _all_versions([*view.objects.kept_in(bucket), *found], prefix, request)
    entries = _entries(found, prefix, delimiter)
    found_names, token = page(
        wanted,
        entries,
        position=lambda name: [name],
        descending=False,
        settings=settings,
    )
    result: dict[str, Any] = {"kind": "storage#objects"}
    if token:
        result["nextPageToken"] = token
    items = [object_json(item, request) for name in found_names if (item := entries[name])]
    prefixes = [name for name in found_names if entries[name] is None]
    result |= {key: value for key, value in (("items", items), ("prefixes", prefixes)) if value}
    return answer(result, request)


def _all_versions(found: list[StoredObject], prefix: str, request: Request) -> Response:
    """Return every generation in one page, by name and then by age."""
    items = [
        object_json(item, request)
        for item in sorted(found, key=lambda item: (item.name, item.generation))
        if item.name.startswith(prefix)
    ]
    return answer({"kind": "storage#objects", **({"items": items} if items else {})}, request)


def _entries(
    objects: Iterable[StoredObject], prefix: str, delimiter: str
) -> dict[str, StoredObject | None]:
    """Return what a list shows, by name and in order; None stands for a prefix."""
    entries: dict[str, StoredObject | None] = {}
    for stored in objects:
        if not stored.name.startswith(prefix):
            continue
        rest = stored.name[len(prefix) :]
        if delimiter and delimiter in rest:
            entries[prefix + rest.partition(delimiter)[0] + delimiter] = None
        else:
            entries[stored.name] = stored
    return entries


def patch_object(
    ledger: Ledger, settings: Settings, request: Request, *, bucket: str, name: str
) -> Response:
    """Edit the properties of an object: the same generation, the next metageneration."""
    changes = editable(read_json(request.get_data()))
    with ledger.writing() as writing:
        stored = writing.objects.find(bucket, name)
        if stored is None or _other_generation(stored, request):
            raise missing(bucket, name)
        check_conditions(stored, request.args)
        kept = {**stored.properties, **changes}
        writing.objects.edit(
            stored,
            {key: value for key, value in kept.items() if value is not None},
            writing.instant,
        )
        edited = writing.objects.find(bucket, name)
    assert edited is not None
    return answer(object_json(edited, request), request)


def delete_object(
    ledger: Ledger, settings: Settings, request: Request, *, bucket: str, name: str
) -> Response:
    """Delete an object; one generation of it for good, if one is named."""
    with ledger.writing() as writing:
        stored = _asked_for(writing.objects, bucket, name, request)
        check_conditions(stored, request.args)
        if stored.deleted is None:
            writing.objects.remove(bucket, name, writing.instant)
        else:
            writing.objects.drop_earlier(stored)
    return Response(status=204)


def compose(
    ledger: Ledger, settings: Settings, request: Request, *, bucket: str, name: str
) -> Response:
    """Put up to 32 objects together to one, which then has no MD5."""
    body = read_json(request.get_data())
    sources = body.get("sourceObjects")
    if not isinstance(sources, list) or not 0 < len(sources) <= 32:
        raise StorageError(400, "invalid", "Between 1 and 32 source objects are required.")
    with ledger.writing() as writing:
        content, count = b"", 0
        for source in sources:
            part = source.get("name") if isinstance(source, dict) else None
            found = writing.objects.find(bucket, part) if isinstance(part, str) else None
            if found is None:
                raise missing(bucket, str(part))
            content += writing.objects.content(bucket, found.name) or b""
            count += found.properties.get("componentCount", 1)
        check_conditions(writing.objects.find(bucket, name), request.args)
        properties = {**editable(body.get("destination") or {}), "componentCount": count}
        stored = writing.objects.put(bucket, name, content, properties, writing.instant)
    return answer(object_json(stored, request), request)


def object_json(stored: StoredObject, request: Request) -> dict[str, Any]:
    """Return the metadata of an object as the service answers it.

    Its links lead back here: Google's own client downloads from `mediaLink`, wherever it leads.
    """
    path = f"{stored.bucket}/o/{quote(stored.name, safe='')}"
    created = clock.rfc3339_millis(stored.created)
    return {
        "kind": "storage#object",
        "id": f"{stored.bucket}/{stored.name}/{stored.generation}",
        "selfLink": f"{request.host_url}storage/v1/b/{path}",
        "mediaLink": f"{request.host_url}download/storage/v1/b/{path}"
        f"?generation={stored.generation}&alt=media",
        "name": stored.name,
        "bucket": stored.bucket,
        "generation": str(stored.generation),
        "metageneration": str(stored.metageneration),
        **stored.properties,
        "storageClass": "STANDARD",
        "size": str(stored.size),
        **({"md5Hash": stored.md5} if stored.md5 else {}),
        "crc32c": stored.crc32c,
        "etag": _etag(stored),
        "timeCreated": created,
        "updated": clock.rfc3339_millis(stored.updated),
        "timeStorageClassUpdated": created,
        "timeFinalized": created,
        **({} if stored.deleted is None else {"timeDeleted": clock.rfc3339_millis(stored.deleted)}),
    }


def check_conditions(
    stored: StoredObject | None, arguments: Mapping[str, str], *, reading: bool = False
) -> None:
    """Refuse with 412, or 304 for a read, unless every precondition holds; 0 is no object."""
    generation = stored.generation if stored else 0
    metageneration = stored.metageneration if stored else 0
    actual = (generation, metageneration)
    for names, must_match in ((_MATCHES, True), (_NOT_MATCHES, False)):
        for name, value in zip(names, actual, strict=True):
            if name not in arguments:
                continue
            if (_number(arguments[name], name) == value) is must_match:
                continue
            code = 412 if must_match or not reading else 304
            raise StorageError(
                code,
                "conditionNotMet",
                "At least one of the pre-conditions you specified did not hold.",
            )


def editable(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties that a caller may set, and that must be text or a map of text."""
    result = {name: metadata[name] for name in _EDITABLE if name in metadata}
    for name, value in result.items():
        texts = value.values() if name == "metadata" and isinstance(value, dict) else [value]
        if not all(isinstance(text, str | None) for text in texts):
            raise StorageError(400, "invalid", f"Invalid value for field {name}.")
    return result


def read_json(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body; an empty one is an empty object."""
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise StorageError(400, "parseError", "Parse Error") from None
    if not isinstance(value, dict):
        raise StorageError(400, "parseError", "Parse Error")
    return value


def missing(bucket: str, name: str) -> StorageError:
    """Say that there is no such object."""
    return StorageError(404, "notFound", f"No such object: {bucket}/{name}")


def no_bucket(bucket: str) -> StorageError:
    """Say that there is no such bucket."""
    return StorageError(404, "notFound", "The specified bucket does not exist.")


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise StorageError(400, "invalid", f"Invalid value for {name}: {text[:50]}")
    return int(text)


def _asked_for(objects: ObjectStore, bucket: str, name: str, request: Request) -> StoredObject:
    """Return the generation that is asked for, the live one if none is, or refuse."""
    stored = objects.find(bucket, name)
    if stored is None or _other_generation(stored, request):
        asked = request.args.get("generation")
        stored = objects.earlier(bucket, name, _number(asked, "generation")) if asked else None
    if stored is None:
        raise missing(bucket, name)
    return stored


def _other_generation(stored: StoredObject, request: Request) -> bool:
    """Tell whether a generation is asked for that is not this one."""
    asked = request.args.get("generation")
    return asked is not None and _number(asked, "generation") != stored.generation


def _etag(stored: StoredObject) -> str:
    return opaque_tag(str(stored.generation), str(stored.metageneration))


def _media(stored: StoredObject, content: bytes, request: Request) -> Response:
    type = stored.properties.get("contentType", "application/octet-stream")
    response = Response(content, content_type=type)
    response.headers["ETag"] = f'"{_etag(stored)}"'
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["X-Goog-Generation"] = str(stored.generation)
    response.headers["X-Goog-Metageneration"] = str(stored.metageneration)
    response.headers["X-Goog-Hash"] = f"crc32c={stored.crc32c}" + (
        f",md5={stored.md5}" if stored.md5 else ""
    )
    response.headers["X-Goog-Stored-Content-Length"] = str(stored.size)
    asked = parse_range_header(request.headers.get("Range"))
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return response
    span = asked.range_for_length(len(content))
    if span is None:
        message = f"The requested range cannot be satisfied: bytes */{len(content)}"
        raise StorageError(416, "requestedRangeNotSatisfiable", message)
    start, stop = span
    response.status_code = 206
    response.set_data(content[start:stop])
    response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
    return response
