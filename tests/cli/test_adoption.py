"""Jobs that somebody else made, taken over or continued, through the public commands."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

from tests.cli.conftest import bare, tuneops
from tuneops.emulator.application import Emulator
from tuneops.emulator.server import EmulatorServer

PARENT = "projects/demo-project/locations/us-central1"
NOTHING = "No job and no model here that tuneops does not know.\n"
TRAINING = "gs://cloud-samples-data/ai-platform/generative_ai/gemini/text/sft_train_data.jsonl"
WORKSPACE = """\
apiVersion: tuneops.dev/v1
kind: Workspace
metadata: {name: acme}
spec:
  environments:
    local: {provider: emulator, project: demo-project, location: us-central1}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "workspace.yaml").write_text(WORKSPACE)
    (tmp_path / ".tuneops").mkdir()
    return tmp_path


class Stranger:
    """Somebody who uses the service without tuneops."""

    def __init__(self, project: Path) -> None:
        self.database = project / ".tuneops" / "emulator.db"

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        with Emulator(self.database, wall=lambda: datetime.now(UTC)) as emulator:
            transport = httpx.WSGITransport(app=emulator)
            with httpx.Client(transport=transport, base_url="http://x") as client:
                answer = client.request(method, f"/v1/{path}", json=body)
                answer.raise_for_status()
                found: dict[str, Any] = answer.json()
                return found

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.ask("POST", path, body)

    def get(self, name: str) -> dict[str, Any]:
        return self.ask("GET", name)

    def train(self, **fields: Any) -> dict[str, Any]:
        body = {
            "baseModel": "gemini-2.5-flash",
            "tunedModelDisplayName": "By Hand",
            "supervisedTuningSpec": {
                "trainingDatasetUri": TRAINING,
                "hyperParameters": {"epochCount": "2"},
            },
            **fields,
        }
        return self.post(f"{PARENT}/tuningJobs", body)

    def later(self, **time: float) -> None:
        with Emulator(self.database, wall=lambda: datetime.now(UTC)) as emulator:
            emulator.advance(timedelta(**time))

    def lose(self, job: str) -> None:
        """The record of a job is gone; its model stays."""
        with Emulator(self.database, wall=lambda: datetime.now(UTC)) as emulator:
            emulator.forget_job(job)

    def tuned(self, **fields: Any) -> str:
        """A version whose job is gone."""
        made = self.train(**fields)
        self.later(hours=3)
        version: str = self.get(made["name"])["tunedModel"]["model"]
        self.lose(made["name"])
        return version

    def jobs(self) -> int:
        with Emulator(self.database, wall=lambda: datetime.now(UTC)) as emulator:
            return len(emulator.jobs())


def actions(project: Path) -> dict[str, tuple[str, str]]:
    plan = tuneops(project, "plan", "--format", "json").document
    return {line["address"]: (line["action"], line["reason"]) for line in plan["actions"]}


def test_a_job_made_by_hand_is_discovered_adopted_and_kept(project: Path) -> None:
    stranger = Stranger(project)
    made = stranger.train()
    stranger.later(hours=3)
    found = tuneops(project, "discover", "--format", "json").document
    assert [job["name"] for job in found["jobs"]] == ["by-hand"]
    done = tuneops(project, "discover", "--write", "specs/adopted")
    assert done.code == 0
    assert (project / "specs" / "adopted" / "by-hand.yaml").is_file()
    assert actions(project) == {"by-hand": ("adopt", "named")}
    assert tuneops(project, "apply").code == 0
    assert actions(project) == {"by-hand": ("keep", "in-sync")}
    assert tuneops(project, "output", "by-hand.job").out.strip() == made["name"]
    assert stranger.jobs() == 1
    assert tuneops(project, "discover").out == NOTHING


@pytest.mark.parametrize(
    "name",
    [
        "${var.x}",
        "zero\u200bwidth",
        "\u202egnp",
        "ya29.token",
        "AIzaSyABCDEFGHIJKLMN",
        "null",
        "  ",
        "- a: b #c",
        "line\nbreak",
        "\U0001f600 Ünï",
    ],
    ids=ascii,
)
def test_no_name_that_somebody_gave_breaks_the_specs(project: Path, name: str) -> None:
    stranger = Stranger(project)
    made = stranger.train(tunedModelDisplayName=name)
    stranger.later(hours=3)
    assert tuneops(project, "discover", "--write", "specs/adopted").code == 0
    assert list(actions(project).values()) == [("adopt", "named")]
    assert tuneops(project, "apply").code == 0
    assert list(actions(project).values()) == [("keep", "in-sync")]
    said = "tunedModelDisplayName" in next((project / "specs" / "adopted").iterdir()).read_text()
    assert said == (name in ("null", "- a: b #c", "line\nbreak", "\U0001f600 Ünï"))
    assert stranger.get(made["name"])["tunedModelDisplayName"] == name


