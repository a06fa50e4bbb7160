"""How a supervised job is evaluated: the service's `EvaluationConfig`, message by message.

After the discovery file of the Vertex AI API, v1, 20261106. What `GenerationConfig` says of sound,
pictures and schemas is passed on as it is written. Nothing here affects the weights, so nothing
here is part of a recipe.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator
from pydantic import WithJsonSchema as Shown

from tuneops.spec import scalars
from tuneops.spec.shape import Flag, Shape, Text, form, whole, whole_schema, word

_INT32 = 2**31 - 1
_PREFIX = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/[^\s?#*\[\]]*)?")
_JUDGE = re.compile(
    r"projects/[^/\s]+/locations/[a-z0-9-]+/(publishers/[^/\s]+/models|endpoints)/[^/\s]+"
)
_ROUGE = re.compile(r"rouge(n?[1-9]|L|Lsum)")


def _number(low: float, high: float) -> BeforeValidator:
    return BeforeValidator(partial(scalars.number, low=low, high=high))


def _number_schema(low: float, high: float) -> Shown:
    number = {"type": "number", "minimum": low, "maximum": high}
    return Shown({"anyOf": [number, {"type": "string"}]})


_Aggregation = Literal[
    "AVERAGE",
    "MODE",
    "STANDARD_DEVIATION",
    "VARIANCE",
    "MINIMUM",
    "MAXIMUM",
    "MEDIAN",
    "PERCENTILE_P90",
    "PERCENTILE_P95",
    "PERCENTILE_P99",
]
_Calculation = Literal["EXACT_MATCH", "BLEU", "ROUGE"]
_Rubric = Literal["PROPERTY", "NL_QUESTION_ANSWER", "PYTHON_CODE_ASSERTION"]
_Modality = Literal["TEXT", "IMAGE", "AUDIO", "VIDEO"]
_Resolution = Literal["MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_MEDIUM", "MEDIA_RESOLUTION_HIGH"]
_Level = Literal["MINIMAL", "LOW", "MEDIUM", "HIGH"]
_List = BeforeValidator(scalars.items)

Struct = Annotated[dict[str, Any], BeforeValidator(scalars.struct)]
Free = Annotated[Any, BeforeValidator(scalars.plain)]
Texts = Annotated[tuple[Text, ...], _List]
Count = Annotated[int, whole(1, _INT32), whole_schema(1, _INT32)]
Int32 = Annotated[int, whole(-_INT32 - 1, _INT32), whole_schema(-_INT32 - 1, _INT32)]
Score = Annotated[float, _number(-1e12, 1e12), _number_schema(-1e12, 1e12)]
Share = Annotated[float, _number(0, 1), _number_schema(0, 1)]
Penalty = Annotated[float, _number(-2, 2), _number_schema(-2, 2)]
Temperature = Annotated[float, _number(0, 2), _number_schema(0, 2)]
Prefix = Annotated[str, form(_PREFIX, "`gs://bucket/folder`")]
Samples = Annotated[int, whole(1, 32), whole_schema(1, 32)]
Rouge = Annotated[str, form(_ROUGE, "`rouge1` to `rouge9`, `rougeL` or `rougeLsum`")]
Judge = Annotated[
    str,
    form(_JUDGE, "`projects/…/locations/…/publishers/google/models/…`, or `…/endpoints/…`"),
]


class ThinkingConfig(Shape):
    """How much a model may think before it answers."""

    include_thoughts: Flag | None = None
    thinking_budget: Int32 | None = None
    thinking_level: Annotated[_Level, word(*get_args(_Level))] | None = None


class GenerationConfig(Shape):
    """How answers are generated."""

    temperature: Temperature | None = None
    top_p: Share | None = None
    top_k: Annotated[float, _number(1, 1e6), _number_schema(1, 1e6)] | None = None
    candidate_count: Count | None = None
    max_output_tokens: Count | None = None
    stop_sequences: Texts | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: Int32 | None = None
    logprobs: Int32 | None = None
    response_logprobs: Flag | None = None
    response_mime_type: Text | None = None
    response_modalities: (
        Annotated[tuple[Annotated[_Modality, word(*get_args(_Modality))], ...], _List] | None
    ) = None
    response_schema: Struct | None = None
    response_json_schema: Free | None = None
    response_format: Annotated[tuple[Struct, ...], _List] | None = None
    media_resolution: Annotated[_Resolution, word(*get_args(_Resolution))] | None = None
    audio_timestamp: Flag | None = None
    audio_transcription_config: Struct | None = None
    enable_affective_dialog: Flag | None = None
    image_config: Struct | None = None
    routing_config: Struct | None = None
    speech_config: Struct | None = None
    thinking_config: ThinkingConfig | None = None
    translation_config: Struct | None = None


class AutoraterConfig(Shape):
    """Which model grades, and how often it is asked."""

    autorater_model: Judge | None = None
    sampling_count: Samples | None = None
    flip_enabled: Flag | None = None
    generation_config: GenerationConfig | None = None


class CustomOutputFormatConfig(Shape):
    """Whether the words of the grading model are kept as they are."""

    return_raw_output: Flag | None = None


class PointwiseMetricSpec(Shape):
    """A grade for each answer on its own."""

    metric_prompt_template: Text
    system_instruction: Text | None = None
    custom_output_format_config: CustomOutputFormatConfig | None = None


class PairwiseMetricSpec(PointwiseMetricSpec):
    """A choice between two answers."""

    candidate_response_field_name: Text | None = None
    baseline_response_field_name: Text | None = None


class ExactMatchSpec(Shape):
    """Whether the answer is the expected one; it has nothing to set."""


class BleuSpec(Shape):
    """The precision of n-grams."""

    use_effective_order: Flag | None = None


class RougeSpec(Shape):
    """The recall of n-grams."""

    rouge_type: Rouge | None = None
    use_stemmer: Flag | None = None
    split_summaries: Flag | None = None


class PredefinedMetricSpec(Shape):
    """A metric of the service's own."""

    metric_spec_name: Text
    metric_spec_parameters: Struct | None = None


