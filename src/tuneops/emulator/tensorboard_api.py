"""The methods of `tensorboards` that reading a job's time series needs: get, list, read.

Every project and location has one TensorBoard, whose experiments have the ids of the jobs'
experiments and one run each. What a read filter may say is not documented, so it is refused.
"""

from typing import Any

from tuneops.emulator import clock
from tuneops.emulator.calls import Call
from tuneops.emulator.errors import VertexError, invalid, not_found
from tuneops.emulator.experiments import Experiment, experiments, tensorboard_id
from tuneops.emulator.ledger import View
from tuneops.emulator.metrics import points, series_names
from tuneops.emulator.names import numeric_id, opaque_tag
from tuneops.emulator.paging import page
from tuneops.emulator.views import pruned
from tuneops.emulator.wire import double

_LIMIT = 1000


def get_tensorboard(call: Call, *, tensorboard: str) -> dict[str, Any]:
    """Return the TensorBoard of a project and location."""
    with call.ledger.reading() as view:
        name = _checked(call, view, tensorboard)
        resource = _resource(view, name, "Tuning jobs", view.born)
        return {**resource, "isDefault": True}


def get_experiment(call: Call, *, tensorboard: str, experiment: str) -> dict[str, Any]:
    """Return the part of the TensorBoard that belongs to a job."""
    with call.ledger.reading() as view:
        found = _experiment(call, view, tensorboard, experiment)
        name = f"{found.tensorboard}/experiments/{found.id}"
        return _resource(view, name, found.id, found.started)


def list_runs(call: Call, *, tensorboard: str, experiment: str) -> dict[str, Any]:
    """Return the runs of a job: one."""
    call.page("runs", tensorboard, experiment)
    with call.ledger.reading() as view:
        found = _experiment(call, view, tensorboard, experiment)
        return {"tensorboardRuns": [_run(view, found)]}


def get_run(call: Call, *, tensorboard: str, experiment: str, run: str) -> dict[str, Any]:
    """Return the run of a job."""
    with call.ledger.reading() as view:
        return _run(view, _of_run(call, view, tensorboard, experiment, run))


def list_series(call: Call, *, tensorboard: str, experiment: str, run: str) -> dict[str, Any]:
    """Return a page of the time series of a run that have at least one point."""
    request = call.page("timeSeries", tensorboard, experiment, run)
    if call.arguments.get("filter"):
        raise _no_filter()
    with call.ledger.reading() as view:
        found = _of_run(call, view, tensorboard, experiment, run)
        names = [name for name in series_names(found.job) if points(found.job, name, view.instant)]
        shown, token = page(
            request,
            list(enumerate(names)),
            position=lambda pair: [pair[0]],
            descending=False,
            settings=call.settings,
        )
        listed = [_series(view, found, name) for _, name in shown]
    return pruned({"tensorboardTimeSeries": listed, "nextPageToken": token})


def get_series(
    call: Call, *, tensorboard: str, experiment: str, run: str, series: str
) -> dict[str, Any]:
    """Return a time series without its values."""
    with call.ledger.reading() as view:
        found = _of_run(call, view, tensorboard, experiment, run)
        return _series(view, found, _series_name(view, found, series))


def read_series(
    call: Call, *, tensorboard: str, experiment: str, run: str, series: str
) -> dict[str, Any]:
    """Return the values of a time series; -1 wants all, otherwise at most 1,000 are given."""
    if call.arguments.get("filter"):
        raise _no_filter()
    try:
        limit = int(call.arguments.get("maxDataPoints", "0")) or _LIMIT
    except ValueError:
        raise invalid("max_data_points is not a number.") from None
    with call.ledger.reading() as view:
        found = _of_run(call, view, tensorboard, experiment, run)
        name = _series_name(view, found, series)
        return {"timeSeriesData": _data(view, found, name, limit)}


def batch_read(call: Call, *, tensorboard: str) -> dict[str, Any]:
    """Return the values of several time series of the TensorBoard."""
    with call.ledger.reading() as view:
        parent = _checked(call, view, tensorboard)
        known = {
            _series_path(view, found, name): (found, name)
            for found in experiments(view, call.scope)
            for name in series_names(found.job)
        }
        asked = [name for name in call.arguments.get("timeSeries", "").split("\n") if name]
        if not asked:
            raise invalid("time_series is required.")
        data = []
        for path in asked:
            key = f"{parent}/{path.partition(f'/tensorboards/{tensorboard}/')[2]}"
            if key not in known:
                raise not_found("time series", path)
            data.append(_data(view, *known[key], _LIMIT))
    return {"timeSeriesData": data}


def _checked(call: Call, view: View, tensorboard: str) -> str:
    name = call.scope.name("tensorboards", tensorboard)
    if tensorboard != tensorboard_id(view, call.scope):
        raise not_found("tensorboard", name)
    return name


def _experiment(call: Call, view: View, tensorboard: str, id: str) -> Experiment:
    name = f"{_checked(call, view, tensorboard)}/experiments/{id}"
    for found in experiments(view, call.scope):
        if found.id == id:
            return found
    raise not_found("tensorboard experiment", name)


def _of_run(call: Call, view: View, tensorboard: str, experiment: str, run: str) -> Experiment:
    found = _experiment(call, view, tensorboard, experiment)
    if found.run_id != run:
        raise not_found("tensorboard run", f"{found.tensorboard}/experiments/{found.id}/runs/{run}")
    return found


def _resource(view: View, name: str, display: str, at: int) -> dict[str, Any]:
    return {
        "name": name,
        "displayName": display,
        "createTime": clock.rfc3339(at),
        "updateTime": clock.rfc3339(at),
        "etag": opaque_tag(view.world.instance, name),
    }


def _run(view: View, found: Experiment) -> dict[str, Any]:
    return _resource(view, found.run_name, found.run_id, found.started)


def _series_id(view: View, found: Experiment, name: str) -> str:
    return numeric_id(view.world.instance, "series", found.job.id, name)


def _series_path(view: View, found: Experiment, name: str) -> str:
    return f"{found.run_name}/timeSeries/{_series_id(view, found, name)}"


def _series_name(view: View, found: Experiment, id: str) -> str:
    for name in series_names(found.job):
        if _series_id(view, found, name) == id and points(found.job, name, view.instant):
            return name
    raise not_found("time series", f"{found.run_name}/timeSeries/{id}")


def _series(view: View, found: Experiment, name: str) -> dict[str, Any]:
    last = points(found.job, name, view.instant)[-1]
    resource = _resource(view, _series_path(view, found, name), name, found.started)
    return {
        **resource,
        "valueType": "SCALAR",
        "pluginName": "scalars",
        "metadata": {"maxStep": str(last.step), "maxWallTime": clock.rfc3339(last.at)},
    }


def _data(view: View, found: Experiment, name: str, limit: int) -> dict[str, Any]:
    """Return the values of a series, thinned out evenly to the limit; its last one stays."""
    values = points(found.job, name, view.instant)
    stride = max(1, -(-len(values) // limit)) if limit > 0 else 1
    kept = values[::-1][::stride][::-1]
    return pruned(
        {
            "tensorboardTimeSeriesId": _series_id(view, found, name),
            "valueType": "SCALAR",
            "values": [
                {
                    "step": str(point.step),
                    "wallTime": clock.rfc3339(point.at),
                    "scalar": {"value": double(point.value)},
                }
                for point in kept
            ],
        }
    )


def _no_filter() -> VertexError:
    return invalid("Time series cannot be filtered here.")
