"""What was approved by its digest is what can be bought, and no more."""

from pathlib import Path

from tests.cli.conftest import tuneops
from tests.e2e.conftest import write_chain


def test_a_digest_does_not_approve_tries_that_were_added_later(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    digest = tuneops(folder, "plan", "--format", "json").document["digest"]
    spec = folder / "specs" / "bot.yaml"
    spec.write_text(spec.read_text().replace("\nspec:\n", "\nspec:\n  retry: {limit: 9}\n"))
    done = tuneops(folder, "apply", "--expect-digest", digest)
    assert done.code == 5, done


def test_a_digest_does_not_approve_the_second_attempt_with_the_first(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    spec = folder / "specs" / "bot.yaml"
    first = spec.read_text()
    digest = tuneops(folder, "plan", "--format", "json").document["digest"]
    assert tuneops(folder, "apply", "--expect-digest", digest).code == 0
    spec.write_text(first.replace("epochCount: 1", "epochCount: 2"))
    assert tuneops(folder, "apply", "--wait").code == 0
    spec.write_text(first)
    done = tuneops(folder, "apply", "--expect-digest", digest)
    assert done.code == 5, done


def test_an_empty_digest_approves_nothing(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    done = tuneops(folder, "apply", "--auto-approve", "--expect-digest", "")
    assert done.code == 5, done
    assert not (folder / "specs" / "tuneops.local.lock.json").exists()
