"""The lock on its way: where this run reads it besides the file, and where it is written back."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from tuneops.cli.appending import append
from tuneops.cli.project import Project
from tuneops.core.desired import Target
from tuneops.core.lock import Lock
from tuneops.core.lock_changes import bare, differences
from tuneops.diagnostics import Diagnostic, Severity
from tuneops.errors import InputError, TuneopsError, Unavailable
from tuneops.github import pulls
from tuneops.render.changes import PULL_TITLE, pull_body
from tuneops.render.lines import Line
from tuneops.store.lock_refs import LockRefs
from tuneops.store.lock_travel import LockTravel, NotPushed, Reading, Sent
from tuneops.store.lockfile import LockFile
from tuneops.store.plumbing import shared_remote


@dataclass(slots=True)
class Carried:
    """What became of the lock at the end of a run."""

    mode: str
    branch: str | None = None
    commit: str | None = None
    pull_request: str | None = None
    lines: list[Line] = field(default_factory=list)
    findings: list[Diagnostic] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Say whether the lock is not where the environment wants it."""
        return any(one.severity is Severity.ERROR for one in self.findings)

    @property
    def document(self) -> dict[str, str | bool | None]:
        """The same for a machine."""
        return {
            "mode": self.mode,
            "done": not self.failed,
            "branch": self.branch,
            "commit": self.commit,
            "pullRequest": self.pull_request,
        }


def departure(project: Project, target: Target) -> LockTravel | None:
    """The way of the lock to the remote; None without one, and for an embedded emulator.

    Every checkout has an emulator of its own, so its lock goes nowhere.
    """
    if project.declaration.target.provider == "emulator":
        return None
    remote = shared_remote(project.root)
    if remote is None:
        return None
    return LockTravel(project.root, target, LockRefs(project.root, remote))


def refuse_unread(target: Target, reading: Reading) -> None:
    """Refuse to act without the locks of the remote where runs of others are known to put them.

    With `lock: commit` and `lock: branch` the newest lock is there and perhaps only there: what it
    says of a job that the service lists no more would be bought again. Where locks come back by
    hand (`file`, `artifact`), no run writes to the remote, and the checkout is what people agreed
    on: the run goes on, and the plan says what it did not see. Unavailable.
    """
    if reading.trouble is not None and target.lock in ("commit", "branch"):
        raise Unavailable(
            "the lock on the git remote cannot be read",
            notes=(reading.trouble, "nothing was bought, nothing was changed"),
            help="see that `git fetch` works here, then run the command again",
        )


def carry(target: Target, locks: LockFile, travel: LockTravel | None, seen: Lock | None) -> Carried:
    """Write the lock back as the environment says; faults become findings, never exceptions."""
    carried = Carried(mode=target.lock)
    if target.lock == "artifact":
        carried.lines.append(Line(f"Lock to keep as an artifact: {locks.shown}."))
        if path := os.environ.get("GITHUB_OUTPUT"):
            append(Path(path), f"lock={locks.shown}\n")
    elif target.lock != "file":
        try:
            if travel is None:
                raise NotPushed(
                    "the lock could not be pushed",
                    notes=("there is no git remote `origin`, and not exactly one other",),
                    help="add a remote named `origin`, or set `lock: file`",
                )
            _push(carried, target, travel, locks.load(), seen)
        except TuneopsError as fault:
            carried.findings.append(_unpushed(fault, locks.shown))
    return carried


def _push(
    carried: Carried, target: Target, travel: LockTravel, lock: Lock, seen: Lock | None
) -> None:
    onto: Literal["commit", "branch"] = "commit" if target.lock == "commit" else "branch"
    try:
        sent = travel.write_back(lock, seen, onto)
    except NotPushed as fault:
        if onto == "branch" or target.lock_branch is None:
            raise
        carried.findings.append(_warning(fault))
        sent = travel.write_back(lock, seen, "branch")
    carried.branch, carried.commit = sent.branch, sent.commit
    where = f"{travel.remote}/{sent.branch}"
    if sent.commit is not None:
        carried.lines.append(Line(f"Lock pushed to {where} at {sent.commit[:7]}."))
    if sent.ahead:
        _offer(carried, target, sent)


def _offer(carried: Carried, target: Target, sent: Sent) -> None:
    """Open or refresh the pull request of the lock branch; without it nothing is lost."""
    by_hand = f"open one by hand: {sent.branch} -> {sent.default}"
    try:
        repository = pulls.from_environment(os.environ)
        if repository is None:
            carried.lines.append(Line(f"No pull request: GH_TOKEN is not set; {by_hand}."))
            return
        changes = differences(sent.before or bare(sent.after), sent.after)
        body = pull_body(target.environment, changes)
        with pulls.open_pulls(repository) as service:
            pull = service.offer(sent.branch, sent.default, PULL_TITLE, body)
    except TuneopsError as fault:
        carried.findings.append(_warning(fault))
        return
    carried.pull_request = pull.url
    carried.lines.append(Line(f"Pull request {pull.how}: {pull.url}"))


def _warning(fault: TuneopsError) -> Diagnostic:
    return replace(fault.as_diagnostic(), severity=Severity.WARNING)


def _unpushed(fault: TuneopsError, shown: str) -> Diagnostic:
    """The finding of a run that is over and could not hand its lock on."""
    found = fault.findings[0] if isinstance(fault, InputError) else fault.as_diagnostic()
    return Diagnostic(
        code=NotPushed.code,
        message=f"finished, but the lock could not be pushed: {found.message}",
        notes=(
            *found.notes,
            f"nothing is lost: the lock is in `{shown}` and its journal",
            "the jobs carry their labels, and the next run pushes the lock",
        ),
        help=found.help,
    )
