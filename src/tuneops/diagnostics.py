"""Findings about the user's files: values, gathered and shown together, never one at a time."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters: an error stops the command before any request is sent."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SourceRef:
    """A place in a file of the user's. Lines and columns count from 1, columns in characters."""

    path: str
    line: int
    column: int
    length: int = 1
    excerpt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding: what is wrong, where, and what to type instead."""

    code: str
    message: str
    where: SourceRef | None = None
    notes: tuple[str, ...] = ()
    help: str | None = None
    severity: Severity = Severity.ERROR


def sort_key(finding: Diagnostic) -> tuple[str, int, int, str, str]:
    """Order findings by file, then line, then column, then words."""
    where = finding.where
    place = (where.path, where.line, where.column) if where else ("", 0, 0)
    return (*place, finding.code, finding.message)


def has_errors(findings: tuple[Diagnostic, ...]) -> bool:
    """Say whether any finding stops the command."""
    return any(finding.severity is Severity.ERROR for finding in findings)
