"""How many jobs of a project may be at work at once, over all its locations, and who waits.

Google counts concurrent tuning jobs over all regions and models. What happens at the limit is
not documented, so there are three modes; slots are given in order of creation, from creation to
the end of a job, which is our choice.
"""

from dataclasses import dataclass, field
from typing import Literal

from tuneops.emulator.names import Scope

Key = tuple[Scope, str]
Mode = Literal["queue", "reject", "fail"]
MODES: tuple[Mode, ...] = ("queue", "reject", "fail")
METRIC = "aiplatform.googleapis.com/global_concurrent_tuning_jobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """At most `limit` jobs at once, None being no limit, and what becomes of one too many.

    `queue` lets it run, waiting for a slot; `reject` answers 429; `fail` lets the job fail.
    """

    limit: int | None = None
    mode: Mode = "queue"

    def __post_init__(self) -> None:
        if self.limit is not None and (type(self.limit) is not int or self.limit < 0):
            raise ValueError("a quota is a number of jobs, zero or more, or none")
        if self.mode not in MODES:
            raise ValueError(f"a quota has one of the modes {', '.join(MODES)}")

    def is_exceeded(self, mode: Mode, busy: int) -> bool:
        """Tell whether one more job is too many, `busy` being at work, and that is `mode`'s."""
        return self.mode == mode and self.limit is not None and busy >= self.limit


@dataclass(slots=True, kw_only=True)
class Slots:
    """Who has a slot and who waits for one, by project."""

    quota: Quota = field(default_factory=Quota)
    _held: dict[str, set[Key]] = field(default_factory=dict)
    _waiting: dict[str, list[Key]] = field(default_factory=dict)

    def busy(self, project: str) -> int:
        """Return how many jobs of a project are not over, waiting ones included."""
        return len(self._held.get(project, ())) + len(self._waiting.get(project, ()))

    def join(self, key: Key) -> bool:
        """Let a new job in; tell whether it has its slot at once."""
        project = key[0].project
        if self.quota.is_exceeded("queue", self.busy(project)):
            self._waiting.setdefault(project, []).append(key)
            return False
        self._held.setdefault(project, set()).add(key)
        return True

    def leave(self, key: Key) -> None:
        """Let a job go, whether it had a slot or waited."""
        project = key[0].project
        self._held.get(project, set()).discard(key)
        if key in self._waiting.get(project, ()):
            self._waiting[project].remove(key)

    def granted(self) -> list[Key]:
        """Give the free slots to those who wait, oldest first, and return these."""
        result = []
        for project, waiting in self._waiting.items():
            held = self._held.setdefault(project, set())
            while waiting and not self.quota.is_exceeded("queue", len(held)):
                key = waiting.pop(0)
                held.add(key)
                result.append(key)
        return result
