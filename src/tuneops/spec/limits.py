"""Budgets, limits and policy of a workspace and of its environments, and the rules that they make.

Both may declare all of it, and both hold: an environment loosens nothing of its workspace.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Literal

from pydantic import BeforeValidator, model_validator
from pydantic import WithJsonSchema as Shown

from tuneops.core.rules import PER_APPLY, PER_CHAIN, PER_MONTH, Allowed, Ceiling, Freeze, Rules
from tuneops.diagnostics import SourceRef
from tuneops.spec import scalars
from tuneops.spec.nodes import Mapping, Path, value_place
from tuneops.spec.scalars import Misfit, shown
from tuneops.spec.shape import Shape, Text, whole, whole_schema, word

WORKSPACE: Path = ("spec", "budget")
"""Where a budget is that all environments share."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z?)?")
_WEEKLY = re.compile(rf"({'|'.join(DAYS)})( ([01]\d|2[0-3]):([0-5]\d))?")
_WANTED = "`2026-12-20`, `2026-12-20T18:00Z`, or every week `fri 16:00`; all in UTC"

Moment = datetime | timedelta
"""A moment, or how long after Monday 00:00 of every week; in UTC."""


def moment(node: object) -> Moment:
    """Read one end of a freeze; a day alone means its first minute."""
    value = scalars.scalar(node, _WANTED)
    text = value.text.strip()
    if weekly := _WEEKLY.fullmatch(text.lower()):
        day, _, hour, minute = weekly.groups()
        return timedelta(days=DAYS.index(day), hours=int(hour or 0), minutes=int(minute or 0))
    try:
        found = datetime.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None:
        raise Misfit("bad-value", f"must be {_WANTED}, not {shown(node)}")
    return found.replace(tzinfo=UTC)


Dollars = Annotated[
    Decimal,
    BeforeValidator(partial(scalars.positive, help="an amount in US dollars")),
    Shown({"type": "number", "exclusiveMinimum": 0}),
]
Jobs = Annotated[int, whole(1, 10_000), whole_schema(1, 10_000)]
Epochs = Annotated[int, whole(1, 100), whole_schema(1, 100)]
End = Annotated[Moment, BeforeValidator(moment), Shown({"type": "string"})]
Words = Annotated[tuple[Text, ...], BeforeValidator(scalars.items)]


class Budget(Shape):
    """What may be spent, by estimates until the bills are known."""

    per_apply: Dollars | None = None
    per_month: Dollars | None = None
    per_chain: Dollars | None = None
    currency: Annotated[Literal["USD"], word("USD")] = "USD"
    unestimated: Annotated[Literal["deny", "allow"], word("deny", "allow")] = "deny"


class FreezeSpec(Shape):
    """A time in which nothing is bought."""

    from_: End
    until: End
    reason: Text | None = None

    @model_validator(mode="after")
    def _forward(self) -> "FreezeSpec":
        start, end = self.from_, self.until
        if isinstance(start, datetime) != isinstance(end, datetime):
            raise Misfit("bad-value", "must have two dates, or two days of the week")
        if isinstance(start, datetime) and isinstance(end, datetime) and end <= start:
            raise Misfit("bad-value", "must end after it begins")
        if start == end:
            raise Misfit("bad-value", "must end at another moment than it begins")
        return self


class PolicySpec(Shape):
    """What every job must keep to."""

    locations: Words | None = None
    base_models: Words | None = None
    encryption: Annotated[Literal["required"], word("required")] | None = None
    max_epochs: Epochs | None = None
    freeze: Annotated[tuple[FreezeSpec, ...], BeforeValidator(scalars.items)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The rules of one mapping: a workspace's `spec`, or an environment, at its path."""

    path: Path
    budget: Budget | None
    policy: PolicySpec | None
    max_creates: int | None = None


def rules_of(root: Mapping, declared: tuple[Declared, ...]) -> Rules:
    """All rules together, each with the place of its value."""
    place = partial(value_place, root)
    budgets = [(one.budget, (*one.path, "budget")) for one in declared if one.budget]
    policies = [(one.policy, (*one.path, "policy")) for one in declared if one.policy]
    return Rules(
        ceilings=tuple(
            Ceiling(name=name, most=most, where=place((*path, name)), wide=path == WORKSPACE)
            for budget, path in budgets
            for name, most in _amounts(budget)
        ),
        unestimated=bool(budgets) and all(one.unestimated == "allow" for one, _ in budgets),
        creates=tuple(
            Ceiling(
                name="maxCreates",
                most=Decimal(one.max_creates),
                where=place((*one.path, "limits", "maxCreates")),
            )
            for one in declared
            if one.max_creates is not None
        ),
        locations=_allowed([(one.locations, place((*at, "locations"))) for one, at in policies]),
        models=_allowed([(one.base_models, place((*at, "baseModels"))) for one, at in policies]),
        epochs=tuple(
            Ceiling(name="maxEpochs", most=Decimal(most), where=place((*at, "maxEpochs")))
            for one, at in policies
            if (most := one.max_epochs) is not None
        ),
        encryption=tuple(place((*at, "encryption")) for one, at in policies if one.encryption),
        freezes=tuple(
            _freeze(freeze, place((*at, "freeze", index)))
            for one, at in policies
            for index, freeze in enumerate(one.freeze or ())
        ),
    )


def _amounts(budget: Budget) -> Iterator[tuple[str, Decimal]]:
    values = {
        PER_APPLY: budget.per_apply,
        PER_MONTH: budget.per_month,
        PER_CHAIN: budget.per_chain,
    }
    return ((name, most) for name, most in values.items() if most is not None)


def _allowed(lists: list[tuple[tuple[str, ...] | None, SourceRef]]) -> tuple[Allowed, ...]:
    return tuple(Allowed(words=words, where=where) for words, where in lists if words is not None)


def _freeze(spec: FreezeSpec, where: SourceRef) -> Freeze:
    reason = spec.reason or ""
    if isinstance(spec.from_, datetime) and isinstance(spec.until, datetime):
        return Freeze(reason=reason, where=where, moments=(spec.from_, spec.until))
    assert isinstance(spec.from_, timedelta) and isinstance(spec.until, timedelta)
    return Freeze(reason=reason, where=where, weekly=(spec.from_, spec.until))
