"""Secrets in what others say: what a service, a proxy or a library repeats of our own request.

Two lines of defence, at the doors where such text comes in: the very token that was sent, however
it is spelled, and whatever has the shape of a secret.
"""

import json
import re
from base64 import b64encode
from urllib.parse import quote

HIDDEN = "<hidden>"

SHORTEST = 16
"""No secret is shorter; the emulator's bearer, which is none, is."""

_SHAPES = re.compile(
    r"\bya29\.[\w.-]+"
    r"|\bAIza[\w-]{10,}"
    r"|\beyJ[\w-]{8,}(\.[\w-]*){0,2}"
    r"|\b1//[\w-]{10,}"
    r"|\bgh[oprsu]_\w{16,}"
    r"|\bgithub_pat_\w{16,}"
    r"|-----BEGIN.*?(-----END[^-]*-----|\Z)",
    re.DOTALL,
)


def hide(text: str) -> str:
    """The text without anything that looks like a secret of Google's or GitHub's, or a key."""
    return _SHAPES.sub(HIDDEN, text)


def without(secret: str, content: bytes) -> bytes:
    """The bytes without a secret: as it is, as a URL or JSON spells it, or in base64."""
    if len(secret) < SHORTEST:
        return content
    spellings = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], _encoded(secret)}
    for spelling in sorted(spellings, key=len, reverse=True):
        content = content.replace(spelling.encode(), HIDDEN.encode())
    return content


def _encoded(secret: str) -> str:
    return b64encode(secret.encode()).decode().rstrip("=")
