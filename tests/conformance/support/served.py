"""A served emulator as the tests hold it, and the datasets and names that they use."""

from dataclasses import dataclass
from datetime import timedelta

import httpx

from tests.conformance.support.recorder import Exchange, Recorder
from tuneops.emulator.application import Emulator

SAMPLES = "gs://cloud-samples-data/ai-platform/generative_ai/gemini/text"
TRAIN = f"{SAMPLES}/sft_train_data.jsonl"
VALIDATION = f"{SAMPLES}/sft_validation_data.jsonl"
MODEL = "gemini-2.5-flash"
PROJECT = "acme"
LOCATION = "us-central1"
PARENT = f"projects/{PROJECT}/locations/{LOCATION}"
KEY = f"{PARENT}/keyRings/tuning/cryptoKeys/k1"
ACCOUNT = "tuner@acme.iam.gserviceaccount.com"

_PAIR = (
    '{"contents": [{"role": "user", "parts": [{"text": "Hello"}]}], "completions": ['
    '{"score": 1, "completion": {"role": "model", "parts": [{"text": "Hello!"}]}},'
    ' {"score": 0, "completion": {"role": "model", "parts": [{"text": "What."}]}}]}\n'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An emulator behind an address; its virtual time moves when a test says so."""

    emulator: Emulator
    recorder: Recorder
    url: str

    def advance(self, **span: float) -> None:
        self.emulator.advance(timedelta(**span))

    def last(self, verb: str, ending: str) -> Exchange:
        """The last request with a verb and a path with this ending."""
        return self.recorder.requests(verb, ending)[-1]

    def put(self, name: str, content: bytes | str, bucket: str = "acme-tuning") -> str:
        """Store an object and return its address."""
        response = httpx.post(
            f"{self.url}/upload/storage/v1/b/{bucket}/o",
            params={"uploadType": "media", "name": name},
            content=content,
        )
        assert response.status_code == 200, response.text
        return f"gs://{bucket}/{name}"

    def put_pairs(self, count: int = 20) -> str:
        """Store a preference dataset and return its address."""
        return self.put("pairs.jsonl", _PAIR * count)
