"""The project as it lies on disk: its specs read, checked and resolved for one environment."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tuneops.catalog.models import Model, Table, table
from tuneops.cli.options import Options
from tuneops.core.desired import DatasetRef, Declaration
from tuneops.core.recipe import Dataset, Evidence
from tuneops.datasets.digest import Digest, digest
from tuneops.diagnostics import Diagnostic, SourceRef, has_errors, sort_key
from tuneops.engine.ports import StoredObject
from tuneops.errors import DiskError, InputError
from tuneops.spec.load import load
from tuneops.spec.near import meant
from tuneops.spec.resolve import Resolution
from tuneops.spec.rules.data import DataUse
from tuneops.spec.text import SourceText, decode
from tuneops.store.specs import find_root, read_specs

if TYPE_CHECKING:
    from tuneops.datasets.checks import DatasetSummary

STATE = ".tuneops"
"""The folder below the root for what is not in git: the emulator, the journal, local claims."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A root folder and what its specs say; `findings` has no error if `declaration` is used."""

    root: Path
    files: int
    resolution: Resolution
    findings: tuple[Diagnostic, ...]
    specs: tuple[str, ...] = ()
    """The spec files that were read, from the root."""
    overrides: tuple[str, ...] = ()
    """The variables of the specs that were given from outside."""
    summaries: dict[tuple[str, str], "DatasetSummary"] = field(default_factory=dict)
    """What datasets amount to, by location and method, as far as a run has read all of them."""

    @property
    def state(self) -> Path:
        """The folder for what is not in git; made on first use, and ignored by git."""
        folder = self.root / STATE
        try:
            folder.mkdir(exist_ok=True)
            ignore = folder / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
        except OSError as fault:
            raise DiskError(
                f"the folder `{STATE}` cannot be used: {fault.strerror}",
                help="look at what lies there; tuneops keeps its journal and its claims in it",
            ) from fault
        return folder

    @property
    def declaration(self) -> Declaration:
        """What the specs say; InputError with all findings when they cannot be used."""
        if has_errors(self.findings) or self.resolution.declaration is None:
            raise InputError(self.findings)
        return self.resolution.declaration

    def read_files(self) -> tuple[str, ...]:
        """All that a run reads: the specs, and the datasets that lie below the root."""
        named = {ref.location for _, ref in self.declaration.datasets() if ref.is_local}
        return (*self.specs, *sorted(named))

    def file(self, location: str) -> Path:
        """Where a dataset of the project lies."""
        return self.root / location

    def read_file(self, location: str) -> StoredObject | None:
        """Digest a dataset of the project, once as long as its file shows no change; or None.

        For decisions only: the check just before a create is `read_again`. InputError when the file
        is there and cannot be read.
        """
        path = self.file(location)
        with _readable(location):
            if not path.is_file():
                return None
            seen = path.stat()
            stamps = seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns
            return _stored(location, digest_once(path, stamps))

    def read_again(self, location: str) -> StoredObject | None:
        """Digest a dataset of the project as it is now, whatever was read before; or None."""
        path = self.file(location)
        with _readable(location):
            return _stored(location, _digest(path)) if path.is_file() else None


@contextlib.contextmanager
def _readable(location: str) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        where = SourceRef(path=location, line=1, column=1)
        raise InputError((_unread(location, fault, where),)) from fault


def _unread(location: str, fault: OSError, where: SourceRef) -> Diagnostic:
    return Diagnostic(
        code="dataset-file",
        message=f"dataset `{location}` cannot be read: {fault.strerror}",
        where=where,
        help="look at who may read the file, and the folders above it",
    )


def _digest(path: Path) -> Digest:
    with path.open("rb") as stream:
        return digest(stream)


@cache
def digest_once(path: Path, _stamps: tuple[int, ...]) -> Digest:
    """A file's digest as long as this process lives and nobody writes to the file.

    A write that leaves all stamps as they were, within one tick of the system's clock, is seen by
    the check before the create.
    """
    return _digest(path)


def _stored(location: str, found: Digest) -> StoredObject:
    return StoredObject(
        dataset=Dataset(uri=location, size=found.size, crc32c=found.crc32c),
        evidence=Evidence(md5=found.md5, sha256=found.sha256, examples=found.lines),
    )


