"""The nearest of the words that would have been right, and lists of them for a help line."""

from collections.abc import Iterable
from difflib import get_close_matches

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


def meant(word: str, choices: Iterable[str], what: str) -> str | None:
    """A help line: the nearest choice if there is one, and all that there are."""
    every = list(choices)
    close = near(word, every)
    begin = f"did you mean `{close}`? " if close else ""
    return f"{begin}{what}: {listed(every)}" if every else None
