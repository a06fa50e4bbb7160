"""The REST JSON of tuning jobs, models and checkpoints, as far as it is read.

Unknown fields are ignored and unknown words kept, for the service grows; a known field of the
wrong shape makes the whole answer untrustworthy. Fields with default values are absent from
answers, and int64 are text (protobuf's JSON mapping). Source: v1 discovery document, 20261106.
"""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]


class _Message(BaseModel):
    model_config = ConfigDict(
        extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, value: object) -> object:
        """Take `null` for absence, as protobuf's JSON mapping does."""
        if isinstance(value, dict):
            return {name: item for name, item in value.items() if item is not None}
        return value


class _Page(_Message):
    """A page of a list; `{}` is one, and empty.

    What a list lacks may be bought again. So an object that has nothing of a page is not an empty
    one, and a page that names what could not be asked (AIP-217) is none either.
    """

    next_page_token: str = ""

    @model_validator(mode="before")
    @classmethod
    def _refuse_parts(cls, value: object) -> object:
        if not isinstance(value, dict) or not value:
            return value
        if value.get("error") or value.get("unreachable"):
            raise ValueError("it says that something could not be read")
        if not {to_camel(name) for name in cls.model_fields} & {to_camel(name) for name in value}:
            raise ValueError("it has nothing of a list")
        return value


class HyperParameters(_Message):
    """Of both methods; numbers come as JSON numbers, and are kept as they are written."""

    epoch_count: Int64 | None = None
    adapter_size: str | None = None
    learning_rate_multiplier: Decimal | None = None
    beta: Decimal | None = None


class TuningSpec(_Message):
    """`SupervisedTuningSpec` and `PreferenceOptimizationSpec`: alike in what is read."""

    evaluation_config: dict[str, Any] | None = None
    training_dataset_uri: str | None = None
    validation_dataset_uri: str | None = None
    export_last_checkpoint_only: bool = False
    hyper_parameters: HyperParameters = HyperParameters()


class PreTunedModel(_Message):
    """The version and checkpoint that a continuation starts from."""

    tuned_model_name: str | None = None
    checkpoint_id: str | None = None


class EncryptionSpec(_Message):
    """The customer's key, if there is one."""

    kms_key_name: str | None = None


class WireCheckpoint(_Message):
    """One checkpoint; only a job's, never a model's, has an endpoint."""

    checkpoint_id: str
    epoch: Int64 = 0
    step: Int64 = 0
    endpoint: str | None = None


class TunedModel(_Message):
    """What a job made."""

    model: str | None = None
    endpoint: str | None = None
    checkpoints: tuple[WireCheckpoint, ...] = ()


class Status(_Message):
    """google.rpc.Status."""

    code: int = 0
    message: str = ""


class DataStats(_Message):
    """What the service counted in a dataset: the tokens of one pass over it."""

    total_billable_token_count: Int64 | None = None


class TuningDataStats(_Message):
    """One of the two is set, after the method."""

    supervised_tuning_data_stats: DataStats | None = None
    preference_optimization_data_stats: DataStats | None = None


class Score(_Message):
    """The number of a metric: 0 where it is absent."""

    score: float = 0.0


class AggregationResult(_Message):
    """One metric of a whole dataset; of the kinds that have a number."""

    aggregation_metric: str = ""
    pointwise_metric_result: Score | None = None
    exact_match_metric_value: Score | None = None
    bleu_metric_value: Score | None = None
    rouge_metric_value: Score | None = None


class AggregationOutput(_Message):
    """All metrics of a dataset."""

    aggregation_results: tuple[AggregationResult, ...] = ()


class EvaluateDatasetResponse(_Message):
    """What an evaluation found."""

    aggregation_output: AggregationOutput = AggregationOutput()


class EvaluateDatasetRun(_Message):
    """The evaluation of one checkpoint; of the only one, where it names none."""

    checkpoint_id: str = ""
    evaluate_dataset_response: EvaluateDatasetResponse = EvaluateDatasetResponse()
    error: Status | None = None


