"""An answer as a value, and what a refusal of Google's looks like.

A status alone proves nothing: proxies and portals speak HTTP too. Only a body that repeats the
status in Google's own form (AIP-193; Cloud Storage has a form of its own) is Google speaking.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tuneops.errors import NotFound, ProviderError, Rejected, Unavailable
from tuneops.redaction import hide

TEXT_LIMIT = 500
"""The longest text of a service that is passed on, in characters."""

RPC_STATUSES = frozenset(
    {
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    }
)
"""The words of google/rpc/code.proto, OK aside."""

_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")
_VIOLATIONS_LIMIT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, read to its end. `document` is its JSON value, or None where it has none."""

    host: str
    status: int
    headers: Mapping[str, str]
    document: object
    beginning: str
    """The first characters of the body, for showing."""

    @property
    def date(self) -> datetime | None:
        """The service's clock, from the `Date` header; None when that is missing or garbled."""
        return _http_date(self.headers.get("date", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What Google said, taken out of an error body whose code is the status it came with."""

    status: int
    reason: str
    message: str
    violations: tuple[str, ...] = ()
    permission: str = ""
    delay: float | None = None


def cap(text: str) -> str:
    """Cut text of a service to the length that is passed on, and hide what looks like a secret."""
    text = hide(text[: 2 * TEXT_LIMIT])
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


def read_refusal(answer: Answer) -> Refusal | None:
    """Take Google's words out of an answer; None when it is not Google who refuses."""
    document = answer.document
    if isinstance(document, list) and len(document) == 1:  # some old front ends do this
        document = document[0]
    error = document.get("error") if isinstance(document, dict) else None
    if not isinstance(error, dict) or error.get("code") != answer.status:
        return None
    details = [item for item in _list(error.get("details")) if isinstance(item, dict)]
    return Refusal(
        status=answer.status,
        reason=_reason(error),
        message=cap(_text(error.get("message")) or "no reason given"),
        violations=tuple(_violations(details))[:_VIOLATIONS_LIMIT],
        permission=_permission(details),
        delay=_retry_delay(details),
    )


def rejected(refusal: Refusal) -> Rejected:
    """The definite no that a refusal is, with the field paths of its violations as notes."""
    message = refusal.message
    if refusal.permission and refusal.permission not in message:
        message = f"{message} (missing permission: {refusal.permission})"
    kind = NotFound if refusal.status == 404 else Rejected
    return kind(message, status=refusal.status, reason=refusal.reason, notes=refusal.violations)


def refused(answer: Answer) -> ProviderError:
    """The fault that an answer to a read is when it is not the answer that was wanted."""
    refusal = read_refusal(answer)
    if refusal is not None and 400 <= answer.status < 500:
        return rejected(refusal)
    return Unavailable(f"{answer.host}: {oddity(answer)}")


def oddity(answer: Answer) -> str:
    """Say in words what is strange about an answer that cannot be believed."""
    refusal = read_refusal(answer)
    if refusal is not None:
        return f"{answer.status} {refusal.reason}: {refusal.message}"
    kind = answer.headers.get("content-type", "").partition(";")[0] or "nothing"
    if 300 <= answer.status < 400:
        target = cap(answer.headers.get("location", "somewhere else"))
        return f"answered {answer.status}, pointing to {target}; redirects are never followed"
    if answer.document is None:
        shown = f": {answer.beginning}" if answer.beginning else ""
        return f"answered {answer.status} with unreadable {kind}; a proxy may be in the way{shown}"
    return f"answered {answer.status} with {kind} of an unexpected shape"


def asked_delay(answer: Answer) -> float | None:
    """The wait that the service asks for, in seconds: `Retry-After`, else `RetryInfo`."""
    header = answer.headers.get("retry-after", "").strip()
    if header.isascii() and header.isdigit():
        return float(header[:9])
    until, now = _http_date(header), answer.date
    if until and now:
        return max(0.0, (until - now).total_seconds())
    refusal = read_refusal(answer)
    return refusal.delay if refusal else None


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
        return date.replace(tzinfo=date.tzinfo or UTC).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _reason(error: Mapping[str, object]) -> str:
    status = error.get("status")
    if isinstance(status, str):
        return cap(status)
    for item in _list(error.get("errors")):  # Cloud Storage names its reasons here
        if isinstance(item, dict) and isinstance(item.get("reason"), str):
            return cap(item["reason"])
    return ""


def _violations(details: list[dict[str, object]]) -> Iterator[str]:
    for detail in _of_type(details, "BadRequest"):
        for violation in _list(detail.get("fieldViolations")):
            if isinstance(violation, dict):
                field, words = _text(violation.get("field")), _text(violation.get("description"))
                yield cap(f"{field}: {words}" if field and words else field or words)


def _permission(details: list[dict[str, object]]) -> str:
    for detail in _of_type(details, "ErrorInfo"):
        metadata = detail.get("metadata")
        if isinstance(metadata, dict) and isinstance(metadata.get("permission"), str):
            return cap(metadata["permission"])
    return ""


def _retry_delay(details: list[dict[str, object]]) -> float | None:
    for detail in _of_type(details, "RetryInfo"):
        delay = _DELAY.fullmatch(_text(detail.get("retryDelay")))
        if delay:
            return float(delay[1])
    return None


def _of_type(details: list[dict[str, object]], name: str) -> Iterator[dict[str, object]]:
    for detail in details:
        if _text(detail.get("@type")).endswith(f"/google.rpc.{name}"):
            yield detail


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
