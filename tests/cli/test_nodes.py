"""How jobs are named on the command line, and what a shell completes."""

from pathlib import Path

import pytest

from tests.cli.conftest import bare, tuneops
from tests.cli.test_exit_codes import LOCK
from tuneops.cli.nodes import NOTHING, no_such, select
from tuneops.errors import TuneopsError

PARENTS = {
    "bot/seed": None,
    "bot/tone": "bot/seed",
    "bot/legal": "bot/seed",
    "bot/warm": "bot/tone",
    "faq": None,
    "faq-de": "faq",
}


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("bot/tone", "bot/tone"),
        ("faq bot/tone", "bot/tone faq"),
        ("bot/", "bot/seed bot/tone bot/legal bot/warm"),
        ("bot/*a*", "bot/legal bot/warm"),
        ("faq*", "faq faq-de"),
        ("+bot/warm", "bot/seed bot/tone bot/warm"),
        ("bot/tone+", "bot/tone bot/warm"),
        ("+bot/tone+", "bot/seed bot/tone bot/warm"),
        ("faq+", "faq faq-de"),
        ("+faq-*", "faq faq-de"),
        ("+bot/", "bot/seed bot/tone bot/legal bot/warm"),
    ],
)
def test_words_mean_addresses_in_their_order(words: str, meant: str) -> None:
    assert select(words.split(), PARENTS, "the specs") == meant.split()


@pytest.mark.parametrize(
    ("word", "help_"),
    [
        ("bot/tnoe", "did you mean `bot/tone`? There are: "),
        ("+bot/tnoe+", "did you mean `bot/tone`? There are: "),
        ("bot", "did you mean `bot/`, all of the chain?"),
        ("zzz", "there are: bot/seed, "),
    ],
)
def test_a_word_that_means_nothing_is_answered_with_the_nearest(word: str, help_: str) -> None:
    with pytest.raises(TuneopsError) as found:
        select([word], PARENTS, "the specs")
    assert str(found.value) == f"`{word.strip('+')}` is not in the specs"
    assert (found.value.help or "").startswith(help_)


def test_of_hundreds_of_addresses_a_dozen_is_named() -> None:
    known = [f"bot/week-{number}" for number in range(500)]
    for word in ("bot", "bot/", "zzz", "bot/wek-320"):
        assert len(no_such(word, known, "").help or "") < 250
    assert "`bot/week-320`" in (no_such("bot/wek-320", known, "").help or "")
    assert no_such("x", [], "").help == NOTHING


def test_parents_that_go_round_end() -> None:
    assert select(["+a"], {"a": "b", "b": "a"}, "the lock") == ["a", "b"]


def test_status_and_lock_show_some(sample: Path) -> None:
    assert tuneops(sample, "apply", "--wait").code == 0
    some = tuneops(sample, "status", "support-bot/refunds+", "--format", "json").document
    assert [job["address"] for job in some["jobs"]] == ["support-bot/refunds", "support-bot/tone"]
    lines = tuneops(sample, "status", "support-bot/refunds+").out.splitlines()
    assert len(lines) == 5
    assert lines[-1].startswith("2 of 2 jobs done")
    shown = tuneops(sample, "lock", "show", "+support-bot/tickets", "--format", "json").document
    assert list(shown["jobs"]) == ["support-bot/seed", "support-bot/tickets"]
    page = sample / "summary.md"
    assert tuneops(sample, "status", "faq", "--summary", str(page)).code == 1
    assert tuneops(sample, "status", "-o", "wide", "--summary", str(page)).code == 0
    assert "TUNING JOB" in page.read_text()


def test_a_shell_completes_commands_options_and_addresses(sample: Path) -> None:
    def completed(line: str) -> list[str]:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
        env = bare(_TUNEOPS_COMPLETE="bash_complete", **words)
        return [one.partition(",")[2] for one in tuneops(sample, env=env).out.split()]

    assert completed("tuneops st") == ["status"]
    assert completed("tuneops lock re") == ["rebuild", "resolve"]
    assert completed("tuneops plan --wh") == ["--what-if"]
    assert completed("tuneops status tick") == []
    (sample / LOCK).write_text('{"jobs": {"ticket-router": {}, "support-bot/tone": {}}}')
    assert completed("tuneops status tick") == ["ticket-router"]
    assert completed("tuneops retry +s") == ["+support-bot/", "+support-bot/tone"]
    (sample / LOCK).write_text("<<<<<<<")
    assert completed("tuneops why t") == []
    for shell in ("bash", "zsh", "fish"):
        assert "_TUNEOPS_COMPLETE=" in tuneops(sample, "completion", shell).out
