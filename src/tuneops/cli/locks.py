"""The lock as commands find it, before any service is asked."""

import os
from dataclasses import replace

from tuneops.cli.project import Project
from tuneops.core.desired import Target
from tuneops.core.lock import Lock
from tuneops.diagnostics import Diagnostic, SourceRef
from tuneops.errors import InputError
from tuneops.store import files
from tuneops.store.journal import journal_of
from tuneops.store.lockfile import LockFile, lock_path, parse
from tuneops.vertex.endpoints import endpoints


def rehearsed(target: Target) -> Target:
    """The target as its lock names it: a service on this machine is an emulator."""
    if target.provider == "vertex" and endpoints(target.location, os.environ).vertex.loopback:
        return replace(target, provider="emulator")
    return target


def read_lock(project: Project) -> Lock:
    """The lock of the project's environment, journal included; InputError when it is damaged."""
    target = rehearsed(project.declaration.target)
    return LockFile(project.root, target, journal_of(project.state, target)).load()


def refuse_renamed(project: Project, target: Target) -> None:
    """Refuse an environment without a lock beside the lock of one that is gone from the specs.

    Renamed, it would own none of its jobs, and would train them all again. InputError.
    """
    for path in sorted(lock_path(project.root, "x").parent.glob("tuneops.*.lock.json")):
        name = path.name.removeprefix("tuneops.").removesuffix(".lock.json")
        if name in (*project.resolution.environments, *target.formerly.environment):
            continue
        shown = path.relative_to(project.root).as_posix()
        gone = parse(files.read(path) or b"", shown)
        same = (gone.target, gone.project, gone.location)
        if gone.jobs and same == (target.provider, target.project, target.location):
            raise InputError(
                (
                    Diagnostic(
                        code="environment-renamed",
                        message=f"environment `{target.environment}` has no lock, and `{shown}` "
                        f"has the jobs of `{name}`, which no spec declares any more",
                        where=SourceRef(path=shown, line=1, column=1),
                        notes=("under another name, everything would be trained again",),
                        help=f"say `formerly: [{name}]` in the environment, or call it `{name}` "
                        f"again; or remove `{shown}` to begin anew",
                    ),
                )
            )