def open_project(
    options: Options,
    variables: Mapping[str, str] | None = None,
    suppositions: Sequence[str] = (),
    instead: Sequence[SourceText] = (),
) -> Project:
    """Read the specs of the project around the working directory; findings are gathered.

    `suppositions` are laid over them, for plans that nobody may apply. `instead` are texts that are
    about to be written in place of what lies there.
    """
    start = options.directory or Path.cwd()
    root = find_root(start)
    if root is None:
        raise InputError((no_project(start),))
    specs, findings = read_specs(root)
    texts: list[SourceText] = []
    more: list[Diagnostic] = []
    names = tuple(spec.path for spec in specs)
    for text in (decode(spec.path, spec.content) for spec in specs):
        (more if isinstance(text, Diagnostic) else texts).append(text)  # type: ignore[arg-type]
    new = {text.path: text for text in instead}
    texts = [new.get(text.path, text) for text in texts]
    del specs  # their bytes take as much memory as the texts
    given = {
        name.removeprefix("TUNEOPS_VAR_").lower(): value
        for name, value in os.environ.items()
        if name.startswith("TUNEOPS_VAR_")
    }
    given |= variables or {}
    resolution = load(
        texts,
        environment=options.environment,
        variables=given,
        env=os.environ,
        suppositions=suppositions,
    )
    everything = [*findings, *more, *resolution.findings]
    everything += dict.fromkeys(_unusable_files(root, resolution.data))
    return Project(
        root=root,
        files=len(names),
        resolution=resolution,
        findings=tuple(sorted(everything, key=sort_key)),
        specs=names,
        overrides=tuple(sorted(given)),
    )


def _unusable_files(root: Path, uses: Iterable[DataUse]) -> Iterator[Diagnostic]:
    usable = cache(lambda location: is_inside(root / location, root))
    for use in uses:
        for ref in (use.training, use.validation):
            if ref is None or not ref.is_local:
                continue
            try:
                if not usable(ref.location):
                    yield _unusable(root / ref.location, ref)
            except OSError as fault:
                yield _unread(ref.location, fault, ref.where)


def is_inside(path: Path, root: Path) -> bool:
    """Say whether a path is a regular file, by a link or not, that lies below the root.

    A link in a pull request must not make a run read, or upload, a file of the machine's.
    """
    try:
        return path.is_file() and path.resolve().is_relative_to(root.resolve())
    except OSError:  # below a folder that may not be looked into
        return False


def _unusable(path: Path, ref: DatasetRef) -> Diagnostic:
    name = f"dataset `{ref.location}`"
    code, message, help_ = (
        "dataset-missing",
        f"{name} does not exist",
        "the path is relative to the spec file; write the file first, or mend the path",
    )
    if path.is_file():
        code, message = "outside-project", f"{name} is a link to a file outside the project"
        help_ = "copy the file into the project, or name an object: `gs://bucket/object.jsonl`"
    elif path.exists():
        code, message = "dataset-file", f"{name} is not a regular file"
        help_ = "look at what lies there: a folder, a pipe or a device holds no examples"
    return Diagnostic(code=code, message=message, where=ref.where, help=help_)


def known_models(chosen: Options) -> Table:
    """The model table of the project; ours alone where there is no project."""
    try:
        return open_project(chosen).resolution.models
    except InputError as outside:
        if outside.findings[0].code != "no-project":
            raise
        return table()


def named_model(known: Table, name: str) -> Model:
    """The row of a model; InputError when the table has none."""
    row = known.find(name)
    if row is None:
        message = f"`{name[:80]}` is not in the model table"
        help_ = meant(name, known.models, "its models")
        raise InputError((Diagnostic(code="unknown-model", message=message, help=help_),))
    return row


def no_fleet(folder: Path) -> Diagnostic:
    """The finding for a folder below which there is no project."""
    return Diagnostic(
        code="no-project",
        message=f"no `specs/workspace.yaml` in any folder below `{folder}`",
        help="name the folder that holds the workspaces",
    )


def no_project(start: Path) -> Diagnostic:
    """The finding for a folder that is in no project."""
    return Diagnostic(
        code="no-project",
        message=f"no `specs/workspace.yaml` in `{start}` or above it",
        help="change to your project, or name it with `--directory DIR`; `tuneops demo` makes one "
        "to look at",
    )
