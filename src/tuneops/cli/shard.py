"""Which part of a fleet this process works on, so that an existing scheduler spreads the work.

Shards count from 0, as Kubernetes and Cloud Run count theirs. That each part is done by one process
only is a matter of cost, not of safety: what guards a create is its claim.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import click

Item = TypeVar("Item")

INDEXES = ("CLOUD_RUN_TASK_INDEX", "JOB_COMPLETION_INDEX")
"""Where Cloud Run jobs and Kubernetes indexed jobs say which task this is."""

COUNT = "CLOUD_RUN_TASK_COUNT"
"""Where Cloud Run says how many tasks there are; Kubernetes says it nowhere."""

_FORM = re.compile(r"(\d{0,6})/(\d{1,6})")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` parts; `index` counts from 0."""

    index: int
    count: int

    def share(self, items: Sequence[Item]) -> list[Item]:
        """Every item belongs to one shard, and the shares differ by one item at most."""
        return list(items[self.index :: self.count])

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def read_shard(text: str | None, environ: Mapping[str, str]) -> Shard | None:
    """Read `2/8`, or `/8` with the index of the scheduler; without a text, what Cloud Run says.

    None when nothing is said of shards. UsageError for what is no shard.
    """
    if text is None:
        count = environ.get(COUNT, "")
        if not count.isdigit() or int(count) < 2 or INDEXES[0] not in environ:
            return None
        text = f"{environ[INDEXES[0]]}/{count}"
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise click.UsageError(f"`{text}` is no shard; write it as 2/8, or /8 in an indexed job")
    index = form[1] or next((environ[name] for name in INDEXES if name in environ), "")
    if not index.isdigit():
        names = " and ".join(f"`{name}`" for name in INDEXES)
        raise click.UsageError(f"`{text}` names no index, and {names} are not set; write 0{text}")
    if int(form[2]) == 0:
        raise click.UsageError(f"`{text}` is no shard: there is at least one; write 0/1")
    if int(index) >= int(form[2]):
        last = int(form[2]) - 1
        raise click.UsageError(f"there is no shard {index} of {form[2]}: they are 0 to {last}")
    return Shard(int(index), int(form[2]))
