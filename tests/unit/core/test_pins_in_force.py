"""Which pin counts where the lock says several things, and when a moved one is forgotten."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from tests.support.builders import NOON, SEED, a_creation, a_job, a_key, a_lock
from tuneops.core.desired import Pinned
from tuneops.core.lock import Creation, EvidenceSet, Lock
from tuneops.core.lock_changes import differences
from tuneops.core.merge import merge
from tuneops.core.observed import Observed
from tuneops.core.pins import data_pin, model_pin, pruned, with_pins
from tuneops.core.recipe import Dataset, Evidence, Pretuned
from tuneops.store.lockfile import dump, parse

AT = "support-bot/seed"
TEXT = "projects/p/locations/l/models/55@prod"


def _bytes(crc32c: str, generation: str | None = None) -> Pinned:
    dataset = Dataset(uri=SEED, size=9, crc32c=crc32c)
    return Pinned(dataset=dataset, evidence=Evidence(generation=generation))


def _made(pin: Pinned, hour: int, nonce: str = "1", job: bool = True) -> Lock:
    desired = a_job(nonce=nonce)
    recipe = replace(desired.recipe, training=pin.dataset)
    creation = a_creation(
        replace(desired, recipe=recipe, training=pin),
        number=hour if job else None,
        **({"created": NOON + timedelta(hours=hour)} if job else {}),
    )
    return a_lock((AT, a_key(desired), creation))


def _both(one: Lock, two: Lock) -> Lock:
    return merge(None, one, two).lock


A, B = _bytes("AAAAAA==", "100"), _bytes("BBBBBB==", "200")


def test_a_moved_pin_goes_before_what_was_made() -> None:
    lock = with_pins(_made(A, 1), {(AT, SEED): B})
    assert data_pin(lock, AT, SEED) == B
    assert data_pin(lock, AT, "gs://data/other.jsonl") is None
    assert data_pin(lock, "support-bot/week", SEED) is None


def test_a_pin_is_forgotten_once_a_job_was_made_with_it_and_not_before() -> None:
    asked = _both(_made(A, 1), _made(B, 2, nonce="2", job=False))
    assert with_pins(asked, {(AT, SEED): B}).pins is not None, "that create may yet be refused"
    made = _both(_made(A, 1), _made(B, 2, nonce="2"))
    moved = with_pins(made, {(AT, SEED): B})
    assert moved == made, "nothing is written for nothing"
    assert data_pin(made, AT, SEED) == B


def test_a_pin_that_was_moved_back_stays() -> None:
    made = _both(_made(A, 1), _made(B, 2, nonce="2"))
    back = _bytes("AAAAAA==", "300")
    assert data_pin(with_pins(made, {(AT, SEED): back}), AT, SEED) == back


def test_an_old_copy_of_the_lock_does_not_bring_an_old_pin_back() -> None:
    old = with_pins(_made(A, 1), {(AT, SEED): B})
    c = _bytes("CCCCCC==", "300")
    new = _both(_both(_made(A, 1), _made(B, 2, nonce="2")), _made(c, 3, nonce="3"))
    for one, two in permutations((old, new)):
        union = merge(None, one, two).lock
        assert union.pins is None
        assert data_pin(union, AT, SEED) == c


@pytest.mark.parametrize("base", [True, False])
def test_of_two_moved_pins_the_later_generation_counts(base: bool) -> None:
    start = _made(A, 1)
    one = with_pins(start, {(AT, SEED): B})
    two = with_pins(start, {(AT, SEED): _bytes("CCCCCC==", "1000")})
    for ours, theirs in permutations((one, two)):
        merged = merge(start if base else None, ours, theirs)
        assert not merged.conflicts
        assert merged.lock == two


def test_a_side_that_dropped_a_pin_has_dropped_it() -> None:
    start = _made(A, 1)
    moved = with_pins(start, {(AT, SEED): B})
    assert merge(moved, start, moved).lock == start
    assert merge(moved, moved, start).lock == start


def test_two_meanings_of_one_model_are_for_a_person() -> None:
    locks = [
        with_pins(a_lock(), {(AT, TEXT): Pretuned(model=f"models/55@{n}", checkpoint="1")})
        for n in (2, 3)
    ]
    for ours, theirs in permutations(locks):
        merged = merge(None, ours, theirs)
        assert [conflict.address for conflict in merged.conflicts] == [AT]
        assert merged.lock == locks[1], "the order of the sides does not matter"


def test_a_moved_model_goes_before_what_was_made_and_is_forgotten_with_its_job() -> None:
    old, new = (Pretuned(model=f"models/55@{n}", checkpoint="1") for n in (2, 3))

    def made(source: Pretuned, number: int) -> tuple[str, str, Creation]:
        job = a_job(nonce=str(number))
        recipe = replace(job.recipe, source=source)
        creation = a_creation(
            replace(job, recipe=recipe),
            number=number,
            created=NOON + timedelta(hours=number),
            evidence=EvidenceSet(source=TEXT),
        )
        return AT, a_key(job), creation

    lock = with_pins(a_lock(made(old, 1)), {(AT, TEXT): new})
    assert model_pin(lock, AT, TEXT) == new
    assert model_pin(a_lock(made(old, 1)), AT, TEXT) == old
    assert pruned(replace(a_lock(made(old, 1), made(new, 2)), pins=lock.pins)).pins is None


def test_a_lock_keeps_its_pins_on_disk_and_one_without_is_spelled_as_before() -> None:
    source = Pretuned(model="models/55@3", checkpoint="1")
    lock = with_pins(_made(A, 1), {(AT, SEED): B, (AT, TEXT): source})
    assert parse(dump(lock), "lock") == lock
    assert b'"pins"' not in dump(_made(A, 1))
    told = [(one.what, one.address) for one in differences(_made(A, 1), lock)]
    assert told == [("pin", AT), ("pin", AT)]


def test_what_was_forged_to_the_same_size_and_crc32c_differs_by_its_md5() -> None:
    dataset = A.dataset
    seen = Observed(
        at=NOON, jobs={}, objects={SEED: dataset}, evidence={SEED: Evidence(md5="forged")}
    )
    assert seen.differs(dataset, Evidence(md5="real"))
    assert not seen.differs(dataset, Evidence(md5="forged"))
    assert not seen.differs(dataset, Evidence(generation="1")), "no md5: no evidence"
