"""The files that examples name: looked for by metadata, where somebody asks for it."""

import json
from pathlib import Path
from typing import Any, cast

import pytest

from tests.cli.conftest import tuneops
from tests.cli.test_data_commands import write
from tests.cli.test_golden import compare
from tests.support.dataset_cases import MODEL, file, turn
from tests.support.story import Story
from tuneops.cli.media import look_for
from tuneops.core.recipe import Method
from tuneops.datasets import scan
from tuneops.datasets.checks import check
from tuneops.datasets.limits import ANY
from tuneops.errors import Unavailable

TABLE = """\
apiVersion: tuneops.dev/v1
kind: ModelTable
spec:
  rows:
    - models: [gemini-2.5-flash]
      source: our own trials
      asOf: 2026-11-20
      confirmed: true
      mediaFiles: {image: 2, audio: 1}
      mediaBytes: {image: 10, audio: 1000}
"""


def shows(*files: Any) -> dict[str, Any]:
    return {"contents": [turn("user", *files, "What is it?"), MODEL]}


def image(name: str, mime_type: str = "image/png") -> dict[str, Any]:
    return file(mime_type, f"gs://acme-media/{name}")


@pytest.fixture
def story(tmp_path: Path) -> Story:
    story = Story(tmp_path)
    store = story.service.store
    store("acme-media", "good.png", b"12345678", "image/png")
    store("acme-media", "plain.png", b"12345678")
    store("acme-media", "other.png", b"12345678", "image/webp")
    store("acme-media", "large.png", b"1234567890+", "image/png; charset=binary")
    store("acme-media", "empty.png", b"", "image/png")
    store("acme-media", "call.mp3", b"x", "audio/mp3")
    return story


def test_what_metadata_tells_of_files(story: Story) -> None:
    (story.project / "specs/models.yaml").write_text(TABLE)
    write(
        story.project / "specs/one.jsonl",
        shows(image("good.png"), image("plain.png")),
        shows(image("good.png"), image("gone.png")),
        shows(image("large.png"), image("empty.png"), image("other.png")),
        *(shows(image(f"gone-{number}.png")) for number in range(5)),
        shows(image("call.mp3", "audio/mpeg")),
        shows(file("image/png", "https://example.org/1.png"), file("image/png", "gs://acme-media")),
    )
    asked = [("validate --data full", story.desk.run(story.project, "validate", "--data", "full"))]
    words = ("data", "check", str(story.project / "specs/one.jsonl"))
    json_words = (*words, "--media", "--model", "gemini-2.5-flash", "-f", "json")
    document = json.loads(story.desk.run(story.project, *json_words).out)
    compare("media", *asked)
    found = {(item["code"], item["range"]["start"]["line"]) for item in document["diagnostics"]}
    assert {("dataset-media", 2), ("dataset-dropped", 3), ("dataset-media", 4)} <= found
    quiet = story.desk.run(story.project, "validate")
    assert quiet.code == 0 and "does not exist" not in quiet.err, "nobody asked"


class Silent:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def glance(self, uri: str) -> tuple[int, str] | None:
        self.asked.append(uri)
        raise Unavailable("storage: no route to host")


def test_a_store_that_does_not_answer_is_not_asked_about_every_file() -> None:
    lines = b"\n".join(json.dumps(shows(image(f"{n}.png"))).encode() for n in range(400))
    checked = check([lines], path="x.jsonl", method=Method.SUPERVISED)
    store = Silent()
    findings = look_for(cast("Any", store), [checked])
    assert len(store.asked) < 50
    words = " ".join(finding.message for finding in findings)
    assert "cannot be looked at: storage: no route to host" in words
    assert f"{400 - len(store.asked)} more files that it names were not looked for" in words


def test_parts_of_a_file_know_what_the_whole_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "NAMED_LIMIT", 7)
    lines = [json.dumps(shows(image(f"{n % 6}.png"), image(f"{n}.png"))) for n in range(12)]
    every = [f"{line}\n".encode() for line in lines]
    whole, first, second = (scan.Scan(method=Method.SUPERVISED, limits=ANY) for _ in range(3))
    whole.read(every)
    first.read(every[:5])
    second.read(every[5:], start=False)
    first.join(second)
    assert first.named == whole.named
    places = {uri.rpartition("/")[2]: line for uri, (line, _) in whole.named.items()}
    assert places == {f"{n}.png": n + 1 for n in range(7)}
    assert whole.unnamed == 5


def test_files_that_may_not_be_looked_at_are_warnings(story: Story) -> None:
    write(story.project / "specs/one.jsonl", *(shows(image(f"{n}.png")) for n in range(30)))
    story.faults("storage.objects.get:403*30")
    done = story.desk.run(story.project, "validate", "--data", "full")
    assert done.code == 0, done
    assert "30 files have this problem (lines 1, 2, 3, …)" in done.err


def test_an_emulator_has_no_files_to_look_for(chain: Path) -> None:
    write(chain / "specs/one.jsonl", shows(image("gone.png")))
    done = tuneops(chain, "validate", "--data", "full")
    assert done.code == 0 and "no problems" in done.out
    asked = tuneops(chain, "data", "check", "specs/one.jsonl", "--media")
    assert asked.code == 65 and "`gs://acme-media/gone.png` does not exist" in asked.err
    assert "contents[0].parts[0]" in asked.err


def test_without_a_login_the_lines_are_checked_all_the_same(sample: Path) -> None:
    write(sample / "specs/data/refunds.jsonl", shows(image("gone.png")))
    done = tuneops(sample, "validate", "--data", "full", "--env", "prod")
    assert done.code == 0, done
    assert "were not looked for: there is no Google login" in done.err


def test_a_check_that_cannot_look_tells_what_the_lines_say(sample: Path) -> None:
    write(sample / "specs/data/refunds.jsonl", shows(image("gone.png")), {"contents": []})
    words = ("data", "check", "specs/data/refunds.jsonl", "--media", "--env", "prod")
    done = tuneops(sample, *words)
    assert done.code == 1, done
    assert "error[no-credentials]" in done.err and "refunds.jsonl:2" in done.err