def test_a_running_job_is_adopted_and_followed(project: Path) -> None:
    stranger = Stranger(project)
    made = stranger.train()
    spec = project / "specs" / "faq.yaml"
    assert tuneops(project, "adopt", "null", made["name"], "--write", str(spec)).code == 0
    assert actions(project) == {"null": ("adopt", "named")}
    spec.unlink()
    assert tuneops(project, "adopt", "faq", made["name"], "--write", str(spec)).code == 0
    assert actions(project) == {"faq": ("adopt", "named")}
    assert tuneops(project, "apply", "--wait").code == 0
    assert actions(project) == {"faq": ("keep", "in-sync")}
    assert tuneops(project, "output", "faq.checkpoint").out == "2\n"


def test_a_model_version_is_adopted_by_the_job_that_made_it(project: Path) -> None:
    stranger = Stranger(project)
    made = stranger.train()
    stranger.later(hours=3)
    model = stranger.get(made["name"])["tunedModel"]["model"]
    spec = project / "specs" / "faq.yaml"
    assert tuneops(project, "adopt", "faq", model, "--write", str(spec)).code == 0
    assert actions(project) == {"faq": ("adopt", "named")}


def test_what_differs_is_held_and_never_bought_instead(project: Path) -> None:
    stranger = Stranger(project)
    made = stranger.train()
    stranger.later(hours=3)
    spec = project / "specs" / "faq.yaml"
    tuneops(project, "adopt", "faq", made["name"], "--write", str(spec))
    spec.write_text(spec.read_text().replace("epochCount: 2", "epochCount: 5"))
    assert actions(project) == {"faq": ("hold", "differs")}
    assert tuneops(project, "apply").code == 3
    assert stranger.jobs() == 1
    spec.write_text(spec.read_text().replace("  adopt:", "  asIs: true\n  adopt:"))
    assert actions(project) == {"faq": ("adopt", "named")}


def test_a_job_that_is_not_there_is_held(project: Path) -> None:
    (project / "specs" / "faq.yaml").write_text(
        f"""\
apiVersion: tuneops.dev/v1
kind: TuningJob
metadata: {{name: faq}}
spec:
  adopt: {PARENT}/tuningJobs/1234567890123456789
  baseModel: gemini-2.5-flash
  supervisedTuningSpec: {{trainingDatasetUri: "{TRAINING}"}}
"""
    )
    assert actions(project) == {"faq": ("hold", "not-found")}


def test_a_job_of_another_workspace_is_refused(project: Path) -> None:
    stranger = Stranger(project)
    labels = {
        "managed-by": "tuneops",
        "tuneops-owner": "other--local",
        "tuneops-address": "faq",
        "tuneops-lineage": "v1-" + "a" * 52,
        "tuneops-attempt": "a0001-" + "b" * 26,
    }
    made = stranger.train(labels=labels)
    refused = tuneops(project, "adopt", "faq", made["name"])
    assert refused.code == 4
    assert "it belongs to other--local" in refused.err
    assert tuneops(project, "discover").out == NOTHING


def test_one_job_is_adopted_at_one_address_only(project: Path) -> None:
    stranger = Stranger(project)
    made = stranger.train()
    stranger.later(hours=3)
    for name, epochs in (("a", 2), ("b", 3)):
        (project / "specs" / f"{name}.yaml").write_text(
            f"""\
apiVersion: tuneops.dev/v1
kind: TuningJob
metadata: {{name: {name}}}
spec:
  adopt: {made["name"]}
  asIs: true
  baseModel: gemini-2.5-flash
  supervisedTuningSpec:
    trainingDatasetUri: "{TRAINING}"
    hyperParameters: {{epochCount: {epochs}}}
"""
        )
    found = actions(project)
    assert found["a"] == ("adopt", "named")
    assert found["b"] == ("hold", "not-adoptable")


