"""Long-running operations: here every one is done when it is answered, and can be read again."""

from typing import Any

from tuneops.emulator import clock
from tuneops.emulator.calls import Call
from tuneops.emulator.database import Event
from tuneops.emulator.errors import not_found
from tuneops.emulator.ledger import Writing
from tuneops.emulator.names import Scope, numeric_id

_TYPE = "type.googleapis.com/google.cloud.aiplatform"
_EMPTY = "type.googleapis.com/google.protobuf.Empty"


def deletion(
    call: Call, writing: Writing, kind: str, scope: Scope, subject: str, body: dict[str, Any]
) -> dict[str, Any]:
    """Record a change that is answered by an operation, and return that operation."""
    world = writing.world
    id = numeric_id(world.instance, "operation", str(world.last_event + 1))
    writing.record(kind, scope, subject, {**body, "operation": id})
    return _json(world.operations[scope, id], call.version)


def get(call: Call, *, operation: str) -> dict[str, Any]:
    """Return an operation."""
    with call.ledger.reading() as view:
        event = view.world.operations.get((call.scope, operation))
    if event is None:
        raise not_found("operation", call.scope.name("operations", operation))
    return _json(event, call.version)


def _json(event: Event, version: str) -> dict[str, Any]:
    undeploys = event.kind == "endpoint.undeployed"
    metadata = "UndeployModelOperationMetadata" if undeploys else "DeleteOperationMetadata"
    at = clock.rfc3339(event.at)
    scope = Scope(project=event.project, location=event.location)
    return {
        "name": scope.name("operations", event.body["operation"]),
        "metadata": {
            "@type": f"{_TYPE}.{version}.{metadata}",
            "genericMetadata": {"createTime": at, "updateTime": at},
        },
        "done": True,
        "response": {"@type": f"{_TYPE}.{version}.UndeployModelResponse" if undeploys else _EMPTY},
    }
