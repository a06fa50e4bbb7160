"""The lock as a command reads it that asks no service."""

from tuneops.cli.project import Project
from tuneops.core.lock import Lock
from tuneops.store.journal import Journal
from tuneops.store.lockfile import LockFile


def read_lock(project: Project) -> Lock:
    """The lock of the project's environment, journal included; InputError when it is damaged."""
    target = project.declaration.target
    return LockFile(project.root, target, Journal(project.state, target.environment)).load()
