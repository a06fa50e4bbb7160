"""The limits that a base model sets to its data: values, made from its row of the model table.

A limit that is exceeded is an error only where its row is confirmed: the rest is what pages say,
and pages have been wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tuneops.catalog.models import Model
from tuneops.diagnostics import Severity

_PAGES = "Google's supervised and preference tuning pages"

VALIDATION_FREE = 1_000
"""Up to so many examples a validation set is measured by no share of the training set."""

_TEXT_ONLY = "translation-llm-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The most of something, and who says so."""

    most: int
    source: str = _PAGES
    confirmed: bool = False

    @property
    def severity(self) -> Severity:
        """How much it matters to exceed it."""
        return Severity.ERROR if self.confirmed else Severity.WARNING


_MEDIA_PAGES = "Google's pages on tuning with images, video, audio and documents"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLimits:
    """A limit for each kind of files that examples may name; None where nothing is known."""

    image: Limit | None = None
    video: Limit | None = None
    audio: Limit | None = None
    document: Limit | None = None

    def of(self, kind: str) -> Limit | None:
        """The limit of a kind: `image`, `video`, `audio` or `document`."""
        found: Limit | None = getattr(self, kind)
        return found


def _media(most: Mapping[str, int], source: str, *, confirmed: bool = False) -> MediaLimits:
    limits = {
        kind: Limit(most=number, source=source, confirmed=confirmed)
        for kind, number in most.items()
    }
    return MediaLimits(**limits)


_MEDIA_FILES = _media({"image": 30, "video": 1, "audio": 1, "document": 4}, _MEDIA_PAGES)
_MEDIA_BYTES = _media(
    {"image": 20 << 20, "video": 100 << 20, "audio": 100 << 20, "document": 20 << 20}, _MEDIA_PAGES
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one model takes; None means that nothing is known. `size` is that of a file, in bytes.

    `validation_percent` measures a validation set by its training set, `dropped_percent` the
    examples that a job may lose before it fails. `media_files` is how many files of a kind one
    example may name, `media_bytes` how large each may be. How long sound and film may last, and how
    many pages a document may have, cannot be seen without decoding it, and is not checked.
    """

    example_tokens: Limit | None = Limit(most=131_072)
    examples: Limit | None = Limit(most=10_000_000)
    multimodal_examples: Limit | None = Limit(most=300_000)
    size: Limit | None = Limit(most=1 << 30)
    validation_examples: Limit | None = Limit(most=5_000)
    validation_percent: Limit | None = Limit(most=30)
    media_files: MediaLimits = _MEDIA_FILES
    media_bytes: MediaLimits = _MEDIA_BYTES
    dropped_percent: Limit = Limit(most=10, source="Google's page on tuning with video")
    text_only: Limit | None = None


ANY = Limits()
"""What Google's pages say of current models, for a file whose model is not known."""


def limits_of(model: Model | None) -> Limits:
    """The limits of a base model, as far as its row has them."""
    if model is None:
        return ANY
    text_only = model.id.startswith(_TEXT_ONLY)
    return Limits(
        example_tokens=_limit(model, "example_tokens"),
        examples=_limit(model, "examples"),
        size=_limit(model, "file_bytes"),
        media_files=_media_limit(model, "media_files") or ANY.media_files,
        media_bytes=_media_limit(model, "media_bytes") or ANY.media_bytes,
        validation_examples=_limit(model, "validation_examples"),
        validation_percent=None if text_only else ANY.validation_percent,
        text_only=Limit(most=0, source="Google's translation tuning pages") if text_only else None,
    )


def _limit(model: Model, fact: str) -> Limit | None:
    most = getattr(model, fact)
    if most is None:
        return None
    return Limit(most=most, source=model.source(fact), confirmed=model.confirmed(fact))


def _media_limit(model: Model, fact: str) -> MediaLimits | None:
    most = getattr(model, fact)
    if not most:
        return None
    return _media(most, model.source(fact), confirmed=model.confirmed(fact))
