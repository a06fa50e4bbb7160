"""A service and some checkouts in this process, worked with by the real command line.

The service is the emulator behind a clock that only the test moves; the checkouts reach it as they
would reach a served one (provider `vertex`, a loopback address), without a socket unless a test
gives one. Whatever waits moves the clock instead. Every run is given secrets, and none may be seen
in what it leaves behind.
"""

import contextlib
import gc
import io
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import httpx

from tests.support import canary
from tests.support.builders import NOON
from tuneops.cli import main, project, services
from tuneops.emulator.application import Emulator, Settings
from tuneops.engine import execute
from tuneops.http.waiting import Waiting
from tuneops.store import files
from tuneops.vertex import auth as logins

SETTLE = timedelta(minutes=15)
PROJECT, LOCATION = "demo-project", "us-central1"
CLAIMS = "gs://acme-claims/tuneops"
FOREIGN = ("TUNEOPS_", "GOOGLE_", "STORAGE_", "CLOUDSDK_", "GITHUB_", "HTTP", "http")

WORKSPACE = f"""\
apiVersion: tuneops.dev/v1
kind: Workspace
metadata: {{name: acme}}
spec:
  environments:
    prod:
      provider: vertex
      project: {PROJECT}
      location: {LOCATION}
      datasetBucket: gs://acme-data
      claims: {CLAIMS}
"""


TRUST = httpx.create_ssl_context()
"""Whom to believe, read once: nobody here speaks TLS."""


class Killed(BaseException):
    """The process ends here, as far as a process can end inside another."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All that was printed."""
        return self.out + self.err


@dataclass(slots=True)
class Clock:
    """The wall clock of everybody, moved by hand."""

    now: datetime = NOON
    _alone: Any = field(default_factory=threading.Lock)

    def read(self) -> datetime:
        """What time it is."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        with self._alone:
            self.now += timedelta(seconds=seconds)


class Fuse:
    """Counts effects and local writes; at the chosen one the process is killed.

    With `meanwhile`, it lives on, and that is what others do just then.
    """

    def __init__(
        self,
        number: int = 0,
        *,
        after: bool = False,
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        self.number, self.after = number, after
        self.meanwhile = meanwhile
        self.count = 0

    def _strike(self) -> None:
        if self.meanwhile is None:
            raise Killed
        self.meanwhile()

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Count each call, and die before or after the chosen one."""

        def counted(*arguments: Any, **more: Any) -> Any:
            self.count += 1
            mine = self.count == self.number
            if mine and not self.after:
                self._strike()
            answer = call(*arguments, **more)
            if mine and self.after:
                self._strike()
            return answer

        return counted


Meddler = Callable[[httpx.Request], httpx.Response | None]
"""Somebody on the way: may answer instead of the service, or raise what httpx would raise."""


