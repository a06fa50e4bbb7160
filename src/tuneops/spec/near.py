"""Words for notes and help lines: the nearest right word, lists of words, places in few words."""

from collections.abc import Iterable
from difflib import get_close_matches

from tuneops.diagnostics import SourceRef

_LONGEST = 80


def near(word: str, choices: Iterable[str]) -> str | None:
    """The choice that a person who typed `word` most likely meant, or None."""
    if len(word) > _LONGEST:
        return None
    spelled = {choice.casefold(): choice for choice in choices}
    found = get_close_matches(word.casefold(), spelled, n=1, cutoff=0.6)
    return spelled[found[0]] if found else None


def listed(words: Iterable[str], limit: int = 12) -> str:
    """The words with commas between them, cut after `limit`."""
    every = list(words)
    more = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + more


def line_of(place: SourceRef, seen_from: SourceRef) -> str:
    """A place in few words: the line, with the file where it is another one."""
    if place.path == seen_from.path:
        return f"line {place.line}"
    return f"{place.path}:{place.line}:{place.column}"


def meant(word: str, choices: Iterable[str], what: str) -> str | None:
    """A help line: the nearest choice if there is one, and all that there are."""
    every = list(choices)
    close = near(word, every)
    if not every:
        return None
    if close:
        return f"did you mean `{close}`? {what[0].upper()}{what[1:]}: {listed(every)}"
    return f"{what}: {listed(every)}"
