"""The methods of `models`: get, list, listVersions, listCheckpoints, patch, aliases, deletion.

Three rules for a name without a version: get takes the default one, listCheckpoints the latest,
and patch means the model itself. A version is deployed for as long as its endpoints serve it,
and may not be deleted until then.
"""

import re
from typing import Any

from tuneops.emulator.calls import Call
from tuneops.emulator.errors import VertexError, invalid, not_found, precondition, unacceptable
from tuneops.emulator.filters import EQUAL_ONLY, LABELS, TEXT, FieldKind, Lookup, parse_filter
from tuneops.emulator.ledger import View
from tuneops.emulator.masks import masked, parse_mask
from tuneops.emulator.names import split_version
from tuneops.emulator.operations_api import deletion
from tuneops.emulator.paging import page
from tuneops.emulator.registry import Model, Version
from tuneops.emulator.requests import label_faults
from tuneops.emulator.views import checkpoint_json, etag, model_json, pruned
from tuneops.emulator.wire import snake

_VERSION_FILTER = {"labels": FieldKind(kind=LABELS, reads="labels")}
_MODEL_FILTER = {
    **_VERSION_FILTER,
    "model": FieldKind(kind=TEXT, reads="model"),
    "display_name": FieldKind(kind=TEXT, reads="displayName"),
    "base_model_name": FieldKind(kind=EQUAL_ONLY, reads="baseModel"),
}
_ORDERS = ("create_time", "update_time", "display_name")
_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_MODEL_FIELDS = {"displayName": "display_name", "description": "description", "labels": "labels"}
_VERSION_FIELDS = {
    "versionDescription": "description",
    "labels": "labels",
    "defaultCheckpointId": "default_checkpoint",
}


def get(call: Call, *, model: str) -> dict[str, Any]:
    """Return a version; the default one when the name has none."""
    with call.ledger.reading() as view:
        found, version = _version(call, view, model)
        return model_json(found, version, view.world, view.instant)


def list_models(call: Call) -> dict[str, Any]:
    """Return a page of models, each by its default version."""
    with call.ledger.reading() as view:
        limit = view.instant - call.lag
        models = (model for model in view.world.models_in(call.scope) if model.created <= limit)
        pairs = [(model, model.default) for model in models]
        return _page(call, view, pairs, "models", _MODEL_FILTER)


def list_versions(call: Call, *, model: str) -> dict[str, Any]:
    """Return a page of the versions of a model, newest first."""
    with call.ledger.reading() as view:
        found, _ = _version(call, view, model)
        pairs = [(found, version) for version in found.versions.values()]
        return _page(call, view, pairs, f"versions of {found.id}", _VERSION_FILTER)


def list_checkpoints(call: Call, *, model: str) -> dict[str, Any]:
    """Return a page of checkpoints; of the latest version when the name has none."""
    request = call.page("checkpoints", model)
    with call.ledger.reading() as view:
        found, version = _version(call, view, model)
        if split_version(model)[1] is None:
            version = found.latest
        shown, token = page(
            request,
            version.job.checkpoints,
            position=lambda checkpoint: [checkpoint.milestone.epoch],
            descending=False,
            settings=call.settings,
        )
    listed = [checkpoint_json(checkpoint) for checkpoint in shown]
    return pruned({"checkpoints": listed, "nextPageToken": token})


def patch(call: Call, *, model: str) -> dict[str, Any]:
    """Change fields of a model (`M`, `M@-`) or of a version (`M@V`), never of both at once.

    Without a mask the fields in the body count, as Google's own client relies on.
    """
    body = call.decoded("Model", "model")
    id, reference = split_version(model)
    of_model = reference in (None, "-")
    with call.ledger.writing() as writing:
        found, version = _version(call, writing, id if of_model else model)
        if body.get("etag") not in (None, etag(found, version, writing.world)):
            raise VertexError("ABORTED", "The etag does not match the current state of the model.")
        fields = _masked_fields(call.arguments.get("updateMask", ""), body, of_model)
        changes = _changes(fields, body, found if of_model else version)
        number = None if of_model else version.number
        if changes:
            recorded = {"version": number, "changes": changes}
            writing.record("model.patched", call.scope, found.id, recorded)
        found, version = _version(call, writing, id if of_model else model)
        return model_json(found, version, writing.world, writing.instant)


def merge_aliases(call: Call, *, model: str) -> dict[str, Any]:
    """Add aliases to a version, taking them from their holders, and remove those with a `-`."""
    asked = call.decoded("MergeVersionAliasesRequest", "").get("versionAliases", [])
    id, reference = split_version(model)
    if reference is None:
        raise invalid("The name must contain the version id.")
    if not asked:
        raise unacceptable([("version_aliases", "at least one alias is required.")])
    added = {alias for alias in asked if not alias.startswith("-")}
    removed = {alias[1:] for alias in asked if alias.startswith("-")}
    for alias in (*added, *removed):
        if not _ALIAS.fullmatch(alias):
            raise unacceptable([("version_aliases", f'"{alias}" is not an alias.')])
    with call.ledger.writing() as writing:
        found, version = _version(call, writing, model)
        if "default" in removed - added and found.aliases["default"] == version.number:
            raise precondition("The alias default can be moved to another version, not removed.")
        recorded = {
            "version": version.number,
            "added": sorted(added - removed),
            "removed": sorted(removed - added),
        }
        writing.record("aliases.merged", call.scope, id, recorded)
        found, version = _version(call, writing, f"{id}@{version.number}")
        return model_json(found, version, writing.world, writing.instant)


