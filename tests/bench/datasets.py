"""The dataset checks beside what they are made of: `make bench`.

Runs are interleaved, each in a process of its own; medians of processor time, wall time and peak
memory. What counts are the ratios of one run: `MEGABYTES=1000 RUNS=5` for those of a large file.
"""

import contextlib
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import google_crc32c
import msgspec

from tuneops.core.recipe import Method
from tuneops.datasets import files
from tuneops.datasets.checks import check, judge
from tuneops.datasets.digest import Digester
from tuneops.datasets.examples import problems
from tuneops.datasets.files import blocks, open_file
from tuneops.datasets.limits import ANY
from tuneops.datasets.lines import read_example, read_lines, read_text
from tuneops.datasets.repeats import Repeats
from tuneops.datasets.scan import Scan
from tuneops.datasets.weights import weigh

SPOKEN = """the customer moves delivery to friday please check order number invoice refund ticket
billing hello sorry thanks we will answer soon because parcel was late and straße größe"""
WORDS = SPOKEN.split()


def generate(path: Path, megabytes: int) -> None:
    """Write conversations of one to three rounds, some with an instruction."""
    dice = random.Random(1)
    with path.open("wb") as stream:
        while stream.tell() < megabytes * 1_000_000:
            turns = []
            for _ in range(dice.choice((1, 1, 1, 2, 3))):
                for role, most in (("user", 60), ("model", 90)):
                    text = " ".join(dice.choices(WORDS, k=dice.randint(10, most)))
                    turns.append({"role": role, "parts": [{"text": f"{text} {dice.random()}"}]})
            line = {"contents": turns}
            if dice.random() < 0.5:
                line["systemInstruction"] = {"parts": [{"text": "You are a clerk."}]}
            stream.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


def _lines(path: Path) -> Iterator[bytes]:
    with open_file(path) as stream:
        for batch in read_lines(blocks(stream)):
            yield from batch.lines


def _decoded(path: Path, decode: Callable[[bytes], object]) -> None:
    for line in _lines(path):
        decode(line)


def _hashed(path: Path, update: Callable[[bytes], object]) -> None:
    with open_file(path) as stream:
        for block in blocks(stream):
            update(block)


def strictly(path: Path) -> None:
    """The same checks over `json.loads`, line by line: what every line took before."""
    repeats = Repeats()
    for number, line in enumerate(_lines(path), 1):
        example = read_example(read_text(line), ended=True)
        assert not list(problems(example, Method.SUPERVISED))
        weigh(example, Method.SUPERVISED)
        repeats.add(number, (line,))
    repeats.count()


def checked(path: Path) -> None:
    with open_file(path) as stream:
        assert not check(blocks(stream), path="x", method=Method.SUPERVISED).findings


def digested(path: Path) -> None:
    digester = Digester()
    with open_file(path) as stream:
        passing = digester.over(blocks(stream))
        assert not check(passing, path="x", method=Method.SUPERVISED).findings
    assert digester.digest.size == path.stat().st_size


def with_sha256_and_crc32c(path: Path) -> None:
    sha256, crc32c = hashlib.sha256(), google_crc32c.Checksum()

    def over(stream: Iterator[bytes]) -> Iterator[bytes]:
        for block in stream:
            sha256.update(block)
            crc32c.update(block)
            yield block

    with open_file(path) as stream:
        assert not check(over(blocks(stream)), path="x", method=Method.SUPERVISED).findings


def two_processes(path: Path) -> None:
    files.WORTH_TWO = 0
    scan = files.scan_file(path, name="x", scan=Scan(method=Method.SUPERVISED, limits=ANY))
    assert not judge(scan, "x").findings


TASKS: dict[str, Callable[[Path], None]] = {
    "read lines": lambda path: _decoded(path, len),
    "crc32c": lambda path: _hashed(path, google_crc32c.Checksum().update),
    "sha256": lambda path: _hashed(path, hashlib.sha256().update),
    "md5": lambda path: _hashed(path, hashlib.md5().update),
    "json.loads, nothing checked": lambda path: [
        json.loads(x) and None for x in _lines(path)
    ].clear(),
    "msgspec, nothing checked": lambda path: [
        msgspec.json.decode(x) and None for x in _lines(path)
    ].clear(),
    "json.loads, the same checks": strictly,
    "check": checked,
    "check, sha256, crc32c": with_sha256_and_crc32c,
    "check, sha256, crc32c, md5": digested,
    "check, two processes": two_processes,
}


def _measure(task: str, path: Path) -> tuple[float, float, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.datasets", task, str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    cpu, wall, peak = map(float, done.stdout.split())
    return cpu, wall, peak


def _run(task: str, path: Path) -> None:
    import resource
    import time

    def used() -> float:
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system

    before, start = used(), time.perf_counter()
    TASKS[task](path)
    wall, cpu = time.perf_counter() - start, used() - before
    peaks = [
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    print(cpu, wall, max(peaks) / 1000)


def main() -> None:
    megabytes, runs = int(os.environ.get("MEGABYTES", "100")), int(os.environ.get("RUNS", "5"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "examples.jsonl"
        generate(path, megabytes)
        found: dict[str, list[tuple[float, float, float]]] = {task: [] for task in TASKS}
        for _ in range(runs):
            for task in TASKS:
                found[task].append(_measure(task, path))
    middle = {
        task: tuple(map(statistics.median, zip(*measures, strict=True)))
        for task, measures in found.items()
    }
    base, one = middle["json.loads, the same checks"], middle["check"]
    print(f"{megabytes} MB, medians of {runs} interleaved runs\n")
    print(f"{'':30}  CPU s  wall s  peak MB  of json  of check")
    for task, (cpu, wall, peak) in middle.items():
        ratios = f"{cpu / base[0]:7.2f}  {cpu / one[0]:8.2f}"
        print(f"{task:30} {cpu:6.2f}  {wall:6.2f}  {peak:7.0f}  {ratios}")
    both = middle["check, sha256, crc32c"]
    print("\ntargets")
    for name, value, most in (
        ("check / json.loads with the same checks, CPU", one[0] / base[0], 0.45),
        ("with sha256 and crc32c / without, CPU", both[0] / one[0], 1.4),
        ("two processes / one, wall", middle["check, two processes"][1] / one[1], 0.6),
    ):
        print(f"  {name:46} {value:.2f}  (at most {most})")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        with contextlib.suppress(KeyboardInterrupt):
            _run(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
