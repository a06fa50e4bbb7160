"""What people say about single jobs, written into specs, and what the next run makes of it."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import tuneops
from tests.cli.test_adoption import TRAINING, WORKSPACE, Stranger

CHAIN = f"""\
apiVersion: tuneops.dev/v1
kind: TuningChain
metadata: {{name: bot}}
spec:
  baseModel: gemini-2.5-flash
  stages:
    # what it begins with
    - name: seed
      supervisedTuningSpec: {{trainingDatasetUri: "{TRAINING}", hyperParameters: {{epochCount: 1}}}}
    - name: week
      supervisedTuningSpec: {{trainingDatasetUri: "{TRAINING}", hyperParameters: {{epochCount: 2}}}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "workspace.yaml").write_text(WORKSPACE)
    (tmp_path / "specs" / "bot.yaml").write_text(CHAIN)
    return tmp_path


def spec(project: Path) -> str:
    return (project / "specs" / "bot.yaml").read_text()


def test_a_chain_is_suspended_and_resumed_without_a_trace(project: Path) -> None:
    done = tuneops(project, "suspend", "bot/", "--until", "2099-01-31", "--reason", "a freeze")
    assert done.code == 0, done
    assert spec(project).count('suspend: {until: 2099-01-31, reason: "a freeze"}') == 2
    plan = tuneops(project, "plan")
    assert "help: `tuneops resume bot/seed` lets it begin" in plan.out
    assert tuneops(project, "apply").code == 3
    jobs = tuneops(project, "emulator", "requests").out.splitlines()
    assert not any("-X POST" in line and "tuningJobs" in line for line in jobs)
    assert tuneops(project, "resume", "bot/*").code == 0
    assert spec(project) == CHAIN
    again = tuneops(project, "resume", "bot/")
    assert (again.code, "Nothing to write" in again.out) == (0, True)


def test_nothing_is_asked_of_anybody(project: Path) -> None:
    for words in (["suspend", "bot/week"], ["resume", "bot/week"], ["retry", "bot/seed"]):
        assert tuneops(project, *words).code == 0
    assert not (project / ".tuneops" / "emulator.db").exists()


def test_a_stage_of_a_suspended_chain_may_begin(project: Path) -> None:
    text = CHAIN.replace("  stages:", "  suspend: true\n  stages:")
    (project / "specs" / "bot.yaml").write_text(text)
    assert tuneops(project, "resume", "bot/seed").code == 0
    assert spec(project) == text.replace("name: seed\n", "name: seed\n      suspend: false\n")
    plan = tuneops(project, "plan", "--format", "json").document
    assert [it["action"] for it in plan["actions"]] == ["create", "hold"]


def test_a_veto_is_lifted_by_name_and_descendants_stay_what_they_are(project: Path) -> None:
    assert tuneops(project, "apply").code == 0
    lock = project / "specs" / "tuneops.local.lock.json"
    (key,) = json.loads(lock.read_text())["jobs"]["bot/seed"]["creations"]
    before = json.loads(lock.read_text())["jobs"]["bot/seed"]["creations"][key]
    Stranger(project).post(f"{before['job']}:cancel", {})
    Stranger(project).later(hours=1)
    assert "Nothing to write" in tuneops(project, "resume", "bot/seed").out, "nobody has seen it"
    held = tuneops(project, "reconcile", "--once")
    assert held.code == 3
    plan = tuneops(project, "plan")
    assert "help: `tuneops resume bot/seed` writes `resume:` into its spec" in plan.out
    done = tuneops(project, "resume", "bot/seed", "--reason", "by mistake")
    assert done.code == 0
    number = before["job"].rpartition("/")[2]
    assert f"      resume: tuningJobs/{number}  # by mistake\n" in spec(project)
    actions = tuneops(project, "plan", "--format", "json").document["actions"]
    assert (actions[0]["reason"], actions[0]["attempt"]) == ("resumed", 2)
    assert actions[0]["lineage"] == before["lineage"]
    assert tuneops(project, "apply").code == 0
    assert len(json.loads(lock.read_text())["jobs"]["bot/seed"]["creations"]) == 2
    assert "Nothing to write" in tuneops(project, "resume", "bot/seed").out


def test_a_retry_is_a_nonce_that_the_job_never_had(project: Path) -> None:
    assert tuneops(project, "apply", "--wait").code == 0
    for number in (1, 2):
        assert tuneops(project, "retry", "bot/week", "--reason", f"why {number}").code == 0
        assert f"      nonce: retry-{number}  # why {number}\n" in spec(project)
        plan = tuneops(project, "plan", "--format", "json").document
        assert [it["address"] for it in plan["actions"] if it["class"] == "paid"] == ["bot/week"]
        assert tuneops(project, "apply", "--wait").code == 0
    (project / "specs" / "bot.yaml").write_text(CHAIN)
    assert tuneops(project, "retry", "bot/week").code == 0
    assert "nonce: retry-3\n" in spec(project), "the lock knows the others"


