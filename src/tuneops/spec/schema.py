"""Which fields a spec has, and what each may hold: one set of models for reading and for editors.

Below `spec` the names are those of the service's REST body. The models read nodes, not plain
values, so that every field decides for itself how its text is read.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Generic, Literal, TypeVar, cast, get_args, get_origin

from pydantic import BeforeValidator, TypeAdapter, ValidationError
from pydantic import WithJsonSchema as Shown

from tuneops.diagnostics import Diagnostic
from tuneops.spec import scalars
from tuneops.spec.evaluation import EvaluationConfig
from tuneops.spec.fields import (
    Account,
    AdapterSize,
    Beta,
    Branch,
    Bucket,
    CancelledJob,
    Claims,
    DisplayName,
    Epochs,
    KmsKey,
    Labels,
    Length,
    ModelVersion,
    Moment,
    Multiplier,
    Names,
    Nonce,
    OldAddress,
    OldNames,
    Project,
    Reason,
    Slots,
    Tries,
)
from tuneops.spec.limits import Budget, Jobs, PolicySpec
from tuneops.spec.misfits import fault
from tuneops.spec.nodes import Mapping, Path, Scalar, find, without
from tuneops.spec.promoting import Checkpoint, GateSpec, PromotionSpec
from tuneops.spec.shape import Flag, Name, Shape, Text, names_of, word
from tuneops.spec.table import ModelTable

_ROUNDS = 40
_AT_ONCE = 100
"""How many mistakes of one document are worth showing at once; with more it is not read on."""


class HyperParameters(Shape):
    """Of supervised tuning; what is left out, the service decides."""

    epoch_count: Epochs | None = None
    adapter_size: AdapterSize | None = None
    learning_rate_multiplier: Multiplier | None = None


class PreferenceHyperParameters(HyperParameters):
    """Of preference tuning; `beta` weighs how close the model stays to what it was."""

    beta: Beta | None = None


class SupervisedTuningSpec(Shape):
    """Tuning on examples of good answers."""

    training_dataset_uri: Text | None = None
    validation_dataset_uri: Text | None = None
    hyper_parameters: HyperParameters | None = None
    export_last_checkpoint_only: Flag | None = None
    evaluation_config: EvaluationConfig | None = None


class PreferenceOptimizationSpec(Shape):
    """Tuning on pairs of a better and a worse answer."""

    training_dataset_uri: Text | None = None
    validation_dataset_uri: Text | None = None
    hyper_parameters: PreferenceHyperParameters | None = None
    export_last_checkpoint_only: Flag | None = None


class EncryptionSpec(Shape):
    """The key that encrypts all that a job makes."""

    kms_key_name: KmsKey


class PreTunedModel(Shape):
    """One checkpoint of one version of a model that is there already."""

    tuned_model_name: Text
    checkpoint_id: Text | None = None


class RetrySpec(Shape):
    """How many more tries a failure of the service's own may cost."""

    limit: Tries = 0
    on: Annotated[
        tuple[Annotated[Literal["INFRASTRUCTURE"], word("INFRASTRUCTURE")], ...],
        BeforeValidator(scalars.items),
    ] = ("INFRASTRUCTURE",)


class TimeoutSpec(Shape):
    """After how long a job that does not get on becomes a hold."""

    queued: Length | None = None


class SuspendSpec(Shape):
    """Nothing begins, until a day if one is said; what runs goes on."""

    until: Moment | None = None
    reason: Reason | None = None


def _suspension(node: object) -> object:
    """`true` says nothing but that; `false` takes away what a chain says."""
    if isinstance(node, Mapping):
        return node
    return Mapping(node.span, ()) if scalars.flag(node) and isinstance(node, Scalar) else None


Suspend = Annotated[
    SuspendSpec | None,
    BeforeValidator(_suspension),
    Shown(
        {
            "anyOf": [
                {"type": "boolean"},
                {
                    "type": "object",
                    "properties": {"until": {"type": "string"}, "reason": {"type": "string"}},
                    "additionalProperties": False,
                },
            ]
        }
    ),
]


