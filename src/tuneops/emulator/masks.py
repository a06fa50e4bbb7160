"""Field masks: the partial answers of `fields` and `readMask`."""

from collections.abc import Mapping
from typing import Any

from tuneops.emulator.errors import invalid

Mask = dict[str, "Mask"]


def parse_mask(text: str) -> Mask:
    """Read `a,b/c,d(e,f)` (also `b.c`); an empty mask keeps everything below it."""
    mask, rest = _group(text.replace(" ", ""), 0)
    if rest:
        raise invalid(f"Invalid field selection {text[:200]}")
    return mask


def _group(text: str, depth: int) -> tuple[Mask, str]:
    if depth > 20:
        raise invalid("The field selection is nested too deeply.")
    mask: Mask = {}
    while True:
        inner = mask
        while True:
            end = next((at for at, c in enumerate(text) if c in ",/.()"), len(text))
            name, text = text[:end], text[end:]
            if not name:
                raise invalid("A field selection has an empty name.")
            inner = inner.setdefault(name, {})
            if not text.startswith(("/", ".")):
                break
            text = text[1:]
        if text.startswith("("):
            below, text = _group(text[1:], depth + 1)
            if not text.startswith(")"):
                raise invalid("A parenthesis of the field selection is not closed.")
            text = text[1:]
            inner.update(below)
        if not text.startswith(","):
            return mask, text
        text = text[1:]


def masked(value: Any, mask: Mapping[str, Any]) -> Any:
    """Return what a mask keeps of a JSON value; lists are looked through."""
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [masked(item, mask) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: masked(item, mask[name]) for name, item in value.items() if name in mask}
