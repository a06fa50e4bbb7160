"""`lock diff`, `merge`, `resolve` and `rebuild`, as a person or git calls them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Done, git, tuneops

LOCK = "specs/tuneops.local.lock.json"


def lock_of(folder: Path) -> Path:
    return folder / LOCK


def edit(folder: Path, before: str, after: str, file: str = "bot.yaml") -> None:
    spec = folder / "specs" / file
    text = spec.read_text()
    assert before in text
    spec.write_text(text.replace(before, after, 1))


def ran(folder: Path, *words: str, code: int = 0) -> Done:
    done = tuneops(folder, *words)
    assert done.code == code, done
    return done


def commit(folder: Path, words: str = "work") -> None:
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", words)


def entries(path: Path) -> dict[str, dict[str, Any]]:
    lock = json.loads(path.read_text())
    return {
        key: creation
        for book in (lock["jobs"], lock["retired"])
        for job in book.values()
        for key, creation in job["creations"].items()
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample project in git: applied, edited twice, a spec removed, all applied."""
    folder = tmp_path_factory.mktemp("built") / "project"
    samples = Path(__file__).parents[2] / "specs"
    shutil.copytree(samples, folder / "specs", ignore=shutil.ignore_patterns("*.lock.json"))
    git(folder, "init", "--quiet")
    commit(folder, "specs")
    ran(folder, "apply", "--wait")
    commit(folder, "applied")
    chain, router = "support-bot.yaml", "ticket-router.yaml"
    edit(folder, "beta: 0.1\n", "beta: 0.250\n", chain)
    edit(folder, "- name: tone\n", "- name: tone\n      nonce: second.try\n", chain)
    edit(folder, "epochCount: 3", "epochCount: 4", router)
    edit(folder, "spec:\n", "spec:\n  retry: {limit: 2}\n  onRemove: cancel\n", router)
    extra = (folder / "specs" / router).read_text().replace("name: ticket-router", "name: extra")
    (folder / "specs/extra.yaml").write_text(extra.replace("epochCount: 4", "epochCount: 1"))
    commit(folder, "edited")
    ran(folder, "apply", "--wait")
    (folder / "specs/extra.yaml").unlink()
    edit(folder, "epochCount: 3", "epochCount: 2", chain)
    ran(folder, "apply", "--wait")
    commit(folder, "edited again, and applied")
    return folder


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(built, folder)
    return folder


# --- rebuild


def test_a_lost_lock_comes_back_byte_for_byte(project: Path) -> None:
    path = lock_of(project)
    lost = path.read_bytes()
    assert len(entries(path)) == 12
    path.unlink()
    tried = ran(project, "lock", "rebuild", "--dry-run").out
    assert "12 entries added" in tried and "Nothing was written" in tried
    assert not path.exists()
    done = ran(project, "lock", "rebuild")
    assert path.read_bytes() == lost
    assert done.err == "" and f"Lock written: commit {LOCK}." in done.out
    again = ran(project, "lock", "rebuild")
    assert again.out == f"No changes: {LOCK} has 12 entries; 12 jobs of ours there.\n"
    assert path.read_bytes() == lost
    assert "No changes." in ran(project, "plan").out


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": 1, "version": 1}', b"\xff\xfe\x00"])
def test_a_damaged_lock_is_moved_aside_and_written_again(content: bytes, project: Path) -> None:
    path = lock_of(project)
    lost = path.read_bytes()
    path.write_bytes(content)
    refused = ran(project, "plan", code=65)
    assert "run `tuneops lock rebuild`" in refused.err
    ran(project, "lock", "rebuild", "--dry-run")
    assert path.read_bytes() == content, "a dry run leaves what it found"
    done = ran(project, "lock", "rebuild")
    assert path.read_bytes() == lost
    assert (project / f"{LOCK}.damaged").read_bytes() == content
    assert "What was there is now tuneops.local.lock.json.damaged." in done.out
    path.write_bytes(b"again")
    ran(project, "lock", "rebuild")
    assert (project / f"{LOCK}.damaged").read_bytes() == content
    assert (project / f"{LOCK}.damaged.2").read_bytes() == b"again"


def test_a_rebuild_that_fails_puts_the_damaged_lock_back(project: Path) -> None:
    path = lock_of(project)
    path.write_bytes(b"{")
    (project / "specs/data/tone.jsonl").unlink()
    edit(project, "data/tone.jsonl", "gs://nowhere/tone.jsonl", "support-bot.yaml")
    assert ran(project, "lock", "rebuild", code=65).out == ""
    assert path.read_bytes() == b"{"
    assert not (project / f"{LOCK}.damaged").exists()


