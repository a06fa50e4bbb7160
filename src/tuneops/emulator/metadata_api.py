"""The methods of `metadataStores` that reading a job's experiment needs.

Contexts: get and list; the artifact that leads to the time series: get. A tuning job has no
executions here, so their list is empty whatever the filter. Lineage graphs are not served.
"""

from collections.abc import Callable
from typing import Any

from tuneops.emulator import clock
from tuneops.emulator.calls import Call
from tuneops.emulator.errors import not_found
from tuneops.emulator.experiments import STORE, contexts, experiments, run_artifact
from tuneops.emulator.filters import TEXT, TIME, FieldKind, parse_filter
from tuneops.emulator.ledger import View
from tuneops.emulator.paging import page
from tuneops.emulator.views import pruned

_FILTER = {
    "name": FieldKind(kind=TEXT, reads="name"),
    "display_name": FieldKind(kind=TEXT, reads="displayName"),
    "schema_title": FieldKind(kind=TEXT, reads="schemaTitle"),
    "parent_contexts": FieldKind(kind=TEXT, reads="parent"),
    "create_time": FieldKind(kind=TIME, reads="created"),
    "update_time": FieldKind(kind=TIME, reads="created"),
}


def get_context(call: Call, *, store: str, context: str) -> dict[str, Any]:
    """Return the experiment of a job which has started, or one of its runs."""
    name = call.scope.name("metadataStores", f"{store}/contexts/{context}")
    with call.ledger.reading() as view:
        for found in _contexts(call, view):
            if found["name"] == name:
                return found
    raise not_found("context", name)


def list_contexts(call: Call, *, store: str) -> dict[str, Any]:
    """Return a page of contexts; the newest job's first, experiments before their runs."""
    request = call.page("contexts", store)
    matches = parse_filter(call.arguments.get("filter", ""), _FILTER)
    with call.ledger.reading() as view:
        found = _contexts(call, view) if store == STORE else []
        kept = [item for item in found if matches is None or matches(_lookup(item))]
    numbered = [(at, item) for at, item in enumerate(kept)]
    shown, token = page(
        request,
        numbered,
        position=lambda pair: [pair[0]],
        descending=False,
        settings=call.settings,
    )
    return pruned({"contexts": [item for _, item in shown], "nextPageToken": token})


def get_artifact(call: Call, *, store: str, artifact: str) -> dict[str, Any]:
    """Return the artifact that names the TensorBoard run of a job."""
    name = call.scope.name("metadataStores", f"{store}/artifacts/{artifact}")
    with call.ledger.reading() as view:
        for experiment in experiments(view, call.scope):
            found = run_artifact(view, experiment)
            if found["name"] == name:
                return found
    raise not_found("artifact", name)


def list_executions(call: Call, *, store: str) -> dict[str, Any]:
    """Return the executions: there are none."""
    call.page("executions", store)
    return {}


def _contexts(call: Call, view: View) -> list[dict[str, Any]]:
    return [
        found
        for experiment in experiments(view, call.scope)
        for found in contexts(view, experiment)
    ]


def _lookup(context: dict[str, Any]) -> Callable[[str], Any]:
    values = {
        **context,
        "parent": next(iter(context.get("parentContexts", ())), ""),
        "created": clock.instant(context["createTime"]),
    }
    return values.__getitem__
