"""One project with one stage, one service, and a trouble that passes."""

from datetime import timedelta
from pathlib import Path

from tests.e2e.conftest import CHAIN, write_chain
from tests.support.commands import SETTLE, WORKSPACE, Desk, Done, Service
from tuneops.emulator.application import Settings

APPLY = ("apply", "--auto-approve")
LOCK = "specs/tuneops.prod.lock.json"
ONE_STAGE = CHAIN.partition("    - name: two")[0]
HOURS = timedelta(hours=6)


class Story:
    """One project, one service, and a trouble that passes."""

    def __init__(self, folder: Path, settings: Settings = Settings()) -> None:  # noqa: B008
        self.service = Service(folder, settings)
        self.desk = Desk(self.service)
        self.project = write_chain(folder / "project")
        (self.project / "specs/workspace.yaml").write_text(WORKSPACE)
        (self.project / "specs/bot.yaml").write_text(ONE_STAGE)

    @property
    def lock(self) -> Path:
        return self.project / LOCK

    @property
    def posts(self) -> int:
        return self.service.posts.total()

    def faults(self, script: str) -> None:
        self.service.emulator.faults(script)

    def apply(self, *words: str) -> Done:
        done = self.desk.run(self.project, *APPLY, *words)
        assert "Traceback" not in done.said and "error[internal]" not in done.said, done
        return done

    def later(self, by: timedelta = SETTLE + timedelta(seconds=1)) -> None:
        self.service.clock.sleep(by.total_seconds())

    def ends_well(self, *, jobs: int = 1) -> None:
        """Two runs with the settle time between them; then one that has nothing to do."""
        self.later()
        assert self.apply().code == 0
        self.later(HOURS)
        done = self.apply()
        assert done.code == 0 and "1 done" in done.out, done
        assert len(self.service.jobs) == jobs
        self.service.check()
        self.is_settled(0)

    def is_settled(self, code: int) -> None:
        before = (self.service.changes, self.lock.read_bytes())
        again = self.apply()
        assert again.code == code, again
        assert (self.service.changes, self.lock.read_bytes()) == before, "it did something"
