"""Every exit code of `tuneops help exit-codes`, made by a command.

On a failure stdout is empty; with `--format json` it is one document, on success and on failure.
"""

import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Done, bare, git, program, script, tuneops
from tests.e2e.conftest import WORKSPACE, example
from tuneops.cli.exits import CODES

LOCK = "specs/tuneops.local.lock.json"
PROD = "    prod: {provider: vertex, project: acme-ml, location: us-central1, datasetBucket: gs://acme}\n"

NO_SOCKETS = """
import socket, sys
def refuse(*_, **__):
    raise AssertionError("the network was touched")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from tuneops.cli.main import run
sys.exit(run(sys.argv[1:]))
"""

PRETENDED = """
import dataclasses, sys
from tuneops.cli import services
embedded = services._embedded
def remote(*given):
    *_, target, stack = given
    from tuneops.cli.options import Options
    from tuneops.cli.project import open_project
    service = embedded(open_project(Options()), target, stack)
    return dataclasses.replace(service, emulator=None, name="Vertex AI, pretended")
services._remote = remote
from tuneops.cli.main import run
sys.exit(run(sys.argv[1:]))
"""
"""The real service's place is taken by the embedded emulator, which nothing else gives away."""

SILENT = """
import sys, httpx
from tuneops.emulator.application import Emulator
answer = Emulator.__call__
def serve(self, environ, start):
    done = answer(self, environ, start)
    if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].endswith("/tuningJobs"):
        raise httpx.ReadTimeout("the answer was lost on the way")
    return done
Emulator.__call__ = serve
from tuneops.cli.main import run
sys.exit(run(sys.argv[1:]))
"""
"""The emulator makes the job; its answer does not arrive."""


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def assert_refused(done: Done, code: int, slug: str) -> None:
    assert done.code == code, done
    assert done.out == ""
    assert done.err.startswith(f"error[{slug}]: "), done.err
    assert "help: " in done.err
    assert "Traceback" not in done.err


@pytest.fixture
def finished(chain: Path) -> Path:
    assert tuneops(chain, "apply", "--wait").code == 0
    return chain


@pytest.fixture
def failing(chain: Path) -> Path:
    """A chain whose first job the service will fail."""
    assert tuneops(chain, "emulator", "fault", "job:fail=3@processing").code == 0
    return chain


def test_every_code_of_the_table_has_a_test_here() -> None:
    text = Path(__file__).read_text()
    named = {int(code) for code in re.findall(r"^def test_(\d+)_", text, re.MULTILINE)}
    assert named == set(CODES) - {130, 143}, "these two are in e2e/test_kill.py"


def test_0_is_done_and_nothing_to_do(chain: Path) -> None:
    first = tuneops(chain, "apply", "--wait", "--quiet")
    assert (first.code, first.err) == (0, "")
    assert "2 submitted, 2 done." in first.out
    again = tuneops(chain, "apply", "--wait")
    assert (again.code, again.out, again.err) == (0, "No changes: 2 done.\n", "")


def test_1_is_a_missing_login_and_no_network_is_touched(chain: Path) -> None:
    append(chain / "specs/workspace.yaml", PROD)
    for words in (["plan"], ["apply", "--auto-approve"]):
        done = script(chain, NO_SOCKETS, *words, "--env", "prod")
        assert_refused(done, 1, "no-credentials")
        assert "tuneops --env local plan" in done.err


def test_1_is_an_address_without_a_result(chain: Path) -> None:
    assert_refused(tuneops(chain, "output", "bot/one"), 1, "failed")
    assert_refused(tuneops(chain, "lock", "show", "bot/one"), 1, "failed")


def test_1_is_a_file_that_cannot_be_written_and_the_answer_is_not_half_said(chain: Path) -> None:
    for flag in ("--out", "--summary"):
        done = tuneops(chain, "plan", flag, "/dev/null/nowhere")
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("error[cannot-write]: cannot write `/dev/null/nowhere`")
        done = tuneops(chain, "plan", flag, "/dev/null/nowhere", "--format", "json")
        assert done.code == 1 and done.document["exitCode"] == 1


