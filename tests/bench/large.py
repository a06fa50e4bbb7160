"""A file of 1 GB in little memory: `make large`. Not in the push suite."""

import subprocess
import sys
from pathlib import Path

import pytest

from tuneops.datasets.files import WORTH_TWO

SIZE = 1_000_000_000
MOST = 150_000
"""Of resident memory, in KiB, in each process."""

CHECK = """
import resource, sys
from pathlib import Path
from tuneops.core.recipe import Method
from tuneops.datasets import files
from tuneops.datasets.limits import ANY
files.WORTH_TWO = int(sys.argv[2])
found = files.check_file(Path(sys.argv[1]), name="x", method=Method.SUPERVISED, limits=ANY)
whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
peaks = [resource.getrusage(who).ru_maxrss for who in whose]
print(found.summary.examples, found.summary.duplicates, len(found.findings), max(peaks))
"""


@pytest.mark.parametrize("worth_two", [WORTH_TWO, SIZE * 2], ids=["two processes", "one"])
@pytest.mark.parametrize("words", [1, 60], ids=["short lines", "long lines"])
def test_a_gigabyte_is_checked_in_little_memory(words: int, worth_two: int, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    form = (
        '{"contents": [{"role": "user", "parts": [{"text": "%d"}]}, '
        '{"role": "model", "parts": [{"text": "' + "parcel " * words + '"}]}]}\n'
    )
    count = 0
    with path.open("w") as stream:
        while stream.tell() < SIZE:
            stream.write("".join(form % number for number in range(count, count + 20_000)))
            count += 20_000
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(path), str(worth_two)],
        check=True,
        capture_output=True,
        text=True,
    )
    examples, duplicates, findings, peak = map(int, done.stdout.split())
    assert (examples, duplicates, findings) == (count, 0, 0)
    print(count, peak)
    assert peak <= MOST, f"{peak:,} KiB for {count:,} lines"
