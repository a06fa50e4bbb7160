"""Rows 39 to 61 of the fault matrix: odd lists, and every state that a job may be in."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.story import HOURS, Story
from tuneops.emulator.application import Settings

LIST = "tuningJobs.list"


def shown(story: Story, change: Callable[[dict[str, Any]], object]) -> None:
    """From now on, every job is shown as `change` leaves it."""

    def meddle(request: httpx.Request) -> httpx.Response | None:
        if request.method != "GET" or "/tuningJobs" not in request.url.path:
            return None
        with story.service.client() as client:
            answer = client.get(request.url.path, params=request.url.params)
        document = answer.json()
        for job in document.get("tuningJobs", [document]):
            change(job)
        kept = {"Date": answer.headers["Date"]}
        return httpx.Response(answer.status_code, json=document, headers=kept)

    story.desk.meddler = meddle


@pytest.fixture
def paged(tmp_path: Path) -> Story:
    """Many jobs of somebody else, a page each, with empty pages between."""
    story = Story(tmp_path, Settings(page_size_limit=1, empty_pages=True))
    story.apply()
    for _ in range(3):
        story.service.clone({**story.service.jobs[0], "labels": {"team": "other"}}, same=True)
    return story


@pytest.mark.parametrize(("script", "code"), [("token-loop", 0), ("token-loop*3", 1)])
def test_39_a_list_that_loops_is_no_list(paged: Story, script: str, code: int) -> None:
    paged.faults(f"{LIST}:{script}")
    done = paged.apply()
    assert done.code == code, done
    assert code == 0 or "the list did not end: the same page token came twice" in done.said
    assert paged.posts == 1
    paged.service.close()


@pytest.mark.parametrize(("times", "code"), [(2, 0), (3, 1)])
def test_41_a_page_token_that_expires_starts_the_pass_again(
    paged: Story, times: int, code: int
) -> None:
    paged.faults(f"{LIST}:page-token-expired*{times}")
    done = paged.apply()
    assert done.code == code, done
    assert code == 0 or "a page token expired on the way" in done.said
    paged.service.close()


def test_42_an_empty_page_with_a_token_is_not_the_end(paged: Story) -> None:
    paged.lock.unlink()
    done = paged.apply()
    assert done.code == 0 and paged.posts == 1, done
    paged.service.close()


def test_43_a_job_that_the_list_does_not_show_yet_is_not_bought_again(story: Story) -> None:
    story.faults(f"tuningJobs.create:accept-then-drop, {LIST}:lag=120s*40")
    assert story.apply().code == 7
    story.lock.unlink()
    for _ in range(2):
        story.later(timedelta(seconds=10))
        done = story.apply()
        assert done.code == 7 and story.posts == 1, done
    story.service.emulator.forget_faults()
    assert story.apply().code == 0
    story.ends_well()


def test_44_a_job_that_was_listed_and_is_not_any_more_is_asked_for(story: Story) -> None:
    story.apply()
    story.faults(f"{LIST}:lag=120s*20")
    done = story.apply()
    assert done.code == 0 and story.posts == 1, done
    story.service.emulator.forget_faults()
    story.ends_well()


def test_46_a_job_that_lost_its_labels_is_still_ours_by_its_name(story: Story) -> None:
    story.faults("tuningJobs.create:lost-labels")
    done = story.apply()
    assert done.code == 0 and "submitted" in done.said, done
    assert "the service dropped our labels: the lock knows this job by its name" in done.said, done
    story.later(HOURS)
    done = story.apply()
    assert done.code == 0 and "1 done" in done.out, done
    assert story.posts == 1 and len(story.service.jobs) == 1
    plan = story.desk.run(story.project, "plan")
    assert plan.code == 0 and " ".join(plan.out.split()).count("bot/one labels-lost") == 1, plan
    story.is_settled(0)


@pytest.mark.parametrize("forgotten", [False, True])
def test_46_a_job_that_lost_labels_and_answer_is_found_by_its_description(
    forgotten: bool, story: Story
) -> None:
    story.faults(f"tuningJobs.create:lost-labels-then-drop, {LIST}:lag=120s*40")
    assert story.apply().code == 7
    if forgotten:
        story.lock.unlink()
        shutil.rmtree(story.project / ".tuneops")
    story.service.emulator.forget_faults()
    story.ends_well()
    plan = story.desk.run(story.project, "plan")
    assert plan.code == 0 and "labels-lost" in plan.out, plan
    assert "its description know this job" in " ".join(plan.out.split()), plan


def test_46_an_answer_that_is_lost_with_the_labels_is_found_at_once(story: Story) -> None:
    story.faults("tuningJobs.create:lost-labels-then-drop")
    done = story.apply()
    assert done.code == 0 and "answer lost, found the job by its mark" in done.said, done
    assert "the service dropped our labels" in done.said, done
    story.ends_well()


@pytest.mark.parametrize("labels", [{}, {"team": "other"}, None], ids=["none", "theirs", "ours"])
def test_a_lock_that_was_edited_to_another_job_is_said_and_mended(
    labels: dict[str, str] | None, story: Story
) -> None:
    """Somebody's job, or one of ours for something else, in the place of this one."""
    story.apply()
    story.later(HOURS)
    assert "1 done" in story.apply().out
    (job,) = story.service.jobs
    lineage = {"tuneops-lineage": job["labels"]["tuneops-lineage"][:-3] + "aaa"}
    copy = {**job, "labels": {**job["labels"], **lineage} if labels is None else labels}
    story.service.clone(copy, same=False)
    old, new = sorted((one["name"] for one in story.service.jobs), key=job["name"].__ne__)
    (was, now), text = (name.rpartition("/")[2] for name in (old, new)), story.lock.read_text()
    assert was in text
    story.lock.write_text(text.replace(was, now))
    plan = story.desk.run(story.project, "plan", "--format", "json")
    (drift,) = json.loads(plan.out)["drift"]
    assert (drift["address"], drift["kind"]) == ("bot/one", "another-job"), drift
    assert drift["expected"].endswith(f"/{now} is this job")
    assert "was the lock edited by hand?" in drift["found"]
    done = story.apply()
    assert story.posts == 1 and not story.service.cancels, done
    assert was in story.lock.read_text() and now not in story.lock.read_text()
    assert not json.loads(story.desk.run(story.project, "plan", "--format", "json").out)["drift"]


