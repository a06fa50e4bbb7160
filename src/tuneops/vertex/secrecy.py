"""What a login sends and receives that nobody may read, and its removal from what is said.

Two lines of defence: the exact texts that passed, and the shapes that secrets have.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl

from tuneops.redaction import HIDDEN, hide

_SHORTEST = 8
_SECRET = frozenset(
    (
        "access_token",
        "accessToken",
        "actor_token",
        "assertion",
        "client_secret",
        "code",
        "id_token",
        "refresh_token",
        "signedJwt",
        "subject_token",
        "token",
    )
)
"""The fields of a token exchange whose values are secrets, in all of Google's spellings."""


class Secrets:
    """The secrets that passed through one exchange. It shows none of them, whatever is asked."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return "<secrets>"

    def learn(self, body: bytes | None, headers: Mapping[str, str] | None) -> None:
        """Remember the secrets of a request or an answer, by the names of their fields."""
        text = (body or b"").decode("utf-8", "replace")
        found = set(_of_json(text) if text.lstrip().startswith("{") else _of_form(text))
        for name, value in (headers or {}).items():
            if name.lower() == "authorization":
                found.add(value.rpartition(" ")[2])
        self._remember(found)

    def learn_all(self, body: bytes) -> None:
        """Remember an answer as a whole, and every text in it: it is somebody's identity."""
        text = body.decode("utf-8", "replace").strip()
        self._remember({text, *_texts(_parsed(text))})

    def hide(self, text: str) -> str:
        """The text without anything that was learnt, or that looks like a secret."""
        with self._lock:
            known = sorted(self._known, key=len, reverse=True)
        for secret in known:
            text = text.replace(secret, HIDDEN)
        return hide(text)

    def _remember(self, found: set[str]) -> None:
        with self._lock:
            self._known |= {text for text in found if len(text) >= _SHORTEST}


def _of_form(text: str) -> Iterator[str]:
    return (value for name, value in parse_qsl(text) if name in _SECRET)


def _of_json(text: str) -> Iterator[str]:
    document = _parsed(text)
    for name, value in document.items() if isinstance(document, dict) else ():
        if name in _SECRET and isinstance(value, str):
            yield value


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _texts(item)
        case dict():
            for item in value.values():
                yield from _texts(item)
