"""Ranges of money and of tokens. The two ends are equal where the value is known."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars, from the least to the most."""

    low: Decimal
    high: Decimal

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.low + other.low, self.high + other.high)

    @staticmethod
    def sum(costs: Iterable["Cost"]) -> "Cost":
        """All of them together."""
        return sum(costs, NOTHING)


NOTHING = Cost(Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens, from the least to the most."""

    low: int
    high: int

    def times(self, low: int, high: int) -> "Tokens":
        """So many tokens as often as that."""
        return Tokens(self.low * low, self.high * high)

    def priced(self, per_million: Decimal) -> Cost:
        """What they cost."""
        return Cost(self.low * per_million / MILLION, self.high * per_million / MILLION)


def spell(cost: Cost) -> str:
    """An amount of money in few words: `~$3.10`, or both ends with a dash between them."""
    if cost.high == 0:
        return "$0"
    if cost.high < CENT:
        return "<$0.01"
    if cost.low == cost.high:
        return f"~{dollars(cost.low)}"
    low = _rounded(cost.low, cost.high, ROUND_FLOOR)
    high = _rounded(cost.high, cost.high, ROUND_CEILING)
    return f"~{dollars(low)}\N{EN DASH}{dollars(high)}" if low != high else f"~{dollars(low)}"


def _rounded(amount: Decimal, high: Decimal, way: str) -> Decimal:
    whole = high >= 10 and amount >= 1
    return amount.quantize(Decimal(1) if whole else CENT, rounding=way)


def dollars(amount: Decimal) -> str:
    """One amount: `$0.10`, `$25`, `$1,234`; less than a cent in full: `$0.001`."""
    if 0 < amount < CENT:
        return f"${amount.normalize():f}"
    cents = amount.quantize(CENT, rounding=ROUND_HALF_UP)
    if cents == cents.to_integral_value() or cents >= 1000:
        return f"${cents.quantize(Decimal(1), rounding=ROUND_HALF_UP):,}"
    return f"${cents:,}"
