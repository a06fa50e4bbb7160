"""The series of a tuning job, as Google's clients find them: from its experiment to a TensorBoard.

`TuningJob.experiment` names a context of Vertex ML Metadata. Its metadata name the TensorBoard
that stands behind it, where an experiment of the same id has the runs with the series. A link of
this way that is missing means that there are no series, which is no fault.
"""

from collections.abc import Iterator, Mapping

from tuneops.core.observed import Point
from tuneops.errors import NotFound
from tuneops.http.reading import Reader
from tuneops.vertex.listing import read_document, read_pages
from tuneops.vertex.names import in_location
from tuneops.vertex.wire import (
    RunPage,
    SeriesPage,
    WireContext,
    WireSeries,
    WireSeriesData,
)

_SCALAR = "SCALAR"
_EVERY_POINT = {"maxDataPoints": "-1"}


def read_series(
    reader: Reader, location: str, experiment: str, names: frozenset[str]
) -> Mapping[str, tuple[Point, ...]]:
    """The points of the series that are there; a name that two runs use is left out."""
    found: dict[str, tuple[Point, ...]] = {}
    twice: set[str] = set()
    try:
        for series in _series(reader, location, experiment):
            name = series.display_name.removeprefix("/")
            if name not in names or series.value_type != _SCALAR:
                continue
            if name in found:
                twice.add(name)
            path = f"/v1/{series.name}:read"
            data = read_document(reader.get(path, _EVERY_POINT), WireSeriesData.model_validate)
            found[name] = tuple(
                Point(step=point.step, value=point.scalar.value)
                for point in data.time_series_data.values
            )
    except NotFound:
        return {}
    return {name: points for name, points in found.items() if name not in twice}


def _series(reader: Reader, location: str, experiment: str) -> Iterator[WireSeries]:
    """Every series of the runs of an experiment; none whose name is not where it belongs."""
    if not in_location(experiment, "metadataStores", location):
        return
    answer = reader.get(f"/v1/{experiment}", {})
    context = read_document(answer, WireContext.model_validate)
    board = context.metadata.backing_tensorboard_resource
    if not in_location(board, "tensorboards", location):
        return
    parent = f"/v1/{board}/experiments/{experiment.rpartition('/')[2]}"
    runs, _ = read_pages(reader.get, f"{parent}/runs", RunPage.model_validate)
    for run in sorted({run.name for page in runs for run in page.tensorboard_runs}):
        if in_location(run, "tensorboards", location):
            pages, _ = read_pages(reader.get, f"/v1/{run}/timeSeries", SeriesPage.model_validate)
            for series in (series for page in pages for series in page.tensorboard_time_series):
                if in_location(series.name, "tensorboards", location):
                    yield series
