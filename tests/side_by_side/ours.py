"""The stories, lived through by tuneops: real processes and signals, an emulator that is served."""

import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Nursery
from tests.side_by_side.table import Outcome, judged
from tests.support.breaking import Breakage, BreakingServer, Wire
from tests.support.commands import FOREIGN
from tests.support.story import APPLY, HOURS, Story

ESCAPE = b"\x1b[2J\x1b]0;gone\x07"
SECRET = "ya29.a0AfB_byC" + "d1" * 30


class Shop:
    """A project, a served emulator, and two nurseries of processes."""

    def __init__(self, folder: Path, server: BreakingServer, nurseries: list[Nursery]) -> None:
        self.folder = folder
        self.server = server
        self.nurseries = nurseries
        self.story: Story

    def run(self, *words: str, where: Path | None = None, who: int = 0, **more: Any) -> int:
        """Run a command in a process of its own; give its exit code."""
        return int(self.said(*words, where=where, who=who, **more)["code"])

    def said(
        self, *words: str, where: Path | None = None, who: int = 0, **more: Any
    ) -> dict[str, Any]:
        """The same, with what it said."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        env |= {"CI": "false", "GOOGLE_VERTEX_BASE_URL": self.server.url}
        place = where or self.story.project
        return self.nurseries[who].run(place, *(words or APPLY), env=env, **more)

    def ended(self, code: int) -> Outcome:
        """How it ended, by what was made and what the lock remembers."""
        return judged(len(self.story.service.jobs), self.remembered(), code)

    def remembered(self) -> int:
        """How many jobs the lock knows; none when it cannot be read."""
        with suppress(ValueError, OSError):
            document = json.loads(self.story.lock.read_bytes())
            entries = [it for job in document["jobs"].values() for it in job["creations"].values()]
            return sum("job" in entry for entry in entries)
        return 0

    def finished(self) -> None:
        """One job, done and recorded."""
        self.run()
        self.story.later(HOURS)
        self.run()


def killed(number: int) -> Callable[[Shop], Outcome]:
    def story(shop: Shop) -> Outcome:
        pid = shop.folder / "pid"
        shop.server.before["create"] = lambda: os.kill(int(pid.read_text()), number)
        shop.run(pid=str(pid))
        del shop.server.before["create"]
        return shop.ended(shop.run())

    return story


def checkouts(shop: Shop) -> Outcome:
    other = shop.folder / "other"
    shutil.copytree(shop.story.project, other)
    both = threading.Barrier(2)

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):
            both.wait(5)

    shop.server.before["claim-read"] = meet
    with ThreadPoolExecutor(2) as pool:
        second = pool.submit(shop.run, where=other, who=1)
        codes = sorted((shop.run(), second.result()))
    assert codes in ([0, 0], [0, 6]), codes
    return shop.ended(shop.run())


def folder(shop: Shop) -> Outcome:
    codes: list[int] = []
    shop.server.before["create"] = lambda: codes.append(shop.run(who=1))
    shop.run()
    return shop.ended(codes[0])


def spoiled(spoil: Callable[[Path], object]) -> Callable[[Shop], Outcome]:
    def story(shop: Shop) -> Outcome:
        shop.finished()
        good = shop.story.lock.read_bytes()
        spoil(shop.story.lock)
        code = shop.run()
        if code == 65:
            shop.story.lock.unlink()
            shop.story.lock.write_bytes(good)
        return shop.ended(code)

    return story


def link(path: Path) -> None:
    other = path.with_name("other.json")
    path.rename(other)
    path.symlink_to(other)


def stale(shop: Shop) -> Outcome:
    assert shop.run("plan", "--out", "plan.json") == 0
    shop.run()
    return shop.ended(shop.run("apply", "plan.json"))


def tampered(shop: Shop) -> Outcome:
    """Whatever the file names is something else now: lineages, attempts, its own digest."""
    assert shop.run("plan", "--out", "plan.json") == 0
    plan = shop.story.project / "plan.json"
    text = plan.read_text()
    document = json.loads(text)
    document["digest"] = "f" * len(document["digest"])
    plan.write_text(json.dumps(document).replace("v1-", "v1-a").replace('"a0001', '"a0002'))
    return shop.ended(shop.run("apply", "plan.json"))


def full(shop: Shop) -> Outcome:
    shop.run(limit=1500)
    return shop.ended(shop.run())


def readonly(shop: Shop) -> Outcome:
    place = Path(tempfile.mkdtemp(prefix="tuneops-read-only-"))
    try:
        shutil.copytree(shop.story.project, place, dirs_exist_ok=True)
        for path in (place, place / "specs"):
            path.chmod(0o555)
        return shop.ended(shop.run(where=place, uid=65534))
    finally:
        for path in (place, place / "specs"):
            path.chmod(0o755)
        shutil.rmtree(place)


def secret(shop: Shop) -> Outcome:
    spec = shop.story.project / "specs/bot.yaml"
    spec.write_text(
        spec.read_text().replace("{name: bot}", f"{{name: bot, labels: {{a: {SECRET}}}}}")
    )
    done = shop.said("plan", "--out", "plan.json")
    files = [path.read_bytes() for path in shop.story.project.rglob("*.json")]
    told = SECRET in done["stdout"] + done["stderr"] or any(SECRET.encode() in it for it in files)
    verdict = "told" if told or done["code"] != 65 else "refused, and not repeated"
    return Outcome(None, None, done["code"], verdict)


def escapes(shop: Shop) -> Outcome:
    error = {"code": 400, "status": "INVALID_ARGUMENT", "message": ESCAPE.decode()}
    body = json.dumps({"error": error}).encode()

    def act(wire: Wire) -> None:
        wire.send(b"HTTP/1.1 400 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    shop.server.break_next("create", Breakage(act), lost=True)
    done = shop.said()
    raw = "\x1b" in done["stdout"] + done["stderr"]
    return Outcome(None, None, done["code"], "printed raw" if raw else "printed inert")


def _rewrite(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


TOLD: dict[str, Callable[[Shop], Outcome]] = {
    "kill": killed(signal.SIGKILL),
    "checkouts": checkouts,
    "folder": folder,
    "lost": spoiled(lambda path: path.unlink()),
    "empty": spoiled(_rewrite(lambda _: b"")),
    "truncated": spoiled(_rewrite(lambda it: it[: len(it) // 2])),
    "markers": spoiled(_rewrite(lambda it: b"<<<<<<< ours\n" + it + b"=======\n>>>>>>> theirs\n")),
    "repeated": spoiled(_rewrite(lambda it: it[:-2] + b', "jobs": {}}\n')),
    "stale": stale,
    "tampered": tampered,
    "link": spoiled(link),
    "int": killed(signal.SIGINT),
    "hup": killed(signal.SIGHUP),
    "full": full,
    "readonly": readonly,
    "secret": secret,
    "escapes": escapes,
}


def live(key: str, folder: Path, nurseries: list[Nursery]) -> Outcome:
    """Live through one story."""
    story = Story(folder)
    with BreakingServer(story.service) as server:
        shop = Shop(folder, server, nurseries)
        shop.story = story
        try:
            return TOLD[key](shop)
        finally:
            story.service.close()
