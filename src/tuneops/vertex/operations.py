"""Long-running operations: what the service goes on with after it has answered."""

from tuneops.errors import Rejected
from tuneops.http.answers import Answer
from tuneops.http.reading import Reader
from tuneops.http.waiting import TRIES, Waiting
from tuneops.vertex.listing import read_document
from tuneops.vertex.names import in_location
from tuneops.vertex.wire import WireOperation


def follow(reader: Reader, answer: Answer, location: str, waiting: Waiting) -> None:
    """Wait a few times for the operation that an answer names; Rejected when it came to nothing.

    One that is not done by then, or not known any more, goes on without us.
    """
    operation = read_document(answer, WireOperation.model_validate)
    for number in range(1, TRIES):
        if operation.done or not in_location(operation.name, "operations", location):
            break
        waiting.sleep(waiting.pause(number, None))
        answer = reader.get(f"/v1/{operation.name}", {})
        if answer.status == 404:
            return
        operation = read_document(answer, WireOperation.model_validate)
    if operation.error is not None:
        raise Rejected(
            operation.error.message or "the operation failed",
            status=0,
            reason="",
            notes=(f"the operation ended with code {operation.error.code}",),
        )
