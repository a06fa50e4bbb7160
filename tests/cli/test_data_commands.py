"""`tuneops data`: what is checked, shown, compared and written."""

import errno
import gzip
import hashlib
import json
import os
import socket
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import bare, program, tuneops
from tests.cli.test_golden import compare_runs
from tests.e2e.conftest import CHAIN
from tests.support.dataset_cases import GOOD, MODEL, PAIR, USER, file, turn
from tuneops.cli import main, project
from tuneops.cli.options import Options
from tuneops.cli.project import open_project
from tuneops.datasets.digest import Digest
from tuneops.engine.ports import StoredObject
from tuneops.gcs.objects import GcsObjects

CHAT = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where is order 12?"},
        {"role": "assistant", "content": "On its way."},
    ]
}


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
    return path


def said(number: int, answer: str = "yes") -> dict[str, object]:
    return {"contents": [turn("user", f"Is {number} a number?"), turn("model", answer)]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "train.jsonl", *map(said, range(40)))
    write(tmp_path / "check.jsonl", *map(said, range(38, 42)))
    write(tmp_path / "tone.jsonl", PAIR, {**PAIR, "contents": [USER, MODEL, USER]})
    return tmp_path


def test_what_is_said_of_datasets(folder: Path) -> None:
    write(folder / "bad.jsonl", GOOD, {**GOOD, "contents": [USER, turn("assistant", "x")]}, CHAT)
    (folder / "packed.jsonl").write_bytes(gzip.compress(b"{}", mtime=0))
    compare_runs(
        "data-check",
        folder,
        "data check train.jsonl tone.jsonl",
        "data check train.jsonl --validation check.jsonl",
        "data check bad.jsonl packed.jsonl missing.jsonl",
        "data check bad.jsonl --kind preference --model gemini-2.5-flsh",
        "data check check.jsonl -f json",
    )


def test_how_examples_are_spread(folder: Path) -> None:
    lines = [said(n, "da " * (n * n % 50)) for n in range(1, 60)]
    write(folder / "wide.jsonl", *lines, said(1, "Где? 東京 🗼"), GOOD, GOOD)
    compare_runs("data-stats", folder, "data stats wide.jsonl", "data stats tone.jsonl -f json")


def test_how_versions_differ(folder: Path) -> None:
    new = [said(n) for n in range(39, 4, -1)]
    write(folder / "new.jsonl", *new[:-1], said(5, "no, it is five"), said(77), said(77))
    compare_runs(
        "data-diff",
        folder,
        "data diff train.jsonl new.jsonl",
        "data diff train.jsonl train.jsonl",
        "data diff train.jsonl new.jsonl -f json",
    )
    (folder / "packed.jsonl").write_bytes(gzip.compress(b"{}", mtime=0))
    (folder / "all.json").write_text(json.dumps([GOOD, GOOD]))
    (folder / "empty.jsonl").write_bytes(b"")
    compare_runs(
        "data-diff-others",
        folder,
        "data diff train.jsonl packed.jsonl",
        "data diff all.json train.jsonl",
        "data diff tone.jsonl empty.jsonl",
    )


def test_formats_of_others_are_converted_or_told(folder: Path) -> None:
    write(folder / "chats.jsonl", CHAT, {**CHAT, "id": 7})
    write(folder / "half.jsonl", CHAT, {"messages": [{"role": "tool", "content": "x"}]})
    compare_runs(
        "data-convert",
        folder,
        "data convert chats.jsonl",
        "data convert chats.jsonl --drop id",
        "data convert chats.jsonl --drop id",
        "data convert chats.jsonl --drop id --force -f json",
        "data check chats.converted.jsonl",
        "data convert half.jsonl",
        "data convert train.jsonl --out train.jsonl",
    )
    lines = (folder / "chats.converted.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["contents"][1] == turn("model", "On its way.")
    assert stat.S_IMODE((folder / "chats.converted.jsonl").stat().st_mode) == 0o644
    left = {path.name for path in folder.iterdir()}
    assert not (folder / "half.converted.jsonl").exists()
    assert not any(name.startswith(".") for name in left), "nothing half-written is left"


def test_the_pages_of_data_commands(tmp_path: Path) -> None:
    assert tuneops(tmp_path, "data").code == 0
    assert tuneops(tmp_path, "data", "check").code == 64
    assert tuneops(tmp_path, "data", "chek").code == 64


@pytest.mark.parametrize("command", ["check", "stats", "diff", "convert"])
def test_what_is_no_file_is_refused_at_once(command: str, folder: Path) -> None:
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "folder.jsonl").mkdir()
    (folder / "loop.jsonl").symlink_to("loop.jsonl")
    with socket.socket(socket.AF_UNIX) as served:
        served.bind(str(folder / "s"))
        for name in ("pipe.jsonl", "folder.jsonl", "loop.jsonl", "s", "/dev/zero", "none"):
            more = ["train.jsonl"] if command == "diff" else []
            done = tuneops(folder, "data", command, *more, name)
            assert done.code == 65, (name, done.err)
            assert "error[dataset-" in done.err


