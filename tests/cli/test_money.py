"""Ceilings, freezes and slots as a person meets them: what is bought, what is said, which code."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import tuneops
from tests.cli.test_exit_codes import append

LOCK = "specs/tuneops.local.lock.json"
NEVER = "{from: 2020-01-01, until: 2020-01-02}"
ALWAYS = "{from: 2020-01-01, until: 2120-01-01, reason: audit}"


def declare(folder: Path, text: str) -> None:
    append(folder / "specs/workspace.yaml", text)


def test_a_plan_over_the_budget_names_the_rule_and_buys_nothing(chain: Path) -> None:
    declare(chain, "  budget: {perApply: 0.000001}\n")
    line = len((chain / "specs/workspace.yaml").read_text().splitlines())
    plan = tuneops(chain, "plan")
    assert plan.code == 4
    assert "error[over-budget]" in plan.err and "`budget.perApply`" in plan.err
    assert f"--> specs/workspace.yaml:{line}:22" in plan.err
    assert plan.out.count("not now: over budget") == 2
    done = tuneops(chain, "apply", "--wait", "-fjson")
    assert done.code == 4 and done.document["summary"]["notNow"] == 2
    assert done.document["summary"]["submitted"] == 0
    (finding,) = done.document["diagnostics"]
    assert finding["code"] == "over-budget" and finding["range"]["start"]["line"] == line
    assert tuneops(chain, "reconcile", "--once").code == 4
    assert not (chain / LOCK).exists()


@pytest.mark.parametrize("edited", [False, True])
def test_a_job_that_runs_is_reserved_also_if_its_data_was_edited_since(
    chain: Path, edited: bool
) -> None:
    spec = chain / "specs/bot.yaml"
    spec.write_text(spec.read_text().partition("    - name: two")[0])
    cost = tuneops(chain, "plan", "-fjson").document["summary"]["cost"]["high"]
    assert tuneops(chain, "apply").code == 0
    declare(chain, f"  budget: {{perMonth: {cost * 1.5:.9f}}}\n")
    if edited:
        append(chain / "specs/one.jsonl", (chain / "specs/one.jsonl").read_text())
    else:
        other = spec.read_text().replace("name: bot", "name: other").replace("one.j", "two.j")
        (chain / "specs/other.yaml").write_text(other)
    plan = tuneops(chain, "plan")
    assert plan.code == 4 and "is spent or reserved already" in plan.err


def test_the_ceiling_of_a_flag_is_in_the_digest_and_in_the_saved_plan(chain: Path) -> None:
    plain = tuneops(chain, "plan", "-fjson").document
    saved = tuneops(chain, "plan", "--max-cost", "7", "--out", "plan.json", "-fjson").document
    assert saved["digest"] != plain["digest"]
    assert saved["ceiling"] == {"--max-cost": "7"} and plain["ceiling"] == {}
    assert tuneops(chain, "apply", "plan.json", "--max-cost", "8").code == 5
    assert tuneops(chain, "apply", "--expect-digest", saved["digest"]).code == 5
    assert tuneops(chain, "apply", "plan.json", "--wait").code == 0
    assert tuneops(chain, "plan", "--max-cost", "0").code == 64


def test_a_saved_plan_is_refused_once_the_budget_is_another(chain: Path) -> None:
    declare(chain, "  budget: {perApply: 10}\n")
    assert tuneops(chain, "plan", "--out", "plan.json").code == 0
    workspace = chain / "specs/workspace.yaml"
    workspace.write_text(workspace.read_text().replace("perApply: 10", "perApply: 11"))
    refused = tuneops(chain, "apply", "plan.json")
    assert refused.code == 5 and "the ceilings of money are others" in refused.err


def test_costs_are_ranges_first_and_exact_once_the_data_was_billed(chain: Path) -> None:
    first = tuneops(chain, "plan", "-fjson").document
    cost = first["summary"]["cost"]
    assert 0 < cost["low"] < cost["high"] and cost["currency"] == "USD"
    assert sum(action["cost"]["high"] for action in first["actions"]) == pytest.approx(cost["high"])
    done = tuneops(chain, "apply", "--wait", "-fjson").document
    spent = done["summary"]["spent"]
    assert spent["low"] == spent["high"] and cost["low"] <= spent["low"] <= cost["high"]
    spec = chain / "specs/bot.yaml"
    spec.write_text(spec.read_text() + "  nonce: again\n")
    again = tuneops(chain, "plan", "-fjson").document["summary"]["cost"]
    assert again == pytest.approx(spent)


@pytest.fixture
def frozen(chain: Path) -> Iterator[Path]:
    declare(chain, f"  policy: {{freeze: [{NEVER}, {ALWAYS}]}}\n")
    yield chain
    assert not (chain / LOCK).exists(), "nothing was bought"


def test_a_freeze_stops_a_person_and_lets_a_schedule_come_again(frozen: Path) -> None:
    plan = tuneops(frozen, "plan")
    assert plan.code == 0 and "not now: freeze until 2120-01-01 00:00 UTC" in plan.out
    assert "warning[freeze]" in plan.err and "(audit)" in plan.err
    assert tuneops(frozen, "apply", "--wait").code == 4
    reconciled = tuneops(frozen, "reconcile", "--once")
    assert reconciled.code == 0 and "2 not to be bought now" in reconciled.out


def test_following_until_settled_waits_for_the_end_of_a_freeze(chain: Path) -> None:
    end = datetime.now(UTC) + timedelta(minutes=30)
    declare(chain, f"  policy: {{freeze: [{{from: 2020-01-01, until: {end:%Y-%m-%dT%H:%MZ}}}]}}\n")
    early = tuneops(chain, "reconcile", "--until", "settled", "--for", "5m")
    assert early.code == 0 and not (chain / LOCK).exists()
    done = tuneops(chain, "reconcile", "--until", "settled", "--for", "6h", "-fjson")
    assert done.code == 0 and done.document["summary"]["done"] == 2


def test_a_policy_is_checked_at_plan_time(chain: Path) -> None:
    declare(chain, "  policy: {encryption: required, locations: [europe-west4]}\n")
    plan = tuneops(chain, "plan", "-fjson")
    breaches = plan.document["diagnostics"]
    assert plan.code == 4 and [finding["code"] for finding in breaches] == ["policy"] * 2
    assert all("`bot/one`, like 1 more, " in finding["message"] for finding in breaches)
    places = ["`bot/one` is at specs/bot.yaml:7:13", "`bot/two` is at specs/bot.yaml:9:13"]
    assert [finding["notes"] for finding in breaches] == [places, places]
    assert [action["notNow"] for action in plan.document["actions"]] == ["location, encryption"] * 2


def test_a_plan_says_that_another_environment_has_the_same_training(chain: Path) -> None:
    twin = "provider: emulator, project: demo-project, location: us-central1"
    declare(chain, f"    twin: {{{twin}}}\n")
    assert tuneops(chain, "apply", "--wait").code == 0
    plan = tuneops(chain, "plan", "-e", "twin")
    assert plan.out.count("    `acme--local` has the same training: tuningJobs/9") == 2, plan.out
    assert "2 to" not in plan.out and "1 to create, 1 to continue" in plan.out
    model = tuneops(chain, "output", "bot/one.model").out.strip()
    spec = chain / "specs/bot.yaml"
    text = spec.read_text()
    spec.write_text(text.replace("- name: one", f"- name: one\n      adopt: {model}"))
    held = tuneops(chain, "plan", "-e", "twin").out
    assert "it is a job of `acme--local`, for `bot/one`" in held
    other = text.replace("name: bot", "name: other").replace("epochCount: 1", "epochCount: 2")
    spec.write_text(other.replace("- name: one", f"- name: one\n      adopt: {model}"))
    moved = tuneops(chain, "plan").out
    assert "it was made here, for `bot/one`; `movedFrom: bot/one` brings it here, free" in moved
    short = model[model.index("models/") :]
    spec.write_text(text.replace("- name: one", f"- name: one\n      adopt: {short}"))
    said = tuneops(chain, "plan")
    assert said.code == 65
    assert f"help: in full: `projects/demo-project/locations/us-central1/{short}`" in said.err


def test_a_job_of_another_location_takes_a_slot(chain: Path) -> None:
    place = "provider: emulator, project: demo-project"
    declare(chain, f"    far: {{{place}, location: europe-west4, limits: {{concurrentJobs: 1}}}}\n")
    workspace = chain / "specs/workspace.yaml"
    text = workspace.read_text()
    assert tuneops(chain, "apply").code == 0
    far = tuneops(chain, "apply", "--env", "far", "-fjson").document
    assert far["summary"]["submitted"] == 0 and far["summary"]["queued"] == 1
    assert tuneops(chain, "apply", "--wait").code == 0
    assert tuneops(chain, "apply", "--env", "far", "-fjson").document["summary"]["submitted"] == 1
    assert workspace.read_text() == text


def test_a_plan_says_what_waits_for_quota_and_until_when(chain: Path) -> None:
    assert tuneops(chain, "emulator", "fault", "tuningJobs.create:429*2").code == 0
    assert tuneops(chain, "apply").code == 6
    for command in ("plan", "status"):
        said = tuneops(chain, command)
        assert said.code == 0 and "waits for quota until 20" in said.out, said.out
        assert "UTC: refused 1 time so far" in said.out
    first, second = tuneops(chain, "plan", "-fjson").document["actions"]
    assert first["waits"]["for"] == "quota" and first["waits"]["refusals"] == 1
    assert "waits" not in second
    until = datetime.fromisoformat(first["waits"]["until"])
    job = tuneops(chain, "status", "-fjson").document["jobs"][0]
    assert job["waits"] == first["waits"] and until.tzinfo is not None
    assert "waits" not in tuneops(chain, "plan", "--frozen").out
    assert tuneops(chain, "emulator", "advance", "2m").code == 0
    assert "waits" not in tuneops(chain, "plan").out
    assert tuneops(chain, "apply").code == 6
    assert "refused 2 times so far" in tuneops(chain, "status").out
    assert tuneops(chain, "apply", "--wait").code == 0
    assert "waits" not in tuneops(chain, "status").out


def test_a_plan_says_what_waits_for_a_slot(chain: Path) -> None:
    workspace = chain / "specs/workspace.yaml"
    text = workspace.read_text()
    limited = text.replace("us-central1}", "us-central1, limits: {concurrentJobs: 1}}")
    assert limited != text
    workspace.write_text(limited)
    bot = chain / "specs/bot.yaml"
    other = bot.read_text().partition("    - name: two")[0].replace("name: bot", "name: other")
    (chain / "specs/other.yaml").write_text(other.replace("one.j", "two.j"))
    plan = tuneops(chain, "plan")
    assert "waits for a slot: 0 of 1 taken, after 1 other" in plan.out
    assert "waits for a slot" in tuneops(chain, "plan", "--frozen").out
    assert tuneops(chain, "apply").code == 0
    assert "waits for a slot: 1 of 1 taken, it is next" in tuneops(chain, "plan").out
    waiting = [job.get("waits") for job in tuneops(chain, "status", "-fjson").document["jobs"]]
    assert {"for": "slot", "before": 0, "taken": 1, "of": 1} in waiting


def test_a_month_of_the_workspace_is_that_of_all_its_environments(chain: Path) -> None:
    cost = tuneops(chain, "plan", "-fjson").document["summary"]["cost"]["high"]
    far = "    far: {provider: emulator, project: demo-project, location: europe-west4"
    declare(chain, f"{far}}}\n")
    assert tuneops(chain, "apply", "--wait").code == 0
    declare(chain, f"  budget: {{perMonth: {cost * 1.5:.9f}}}\n")
    over = tuneops(chain, "plan", "--env", "far")
    assert over.code == 4 and "of it is spent or reserved already" in over.err
    assert tuneops(chain, "apply", "--env", "far").code == 4
    lock = chain / LOCK
    whole = lock.read_text()
    lock.write_text(whole[:100])
    damaged = tuneops(chain, "plan", "--env", "far")
    assert damaged.code == 4 and f"`{LOCK}` cannot be read" in damaged.err
    lock.write_text(whole)
    workspace = chain / "specs/workspace.yaml"
    text = workspace.read_text().partition("  budget:")[0]
    own = f"{far}, budget: {{perMonth: {cost * 1.5:.9f}}}}}"
    workspace.write_text(text.replace(f"{far}}}", own))
    assert tuneops(chain, "apply", "--env", "far", "--wait").code == 0


def test_models_prints_the_table_and_what_a_workspace_says_of_it(chain: Path) -> None:
    plain = {model["id"]: model for model in tuneops(chain, "models", "-fjson").document["models"]}
    assert plain["gemini-2.5-flash"]["facts"]["prices"]["value"]["supervised"] == 5
    (chain / "specs/models.yaml").write_text(
        "apiVersion: tuneops.dev/v1\nkind: ModelTable\nspec:\n  rows:\n"
        "    - {models: [gemini-2.5-flash], source: our contract, asOf: 2026-11-01, "
        "confirmed: true, prices: {supervised: 10}}\n"
    )
    own = tuneops(chain, "models", "--model", "gemini-2.5-flash")
    assert "our contract, 2026-11-01 (specs/models.yaml:5:7)" in own.out
    before = tuneops(chain, "plan", "-fjson").document["summary"]
    (chain / "specs/models.yaml").unlink()
    after = tuneops(chain, "plan", "-fjson").document["summary"]
    assert before["cost"]["high"] == pytest.approx(2 * after["cost"]["high"])
    assert (before["pricesAsOf"], after["pricesAsOf"]) == ("2026-11-01", "2026-09-25")
    unknown = tuneops(chain, "models", "--model", "gemini-2.5-flsh")
    assert unknown.code == 65 and "did you mean `gemini-2.5-flash`" in unknown.err


def test_a_json_document_has_every_key_with_and_without_a_cost(chain: Path) -> None:
    (action, _) = tuneops(chain, "plan", "-fjson").document["actions"]
    assert {"cost", "trainingTokens", "notNow", "sunk"} <= action.keys()
    assert json.dumps(action["cost"]) != "null"


def test_wide_status_and_the_report_say_what_jobs_cost(chain: Path) -> None:
    wide = tuneops(chain, "status", "-o", "wide").out.splitlines()
    assert "  COST" in wide[0] and all(" est." in line for line in wide[1:3])
    assert tuneops(chain, "reconcile", "--once", "--report", "page.md").code == 0
    page = (chain / "page.md").read_text()
    assert "Cost on Vertex AI: " in page and "+ bot/one" in page
    running = tuneops(chain, "status", "-o", "wide", "-fjson").document["jobs"]
    assert [job["costBilled"] for job in running] == [False, False]
    assert running[0]["cost"]["high"] > 0
    assert tuneops(chain, "apply", "--wait").code == 0
    done = tuneops(chain, "status", "-o", "wide")
    assert " est." not in done.out and "<$0.01" in done.out
    jobs = tuneops(chain, "status", "-o", "wide", "-fjson").document["jobs"]
    assert all(job["costBilled"] and job["cost"]["low"] == job["cost"]["high"] for job in jobs)
    assert "cost" not in tuneops(chain, "status", "-fjson").document["jobs"][0]
    assert tuneops(chain, "reconcile", "--once", "--report", "page.md").code == 0
