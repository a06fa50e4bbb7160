"""A recorded request as a curl line that can be pasted into a shell."""

import shlex

from tuneops.emulator.answers import is_storage
from tuneops.emulator.request_log import RecordedRequest

_TOKEN = '"Authorization: Bearer $(gcloud auth print-access-token)"'
_MULTI_REGIONS = ("us", "eu")


def curl_line(request: RecordedRequest, base_url: str | None = None) -> str:
    """Return a curl command that asks the same again, of Google or of `base_url`.

    The token is the one that gcloud gives. A body that is not text, or was too long to be kept,
    is read from a file that the line names `BODY`.
    """
    base = google_url(request.path) if base_url is None else base_url.rstrip("/")
    words = ["curl"]
    if request.method != "GET":
        words += ["-X", request.method]
    words.append(shlex.quote(f"{base}{request.path}"))
    if request.authorized:
        words += ["-H", _TOKEN]
    for name, value in request.headers.items():
        words += ["-H", shlex.quote(f"{name}: {value}")]
    if request.size:
        words += ["--data-binary", _body(request)]
    return " ".join(words)


def google_url(path: str) -> str:
    """Return where Google serves a path: Cloud Storage, a region, a multi-region, or global."""
    if is_storage(path):
        return "https://storage.googleapis.com"
    pieces = path.partition("?")[0].split("/")
    place = pieces[pieces.index("locations") + 1] if "locations" in pieces[:-1] else "global"
    if place == "global":
        return "https://aiplatform.googleapis.com"
    if place in _MULTI_REGIONS:
        return f"https://aiplatform.{place}.rep.googleapis.com"
    return f"https://{place}-aiplatform.googleapis.com"


def _body(request: RecordedRequest) -> str:
    if len(request.body) < request.size or request.body.startswith(b"@"):
        return "@BODY"
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        return "@BODY"
    return "@BODY" if "\0" in text else shlex.quote(text)
