"""GcsClaims: the creation guard as objects of a bucket, changed by compare-and-swap.

Every write names the generation that it replaces, so the bucket itself picks the one winner; an
answer that was lost is found out by looking. How a claim is spelled is handed in.
Source: Storage v1 discovery document, 20261009.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from tuneops.core.claim import Claim
from tuneops.errors import ProviderError, Rejected, Unavailable
from tuneops.gcs.names import ObjectName
from tuneops.http.answers import Answer, asked_delay, oddity, read_refusal, refused
from tuneops.http.reading import CALL_LIMIT, Reader, TooLarge, TooSlow, receive, spoken
from tuneops.http.waiting import Waiting

TRIES = 5

_FIELDS = "generation"
_LOOK_AGAIN = frozenset({401, 408, 412, 429})
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_RIGHTS = "the runner needs storage.objects.get, list, create and delete in the bucket of `claims:`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How a claim is written and read; `load` takes the JSON, the key and the object's URI."""

    dump: Callable[[Claim], bytes]
    load: Callable[[object, str, str], Claim]


class GcsClaims:
    """`ClaimStore` of `engine.ports`, as `<place>/claims/v1/<key>.json`; `place` is gs://…."""

    def __init__(
        self, client: httpx.Client, place: str, *, spelling: Spelling, waiting: Waiting
    ) -> None:
        self._client = client
        self._place = place.rstrip("/")
        self._spelling = spelling
        self._reader = Reader(client, waiting)
        self._waiting = waiting

    def read(self, key: str) -> tuple[Claim, str] | None:
        """See `ClaimStore`. Garbage is a fault, and so is a 404 that is not Google's own."""
        for tried in range(1, TRIES + 1):
            generation = self._generation(key)
            if generation is None:
                return None
            claim = self._content(key, generation)
            if claim is not None:
                return claim, generation
            self._waiting.sleep(self._waiting.pause(tried, None))
        raise self._unavailable(key, "it changes faster than it can be read")

    def swap(self, claim: Claim, expected: str | None) -> str | None:
        """See `ClaimStore`. Rejected when the bucket says no, Unavailable when in doubt.

        A write may be sent again: it replaces the same generation, or nothing.
        """
        content = self._spelling.dump(claim)
        trouble = ""
        for tried in range(1, TRIES + 1):
            asked: float | None = None
            try:
                answer = self._send(claim.key, content, expected or "0")
            except (httpx.RequestError, TooLarge, TooSlow) as error:
                trouble = spoken(error)
            else:
                if generation := _taken(answer):
                    return generation
                if not _doubtful(answer):
                    raise _told(refused(answer))
                trouble, asked = oddity(answer), asked_delay(answer)
            found = self.read(claim.key)
            if found is not None and self._spelling.dump(found[0]) == content:
                return found[1]
            if (found[1] if found else None) != expected:
                return None
            if tried < TRIES:
                self._waiting.sleep(self._waiting.pause(tried, asked))
        made = ("the job is made; the next run finds it",) if claim.phase == "bound" else ()
        raise self._unavailable(claim.key, trouble, *made)

    def _name(self, key: str) -> ObjectName:
        assert key.isalnum(), "a creation key is base32"
        name = ObjectName.parse(self._uri(key))
        assert name is not None, "the place of claims is checked when specs are read"
        return name

    def _uri(self, key: str) -> str:
        return f"{self._place}/claims/v1/{key}.json"

    def _generation(self, key: str) -> str | None:
        answer = self._get(key, {"fields": _FIELDS})
        if answer.status == 404 and read_refusal(answer) is not None:
            return None
        generation = _taken(answer)
        if generation is None:
            raise _told(refused(answer))
        return generation

    def _content(self, key: str, generation: str) -> Claim | None:
        """The record of one generation; None when another has taken its place."""
        parameters = {"alt": "media", "generation": generation}
        request = self._client.build_request("GET", self._name(key).path, params=parameters)
        trouble = ""
        for tried in range(1, TRIES + 1):
            try:
                answer = self._receive(request)
            except (httpx.RequestError, TooLarge, TooSlow) as error:
                trouble = spoken(error)
            else:
                if answer.status == 404:
                    return None
                own = answer.headers.get("x-goog-generation") == generation
                if answer.status == 200 and (own or answer.document is not None):
                    return self._spelling.load(answer.document, key, f"`{self._uri(key)}`")
                if answer.status not in (200, 401) and not _doubtful(answer):
                    raise _told(refused(answer))
                trouble = oddity(answer)
            if tried < TRIES:
                self._waiting.sleep(self._waiting.pause(tried, None))
        raise self._unavailable(key, trouble)

    def _get(self, key: str, parameters: Mapping[str, str]) -> Answer:
        try:
            return self._reader.get(self._name(key).path, parameters)
        except Unavailable as fault:
            raise self._unavailable(key, fault.message) from fault

    def _send(self, key: str, content: bytes, generation: str) -> Answer:
        name = self._name(key)
        return self._receive(
            self._client.build_request(
                "POST",
                f"/upload/storage/v1/b/{name.bucket}/o",
                params={
                    "uploadType": "media",
                    "name": name.name,
                    "ifGenerationMatch": generation,
                },
                headers={"Content-Type": "application/json"},
                content=content,
            )
        )

    def _receive(self, request: httpx.Request) -> Answer:
        request.extensions["timeout"] = _TIMEOUT.as_dict()
        response = self._client.send(request, stream=True, follow_redirects=False)
        with contextlib.closing(response):
            return receive(response, self._waiting, self._waiting.monotonic() + CALL_LIMIT)

    def _unavailable(
        self, key: str, trouble: str, note: str = "nothing was created"
    ) -> Unavailable:
        return Unavailable(
            f"the creation guard cannot be reached at `{self._uri(key)}`: {trouble}",
            notes=(note,),
            help="run the command again",
        )


def _taken(answer: Answer) -> str | None:
    """The generation that an object's metadata names, if the answer is that."""
    fields = answer.document if isinstance(answer.document, dict) else {}
    generation = fields.get("generation")
    whole = answer.status == 200 and isinstance(generation, str) and generation.isdecimal()
    return generation if whole else None


def _doubtful(answer: Answer) -> bool:
    """Say whether only looking can tell what became of a write."""
    if answer.status in _LOOK_AGAIN or not 400 <= answer.status < 500:
        return True
    return read_refusal(answer) is None


def _told(fault: ProviderError) -> ProviderError:
    """The fault, with what can be done about a missing permission."""
    if isinstance(fault, Rejected) and fault.status in (401, 403):
        fault.help = _RIGHTS
    return fault