@pytest.mark.parametrize("end", ["2020-01-31", "2099-01-31"])
def test_a_suspension_with_an_end_becomes_one_without(project: Path, end: str) -> None:
    text = CHAIN.replace("  stages:", f"  suspend: {{until: {end}}}\n  stages:")
    (project / "specs" / "bot.yaml").write_text(text)
    assert tuneops(project, "suspend", "bot/seed").code == 0
    assert "suspend: true\n" in spec(project)
    again = tuneops(project, "suspend", "bot/seed")
    assert (again.code, "suspended already" in again.out) == (0, True)


def test_a_retry_makes_no_job_the_twin_of_another(project: Path) -> None:
    twin = CHAIN.replace("name: week", "name: more\n      from: seed\n      nonce: retry-1")
    week = CHAIN.partition("    - name: week")
    (project / "specs" / "bot.yaml").write_text(twin + week[1] + "\n      from: seed" + week[2])
    assert tuneops(project, "retry", "bot/week").code == 0
    assert "nonce: retry-2\n" in spec(project)
    assert tuneops(project, "plan").code == 0


def test_a_dry_run_writes_nothing_and_says_all(project: Path) -> None:
    done = tuneops(project, "suspend", "bot/", "--dry-run", "--format", "json")
    assert done.document["written"] is False
    assert [it["address"] for it in done.document["edits"]] == ["bot/seed", "bot/week"]
    assert spec(project) == CHAIN


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["suspend", "bot/sed"], 1, "did you mean `bot/seed`?"),
        (["suspend", "bot"], 1, "did you mean `bot/`, all of the chain?"),
        (["retry", "x*"], 1, "`x*` is not in the specs"),
        (["suspend", "bot/", "--until", "2097-02-31"], 64, "2027-01-31"),
        (["suspend", "bot/", "--until", "2020-02-01"], 64, "2020-02-01 is over"),
        (["suspend", "bot/", "--reason", "see ${var.ticket}"], 65, "no variable `ticket`"),
        (["retry", "bot/", "--reason", "a\nb"], 64, "one line"),
        (["resume"], 64, "ADDRESS"),
    ],
)
def test_a_slip_is_named(project: Path, words: list[str], code: int, said: str) -> None:
    done = tuneops(project, *words)
    assert (done.code, said in done.err) == (code, True), done
    assert spec(project) == CHAIN


def test_saying_what_the_service_chose_is_free_with_a_lock_and_without(project: Path) -> None:
    left = CHAIN.replace(", hyperParameters: {epochCount: 1}", "")
    (project / "specs" / "bot.yaml").write_text(left)
    assert tuneops(project, "apply", "--wait").code == 0
    lock = project / "specs" / "tuneops.local.lock.json"
    before = json.loads(lock.read_text())
    (seed,) = before["jobs"]["bot/seed"]["creations"].values()
    shown = Stranger(project).get(seed["job"])["supervisedTuningSpec"]["hyperParameters"]
    said = f", hyperParameters: {{epochCount: {shown['epochCount']}}}}}\n    - name: week"
    (project / "specs" / "bot.yaml").write_text(left.replace("}\n    - name: week", said))
    plan = tuneops(project, "plan")
    assert "said in other words; the training is the same" in plan.out
    assert f"hyperParameters.epochCount  unset -> {shown['epochCount']}" in plan.out
    assert tuneops(project, "apply", "--wait").code == 0
    after = json.loads(lock.read_text())
    (stamped,) = after["jobs"]["bot/seed"]["creations"].values()
    assert len(stamped.pop("stamps")) == 1
    assert before == {**after, "jobs": {**after["jobs"], "bot/seed": before["jobs"]["bot/seed"]}}
    assert "No changes" in tuneops(project, "plan").out
    assert "No changes" in tuneops(project, "plan", "--frozen").out
    lock.unlink()
    actions = tuneops(project, "plan", "--format", "json").document["actions"]
    assert [it["class"] for it in actions] == ["free", "free"]
    assert tuneops(project, "lock", "rebuild").code == 0
    (rebuilt,) = json.loads(lock.read_text())["jobs"]["bot/seed"]["creations"].values()
    assert len(rebuilt["stamps"]) == 1
    assert "No changes" in tuneops(project, "plan").out
