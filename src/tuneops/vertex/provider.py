"""VertexProvider: tuning jobs and the model registry of one project and location, over REST v1.

Reads are repeated until they are believable or patience ends. The create is not, and what counts
as its answer is closed: an answer that is not in the table is no answer.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

import httpx
from pydantic import ValidationError

from tuneops.core.labels import known_by_line
from tuneops.core.observed import Checkpoint, ModelVersion, ObservedJob, Point
from tuneops.core.request import JobRequest
from tuneops.engine.ports import Listing
from tuneops.errors import NotFound, Rejected, Unanswered, Unavailable
from tuneops.http.answers import RPC_STATUSES, Answer, oddity, read_refusal, refused, rejected
from tuneops.http.reading import Reader
from tuneops.http.waiting import Waiting
from tuneops.vertex.experiments import read_series
from tuneops.vertex.listing import read_document, read_pages, wrong_shape
from tuneops.vertex.names import JobName, ModelName
from tuneops.vertex.operations import follow
from tuneops.vertex.single_post import post_once
from tuneops.vertex.translate import (
    NO_TIME,
    checkpoints,
    from_wire,
    is_tuned,
    model_version,
    observed_job,
    to_body,
)
from tuneops.vertex.wire import CheckpointPage, JobPage, VersionPage, WireTuningJob

_DEFINITE = frozenset({400, 401, 403, 404, 405, 413, 429})
"""Statuses with which Google says that a create made nothing; others may come after the fact."""


class VertexProvider:
    """`TuningService`, `ModelRegistry` and `Disposal` of `engine.ports`.

    `client` has its base URL, credentials and transport from whoever makes it. `fresh` opens
    another like it, with connections of its own; each create uses one up.
    """

    def __init__(
        self,
        client: httpx.Client,
        *,
        project: str,
        location: str,
        fresh: Callable[[], httpx.Client],
        waiting: Waiting,
    ) -> None:
        self._reader = Reader(client, waiting)
        self._project = project
        self._location = location
        self._fresh = fresh
        self._waiting = waiting
        self._jobs = f"/v1/projects/{project}/locations/{location}/tuningJobs"
        self._models = f"/v1/projects/{project}/locations/{location}/models"

    def list_jobs(self) -> Listing:
        """See `TuningService`. A job of another place in the list is none of ours: left out.

        A last page without a readable `Date` makes the pass Unavailable: ages and settle times
        are counted by the service's clock, and a made-up instant would let them run out early.
        """
        pages, last = read_pages(self._reader.get, self._jobs, JobPage.model_validate)
        newest: dict[str, WireTuningJob] = {}
        for job in (job for page in pages for job in page.tuning_jobs):
            name = JobName.parse(job.name)
            if name is None:
                raise Unavailable(f"the list of {last.host} holds a job without a proper name")
            if name.in_place(self._project, self._location):
                seen = newest.get(job.name)
                newest[job.name] = job if seen is None or _age(seen) <= _age(job) else seen
        if last.date is None:
            raise Unavailable(f"the list of {last.host} came without a readable Date")
        return Listing(at=last.date, jobs=known_by_line(map(observed_job, newest.values())))

    def get_job(self, name: str) -> ObservedJob | None:
        """See `TuningService`. A 404 that is not Google's own is a fault, never an absence."""
        answer = self._reader.get(self._job_path(name), {})
        if _absent(answer):
            return None
        return observed_job(read_document(answer, WireTuningJob.model_validate))

    def create_job(self, request: JobRequest) -> ObservedJob:
        """See `TuningService`. NoCredentials or Denied, too, mean that nothing was sent."""
        answer = post_once(self._fresh, self._jobs, to_body(request), self._waiting)
        if answer.status == 200:
            return self._created(answer)
        refusal = read_refusal(answer)
        if refusal and answer.status in _DEFINITE and refusal.reason in RPC_STATUSES:
            raise rejected(refusal)
        raise Unanswered(f"no trustworthy answer to the create: {answer.host} {oddity(answer)}")

    def cancel_job(self, name: str) -> None:
        """See `TuningService`. A job that has already ended is no reason to complain."""
        answer = self._reader.post(f"{self._job_path(name)}:cancel")
        refusal = read_refusal(answer)
        ended = refusal is not None and refusal.reason == "FAILED_PRECONDITION"
        if answer.status != 200 and not (answer.status == 400 and ended):
            raise refused(answer)

    def list_versions(self, model: str) -> Mapping[str, ModelVersion] | None:
        """See `ModelRegistry`."""
        name = ModelName.parse(model)
        if name is None or name.version is not None or name.location != self._location:
            raise _misnamed(model, "a model of this location")
        try:
            pages, _ = read_pages(
                self._reader.get, f"/v1/{name}:listVersions", VersionPage.model_validate
            )
        except NotFound:
            return None
        try:
            return dict(model_version(wire) for page in pages for wire in page.models)
        except ValueError as error:
            raise Unavailable(f"the versions of {model} cannot be told apart: {error}") from error

    def list_tuned(self) -> tuple[ModelVersion, ...]:
        """See `ModelList`. Whether a model is tuned is judged here, not by a filter of the service.

        What its labels are called is not documented; a filter that matches nothing hides all.
        """
        pages, _ = read_pages(self._reader.get, self._models, VersionPage.model_validate)
        names = {
            name.base: None
            for page in pages
            for wire in page.models
            if (name := ModelName.parse(wire.name)) and is_tuned(wire)
        }
        every = (self.list_versions(name) or {} for name in names)
        return tuple(one for found in every for one in found.values() if one.shown is not None)

    def list_checkpoints(self, version: str) -> Mapping[str, Checkpoint]:
        """See `ModelRegistry`. The version is required: without it the service takes the latest."""
        name = ModelName.parse(version)
        if name is None or name.version is None or name.location != self._location:
            raise _misnamed(version, "a model version of this location")
        try:
            pages, _ = read_pages(
                self._reader.get, f"/v1/{name}:listCheckpoints", CheckpointPage.model_validate
            )
        except NotFound:
            return {}
        return checkpoints(tuple(wire for page in pages for wire in page.checkpoints))

    def read_series(
        self, experiment: str, names: frozenset[str]
    ) -> Mapping[str, tuple[Point, ...]]:
        """See `ModelRegistry`."""
        return read_series(self._reader, self._location, experiment, names)

    def merge_aliases(self, version: str, aliases: tuple[str, ...]) -> None:
        """See `ModelRegistry`. The version must be a number: an alias may mean another by now."""
        answer = self._reader.post(
            f"/v1/{self._numbered(version)}:mergeVersionAliases", {"versionAliases": [*aliases]}
        )
        if answer.status != 200:
            raise refused(answer)

    def set_default_checkpoint(self, version: str, checkpoint: str, etag: str | None) -> None:
        """See `ModelRegistry`."""
        name = self._numbered(version)
        body = {"name": str(name), "defaultCheckpointId": checkpoint}
        if etag is not None:
            body["etag"] = etag
        answer = self._reader.patch(f"/v1/{name}", "defaultCheckpointId", body)
        if answer.status != 200:
            raise refused(answer)

    def delete_version(self, version: str) -> None:
        """See `Disposal`. Its operation is followed for a while; then the next look says it."""
        answer = self._reader.delete(f"/v1/{self._numbered(version)}:deleteVersion")
        if not _absent(answer):
            follow(self._reader, answer, self._location, self._waiting)

    def _numbered(self, version: str) -> ModelName:
        name = ModelName.parse(version)
        if name is None or name.location != self._location or not (name.version or "").isdigit():
            raise _misnamed(version, "a model version of this location")
        return name

    def _created(self, answer: Answer) -> ObservedJob:
        document = answer.document
        name = document.get("name") if isinstance(document, dict) else None
        parsed = JobName.parse(name) if isinstance(name, str) else None
        if parsed is None or not parsed.in_place(self._project, self._location):
            raise Unanswered(f"no trustworthy answer to the create: {answer.host} {oddity(answer)}")
        try:
            return from_wire(document if isinstance(document, dict) else {})
        except ValidationError as error:
            raise Unanswered(
                f"{name} was made, but its description is unreadable: {wrong_shape(error)}"
            ) from error

    def _job_path(self, name: str) -> str:
        parsed = JobName.parse(name)
        if parsed is None or parsed.location != self._location:
            raise _misnamed(name, "a tuning job of this location")
        return f"/v1/{name}"


def _absent(answer: Answer) -> bool:
    return answer.status == 404 and read_refusal(answer) is not None


def _age(job: WireTuningJob) -> datetime:
    return job.update_time or job.create_time or NO_TIME


def _misnamed(name: str, wanted: str) -> Rejected:
    return Rejected(
        f"`{name}` does not name {wanted}",
        status=0,
        reason="NOT_SENT",
        notes=("no request was sent",),
    )