class WireTuningJob(_Message):
    """`TuningJob`. Its state is text that may be new to us; some servers print enums as numbers."""

    name: str
    state: str | int = ""
    create_time: AwareDatetime | None = None
    update_time: AwareDatetime | None = None
    start_time: AwareDatetime | None = None
    end_time: AwareDatetime | None = None
    service_account: str = ""
    base_model: str | None = None
    pre_tuned_model: PreTunedModel | None = None
    supervised_tuning_spec: TuningSpec | None = None
    preference_optimization_spec: TuningSpec | None = None
    tuned_model_display_name: str = ""
    description: str = ""
    labels: dict[str, str] = {}
    encryption_spec: EncryptionSpec = EncryptionSpec()
    error: Status | None = None
    tuned_model: TunedModel = TunedModel()
    tuning_data_stats: TuningDataStats = TuningDataStats()
    experiment: str = ""
    evaluate_dataset_runs: tuple[EvaluateDatasetRun, ...] = ()


class DeployedModelRef(_Message):
    """Where a version is served, or one of its checkpoints."""

    endpoint: str = ""
    checkpoint_id: str | None = None


class GenieSource(_Message):
    """The base model of a tuned one: `publishers/google/models/…`."""

    base_model_uri: str = ""


class BaseModelSource(_Message):
    """What a model was made from; only tuned models have a genie."""

    genie_source: GenieSource | None = None


class WireOperation(_Message):
    """`Operation`: something that takes its time; `done` is left out until it is."""

    name: str = ""
    done: bool = False
    error: Status | None = None


class WireModel(_Message):
    """`Model`, one version of it. The version is in the name, in a field of its own, or in both."""

    name: str
    version_id: str | None = None
    display_name: str = ""
    default_checkpoint_id: str | None = None
    version_aliases: tuple[str, ...] = ()
    version_create_time: AwareDatetime | None = None
    etag: str | None = None
    deployed_models: tuple[DeployedModelRef, ...] = ()
    labels: dict[str, str] = {}
    base_model_source: BaseModelSource = BaseModelSource()
    encryption_spec: EncryptionSpec = EncryptionSpec()
    checkpoints: tuple[WireCheckpoint, ...] = ()


class JobPage(_Page):
    """An answer of `tuningJobs.list`; `{}` is a complete one."""

    tuning_jobs: tuple[WireTuningJob, ...] = ()


class VersionPage(_Page):
    """An answer of `models.listVersions`."""

    models: tuple[WireModel, ...] = ()


class CheckpointPage(_Page):
    """An answer of `models.listCheckpoints`."""

    checkpoints: tuple[WireCheckpoint, ...] = ()


class ContextMetadata(_Message):
    """What the context of an experiment says; its keys are those of Google's clients."""

    backing_tensorboard_resource: str = Field(default="", alias="backing_tensorboard_resource")


class WireContext(_Message):
    """`Context` of Vertex ML Metadata: the experiment of a job."""

    metadata: ContextMetadata = ContextMetadata()


class WireRun(_Message):
    """`TensorboardRun`."""

    name: str


class RunPage(_Page):
    """An answer of `tensorboards.experiments.runs.list`."""

    tensorboard_runs: tuple[WireRun, ...] = ()


class WireSeries(_Message):
    """`TensorboardTimeSeries`, without its values."""

    name: str
    display_name: str = ""
    value_type: str = ""


class SeriesPage(_Page):
    """An answer of `timeSeries.list`."""

    tensorboard_time_series: tuple[WireSeries, ...] = ()


class Scalar(_Message):
    """A number: 0 where it is absent."""

    value: float = 0.0


class WirePoint(_Message):
    """One value of a series."""

    step: Int64 = 0
    scalar: Scalar = Scalar()


class SeriesData(_Message):
    """The values of a series."""

    values: tuple[WirePoint, ...] = ()


class WireSeriesData(_Message):
    """An answer of `timeSeries.read`."""

    time_series_data: SeriesData = SeriesData()
