"""Datasets: one JSON Lines object in Cloud Storage, or one file of this project."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from posixpath import dirname, normpath

from tuneops.core.address import Address
from tuneops.core.desired import DatasetRef
from tuneops.core.recipe import Method
from tuneops.diagnostics import Diagnostic, SourceRef
from tuneops.spec.nodes import Scalar, find
from tuneops.spec.project import Draft, Project
from tuneops.spec.rules.sources import method, method_key, training

TRAINING = "trainingDatasetUri"
VALIDATION = "validationDatasetUri"

_OBJECT = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]/(?P<object>[^\s?#*\[\]]+)")
_FORM = "`gs://bucket/object.jsonl`, or a `.jsonl` file named relative to this spec"
_RESOURCE = re.compile(r"projects/[^/]+/locations/[^/]+/datasets/[^/]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataUse:
    """The data of one job, for which method and, as far as the specs say, which base model."""

    address: Address
    method: Method
    base_model: str | None
    training: DatasetRef | None
    validation: DatasetRef | None


@dataclass(frozen=True, slots=True)
class _Bad:
    code: str
    message: str
    help: str | None = None


def dataset(draft: Draft, field: str) -> DatasetRef | None:
    """A dataset of a job, if it is named and can be read."""
    node = _node(draft, field)
    location = _locate(node) if node else None
    if node is None or location is None or isinstance(location, _Bad):
        return None
    return DatasetRef(location=location, where=node.span.where)


def _node(draft: Draft, field: str) -> Scalar | None:
    if training(draft) is None:
        return None
    found = find(draft.root, (method_key(draft), field))
    return found if isinstance(found, Scalar) and not found.is_null else None


def _locate(node: Scalar) -> str | _Bad:
    """The URI, or the path from the project's root."""
    uri = node.text
    if uri.startswith("gs://"):
        return _object(uri)
    if _RESOURCE.fullmatch(uri):
        return _Bad(
            "not-supported",
            "a Vertex dataset resource is not supported by tuneops 0.1 yet",
            "what it holds cannot be pinned; name the JSON Lines object: `gs://bucket/object.jsonl`",
        )
    if ":" in uri or uri.startswith(("/", "~", "\\")) or "\\" in uri:
        return _Bad("bad-dataset", f'a dataset is {_FORM}, not "{_cut(uri)}"')
    return _file(uri, dirname(node.span.source.path))


def _object(uri: str) -> str | _Bad:
    found = _OBJECT.fullmatch(uri)
    parts = found["object"].split("/") if found else []
    if not found or len(uri) > 1024 or not all(parts) or {".", ".."} & set(parts):
        return _Bad("bad-dataset", f'a dataset is {_FORM}, not "{_cut(uri)}"')
    return uri if uri.endswith(".jsonl") else _not_jsonl(uri)


@lru_cache(maxsize=1000)
def _file(name: str, folder: str) -> str | _Bad:
    if not name.strip() or name.endswith("/") or re.search(r"[*?\[\]\n]", name):
        return _Bad("bad-dataset", f'a dataset is {_FORM}, not "{_cut(name)}"')
    path = normpath(f"{folder or '.'}/{name}")
    if path == ".." or path.startswith("../"):
        return _Bad(
            "outside-project",
            f"`{_cut(name)}` lies outside the project",
            "copy the file into the project, or name an object: `gs://bucket/object.jsonl`",
        )
    return path if path.endswith(".jsonl") else _not_jsonl(name)


def _not_jsonl(name: str) -> _Bad:
    return _Bad(
        "bad-dataset",
        f'a dataset is a JSON Lines file with a name in `.jsonl`, not "{_cut(name)}"',
    )


def _cut(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}…"


def _every(project: Project) -> Iterator[tuple[Draft, Scalar]]:
    for draft in project.enabled():
        for field in (TRAINING, VALIDATION):
            if node := _node(draft, field):
                yield draft, node


def data_uses(project: Project) -> Iterator[DataUse]:
    """The data of every job, however much else is wrong with the project."""
    for draft in project.enabled():
        how = method(draft)
        if how is not None:
            yield DataUse(
                address=draft.address,
                method=how,
                base_model=project.origin(draft).spec.base_model,
                training=dataset(draft, TRAINING),
                validation=dataset(draft, VALIDATION),
            )


def datasets_are_readable(project: Project) -> Iterator[Diagnostic]:
    """A dataset has a form that tuneops can pin."""
    for _, node in _every(project):
        found = _locate(node)
        if isinstance(found, _Bad):
            yield _finding(found, node.span.where)


def _finding(bad: _Bad, where: SourceRef) -> Diagnostic:
    return Diagnostic(code=bad.code, message=bad.message, where=where, help=bad.help)


def datasets_differ(project: Project) -> Iterator[Diagnostic]:
    """Checked on its training data, a model looks better than it is."""
    for draft in project.enabled():
        check = dataset(draft, VALIDATION)  # most have none
        train = dataset(draft, TRAINING) if check else None
        if train and check and train.location == check.location:
            yield Diagnostic(
                code="same-dataset",
                message=f"`{draft.address}` is checked on the data that it is trained on",
                where=check.where,
                help="name other examples, or leave `validationDatasetUri` out",
            )


def local_data_has_a_bucket(project: Project) -> Iterator[Diagnostic]:
    """The service reads from Cloud Storage alone, so that files are uploaded first."""
    place = project.place
    if place is None or place.provider != "vertex" or place.dataset_bucket is not None:
        return
    for _, node in _every(project):
        found = _locate(node)
        if isinstance(found, str) and not found.startswith("gs://"):
            yield Diagnostic(
                code="no-dataset-bucket",
                message=f"environment `{project.environment}` has no bucket to upload "
                f"`{_cut(found)}` to",
                where=node.span.where,
                help="add `datasetBucket: gs://…` to the environment, or name a `gs://` object",
            )
