"""What people and programs read, as text to review: `golden/*`.

A change of a text is a change of a file here. `TUNEOPS_REWRITE=1` writes them anew; read the diff.
"""

import importlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.cli.conftest import Done, bare, git, script, tuneops
from tests.cli.test_exit_codes import LOCK, PRETENDED, PROD, append
from tuneops.cli.main import COMMANDS

GOLDEN = Path(__file__).parent / "golden"
VARYING = (
    (r"`/[^`]*/test_\w+`", "`/somewhere`"),
    (r"\"ageSeconds\": \d{3,}", '"ageSeconds": 3600'),
    (r"models/9\d{15,}", "models/9…"),
    (r"tuningJobs/9\d{15,}", "tuningJobs/9…"),
    (r"endpoints/9\d{15,}", "endpoints/9…"),
    (r"projects/\d{9,}", "projects/1…"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "2026-11-20T09:00:00Z"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "2026-11-20 09:00 UTC"),
    (r"(?m)^\d\d:\d\d:\d\d", "09:00:00"),
    (r"(?m)(?<=  )\d{1,2}s$", "0s"),
    (r"(?m)(?<=  )59m$", "1h"),
    (r"(?<=  commit     )[0-9a-f]{12}", "0123456789ab"),
    (r'(?m)(?<=", )[^"\n]*, \d{4}-\d\d-\d\d$', "somebody, 2026-11-20"),
)


def normal(text: str) -> str:
    for pattern, stand_in in VARYING:
        text = re.sub(pattern, stand_in, text)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def compare(name: str, *runs: tuple[str, Done]) -> None:
    """Compare what runs say with a file; `$` is the command, `!` before a line means stderr."""
    parts = []
    for words, done in runs:
        parts += [f"$ tuneops {words}".rstrip() + "\n", normal(done.out)]
        parts += [f"! {line}".rstrip() + "\n" for line in normal(done.err).splitlines()]
        parts.append(f"-> {done.code}\n\n" if done.code else "\n")
    text = "".join(parts).rstrip("\n") + "\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("TUNEOPS_REWRITE") == "1":
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "TUNEOPS_REWRITE=1 accepts it"


def say(folder: Path, words: str) -> tuple[str, Done]:
    return words, tuneops(folder, *words.split())


def compare_runs(name: str, folder: Path, *commands: str) -> None:
    compare(name, *(say(folder, words) for words in commands))


