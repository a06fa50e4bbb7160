"""Faults of the world, named by what the caller may do next.

TuneopsError
├── InputError          the user's files are wrong; carries the findings; no request was sent (65)
├── Denied              a policy, a limit or a missing approval says no (4)
├── Stale               the world has left what was approved; plan again (5)
├── Busy                another run holds what we need; run again (6)
├── ClaimDamaged        a claim cannot be read: its create waits for a person (3)
└── ProviderError
    ├── Rejected        a definite no: nothing was made
    ├── Unavailable     a read failed or was throttled: try again later
    └── Unanswered      a write went out and no trustworthy answer came back: it may have happened
"""

from tuneops.diagnostics import Diagnostic


class TuneopsError(Exception):
    """Anything that stops a command; `exit_code` is the one of `tuneops help exit-codes`."""

    exit_code = 1
    code = "failed"

    def __init__(
        self, message: str, *, notes: tuple[str, ...] = (), help: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.notes = notes
        self.help = help

    def as_diagnostic(self) -> Diagnostic:
        """The same fault as a finding, for display and for machine output."""
        return Diagnostic(code=self.code, message=self.message, notes=self.notes, help=self.help)


class InputError(TuneopsError):
    """The user's files are wrong. Nothing was sent, nothing was written."""

    exit_code = 65
    code = "bad-input"

    def __init__(self, findings: tuple[Diagnostic, ...]) -> None:
        super().__init__(findings[0].message)
        self.findings = findings


class LockDamaged(InputError):
    """The lock file is there but cannot be trusted; it is never treated as "no lock"."""

    code = "lock-damaged"


class Denied(TuneopsError):
    """A policy, a limit or a missing approval says no. Nothing was bought."""

    exit_code = 4
    code = "denied"


class ApprovalNeeded(Denied):
    """The plan spends money and nobody approved it."""

    code = "approval-needed"


class Stale(TuneopsError):
    """What was approved is not what would happen now. Nothing was bought."""

    exit_code = 5
    code = "stale-plan"


class Busy(TuneopsError):
    """Another run works on this environment in this checkout."""

    exit_code = 6
    code = "locked-by-other"


class ClaimDamaged(TuneopsError):
    """A claim is there and cannot be read, so it is not known whether a create was sent."""

    exit_code = 3
    code = "claim-damaged"


class ProviderError(TuneopsError):
    """The service said no, or did not say anything."""

    code = "provider"


class Rejected(ProviderError):
    """A definite no, in the service's own words: nothing was made.

    `status` is the HTTP status, 0 where nothing was sent; `reason` the google.rpc status word, such
    as INVALID_ARGUMENT. The notes begin with both, unless there was no answer.
    """

    code = "rejected"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        reason: str,
        notes: tuple[str, ...] = (),
        help: str | None = None,
    ) -> None:
        answered = (f"the service answered {status} {reason}".rstrip(),) if status else ()
        super().__init__(message, notes=(*answered, *notes), help=help)
        self.status = status
        self.reason = reason


class NotFound(Rejected):
    """The thing asked for is not there."""

    code = "not-found"


class Unavailable(ProviderError):
    """A read failed or was throttled; nothing was changed."""

    code = "unavailable"


class Unanswered(ProviderError):
    """A write went out and no trustworthy answer came back. It must never be repeated blindly."""

    exit_code = 7
    code = "unclear-create"


class NoCredentials(TuneopsError):
    """No Google login was found, or it is not accepted."""

    code = "no-credentials"


class DiskError(TuneopsError):
    """A local file could not be written; nothing is bought without memory."""

    code = "cannot-write"


class Unreadable(DiskError):
    """A local file is there and could not be read."""

    code = "cannot-read"