def test_a_word_from_a_file_moves_no_cursor(folder: Path) -> None:
    evil = "\x1b[2J\u202e##[error]x"
    write(folder / "evil.jsonl", said(1, evil), {evil: 1}, {"contents": [turn(evil, "x")]})
    write(folder / "evil2.jsonl", {"contents": [turn("user", evil), MODEL]})
    for words in (
        ["check", "evil.jsonl"],
        ["diff", "evil.jsonl", "evil2.jsonl"],
        ["diff", "evil.jsonl", "evil2.jsonl", "-f", "json"],
        ["convert", "evil.jsonl"],
        ["stats", "evil.jsonl"],
        ["check", "evil.jsonl", "-f", "github"],
    ):
        done = tuneops(folder, "data", *words)
        for letter in ("\x1b", "\u202e", "##[error"):
            assert letter not in done.out + done.err, words


def test_bad_data_is_told_beside_a_broken_spec(sample: Path) -> None:
    (sample / "specs/broken.yaml").write_text("kind: TuningJob\n")
    write(sample / "specs/data/refunds.jsonl", {"contents": [USER, turn("assistant", "x")]})
    done = tuneops(sample, "validate")
    assert done.code == 65
    assert "specs/broken.yaml:1" in done.err
    assert "specs/data/refunds.jsonl:1" in done.err


def test_a_sample_is_the_head_of_each_file(sample: Path) -> None:
    file = sample / "specs/data/refunds.jsonl"
    late = json.dumps({"contents": [USER, turn("assistant", "x")]}) + "\n"
    file.write_text(file.read_text() * 80 + late)
    assert file.stat().st_size > 1 << 20
    assert tuneops(sample, "validate").code == 65
    done = tuneops(sample, "validate", "--data", "sample")
    assert done.code == 0
    assert "3,203 examples" in done.out