def test_2_is_a_plan_with_changes_where_codes_are_asked_for(chain: Path) -> None:
    assert tuneops(chain, "plan").code == 0
    assert tuneops(chain, "plan", "--detailed-exitcode").code == 2
    assert tuneops(chain, "apply", "--wait").code == 0
    assert tuneops(chain, "plan", "--detailed-exitcode").code == 0


def test_3_is_a_hold(finished: Path) -> None:
    assert tuneops(finished, "emulator", "reset", "--yes").code == 0
    assert tuneops(finished, "plan").code == 0
    assert tuneops(finished, "plan", "--detailed-exitcode").code == 3
    done = tuneops(finished, "apply", "--wait")
    assert done.code == 3
    assert done.out == "No changes: 0 done, 2 on hold (`tuneops plan` says why).\n"
    assert tuneops(finished, "reconcile", "--once").code == 3


def test_4_is_a_purchase_that_nobody_approved(chain: Path) -> None:
    append(chain / "specs/workspace.yaml", PROD)
    done = script(chain, PRETENDED, "apply", "--env", "prod")
    assert_refused(done, 4, "approval-needed")
    question = r"apply would run 2 tuning jobs \(.*\$.*\) and there is no terminal to ask"
    assert re.search(question, done.err) and "--auto-approve --max-cost" in done.err
    assert not list((chain / "specs").glob("*.lock.json"))
    approved = script(chain, PRETENDED, "apply", "--env", "prod", "--auto-approve")
    assert approved.code == 0, approved


def test_4_is_a_purchase_in_ci_without_a_shared_guard(chain: Path) -> None:
    append(chain / "specs/workspace.yaml", PROD)
    words = ("apply", "--env", "prod", "--auto-approve")
    done = script(chain, PRETENDED, *words, env=bare(CI="true"))
    assert_refused(done, 4, "denied")
    assert "creation guard that all runners share" in done.err


def test_4_is_an_unattended_run_of_specs_that_are_not_committed(chain: Path) -> None:
    git(chain, "init", "-q")
    git(chain, "add", "-A")
    git(chain, "commit", "-qm", "Add the bot")
    assert tuneops(chain, "reconcile", "--once").code == 0
    append(chain / "specs/bot.yaml", "# a remark\n")
    done = tuneops(chain, "reconcile", "--once")
    assert_refused(done, 4, "denied")
    assert "note: `specs/bot.yaml` differs from the commit\n" in done.err


def test_4_is_an_emulator_that_would_be_emptied_without_a_word(finished: Path) -> None:
    assert_refused(tuneops(finished, "emulator", "reset"), 4, "approval-needed")
    assert tuneops(finished, "plan", "--detailed-exitcode").code == 0


def test_4_is_a_project_whose_specs_have_all_vanished(finished: Path) -> None:
    (finished / "specs/bot.yaml").unlink()
    assert_refused(tuneops(finished, "apply"), 4, "denied")
    plan = tuneops(finished, "plan")
    assert plan.code == 4 and "error[denied]: the specs declare no job" in plan.err
    assert tuneops(finished, "plan", "--allow-empty").code == 0
    assert tuneops(finished, "apply", "--allow-empty").code == 0


def test_5_is_a_plan_file_that_is_out_of_date(chain: Path) -> None:
    assert tuneops(chain, "plan", "--out", "plan.json").code == 0
    append(chain / "specs/one.jsonl", example("one more?", "yes"))
    done = tuneops(chain, "apply", "plan.json")
    assert_refused(done, 5, "stale-plan")
    assert "nothing was bought" in done.err
    assert not (chain / LOCK).exists()


def test_5_is_another_digest_than_the_expected_one(chain: Path) -> None:
    digest = tuneops(chain, "plan", "--format", "json").document["digest"]
    assert_refused(tuneops(chain, "apply", "--expect-digest", "0" * 32), 5, "stale-plan")
    assert_refused(tuneops(chain, "apply", "--expect-digest", digest[:4]), 5, "stale-plan")
    assert tuneops(chain, "apply", "--expect-digest", digest).code == 0


