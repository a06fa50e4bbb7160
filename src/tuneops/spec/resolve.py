"""From a project without errors to the declaration that everything downstream works on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import assert_never

from tuneops.catalog.models import Table, table
from tuneops.core.desired import (
    Adoption,
    DatasetRef,
    Declaration,
    DeclaredJob,
    Formerly,
    Metadata,
    ModelRef,
    ParentRef,
    Promotion,
    Target,
)
from tuneops.core.policy import Acceptance, Gate, Policy, Removal, Retry, Timeout
from tuneops.core.recipe import BaseModel, HyperParameters, Method
from tuneops.core.rules import Rules
from tuneops.diagnostics import Diagnostic
from tuneops.spec.evaluation import as_json
from tuneops.spec.limits import Declared, rules_of
from tuneops.spec.project import Draft, Project
from tuneops.spec.rules.data import DataUse
from tuneops.spec.rules.evaluations import evaluation
from tuneops.spec.rules.sources import adopts_version, training
from tuneops.spec.schema import PreferenceHyperParameters, TuningJobSpec

EMULATOR_BUCKET = "gs://tuneops-local"
"""Where the emulator keeps local dataset files, unless the environment names a bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What the specs say of one environment. `declaration` is None if any finding is an error."""

    declaration: Declaration | None
    findings: tuple[Diagnostic, ...]
    workspace: str | None
    environment: str | None
    environments: tuple[str, ...]
    default_environment: str | None
    data: tuple[DataUse, ...] = ()
    """The datasets of every job that says so far what they are, though others are in error."""
    models: Table = field(default_factory=table)
    """The model table, with the workspace's own rows."""


def resolve(project: Project, data: Iterable[DataUse]) -> Declaration:
    """Write the declaration of a project that every rule has passed; parents come first."""
    uses = {use.address: use for use in data}
    drafts = [draft for draft in project.drafts if project.is_enabled(draft)]
    return Declaration(
        target=_target(project),
        jobs=tuple(
            _job(project, draft, uses[draft.address]) for draft in _parents_first(project, drafts)
        ),
        promotions=tuple(_promotions(project)),
        removals=tuple(
            Removal(address=one.address, confirm=one.confirm)
            for one in (project.place.removed if project.place else None) or ()
        ),
    )


def _promotions(project: Project) -> Iterator[Promotion]:
    """Those of the jobs that the environment has."""
    for found in project.promotions:
        draft = project.find(found.stage)
        if draft is not None and project.is_enabled(draft):
            yield Promotion(
                name=found.name,
                alias=found.spec.alias,
                stage=found.stage,
                checkpoint=found.spec.checkpoint or "last",
                where=found.where,
                to=(found.spec.to or {}).get(project.environment or ""),
            )


def _gate(spec: TuningJobSpec) -> Gate | None:
    gate = spec.gate
    return Gate(metric=gate.metric, least=gate.min, most=gate.max) if gate else None


def _target(project: Project) -> Target:
    workspace, place = project.workspace, project.place
    assert workspace is not None and place is not None and project.environment is not None
    bucket = place.dataset_bucket or (EMULATOR_BUCKET if place.provider == "emulator" else "")
    return Target(
        workspace=workspace.metadata.name,
        environment=project.environment,
        provider=place.provider,
        formerly=Formerly(
            workspace=workspace.metadata.formerly or (), environment=place.formerly or ()
        ),
        project=place.project,
        location=place.location,
        dataset_bucket=bucket.rstrip("/"),
        claims=(place.claims or "auto").rstrip("/"),
        lock=place.lock or "file",
        lock_branch=place.lock_branch,
        concurrent_jobs=place.limits.concurrent_jobs if place.limits else None,
        elsewhere=_elsewhere(project) if place.limits and place.limits.concurrent_jobs else (),
        rules=_rules(project),
    )


def _elsewhere(project: Project) -> tuple[str, ...]:
    """Other locations that share the quota of the chosen environment's project."""
    assert project.workspace is not None and project.place is not None
    mine = project.place
    return tuple(
        sorted(
            {
                other.location
                for other in project.workspace.spec.environments.values()
                if (other.provider, other.project) == (mine.provider, mine.project)
            }
            - {mine.location}
        )
    )


def _rules(project: Project) -> Rules:
    """What workspace and environment forbid, one beside the other."""
    workspace, place, root = project.workspace, project.place, project.workspace_root
    assert workspace is not None and place is not None and root is not None
    return rules_of(
        root,
        (
            Declared(path=("spec",), budget=workspace.spec.budget, policy=workspace.spec.policy),
            Declared(
                path=("spec", "environments", project.environment or ""),
                budget=place.budget,
                policy=place.policy,
                max_creates=place.limits.max_creates if place.limits else None,
            ),
        ),
    )


