"""The two shapes in which Google's services say no, and the codes that go with them.

Vertex answers a google.rpc.Status with an HTTP code; Cloud Storage answers a list of reasons.
"""

from collections.abc import Mapping, Sequence
from typing import Any

_HTTP_CODES: Mapping[str, int] = {
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}


class Refusal(Exception):
    """An answer that is an error, with its HTTP code and its JSON body."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def body(self) -> dict[str, Any]:
        """Return the JSON body of the answer."""
        raise NotImplementedError


class VertexError(Refusal):
    """An error of the Vertex AI REST API: `error.status` is the canonical code (AIP-193)."""

    def __init__(
        self,
        status: str,
        message: str,
        details: Sequence[Mapping[str, Any]] = (),
        *,
        code: int | None = None,
    ) -> None:
        super().__init__(_HTTP_CODES[status] if code is None else code, message)
        self.status = status
        self.details = details

    def body(self) -> dict[str, Any]:
        """Return `{"error": {code, message, status, details?}}`."""
        error: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "status": self.status,
        }
        if self.details:
            error["details"] = [dict(detail) for detail in self.details]
        return {"error": error}


class StorageError(Refusal):
    """An error of the Cloud Storage JSON API: a list of reasons, and no status."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(code, message)
        self.reason = reason

    def body(self) -> dict[str, Any]:
        """Return `{"error": {code, message, errors: [{message, domain, reason}]}}`."""
        entry = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.code, "message": self.message, "errors": [entry]}}


def bad_request(violations: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
    """Return the `BadRequest` detail for pairs of field path and description."""
    return {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [
            {"field": field, "description": description} if field else {"description": description}
            for field, description in violations
        ],
    }


def malformed(violations: Sequence[tuple[str, str]]) -> VertexError:
    """Say that the payload does not fit the message: what the JSON front end answers."""
    message = "\n".join(description for _, description in violations)
    return VertexError("INVALID_ARGUMENT", message, (bad_request(violations),))


def unacceptable(violations: Sequence[tuple[str, str]]) -> VertexError:
    """Say that well-formed fields hold unusable values: the tab-joined list of the service."""
    listed = "".join(
        f"{number}.Field: {field}; Message: {description}\t"
        for number, (field, description) in enumerate(violations, start=1)
    )
    return VertexError(
        "INVALID_ARGUMENT", f"List of found errors:\t{listed}", (bad_request(violations),)
    )


def invalid(message: str) -> VertexError:
    """Say 400 INVALID_ARGUMENT without details."""
    return VertexError("INVALID_ARGUMENT", message)


def not_found(kind: str, name: str) -> VertexError:
    """Say 404 in the wording that the service uses for endpoints."""
    return VertexError("NOT_FOUND", f'{kind} "{name}" not found')


def precondition(message: str) -> VertexError:
    """Say 400 FAILED_PRECONDITION: the request is good but the resource is not in a fit state."""
    return VertexError("FAILED_PRECONDITION", message)


def exhausted(subject: str, metric: str, value: str) -> VertexError:
    """Say 429 RESOURCE_EXHAUSTED, with the quota that is used up; the wording is ours."""
    violation = {"subject": subject, "quotaMetric": metric, "quotaValue": value}
    return VertexError(
        "RESOURCE_EXHAUSTED",
        f"quota metric {metric} exhausted",
        ({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]},),
    )
