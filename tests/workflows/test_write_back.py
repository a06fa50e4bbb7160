"""The lock travels by the workflows: from one machine to the next, through a branch of the remote.

The environment is a real one by name; the service is a served emulator, GitHub a fake on loopback.
"""

import json
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import git
from tests.e2e.conftest import write_chain
from tests.workflows.hub import TOKEN, Hub
from tuneops.emulator.application import Emulator
from tuneops.emulator.server import EmulatorServer

WORKSPACE = """\
apiVersion: tuneops.dev/v1
kind: Workspace
metadata: {name: acme}
spec:
  defaultEnvironment: local
  environments:
    local:
      provider: vertex
      project: demo-project
      location: us-central1
      datasetBucket: gs://acme-tuning
      claims: git
      lock: LOCK
"""
LOCK = "specs/tuneops.local.lock.json"
BRANCH = "tuneops/lock"


class GitHub(ThreadingHTTPServer):
    """One repository's pull requests."""

    def __init__(self) -> None:
        self.pulls: list[dict[str, Any]] = []
        self.sent: list[tuple[str, str]] = []
        self.forbidden = False
        super().__init__(("127.0.0.1", 0), Route)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Route(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        self.answer(200, self.server.pulls)

    def do_POST(self) -> None:
        if self.server.forbidden:
            self.body()
            message = "GitHub Actions is not permitted to create or approve pull requests."
            self.answer(403, {"message": message, "status": "403"})
            return
        self.server.pulls.append({"number": 1, "html_url": "https://x/pull/1", **self.body()})
        self.answer(201, self.server.pulls[0])

    def do_PATCH(self) -> None:
        self.server.pulls[0] |= self.body()
        self.answer(200, self.server.pulls[0])

    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["content-length"])))
        return found

    def answer(self, status: int, document: object) -> None:
        self.server.sent.append((self.command, self.headers["authorization"]))
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class World(Hub):
    """The hub with a small chain in it, the service, and the fake."""

    emulator: Emulator
    github: GitHub

    def share(self, lock: str) -> None:
        shutil.rmtree(self.work / "specs")
        write_chain(self.work)
        (self.work / "specs/workspace.yaml").write_text(WORKSPACE.replace("LOCK", lock))
        (self.work / ".gitignore").write_text(".tuneops/\n.venv/\n")
        self.commit("Share the lock")
        self.push("main")

    def lock(self, branch: str = BRANCH) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(git(self.origin, "show", f"{branch}:{LOCK}"))
        return found

    def states(self, branch: str = BRANCH) -> dict[str, str | None]:
        return {
            address: entry.get("state")
            for address, job in self.lock(branch)["jobs"].items()
            for entry in job["creations"].values()
        }

    def forget(self) -> None:
        """The next machine has nothing of the last one."""
        shutil.rmtree(self.cache)
        self.cache.mkdir()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    github = GitHub()
    threading.Thread(target=github.serve_forever, daemon=True).start()
    with (
        Emulator(
            tmp_path / "world.db", wall=lambda: datetime.now(UTC), wall_dates=True
        ) as emulator,
        EmulatorServer(emulator) as server,
    ):
        (tmp_path / "hub").mkdir()
        world = World(tmp_path / "hub")
        world.emulator, world.github = emulator, github
        world.environment = {
            "GOOGLE_VERTEX_BASE_URL": server.url,
            "STORAGE_EMULATOR_HOST": server.url,
            "GITHUB_REPOSITORY": "acme/specs",
            "GITHUB_API_URL": github.url,
        }
        yield world
    github.shutdown()
    github.server_close()