@pytest.mark.parametrize("version", ["", "@1", "@golden"])
def test_a_tuned_model_is_continued_from_the_version_that_its_name_meant_when_pinned(
    project: Path, version: str
) -> None:
    stranger = Stranger(project)
    made = stranger.train()
    stranger.later(hours=3)
    model = stranger.get(made["name"])["tunedModel"]["model"]
    if version == "@golden":
        stranger.post(f"{model}:mergeVersionAliases", {"versionAliases": ["golden"]})
    base = model.partition("@")[0]
    spec = project / "specs" / "next.yaml"
    spec.write_text(
        f"""\
apiVersion: tuneops.dev/v1
kind: TuningJob
metadata: {{name: next}}
spec:
  preTunedModel: {{tunedModelName: {base}{version}}}
  supervisedTuningSpec: {{trainingDatasetUri: "{TRAINING}", hyperParameters: {{epochCount: 1}}}}
"""
    )
    done = tuneops(project, "apply", "--wait")
    assert done.code == 0, done.err
    lock = json.loads((project / "specs" / "tuneops.local.lock.json").read_text())
    creations = lock["jobs"]["next"]["creations"].values()
    assert [c["source"] for c in creations] == [{"checkpoint": "2", "model": model}]
    sent = stranger.get(next(iter(creations))["job"])["preTunedModel"]
    assert (sent["tunedModelName"], sent["checkpointId"]) == (model, "2")
    second = next(iter(creations))["model"]
    if version == "@1":
        return
    alias = version.removeprefix("@") or "default"
    stranger.post(f"{second}:mergeVersionAliases", {"versionAliases": [alias]})
    plan = tuneops(project, "plan", "--format", "json").document
    assert [line["action"] for line in plan["actions"]] == ["keep"]
    assert [drift["kind"] for drift in plan["drift"]] == ["source-moved"]


def test_a_tuned_model_that_is_not_there_is_an_error_at_its_line(project: Path) -> None:
    (project / "specs" / "next.yaml").write_text(
        f"""\
apiVersion: tuneops.dev/v1
kind: TuningJob
metadata: {{name: next}}
spec:
  preTunedModel: {{tunedModelName: {PARENT}/models/55@2}}
  supervisedTuningSpec: {{trainingDatasetUri: "{TRAINING}"}}
"""
    )
    done = tuneops(project, "plan")
    assert done.code == 65
    assert "error[source-missing]" in done.err
    assert "specs/next.yaml:5:35" in done.err


