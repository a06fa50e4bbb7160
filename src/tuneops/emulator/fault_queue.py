"""Faults that were asked for and how often each was met, kept in the database.

The faults of one method are met in order of asking. Taking one is a transaction of its own, so
that processes on one file meet each fault exactly as often as asked.
"""

from dataclasses import dataclass

from tuneops.emulator.database import Database
from tuneops.emulator.faults import JOB, Fault, FaultScript, parse_fault


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedFault:
    """A fault in the queue, under its id, and how many times it is still to be met."""

    id: int
    fault: Fault
    wanted: int
    met: int

    @property
    def left(self) -> int:
        """How many times it is still to be met."""
        return self.wanted - self.met

    @property
    def text(self) -> str:
        """What is left of it, as a fault script writes it."""
        return self.fault.text if self.left == 1 else f"{self.fault.text}*{self.left}"


def ask(database: Database, script: FaultScript) -> None:
    """Put the faults of a script behind those that are queued; a write."""
    database.connection.executemany(
        "INSERT INTO faults (method, text, wanted, met) VALUES (?, ?, ?, 0)",
        [(fault.method, fault.text, fault.count) for fault in script.faults],
    )


def queued(database: Database) -> list[QueuedFault]:
    """Return every fault that was asked for, met ones too, in order."""
    rows = database.connection.execute("SELECT id, text, wanted, met FROM faults ORDER BY id")
    return [_queued(*row) for row in rows]


def next_fault(database: Database, method: str) -> QueuedFault | None:
    """Return the fault that a method has to meet next."""
    row = database.connection.execute(
        "SELECT id, text, wanted, met FROM faults WHERE method = ? AND met < wanted"
        " ORDER BY id LIMIT 1",
        (method,),
    ).fetchone()
    return None if row is None else _queued(*row)


def take(database: Database, id: int) -> bool:
    """Count a fault as met once more; False if others have used it up. A write."""
    cursor = database.connection.execute(
        "UPDATE faults SET met = met + 1 WHERE id = ? AND met < wanted", (id,)
    )
    return cursor.rowcount == 1


def give_back(database: Database, id: int) -> None:
    """Count a fault as met once less, because it came to nothing; a write."""
    database.connection.execute("UPDATE faults SET met = met - 1 WHERE id = ? AND met > 0", (id,))


def take_job_fault(database: Database) -> Fault | None:
    """Return what the job that is being created has to suffer, and count it; a write."""
    head = next_fault(database, JOB)
    if head is None or not take(database, head.id) or head.fault.action == "pass":
        return None
    return head.fault


def forget(database: Database) -> None:
    """Drop every fault; what jobs were given stays with them. A write."""
    database.connection.execute("DELETE FROM faults")


def _queued(id: int, text: str, wanted: int, met: int) -> QueuedFault:
    return QueuedFault(id=id, fault=parse_fault(text), wanted=wanted, met=met)
