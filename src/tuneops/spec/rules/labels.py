"""Labels: Google's rules for keys and values, and the keys that are not the user's."""

import re
from collections.abc import Iterator

from tuneops.core.labels import RESERVED
from tuneops.diagnostics import Diagnostic
from tuneops.spec.nodes import Mapping
from tuneops.spec.project import Project

MOST = 58
"""The service takes 64 on a resource of this kind; five are ours, and one is kept in hand."""

_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_ALPHABET = "lower-case letters, digits, `_` and `-`, at most 63 characters"


def labels_are_allowed(project: Project) -> Iterator[Diagnostic]:
    """Keys begin with a letter; keys and values keep to Google's alphabet; ours are ours."""
    for draft in project.drafts:
        node = draft.root.get("labels")
        for entry in node.entries if isinstance(node, Mapping) else ():
            key = entry.key.text
            value = (draft.spec.labels or {}).get(key)
            if value is None:
                continue
            if key.startswith(RESERVED):
                yield Diagnostic(
                    code="reserved-label",
                    message=f"label `{key[:80]}` is reserved",
                    where=entry.key.span.where,
                    help=f"keys may not begin with {', '.join(f'`{one}`' for one in RESERVED)}",
                )
            elif not _KEY.fullmatch(key):
                yield Diagnostic(
                    code="bad-label",
                    message=f"a label's key begins with a letter and is of {_ALPHABET}, "
                    f'not "{key[:80]}"',
                    where=entry.key.span.where,
                )
            if not _VALUE.fullmatch(value):
                yield Diagnostic(
                    code="bad-label",
                    message=f'a label\'s value is of {_ALPHABET}, not "{value[:80]}"',
                    where=entry.value.span.where,
                )


def labels_are_few(project: Project) -> Iterator[Diagnostic]:
    """A job has room for so many."""
    for draft in project.drafts:
        count = len(draft.spec.labels or {})
        if count > MOST:
            yield Diagnostic(
                code="too-many-labels",
                message=f"{count} labels; a job has room for {MOST} beside those of tuneops",
                where=draft.key("labels"),
                help="remove some",
            )
