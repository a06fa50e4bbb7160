"""What an example weighs: its letters, its media, and what the service would drop it for."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tuneops.core.recipe import Method
from tuneops.datasets.limits import Limits
from tuneops.datasets.parts import KINDS, either, is_plain_text, kinds, medium, seconds_of
from tuneops.datasets.problems import Path, Problem
from tuneops.datasets.tokens import NONE, Letters, Tokens, letters, likely, media_tokens
from tuneops.diagnostics import Severity

_spell = json.JSONEncoder(ensure_ascii=False).encode
_LENGTHS = {"LOW": 1200.0}
_LONGEST = 300.0


class Link(NamedTuple):
    """A file that an example names: where it says so, its address and type, and the type's kind."""

    path: Path
    uri: str
    mime_type: str
    kind: str | None


@dataclass(slots=True, kw_only=True)
class Weight:
    """One example's measures. `billed` counts a preference example's prompt twice."""

    billed: Letters
    own: Letters
    turns: int
    media: Tokens = NONE
    files: Counter[str] = field(default_factory=Counter)
    links: list[Link] = field(default_factory=list)
    """The files that it names by their address: their bytes are not in the line."""
    too_large: list[str] = field(default_factory=list)
    resolution: str = ""

    @property
    def tokens(self) -> int:
        """The tokens that the model reads, likely."""
        return likely(self.own) + self.media.likely

    @property
    def billed_tokens(self) -> int:
        """The tokens of the text that are billed, likely."""
        return likely(self.billed)


def weigh(example: Mapping[str, Any], method: Method) -> Weight:
    """Weigh an example, whatever is wrong with it."""
    prompt = _prompt_letters(example)
    contents = _list(example.get("contents"))
    own = billed = prompt
    if method is Method.PREFERENCE:
        answers = [
            _turn_letters(entry.get("completion"))
            for entry in _list(example.get("completions"))
            if isinstance(entry, dict)
        ]
        own = max((_added(prompt, answer) for answer in answers), key=likely, default=prompt)
        billed = _added(prompt, prompt, *answers)
    weight = Weight(billed=billed, own=own, turns=len(contents))
    _add_media(weight, example)
    return weight


def dropped(weight: Weight, limits: Limits) -> Iterator[Problem]:
    """Why the service would drop an example, by its limits."""
    limit = limits.example_tokens
    if limit is not None and weight.tokens > limit.most:
        what = f"about {weight.tokens:,} tokens"
        yield _drop("tokens", f"{what}; an example may have at most {limit.most:,}")
    for kind, count in weight.files.items():
        most = limits.media_files.of(kind)
        if most is not None and count > most.most:
            message = f"{count} files of the kind {kind}; an example may have {most.most}"
            yield _drop(f"files-{kind}", message)
    for why in weight.too_large:
        yield _drop("media", why)


def text_only(example: Mapping[str, Any], severity: Severity) -> Iterator[Problem]:
    """What an example of a model that learns from text alone must not hold."""
    for index, turn in enumerate(_list(example.get("contents"))):
        for at, part in enumerate(_list(turn.get("parts")) if isinstance(turn, dict) else []):
            if kinds(part) - {"text"}:
                yield Problem(
                    kind="text-only",
                    message="this model learns from text only",
                    path=("contents", index, "parts", at),
                    code="dataset-limit",
                    help="leave the part out, or tune a base model that takes files",
                    severity=severity,
                )


def _drop(kind: str, message: str) -> Problem:
    return Problem(
        kind=f"dropped-{kind}",
        message=message,
        code="dataset-dropped",
        help="the service drops such an example without training on it; shorten or split it",
        severity=Severity.WARNING,
    )


def _prompt_letters(example: Mapping[str, Any]) -> Letters:
    instruction = either(example, "systemInstruction", "system_instruction")
    turns = [instruction, *_list(example.get("contents"))]
    tools = example.get("tools")
    return _added(
        (_json_size(tools), 0, 0, 0) if tools else (0, 0, 0, 0), *map(_turn_letters, turns)
    )


def _turn_letters(turn: object) -> Letters:
    texts, others = [], 0
    for part in _parts(turn):
        for key, value in part.items():
            match KINDS.get(key):
                case "text" if isinstance(value, str):
                    texts.append(value)
                case "call" | "response":
                    others += _json_size(value)
    one, two, three, four = letters("".join(texts))
    return one + others, two, three, four


def _json_size(value: object) -> int:
    return len(_spell(value))


def _add_media(weight: Weight, example: Mapping[str, Any]) -> None:
    config = either(example, "generationConfig", "generation_config")
    line = either(config, "mediaResolution", "media_resolution") if isinstance(config, dict) else ""
    weight.resolution = _level(line)
    for index, turn in enumerate(_list(example.get("contents"))):
        for at, part in enumerate(_list(turn.get("parts")) if isinstance(turn, dict) else []):
            if not isinstance(part, dict) or is_plain_text(part):
                continue
            file = either(part, "fileData", "file_data")
            inline = either(part, "inlineData", "inline_data")
            held = file if isinstance(file, dict) else inline if isinstance(inline, dict) else None
            if held is not None:
                kind = _add_file(weight, part, held)
                if held is file:
                    weight.links.append(_link(held, kind, ("contents", index, "parts", at)))


def _link(file: Mapping[str, Any], kind: str | None, part: Path) -> Link:
    uri, mime_type = either(file, "fileUri", "file_uri"), either(file, "mimeType", "mime_type")
    return Link(
        path=part,
        uri=uri if isinstance(uri, str) else "",
        mime_type=mime_type if isinstance(mime_type, str) else "",
        kind=kind,
    )


def _add_file(weight: Weight, part: Mapping[str, Any], held: Mapping[str, Any]) -> str | None:
    """Add a file to the weight; say which kind it is."""
    mime_type = either(held, "mimeType", "mime_type")
    kind = medium(mime_type) if isinstance(mime_type, str) else None
    if kind is None:
        return None
    weight.files[kind] += 1
    level = either(part, "mediaResolution", "media_resolution")
    own = _level(level.get("level")) if isinstance(level, dict) else ""
    resolution = own or weight.resolution
    seconds = _length(either(part, "videoMetadata", "video_metadata"))
    weight.media += media_tokens(kind, resolution, seconds)
    if kind == "video" and seconds is not None and seconds > _LENGTHS.get(resolution, _LONGEST):
        longest = int(_LENGTHS.get(resolution, _LONGEST)) // 60
        weight.too_large.append(f"a video of {seconds:g} s; it may last {longest} minutes")
    return kind


def _length(metadata: object) -> float | None:
    if not isinstance(metadata, dict):
        return None
    end = seconds_of(either(metadata, "endOffset", "end_offset"))
    start = seconds_of(either(metadata, "startOffset", "start_offset")) or 0.0
    return max(end - start, 0.0) if end is not None else None


def _level(value: object) -> str:
    return value.removeprefix("MEDIA_RESOLUTION_") if isinstance(value, str) else ""


def _added(*counts: Letters) -> Letters:
    one, two, three, four = map(sum, zip(*counts, strict=True))
    return one, two, three, four


def _parts(turn: object) -> Iterator[Mapping[str, Any]]:
    for part in _list(turn.get("parts")) if isinstance(turn, dict) else []:
        if isinstance(part, dict):
            yield part


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
