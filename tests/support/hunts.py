"""Small worlds by seed for what the swarm has not: answers, disks, aliases, digests.

Each `play(seed)` draws one case, repeats it exactly, and raises AssertionError when something
happens that must not. What is true is known to the world that is played, never asked of the code.
"""

import contextlib
import errno
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from tests.support.builders import (
    a_chain,
    a_declaration,
    a_declared,
    a_graph,
    a_mark,
    a_recipe,
    a_target,
)
from tests.support.world import Runner, SimWorld
from tuneops.core.desired import ModelRef
from tuneops.core.fingerprint import lineage
from tuneops.core.labels import job_labels
from tuneops.core.observed import Checkpoint, JobState, ModelVersion, Ownership
from tuneops.core.recipe import BaseModel, HyperParameters, Method
from tuneops.core.request import JobRequest
from tuneops.diagnostics import SourceRef
from tuneops.engine.pins import pin
from tuneops.errors import DiskError, ProviderError, Rejected, Unanswered
from tuneops.http.waiting import Waiting
from tuneops.store import files
from tuneops.store.lockfile import dump, empty_lock
from tuneops.vertex.provider import VertexProvider

# --- answers: the real driver against a service behind a network that rewrites what it says -------

BASE_URL = "https://us-central1-aiplatform.googleapis.com"
DATE = "Fri, 20 Nov 2026 09:00:00 GMT"
PLACE = "projects/123456789012/locations/us-central1"
NO = (400, 401, 403, 404, 405, 413, 429)
"""What Google says only of a create that made nothing."""
PERHAPS = (408, 409, 425, 499, 500, 502, 503, 504)
"""What it says whether it made something or not."""
BROKEN = (httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.WriteError)


