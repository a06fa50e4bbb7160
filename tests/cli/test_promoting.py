"""Where an alias is taken back to, over months: what it was on before, never something later."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import tuneops
from tests.e2e.conftest import CHAIN, example, write_chain

SPEC = "specs/bot.yaml"
LOCK = "specs/tuneops.local.lock.json"
STAGE = """\
    - name: {name}
      supervisedTuningSpec: {{trainingDatasetUri: {data}.jsonl, hyperParameters: {{epochCount: 1}}}}
"""


class Garden:
    """A chain whose weekly stage is promoted; the two of `write_chain`, and a third one."""

    def __init__(self, folder: Path) -> None:
        self.folder = write_chain(folder)
        self.spec = CHAIN
        (folder / "specs/three.jsonl").write_text(
            "".join(example(f"three {n}?", "a number") for n in range(12))
        )
        for stage in ("one", "two", "three"):
            if stage == "three":
                self.spec += STAGE.format(name="three", data="three")
            self.commit(stage)

    def commit(self, stage: str) -> None:
        """Promote a stage, and have all of it done."""
        promotion = f"  promotion: {{alias: prod, stage: {stage}}}\n"
        (self.folder / SPEC).write_text(self.spec + promotion)
        self.apply()

    def apply(self) -> None:
        done = tuneops(self.folder, "apply", "--wait")
        assert done.code == 0, done

    def version(self) -> int:
        """The number of the version that the alias is on."""
        done = tuneops(self.folder, "output", "bot@prod.model")
        return int(done.out.rpartition("@")[2])

    def back(self) -> int:
        """Roll back, and say where to."""
        done = tuneops(self.folder, "rollback", "bot")
        assert done.code == 0, done
        self.apply()
        return self.version()


@pytest.fixture(scope="module")
def garden(tmp_path_factory: pytest.TempPathFactory) -> Garden:
    return Garden(tmp_path_factory.mktemp("garden") / "project")


def test_rollbacks_go_back_along_what_was_promoted_and_end(garden: Garden) -> None:
    assert garden.version() == 3
    assert [garden.back(), garden.back()] == [2, 1]
    before = (garden.folder / SPEC).read_text()
    done = tuneops(garden.folder, "rollback", "bot")
    assert done.code == 1
    assert "`bot@prod` was on no result before models/" in done.err
    assert "name one with `--to`: models/" in done.err
    assert (garden.folder / SPEC).read_text() == before

    done = tuneops(garden.folder, "promote", "bot")
    assert done.code == 0
    assert "to:" not in (garden.folder / SPEC).read_text()
    garden.apply()
    assert garden.version() == 3
    assert garden.back() == 1, "the last one before it, although another was made later"

    pointer = json.loads((garden.folder / LOCK).read_text())["pointers"]["bot"]["prod"]
    assert [name.rpartition("@")[2] for name in pointer["before"]] == ["2", "3"]
    why = tuneops(garden.folder, "why", "bot@prod")
    assert why.code == 0
    first, second = why.out.splitlines()[:2]
    assert (first.startswith("bot@prod  models/"), first.endswith("@1, checkpoint 1")) == (
        True,
        True,
    )
    assert [part.rpartition("@")[2] for part in second.split(", ")] == ["3", "2"]
    asked = json.loads(tuneops(garden.folder, "why", "bot@prod", "--format", "json").out)
    assert (asked["before"], asked["line"][0]["address"]) == (pointer["before"], "bot/one")

    lock = (garden.folder / LOCK).read_bytes()
    (garden.folder / LOCK).unlink()
    assert tuneops(garden.folder, "lock", "rebuild").code == 0
    assert (garden.folder / LOCK).read_bytes() == lock, "a lost lock remembers as well"

    (garden.folder / LOCK).unlink()
    shutil.rmtree(garden.folder / ".tuneops/claims")
    done = tuneops(garden.folder, "lock", "rebuild")
    assert "what `prod` was on before is not recorded" in done.out + done.err


def test_a_promotion_that_points_nowhere_yet_is_not_rolled_back(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    spec = folder / SPEC
    spec.write_text(spec.read_text() + "  promotion: {alias: prod, stage: two}\n")
    done = tuneops(folder, "rollback", "bot")
    assert done.code == 1
    assert "`bot@prod` is on no result yet" in done.err
    assert "there is none yet" in done.err
