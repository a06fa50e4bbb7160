"""A served emulator for each test, whose every answer is judged when the test ends."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.support.recorder import Recorder
from tests.conformance.support.referee import answer_faults
from tests.conformance.support.served import Served
from tuneops.emulator.application import Emulator, Settings
from tuneops.emulator.server import EmulatorServer

_LOOPBACK = ("127.0.0.1", b"127.0.0.1", "localhost")
START = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no client leave this machine, for it would do so with whatever token it was given."""
    look_up = socket.getaddrinfo

    def guarded(host: object, *more: Any, **options: Any) -> Any:
        assert host in _LOOPBACK, f"a client looked for {host!r}"
        return look_up(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", guarded)


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def born() -> datetime:
    """The wall clock of the emulator; it stands still, and tests advance virtual time."""
    return START


@pytest.fixture
def served(tmp_path: Path, settings: Settings, born: datetime) -> Iterator[Served]:
    with ExitStack() as stack:
        path = tmp_path / "emulator.db"
        emulator = stack.enter_context(Emulator(path, wall=lambda: born, settings=settings))
        recorder = Recorder(emulator)
        server = stack.enter_context(EmulatorServer(recorder))
        yield Served(emulator=emulator, recorder=recorder, url=server.url)
    faults = [fault for seen in recorder.exchanges for fault in answer_faults(seen)]
    if faults:
        pytest.fail("the emulator answered as Google would not:\n" + "\n".join(faults))