def test_where_no_job_is_there_nothing_is_lost_and_it_is_said(project: Path) -> None:
    path = lock_of(project)
    whole = path.read_bytes()
    shutil.rmtree(project / ".tuneops")
    done = ran(project, "lock", "rebuild")
    assert path.read_bytes() == whole and "No changes" in done.out
    assert "none of the 12 jobs that the lock has is there" in done.err
    assert "bring `.tuneops` here" in done.err
    path.write_bytes(b"{")
    refused = ran(project, "lock", "rebuild", code=1)
    assert path.read_bytes() == b"{" and not list(path.parent.glob("*.damaged"))
    assert "it stays as it is" in refused.err and f"git checkout -- {LOCK}" in refused.err
    path.unlink()
    assert "nothing to write" in ran(project, "lock", "rebuild").out
    assert not path.exists()


JOB = """\
apiVersion: tuneops.dev/v1
kind: TuningJob
metadata: {name: stay}
spec:
  baseModel: gemini-2.5-flash
  supervisedTuningSpec: {trainingDatasetUri: two.jsonl, hyperParameters: {epochCount: 2}}
"""


def test_what_became_of_jobs_without_a_spec_comes_back_and_stays_protected(chain: Path) -> None:
    specs = chain / "specs"
    (specs / "bot.yaml").write_text(
        (specs / "bot.yaml").read_text() + "  promotion: {alias: prod, stage: two}\n"
    )
    (specs / "stay.yaml").write_text(JOB)
    (specs / "old.yaml").write_text(JOB.replace("stay", "old").replace(": 2}", ": 3}"))
    ran(chain, "apply", "--wait")
    edit(chain, "- name: two\n", "- name: two\n      protect: true\n")
    edit(chain, "spec:\n", "spec:\n  movedFrom: old\n  acceptPartial: true\n", "old.yaml")
    edit(chain, "name: old", "name: new", "old.yaml")
    ran(chain, "apply")
    (specs / "old.yaml").unlink()
    (specs / "bot.yaml").unlink()
    ran(chain, "apply", code=3)
    path = lock_of(chain)
    lost = path.read_bytes()
    lock = json.loads(lost)
    assert "new" in lock["retired"] and "bot/two" in lock["jobs"] and "bot" in lock["pointers"]
    said = ran(chain, "plan").out
    path.unlink()
    done = ran(chain, "lock", "rebuild")
    assert path.read_bytes() == lost
    assert "`prod` is on models/" in done.err and "counts as promoted" in done.err
    assert "Gone with a lost lock, since no job says them" in " ".join(done.out.split())
    assert ran(chain, "plan").out == said
    path.unlink()
    shutil.rmtree(chain / ".tuneops/claims")
    assert "no claim of its jobs was found" in ran(chain, "lock", "rebuild").err


def test_a_rebuild_keeps_what_a_good_lock_says(project: Path) -> None:
    path = lock_of(project)
    whole = path.read_bytes()
    lock = json.loads(whole)
    lost = lock["jobs"].pop("ticket-router")
    path.write_text(json.dumps(lock, indent=2, sort_keys=True) + "\n")
    done = ran(project, "lock", "rebuild", "--format", "json").document
    assert path.read_bytes() == whole
    added = {one["key"] for one in done["changes"] if one["what"] == "added"}
    assert added == set(lost["creations"])
    assert (done["written"], done["dryRun"], done["movedAside"]) == (True, False, None)
    assert (done["command"], done["lock"], done["jobs"]) == ("lock rebuild", LOCK, 12)
    assert done["diagnostics"] == []


def test_a_lock_with_markers_is_resolved_and_not_rebuilt(project: Path) -> None:
    path = lock_of(project)
    path.write_text(f"<<<<<<< ours\n{path.read_text()}=======\n{{}}\n>>>>>>> theirs\n")
    refused = ran(project, "lock", "rebuild", code=65)
    assert "tuneops lock resolve" in refused.err
    assert not list(path.parent.glob("*.damaged"))


