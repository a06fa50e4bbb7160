"""How a claim is written down, wherever it is kept.

Garbage is never "no claim", which would allow a second create: it is a fault that a person mends.
"""

import json
from functools import cache

from pydantic import TypeAdapter, ValidationError

from tuneops import strict
from tuneops.core.claim import Claim
from tuneops.errors import ClaimDamaged

VERSION = 1

_PRICELESS = 10**12
"""US dollars that no job costs; a number below zero would make room for others."""


def dump(claim: Claim) -> bytes:
    """The one spelling of a claim: the same claim gives the same bytes."""
    value = _adapter().dump_python(claim, mode="json", by_alias=True, exclude_none=True)
    document = {"version": VERSION, "claim": value}
    return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"


def load(document: object, key: str, shown: str) -> Claim:
    """Read the claim of a key out of JSON; ClaimDamaged, naming where it is kept, if it is none."""
    value = document if isinstance(document, dict) else {}
    if value.get("version", VERSION) != VERSION:
        raise damaged(shown, f"its version is {value['version']!r}, not {VERSION}")
    try:
        claim = _adapter().validate_python(value.get("claim"))
    except ValidationError as fault:
        raise damaged(shown, fault.errors(include_url=False)[0]["msg"]) from fault
    kept = (claim.kept.since, claim.kept.rewritten) if claim.kept else ()
    times = (claim.at, claim.not_before, *kept, *(one.at for one in claim.reserved or ()))
    if any(moment is not None and moment.tzinfo is None for moment in times):
        raise damaged(shown, "its time does not say its zone")
    if not all(0 <= one.cost < _PRICELESS for one in claim.reserved or ()):
        raise damaged(shown, "it reserves what no job can cost")
    if claim.key != key:
        raise damaged(shown, f"it is the claim of another key, `{claim.key[:80]}`")
    return claim


def parse(content: bytes, key: str, shown: str) -> Claim:
    """Read the claim of a key out of bytes; ClaimDamaged if they hold none."""
    try:
        document = strict.decode(content)
    except strict.Malformed as fault:
        raise damaged(shown, str(fault)) from fault
    return load(document, key, shown)


def damaged(shown: str, why: str) -> ClaimDamaged:
    """The fault of a claim that cannot be trusted."""
    return ClaimDamaged(
        f"the claim {shown} cannot be read: {why}",
        notes=("it may stand for a create that was sent; nothing was created",),
        help="remove it only when you know that no other run is creating this job",
    )


@cache
def _adapter() -> TypeAdapter[Claim]:
    return TypeAdapter(Claim)
