"""One part of a turn: text, a file, a function's call or its answer.

Sources: Google's pages on preparing supervised data, on function calling and on each medium. Both
spellings of a field are accepted, as by every Google API; both at once are not.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tuneops.datasets.problems import Path, Problem, shown
from tuneops.diagnostics import Severity

KINDS = {
    "text": "text",
    "fileData": "file",
    "file_data": "file",
    "inlineData": "inline",
    "inline_data": "inline",
    "functionCall": "call",
    "function_call": "call",
    "functionResponse": "response",
    "function_response": "response",
}
_BESIDE = {
    "videoMetadata",
    "video_metadata",
    "mediaResolution",
    "media_resolution",
    "thought",
    "thoughtSignature",
    "thought_signature",
}
_CAMEL = {
    "file_uri": "fileUri",
    "mime_type": "mimeType",
    "video_metadata": "videoMetadata",
    "media_resolution": "mediaResolution",
    "system_instruction": "systemInstruction",
    "tool_config": "toolConfig",
    "generation_config": "generationConfig",
}
_RESOLUTIONS = {
    "MEDIA_RESOLUTION_UNSPECIFIED",
    "MEDIA_RESOLUTION_LOW",
    "MEDIA_RESOLUTION_MEDIUM",
    "MEDIA_RESOLUTION_HIGH",
}
_URI_SCHEMES = ("gs://", "https://", "http://")
_OBJECT = re.compile(r"gs://[^/]+/.")
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)s")
_OFFSETS = ("startOffset", "start_offset", "endOffset", "end_offset")
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_TYPED = """say what it is, as in `"mimeType": "image/png"`"""
_MEDIA = {
    "image/": "image",
    "video/": "video",
    "audio/": "audio",
    "application/pdf": "document",
    "text/plain": "document",
}
_ENDINGS = {
    ".png": "image", ".jpg": "image", ".jpeg": "image", ".webp": "image",
    ".mp4": "video", ".mov": "video", ".webm": "video", ".avi": "video",
    ".mp3": "audio", ".wav": "audio", ".flac": "audio", ".ogg": "audio", ".m4a": "audio",
    ".pdf": "document",
}  # fmt: skip


def kinds(part: object) -> set[str]:
    """What a part holds; nothing for what is no part."""
    if not isinstance(part, dict):
        return set()
    return {KINDS[key] for key in part if key in KINDS}


def is_plain_text(part: object) -> bool:
    """Say whether a part is text and nothing else, which has no fault; most parts are."""
    text = part.get("text") if isinstance(part, dict) and len(part) == 1 else None
    return isinstance(text, str) and bool(text) and not text.isspace()


def either(fields: Mapping[str, Any], camel: str, snake: str) -> Any:
    """A field by either spelling, or None."""
    return fields.get(camel, fields.get(snake))


def names_object(uri: str) -> bool:
    """Say whether an address has the form of an object's in Cloud Storage."""
    return _OBJECT.match(uri) is not None


def medium(mime_type: str) -> str | None:
    """The kind of media that a type names, or None."""
    return next((kind for start, kind in _MEDIA.items() if mime_type.startswith(start)), None)


def seconds_of(value: object) -> float | None:
    """The seconds of an offset such as `2.5s`, as JSON spells durations; None when it is none."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return float(found[1]) if found else None


def part_problems(part: object, path: Path) -> Iterator[Problem]:
    """Everything that is wrong with one part."""
    held = kinds(part)
    if not isinstance(part, dict) or not held:
        yield Problem(
            kind="part",
            message="a part needs `text`, `fileData`, `functionCall` or `functionResponse`",
            path=path,
            help="""write `{"text": "…"}`, or check the spelling of its key""",
        )
        return
    known = [key for key in part if key in KINDS]
    if len(known) > 1:
        words = " and ".join(f"`{key}`" for key in known[:3])
        yield Problem(
            kind="two-in-one",
            message=f"a part holds one thing, not {words}",
            path=path,
            help="make a part of each",
        )
        return
    yield from unknown_keys(part, KINDS.keys() | _BESIDE, path, "a part")
    if len(part) > 1:
        yield from twice(part, path)
        yield from _offsets(part, path)
        yield from _resolution(part, path)
    (key,) = known
    value, inside = part[key], (*path, key)
    match KINDS[key]:
        case "text":
            yield from _text(value, inside)
        case "file":
            yield from _file(value, inside)
        case "inline":
            yield from _inline(value, inside)
        case "call":
            yield from _function(value, inside, "args")
        case "response":
            yield from _function(value, inside, "response")


def resolution_problem(value: object, path: Path) -> Iterator[Problem]:
    """Warn of a resolution of media that is none."""
    if value is not None and (not isinstance(value, str) or value not in _RESOLUTIONS):
        yield Problem(
            kind="resolution",
            message=f"{shown(value)} is no resolution of media",
            path=path,
            code="dataset-media",
            help="MEDIA_RESOLUTION_LOW, MEDIA_RESOLUTION_MEDIUM or MEDIA_RESOLUTION_HIGH",
            severity=Severity.WARNING,
        )


def _resolution(part: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    for name in ("mediaResolution", "media_resolution"):
        held = part.get(name)
        if isinstance(held, dict):
            yield from resolution_problem(held.get("level"), (*path, name, "level"))
        else:
            yield from resolution_problem(held, (*path, name))


def _offsets(part: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """Warn of pieces of a video that nobody can cut: its length is then not checked either."""
    for name in ("videoMetadata", "video_metadata"):
        piece = part.get(name)
        if not isinstance(piece, dict):
            continue
        for key in _OFFSETS:
            if key in piece and seconds_of(piece[key]) is None:
                yield Problem(
                    kind="offset",
                    message=f"`{key}` must be seconds such as `25s`, not {shown(piece[key])}",
                    path=(*path, name, key),
                    code="dataset-media",
                    help="its length is not checked until this can be read",
                    severity=Severity.WARNING,
                )


def twice(fields: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """Refuse fields that are there in both spellings, as every Google API does."""
    for snake in fields:
        camel = _CAMEL.get(snake) if "_" in snake else None
        if camel is not None and camel in fields:
            second = [key for key in fields if key in (camel, snake)][1]
            yield Problem(
                kind=f"both-{camel}",
                message=f"`{camel}` and `{snake}` are one field in two spellings; give one",
                path=(*path, second),
                help=f"leave `{snake}` out if both say the same",
            )


def unknown_keys(
    fields: Mapping[str, Any], known: set[str], path: Path, what: str
) -> Iterator[Problem]:
    """Warn of keys that no page of Google's speaks of: a misspelled one teaches nothing."""
    for key in fields:
        if key not in known:
            yield Problem(
                kind=f"key-{key[:40]}",
                message=f"{shown(key)} is no documented field of {what}",
                path=(*path, key),
                code="dataset-key",
                help="check the spelling; the service may ignore the field or refuse the line",
                severity=Severity.WARNING,
            )


