"""The experiments that jobs name, as Vertex ML Metadata shows them: to read, without metrics.

Google's older SDK looks a job's experiment up whenever it refreshes the job.
"""

from typing import Any

from tuneops.emulator import clock
from tuneops.emulator.calls import Call
from tuneops.emulator.errors import not_found
from tuneops.emulator.names import opaque_tag
from tuneops.emulator.views import experiment_name


def get_context(call: Call, *, store: str, context: str) -> dict[str, Any]:
    """Return the context that is the experiment of a job which has started."""
    name = call.scope.name("metadataStores", f"{store}/contexts/{context}")
    with call.ledger.reading() as view:
        for job in view.world.jobs_in(call.scope):
            started = job.standing(view.instant).started
            if started is not None and experiment_name(job, started) == name:
                at = clock.rfc3339(started)
                return {
                    "name": name,
                    "displayName": context,
                    "etag": opaque_tag(view.world.instance, name),
                    "createTime": at,
                    "updateTime": at,
                    "schemaTitle": "system.Experiment",
                    "schemaVersion": "0.0.1",
                    "metadata": {"experiment_deleted": False},
                }
    raise not_found("context", name)