@pytest.fixture(scope="module")
def done_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample project, converged; copied for each test that needs it."""
    folder = tmp_path_factory.mktemp("sample")
    specs = Path(__file__).parents[2] / "specs"
    shutil.copytree(specs, folder / "specs", ignore=shutil.ignore_patterns("*.lock.json"))
    assert tuneops(folder, "apply", "--wait").code == 0
    return folder


@pytest.fixture
def converged(done_once: Path, tmp_path: Path) -> Path:
    return shutil.copytree(done_once, tmp_path / "project")


def edit(folder: Path) -> None:
    spec = folder / "specs/support-bot.yaml"
    text = spec.read_text()
    assert "epochCount: 2" in text
    spec.write_text(text.replace("epochCount: 2", "epochCount: 4", 1))


def test_the_first_screen(tmp_path: Path) -> None:
    compare_runs("first-screen", tmp_path, "", "--help", "--version")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command(name: str, tmp_path: Path) -> None:
    found = importlib.import_module(f"tuneops.cli.commands.{COMMANDS[name]}").command
    below = sorted(found.commands) if isinstance(found, click.Group) and name != "help" else ()
    pages = [f"{name} --help", *(f"{name} {word} --help" for word in below)]
    if name == "help":
        pages += ["help exit-codes", "help environment"]
    compare_runs(f"help-{name}", tmp_path, *pages)


def test_every_page_fits_a_terminal_and_has_examples(tmp_path: Path) -> None:
    for name in COMMANDS:
        page = tuneops(tmp_path, name, "--help").out
        assert all(len(line) <= 80 for line in page.splitlines()), name
        assert page.count("\n    tuneops ") == 3, f"{name} shows three examples"
        assert tuneops(tmp_path, "help", name).out == page or name == "help"


def test_what_was_mistyped_is_answered_with_what_was_meant(sample: Path) -> None:
    compare_runs(
        "typos",
        sample,
        "aply",
        "graph",
        "lock shw",
        "help planz",
        "plan --ouput x",
        "plan --otu x",
        "plan --zzz",
        "--verison",
        "plan support-bot",
        "status -o json",
        "status --format jsn",
        "schema tuningjob",
        "discover --state succeded",
        "status support-bot/tonne",
        "suspend support-bot",
        "lock pin 'faq*'",
        "why support-bot",
        "output ticket-ruter",
        "rollback support-bot",
        "apply support-bot",
        "plan --what-if support-bot/tone.nonc=again",
        "plan --format json --nope",
    )


def test_the_first_plan(sample: Path) -> None:
    compare_runs("plan-first", sample, "validate", "plan", "status", "lock show", "lock check")


def test_the_first_plan_as_markdown_and_json(sample: Path) -> None:
    compare_runs("plan-first-markdown", sample, "plan --format markdown")
    compare_runs("plan-first-json", sample, "plan --format json")


def test_a_run_to_the_end_and_what_is_there_then(sample: Path) -> None:
    compare_runs("apply", sample, "apply --wait", "apply --wait", "plan", "status", "lock check")


def test_the_lock_and_its_results(converged: Path) -> None:
    compare_runs(
        "lock-show",
        converged,
        "lock show support-bot/tickets ticket-router",
        "output support-bot/tone",
        "output support-bot/tone.model",
        "output nobody",
        "lock show nobody",
    )


def test_every_job_of_a_run_names_the_plan_that_was_approved(converged: Path) -> None:
    books = json.loads((converged / LOCK).read_text())["jobs"].values()
    plans = {made["cause"]["plan"] for book in books for made in book["creations"].values()}
    approved = (GOLDEN / "plan-first.txt").read_text()
    assert len(plans) == 1
    assert f"Digest {plans.pop()}" in approved


def test_why_a_job_was_made(converged: Path) -> None:
    git(converged, "init", "--quiet", "--initial-branch=main")
    git(converged, "add", "specs")
    git(converged, "commit", "--quiet", "--message=Start the bot")
    edit(converged)
    git(converged, "commit", "--quiet", "--all", "--message=More epochs (#13)")
    assert tuneops(converged, "reconcile", "--until", "settled").code == 0
    lock = converged / "specs/tuneops.local.lock.json"
    jobs = json.loads(lock.read_text())["jobs"]["support-bot/tickets"]
    model = jobs["creations"][jobs["current"]]["model"]
    compare(
        "why",
        say(converged, "why support-bot/refunds"),
        ("why models/9…@5", tuneops(converged, "why", f"models/{model.rpartition('/')[2]}")),
        say(converged, "why ticket-router --format json"),
        say(converged, "why nobody"),
    )


def test_a_plan_of_what_is_in_no_spec(converged: Path) -> None:
    before = {path: path.read_bytes() for path in (converged / "specs").glob("*.*")}
    epochs = "supervisedTuningSpec.hyperParameters.epochCount"
    compare_runs(
        "plan-what-if",
        converged,
        f"plan --what-if support-bot/refunds.{epochs}=7 --what-if support-bot/tone.nonce=again",
        f"plan --what-if support-bot/refunds.{epochs}=null",
        "plan --what-if support-bot/refund.nonce=1",
        "plan --what-if support-bot/refunds.nonces=1",
        "plan --what-if support-bot.nonce=[1",
        "plan --what-if nonsense",
        "plan --what-if support-bot.nonce=1 --out plan.json",
    )
    assert before == {path: path.read_bytes() for path in before}


def test_a_plan_after_an_edit_and_on_the_way(converged: Path) -> None:
    edit(converged)
    compare_runs(
        "plan-edited",
        converged,
        "plan",
        "plan --show-unchanged",
        "plan --format markdown",
        "apply",
        "plan",
        "status",
        "apply",
    )


def test_the_json_of_everything(converged: Path) -> None:
    edit(converged)
    compare_runs(
        "json", converged, "validate -f json", "plan -f json", "apply -f json", "status -f json"
    )


def test_holds(converged: Path) -> None:
    assert tuneops(converged, "emulator", "reset", "--yes").code == 0
    compare_runs(
        "plan-holds", converged, "plan", "plan -f markdown", "status", "apply --wait", "lock check"
    )


def test_spec_errors(sample: Path) -> None:
    spec = sample / "specs/support-bot.yaml"
    text = spec.read_text().replace("epochCount: 3", "epochCount: three")
    spec.write_text(
        text.replace("adapterSize: 8", "adaptorSize: 8").replace("from: refunds", "from: refund")
    )
    compare_runs("spec-errors", sample, "validate", "plan", "validate --format github")
    compare_runs("spec-errors-json", sample, "plan --format json")


def test_data_errors(sample: Path) -> None:
    data = sample / "specs/data/refunds.jsonl"
    changed = data.read_text().replace('"model"', '"assistant"', 1)
    assert changed != data.read_text()
    data.write_text(changed)
    compare_runs("data-errors", sample, "validate", "validate --data none")


def test_damaged_locks(converged: Path) -> None:
    lock = converged / LOCK
    whole = lock.read_text()
    runs = []
    for damaged in (
        "",
        whole[:500],
        "[]\n",
        whole.replace('"version": 1', '"version": 7'),
        whole.replace('"revision": 1', '"revision": 7'),
        f"<<<<<<< ours\n{whole}",
        whole.replace("demo-project", "another-project"),
    ):
        lock.write_text(damaged)
        runs.append(say(converged, "plan"))
    compare("damaged-locks", *runs)


def test_faults(sample: Path, tmp_path: Path) -> None:
    assert tuneops(sample, "plan", "--out", "plan.json").code == 0
    edit(sample)
    append(sample / "specs/workspace.yaml", PROD.replace("prod:", "real:"))
    compare_runs(
        "faults",
        sample,
        "apply plan.json",
        "apply --expect-digest 0123456789ab",
        "apply nowhere.json",
        "plan --env prod",
        "plan --env prd",
        "-C /nonexistent plan",
        "aply",
        "plan --ouput",
        "plan extra",
        "plan --format xml",
        "output support-bot/tone.price",
        "reconcile",
    )
    compare("no-project", say(tmp_path, "plan"), say(tmp_path, "emulator advance 1h"))
    asked = script(sample, PRETENDED, "apply", "--env", "real")
    in_ci = script(sample, PRETENDED, "apply", "--env", "real", env=bare(CI="true"))
    compare("approval", ("apply --env real", asked), ("apply --env real  # CI=true", in_ci))


def on_a_terminal(folder: Path, program: list[str], typed: str = "", **more: str) -> Done:
    """Run a program whose three streams are one terminal; all it says is in `out`."""
    ours, theirs = pty.openpty()
    environment = bare(**{"TERM": "xterm-256color", **more})
    process = subprocess.Popen(
        program, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    said = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    return Done(process.wait(timeout=30), said.decode().replace("\r\n", "\n"), "")


def test_colours_appear_on_a_terminal_only_and_can_be_refused(sample: Path) -> None:
    plan = [sys.executable, "-m", "tuneops", "plan"]
    assert "\x1b[32m+ support-bot/seed" in on_a_terminal(sample, plan).out
    for refusal in (
        {"NO_COLOR": "1"},
        {"TERM": "dumb"},
        {"CI": "true"},
        {"TUNEOPS_COLOR": "never"},
    ):
        assert "\x1b" not in on_a_terminal(sample, plan, **refusal).out, refusal
    assert "\x1b" not in on_a_terminal(sample, [*plan, "--color", "never"], FORCE_COLOR="1").out
    plain = re.sub("\x1b\\[[0-9;]*m", "", on_a_terminal(sample, plan).out)
    assert plain == tuneops(sample, "plan").out, "colours change no letter"


def test_a_narrow_terminal_cuts_no_word(sample: Path) -> None:
    run = [sys.executable, "-m", "tuneops", "plan"]
    lines = on_a_terminal(sample, run, COLUMNS="48", NO_COLOR="1").out.splitlines()
    assert max(map(len, lines)) <= 48
    told = "".join(tuneops(sample, "plan").out.split())
    assert "".join(lines).replace(" ", "") == told, "and changes no letter"
    (sample / "specs/ticket-router.yaml").write_text(f"kind: {'Nothing ' * 12}\n")
    lines = on_a_terminal(sample, run, COLUMNS="48", NO_COLOR="1").out.splitlines()
    above, caret = (lines[at] for at in (lines.index("  |") + 1, lines.index("  |") + 2))
    assert caret.index("^") == above.index("Nothing"), "a caret stays below its place"


def test_the_demo_folds_what_its_commands_say_in_one_colour() -> None:
    demo = importlib.import_module("tuneops.cli.commands.demo")
    assert demo._indented("\x1b[2mone  two three\x1b[0m", 16) == (
        "\x1b[2m     one\x1b[0m\n\x1b[2m        two three\x1b[0m\n"
    )
    assert demo._indented("as it is", 0) == "     as it is\n"
    assert demo._indented("", 80) == "\n"


@pytest.mark.parametrize(
    ("flags", "variables", "colored"),
    [
        ([], {}, False),
        ([], {"FORCE_COLOR": "1"}, True),
        ([], {"FORCE_COLOR": "0"}, False),
        ([], {"CLICOLOR_FORCE": "1"}, True),
        ([], {"FORCE_COLOR": "1", "CI": "true", "TERM": "dumb"}, True),
        ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        (["--color", "always"], {"TERM": "dumb"}, True),
        (["--color", "never"], {"FORCE_COLOR": "1"}, False),
    ],
    ids=str,
)
def test_off_a_terminal_there_are_colours_only_where_they_are_forced(
    flags: list[str], variables: dict[str, str], colored: bool, sample: Path
) -> None:
    assert ("\x1b" in tuneops(sample, "plan", *flags, env=bare(**variables)).out) is colored
    (sample / "specs/support-bot.yaml").unlink()
    (sample / "specs/ticket-router.yaml").write_text("kind: Nothing\n")
    assert ("\x1b" in tuneops(sample, "plan", *flags, env=bare(**variables)).err) is colored


@pytest.mark.parametrize(("word", "code"), [("yes\n", 0), ("y\n", 4), ("\n", 4)])
def test_a_purchase_is_asked_for_on_a_terminal_and_only_yes_is_yes(
    word: str, code: int, sample: Path
) -> None:
    append(sample / "specs/workspace.yaml", PROD.replace("prod:", "real:"))
    program = [sys.executable, "-c", PRETENDED, "apply", "--env", "real"]
    done = on_a_terminal(sample, program, word, NO_COLOR="1")
    assert done.code == code, done.out
    question = (
        r"Run 5 tuning jobs \(~\$0\.\d\d.\$0\.\d\d\) in Vertex AI, pretended\?\n  Only 'yes' will"
    )
    assert re.search(question, done.out.replace("\r", "")), done.out
    assert ("nothing was bought" in done.out) is (code == 4)


def test_a_screen_without_our_signs_gets_others(sample: Path) -> None:
    done = tuneops(sample, "plan", env=bare())
    assert "»" in done.out and "·" in done.out
    program = [sys.executable, "-m", "tuneops", "plan"]
    ascii_only = subprocess.run(
        program, cwd=sample, env=bare(PYTHONIOENCODING="ascii"), capture_output=True, check=True
    )
    text = ascii_only.stdout.decode("ascii")
    assert "> support-bot/tickets  continue" in text and "\\x" not in text


def test_a_reader_that_goes_away_is_no_fault(converged: Path) -> None:
    for color in ("never", "always"):
        command = f"{sys.executable} -m tuneops schema --color {color} | head -n 1"
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=converged,
            env=bare(),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.stderr == ""