def test_a_dataset_that_leads_out_of_the_project_is_refused(sample: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jsonl"
    write(secret, GOOD)
    file = sample / "specs/data/refunds.jsonl"
    file.unlink()
    file.symlink_to(secret)
    for command in ("validate", "plan"):
        done = tuneops(sample, command)
        assert done.code == 65
        assert "error[outside-project]: dataset `specs/data/refunds.jsonl` is a link" in done.err
    file.unlink()
    file.symlink_to("seed.jsonl")
    assert tuneops(sample, "validate").code == 0
    file.unlink()
    os.mkfifo(file)
    done = tuneops(sample, "validate")
    assert done.code == 65
    assert "is not a regular file" in done.err


@pytest.mark.parametrize(("columns", "most"), [(12, 8), (40, 26), (80, 40), (200, 40)])
def test_bars_are_as_long_as_there_is_room(columns: int, most: int, folder: Path) -> None:
    write(folder / "wide.jsonl", *[said(n, "da " * 4 * n) for n in range(200, 220)])
    done = tuneops(folder, "data", "stats", "wide.jsonl", env=bare(COLUMNS=str(columns)))
    bars = [line for line in done.out.splitlines() if "█" in line]
    assert max(line.count("█") for line in bars if " - " in line) == most
    assert columns < 30 or max(map(len, bars)) <= columns


def test_bars_in_a_poor_encoding_are_plain(folder: Path) -> None:
    done = program(folder, "data", "stats", "train.jsonl", env=bare(PYTHONIOENCODING="ascii"))
    assert "####" in done.out


def test_an_object_in_a_bucket_is_looked_into_where_it_lies(chain: Path) -> None:
    assert tuneops(chain, "apply").code == 0
    content = (chain / "specs/one.jsonl").read_bytes()
    uri = f"gs://tuneops-local/tuneops/{hashlib.sha256(content).hexdigest()}.jsonl"
    done = tuneops(chain, "data", "check", "specs/two.jsonl", "--validation", uri, "-fjson")
    there = done.document["files"][1]
    assert done.code == 0 and (there["file"], there["examples"]) == (uri, 12)
    assert there["bytes"] == len(content)
    same = tuneops(chain, "data", "diff", "specs/one.jsonl", uri)
    assert "both hold the same 12 examples" in same.out
    assert tuneops(chain, "data", "stats", uri).out.startswith(f"{uri}: supervised, 12 examples")
    wrong = tuneops(chain, "data", "check", uri, "--kind", "preference")
    assert wrong.code == 65 and f"--> {uri}:1:1" in wrong.err
    gone = tuneops(chain, "data", "check", "gs://tuneops-local/gone.jsonl")
    assert gone.code == 65 and "`gs://tuneops-local/gone.jsonl` does not exist" in gone.err
    made = tuneops(chain, "data", "convert", uri, "--kind", "supervised", "--out", "two.jsonl")
    assert made.code == 0 and len((chain / "two.jsonl").read_text().splitlines()) == 12


def test_a_file_is_uploaded_once_by_the_name_of_its_bytes(chain: Path) -> None:
    train = write(chain / "train.jsonl", *map(said, range(9)))
    name = f"{hashlib.sha256(train.read_bytes()).hexdigest()}.jsonl"
    uri = f"gs://tuneops-local/tuneops/{name}"
    first = tuneops(chain, "data", "upload", "train.jsonl")
    assert (first.code, first.out) == (0, f"{uri}\n")
    assert first.err == f"9 examples, {train.stat().st_size:,} bytes: uploaded.\n"
    assert "was there already" in tuneops(chain, "data", "upload", "train.jsonl").err
    assert tuneops(chain, "data", "diff", "train.jsonl", uri).out.count("No differences") == 1
    other = tuneops(chain, "data", "upload", "train.jsonl", "gs://other-bucket/shared/", "-fjson")
    assert other.document["uri"] == f"gs://other-bucket/shared/{name}"
    assert other.document["wasThere"] is False

    bad = write(chain / "bad.jsonl", GOOD, CHAT)
    told = tuneops(chain, "data", "upload", "bad.jsonl")
    assert told.code == 65 and "bad.jsonl:2:" in told.err
    gone = f"gs://tuneops-local/tuneops/{hashlib.sha256(bad.read_bytes()).hexdigest()}.jsonl"
    assert "does not exist" in tuneops(chain, "data", "check", gone).err, "nothing was sent"
    for words in (["train.jsonl", "s3://x"], ["train.jsonl", "gs://A"], [uri], ["/dev/zero"]):
        refused = tuneops(chain, "data", "upload", *words)
        assert refused.code == 65 and "help: " in refused.err, words


def test_a_file_that_is_written_to_while_it_is_uploaded_is_told(
    chain: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train = write(chain / "train.jsonl", *map(said, range(9)))
    upload = GcsObjects.upload

    def changed(store: GcsObjects, file: Path, uri: str) -> StoredObject:
        write(train, *map(said, range(8)))
        return upload(store, file, uri)

    monkeypatch.setattr(GcsObjects, "upload", changed)
    monkeypatch.chdir(chain)
    assert main.run(["data", "upload", "train.jsonl"]) == 65
    assert "was written to while it was uploaded" in capsys.readouterr().err


def test_objects_are_read_several_at_once_and_told_in_order(
    chain: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tuneops(chain, "apply", "--wait").code == 0
    digests = [
        hashlib.sha256((chain / f"specs/{name}.jsonl").read_bytes()).hexdigest()
        for name in ("one", "two")
    ]
    uris = [f"gs://tuneops-local/tuneops/{digest}.jsonl" for digest in digests]
    together = threading.Barrier(2, timeout=30)
    read = GcsObjects.read

    def met(self: GcsObjects, stored: StoredObject) -> Any:
        together.wait()
        return read(self, stored)

    monkeypatch.setattr(GcsObjects, "read", met)
    names = (uris[0], "specs/one.jsonl", "gs://tuneops-local/gone.jsonl", uris[1])
    monkeypatch.chdir(chain)
    code = main.run(["data", "check", *names, "--kind", "supervised", "-f", "json"])
    told = json.loads(capsys.readouterr().out)
    assert code == 65
    assert [one["file"] for one in told["files"]] == [uris[0], "specs/one.jsonl", uris[1]]
    assert [one["code"] for one in told["diagnostics"]] == ["dataset-missing"]


def test_validate_reads_objects_where_it_is_asked_to(chain: Path) -> None:
    assert tuneops(chain, "apply", "--wait").code == 0
    names = {}
    for stage in ("one", "two"):
        content = (chain / f"specs/{stage}.jsonl").read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        names[stage] = f"gs://tuneops-local/tuneops/{digest}.jsonl"
    spec = chain / "specs/bot.yaml"
    text = spec.read_text()
    for stage, uri in names.items():
        text = text.replace(f"trainingDatasetUri: {stage}.jsonl", f"trainingDatasetUri: {uri}")
    spec.write_text(text)
    offline = tuneops(chain, "validate", "-f", "json").document
    assert offline["summary"]["datasets"] == 0
    for depth in ("full", "sample"):
        asked = tuneops(chain, "validate", "--data", depth, "-f", "json").document
        assert (asked["summary"]["datasets"], asked["summary"]["examples"]) == (2, 24)
    spec.write_text(text.replace(names["two"], "gs://tuneops-local/gone.jsonl"))
    gone = tuneops(chain, "validate", "--data", "full")
    assert gone.code == 65 and "bot.yaml:" in gone.err and "does not exist" in gone.err
    assert tuneops(chain, "validate").code == 0


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    read: list[str] = []

    def counted(path: Path) -> Digest:
        read.append(path.name)
        return whole(path)

    whole = project._digest
    monkeypatch.setattr(project, "_digest", counted)
    project.digest_once.cache_clear()
    return read


def stages(count: int, file: str) -> str:
    each = [f"    - name: s{n}\n      supervisedTuningSpec: {{trainingDatasetUri: {file}}}\n"
            for n in range(count)]  # fmt: skip
    return CHAIN.partition("    - name:")[0] + "".join(each)


def test_a_file_of_many_stages_is_read_once_and_again_before_a_create(
    chain: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (chain / "specs/bot.yaml").write_text(stages(50, "one.jsonl"))
    read = count_reads(monkeypatch)
    for words in (["plan"], ["plan"], ["status"]):
        assert main.run(["-C", str(chain), *words]) == 0
    assert read == ["one.jsonl"], "whatever is decided in one process, nobody wrote to it"
    assert main.run(["-C", str(chain), "apply"]) == 0
    assert "bot/s0" in capsys.readouterr().out
    assert read == ["one.jsonl"] * 2, "once more before the upload, though nothing has changed"


def test_a_file_that_is_written_to_is_read_again(
    chain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = count_reads(monkeypatch)
    opened = open_project(Options(directory=chain))
    file = chain / "specs/one.jsonl"
    before, stamps = opened.read_file("specs/one.jsonl"), file.stat()
    time.sleep(0.02)  # a tick of the system's clock
    file.write_text(file.read_text().replace("one", "two"))
    os.utime(file, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    after = opened.read_file("specs/one.jsonl")
    assert before and after and before.dataset.size == after.dataset.size
    assert not before.dataset.same_bytes(after.dataset), "whose size and time were put back"
    assert opened.read_file("specs/none.jsonl") is opened.read_again("specs/none.jsonl") is None
    monkeypatch.setattr(Path, "stat", lambda *_, **__: stamps)
    file.write_text(file.read_text().replace("two", "six"))
    assert opened.read_again("specs/one.jsonl") != after
    assert len(read) == 3


@pytest.mark.parametrize("call", ["open", "stat", "is_file"])
@pytest.mark.parametrize("command", ["plan", "plan --frozen", "validate"])
def test_a_file_that_nobody_may_read_is_told(
    command: str,
    call: str,
    chain: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    usual = getattr(Path, call)

    def refused(path: Path, *words: Any, **more: Any) -> Any:
        if path.name == "one.jsonl":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return usual(path, *words, **more)

    monkeypatch.setattr(Path, call, refused)
    code = main.run(["-C", str(chain), *command.split()])
    if (command, call) in (("validate", "open"), ("validate", "stat")):
        return  # which opens files otherwise
    assert code == 65
    said = capsys.readouterr().err
    assert "dataset `specs/one.jsonl` cannot be read: Permission denied" in said


def test_names_of_what_is_no_dataset(sample: Path, folder: Path) -> None:
    (folder / "empty.jsonl").touch()
    for name in ("train.jsonl", "empty.jsonl"):
        (sample / name).write_bytes((folder / name).read_bytes())
    compare_runs(
        "data-names",
        sample,
        "data check gs://b",
        "data check gs://",
        "data check gs://tuneops-local/*.jsonl",
        "data check https://example.org/train.jsonl",
        "data check s3://bucket/train.jsonl --kind supervised",
        "data check -",
        "data check empty.jsonl",
        "data check train.jsonl --validation train.jsonl",
        "data check train.jsonl gs://b gs://acme-ml/a.jsonl gs://acme-ml/b.jsonl --env prod",
        "data check train.jsonl gs://b -f json",
        "data stats gs://b/",
        "data diff train.jsonl gs://b",
        "data convert gs://b",
        "data convert -",
    )
    outside = tuneops(folder, "data", "check", "gs://acme-tuning/a.jsonl")
    assert outside.code == 65 and "read with the login of an environment" in outside.err


def with_images(path: Path, images: int) -> Path:
    """A dataset of twelve examples, some of which show an image."""
    shown = [
        {"contents": [turn("user", file("image/png", f"gs://acme/{n}.png"), "What?"), MODEL]}
        for n in range(images)
    ]
    return write(path, *shown, *map(said, range(12 - images)))


def test_a_plan_says_what_nobody_can_pin(chain: Path) -> None:
    with_images(chain / "specs/one.jsonl", 3)
    compare_runs("plan-unpinned", chain, "plan", "plan -f markdown")
    first, second = tuneops(chain, "plan", "-f", "json").document["actions"]
    assert first["unpinned"] == {"linkedExamples": 3} and "unpinned" not in second
    assert "unpinned" in tuneops(chain, "plan", "--frozen", "-f", "json").out
    assert tuneops(chain, "apply", "--wait").code == 0
    assert "not pinned" not in tuneops(chain, "plan", "--show-unchanged").out, "it is bought"


def test_of_an_object_that_was_not_read_a_plan_says_nothing(chain: Path) -> None:
    content = with_images(chain / "specs/one.jsonl", 1).read_bytes()
    assert tuneops(chain, "apply", "--wait").code == 0
    uri = f"gs://tuneops-local/tuneops/{hashlib.sha256(content).hexdigest()}.jsonl"
    spec = chain / "specs/bot.yaml"
    spec.write_text(spec.read_text().replace("Uri: one.jsonl", f"Uri: {uri}"))
    again = ("plan", "--what-if", "bot/one.nonce=again")
    assert "not pinned: the files behind `fileUri` in 1 example;" in tuneops(chain, *again).out
    frozen = tuneops(chain, *again, "--frozen")
    assert frozen.code == 0 and "create" in frozen.out and "pinned:" not in frozen.out


@pytest.mark.parametrize("name", ["", ".", "/", "gs://bucket/", "gs://bucket/."])
def test_what_has_no_name_cannot_be_converted(chain: Path, name: str) -> None:
    refused = tuneops(chain, "data", "convert", name)
    assert refused.code == 65 and "error[internal]" not in refused.err
