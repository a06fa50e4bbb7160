"""The lock records which guard its creates had, with whatever else is new."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tuneops.core.desired import Target
from tuneops.core.fingerprint import creation_key
from tuneops.core.lock import Creation, Lock
from tuneops.core.recipe import BaseModel, Dataset, HyperParameters, Method, Recipe
from tuneops.store.journal import Journal
from tuneops.store.lockfile import LockFile

TARGET = Target(
    workspace="acme",
    environment="prod",
    provider="vertex",
    project="acme-ml",
    location="us-central1",
    dataset_bucket="gs://acme",
)
CREATION = Creation(
    attempt=1,
    lineage="v1-abc",
    mark="mark1",
    asked=datetime(2026, 11, 3, tzinfo=UTC),
    recipe=Recipe(
        method=Method.SUPERVISED,
        source=BaseModel(base_model="gemini-2.5-flash"),
        training=Dataset(uri="gs://acme/a.jsonl", size=1, crc32c="AAAAAA=="),
        hyper_parameters=HyperParameters(),
        project="acme-ml",
        location="us-central1",
        encryption_key=None,
        nonce=None,
    ),
)

KEY = creation_key(
    owner=TARGET.owner,
    project=TARGET.project,
    location=TARGET.location,
    lineage=CREATION.lineage,
    attempt=1,
)


def opened(root: Path, guard: str | None) -> tuple[LockFile, Lock]:
    (root / "specs").mkdir(exist_ok=True)
    file = LockFile(root, TARGET, Journal(root, TARGET.environment))
    file.guard = guard
    return file, file.load()


def recorded(file: LockFile) -> str:
    guard: str = json.loads(file.path.read_text())["guard"]
    return guard


def test_the_guard_is_recorded_with_a_creation(tmp_path: Path) -> None:
    file, lock = opened(tmp_path, "git")
    assert not file.save(lock), "a guard alone makes no lock"
    assert not file.exists
    assert file.save(lock.put("faq", KEY, CREATION))
    assert recorded(file) == "git"
    assert file.load().guard == "git"


def test_another_guard_alone_is_no_reason_to_write(tmp_path: Path) -> None:
    file, lock = opened(tmp_path, "local")
    file.save(lock.put("faq", KEY, CREATION))
    before = file.path.read_bytes()
    file, lock = opened(tmp_path, "git")
    assert not file.save(lock)
    assert file.path.read_bytes() == before
    more = lock.put("faq", "k2", replace(CREATION, attempt=2))
    assert file.save(more)
    assert recorded(file) == "git"
    after = file.path.read_bytes()
    assert not file.save(more), "the same once more, as every tick ends"
    assert file.path.read_bytes() == after


def test_a_command_without_a_guard_keeps_what_is_recorded(tmp_path: Path) -> None:
    file, lock = opened(tmp_path, "gs")
    file.save(lock.put("faq", KEY, CREATION))
    file, lock = opened(tmp_path, None)
    assert file.save(lock.put("faq", "k2", CREATION))
    assert recorded(file) == "gs"