@pytest.mark.parametrize("claims", ["kept", "lost", "damaged"])
def test_who_asked_for_a_cancel_is_in_its_claim_and_without_it_a_veto(
    claims: str, chain: Path
) -> None:
    ran(chain, "apply")
    edit(chain, "epochCount: 1", "epochCount: 2")
    ran(chain, "apply", "--wait")
    path = lock_of(chain)
    lost = entries(path)
    (cancelled,) = (key for key, one in lost.items() if one["state"] == "CANCELLED")
    assert lost[cancelled]["cancelAsked"] is True
    path.unlink()
    folder = chain / ".tuneops/claims/local"
    assert (folder / f"{cancelled}.json").stat().st_mode & 0o777 == 0o600
    if claims == "lost":
        shutil.rmtree(folder)
    elif claims == "damaged":
        (folder / f"{cancelled}.json").write_bytes(b"{")
    done = ran(chain, "lock", "rebuild")
    assert ("who cancelled it is not known" in done.err) is (claims == "damaged")
    if claims != "kept":
        del lost[cancelled]["cancelAsked"]
    assert entries(path) == lost
    edit(chain, "epochCount: 2", "epochCount: 1")
    said = ran(chain, "plan", "--detailed-exitcode", code=2 if claims == "kept" else 3).out
    assert ("wanted again" in said) is (claims == "kept")
    assert ("\n+ bot/one" in said) is (claims == "kept")


def test_a_job_whose_description_was_lost_is_left_out_and_named(chain: Path) -> None:
    ran(chain, "apply", "--wait")
    edit(chain, "epochCount: 1", "epochCount: 2")
    import sqlite3

    with sqlite3.connect(chain / ".tuneops/emulator.db") as database:
        database.execute("UPDATE events SET body = replace(body, '[tuneops1 ', '[edited ')")
    path = lock_of(chain)
    path.unlink()
    done = ran(chain, "lock", "rebuild", "--format", "json").document
    warnings = done["diagnostics"]
    assert [one["severity"] for one in warnings] == ["warning", "warning"]
    assert "no machine line that can be read; it is left out" in warnings[0]["message"]
    assert warnings[0]["notes"][0].startswith("the job is `projects/")
    assert done["changes"] == [] and not path.exists()


# --- diff


def test_the_diff_names_what_a_run_has_written(project: Path) -> None:
    last = ran(project, "lock", "diff").out
    assert last == f"No changes: {LOCK} since HEAD.\n"
    text = ran(project, "lock", "diff", "HEAD~2").out
    assert "7 entries added" in text.splitlines()[-1]
    assert text.splitlines()[-1].endswith(f"{LOCK} since HEAD~2.")
    document = ran(project, "lock", "diff", "HEAD~2", "--format", "json").document
    assert document["revision"] == "HEAD~2"
    whats = [one["what"] for one in document["changes"]]
    assert whats.count("added") == 7 and whats.count("retired") == 1
    moved = next(one for one in document["changes"] if one["what"] == "current")
    assert moved["before"] != moved["after"] and moved["key"] is None
    first = ran(project, "lock", "diff", "HEAD~3", "--format", "json").document
    assert [one["what"] for one in first["changes"]].count("added") == 12


def test_a_diff_against_nothing_says_so(project: Path, chain: Path) -> None:
    assert "`no-branch` is no commit" in ran(project, "lock", "diff", "no-branch", code=1).err
    assert "`HEAD` is no commit" in ran(chain, "lock", "diff", code=1).err
    git(chain, "init", "--quiet")
    commit(chain)
    assert ran(chain, "lock", "diff").out == f"No changes: {LOCK} since HEAD.\n"


# --- merge and resolve


def two_sides(project: Path) -> tuple[Path, Path, Path]:
    """A base, and two locks of which each has an address that the other lacks."""
    lock = json.loads(lock_of(project).read_text())
    paths = []
    for name, missing in (
        ("base", ("ticket-router", "support-bot/tone")),
        ("ours", ("ticket-router",)),
        ("theirs", ("support-bot/tone",)),
    ):
        jobs = {address: job for address, job in lock["jobs"].items() if address not in missing}
        path = project / f"{name}.json"
        path.write_text(json.dumps({**lock, "jobs": jobs}))
        paths.append(path)
    return paths[0], paths[1], paths[2]


@pytest.mark.parametrize("base", ["base.json", "/dev/null", "missing.json", "empty.json"])
def test_two_locks_become_one_outside_of_any_project(
    base: str, project: Path, tmp_path: Path
) -> None:
    whole = lock_of(project).read_bytes()
    for path in two_sides(project):
        shutil.move(path, tmp_path)
    (tmp_path / "empty.json").touch()
    done = ran(tmp_path, "lock", "merge", base, "ours.json", "theirs.json")
    assert (tmp_path / "ours.json").read_bytes() == whole
    assert done.out == "Merged the lock of `local`: 12 entries of both sides.\n"
    assert done.err == ""


