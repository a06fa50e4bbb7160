"""A list to its end, or nothing.

"Not in the list" is a reason to buy a job, so half a list is worse than none: whatever is odd
about one page throws the whole pass away. An empty page with a token is not the end (AIP-158).
"""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from pydantic import ValidationError

from tuneops.errors import Unavailable
from tuneops.http.answers import Answer, cap, refused

PAGE_SIZE = 100
PASSES = 3
PAGE_LIMIT = 10_000
"""More pages than any project can fill: past it, the list has no end."""

Fetch = Callable[[str, Mapping[str, str]], Answer]


class Page(Protocol):
    """What all pages have."""

    next_page_token: str


T = TypeVar("T")
PageT = TypeVar("PageT", bound=Page)


class _Broken(Exception):
    """One pass cannot be finished; another may."""


def read_pages(
    fetch: Fetch, path: str, read: Callable[[object], PageT]
) -> tuple[list[PageT], Answer]:
    """Every page of one unbroken pass, and the last answer; else Unavailable or Rejected."""
    trouble = ""
    for _ in range(PASSES):
        try:
            return _pass(fetch, path, read)
        except _Broken as error:
            trouble = str(error)
    raise Unavailable(f"the list did not end: {trouble}", notes=(f"{PASSES} passes were made",))


def _pass(fetch: Fetch, path: str, read: Callable[[object], PageT]) -> tuple[list[PageT], Answer]:
    parameters = {"pageSize": str(PAGE_SIZE)}
    pages: list[PageT] = []
    seen: set[str] = set()
    while len(pages) < PAGE_LIMIT:
        answer = fetch(path, parameters)
        if answer.status == 400 and seen:
            raise _Broken("a page token expired on the way")
        page = read_document(answer, read)
        pages.append(page)
        token = page.next_page_token
        if not token:
            return pages, answer
        if token in seen:
            raise _Broken("the same page token came twice")
        seen.add(token)
        parameters["pageToken"] = token
    raise _Broken(f"more than {PAGE_LIMIT:,} pages")


def read_document(answer: Answer, read: Callable[[object], T]) -> T:
    """The body of a 200 as what it should be; else the fault that the answer is."""
    if answer.status != 200:
        raise refused(answer)
    try:
        return read(answer.document)
    except ValidationError as error:
        raise Unavailable(
            f"{answer.host} answered 200 with an unexpected shape: {wrong_shape(error)}"
        ) from error


def wrong_shape(error: ValidationError) -> str:
    """Say where an answer has not the shape that it should have, without showing its content."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"]) or "the whole"
    return cap(f"{path}: {first['msg']}")
