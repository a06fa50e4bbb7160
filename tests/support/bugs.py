"""`make bugs`: thirty bugs, each put in and then found by search, never by a test that knows it.

    python -m tests.support.bugs --starts 5 --json FILE

Each bug is a change of the rules and the search that fits it: random worlds, random answers,
failing disks, moving aliases, digests, or every schedule of the protocol. Seeds are counted until
something happens that must not; each start is another thousand of seeds. A bug that no search finds
within `MOST` cases fails the run.
"""

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.simulation import test_every_schedule as scheduled
from tests.simulation import test_mutants as mutants
from tests.support import figures, hunts, schedules, swarm
from tests.support.world import Runner
from tuneops.core import fingerprint, plan
from tuneops.core.creation import ReadClaim, SwapClaim
from tuneops.engine import meanings
from tuneops.engine import pins as engine_pins
from tuneops.errors import TuneopsError
from tuneops.http.answers import Refusal
from tuneops.store import files
from tuneops.vertex import provider

Patch = pytest.MonkeyPatch

MOST = 5_000
"""So many seeds a bug may take."""

APART = 100_000
"""How far one start is from the next."""


# --- the breaks that no story and no schedule has -------------------------------------------------


def claims_are_deleted_after_success(patch: Patch) -> None:
    right = Runner.write_claim

    def write_claim(self: Runner, claim: Any, expected: str | None) -> str | None:
        won = right(self, claim, expected)
        if won is not None and claim.phase == "bound":
            del self._claims[claim.key]
        return won

    patch.setattr(Runner, "write_claim", write_claim)


def a_503_is_a_refusal(patch: Patch) -> None:
    patch.setattr(provider, "_DEFINITE", provider._DEFINITE | {503})


def html_is_a_refusal(patch: Patch) -> None:
    right = provider.read_refusal

    def read_refusal(answer: Any) -> Refusal | None:
        words = Refusal(status=answer.status, reason="PERMISSION_DENIED", message="no")
        return right(answer) or (words if answer.status == 403 else None)

    patch.setattr(provider, "read_refusal", read_refusal)


def _pages(patch: Patch, is_last: Callable[[Any], bool]) -> None:
    """Take a page for the last one where `is_last` says so."""
    right = provider.read_pages

    def read_pages(fetch: Any, path: str, read: Any) -> Any:
        def shortened(document: Any) -> Any:
            return read({**document, "nextPageToken": ""} if is_last(document) else document)

        return right(fetch, path, shortened)

    patch.setattr(provider, "read_pages", read_pages)


def the_first_page_is_the_list(patch: Patch) -> None:
    _pages(patch, lambda document: isinstance(document, dict))


def an_empty_page_is_the_end(patch: Patch) -> None:
    _pages(patch, lambda document: isinstance(document, dict) and not document.get("tuningJobs"))


def ages_are_by_the_local_clock(patch: Patch) -> None:
    right = swarm.SwarmRunner.list_jobs

    def list_jobs(self: swarm.SwarmRunner) -> Any:
        listing = right(self)
        return replace(listing, at=listing.at + timedelta(seconds=self.drift))

    patch.setattr(swarm.SwarmRunner, "list_jobs", list_jobs)


def the_file_is_written_in_place(patch: Patch) -> None:
    def write(path: Path, content: bytes, *, private: bool = False) -> None:
        try:
            with path.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            files.sync_folder(path.parent)
        except OSError as fault:
            raise files.DiskError("cannot write") from fault

    patch.setattr(files, "write", write)


def a_conflict_with_oneself_is_lost(patch: Patch) -> None:
    conflict = [False]

    def change(effect: Any, right: Callable[[], Any]) -> Any:
        answer = right()
        if isinstance(effect, ReadClaim) and conflict[0] and answer is not None:
            answer = (replace(answer[0], runner="another"), answer[1])
        conflict[0] = isinstance(effect, SwapClaim) and answer is None
        return answer

    mutants._effects(patch, change)


