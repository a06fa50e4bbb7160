"""Places: locations that tune, and keys and models that lie in the environment's own."""

from collections.abc import Iterator

from tuneops.diagnostics import Diagnostic
from tuneops.spec.near import listed, near
from tuneops.spec.nodes import value_place
from tuneops.spec.project import Draft, Project
from tuneops.spec.rules.models import base_model, severity
from tuneops.spec.rules.sources import MODEL_NAME

_ENVIRONMENTS = ("spec", "environments")
_SUCH_AS = "use a region such as `us-central1` or `europe-west4`"


def locations_exist(project: Project) -> Iterator[Diagnostic]:
    """Tuning runs in regions, never in `global` or a multi-region."""
    if project.workspace is None or project.workspace_root is None:
        return
    regions = project.models.regions
    for name, environment in project.workspace.spec.environments.items():
        if environment.location in regions:
            continue
        close = near(environment.location, regions)
        yield Diagnostic(
            code="bad-location",
            message=f"tuning has no location `{environment.location[:80]}`",
            where=value_place(project.workspace_root, (*_ENVIRONMENTS, name, "location")),
            help=f"did you mean `{close}`?" if close else _SUCH_AS,
        )


def emulators_share_nothing(project: Project) -> Iterator[Diagnostic]:
    """Every checkout has an emulator of its own: what is shared would name jobs of another one."""
    if project.workspace is None or project.workspace_root is None:
        return
    for name, environment in project.workspace.spec.environments.items():
        if environment.provider != "emulator":
            continue
        fields = (
            ("claims", environment.claims, ("auto", "local")),
            ("lock", environment.lock, ("file", "artifact")),
        )
        for key, value, allowed in fields:
            if value is None or value in allowed:
                continue
            yield Diagnostic(
                code="bad-value",
                message=f"`{key}` of an emulator must be `{allowed[0]}` or `{allowed[1]}`: "
                "every checkout has an emulator of its own",
                where=value_place(project.workspace_root, (*_ENVIRONMENTS, name, key)),
                help="leave it out",
            )


def location_tunes_the_model(project: Project) -> Iterator[Diagnostic]:
    """Some models are tuned in few regions only."""
    place, root = project.place, project.workspace_root
    if place is None or root is None or place.location not in project.models.regions:
        return
    seen: set[str] = set()
    for draft in project.enabled():
        row = project.models.find(base_model(project, draft) or "")
        if row is None or not row.regions or row.id in seen or place.location in row.regions:
            continue
        seen.add(row.id)
        where = draft.where
        yield Diagnostic(
            code="bad-location",
            message=f"`{row.id}` is not tuned in `{place.location}`",
            where=value_place(root, (*_ENVIRONMENTS, project.environment or "", "location")),
            notes=(
                f"`{draft.address}` at {where.path}:{where.line}:{where.column} starts from it",
                row.source("regions"),
            ),
            severity=severity(row, "regions"),
            help=f"its regions: {listed(row.regions)}",
        )


def keys_are_near(project: Project) -> Iterator[Diagnostic]:
    """A key encrypts in its own location."""
    place = project.place
    for draft in project.enabled():
        key = draft.spec.encryption_spec
        if key is None or place is None:
            continue
        location = key.kms_key_name.split("/")[3]
        if location != place.location:
            yield Diagnostic(
                code="location-mismatch",
                message=f"the key is in `{location}`, the job in `{place.location}`",
                where=draft.at("encryptionSpec", "kmsKeyName"),
                help="name a key of the job's own location",
            )


def keys_stay_the_same(project: Project) -> Iterator[Diagnostic]:
    """The service continues a model only under the key that it was made with."""
    for draft in project.enabled():
        parent = project.parent(draft)
        if parent is None or _key(draft) == _key(parent):
            continue
        yield Diagnostic(
            code="key-changes",
            message=f"`{draft.address}` is encrypted unlike `{parent.address}`, which it continues",
            where=draft.at("encryptionSpec", "kmsKeyName"),
            notes=(f"`{parent.address}` has {_key(parent) or 'no key of its own'}",),
            help="give a whole chain one key: set `encryptionSpec` on the chain",
        )


def _key(draft: Draft) -> str | None:
    return draft.spec.encryption_spec.kms_key_name if draft.spec.encryption_spec else None


def models_are_near(project: Project) -> Iterator[Diagnostic]:
    """A tuned model is continued in the project and the location that it lies in."""
    place = project.place
    if place is None:
        return
    for draft in project.enabled():
        source = draft.spec.pre_tuned_model
        name = MODEL_NAME.fullmatch(source.tuned_model_name) if source else None
        if not name:
            continue
        where = draft.at("preTunedModel", "tunedModelName")
        if name["location"] != place.location:
            yield Diagnostic(
                code="location-mismatch",
                message=f"the model is in `{name['location']}`, the job in `{place.location}`",
                where=where,
                help="copy the model to the job's location first",
            )
        if _differ(name["project"], place.project):
            yield Diagnostic(
                code="project-mismatch",
                message=f"the model is in project `{name['project'][:80]}`, "
                f"the job in `{place.project}`",
                where=where,
                help="copy the model to the job's project first",
            )


def _differ(one: str, other: str) -> bool:
    """Say whether two projects are different for certain; a number may be the id's own."""
    return one != other and one.isdecimal() == other.isdecimal()