def test_5_is_a_lock_that_differs_from_the_specs(chain: Path) -> None:
    assert_refused(tuneops(chain, "lock", "check"), 5, "lock-outdated")
    assert tuneops(chain, "apply", "--wait").code == 0
    assert tuneops(chain, "lock", "check").code == 0


def test_6_is_another_run_in_the_same_checkout(chain: Path) -> None:
    busy = script(chain, BUSY, "apply")
    assert_refused(busy, 6, "locked-by-other")
    assert_refused(script(chain, BUSY, "emulator", "reset", "--yes"), 6, "locked-by-other")


BUSY = """
import sys
from tuneops.cli.main import run
from tuneops.cli.options import Options
from tuneops.cli.project import open_project
from tuneops.cli.session import alone
with alone(open_project(Options()), "local"):
    code = run(sys.argv[1:])
sys.exit(code)
"""


def test_7_is_a_create_without_an_answer_and_the_next_run_finds_its_job(chain: Path) -> None:
    tuneops(chain, "emulator", "fault", "tuningJobs.list:lag=300s*20")
    done = script(chain, SILENT, "apply")
    assert done.code == 7, done
    assert "unanswered" in done.err
    assert "1 without an answer yet" in done.out
    tuneops(chain, "emulator", "fault", "--clear")
    after = tuneops(chain, "apply", "--wait", "--format", "json")
    assert after.code == 0, after
    assert after.document["summary"]["submitted"] == 1, "only the second stage"


def test_8_is_a_wait_that_was_too_short_or_jobs_that_run_on(chain: Path) -> None:
    done = tuneops(chain, "apply", "--wait", "--timeout", "5m")
    assert done.code == 8, done
    assert "The time is up" in done.out
    git(chain, "init", "-q")
    git(chain, "add", "-A")
    git(chain, "commit", "-qm", "Add the bot")
    assert tuneops(chain, "reconcile", "--once").code == 0
    assert tuneops(chain, "reconcile", "--once", "--detailed-exitcode").code == 8
    assert tuneops(chain, "apply", "--wait").code == 0


