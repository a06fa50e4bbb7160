"""The fixture that tuneops brings to its users' tests, in a pytest of its own."""

import subprocess
import sys
from pathlib import Path

TEST = """\
import json, os, urllib.request

def ask(url, body):
    path = "/v1/projects/p/locations/us-central1/tuningJobs"
    data = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url + path, data, headers)) as answer:
        return json.load(answer)

BODY = {
    "baseModel": "gemini-2.5-flash",
    "supervisedTuningSpec": {
        "trainingDatasetUri":
            "gs://cloud-samples-data/ai-platform/generative_ai/gemini/text/sft_train_data.jsonl"
    },
}

def test_a_job_is_made_over_http(tuneops_emulator):
    with tuneops_emulator.serve() as url:
        assert os.environ["GOOGLE_VERTEX_BASE_URL"] == url
        assert ask(url, BODY)["state"] == "JOB_STATE_PENDING"
    assert "GOOGLE_VERTEX_BASE_URL" not in os.environ
    assert len(tuneops_emulator.emulator.jobs()) == 1
"""
UNMET = """
def test_a_fault_is_never_met(tuneops_emulator):
    tuneops_emulator.faults("tuningJobs.create:503")
"""


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_users.py").write_text(text)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_users.py"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_users_reach_the_emulator_through_the_fixture(tmp_path: Path) -> None:
    done = run(tmp_path, TEST)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_a_fault_that_was_asked_for_and_never_met_fails_the_test(tmp_path: Path) -> None:
    done = run(tmp_path, UNMET)
    assert done.returncode == 1
    assert "faults that were asked for and never met: tuningJobs.create:503" in done.stdout
