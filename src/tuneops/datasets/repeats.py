"""Which examples are there twice, byte for byte: 64 bits of memory a line, whatever its length."""

from array import array
from collections.abc import Iterable

SHARES = 64
"""Hashes are kept by their last bits, so that only some are looked at together."""

_REMEMBERED = 100_000

MOST = 10_000_000
"""About so many lines are compared, as many as models take examples: a file of 1 GB may hold thirty
times as many, whose hashes would take gigabytes."""


class Repeats:
    """Lines by their hashes, which differ from process to process and are compared only here.

    Equal hashes of different lines are once in 10 million files of a million lines; nothing but a
    warning depends on them.
    """

    def __init__(self) -> None:
        self._shares = [array("q") for _ in range(SHARES)]
        self._first: dict[int, int] = {}
        self._kept = 0
        self._takes = True
        self.is_full = False
        """There were more lines than are compared."""
        self.places: list[tuple[int, int]] = []
        """The first lines that repeat one of the first 100,000, and the lines that they repeat."""

    def __len__(self) -> int:
        return sum(map(len, self._shares))

    def add(self, number: int, lines: Iterable[bytes]) -> None:
        """Take note of lines that follow each other, the first of which has this number."""
        shares, first = self._shares, self._first
        if self._kept >= MOST:
            self.is_full = True
            return
        start = number
        for found in map(hash, lines):
            shares[found & (SHARES - 1)].append(found)
            before = first.get(found)
            if before is not None:
                if len(self.places) < 3:
                    self.places.append((number, before))
            elif len(first) < _REMEMBERED:
                first[found] = number
            number += 1
        self._kept += number - start

    def extend(self, later: "Repeats", lines: int) -> None:
        """Take note of the lines that another has seen, after so many of this one."""
        self._takes = self._kept < MOST
        self.is_full |= later.is_full or not (self._takes or later._kept == 0)
        if self._takes:
            for mine, other in zip(self._shares, later._shares, strict=True):
                mine.extend(other)
            self._kept += later._kept
        for number, before in later.places:
            if len(self.places) < 3:
                self.places.append((number + lines, before + lines))

    def release(self) -> "list[array[int]]":
        """The hashes, share by share, which are then no longer held here."""
        shares, self._shares = self._shares, [array("q") for _ in range(SHARES)]
        return shares

    def take(self, number: int, share: bytes) -> None:
        """Hold a share again that was released by what came last, if there is room."""
        if self._takes:
            self._shares[number].frombytes(share)

    def count(self) -> int:
        """How many lines repeat another."""
        return sum(len(share) - len(set(share)) for share in self._shares)

    def common(self, other: "Repeats") -> int:
        """How many lines of this file are in another one as well."""
        found = 0
        for mine, others in zip(self._shares, other._shares, strict=True):
            both = set(mine) & set(others)
            found += sum(one in both for one in mine) if both else 0
        return found