def test_a_lock_travels_by_a_branch_and_one_pull_request(world: World) -> None:
    world.share("branch")
    main = git(world.origin, "rev-parse", "main")
    apply = world.run("tuneops-apply", "main")
    assert apply.ok, apply.said
    assert "Pull request opened: https://x/pull/1" in apply.said
    assert world.states() == {"bot/one": "PENDING"}
    assert "Pull request is open: https://x/pull/1" in apply.said, "the last step finds it done"

    world.emulator.advance(timedelta(hours=3))
    world.forget()
    plan = world.run("tuneops-plan", "main")
    assert plan.ok and f"1 job · with origin/{BRANCH} at" in plan.said
    done = world.run("tuneops-reconcile", "main")
    assert done.ok, done.said
    assert "Pull request refreshed" in done.said
    assert world.states() == {"bot/one": "SUCCEEDED", "bot/two": "PENDING"}

    world.emulator.advance(timedelta(hours=3))
    world.forget()
    assert world.run("tuneops-reconcile", "main").ok
    assert set(world.states().values()) == {"SUCCEEDED"}
    assert len(world.emulator.jobs()) == 2, "no machine bought anything again"
    assert git(world.origin, "rev-parse", "main") == main, "only people merge"
    (pull,) = world.github.pulls
    assert (pull["head"], pull["base"]) == (BRANCH, "main")
    assert "bot/two" in pull["body"]
    assert {auth for _, auth in world.github.sent} == {"Bearer loopback"}
    assert TOKEN not in apply.said + done.said

    git(world.origin, "update-ref", "refs/heads/main", f"refs/heads/{BRANCH}")
    world.forget()
    sent = len(world.github.sent)
    merged = world.run("tuneops-reconcile", "main")
    assert merged.ok and "No changes: 2 done." in merged.said
    assert len(world.github.sent) == sent, "what is merged needs no pull request"


def test_a_pull_request_that_is_forbidden_costs_no_lock_and_no_exit_code(world: World) -> None:
    world.share("branch")
    world.github.forbidden = True
    apply = world.run("tuneops-apply", "main")
    assert apply.ok, apply.said
    assert "warning[no-pull-request]" in apply.said
    assert "Allow GitHub Actions to create and approve pull requests" in apply.said
    assert world.states() == {"bot/one": "PENDING"}


def test_a_commit_on_the_default_branch_keeps_its_checkout_the_agreed_one(world: World) -> None:
    """A run that pushed its lock, and the next of the same checkout, may still stop what is old."""
    world.share("commit")
    assert world.run("tuneops-apply", "main").ok
    assert world.states("main") == {"bot/one": "PENDING"}
    assert git(world.origin, "diff", "--name-only", "main~1", "main").split() == [LOCK]
    spec = world.work / "specs/bot.yaml"
    git(world.work, "pull", "-q", "--rebase", "origin", "main")
    spec.write_text(spec.read_text().replace("epochCount: 1", "epochCount: 2"))
    world.commit("Change the recipe")
    world.push("main")
    world.forget()
    done = world.run("tuneops-reconcile", "main")
    assert "cancelling" in done.said, done.said
    states = sorted(job["state"] for job in world.emulator.jobs())
    assert states == ["JOB_STATE_CANCELLING"] or "JOB_STATE_CANCELLED" in states


def test_a_protected_default_branch_ends_in_one_and_loses_nothing(world: World) -> None:
    world.share("commit")
    hook = world.origin / "hooks/update"
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ] || { echo protected >&2; exit 1; }\n')
    hook.chmod(0o755)
    apply = world.run("tuneops-apply", "main")
    assert [code for _, code in apply.commands] == [0, 1, 1]
    assert "finished, but the lock could not be pushed" in apply.said
    assert "nothing is lost" in apply.said and "protected" in apply.said
    assert apply.artifacts == [LOCK]
    spec = world.work / "specs/workspace.yaml"
    spec.write_text(f"{spec.read_text()}      lockBranch: machine/lock\n")
    world.commit("Name a second choice")
    hook.unlink()
    world.push("main")
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ] || { echo protected >&2; exit 1; }\n')
    hook.chmod(0o755)
    world.forget()
    again = world.run("tuneops-reconcile", "main")
    assert again.ok, again.said
    assert world.states("machine/lock") == {"bot/one": "PENDING"}
    assert len(world.emulator.jobs()) == 1
