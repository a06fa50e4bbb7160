"""A pytest fixture for the tests of those who use tuneops: the emulator, with all accounts settled.

It is found by pytest of its own accord once tuneops is installed.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tuneops.emulator.application import Emulator

VARIABLES = ("GOOGLE_VERTEX_BASE_URL", "STORAGE_EMULATOR_HOST")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorRig:
    """One emulator for one test; `emulator` is its whole interface, virtual time included."""

    emulator: "Emulator"
    monkeypatch: pytest.MonkeyPatch

    def faults(self, script: str) -> None:
        """Break something on purpose; a fault that is never met fails the test."""
        self.emulator.faults(script)

    @contextlib.contextmanager
    def serve(self) -> Iterator[str]:
        """Serve it over HTTP on this machine and point Google's variables there; give its URL."""
        from tuneops.emulator.server import EmulatorServer

        with EmulatorServer(self.emulator, port=0) as server, self.monkeypatch.context() as patch:
            for variable in VARIABLES:
                patch.setenv(variable, server.url)
            yield server.url


@pytest.fixture
def tuneops_emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorRig]:
    """A fresh emulator; the test fails if it asked for a fault that was never met."""
    from tuneops.emulator.application import Emulator

    database = tmp_path / "tuneops-emulator.db"
    with Emulator(database, wall=lambda: datetime.now(UTC)) as emulator:
        yield EmulatorRig(emulator=emulator, monkeypatch=monkeypatch)
        unmet = emulator.unmet()
    if unmet:
        pytest.fail(f"faults that were asked for and never met: {', '.join(unmet)}")