@pytest.mark.parametrize(
    ("number", "fate", "state"),
    [
        (49, "stuck@pending", "PENDING"),
        (49, "no-capacity=3h", "RUNNING"),
        (50, "paused", "PAUSED"),
        (50, "updating", "UPDATING"),
        (57, "unknown-state=JOB_STATE_HIBERNATING", "JOB_STATE_HIBERNATING"),
    ],
)
def test_a_job_that_goes_on_in_whatever_state_is_waited_for(
    number: int, fate: str, state: str, story: Story
) -> None:
    story.faults(f"job:{fate}")
    story.apply()
    for _ in range(12):
        story.later(timedelta(minutes=10))
        done = story.apply()
        assert done.code in (0, 3), done
    assert story.service.cancels == [] and story.posts == 1
    if number != 49:
        known = json.dumps([job["state"] for job in story.service.jobs]) + story.lock.read_text()
        assert state in known or "1 done" in done.out


@pytest.mark.parametrize(
    ("number", "fate", "code", "words"),
    [
        (51, "fail=3@processing", 9, "failed"),
        (53, "expired", 9, "expired"),
        (54, "partial", 3, "hold"),
    ],
)
def test_a_job_that_ends_otherwise_is_not_bought_again(
    number: int, fate: str, code: int, words: str, story: Story
) -> None:
    story.faults(f"job:{fate}")
    story.apply()
    story.later(HOURS)
    done = story.apply()
    assert done.code == code, done
    assert words in done.said, (number, done)
    story.later(HOURS)
    story.is_settled(code)
    assert story.posts == 1


def test_55_a_success_without_a_model_is_no_result(story: Story) -> None:
    story.apply()
    story.later(HOURS)
    shown(story, lambda job: job.pop("tunedModel", None))
    done = story.apply()
    assert "1 done" not in done.out, done
    assert story.posts == 1
    story.desk.meddler = lambda _: None
    story.ends_well()


def test_58_a_job_that_comes_back_to_life_takes_no_result_away(story: Story) -> None:
    story.apply()
    story.later(HOURS)
    assert "1 done" in story.apply().out
    before = story.lock.read_bytes()

    def revive(job: dict[str, Any]) -> None:
        job["state"] = "JOB_STATE_RUNNING"
        job.pop("endTime", None)
        job.pop("tunedModel", None)

    shown(story, revive)
    done = story.apply()
    assert story.posts == 1 and story.service.cancels == [], done
    assert b'"model": "projects/' in story.lock.read_bytes(), "the result is kept"
    story.desk.meddler = lambda _: None
    story.apply()
    assert story.lock.read_bytes() == before


def test_59_a_job_without_a_time_is_ordered_by_its_number(story: Story) -> None:
    story.apply()
    shown(story, lambda job: job.pop("createTime", None))
    done = story.apply()
    assert done.code == 0 and story.posts == 1, done
    story.desk.meddler = lambda _: None
    story.ends_well()