class Policies(Shape):
    """What to do in events that no spec describes."""

    retry: RetrySpec | None = None
    on_supersede: Annotated[Literal["cancel", "finish"], word("cancel", "finish")] | None = None
    on_remove: Annotated[Literal["retain", "cancel"], word("retain", "cancel")] | None = None
    on_dataset_change: Annotated[Literal["hold", "retune"], word("hold", "retune")] | None = None
    accept_partial: Flag | None = None
    protect: Flag | None = None
    timeout: TimeoutSpec | None = None
    nonce: Nonce | None = None
    suspend: Suspend = None
    enabled_in: Names | None = None
    allow_undocumented_sequence: Flag | None = None


class Origin(Policies):
    """What a job starts from, and what is said of the model that it makes."""

    base_model: Text | None = None
    pre_tuned_model: PreTunedModel | None = None
    from_: Text | None = None
    checkpoint: Checkpoint | None = None
    tuned_model_display_name: DisplayName | None = None
    description: Text | None = None
    labels: Labels | None = None
    encryption_spec: EncryptionSpec | None = None
    service_account: Account | None = None


class AcceptParentSpec(Shape):
    """Going on from what the parent was, although it is another training by now."""

    model: ModelVersion
    reason: Reason
    until: Moment | None = None


class TuningJobSpec(Origin):
    """One job; the same fields describe a stage of a chain."""

    accept_parent: AcceptParentSpec | None = None
    moved_from: OldAddress | None = None
    resume: CancelledJob | None = None

    supervised_tuning_spec: SupervisedTuningSpec | None = None
    preference_optimization_spec: PreferenceOptimizationSpec | None = None
    adopt: Text | None = None
    as_is: Flag | None = None
    gate: GateSpec | None = None


class LoneJobSpec(TuningJobSpec):
    """A job that is no stage of a chain."""

    promotion: PromotionSpec | None = None


class StageSpec(TuningJobSpec):
    """One job of a chain; it continues from the stage above unless it says otherwise."""

    name: Name


class Defaults(Shape):
    """Laid under every stage of the same method; `null` in a stage takes a default away."""

    supervised_tuning_spec: SupervisedTuningSpec | None = None
    preference_optimization_spec: PreferenceOptimizationSpec | None = None


class TuningChainSpec(Origin):
    """Jobs that continue from one another."""

    moved_from: Name | None = None
    defaults: Defaults | None = None
    stages: Annotated[tuple[StageSpec, ...], BeforeValidator(scalars.items)]
    promotion: PromotionSpec | None = None


class Limits(Shape):
    """What an environment may use at once, and make in one run."""

    concurrent_jobs: Slots | None = None
    max_creates: Jobs | None = None


class RemovalSpec(Shape):
    """A version to delete for good: which job made it, and its name, so that no slip does."""

    address: OldAddress
    action: Annotated[Literal["deleteVersion"], word("deleteVersion")]
    confirm: ModelVersion


class EnvironmentSpec(Shape):
    """Where specs are made real."""

    provider: Annotated[Literal["emulator", "vertex"], word("emulator", "vertex")]
    project: Project
    location: Text
    dataset_bucket: Bucket | None = None
    claims: Claims | None = None
    lock: (
        Annotated[
            Literal["file", "commit", "branch", "artifact"],
            word("file", "commit", "branch", "artifact"),
        ]
        | None
    ) = None
    lock_branch: Branch | None = None
    variables: Labels | None = None
    encryption_spec: EncryptionSpec | None = None
    service_account: Account | None = None
    limits: Limits | None = None
    budget: Budget | None = None
    policy: PolicySpec | None = None
    formerly: OldNames | None = None
    removed: Annotated[tuple[RemovalSpec, ...], BeforeValidator(scalars.items)] | None = None


class WorkspaceSpec(Shape):
    """Whose jobs these are, and the environments they are made in."""

    default_environment: Text | None = None
    environments: Annotated[dict[str, EnvironmentSpec], BeforeValidator(scalars.table)]
    allow_env: Names | None = None
    budget: Budget | None = None
    policy: PolicySpec | None = None