def test_9_is_a_job_that_failed(failing: Path) -> None:
    done = tuneops(failing, "apply", "--wait")
    assert done.code == 9, done
    assert "failed" in done.err
    again = tuneops(failing, "apply", "--wait")
    assert again.code == 9
    assert again.out.startswith("No changes: 0 done, 2 on hold"), "it is not bought again"
    status = tuneops(failing, "status", "--format", "json").document
    assert [job["health"] for job in status["jobs"]] == ["Degraded", "Missing"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["aply"], "error: no such command `aply`; did you mean `apply`?"),
        (["plan", "--ouput"], "error: no such option `--ouput`; did you mean `--out`?"),
        (["lock", "shwo"], "error: no such command `shwo`; did you mean `show`?"),
        (["help", "plam"], "error: no such command `plam`"),
        (["plan", "extra"], "error: unexpected extra argument `extra`"),
        (["plan", "--env"], "error: option `--env` requires an argument"),
        (["apply", "--timeout", "soon"], "`soon` is no length of time"),
        (["output", "bot/one.price"], "error: no field `price`"),
        (["reconcile"], "error: give one of `--once` and `--until settled`"),
        (["-C", "nowhere", "plan"], "`nowhere` does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_64_is_wrong_usage(words: list[str], said: str, chain: Path) -> None:
    done = tuneops(chain, *words)
    assert done.code == 64
    assert done.out == ""
    assert said in done.err
    document = tuneops(chain, *words, env=bare(TUNEOPS_FORMAT="json")).document
    assert document["exitCode"] == 64
    assert document["diagnostics"][0]["code"] == "usage"


def test_64_is_a_variable_that_is_mistyped(chain: Path) -> None:
    done = tuneops(chain, "plan", env=bare(TUNEOPS_SETTLE="soon"))
    assert done.code == 64 and "TUNEOPS_SETTLE" in done.err
    done = tuneops(chain, "plan", env=bare(TUNEOPS_SETTLE="0"))
    assert done.code == 64 and "`TUNEOPS_SETTLE=0` is too short" in done.err
    workspace = chain / "specs/workspace.yaml"
    real = "provider: vertex, datasetBucket: gs://acme-data"
    workspace.write_text(workspace.read_text().replace("provider: emulator", real))
    done = tuneops(chain, "plan", env=bare(TUNEOPS_SETTLE="119s"))
    assert done.code == 64 and "buys it a second time" in done.err
    done = tuneops(chain, "plan", env=bare(TUNEOPS_FORMAT="xml"))
    assert done.code == 64 and "`xml`" in done.err


def test_65_is_a_spec_error_and_nothing_is_touched(finished: Path) -> None:
    spec = finished / "specs/bot.yaml"
    spec.write_text(spec.read_text().replace("epochCount: 1", "epochs: one"))
    before = {
        path: path.read_bytes() for path in [finished / LOCK, finished / ".tuneops/emulator.db"]
    }
    for words in (["plan"], ["apply", "--wait"], ["status"], ["lock", "check"], ["lock", "show"]):
        assert_refused(tuneops(finished, *words), 65, "unknown-field")
        document = tuneops(finished, *words, "--format", "json").document
        assert document["exitCode"] == 65
    for path, content in before.items():
        assert path.read_bytes() == content
    done = tuneops(finished, "validate")
    assert (done.code, done.out) == (65, "")
    assert done.err.endswith("Found 2 errors in 1 of 4 files.\n")


@pytest.mark.parametrize(
    ("damage", "slug"),
    [
        (lambda text: "", "lock-damaged"),
        (lambda text: text[: len(text) // 2], "lock-damaged"),
        (lambda text: "[]", "lock-damaged"),
        (lambda text: text.replace('"version": 1', '"version": 7'), "lock-damaged"),
        (lambda text: text.replace('"revision": 1', '"revision": 7'), "lock-newer"),
        (lambda text: text.replace('"SUCCEEDED"', '"DONE"'), "lock-damaged"),
        (lambda text: f"<<<<<<< ours\n{text}=======\n{text}>>>>>>> theirs\n", "lock-conflict"),
        (lambda text: text.replace("demo-project", "other"), "lock-of-another-target"),
    ],
    ids=["empty", "half", "list", "version", "revision", "state", "conflict", "target"],
)
def test_65_is_a_lock_that_cannot_be_trusted(
    damage: Callable[[str], str], slug: str, finished: Path
) -> None:
    lock = finished / LOCK
    lock.write_text(damage(lock.read_text()))
    content = lock.read_bytes()
    jobs = (finished / ".tuneops/emulator.db").read_bytes()
    for words in (["plan"], ["apply", "--wait"], ["output", "bot/one"]):
        assert_refused(tuneops(finished, *words), 65, slug)
    assert lock.read_bytes() == content
    assert (finished / ".tuneops/emulator.db").read_bytes() == jobs


def test_65_is_no_project_and_no_plan(tmp_path: Path, chain: Path) -> None:
    for words in (["plan"], ["emulator", "advance", "1h"], ["emulator", "reset"]):
        assert_refused(tuneops(tmp_path, *words), 65, "no-project")
    assert list(tmp_path.iterdir()) == [chain], "nothing was made on the way"
    assert_refused(tuneops(chain, "apply", "nowhere.json"), 65, "plan-file")
    assert_refused(tuneops(chain, "apply", "specs/bot.yaml"), 65, "plan-file")
    assert_refused(tuneops(chain, "plan", "--env", "prod"), 65, "unknown-environment")


JSON = [
    ["validate"],
    ["plan"],
    ["apply", "--wait"],
    ["status"],
    ["reconcile", "--once"],
    ["output", "bot/one"],
    ["output", "bot/one.model"],
    ["lock", "show"],
    ["lock", "check"],
    ["emulator", "advance", "1h"],
    ["schema"],
    ["emulator", "reset", "--yes"],
]


def test_json_is_one_document_on_success_and_on_failure(finished: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for words in JSON:
        good = tuneops(finished, *words, "--format", "json", "--quiet")
        assert (good.code, good.err) == (0, ""), words
        assert isinstance(good.document, dict)
        if words == ["schema"]:
            continue
        assert good.document["command"] == " ".join(word for word in words[:2] if word.isalpha()), (
            words
        )
        bad = tuneops(empty, *words, "-fjson")
        assert (bad.code, bad.err) == (65, ""), words
        assert bad.document["diagnostics"][0]["code"] == "no-project"
        assert bad.document["exitCode"] == 65


def test_a_summary_is_written_by_every_command_that_takes_one(finished: Path) -> None:
    for words in (["validate"], ["plan"], ["status"], ["apply", "--wait"], ["reconcile", "--once"]):
        summary = finished / "summary.md"
        assert tuneops(finished, *words, "--summary", "summary.md").code == 0
        text = summary.read_text()
        assert text.startswith(f"### tuneops {words[0]}"), words
        assert text.count("```") == 2
        summary.unlink()


def test_a_program_from_the_very_start_does_the_same(chain: Path) -> None:
    assert program(chain).out == tuneops(chain).out != ""
    assert program(chain, "plan", "--detailed-exitcode").code == 2
    assert program(chain, "apply", "--wait", "--quiet").err == ""
    assert program(chain, "lock", "check").code == 0
    assert program(chain, "aply").code == 64


def test_annotations_are_printed_by_whatever_command_finds_the_fault(chain: Path) -> None:
    append(chain / "specs/bot.yaml", "bad: true\n")
    for words in (["validate"], ["plan"], ["apply"]):
        done = tuneops(chain, *words, "--format", "github")
        assert done.code == 65
        assert done.out.startswith("::error file=specs/bot.yaml,line="), done.out


def test_a_workspace_alone_is_a_project(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/workspace.yaml").write_text(WORKSPACE)
    assert tuneops(tmp_path, "plan").code == 0
    assert tuneops(tmp_path, "status").code == 0
    assert tuneops(tmp_path, "apply").code == 0
    assert tuneops(tmp_path, "lock", "show").out == "The lock is empty: nothing was made yet.\n"
    assert not list((tmp_path / "specs").glob("*.lock.json"))


def test_an_emulator_of_another_version_says_what_it_is_and_can_be_emptied(finished: Path) -> None:
    with sqlite3.connect(finished / ".tuneops/emulator.db") as database:
        database.execute("PRAGMA user_version = 2")
    assert_refused(tuneops(finished, "plan"), 1, "emulator-outdated")
    said = tuneops(finished, "apply").err
    assert "written by another version of tuneops" in said
    assert "`tuneops emulator reset` empties it" in said
    assert_refused(tuneops(finished, "emulator", "reset"), 4, "approval-needed")
    assert tuneops(finished, "emulator", "reset", "--yes").code == 0
    (finished / LOCK).unlink()
    assert tuneops(finished, "apply", "--wait").code == 0


def test_emptying_the_emulator_and_removing_the_lock_starts_anew(finished: Path) -> None:
    done = tuneops(finished, "emulator", "reset", "--yes")
    assert done.out == (
        f"The emulator is empty; it forgot 2 jobs.\nTo start anew, remove {LOCK} as well.\n"
    )
    (finished / LOCK).unlink()
    anew = tuneops(finished, "apply", "--wait")
    assert anew.code == 0, anew
    assert "2 submitted, 2 done." in anew.out


def test_json_of_an_apply_holds_all_events(chain: Path) -> None:
    done = tuneops(chain, "apply", "--wait", "--format", "json")
    document = json.loads(done.out)
    told = [(event["address"], event["event"]) for event in document["events"]]
    assert ("bot/one", "submitted") in told and ("bot/two", "succeeded") in told
    assert document["summary"]["settled"] is True
    assert document["exitCode"] == 0
