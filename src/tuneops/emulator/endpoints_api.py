"""The methods of `endpoints`: get, list, undeployModel, delete.

The last two are here because a deployed version cannot be deleted.
"""

from typing import Any

from tuneops.emulator.calls import Call
from tuneops.emulator.errors import invalid, not_found, precondition
from tuneops.emulator.filters import EQUAL_ONLY, LABELS, TEXT, FieldKind, Lookup, parse_filter
from tuneops.emulator.ledger import View
from tuneops.emulator.operations_api import deletion
from tuneops.emulator.paging import page
from tuneops.emulator.registry import Endpoint
from tuneops.emulator.views import endpoint_json, is_visible, pruned

_FILTER = {
    "endpoint": FieldKind(kind=TEXT, reads="endpoint"),
    "display_name": FieldKind(kind=TEXT, reads="displayName"),
    "labels": FieldKind(kind=LABELS, reads="labels"),
    "base_model_name": FieldKind(kind=EQUAL_ONLY, reads="baseModel"),
}


def get(call: Call, *, endpoint: str) -> dict[str, Any]:
    """Return an endpoint."""
    with call.ledger.reading() as view:
        return endpoint_json(_endpoint(call, view, endpoint), view.world, view.instant)


def list_endpoints(call: Call) -> dict[str, Any]:
    """Return a page of endpoints, newest first."""
    request = call.page("endpoints")
    matches = parse_filter(call.arguments.get("filter", ""), _FILTER)
    with call.ledger.reading() as view:
        world, now = view.world, view.instant
        endpoints = [
            endpoint
            for (scope, _), endpoint in world.endpoints.items()
            if scope == call.scope
            and is_visible(endpoint, world, now)
            and (matches is None or matches(_lookup(endpoint, view)))
        ]

        def position(endpoint: Endpoint) -> list[Any]:
            return [endpoint_json(endpoint, world, now)["createTime"], endpoint.id]

        endpoints.sort(key=position, reverse=True)
        found, token = page(
            request, endpoints, position=position, descending=True, settings=call.settings
        )
        listed = [endpoint_json(endpoint, world, now) for endpoint in found]
    return pruned({"endpoints": listed, "nextPageToken": token})


def undeploy(call: Call, *, endpoint: str) -> dict[str, Any]:
    """Stop serving a model at an endpoint."""
    wanted = call.decoded("UndeployModelRequest", "").get("deployedModelId")
    with call.ledger.writing() as writing:
        found = _endpoint(call, writing, endpoint)
        shown = endpoint_json(found, writing.world, writing.instant)
        if not wanted:
            raise invalid("deployed_model_id is required.")
        if wanted not in [deployed["id"] for deployed in shown.get("deployedModels", [])]:
            raise not_found("deployed model", wanted)
        return deletion(call, writing, "endpoint.undeployed", call.scope, found.id, {})


def delete(call: Call, *, endpoint: str) -> dict[str, Any]:
    """Delete an endpoint at which nothing is served, nor will be."""
    with call.ledger.writing() as writing:
        found = _endpoint(call, writing, endpoint)
        if found.id not in writing.world.undeployed:
            raise precondition("A model is deployed to the endpoint; undeploy it first.")
        return deletion(call, writing, "endpoint.deleted", call.scope, found.id, {})


def _endpoint(call: Call, view: View, id: str) -> Endpoint:
    endpoint = view.world.endpoints.get((call.scope, id))
    if endpoint is None or not is_visible(endpoint, view.world, view.instant):
        raise not_found("endpoint", call.scope.name("endpoints", id))
    return endpoint


def _lookup(endpoint: Endpoint, view: View) -> Lookup:
    job = view.world.jobs[endpoint.job]
    values = {
        "endpoint": endpoint.id,
        "displayName": job.display_name,
        "baseModel": job.settled["baseModel"],
        "labels": job.labels,
    }
    return values.__getitem__
