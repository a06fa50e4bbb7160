import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tuneops.emulator.application import Emulator, Settings

PARENT = "projects/acme/locations/us-central1"
MODEL = "gemini-2.5-flash"
BUCKET = "acme-tuning"


class Wall:
    """A wall clock that moves when a test says so."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, **span: float) -> None:
        self.moment += timedelta(**span)


def supervised_lines(count: int = 150) -> bytes:
    lines = []
    for number in range(count):
        turns = [("user", f"What is {number} plus one?"), ("model", str(number + 1))]
        contents = [{"role": role, "parts": [{"text": text}]} for role, text in turns]
        lines.append(json.dumps({"contents": contents}) + "\n")
    return "".join(lines).encode()


def preference_lines(count: int = 40) -> bytes:
    lines = []
    for number in range(count):
        completions = [
            {"score": score, "completion": {"role": "model", "parts": [{"text": text}]}}
            for score, text in ((number % 2, "Gladly."), (1 - number % 2, "No."))
        ]
        contents = [{"role": "user", "parts": [{"text": f"Please send invoice {number}."}]}]
        lines.append(json.dumps({"contents": contents, "completions": completions}) + "\n")
    return "".join(lines).encode()


class Bench:
    """An emulator, its wall clock and a client in one."""

    def __init__(self, path: Path, wall: Wall, settings: Settings) -> None:
        self.path = path
        self.wall = wall
        self.emulator = Emulator(path, wall=wall, settings=settings)
        transport = httpx.WSGITransport(app=self.emulator)
        self.client = httpx.Client(transport=transport, base_url="http://emulator")

    def close(self) -> None:
        self.client.close()
        self.emulator.close()

    def put(self, name: str, content: bytes, bucket: str = BUCKET) -> str:
        response = self.client.post(
            f"/upload/storage/v1/b/{bucket}/o",
            params={"uploadType": "media", "name": name},
            content=content,
        )
        assert response.status_code == 200, response.text
        return f"gs://{bucket}/{name}"

    def ask(self, method: str, path: str, body: Any = None, **parameters: Any) -> httpx.Response:
        text = None if body is None else json.dumps(body)
        return self.client.request(method, f"/v1/{path}", content=text, params=parameters)

    def ok(self, method: str, path: str, body: Any = None, **parameters: Any) -> dict[str, Any]:
        response = self.ask(method, path, body, **parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def request(self, **changes: Any) -> dict[str, Any]:
        spec = {"trainingDatasetUri": self.put("train.jsonl", supervised_lines())}
        spec["hyperParameters"] = {"epochCount": 3}
        return {"baseModel": MODEL, "supervisedTuningSpec": spec, **changes}

    def create(self, parent: str = PARENT, **changes: Any) -> dict[str, Any]:
        return self.ok("POST", f"{parent}/tuningJobs", self.request(**changes))

    def continued(self, model: str, **changes: Any) -> dict[str, Any]:
        request = self.request(**{"preTunedModel": {"tunedModelName": model}, **changes})
        del request["baseModel"]
        return self.ok("POST", f"{PARENT}/tuningJobs", request)

    def read(self, job: dict[str, Any]) -> dict[str, Any]:
        return self.ok("GET", job["name"])

    def advance(self, **span: float) -> None:
        self.emulator.advance(timedelta(**span))

    def finished(self, **changes: Any) -> dict[str, Any]:
        job = self.create(**changes)
        self.advance(hours=2)
        return self.read(job)

    def total_changes(self) -> int:
        return self.emulator._ledger._database.connection.total_changes
