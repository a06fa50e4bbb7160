"""Text from outside, made harmless to show: nothing in it moves a cursor, hides or reorders.

Every sink passes what it did not write itself through here first, and escapes for itself after.
"""

import re

LIMIT = 2000
"""The longest line that is shown whole, in characters."""

_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)


def inert(text: str, *, newlines: bool = False) -> str:
    """The same text with what cannot be seen, or moves what is seen, written out; long lines cut.

    Line feeds are written out as well, unless `newlines` says that the text has lines.
    """
    if newlines:
        return "\n".join(inert(line) for line in text.split("\n"))
    more = f"… (+{len(text) - LIMIT})" if len(text) > LIMIT else ""
    return _HIDDEN.sub(_written, text[:LIMIT]) + more


def _written(found: re.Match[str]) -> str:
    return f"\\u{{{ord(found[0]):04X}}}"
