"""Find the project and read its spec files, in a stable order."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tuneops.diagnostics import Diagnostic, SourceRef
from tuneops.store import files

FOLDER = "specs"
SUFFIXES = (".yaml", ".yml")
LIMIT = 1024 * 1024
"""The largest spec file, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecFile:
    """One file as it lies on disk; `path` is relative to the project's root."""

    path: str
    content: bytes


def find_root(start: Path) -> Path | None:
    """The nearest folder, upwards from `start`, that has `specs/workspace.yaml`."""
    start = start.resolve()
    for folder in (start, *start.parents):
        with suppress(PermissionError):  # what may not be looked into is not ours
            if any((folder / FOLDER / f"workspace{suffix}").is_file() for suffix in SUFFIXES):
                return folder
    return None


def find_roots(folder: Path) -> list[Path]:
    """Every project in a folder or below it, sorted; hidden folders are not looked into."""
    found: list[Path] = []
    for here, folders, _ in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if find_root(Path(here)) == Path(here).resolve():
            found.append(Path(here))
            folders[:] = [name for name in folders if name != FOLDER]
    return found


def read_specs(root: Path) -> tuple[tuple[SpecFile, ...], tuple[Diagnostic, ...]]:
    """Every spec file below `specs/`, sorted by path; a finding for each that is no plain file."""
    found: list[SpecFile] = []
    findings: list[Diagnostic] = []
    for path in sorted((root / FOLDER).rglob("*")):
        if path.suffix not in SUFFIXES or path.name.startswith(".") or path.is_dir():
            continue
        shown = path.relative_to(root).as_posix()
        try:
            content = files.read(path)
        except files.NotARegularFileError:
            findings.append(_refused(shown, "it is not a regular file"))
            continue
        if content is None:
            continue
        if len(content) > LIMIT:
            findings.append(_refused(shown, "it is larger than 1 MiB"))
            continue
        found.append(SpecFile(path=shown, content=content))
    return tuple(found), tuple(findings)


def _refused(shown: str, why: str) -> Diagnostic:
    return Diagnostic(
        code="spec-file",
        message=f"`{shown}` is not read: {why}",
        where=SourceRef(path=shown, line=1, column=1),
        help="put a plain file of a reasonable size in its place, or move it out of `specs/`",
    )