def _text(value: object, path: Path) -> Iterator[Problem]:
    if not isinstance(value, str):
        yield Problem(
            kind="text",
            message=f"`text` must be text, not {shown(value)}",
            path=path,
            help="put it in quotes, or leave the part out",
        )
    elif not value or value.isspace():
        yield Problem(
            kind="empty-text",
            message="the text is empty" if not value else "the text is nothing but blanks",
            path=path,
            code="dataset-text",
            help="leave the part out, or the example, if nothing is to be learnt from silence",
            severity=Severity.WARNING,
        )


def _file(value: object, path: Path) -> Iterator[Problem]:
    fields = value if isinstance(value, dict) else {}
    uri, mime_type = either(fields, "fileUri", "file_uri"), either(fields, "mimeType", "mime_type")
    yield from twice(fields, path)
    if not isinstance(uri, str) or not uri.startswith(_URI_SCHEMES):
        yield Problem(
            kind="file-uri",
            message=f"`fileUri` must be a gs:// or https:// address, not {shown(uri)}",
            path=(*path, "fileUri"),
            help="copy the file into a bucket, and name it `gs://bucket/name`",
        )
    elif uri.startswith("gs://") and not names_object(uri):
        yield Problem(
            kind="file-object",
            message=f"{shown(uri)} names no object: `gs://bucket/name`",
            path=(*path, "fileUri"),
            code="dataset-media",
            help="name one object in it; a bucket or a folder is no file",
            severity=Severity.WARNING,
        )
    if not isinstance(mime_type, str):
        yield Problem(
            kind="mime-type",
            message="`fileData` needs a `mimeType`",
            path=path,
            help=_TYPED,
        )
    else:
        yield from _mime_type(mime_type, uri, path)


def _inline(value: object, path: Path) -> Iterator[Problem]:
    fields = value if isinstance(value, dict) else {}
    data, mime_type = fields.get("data"), either(fields, "mimeType", "mime_type")
    yield from twice(fields, path)
    bare = data.rstrip("=") if isinstance(data, str) else ""
    if not bare or len(bare) % 4 == 1 or not _BASE64.issuperset(bare):
        yield Problem(
            kind="inline-data",
            message="`data` must be the file's bytes in base64",
            path=(*path, "data"),
            help="encode the bytes, or name the file by `fileData`",
        )
    if not isinstance(mime_type, str):
        yield Problem(
            kind="inline-type",
            message="`inlineData` needs a `mimeType`",
            path=path,
            help=_TYPED,
        )
    else:
        yield from _mime_type(mime_type, None, path)


def _mime_type(mime_type: str, uri: object, path: Path) -> Iterator[Problem]:
    kind = medium(mime_type)
    ending = posixpath.splitext(uri)[1].lower() if isinstance(uri, str) else ""
    if kind is None:
        message = f"{shown(mime_type)} is no type of image, video, audio or PDF"
        help_ = "convert the file to a type that the service reads, or leave the example out"
    elif _ENDINGS.get(ending, kind) != kind:
        message = f"the file ends in `{ending}`, but its type is {shown(mime_type)}"
        help_ = "mend the type, or the file's name"
    else:
        return
    yield Problem(
        kind="media-type",
        message=message,
        path=(*path, "mimeType"),
        code="dataset-media",
        help=help_,
        severity=Severity.WARNING,
    )


def _function(value: object, path: Path, content: str) -> Iterator[Problem]:
    fields = value if isinstance(value, dict) else {}
    if not isinstance(fields.get("name"), str) or not fields["name"]:
        yield Problem(
            kind="function-name",
            message=f"`{path[-1]}` needs the function's `name`",
            path=path,
            help="name the function as `tools` declares it",
        )
    held = fields.get(content, {})
    if not isinstance(held, dict):
        yield Problem(
            kind="function-content",
            message=f"`{content}` must be an object, not {shown(held)}",
            path=(*path, content),
            help="""give what it holds by name, as in `{"city": "Lyon"}`; nothing is `{}`""",
        )
