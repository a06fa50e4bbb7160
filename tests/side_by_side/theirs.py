"""The same stories, lived through by terraform: `terraform_data` with a provisioner that buys.

A line in the file `server` is a job. Nothing is downloaded: the one provider is built in.
"""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.side_by_side.table import Outcome, judged

CONFIG = """\
variable "token" {
  default   = "hunter2-hunter2"
  sensitive = true
}
resource "terraform_data" "job" {
  input = var.token
  provisioner "local-exec" {
    command = "echo made >> \\"$SERVER\\"; sleep $NAP"
  }
}
"""
CHECK = """\
check "outside" {
  assert {
    condition     = terraform_data.job.id == "nobody"
    error_message = "\\u001b[2Jgone"
  }
}
"""
STATE = "terraform.tfstate"


class Shop:
    """A folder with a configuration, and a server that counts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = folder / "server"
        self.project = folder / "project"
        self.project.mkdir()
        (self.project / "main.tf").write_text(CONFIG)
        self.run("init")

    def start(self, *words: str, nap: float = 0, where: Path | None = None, **more: Any) -> Any:
        """Start a command."""
        env = {**os.environ, "SERVER": str(self.server), "NAP": str(nap), "TF_IN_AUTOMATION": "1"}
        words = words or ("apply", "-auto-approve")
        return subprocess.Popen(
            ["terraform", words[0], "-no-color", "-input=false", *words[1:]],
            cwd=where or self.project,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            **more,
        )

    def run(self, *words: str, **more: Any) -> int:
        """Run a command to its end; give its exit code."""
        process = self.start(*words, **more)
        process.communicate()
        return int(process.returncode)

    def said(self, *words: str) -> str:
        """What a command said."""
        return str(self.start(*words).communicate()[0])

    @property
    def made(self) -> int:
        """How many jobs were bought."""
        return len(self.server.read_text().splitlines()) if self.server.exists() else 0

    def until_made(self, count: int = 1) -> None:
        """Wait for a create."""
        while self.made < count:
            time.sleep(0.01)

    def remembered(self) -> int:
        """How many jobs the state knows."""
        try:
            state = json.loads((self.project / STATE).read_bytes())
        except (ValueError, OSError):
            return 0
        return sum(len(found["instances"]) for found in state["resources"])

    def ended(self, code: int) -> Outcome:
        """How it ended."""
        return judged(self.made, self.remembered(), code)


def killed(number: int) -> Callable[[Shop], Outcome]:
    def story(shop: Shop) -> Outcome:
        process = shop.start(nap=1)
        shop.until_made()
        process.send_signal(number)
        process.communicate()
        return shop.ended(shop.run())

    return story


def checkouts(shop: Shop) -> Outcome:
    other = shop.folder / "other"
    shutil.copytree(shop.project, other)
    first, second = shop.start(nap=1), shop.start(nap=1, where=other)
    for process in (first, second):
        process.communicate()
    return judged(
        shop.made, shop.remembered(), max(first.returncode, second.returncode), elsewhere=1
    )


def folder(shop: Shop) -> Outcome:
    first = shop.start(nap=1)
    shop.until_made()
    code = shop.run()
    first.communicate()
    return shop.ended(code)


def spoiled(spoil: Callable[[Path], object]) -> Callable[[Shop], Outcome]:
    def story(shop: Shop) -> Outcome:
        shop.run()
        state = shop.project / STATE
        good = state.read_bytes()
        spoil(state)
        code = shop.run()
        if code:
            state.write_bytes(good)
        return shop.ended(code)

    return story


def link(shop: Shop) -> Outcome:
    shop.run()
    state, other = shop.project / STATE, shop.folder / "other.json"
    state.rename(other)
    state.symlink_to(other)
    before = other.read_bytes()
    config = shop.project / "main.tf"
    config.write_text(config.read_text().replace("hunter2-hunter2", "hunter3-hunter3"))
    code = shop.run()
    wrote = other.read_bytes() != before
    plain = shop.ended(code)
    return Outcome(
        plain.made, plain.remembered, code, "wrote through the link" if wrote else plain.verdict
    )


def stale(shop: Shop) -> Outcome:
    shop.run("plan", "-out=plan")
    shop.run()
    return shop.ended(shop.run("apply", "plan"))


def tampered(shop: Shop) -> Outcome:
    shop.run("plan", "-out=plan")
    plan, other = shop.project / "plan", shop.project / "plan.zip"
    with zipfile.ZipFile(plan) as old, zipfile.ZipFile(other, "w") as new:
        for item in old.infolist():
            new.writestr(item, old.read(item).replace(b"echo made", b"echo evil"))
    other.replace(plan)
    code = shop.run("apply", "plan")
    ran = "evil" in (shop.server.read_text() if shop.server.exists() else "")
    plain = shop.ended(code)
    return Outcome(
        plain.made, plain.remembered, code, "ran what was not approved" if ran else plain.verdict
    )


def full(shop: Shop) -> Outcome:
    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))

    shop.run(preexec_fn=small)
    return shop.ended(shop.run())


def readonly(shop: Shop) -> Outcome:
    place = Path(tempfile.mkdtemp(prefix="tuneops-read-only-"))
    try:
        shutil.copytree(shop.project, place, dirs_exist_ok=True)
        place.chmod(0o555)
        root = os.geteuid() == 0
        shop.server.touch()
        shop.server.chmod(0o666)
        code = shop.run(where=place, **({"user": 65534} if root else {}))
        return judged(shop.made, 0, code)
    finally:
        place.chmod(0o755)
        shutil.rmtree(place)


def secret(shop: Shop) -> Outcome:
    code = shop.run("plan", "-out=plan")
    with zipfile.ZipFile(shop.project / "plan") as plan:
        told = any(b"hunter2-hunter2" in plan.read(item) for item in plan.infolist())
    return Outcome(None, None, code, "in clear in the saved plan" if told else "not in the plan")


def escapes(shop: Shop) -> Outcome:
    (shop.project / "check.tf").write_text(CHECK)
    raw = "\x1b[2J" in shop.said("apply", "-auto-approve")
    return Outcome(None, None, 0, "printed raw" if raw else "printed inert")


def _rewrite(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def _twice(content: bytes) -> bytes:
    return re.sub(rb"\}\s*$", b', "resources": []}\n', content)


TOLD: dict[str, Callable[[Shop], Outcome]] = {
    "kill": killed(signal.SIGKILL),
    "checkouts": checkouts,
    "folder": folder,
    "lost": spoiled(lambda path: path.unlink()),
    "empty": spoiled(_rewrite(lambda _: b"")),
    "truncated": spoiled(_rewrite(lambda it: it[: len(it) // 2])),
    "markers": spoiled(_rewrite(lambda it: b"<<<<<<< ours\n" + it + b"=======\n>>>>>>> theirs\n")),
    "repeated": spoiled(_rewrite(_twice)),
    "stale": stale,
    "tampered": tampered,
    "link": link,
    "int": killed(signal.SIGINT),
    "hup": killed(signal.SIGHUP),
    "full": full,
    "readonly": readonly,
    "secret": secret,
    "escapes": escapes,
}


def version() -> str | None:
    """Which terraform there is, if there is one."""
    if shutil.which("terraform") is None:
        return None
    done = subprocess.run(["terraform", "version"], capture_output=True, text=True, check=False)
    found = re.search(r"Terraform v(\S+)", done.stdout)
    return f"terraform {found[1]}" if found else None


def live(key: str, folder: Path) -> Outcome:
    """Live through one story."""
    return TOLD[key](Shop(folder))
