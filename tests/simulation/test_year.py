"""Chains that live for months: whatever people do, each purchase has its commit."""

from tests.support.year import Year


def test_a_year_ends_converged_with_every_purchase_traced_to_a_commit() -> None:
    year = Year(2026)
    year.live_through(365)
    year.settle()
    year.check()
    diary = year.diary
    assert diary.merges > 300 and len(diary.purchases) > 200
    assert min(diary.failures, diary.by_hand, diary.stops, diary.held) > 10
    assert year.stamped
