"""Random worlds by seed: those that once failed, then many more; the same trace everywhere."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.soak import soak
from tests.support.swarm import ALL_KINDS, EXACT, play

HERE = Path(__file__).parent
PINNED = [
    int(line.split()[0])
    for line in (HERE / "seeds.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
PUSH = 5_000
CHILD = "from tests.support.swarm import play; print(*(play(seed).digest() for seed in {seeds}))"


@pytest.mark.parametrize("seed", PINNED)
def test_a_seed_that_once_failed(seed: int) -> None:
    play(seed)


def test_seeds() -> None:
    """`make soak` tries more of them."""
    tally = soak(0, PUSH)
    assert not tally.failures
    assert tally.seeds == PUSH
    kinds = {kind for kind, _ in tally.met}
    assert kinds == ALL_KINDS, "a kind of trouble never struck"


def test_a_seed_is_the_same_story_in_every_process() -> None:
    seeds = [EXACT, *range(7, 27)]
    here = [play(seed).digest() for seed in seeds]
    root = str(HERE.parent.parent)
    for hashes in ("0", "4711"):
        child = subprocess.run(
            (sys.executable, "-c", CHILD.format(seeds=seeds)),
            env={**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": root},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        assert child.stdout.split() == here


def test_the_quick_disk_tells_the_same_story_as_the_real_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick = {seed: play(seed).digest() for seed in range(1, 20)}
    monkeypatch.setattr("tests.support.swarm.EXACT", 1)
    assert quick == {seed: play(seed).digest() for seed in quick}


def test_a_soak_that_is_stopped_leaves_its_figures(tmp_path: Path) -> None:
    """A terminal sends its SIGINT to all processes of the soak."""
    figures = tmp_path / "soak.json"
    words = ("-m", "tests.support.soak", "--seeds", "1000000", "--json", str(figures))
    with subprocess.Popen(
        (sys.executable, *words),
        cwd=HERE.parent.parent,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(60) == 130
    assert " of 1000000 seeds, 0 fail" in first and "\r" not in first + rest
    assert rest.endswith("; stopped\n")
    assert json.loads(figures.read_text())["seeds"] >= 100
