"""Look for the files that examples name, by their objects' metadata: none is downloaded."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING

from tuneops.cli.project import Project
from tuneops.cli.services import join_store
from tuneops.datasets.checks import Checked
from tuneops.datasets.media import Seen, media_findings
from tuneops.diagnostics import Diagnostic, Severity, SourceRef
from tuneops.errors import NoCredentials, Rejected, Unavailable

if TYPE_CHECKING:
    from tuneops.gcs.objects import GcsObjects

AT_ONCE = 8
"""So many objects are asked about at the same time."""


def media_of(project: Project, every: Sequence[Checked]) -> list[Diagnostic]:
    """The findings of the files that a project's datasets name, as its environment's login sees.

    An emulator has no such files, and reads none: there nobody looks.
    """
    if project.declaration.target.provider == "emulator" or not any(one.named for one in every):
        return []
    try:
        with join_store(project) as store:
            return look_for(store, every)
    except NoCredentials:
        return [_unseen(one) for one in every if one.named]


def look_for(store: "GcsObjects", every: Sequence[Checked]) -> list[Diagnostic]:
    """The findings of the objects that datasets name, each looked at once.

    The first that the store does not answer about is the last: the rest is said to be unseen.
    """
    silent = Event()
    uris = list(dict.fromkeys(link.uri for one in every for _, link in one.named))

    def look(uri: str) -> tuple[str, Seen | None] | None:
        if silent.is_set():
            return None
        try:
            found = store.glance(uri)
        except Unavailable as fault:
            silent.set()
            return uri, Seen(trouble=fault.message)
        except Rejected as fault:
            return uri, Seen(trouble=fault.message)
        return uri, Seen(size=found[0], content_type=found[1]) if found else None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        seen = dict(one for one in pool.map(look, uris) if one is not None)
    return [finding for one in every for finding in media_findings(one, seen)]


def _unseen(checked: Checked) -> Diagnostic:
    return Diagnostic(
        code="dataset-media",
        message="the files that it names were not looked for: there is no Google login",
        where=SourceRef(path=checked.path, line=1, column=1),
        severity=Severity.WARNING,
    )
