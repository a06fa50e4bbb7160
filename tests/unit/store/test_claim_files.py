"""Claims of one checkout, and how any claim is spelled."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneops.core.claim import Claim, Reservation
from tuneops.errors import ClaimDamaged
from tuneops.store.claim_files import FileClaims
from tuneops.store.claim_record import VERSION, dump, load, parse

CLAIM = Claim(
    key="k4f1c",
    phase="intent",
    epoch=1,
    marks=("mark1",),
    runner="runner1",
    at=datetime(2026, 11, 3, 9, 12, 44, 928154, tzinfo=UTC),
)


def test_a_claim_goes_through_its_phases(tmp_path: Path) -> None:
    store = FileClaims(tmp_path, "prod")
    assert store.read(CLAIM.key) is None
    first = store.swap(CLAIM, None)
    assert first is not None
    assert store.swap(replace(CLAIM, runner="runner2"), None) is None
    issued = replace(CLAIM, phase="issued")
    second = store.swap(issued, first)
    assert second not in (None, first)
    assert store.swap(CLAIM, first) is None
    assert FileClaims(tmp_path, "prod").read(CLAIM.key) == (issued, second)
    assert FileClaims(tmp_path, "staging").read(CLAIM.key) is None


def test_one_of_sixteen_wins(tmp_path: Path) -> None:
    stores = [FileClaims(tmp_path, "prod") for _ in range(16)]
    claims = [replace(CLAIM, runner=f"runner{number}") for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda store, claim: store.swap(claim, None), stores, claims))
    assert len([one for one in won if one]) == 1
    found = stores[0].read(CLAIM.key)
    assert found is not None
    assert found[0] == claims[won.index("1")]


def garbage() -> dict[str, bytes]:
    whole = json.loads(dump(CLAIM))
    claim = whole["claim"]

    def with_claim(**changes: object) -> bytes:
        return json.dumps({**whole, "generation": "1", "claim": {**claim, **changes}}).encode()

    return {
        "empty": b"",
        "cut off": dump(CLAIM)[:40],
        "not UTF-8": b"\xff",
        "too deep": b"[" * 100_000,
        "not an object": b"[]",
        "no claim": b'{"generation": "1"}',
        "no generation": dump(CLAIM),
        "a later version": json.dumps({**whole, "version": VERSION + 1}).encode(),
        "another phase": with_claim(phase="done"),
        "another key": with_claim(key="k9"),
        "no time": with_claim(at="yesterday"),
        "no zone": with_claim(at="2026-11-03T09:12:44"),
    }


def test_a_claim_is_spelled_like_this() -> None:
    """What runs of today write is compared with what runs of yesterday wrote, byte by byte."""
    held = replace(CLAIM, not_before=CLAIM.at)
    assert (
        dump(CLAIM).decode()
        == """{
  "claim": {
    "at": "2026-11-03T09:12:44.928154Z",
    "epoch": 1,
    "key": "k4f1c",
    "marks": [
      "mark1"
    ],
    "phase": "intent",
    "runner": "runner1"
  },
  "version": 1
}
"""
    )
    assert '"notBefore": "2026-11-03T09:12:44.928154Z"' in dump(held).decode()


def test_a_claim_of_another_key_is_named_and_cut() -> None:
    with pytest.raises(ClaimDamaged) as fault:
        parse(dump(replace(CLAIM, key="k" * 99)), CLAIM.key, "`x`")
    assert f"the claim of another key, `{'k' * 80}`" in fault.value.message


@pytest.mark.parametrize("cost", ["-0.01", "1000000000000", "1e999999", "NaN"])
def test_what_no_job_can_cost_is_no_reservation(cost: str) -> None:
    share = Reservation(
        key="k1", owner="a--b", lineage="v1-x", mark="m", cost=Decimal("5.10"), at=CLAIM.at
    )
    text = dump(replace(CLAIM, reserved=(share,)))
    assert parse(text, CLAIM.key, "`x`").reserved == (share,)
    with pytest.raises(ClaimDamaged):
        parse(text.replace(b"5.10", cost.encode()), CLAIM.key, "`x`")
    for fine in (b"0.00", b"999999999999.99"):
        assert parse(text.replace(b"5.10", fine), CLAIM.key, "`x`").reserved != (share,)


@pytest.mark.parametrize("kind", garbage())
def test_garbage_is_never_no_claim(kind: str, tmp_path: Path) -> None:
    store = FileClaims(tmp_path, "prod")
    store.swap(CLAIM, None)
    path = tmp_path / "claims/prod" / f"{CLAIM.key}.json"
    path.write_bytes(garbage()[kind])
    for call in (lambda: store.read(CLAIM.key), lambda: store.swap(CLAIM, None)):
        with pytest.raises(ClaimDamaged, match=f"`{CLAIM.key}.json` cannot be read") as fault:
            call()
        assert "nothing was created" in fault.value.notes[0]
    assert path.read_bytes() == garbage()[kind]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    store = FileClaims(tmp_path, "prod")
    store.swap(CLAIM, None)
    path = tmp_path / "claims/prod" / f"{CLAIM.key}.json"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ClaimDamaged, match="not a regular file"):
        store.read(CLAIM.key)


def test_a_claim_that_an_older_version_wrote_is_read() -> None:
    older = {"generation": "1", "claim": json.loads(dump(CLAIM))["claim"]}
    assert load(older, CLAIM.key, "x") == CLAIM


words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


@given(
    st.builds(
        Claim,
        key=words,
        phase=st.sampled_from(["intent", "issued", "bound", "void"]),
        epoch=st.integers(1, 10**6),
        marks=st.lists(words, max_size=4).map(tuple),
        runner=words,
        at=st.datetimes(timezones=st.just(UTC)),
        job=st.none() | words,
        cancel_asked=st.booleans(),
    )
)
def test_what_is_written_is_read(claim: Claim) -> None:
    assert parse(dump(claim), claim.key, "x") == claim
    assert dump(parse(dump(claim), claim.key, "x")) == dump(claim)
