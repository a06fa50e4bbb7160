"""Pages of a list: tokens are opaque, bound to the query, and point behind the last item shown.

AIP-158: size 0 means the default, too large is reduced, negative is refused, and a page may be
empty and still have a successor.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tuneops.emulator.errors import invalid
from tuneops.emulator.settings import Settings

_DEFAULT = 100
_MAXIMUM = 1000
Item = TypeVar("Item")
Position = list[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """One page of one query; `query` is everything that must stay the same between pages."""

    query: tuple[str, ...]
    size: int
    after: Position | None
    empty: bool


def read_page(
    arguments: Mapping[str, str], query: Sequence[str], settings: Settings
) -> PageRequest:
    """Understand `pageSize` and `pageToken`, or refuse them."""
    size = _size(arguments.get("pageSize", ""), settings)
    token = arguments.get("pageToken", "")
    if not token:
        return PageRequest(query=tuple(query), size=size, after=None, empty=False)
    after, empty = _open(token, _digest(query))
    return PageRequest(query=tuple(query), size=size, after=after, empty=empty)


def _size(text: str, settings: Settings) -> int:
    try:
        asked = int(text or "0")
    except ValueError:
        raise invalid(f'Invalid value for "page_size": {text[:50]}') from None
    if asked < 0:
        raise invalid("page_size must not be negative.")
    size = min(asked or _DEFAULT, _MAXIMUM)
    return min(size, settings.page_size_limit or size)


def page(
    request: PageRequest,
    ordered: Iterable[Item],
    *,
    position: Callable[[Item], Position],
    descending: bool,
    settings: Settings,
) -> tuple[list[Item], str | None]:
    """Return the items of the page and the token of the next one, if there is one.

    `ordered` is the whole list, sorted by `position`; what was added or removed in front of the
    last item shown neither repeats nor hides anything behind it.
    """
    rest = _rest(request.after, ordered, position, descending)
    if request.after is not None and request.empty:
        ended = next(rest, None) is None
        return [], None if ended else _token(request, request.after, empty=False)
    items: list[Item] = []
    for item in rest:
        if len(items) == request.size:
            return items, _token(request, position(items[-1]), empty=settings.empty_pages)
        items.append(item)
    return items, None


def _rest(
    after: Position | None,
    ordered: Iterable[Item],
    position: Callable[[Item], Position],
    descending: bool,
) -> Iterator[Item]:
    for item in ordered:
        if after is None:
            yield item
            continue
        here = position(item)
        try:
            behind = here < after if descending else here > after
        except TypeError:
            raise invalid("The page token is invalid.") from None
        if behind:
            yield item


def _digest(query: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(query)).encode()).hexdigest()[:16]


def _token(request: PageRequest, after: Position, *, empty: bool) -> str:
    text = json.dumps([_digest(request.query), after, int(empty)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _open(token: str, digest: str) -> tuple[Position, bool]:
    try:
        padded = token + "=" * (-len(token) % 4)
        seen, after, empty = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, TypeError, RecursionError):
        raise invalid("The page token is invalid.") from None
    if seen != digest or not isinstance(after, list):
        raise invalid("The page token does not belong to this request.")
    return after, bool(empty)
