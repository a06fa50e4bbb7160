"""Put a dataset into a bucket, under the name that its bytes give it: what `data upload` does."""

from pathlib import Path

from tuneops.cli.inspecting import read_dataset
from tuneops.cli.options import Options
from tuneops.cli.project import open_project
from tuneops.cli.services import join_store
from tuneops.datasets.digest import digest
from tuneops.datasets.files import open_file
from tuneops.datasets.limits import ANY
from tuneops.diagnostics import Diagnostic, SourceRef, has_errors
from tuneops.errors import InputError
from tuneops.gcs.names import ObjectName
from tuneops.gcs.objects import far
from tuneops.render.inert import inert
from tuneops.render.lines import Line, counted


def upload_file(chosen: Options, name: str, folder: str | None, *, kind: str | None) -> int:
    """Upload a file that has no errors, once for the same bytes; give the exit code.

    InputError before anything is sent when the file, or the place, cannot be used.
    """
    if name.startswith("gs://"):
        raise _refused(name, f"`{name[:80]}` is in a bucket already", "name a file")
    project = open_project(chosen)
    place = folder or f"{project.declaration.target.dataset_bucket}/tuneops"
    if place.startswith("/"):
        help_ = "name one, as `gs://bucket/folder`, or add `datasetBucket` to the environment"
        raise _refused(name, "the environment has no bucket for datasets", help_)
    with open_file(Path(name), name) as stream:
        local = digest(stream)
    uri = f"{place.rstrip('/')}/{local.sha256}.jsonl"
    if not place.startswith("gs://") or ObjectName.parse(uri) is None:
        raise _refused(name, f"`{place[:80]}` names no bucket", "write `gs://bucket/folder`")
    method, checked = read_dataset(chosen, name, ANY, kind)
    if has_errors(checked.findings):
        raise InputError(checked.findings)
    with join_store(project) as store:
        store.progress = lambda *sent: chosen.console.say([Line(inert(far(*sent)))])
        before = store.describe(uri)
        there = store.upload(Path(name), uri)
    if not there.dataset.same_bytes(local.as_dataset(uri)):
        message = "the file was written to while it was uploaded"
        raise _refused(name, message, f"remove `{uri}`, whose name is not of its bytes any more")
    if chosen.machine:
        chosen.console.answer_json(
            {
                "formatVersion": 1,
                "command": "data upload",
                "file": name,
                "uri": uri,
                "kind": method.value,
                "bytes": local.size,
                "crc32c": local.crc32c,
                "generation": there.evidence.generation,
                "wasThere": before is not None,
            }
        )
        return 0
    how = "was there already" if before else "uploaded"
    words = f"{counted(checked.summary.examples, 'example')}, {local.size:,} bytes: {how}."
    chosen.console.say([Line(words)])
    chosen.console.answer([Line(uri)])
    return 0


def _refused(name: str, message: str, help_: str) -> InputError:
    where = SourceRef(path=name, line=1, column=1)
    return InputError((Diagnostic(code="bad-dataset", message=message, where=where, help=help_),))
