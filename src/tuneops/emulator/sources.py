"""What a continuation starts from: the rules of continuous tuning, at the instant of creation.

No version means the version with the alias `default`; no checkpoint means that version's default
checkpoint. Codes and texts of the refusals are our choice: the documents give the rules only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tuneops.emulator import clock
from tuneops.emulator.errors import invalid, not_found, precondition
from tuneops.emulator.ledger import View
from tuneops.emulator.models import PREFERENCE
from tuneops.emulator.names import Scope, parse_model
from tuneops.emulator.registry import Model, Version
from tuneops.emulator.settings import Settings

_CONTINUABLE_SINCE = clock.micros(datetime(2025, 7, 11, tzinfo=UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A version and a checkpoint, with nothing left open."""

    scope: Scope
    model: str
    version: int
    checkpoint: str
    display_name: str
    base_model: str
    adapter_size: str

    def echo(self) -> dict[str, str]:
        """Return `preTunedModel` as jobs show it."""
        return {
            "tunedModelName": self.scope.name("models", f"{self.model}@{self.version}"),
            "checkpointId": self.checkpoint,
            "baseModel": self.base_model,
        }


def resolve_source(
    request: Mapping[str, Any], scope: Scope, view: View, settings: Settings
) -> Source:
    """Find the version and checkpoint that a request names, or refuse to continue from them."""
    asked = request["preTunedModel"]
    model, version = _find(asked["tunedModelName"], scope, view)
    id = asked.get("checkpointId", version.default_checkpoint)
    if version.checkpoint(id) is None:
        name = scope.name("models", f"{model.id}@{version.number}")
        raise not_found("checkpoint", f"{name} checkpoint {id}")
    if version.created < _CONTINUABLE_SINCE:
        raise precondition(
            "Continuous tuning supports models that were tuned on or after 2025-07-11 only."
        )
    if request.get("encryptionSpec") != version.job.request.get("encryptionSpec"):
        raise invalid("The encryption key must be the one that the pre-tuned model was tuned with.")
    settled = version.job.settled
    if settled["method"] == PREFERENCE and not settings.allow_undocumented_sequences:
        raise invalid("A model tuned by preference optimization cannot be tuned further.")
    return Source(
        scope=scope,
        model=model.id,
        version=version.number,
        checkpoint=id,
        display_name=model.display_name,
        base_model=settled["baseModel"],
        adapter_size=settled["hyperParameters"]["adapterSize"],
    )


def _find(name: str, scope: Scope, view: View) -> tuple[Model, Version]:
    reference = parse_model(name)
    if reference is None:
        raise invalid(f'"{name}" is not the resource name of a tuned model.')
    if reference.scope.project != scope.project:
        raise invalid("The pre-tuned model must be in the project of the tuning job.")
    if reference.scope.location != scope.location:
        raise invalid("The pre-tuned model must be in the location of the tuning job.")
    model = view.world.models.get((scope, reference.model))
    version = model.find(reference.version) if model else None
    if model is None or version is None:
        raise not_found("model", name)
    return model, version