class ComputationBasedMetricSpec(Shape):
    """A metric that is calculated."""

    type: Annotated[_Calculation, word(*get_args(_Calculation))]
    parameters: Struct | None = None


class CustomCodeParserConfig(Shape):
    """Python that reads the words of the grading model."""

    parsing_function: Text


class ResultParserConfig(Shape):
    """How the words of the grading model are read."""

    custom_code_parser_config: CustomCodeParserConfig | None = None


class RubricGenerationSpec(Shape):
    """How rubrics are made."""

    prompt_template: Text | None = None
    model_config_: AutoraterConfig | None = None
    rubric_content_type: Annotated[_Rubric, word(*get_args(_Rubric))] | None = None
    rubric_type_ontology: Texts | None = None


class LlmBasedMetricSpec(Shape):
    """A metric that a model grades, by rubrics if there are any."""

    metric_prompt_template: Text
    system_instruction: Text | None = None
    judge_autorater_config: AutoraterConfig | None = None
    rubric_group_key: Text | None = None
    rubric_generation_spec: RubricGenerationSpec | None = None
    predefined_rubric_generation_spec: PredefinedMetricSpec | None = None
    result_parser_config: ResultParserConfig | None = None
    additional_config: Struct | None = None


class CustomCodeExecutionSpec(Shape):
    """Python that grades each answer; the service runs it."""

    evaluation_function: Text


class ScoreRange(Shape):
    """The scores that there can be."""

    min: Score
    max: Score
    step: Score | None = None
    description: Text | None = None


class MetricMetadata(Shape):
    """How a metric is shown."""

    title: Text | None = None
    score_range: ScoreRange | None = None
    other_metadata: Struct | None = None


class Metric(Shape):
    """One metric: exactly one of `METRIC_SPECS`, and how its scores are summed up."""

    aggregation_metrics: (
        Annotated[tuple[Annotated[_Aggregation, word(*get_args(_Aggregation))], ...], _List] | None
    ) = None
    pointwise_metric_spec: PointwiseMetricSpec | None = None
    pairwise_metric_spec: PairwiseMetricSpec | None = None
    exact_match_spec: ExactMatchSpec | None = None
    bleu_spec: BleuSpec | None = None
    rouge_spec: RougeSpec | None = None
    predefined_metric_spec: PredefinedMetricSpec | None = None
    computation_based_metric_spec: ComputationBasedMetricSpec | None = None
    llm_based_metric_spec: LlmBasedMetricSpec | None = None
    custom_code_execution_spec: CustomCodeExecutionSpec | None = None
    metadata: MetricMetadata | None = None


METRIC_SPECS = (
    "pointwiseMetricSpec",
    "pairwiseMetricSpec",
    "exactMatchSpec",
    "bleuSpec",
    "rougeSpec",
    "predefinedMetricSpec",
    "computationBasedMetricSpec",
    "llmBasedMetricSpec",
    "customCodeExecutionSpec",
)


class GcsDestination(Shape):
    """A folder in Cloud Storage."""

    output_uri_prefix: Prefix


class OutputConfig(Shape):
    """Where results are written."""

    gcs_destination: GcsDestination


class DatasetCustomMetric(Shape):
    """Python that sums up a whole dataset; the service runs it."""

    aggregation_function: Text
    display_name: Text | None = None


class EvaluationConfig(Shape):
    """What is measured on the validation data at every checkpoint.

    `metrics` and `outputConfig` may come from different layers, so that rules ask for them.
    """

    metrics: Annotated[tuple[Metric, ...], _List] | None = None
    output_config: OutputConfig | None = None
    autorater_config: AutoraterConfig | None = None
    inference_generation_config: GenerationConfig | None = None
    dataset_custom_metrics: Annotated[tuple[DatasetCustomMetric, ...], _List] | None = None


def as_json(config: EvaluationConfig) -> Mapping[str, Any]:
    """What was written and nothing else, in the service's spelling; lists are tuples."""
    return config.model_dump(by_alias=True, exclude_unset=True)