def test_a_conflict_leaves_ours_as_it_is_and_names_both_jobs(project: Path) -> None:
    base, ours, theirs = two_sides(project)
    text = theirs.read_text()
    number = json.loads(text)["jobs"]["support-bot/seed"]
    job = next(iter(number["creations"].values()))["job"]
    theirs.write_text(text.replace(job, f"{job}0"))
    before = ours.read_bytes()
    words = ("lock", "merge", "/dev/null", str(ours), str(theirs))
    done = ran(project, *words, code=1)
    assert ours.read_bytes() == before
    assert f"ours is `{job}`" in done.err and f"theirs is `{job}0`" in done.err
    assert done.out == ""
    document = ran(project, *words, "--format", "json", code=1).document
    assert document["exitCode"] == 1 and document["written"] is False
    assert [one["code"] for one in document["diagnostics"]] == ["lock-merge"]
    ran(project, "lock", "merge", str(base), str(ours), str(base))


def test_locks_of_two_environments_are_not_merged(project: Path) -> None:
    base, ours, theirs = two_sides(project)
    theirs.write_text(theirs.read_text().replace('"environment": "local"', '"environment": "x"'))
    done = ran(project, "lock", "merge", str(base), str(ours), str(theirs), code=1)
    assert "not locks of one environment: another environment" in done.err


@pytest.mark.parametrize("content", ["", "{", "[]"])
@pytest.mark.parametrize("side", ["ours.json", "theirs.json"])
def test_a_damaged_side_is_refused_and_nothing_is_written(
    side: str, content: str, project: Path
) -> None:
    _, ours, _ = two_sides(project)
    (project / side).write_text(content)
    before = ours.read_bytes()
    done = ran(project, "lock", "merge", "base.json", "ours.json", "theirs.json", code=65)
    assert f"`{side}` is damaged" in done.err
    assert ours.read_bytes() == before


def conflicted(project: Path, *style: str) -> None:
    """Let git merge two branches whose locks both changed, without the driver."""
    path = lock_of(project)
    whole = json.loads(path.read_text())

    def write(missing: str, branch: str) -> None:
        git(project, "switch", "--quiet", "-c", branch, "start")
        jobs = {address: job for address, job in whole["jobs"].items() if address != missing}
        path.write_text(json.dumps({**whole, "jobs": jobs}, indent=2, sort_keys=True) + "\n")
        commit(project, branch)

    path.write_text(json.dumps({**whole, "jobs": {}}, indent=2, sort_keys=True) + "\n")
    commit(project, "start")
    git(project, "tag", "start")
    write("ticket-router", "one")
    write("support-bot/refunds", "two")
    with pytest.raises(Exception, match="returned non-zero"):
        git(project, *style, "merge", "--quiet", "one")


@pytest.mark.parametrize("style", ["merge", "diff3"])
def test_a_lock_with_markers_is_resolved(style: str, project: Path) -> None:
    whole = lock_of(project).read_bytes()
    conflicted(project, "-c", f"merge.conflictStyle={style}")
    refused = ran(project, "lock", "show", code=65)
    assert "error[lock-conflict]" in refused.err and "`tuneops lock resolve`" in refused.err
    done = ran(project, "lock", "resolve")
    assert lock_of(project).read_bytes() == whole
    assert done.out.splitlines() == [
        f"Merged {LOCK}: 12 entries of both sides.",
        f"Look at it, then: git add {LOCK}",
    ]
    assert ran(project, "lock", "resolve").out == f"{LOCK} has no conflict markers.\n"
    document = ran(project, "lock", "resolve", "--format", "json").document
    assert document["written"] is False


def test_resolve_works_while_a_spec_is_in_conflict_too(project: Path) -> None:
    whole = lock_of(project).read_bytes()
    conflicted(project)
    edit(project, "spec:\n", "<<<<<<< HEAD\nspec:\n", "ticket-router.yaml")
    document = ran(project, "lock", "resolve", "--format", "json").document
    assert (document["entries"], document["written"]) == (12, True)
    assert lock_of(project).read_bytes() == whole


def test_resolve_without_a_lock_points_to_rebuild(chain: Path) -> None:
    done = ran(chain, "lock", "resolve", code=1)
    assert "is not there" in done.err and "tuneops lock rebuild" in done.err


def test_the_page_of_every_command_has_three_examples(tmp_path: Path) -> None:
    for name in ("diff", "merge", "resolve", "rebuild"):
        page = ran(tmp_path, "lock", name, "--help").out
        assert page.count(f"\n    tuneops lock {name}") == 3, page
        assert all(len(line) <= 80 for line in page.splitlines()), page
