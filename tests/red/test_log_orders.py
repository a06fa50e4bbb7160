"""Text of a spec gives no order to a workflow's log, in either of its two spellings."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import tuneops
from tests.e2e.conftest import write_chain


@pytest.mark.parametrize("form", ["text", "json", "github", "markdown"])
def test_the_old_spelling_of_an_order_is_written_out(tmp_path: Path, form: str) -> None:
    folder = write_chain(tmp_path / "project")
    spec = folder / "specs" / "bot.yaml"
    spec.write_text(spec.read_text() + "  '##[error]gotcha': '##[stop-commands]'\n")
    done = tuneops(folder, "validate", "--format", form)
    assert done.code == 65
    assert "##[" not in done.out + done.err
    if form == "json":
        (finding,) = json.loads(done.out)["diagnostics"]
        assert "##[error]gotcha" in finding["message"]