@pytest.mark.filterwarnings(r"ignore:The SDK's tuning implementation is experimental")
def test_a_job_made_with_googles_client_is_adopted_over_http(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    vertex = WORKSPACE.replace("provider: emulator", "provider: vertex")
    (tmp_path / "specs" / "workspace.yaml").write_text(vertex)
    with (
        Emulator(tmp_path / "served.db", wall=lambda: datetime.now(UTC)) as emulator,
        EmulatorServer(emulator, port=0) as server,
        genai.Client(
            vertexai=True,
            project="demo-project",
            location="us-central1",
            credentials=Credentials(token="t"),
            http_options=types.HttpOptions(base_url=server.url),
        ) as client,
    ):
        made = client.tunings.tune(
            base_model="gemini-2.5-flash",
            training_dataset=types.TuningDataset(gcs_uri=TRAINING),
            config=types.CreateTuningJobConfig(
                epoch_count=2, tuned_model_display_name="From the SDK"
            ),
        )
        emulator.advance(timedelta(hours=3))
        there = bare(GOOGLE_VERTEX_BASE_URL=server.url)
        done = tuneops(tmp_path, "discover", "--write", "specs/adopted", env=there)
        assert done.code == 0, done.err
        assert tuneops(tmp_path, "apply", env=there).code == 0
        plan = tuneops(tmp_path, "plan", "--format", "json", env=there).document
        assert [line["action"] for line in plan["actions"]] == ["keep"]
        assert tuneops(tmp_path, "output", "from-the-sdk.job", env=there).out.strip() == made.name
        assert len(emulator.jobs()) == 1


def test_versions_whose_jobs_are_gone_are_discovered_adopted_and_continued(project: Path) -> None:
    stranger = Stranger(project)
    first = stranger.tuned()
    again = {"tunedModelName": first, "checkpointId": "2"}
    second = stranger.tuned(baseModel=None, preTunedModel=again, tunedModelDisplayName=None)
    kept = stranger.train(tunedModelDisplayName="Still There")
    stranger.later(hours=3)
    found = tuneops(project, "discover", "--format", "json").document["jobs"]
    assert [(one["job"], one["model"], one["name"]) for one in found] == [
        (kept["name"], stranger.get(kept["name"])["tunedModel"]["model"], "still-there"),
        (None, first, "by-hand"),
        (None, second, "by-hand-2"),
    ]
    done = tuneops(project, "discover", "--write", "specs/adopted")
    assert done.code == 0 and f"models/{first.rpartition('/')[2]}" in done.out
    assert {line[0] for line in actions(project).values()} == {"adopt"}
    assert tuneops(project, "apply").code == 0
    assert set(actions(project).values()) == {("keep", "in-sync")}
    assert tuneops(project, "plan", "--frozen", "--locked").code == 0
    assert tuneops(project, "discover").out == NOTHING
    assert tuneops(project, "output", "by-hand-2.model").out.strip() == second
    assert tuneops(project, "output", "by-hand-2.endpoint").out.startswith("projects/")
    wide = tuneops(project, "status", "-o", "wide").out
    assert "tuningJobs/projects" not in wide and second.rpartition("/")[2] in wide
    (project / "specs" / "next.yaml").write_text(
        f"""\
apiVersion: tuneops.dev/v1
kind: TuningJob
metadata: {{name: next}}
spec:
  from: by-hand-2
  supervisedTuningSpec: {{trainingDatasetUri: "{TRAINING}", hyperParameters: {{epochCount: 1}}}}
"""
    )
    assert tuneops(project, "apply", "--wait").code == 0
    job = tuneops(project, "output", "next.job").out.strip()
    assert stranger.get(job)["preTunedModel"]["tunedModelName"] == second
    assert stranger.jobs() == 4


def test_a_version_is_adopted_once_as_it_is_or_not_at_all(project: Path) -> None:
    stranger = Stranger(project)
    version = stranger.tuned()
    spec = project / "specs" / "faq.yaml"
    assert tuneops(project, "adopt", "faq", version, "--write", str(spec)).code == 0
    text = spec.read_text()
    assert "trainingDatasetUri" not in text.partition("apiVersion")[2]
    assert actions(project) == {"faq": ("adopt", "named")}
    spec.write_text(text.replace("gemini-2.5-flash", "gemini-2.5-pro"))
    assert actions(project) == {"faq": ("hold", "differs")}
    spec.write_text(text.replace("supervisedTuningSpec", "preferenceOptimizationSpec"))
    assert actions(project) == {"faq": ("hold", "differs")}
    known = text.replace("Spec:\n", f'Spec:\n    trainingDatasetUri: "{TRAINING}"\n')
    spec.write_text(known.replace("epochCount: 2", "epochCount: 3"))
    assert actions(project) == {"faq": ("hold", "differs")}
    assert tuneops(project, "apply").code == 3 and stranger.jobs() == 1
    spec.write_text(spec.read_text().replace("  adopt:", "  asIs: true\n  adopt:"))
    assert actions(project) == {"faq": ("adopt", "named")}
    spec.write_text(known)
    (project / "specs" / "twin.yaml").write_text(text.replace("name: faq", "name: twin"))
    assert actions(project) == {"faq": ("adopt", "named"), "twin": ("hold", "not-adoptable")}
    spec.write_text(text.replace("@1", "@7"))
    (project / "specs" / "twin.yaml").unlink()
    assert actions(project) == {"faq": ("hold", "not-found")}


def test_a_version_of_another_workspace_is_refused_though_its_job_is_gone(project: Path) -> None:
    stranger = Stranger(project)
    version = stranger.tuned(labels={"managed-by": "tuneops", "tuneops-owner": "other--local"})
    refused = tuneops(project, "adopt", "faq", version)
    assert refused.code == 4 and "it belongs to other--local" in refused.err
    assert tuneops(project, "discover").out == NOTHING
    (project / "specs" / "faq.yaml").write_text(
        f"""\
apiVersion: tuneops.dev/v1
kind: TuningJob
metadata: {{name: faq}}
spec:
  adopt: {version}
  asIs: true
  baseModel: gemini-2.5-flash
  supervisedTuningSpec: {{}}
"""
    )
    assert actions(project) == {"faq": ("hold", "not-adoptable")}


def test_very_many_jobs_and_versions_are_adopted_at_once(project: Path) -> None:
    stranger = Stranger(project)
    body = {"epochCount": "1"}
    for number in range(120):
        spec = {"trainingDatasetUri": TRAINING, "hyperParameters": body}
        made = stranger.train(tunedModelDisplayName=f"n-{number}", supervisedTuningSpec=spec)
        if number == 0:
            first = made
    stranger.later(hours=9)
    stranger.lose(first["name"])
    done = tuneops(project, "discover", "--write", "specs/adopted", "-f", "json")
    assert len(done.document["written"]) == 120
    found = actions(project)
    assert len(found) == 120 and found["n-0"] == ("adopt", "named")
