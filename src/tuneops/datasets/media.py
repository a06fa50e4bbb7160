"""What is wrong with the files that examples name, once somebody has looked at their objects. Pure.

Existence, size and content type are known from metadata. How long sound and film last, and how many
pages a document has, would take decoding them: nobody looks.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tuneops.datasets.checks import Checked
from tuneops.datasets.problems import Problem, shown, spell
from tuneops.datasets.scan import PLACES_SHOWN
from tuneops.datasets.weights import Link
from tuneops.diagnostics import Diagnostic, Severity, SourceRef

_VAGUE = {"", "application/octet-stream", "binary/octet-stream"}
_SAME = {
    "image/jpg": "image/jpeg",
    "audio/mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "audio/m4a": "audio/mp4",
    "video/mov": "video/quicktime",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an object's metadata says; `trouble` says why it could not be looked at."""

    size: int = 0
    content_type: str = ""
    trouble: str = ""


def media_findings(checked: Checked, seen: Mapping[str, Seen | None]) -> Iterator[Diagnostic]:
    """The findings of one dataset's files, the first of each kind and how many there are.

    `seen` has what was looked at, by address: None is not there.
    """
    kinds: dict[str, list[tuple[int, Problem]]] = {}
    for line, link in checked.named:
        if link.uri in seen:
            for problem in _problems(link, seen[link.uri], checked):
                kinds.setdefault(problem.kind, []).append((line, problem))
    for found in kinds.values():
        yield from _told(found, checked)
    left = checked.unnamed + sum(link.uri not in seen for _, link in checked.named)
    if left:
        yield Diagnostic(
            code="dataset-media",
            message=f"{left:,} more files that it names were not looked for",
            where=SourceRef(path=checked.path, line=1, column=1),
            help="check a part of it at a time",
            severity=Severity.WARNING,
        )


def _problems(link: Link, seen: Seen | None, checked: Checked) -> Iterator[Problem]:
    uri = shown(link.uri)
    if seen is None:
        yield Problem(
            kind="gone",
            message=f"{uri} does not exist",
            path=link.path,
            code="dataset-media",
            help="write the object, or mend its address",
        )
        return
    if seen.trouble:
        message = f"{uri} cannot be looked at: {seen.trouble}"
        yield _warning(link, "trouble", message, "see that your login may read the object")
        return
    most = checked.limits.media_bytes.of(link.kind) if link.kind else None
    if most is not None and seen.size > most.most:
        yield Problem(
            kind=f"size-{link.kind}",
            message=f"{uri} has {seen.size:,} bytes; {_article(link.kind)} may have "
            f"{most.most:,}, by {most.source}",
            path=link.path,
            code="dataset-dropped",
            help="the service drops such an example without training on it; make the file smaller",
            severity=most.severity,
        )
    if not seen.size:
        yield _warning(link, "empty", f"{uri} is empty", "write it again")
    if not _same_type(seen.content_type, link.mime_type):
        message = f"{uri} is stored as {shown(seen.content_type)}, not {shown(link.mime_type)}"
        yield _warning(link, "type", message, "mend the one that is wrong")


def _article(kind: str | None) -> str:
    return f"an {kind}" if kind in ("image", "audio") else f"a {kind}"


def _same_type(stored: str, named: str) -> bool:
    one, two = (_SAME.get(text, text) for text in map(_bare, (stored, named)))
    return one in _VAGUE or one == two


def _bare(mime_type: str) -> str:
    return mime_type.partition(";")[0].strip().lower()


def _warning(link: Link, kind: str, message: str, help: str) -> Problem:
    return Problem(
        kind=kind,
        message=message,
        help=help,
        path=link.path,
        code="dataset-media",
        severity=Severity.WARNING,
    )


def _told(found: list[tuple[int, Problem]], checked: Checked) -> Iterator[Diagnostic]:
    for index, (line, problem) in enumerate(found[:PLACES_SHOWN]):
        notes = [spell(problem.path)]
        if index == 0 and len(found) > 1:
            notes.append(f"{len(found):,} files have this problem ({_lines(found)})")
        yield Diagnostic(
            code=problem.code,
            message=problem.message,
            where=SourceRef(path=checked.path, line=line, column=1),
            notes=("; ".join(notes),),
            help=problem.help,
            severity=problem.severity,
        )


def _lines(found: Iterable[tuple[int, Problem]]) -> str:
    lines = list(dict.fromkeys(str(line) for line, _ in found))
    more = ", …" if len(lines) > PLACES_SHOWN else ""
    return f"lines {', '.join(lines[:PLACES_SHOWN])}{more}"
