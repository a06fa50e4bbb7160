"""Keys that are known and yet not read: those of a later version, and those that no spec may hold.

A key that tuneops has a meaning for must never be skipped in silence: someone relies on it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """A key of a later version: where it may stand, and what to do until then."""

    within: frozenset[str]
    help: str


_JOB = frozenset(("spec", "stages"))


LATER = {
    "distillationSpec": Later(within=_JOB, help="use `supervisedTuningSpec:`"),
    "reinforcementTuningSpec": Later(
        within=_JOB, help="use `supervisedTuningSpec:` or `preferenceOptimizationSpec:`"
    ),
    "veoTuningSpec": Later(within=_JOB, help="leave it out; tuneops tunes Gemini models"),
    "tuningMode": Later(
        within=frozenset(("supervisedTuningSpec",)), help="leave it out; adapters are tuned"
    ),
}

FORBIDDEN = frozenset(
    (
        "accessToken",
        "apiEndpoint",
        "apiKey",
        "baseUrl",
        "credentials",
        "credentialsFile",
        "endpoint",
        "password",
        "privateKey",
        "secret",
        "token",
    )
)
"""Keys by which a pull request could send data or credentials elsewhere."""
