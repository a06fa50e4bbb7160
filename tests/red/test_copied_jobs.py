"""A job that somebody made from one of ours, labels and all, does not pass for it."""

import pytest

from tests.support.scenario import tell


@pytest.mark.parametrize("lock", ["", "  bot/seed 1 RUNNING\n"])
def test_a_corrected_copy_of_a_failed_job_is_not_its_result(lock: str) -> None:
    told = tell(
        "# A person ran the failed job again, with other settings.\n"
        "specs\n  bot/seed\n"
        f"lock\n{lock}"
        "seen\n  bot/seed 1 FAILED code=3\n  bot/seed 2 SUCCEEDED other-settings\nplan\n"
    )
    assert "keep" not in told
    assert "adopt" not in told
    assert "failed" in told


def test_a_running_copy_is_left_alone() -> None:
    told = tell(
        "# The copy still runs.\n"
        "specs\n  bot/seed\nlock\n  bot/seed 1 RUNNING\n"
        "seen\n  bot/seed 1 FAILED code=3\n  bot/seed 2 RUNNING other-settings\nplan\n"
    )
    assert "not-known-here" in told
    assert "cancel" not in told
