"""One call of the Vertex API: what a handler is given, and the query parameters it may have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import MultiDict

from tuneops.emulator.errors import malformed
from tuneops.emulator.ledger import Ledger
from tuneops.emulator.names import Scope
from tuneops.emulator.paging import PageRequest, read_page
from tuneops.emulator.settings import Settings
from tuneops.emulator.wire import decode, snake

_COMMON = frozenset({
    "alt", "$alt", "fields", "key", "prettyPrint", "$prettyPrint", "quotaUser", "$.xgafv",
    "access_token", "oauth_token", "callback", "upload_protocol", "uploadType",
})  # fmt: skip
_REPEATED = frozenset({"timeSeries"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A routed request; `arguments` are its own query parameters by their camelCase names.

    What was created within the last `lag` microseconds is not listed yet.
    """

    ledger: Ledger
    settings: Settings
    version: str
    scope: Scope
    arguments: Mapping[str, str]
    body: bytes
    lag: int = 0

    @property
    def beta(self) -> bool:
        """Whether the call came through v1beta1."""
        return self.version == "v1beta1"

    def decoded(self, message: str, root: str) -> dict[str, Any]:
        """Return the body as a canonical message."""
        return decode(self.body, message=message, root=root, version=self.version)

    def page(self, method: str, *more: str) -> PageRequest:
        """Return which page of which query is wanted."""
        bound = ("filter", "orderBy", "readMask")
        query = (
            method,
            self.scope.project,
            self.scope.location,
            *more,
            *(self.arguments.get(name, "") for name in bound),
        )
        return read_page(self.arguments, query, self.settings)


Handler = Callable[..., dict[str, Any]]


def read_arguments(given: MultiDict[str, str], allowed: tuple[str, ...]) -> dict[str, str]:
    """Return the parameters of a method by camelCase name; refuse what it does not have.

    The values of a repeated parameter come joined by line ends, which none of them holds.

    Of a parameter that is given twice the last one counts: Google's own client sends `filter`
    twice when it lists tuned models, and what the service makes of it is not documented.
    """
    spellings = {snake(name): name for name in allowed} | {name: name for name in allowed}
    result = {}
    faults = []
    for name, values in given.lists():
        if name in spellings:
            name = spellings[name]
            result[name] = "\n".join(values) if name in _REPEATED else values[-1]
        elif name not in _COMMON:
            problem = f'Unknown name "{name}": Cannot bind query parameter.'
            faults.append(("", f"Invalid JSON payload received. {problem}"))
    if faults:
        raise malformed(faults)
    alt = given.get("$alt") or given.get("alt") or "json"
    if alt.partition(";")[0] != "json":
        raise malformed([("", f'Invalid value for "alt": {alt[:50]}; only json is served.')])
    return result