class Cloud:
    """A service that counts what reaches it, and knows which jobs there are."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.jobs: dict[str, dict[str, Any]] = {}
        self.posts: list[str] = []
        """The marks of the creates that came."""
        self.wrong: list[str] = []
        """What must not happen and did; an assertion here would be taken for a broken answer."""
        self.pages: dict[str, list[dict[str, Any]]] = {}

    def connect(self) -> httpx.Client:
        """A client with a connection of its own."""
        carried: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            request.read()
            if request.method == "POST" and carried:
                self.wrong.append("a create on a connection that carried something before")
            carried.append(request.method)
            create = request.method == "POST"
            return self._create(request) if create else self._list(request)

        return httpx.Client(base_url=BASE_URL, transport=httpx.MockTransport(answer))

    def _make(self, body: dict[str, Any]) -> dict[str, Any]:
        name = f"{PLACE}/tuningJobs/{len(self.jobs) + 1}"
        times = {"createTime": "2026-11-20T09:00:00Z", "updateTime": "2026-11-20T09:00:00Z"}
        job = {**body, "name": name, "state": "JOB_STATE_PENDING", **times}
        self.jobs[name] = job
        return job

    def _create(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.posts.append(body["labels"]["tuneops-attempt"])
        kind = self.dice.choice(
            ("right", "no", "perhaps", "html", "moved", "broken", "cut", "none")
        )
        if kind == "none":
            raise httpx.ConnectError("refused")
        if kind == "no":
            return _google(self.dice.choice(NO))
        made = self.dice.random() < 0.5 or kind in ("right", "cut")
        job = self._make(body) if made else {}
        if kind == "right":
            return httpx.Response(200, json=job)
        if kind == "cut":
            text = json.dumps(job)
            return httpx.Response(200, text=text[: self.dice.randrange(len(text))])
        if kind == "perhaps":
            return _google(self.dice.choice(PERHAPS))
        if kind == "html":
            return httpx.Response(self.dice.choice((200, *NO, *PERHAPS)), html="<h1>Sign in</h1>")
        if kind == "moved":
            status = self.dice.choice((301, 302, 303, 307, 308))
            return httpx.Response(status, headers={"Location": str(request.url)})
        raise self.dice.choice(BROKEN)("broken")

    def _list(self, request: httpx.Request) -> httpx.Response:
        token = request.url.params.get("pageToken")
        if token is None:
            self._cut_pages()
            token = "0"
        kind = self.dice.random()
        if kind < 0.05:
            return _google(self.dice.choice((400, 403, 429, 500, 503)))
        if kind < 0.08:
            return httpx.Response(200, html="<h1>Sign in</h1>")
        if kind < 0.1:
            raise self.dice.choice(BROKEN)("broken")
        number = int(token)
        page: dict[str, Any] = {"tuningJobs": self.pages["all"][number]["jobs"]}
        if number + 1 < len(self.pages["all"]):
            page["nextPageToken"] = str(number + 1)
        return httpx.Response(200, json=page, headers={"Date": DATE})

    def _cut_pages(self) -> None:
        """Pages of any length; an empty one is not the end."""
        left = list(self.jobs.values())
        pages: list[dict[str, Any]] = []
        while left or not pages:
            size = self.dice.randint(0, 3)
            pages.append({"jobs": left[:size]})
            left = left[size:]
        self.pages["all"] = pages


def _google(status: int) -> httpx.Response:
    error = {"code": status, "status": "FAILED_PRECONDITION", "message": "no"}
    return httpx.Response(status, json={"error": error})


def answers(seed: int) -> None:
    """Creates and lists through the real provider: what it says of a create must be true."""
    dice = random.Random(f"answers {seed}")
    cloud = Cloud(dice)
    for _ in range(dice.randint(0, 4)):
        cloud._make({})
    past: list[float] = []
    waiting = Waiting(sleep=past.append, random=lambda: 1.0, monotonic=lambda: sum(past))
    with cloud.connect() as client:
        provider = VertexProvider(
            client, project="acme", location="us-central1", fresh=cloud.connect, waiting=waiting
        )
        for number in range(dice.randint(1, 3)):
            if dice.random() < 0.7:
                _list_truly(cloud, provider)
            _create_truly(cloud, provider, a_mark(100 * seed + number))
            assert not cloud.wrong, cloud.wrong[0]


def _list_truly(cloud: Cloud, provider: VertexProvider) -> None:
    with contextlib.suppress(ProviderError):
        listed = {job.name for job in provider.list_jobs().jobs}
        assert listed == set(cloud.jobs), "the list is not all that there is"


def _create_truly(cloud: Cloud, provider: VertexProvider, mark: str) -> None:
    owner = Ownership(
        owner="acme--prod", address="router", lineage="v1-" + "a" * 52, attempt=1, mark=mark
    )
    labels = job_labels(owner)
    sent = labels["tuneops-attempt"]

    def mine() -> list[str]:
        every = cloud.jobs.items()
        return [name for name, job in every if job.get("labels", {}).get("tuneops-attempt") == sent]

    try:
        made = provider.create_job(_a_request(labels))
    except Rejected:
        assert not mine(), "it says that nothing was made"
    except Unanswered:
        pass
    else:
        assert [made.name] == mine(), "it says that another job was made"
        assert made.ownership == owner, "it is another's job"
    assert cloud.posts.count(sent) <= 1, "a create was sent twice"


def _a_request(labels: dict[str, str]) -> JobRequest:
    return JobRequest(
        method=Method.SUPERVISED,
        source=BaseModel(base_model="gemini-2.5-flash"),
        training_uri="gs://acme/train.jsonl",
        validation_uri=None,
        hyper_parameters=HyperParameters(epoch_count=3),
        last_checkpoint_only=False,
        display_name="router",
        description="",
        labels=labels,
        encryption_key=None,
        service_account=None,
    )


# --- disks: the so-many-th call into the system fails, or the process dies there ------------------

CALLS = frozenset(
    {"open", "write", "flush", "close", "fsync", "replace", "rename", "fchmod", "link", "unlink"}
)
ENDS: tuple[type[BaseException] | int, ...] = (errno.ENOSPC, errno.EIO, KeyboardInterrupt)


class Tap:
    """Sees each call into the system before and after, lets the n-th fail, and looks at a file."""

    def __init__(self, number: int, end: type[BaseException] | int, look: Callable[[], None]):
        self.number = number
        self.end = end
        self.look = look
        self.seen = 0
        self.met = ""
        self.synced = 0
        self.wrong: list[str] = []

    def __enter__(self) -> "Tap":
        sys.setprofile(self.event)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def event(self, frame: Any, event: str, call: Any) -> None:
        """Called by the interpreter."""
        name = getattr(call, "__name__", "")
        if event not in ("c_call", "c_return") or name not in CALLS:
            return
        sys.setprofile(None)
        try:
            self.look()
        except AssertionError as wrong:
            self.wrong.append(str(wrong))
        sys.setprofile(self.event)
        self.synced += event == "c_return" and name == "fsync"
        self.seen += 1
        if self.seen == self.number and event == "c_call":
            self.met = name
            sys.setprofile(None)
            if isinstance(self.end, int):
                raise OSError(self.end, os.strerror(self.end))
            raise self.end


def disks(seed: int) -> None:
    """Write or append with one call that fails: the file is whole, and no failure is hidden."""
    dice = random.Random(f"disks {seed}")
    end = dice.choice(ENDS)
    old = dice.choice((None, b"old content\n"))
    appends = dice.random() < 0.4
    new = b"new content\n" * dice.randint(1, 3)
    with tempfile.TemporaryDirectory(prefix="tuneops-hunt-") as folder:
        path = Path(folder) / "file"
        if old is not None:
            path.write_bytes(old)
        after = (old or b"") + new if appends else new

        def look() -> None:
            there = _raw(path)
            beginning = appends and there is not None and after.startswith(there)
            assert beginning or there in (old, after), "neither the old bytes nor the new"

        raised: BaseException | None = None
        with Tap(dice.randint(1, 24), end, look) as tap:
            try:
                (files.append if appends else files.write)(path, new)
            except (DiskError, KeyboardInterrupt) as stop:
                raised = stop
        look()
        assert not tap.wrong, tap.wrong[0]
        if raised is None:
            assert _raw(path) == after, "it says that it has written"
            assert tap.met != "fsync", "a sync failed, and nobody says so"
            assert tap.met or tap.synced >= 2 - (appends and old is not None), "it is not on disk"


def _raw(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)


# --- aliases: what a name means moves while jobs are bought by it ---------------------------------

MODEL = f"{PLACE}/models/55"


def aliases(seed: int) -> None:
    """Continue a tuned model by any kind of name, which moves: it is pinned once, to a number."""
    dice = random.Random(f"aliases {seed}")
    world = SimWorld(seed)
    where = SourceRef(path="specs/jobs.yaml", line=1, column=1)
    version = dice.choice(("", "1", "2", "prod", "default", "3"))
    ref = ModelRef(model=MODEL, version=version, checkpoint=dice.choice((None, "1")), where=where)
    declaration = a_declaration(a_declared(source=ref))
    for number in ("1", "2", "3"):
        world.checkpoints[f"{MODEL}@{number}"] = {
            str(n): Checkpoint(epoch=n, step=100 * n) for n in (1, 2, 3)
        }
    _move(dice, world)
    runner = Runner(world, a_graph())
    bought: set[str] = set()
    for _ in range(dice.randint(2, 5)):
        if dice.random() < 0.3:
            runner.disk.file = None
        runner.graph = pin(
            declaration,
            runner.disk.load(),
            read_file=lambda _: None,
            objects=runner,
            service=runner,
            registry=world,
        )
        runner.tick()
        world.sleep(dice.choice((60, 3600, 7200)))
        bought |= {job.ownership.lineage for job in world.jobs.values()}
        assert len(bought) <= 1, "a name that moved was a cause"
        _move(dice, world)
    live = [job for job in world.jobs.values() if job.shown.state is not JobState.CANCELLED]
    assert len(live) == 1, "it was bought once and is there"


def _move(dice: random.Random, world: SimWorld) -> None:
    """Somebody moves the aliases and the default checkpoints."""
    prod, default = dice.choice("123"), dice.choice("123")
    world.versions[MODEL] = {
        number: ModelVersion(
            name=f"{MODEL}@{number}",
            default_checkpoint=dice.choice("123"),
            aliases=tuple(
                name for name, at in (("prod", prod), ("default", default)) if at == number
            ),
        )
        for number in "123"
    }


# --- digests: the same meaning in another form ----------------------------------------------------


def digests(seed: int) -> None:
    """Numbers spelled otherwise and mappings in another order change no digest; a digit does."""
    dice = random.Random(f"digests {seed}")
    digits = "".join(dice.choice("0123456789") for _ in range(dice.randint(1, 30)))
    text = f"{dice.randint(0, 9)}.{digits}{dice.randint(1, 9)}"
    number, zeros = Decimal(text), "0" * dice.randint(0, 4)
    same = Decimal(f"{text}{zeros}") if dice.random() < 0.5 else Decimal(f"{number:e}")
    other = Decimal(f"{text}1")
    field = dice.choice(("learning_rate_multiplier", "beta"))

    def named(value: Decimal) -> str:
        return lineage(a_recipe(hyper_parameters=HyperParameters(**{field: value})))

    assert named(number) == named(same), "one number in two spellings"
    assert named(number) != named(other), "two numbers are one"
    jobs = (*a_chain("seed", "week"), *a_chain("seed", "week", name="router", nonce="r"))
    plan = Runner(SimWorld(seed), a_graph(*jobs)).plan()
    shuffled = list(plan.desired.items())
    dice.shuffle(shuffled)
    assert replace(plan, desired=dict(shuffled)).digest == plan.digest, "order shows in a plan"
    runner = Runner(SimWorld(seed), a_graph(*jobs))
    runner.tick()
    lock = runner.disk.load()
    books = list(lock.jobs.items())
    dice.shuffle(books)
    assert dump(replace(lock, jobs=dict(books))) == dump(lock), "order shows in a lock"
    assert dump(empty_lock(a_target())) != dump(lock)
