from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.emulator.bench import Bench, Wall
from tuneops.emulator.application import Settings


@pytest.fixture
def wall() -> Wall:
    return Wall(datetime(2026, 11, 20, 9, tzinfo=UTC))


@pytest.fixture
def bench(tmp_path: Path, wall: Wall) -> Iterator[Bench]:
    bench = Bench(tmp_path / "emulator.db", wall, Settings())
    yield bench
    bench.close()


@pytest.fixture
def make_bench(tmp_path: Path, wall: Wall) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(name: str = "emulator.db", **settings: Any) -> Bench:
        made.append(Bench(tmp_path / name, wall, Settings(**settings)))
        return made[-1]

    yield make
    for bench in made:
        bench.close()