class _Unsynced:
    """`os`, whose sync may fail without anybody hearing of it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fsync(self, descriptor: int) -> None:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)


def a_failed_sync_is_ignored(patch: Patch) -> None:
    patch.setattr(files, "os", _Unsynced())


def an_alias_is_sent_as_it_is(patch: Patch) -> None:
    right = meanings.Meanings.find

    def find(self: Any, ref: Any) -> Any:
        found = right(self, ref)
        if not isinstance(found, engine_pins.Pretuned):
            return found
        return replace(found, model=f"{ref.model}@{ref.version or 'default'}")

    patch.setattr(meanings.Meanings, "find", find)


def digests_are_over_binary_numbers(patch: Patch) -> None:
    patch.setattr(fingerprint, "_decimal", lambda number: number and repr(float(number)))


class _Unsorted:
    """`json`, which writes mappings in the order that they have."""

    @staticmethod
    def dumps(value: Any, **words: Any) -> str:
        return json.dumps(value, **{**words, "sort_keys": False})


def the_order_of_a_mapping_shows(patch: Patch) -> None:
    for module in (fingerprint, plan):
        patch.setattr(module, "json", _Unsorted())


def a_redirect_is_followed(patch: Patch) -> None:
    right = httpx.Client.send

    def send(self: httpx.Client, request: httpx.Request, **words: Any) -> httpx.Response:
        return right(self, request, **{**words, "follow_redirects": True})

    patch.setattr(httpx.Client, "send", send)


def the_create_takes_a_kept_connection(patch: Patch) -> None:
    right = provider.VertexProvider.create_job

    class Kept:
        """The client of the reads, which nobody closes."""

        def __init__(self, client: httpx.Client) -> None:
            self.client = client

        def __enter__(self) -> httpx.Client:
            return self.client

        def __exit__(self, *_: object) -> None:
            pass

    def create_job(self: Any, request: Any) -> Any:
        self._fresh = lambda: Kept(self._reader._client)
        return right(self, request)

    patch.setattr(provider.VertexProvider, "create_job", create_job)


# --- the searches ---------------------------------------------------------------------------------

Hunt = Callable[[int, int], int | None]
"""From a seed on, at most so many cases: how many it took until something was wrong."""


def _by_seed(play: Callable[[int], object]) -> Hunt:
    def hunt(start: int, most: int) -> int | None:
        for number in range(1, most + 1):
            try:
                play(start + number)
            except (AssertionError, TuneopsError):
                return number
        return None

    return hunt


def _by_schedule(_: int, most: int) -> int | None:
    """The same every time: all schedules within the bounds of a push, one after the other."""
    tried = 0
    for bounds in scheduled.PUSH:
        cases = iter(schedules.schedules(bounds))
        while True:
            tried += 1
            try:
                next(cases)
            except StopIteration:
                break
            except AssertionError:
                return tried
    return None


SEARCHES: dict[str, Hunt] = {
    "random worlds": _by_seed(swarm.play),
    "every schedule": _by_schedule,
    "random answers": _by_seed(hunts.answers),
    "failing disks": _by_seed(hunts.disks),
    "moving aliases": _by_seed(hunts.aliases),
    "digests": _by_seed(hunts.digests),
}


@dataclass(frozen=True, slots=True)
class Bug:
    """What is broken, and the search that has to find it."""

    apply: Callable[[Patch], None]
    search: str = "random worlds"


BUGS: dict[int, Bug] = {
    1: Bug(claims_are_deleted_after_success),
    2: Bug(scheduled.no_fence, "every schedule"),
    3: Bug(scheduled.issued_is_taken_over_after_a_minute, "every schedule"),
    4: Bug(mutants.the_post_is_repeated),
    5: Bug(a_503_is_a_refusal, "random answers"),
    6: Bug(html_is_a_refusal, "random answers"),
    7: Bug(the_first_page_is_the_list, "random answers"),
    8: Bug(mutants.a_failed_list_is_an_empty_one),
    9: Bug(an_empty_page_is_the_end, "random answers"),
    10: Bug(mutants.the_state_chooses_between_twins),
    11: Bug(mutants.the_lock_chooses_between_twins),
    12: Bug(mutants.the_younger_twin_counts),
    13: Bug(ages_are_by_the_local_clock),
    14: Bug(scheduled.no_list_after_the_claim, "every schedule"),
    15: Bug(the_file_is_written_in_place, "failing disks"),
    16: Bug(mutants.an_entry_overwrites_the_others),
    17: Bug(a_conflict_with_oneself_is_lost),
    18: Bug(mutants.one_mark_for_all),
    19: Bug(mutants.the_key_leaves_the_attempt_out),
    20: Bug(mutants.failed_jobs_do_not_count),
    21: Bug(mutants.an_unknown_state_is_an_end),
    22: Bug(mutants.not_found_means_create),
    23: Bug(a_failed_sync_is_ignored, "failing disks"),
    24: Bug(mutants.the_memory_is_not_proved),
    25: Bug(mutants.the_plan_is_not_compared),
    26: Bug(an_alias_is_sent_as_it_is, "moving aliases"),
    27: Bug(digests_are_over_binary_numbers, "digests"),
    28: Bug(the_order_of_a_mapping_shows, "digests"),
    29: Bug(a_redirect_is_followed, "random answers"),
    30: Bug(the_create_takes_a_kept_connection, "random answers"),
}
"""By the number of `tests/simulation/test_seeded_bugs.py`."""


def find(number: int, start: int, most: int = MOST) -> int | None:
    """Put a bug in and search for it: how many cases it took, None when it was not found."""
    bug = BUGS[number]
    with pytest.MonkeyPatch.context() as patch:
        bug.apply(patch)
        return SEARCHES[bug.search](start, most)


def _task(task: tuple[int, int]) -> tuple[int, int, int | None, float]:
    number, start = task
    began = time.process_time()
    return number, start, find(number, start), time.process_time() - began


def search(numbers: list[int], starts: int) -> Iterator[tuple[int, list[int | None], float]]:
    """Each bug with what its searches took, from each start, and the seconds of one processor."""
    tasks = [
        (number, APART * start)
        for number in numbers
        for start in range(starts if BUGS[number].search != "every schedule" else 1)
    ]
    took: dict[int, dict[int, int | None]] = {number: {} for number in numbers}
    seconds = dict.fromkeys(numbers, 0.0)
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        for number, start, cases, spent in pool.imap_unordered(_task, tasks):
            took[number][start] = cases
            seconds[number] += spent
            if len(took[number]) == sum(1 for task in tasks if task[0] == number):
                yield number, [took[number][at] for at in sorted(took[number])], seconds[number]


def main(words: list[str]) -> int:
    """Give 1 when a bug is not found from some start."""
    from tests.simulation.test_seeded_bugs import SEEDED

    parser = argparse.ArgumentParser()
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--bug", type=int, action="append", choices=BUGS)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(words)
    found: dict[int, dict[str, Any]] = {}
    for number, cases, seconds in search(chosen.bug or list(BUGS), chosen.starts):
        bug, known = BUGS[number], [case for case in cases if case is not None]
        told = ", ".join(str(case) if case else "not found" for case in cases)
        print(
            f"{number:>3}  {SEEDED[number][0]}: {told}  ({bug.search}, {seconds:.1f} s)", flush=True
        )
        found[number] = {
            "bug": SEEDED[number][0],
            "search": bug.search,
            "cases": cases,
            "mean": sum(known) / len(known) if known else None,
            "found": len(known) == len(cases),
        }
    if chosen.json:
        chosen.json.write_text(json.dumps(dict(sorted(found.items())), indent=2) + "\n")
    missed = [number for number, one in found.items() if not one["found"]]
    figures.leave("seeded bugs", f"make bugs STARTS={chosen.starts}", counted(found))
    print(
        f"{len(found) - len(missed)} of {len(found)} found" + (f"; not {missed}" if missed else "")
    )
    return 1 if missed else 0


def counted(found: dict[int, dict[str, Any]]) -> figures.Counts:
    """The figures of a search, for the document."""
    counts: dict[str, int | float | str] = {
        "seeded bugs": len(found),
        "seeded bugs found by search, from every start": sum(
            one["found"] for one in found.values()
        ),
    }
    for number, one in sorted(found.items()):
        mean = "not found" if one["mean"] is None else f"{one['mean']:,.0f}"
        counts[f"{number}. {one['bug']}"] = f"{mean} ({one['search']})"
    return counts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
