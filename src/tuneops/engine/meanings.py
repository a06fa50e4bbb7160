"""What a spec's name of a tuned model means now: a version and one of its checkpoints."""

from datetime import UTC, datetime
from functools import cache

from tuneops.core.desired import ModelRef
from tuneops.core.drift import find_version
from tuneops.core.recipe import Pretuned
from tuneops.diagnostics import Diagnostic
from tuneops.engine.ports import VersionList

CONTINUABLE_SINCE = datetime(2025, 7, 11, tzinfo=UTC)
"""Versions tuned before this cannot be continued (source: Google's page on continuous tuning)."""


class Meanings:
    """Looks up what names mean; each model is asked for once."""

    def __init__(self, registry: VersionList) -> None:
        self._versions = cache(registry.list_versions)
        self._registry = registry

    def find(self, ref: ModelRef) -> Pretuned | Diagnostic:
        """The version and checkpoint, or the finding that says why there is none."""
        versions = self._versions(ref.model)
        if versions is None:
            return _no_model(ref, f"`{ref.model}` does not exist", ())
        version = find_version(ref, versions)
        if version is None:
            names = tuple(sorted(f"@{name}" for name in versions))
            return _no_model(ref, f"`{ref.text}` names no version of it", names)
        if version.created is not None and version.created < CONTINUABLE_SINCE:
            message = f"`{version.name}` was tuned before {CONTINUABLE_SINCE:%Y-%m-%d}"
            return _too_old(ref, message)
        checkpoint = ref.checkpoint or version.default_checkpoint
        if checkpoint is None or ref.checkpoint is not None:
            known = self._registry.list_checkpoints(version.name)
            if checkpoint is None and known:
                checkpoint = max(known, key=lambda name: (known[name].step, name))
            if checkpoint is None or (known and checkpoint not in known):
                message = f"`{version.name}` has no such checkpoint"
                return _no_model(ref, message, tuple(sorted(known)))
        return Pretuned(model=version.name, checkpoint=checkpoint)


def _too_old(ref: ModelRef, message: str) -> Diagnostic:
    return Diagnostic(
        code="source-too-old",
        message=message,
        where=ref.where,
        notes=("the service continues only what was tuned since then",),
        help="tune the base model again with `baseModel:`, and continue from that",
    )


def _no_model(ref: ModelRef, message: str, known: tuple[str, ...]) -> Diagnostic:
    return Diagnostic(
        code="source-missing",
        message=message,
        where=ref.where,
        help=f"there are {', '.join(known)}" if known else "check the name, project and location",
    )