def delete_version(call: Call, *, model: str) -> dict[str, Any]:
    """Delete a version that is neither deployed, nor the only one, nor the default one."""
    if split_version(model)[1] is None:
        raise invalid("The name must contain the version id.")
    with call.ledger.writing() as writing:
        found, version = _version(call, writing, model)
        _refuse_deployed(writing, found, version)
        if len(found.versions) == 1:
            raise precondition("The only version of a model cannot be deleted; delete the model.")
        if found.default is version:
            raise precondition("The default version of a model cannot be deleted.")
        body = {"version": version.number}
        return deletion(call, writing, "version.deleted", call.scope, found.id, body)


def delete(call: Call, *, model: str) -> dict[str, Any]:
    """Delete a model with all its versions, none of which may be deployed."""
    id, _ = split_version(model)
    with call.ledger.writing() as writing:
        found, _ = _version(call, writing, model)
        for version in found.versions.values():
            _refuse_deployed(writing, found, version)
        return deletion(call, writing, "model.deleted", call.scope, id, {})


def _version(call: Call, view: View, name: str) -> tuple[Model, Version]:
    id, reference = split_version(name)
    model = view.world.models.get((call.scope, id))
    version = model.find(reference) if model else None
    if model is None or version is None:
        raise not_found("model", call.scope.name("models", name))
    return model, version


def _refuse_deployed(view: View, model: Model, version: Version) -> None:
    for checkpoint in version.job.checkpoints:
        if view.world.is_deployed(version.job, checkpoint, view.instant):
            endpoint = version.job.serving.name("endpoints", checkpoint.endpoint)
            raise precondition(
                f"Version {version.number} of model {model.id} is deployed to {endpoint};"
                " undeploy it first."
            )


def _masked_fields(mask: str, body: dict[str, Any], of_model: bool) -> list[str]:
    own, other = (_MODEL_FIELDS, _VERSION_FIELDS) if of_model else (_VERSION_FIELDS, _MODEL_FIELDS)
    every = {**_MODEL_FIELDS, **_VERSION_FIELDS}
    spellings = {snake(name): name for name in every} | {name: name for name in every}
    asked = [path.strip() for path in mask.split(",")] if mask else [f for f in body if f in every]
    fields = []
    for path in asked:
        name = spellings.get(path)
        if name is None:
            raise unacceptable([("update_mask", f'"{path}" cannot be updated.')])
        if name not in own and name in other:
            level = "the model" if of_model else "a model version"
            raise precondition(f"{snake(name)} is not a field of {level}, which the name means.")
        fields.append(name)
    return fields


def _changes(fields: list[str], body: dict[str, Any], target: Model | Version) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name in fields:
        if name == "labels":
            faults = list(label_faults(body.get(name, {}), "model.labels"))
            if faults:
                raise unacceptable(faults)
            changes["labels"] = body.get(name, {})
        elif name == "defaultCheckpointId":
            id = body.get(name, "")
            if isinstance(target, Version) and target.checkpoint(id) is None:
                raise not_found("checkpoint", id)
            changes["default_checkpoint"] = id
        elif name == "displayName":
            if not 0 < len(body.get(name, "")) <= 128:
                raise unacceptable([("model.display_name", "1 to 128 characters are allowed.")])
            changes["display_name"] = body[name]
        else:
            changes["description"] = body.get(name, "")
    return changes


def _page(
    call: Call,
    view: View,
    pairs: list[tuple[Model, Version]],
    method: str,
    fields: dict[str, FieldKind],
) -> dict[str, Any]:
    request = call.page(method)
    matches = parse_filter(call.arguments.get("filter", ""), fields)
    mask = parse_mask(call.arguments["readMask"]) if call.arguments.get("readMask") else {}
    order, descending = _order(call.arguments.get("orderBy", ""))

    def position(pair: tuple[Model, Version]) -> list[Any]:
        model, version = pair
        keys = {
            "create_time": version.created,
            "update_time": version.updated,
            "display_name": model.display_name,
        }
        return [keys[order], model.id, version.number]

    shown = [pair for pair in pairs if matches is None or matches(_lookup(*pair))]
    shown.sort(key=position, reverse=descending)
    found, token = page(
        request, shown, position=position, descending=descending, settings=call.settings
    )
    listed = [masked(model_json(*pair, view.world, view.instant), mask) for pair in found]
    return pruned({"models": listed, "nextPageToken": token})


def _order(text: str) -> tuple[str, bool]:
    """Read `field` or `field desc`; newest first when nothing is asked."""
    words = text.split()
    if not words:
        return "create_time", True
    name = snake(words[0])
    if name not in _ORDERS or words[1:] not in ([], ["asc"], ["desc"]):
        raise invalid(f"Invalid order_by: {text[:100]}")
    return name, words[1:] == ["desc"]


def _lookup(model: Model, version: Version) -> Lookup:
    values = {
        "model": model.id,
        "displayName": model.display_name,
        "baseModel": version.job.settled["baseModel"],
        "labels": {**model.labels, **version.labels},
    }
    return values.__getitem__