def _parents_first(project: Project, drafts: list[Draft]) -> Iterator[Draft]:
    """The order of the files, but for a child that is declared above its parent."""
    done: set[Draft] = set()
    for draft in drafts:
        waiting = takewhile(lambda one: one not in done, project.line(draft))
        for one in reversed(list(waiting)):
            done.add(one)
            yield one


def _job(project: Project, draft: Draft, use: DataUse) -> DeclaredJob:
    spec, how, train, data = draft.spec, use.method, training(draft), use.training
    if data is None and adopts_version(draft):
        data = DatasetRef(location=spec.adopt or "", where=draft.at("adopt"))
    assert train is not None and data is not None, draft.address
    key = spec.encryption_spec
    return DeclaredJob(
        address=draft.address,
        method=how,
        source=_source(project, draft),
        training=data,
        validation=use.validation,
        hyper_parameters=_hyper_parameters(draft, how),
        last_checkpoint_only=bool(train.export_last_checkpoint_only),
        display_name=_display_name(project, draft),
        encryption_key=key.kms_key_name if key else None,
        service_account=spec.service_account,
        nonce=spec.nonce,
        suspended=spec.suspend is not None,
        suspended_until=spec.suspend.until if spec.suspend else None,
        metadata=_metadata(spec),
        policy=_policy(spec),
        retune=spec.on_dataset_change == "retune",
        adopt=Adoption(target=spec.adopt, as_is=bool(spec.as_is)) if spec.adopt else None,
        accept=_acceptance(draft),
        moved_from=draft.moved_from,
        resume=spec.resume,
        where=draft.where,
        evaluation_config=as_json(config) if (config := evaluation(draft)) else None,
        gate=_gate(spec),
    )


def _acceptance(draft: Draft) -> Acceptance | None:
    given = draft.spec.accept_parent
    if given is None:
        return None
    return Acceptance(
        model=given.model,
        reason=given.reason,
        until=given.until,
        where=draft.at("acceptParent", "model"),
    )


def _source(project: Project, draft: Draft) -> BaseModel | ModelRef | ParentRef:
    spec, parent = draft.spec, project.parent_address(draft)
    if parent is not None:
        return ParentRef(address=parent, checkpoint=spec.checkpoint or "last")
    if spec.pre_tuned_model is not None:
        source = spec.pre_tuned_model
        model, _, version = source.tuned_model_name.partition("@")
        return ModelRef(
            model=model,
            version=version,
            checkpoint=source.checkpoint_id,
            where=draft.at("preTunedModel", "tunedModelName"),
        )
    assert spec.base_model is not None, draft.address
    return BaseModel(base_model=spec.base_model)


def _display_name(project: Project, draft: Draft) -> str | None:
    """A chain names the model that it begins; its later stages add versions to that model.

    A model that begins with nobody naming it is called as its job or chain is; the service would
    make up a name.
    """
    own = draft.spec.tuned_model_display_name
    parent = project.parent_address(draft)
    continues = parent is not None and parent.name == draft.address.name
    named = draft.model_name or (draft.address.name if draft.spec.base_model else None)
    return own or (None if continues else named)


def _hyper_parameters(draft: Draft, how: Method) -> HyperParameters:
    train = training(draft)
    given = train.hyper_parameters if train else None
    if given is None:
        return HyperParameters()
    match how:
        case Method.SUPERVISED:
            beta = None
        case Method.PREFERENCE:
            beta = given.beta if isinstance(given, PreferenceHyperParameters) else None
        case _:
            assert_never(how)
    return HyperParameters(
        epoch_count=given.epoch_count,
        adapter_size=given.adapter_size,
        learning_rate_multiplier=given.learning_rate_multiplier,
        beta=beta,
    )


_USUAL, _PLAIN = Policy(), Metadata()
"""What most jobs have, once for all of them."""


def _metadata(spec: TuningJobSpec) -> Metadata:
    if not spec.description and not spec.labels:
        return _PLAIN
    return Metadata(description=spec.description or "", labels=dict(spec.labels or {}))


def _policy(spec: TuningJobSpec) -> Policy:
    usual = _USUAL
    found = Policy(
        retry=Retry(limit=spec.retry.limit) if spec.retry else usual.retry,
        on_supersede=spec.on_supersede or usual.on_supersede,
        on_remove=spec.on_remove or usual.on_remove,
        accept_partial=spec.accept_partial or None,
        protect=spec.protect or None,
        timeout=Timeout(queued=spec.timeout.queued) if spec.timeout else None,
    )
    return usual if found == usual else found