class InProcess(httpx.WSGITransport):
    """The way to the emulator without a socket; a lost answer is lost as on a wire."""

    def __init__(self, app: Any, meddler: Meddler) -> None:
        super().__init__(app=app)
        self._meddler = meddler

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Ask the emulator, or whoever is on the way to it."""
        if (instead := self._meddler(request)) is not None:
            return instead
        try:
            response = super().handle_request(request)
            response.read()
        except OSError as lost:
            raise httpx.ReadError(str(lost), request=request) from lost
        return response


class Service:
    """An emulator on a clock of its own, and the bookkeeping of what was asked of it."""

    def __init__(self, folder: Path, settings: Settings = Settings()) -> None:  # noqa: B008
        self.clock = Clock()
        self.folder = folder
        self.emulator = Emulator(
            folder / "emulator.db",
            wall=self.clock.read,
            wall_dates=True,
            settings=settings,
            sleep=self.clock.sleep,
        )
        self.posts: Counter[str] = Counter()
        """How often the server saw a create of each mark."""
        self.keys: dict[str, str] = {}
        """The creation key that each mark was sent for: lineage and attempt."""
        self.asked = 0
        """All requests."""
        self.changes = 0
        """Requests that may change something: everything but reads."""
        self.cancels: list[str] = []
        """The jobs that somebody was asked over the API to stop, not by hand."""
        self.clones: set[str] = set()
        """Jobs that somebody copied in the console, labels and all."""
        self.wasted: list[str] = []
        """Creates of a lineage that was live or had succeeded: never, but for late lists."""
        self.pace = 1.0
        """How many seconds pass while somebody waits for one."""
        self._counting = threading.Lock()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Answer one request, and count it."""
        body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else b""
        self.note(environ["REQUEST_METHOD"], environ["PATH_INFO"], body)
        return self.emulator({**environ, "wsgi.input": io.BytesIO(body)}, start_response)

    def note(self, method: str, path: str, body: bytes) -> None:
        """Count a request that has arrived, whatever becomes of its answer."""
        with self._counting:
            self.asked += 1
            self.changes += method not in ("GET", "HEAD")
            if method == "POST" and path.endswith(":cancel"):
                self.cancels.append(path.removeprefix("/v1/").removesuffix(":cancel"))
            if method == "POST" and path.endswith("/tuningJobs"):
                labels = json.loads(body)["labels"]
                attempt, _, mark = labels["tuneops-attempt"].rpartition("-")
                self.posts[mark] += 1
                self.keys[mark] = f"{labels['tuneops-lineage']} {attempt}"
                if any(_useful(job, labels) for job in self.jobs):
                    self.wasted.append(mark)

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """Every job that was ever made."""
        return self.emulator.jobs()

    def by_key(self) -> Counter[str]:
        """How many jobs each creation key has."""
        found: Counter[str] = Counter()
        for job in self.jobs:
            labels = job.get("labels", {})
            if labels.get("managed-by") == "tuneops" and job["name"] not in self.clones:
                attempt = labels["tuneops-attempt"].rpartition("-")[0]
                found[f"{labels['tuneops-owner']} {labels['tuneops-lineage']} {attempt}"] += 1
        return found

    def client(self) -> httpx.Client:
        """A way in for everybody else; what goes through it is not counted."""
        transport = httpx.WSGITransport(app=self.emulator)
        headers = {"Authorization": "Bearer emulator"}
        return httpx.Client(transport=transport, base_url="http://127.0.0.1", headers=headers)

    def by_hand(self, path: str, body: dict[str, Any]) -> None:
        """What somebody does in the console, who meets the faults of the day as well."""
        with self.client() as client, contextlib.suppress(OSError):
            client.post(path, json=body)

    def land(self, request: httpx.Request) -> None:
        """A create that was on its way for long arrives; nobody waits for its answer."""
        self.note("POST", request.url.path, request.content)
        self.by_hand(request.url.path, json.loads(request.content))

    def clone(self, job: dict[str, Any], *, same: bool) -> None:
        """Copy a job in the console, with its labels; `same` keeps its settings too."""
        kept = (
            "baseModel",
            "preTunedModel",
            "supervisedTuningSpec",
            "labels",
            "description",
            "tunedModelDisplayName",
        )
        body = {name: job[name] for name in kept if name in job}
        if not same:
            spec = body["supervisedTuningSpec"]
            body["supervisedTuningSpec"] = {**spec, "hyperParameters": {"epochCount": "7"}}
        place, _, _ = job["name"].rpartition("/")
        before = {other["name"] for other in self.jobs}
        self.by_hand(f"/v1/{place}", body)
        self.clones |= {other["name"] for other in self.jobs} - before

    def stored(self, bucket: str) -> list[str]:
        """The names of a bucket's objects."""
        with self.client() as client:
            found = client.get(f"/storage/v1/b/{bucket}/o").json()
        return [item["name"] for item in found.get("items", [])]

    def store(self, bucket: str, name: str, content: bytes, type: str | None = None) -> None:
        """Put an object there, over whatever lies there."""
        with self.client() as client:
            parameters = {"name": name, "uploadType": "media"}
            path = f"/upload/storage/v1/b/{bucket}/o"
            headers = {"Content-Type": type} if type else {}
            client.post(
                path, params=parameters, content=content, headers=headers
            ).raise_for_status()

    def check(self) -> None:
        """At most one job a creation key, and one POST a mark, at every instant."""
        assert max(self.by_key().values(), default=0) <= 1, f"bought twice: {self.by_key()}"
        assert max(self.posts.values(), default=0) <= 1, f"sent twice: {self.posts}"

    def close(self) -> None:
        """Give the database up, with the log of requests, in which no secret is."""
        self.emulator.close()
        assert not (seen := canary.leaks(*self.folder.glob("emulator*"))), f"a secret is in {seen}"


