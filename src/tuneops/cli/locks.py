"""The lock as a command reads it that asks no service."""

import os
from dataclasses import replace

from tuneops.cli.project import Project
from tuneops.core.lock import Lock
from tuneops.store.journal import Journal
from tuneops.store.lockfile import LockFile
from tuneops.vertex.endpoints import endpoints


def read_lock(project: Project) -> Lock:
    """The lock of the project's environment, journal included; InputError when it is damaged."""
    target = project.declaration.target
    if target.provider == "vertex" and endpoints(target.location, os.environ).vertex.loopback:
        target = replace(target, provider="emulator")
    return LockFile(project.root, target, Journal(project.state, target.environment)).load()
