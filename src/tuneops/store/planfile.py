"""A saved plan, for approval: limits to compare with, never instructions to execute."""

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tuneops import strict
from tuneops.core.plan import Approval, Plan
from tuneops.core.rules import MAX_COST
from tuneops.diagnostics import Diagnostic, SourceRef
from tuneops.errors import InputError
from tuneops.store import files

FORMAT = 1


def write_plan(path: Path, document: dict[str, Any], plan: Plan) -> None:
    """Save what `plan --format json` prints, together with the limits that it announces."""
    approval = _adapter().dump_python(Approval.of(plan), mode="json")
    for name in ("cancels", "late", "deletes"):
        approval[name] = sorted(approval[name])
    content = {**document, "approval": approval}
    files.write(path, (json.dumps(content, indent=2, sort_keys=True) + "\n").encode(), private=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """What a file says was approved: the digest that people saw, and the limits behind it."""

    digest: str
    approval: Approval

    @property
    def max_cost(self) -> Decimal | None:
        """The ceiling that a flag set when the plan was made: it holds for the apply as well."""
        most = self.approval.ceiling.get(MAX_COST)
        try:
            return Decimal(most) if most is not None else None
        except InvalidOperation:
            return None


def read_plan(path: Path) -> SavedPlan:
    """Read a saved plan; InputError when the file is not one."""
    shown = str(path)
    try:
        content = files.read(path)
    except files.NotARegularFileError as fault:
        raise _not_a_plan(shown, "it is not a regular file") from fault
    if content is None:
        raise _not_a_plan(shown, "it is not there")
    try:
        value = strict.decode(content)
        if not isinstance(value, dict) or value.get("formatVersion") != FORMAT:
            raise _not_a_plan(shown, f"it has no `formatVersion: {FORMAT}`")
        return SavedPlan(
            digest=str(value.get("digest", "")),
            approval=_adapter().validate_python(value.get("approval")),
        )
    except strict.Malformed as fault:
        raise _not_a_plan(shown, str(fault)) from fault
    except ValidationError as fault:
        raise _not_a_plan(shown, "its `approval` is not whole") from fault


def _not_a_plan(shown: str, why: str) -> InputError:
    return InputError(
        (
            Diagnostic(
                code="plan-file",
                message=f"`{shown}` is not a saved plan: {why}",
                where=SourceRef(path=shown, line=1, column=1),
                help="write one with `tuneops plan --out plan.json`; `tuneops apply` alone "
                "runs all that the specs ask for",
            ),
        )
    )


@cache
def _adapter() -> TypeAdapter[Approval]:
    return TypeAdapter(Approval)