def _useful(job: dict[str, Any], labels: dict[str, str]) -> bool:
    """Say whether a job makes buying another one with these labels a waste."""
    names = ("tuneops-owner", "tuneops-lineage")
    same = all(job.get("labels", {}).get(name) == labels[name] for name in names)
    return same and ("endTime" not in job or job["state"] == "JOB_STATE_SUCCEEDED")


class Desk:
    """Runs commands in this process, against one service, as if each were a process."""

    def __init__(self, service: Service, url: str = "http://127.0.0.1:9") -> None:
        self.service = service
        self.url = url
        self.socket = url != "http://127.0.0.1:9"
        self.meddler: Meddler = lambda _: None

    def run(self, folder: Path, *words: str, fuse: Fuse | None = None, **env: str) -> Done:
        """Run one command; -9 when its fuse killed it."""
        project.digest_once.cache_clear()
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        heard = (contextlib.redirect_stdout(out), contextlib.redirect_stderr(err))
        with self._around(fuse, env), heard[0], heard[1]:
            try:
                code = main.run(["-C", str(folder), *words])
            except Killed:
                code = -9
        done = Done(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))  # type: ignore[attr-defined]
        assert not (seen := canary.leaks(folder, said=done.said)), f"a secret is in {seen}"
        return done

    @contextlib.contextmanager
    def _around(self, fuse: Fuse | None, env: dict[str, str]) -> Iterator[None]:
        before = (gc.get_threshold(), *map(signal.getsignal, (signal.SIGTERM, signal.SIGHUP)))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        kept |= canary.ENVIRONMENT
        kept |= {"CI": "false", "GOOGLE_VERTEX_BASE_URL": self.url, **env}
        clock = self.service.clock

        def nap(_: object, seconds: float) -> None:
            clock.sleep(seconds * self.service.pace)

        waiting = Waiting(sleep=clock.sleep)
        with contextlib.ExitStack() as stack:
            enter = stack.enter_context
            enter(mock.patch.dict(os.environ, kept, clear=True))
            enter(mock.patch.object(services, "Waiting", lambda: waiting))
            enter(mock.patch.object(services, "_wall", clock.read))
            enter(mock.patch.object(logins, "_LOOPBACK_TOKEN", canary.BEARER))
            enter(mock.patch.object(services.RealClock, "sleep", nap))
            enter(mock.patch.object(httpx, "create_ssl_context", lambda: TRUST))
            if not self.socket:
                enter(mock.patch.object(services, "open_client", self._client))
            if fuse is not None:
                enter(mock.patch.object(execute, "perform", fuse.around(execute.perform)))
                enter(mock.patch.object(files, "write", fuse.around(files.write)))
                enter(mock.patch.object(files, "append", fuse.around(files.append)))
            try:
                yield
            finally:
                gc.set_threshold(*before[0])
                signal.signal(signal.SIGTERM, before[1])
                signal.signal(signal.SIGHUP, before[2])

    def _client(self, base_url: str, auth: httpx.Auth, *, reuse: bool = True) -> httpx.Client:
        return httpx.Client(
            transport=InProcess(self.service, lambda request: self.meddler(request)),
            base_url=base_url,
            auth=auth,
            trust_env=False,
        )