class Metadata(Shape):
    """What people call a thing; never a reason to train."""

    name: Name
    description: Text | None = None
    labels: Labels | None = None


class WorkspaceMetadata(Metadata):
    """What a workspace is called, and was before."""

    formerly: OldNames | None = None


class Header(Shape):
    """The top of every document."""

    api_version: Annotated[Literal["tuneops.dev/v1"], BeforeValidator(scalars.version)]
    metadata: Metadata


class Workspace(Header):
    """The one document that says who owns the jobs of this repository."""

    kind: Annotated[Literal["Workspace"], word("Workspace")]
    metadata: WorkspaceMetadata
    spec: WorkspaceSpec


class TuningJob(Header):
    """One tuning job on its own."""

    kind: Annotated[Literal["TuningJob"], word("TuningJob")]
    spec: LoneJobSpec


class TuningChain(Header):
    """A line, or tree, of tuning jobs."""

    kind: Annotated[Literal["TuningChain"], word("TuningChain")]
    spec: TuningChainSpec


Spec = Workspace | TuningJob | TuningChain | ModelTable
KINDS: dict[str, type[Workspace] | type[TuningJob] | type[TuningChain] | type[ModelTable]] = {
    "Workspace": Workspace,
    "TuningJob": TuningJob,
    "TuningChain": TuningChain,
    "ModelTable": ModelTable,
}
_Model = TypeVar("_Model", bound=Shape)


@dataclass(frozen=True, slots=True)
class Validated(Generic[_Model]):
    """What could be read; `value` is None when what does not fit cannot be left out."""

    value: _Model | None
    root: Mapping
    findings: tuple[Diagnostic, ...]


def validate(model: type[_Model], root: Mapping) -> Validated[_Model]:
    """Read a mapping as a model; what does not fit is reported, left out, and the rest read."""
    findings: list[Diagnostic] = []
    lost: set[tuple[int, str]] = set()
    for _ in range(_ROUNDS):
        try:
            return Validated(model.model_validate(root), root, tuple(findings))
        except ValidationError as error:
            errors = error.errors(include_url=False, include_input=False)
        faults = [fault(error, root, partial(_known, model)) for error in errors[:_AT_ONCE]]
        findings += (one.finding for one in faults if one.lack not in lost)
        cuts = {tuple(error["loc"]) for error in errors[_AT_ONCE:]} | {one.cut for one in faults}
        if () in cuts or len(findings) >= _AT_ONCE:
            break
        lost |= {_lack(root, cut) for cut in cuts}
        root = cast("Mapping", without(root, cuts))
    return Validated(None, root, tuple(findings))


def _lack(root: Mapping, path: Path) -> tuple[int, str]:
    holder = find(root, path[:-1])
    return id(holder.span if holder else root.span), str(path[-1])


def _known(model: type[Shape], path: Path) -> list[str]:
    """The fields that a spec may have at the end of a path."""
    steps = iter(path)
    for step in steps:
        field = names_of(model).get(str(step))
        inner = _shape(field.annotation) if field else None
        if field is None or inner is None:
            return []
        if inner[1]:
            next(steps, None)
        model = inner[0]
    return list(names_of(model))


def _shape(annotation: Any) -> tuple[type[Shape], bool] | None:
    """The model inside an annotation, and whether it is an item of a list or a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        return annotation, False
    for part in get_args(annotation):
        if found := _shape(part):
            return found[0], found[1] or get_origin(annotation) in (tuple, dict)
    return None


def json_schema(kind: str | None) -> dict[str, Any]:
    """The JSON schema of `Workspace`, `TuningJob`, `TuningChain` or `ModelTable`, or of any."""
    if kind is None:
        adapter: TypeAdapter[Any] = TypeAdapter(Spec)
        schema = adapter.json_schema(by_alias=True, mode="validation")
    else:
        schema = KINDS[kind].model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
