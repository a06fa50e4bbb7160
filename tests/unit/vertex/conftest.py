from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tuneops.core.recipe import BaseModel, HyperParameters, Method
from tuneops.core.request import JobRequest
from tuneops.http.waiting import Waiting
from tuneops.vertex.provider import VertexProvider

BASE_URL = "https://us-central1-aiplatform.googleapis.com"
DATE = "Fri, 20 Nov 2026 09:00:00 GMT"

Handler = Callable[[httpx.Request], httpx.Response]


class Time:
    """A clock that moves only when it is slept on, and remembers how long."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.waiting = Waiting(
            sleep=self.pauses.append, random=lambda: 1.0, monotonic=lambda: sum(self.pauses)
        )


class Service:
    """A provider over scripted answers; the last one is given for ever."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.requests: list[httpx.Request] = []
        self.answers: list[httpx.Response | Exception | Handler] = []
        self._clients = [self.open()]
        self.provider = VertexProvider(
            self._clients[0],
            project="acme",
            location="us-central1",
            fresh=self.open,
            waiting=time.waiting,
        )

    def open(self) -> httpx.Client:
        return httpx.Client(base_url=BASE_URL, transport=httpx.MockTransport(self._answer))

    def says(self, *answers: httpx.Response | Exception | Handler) -> VertexProvider:
        self.answers = list(answers)
        return self.provider

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _answer(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return httpx.Response(
                answer.status_code, headers=answer.headers, content=answer.content
            )
        return answer(request)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def service(time: Time) -> Iterator[Service]:
    service = Service(time)
    yield service
    service.close()


@pytest.fixture
def ok() -> Callable[..., httpx.Response]:
    def make(document: Any, **headers: str) -> httpx.Response:
        return httpx.Response(200, json=document, headers={"Date": DATE} | headers)

    return make


@pytest.fixture
def no() -> Callable[..., httpx.Response]:
    """Google's own refusal."""

    def make(status: int, word: str, message: str = "no", **more: Any) -> httpx.Response:
        error = {"code": status, "status": word, "message": message, **more}
        return httpx.Response(status, json={"error": error})

    return make


@pytest.fixture
def job() -> Callable[..., dict[str, Any]]:
    def make(id: int = 1, **fields: Any) -> dict[str, Any]:
        return {
            "name": f"projects/123456789012/locations/us-central1/tuningJobs/{id}",
            "state": "JOB_STATE_PENDING",
            "createTime": "2026-11-20T09:00:00.734198Z",
            "updateTime": "2026-11-20T09:00:00.734198Z",
            "baseModel": "gemini-2.5-flash",
            "supervisedTuningSpec": {"trainingDatasetUri": "gs://acme-tuning/train.jsonl"},
            **fields,
        }

    return make


@pytest.fixture
def ask() -> Callable[..., JobRequest]:
    def make(**changes: Any) -> JobRequest:
        request = JobRequest(
            method=Method.SUPERVISED,
            source=BaseModel(base_model="gemini-2.5-flash"),
            training_uri="gs://acme-tuning/train.jsonl",
            validation_uri="gs://acme-tuning/val.jsonl",
            hyper_parameters=HyperParameters(
                epoch_count=3, adapter_size=4, learning_rate_multiplier=Decimal("1.0")
            ),
            last_checkpoint_only=False,
            display_name="support-bot",
            description="The support bot",
            labels={"managed-by": "tuneops"},
            encryption_key=None,
            service_account=None,
        )
        return replace(request, **changes)

    return make
