"""The messages that callers may send, field by field, as a table.

From the discovery file of the Vertex AI API, revision of November 2026. A field is a kind:
a scalar, `enum X`, `message X`, or one of these after `repeated`; `map` is string to string,
`object` is free JSON passed through, `output` is a field that only the service sets (accepted
and ignored), `elsewhere` is a real field whose feature is not served here.
"""

from collections.abc import Mapping

Message = Mapping[str, str]

ENUMS: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "AdapterSize": (
        "ADAPTER_SIZE_UNSPECIFIED",
        {
            "ADAPTER_SIZE_ONE": 1,
            "ADAPTER_SIZE_TWO": 6,
            "ADAPTER_SIZE_FOUR": 2,
            "ADAPTER_SIZE_EIGHT": 3,
            "ADAPTER_SIZE_SIXTEEN": 4,
            "ADAPTER_SIZE_THIRTY_TWO": 5,
        },
    ),
    "AggregationMetric": (
        "AGGREGATION_METRIC_UNSPECIFIED",
        {
            "AVERAGE": 1,
            "MODE": 2,
            "STANDARD_DEVIATION": 3,
            "VARIANCE": 4,
            "MINIMUM": 5,
            "MAXIMUM": 6,
            "MEDIAN": 7,
            "PERCENTILE_P90": 8,
            "PERCENTILE_P95": 9,
            "PERCENTILE_P99": 10,
        },
    ),
    "TuningMode": (
        "TUNING_MODE_UNSPECIFIED",
        {"TUNING_MODE_FULL": 1, "TUNING_MODE_PEFT_ADAPTER": 2},
    ),
}

_OUTPUT = "output"
_ELSEWHERE = "elsewhere"

MESSAGES: Mapping[str, Message] = {
    "TuningJob": {
        "name": _OUTPUT,
        "tunedModelDisplayName": "string",
        "description": "string",
        "baseModel": "string",
        "preTunedModel": "message PreTunedModel",
        "supervisedTuningSpec": "message SupervisedTuningSpec",
        "preferenceOptimizationSpec": "message PreferenceOptimizationSpec",
        "labels": "map",
        "encryptionSpec": "message EncryptionSpec",
        "serviceAccount": "string",
        "state": _OUTPUT,
        "createTime": _OUTPUT,
        "startTime": _OUTPUT,
        "endTime": _OUTPUT,
        "updateTime": _OUTPUT,
        "error": _OUTPUT,
        "experiment": _OUTPUT,
        "gcsMetricsUri": _OUTPUT,
        "tunedModel": _OUTPUT,
        "tuningDataStats": _OUTPUT,
        "evaluateDatasetRuns": _OUTPUT,
    },
    "PreTunedModel": {
        "tunedModelName": "string",
        "checkpointId": "string",
        "baseModel": _OUTPUT,
    },
    "SupervisedTuningSpec": {
        "trainingDatasetUri": "string",
        "validationDatasetUri": "string",
        "hyperParameters": "message SupervisedHyperParameters",
        "exportLastCheckpointOnly": "bool",
        "evaluationConfig": "message EvaluationConfig",
    },
    "SupervisedHyperParameters": {
        "epochCount": "int64",
        "learningRateMultiplier": "double",
        "adapterSize": "enum AdapterSize",
    },
    "PreferenceOptimizationSpec": {
        "trainingDatasetUri": "string",
        "validationDatasetUri": "string",
        "hyperParameters": "message PreferenceOptimizationHyperParameters",
        "exportLastCheckpointOnly": "bool",
    },
    "PreferenceOptimizationHyperParameters": {
        "epochCount": "int64",
        "beta": "double",
        "learningRateMultiplier": "double",
        "adapterSize": "enum AdapterSize",
    },
    "EncryptionSpec": {"kmsKeyName": "string"},
    "EvaluationConfig": {
        "metrics": "repeated message Metric",
        "outputConfig": "message OutputConfig",
        "autoraterConfig": "message AutoraterConfig",
        "inferenceGenerationConfig": "object",
        "datasetCustomMetrics": "repeated message DatasetCustomMetric",
    },
    "Metric": {
        "aggregationMetrics": "repeated enum AggregationMetric",
        "pointwiseMetricSpec": "message PointwiseMetricSpec",
        "pairwiseMetricSpec": "message PairwiseMetricSpec",
        "exactMatchSpec": "message ExactMatchSpec",
        "bleuSpec": "message BleuSpec",
        "rougeSpec": "message RougeSpec",
        "predefinedMetricSpec": "message PredefinedMetricSpec",
        "computationBasedMetricSpec": "object",
        "llmBasedMetricSpec": "object",
        "customCodeExecutionSpec": "message CustomCodeExecutionSpec",
        "metadata": "object",
    },
    "PointwiseMetricSpec": {
        "metricPromptTemplate": "string",
        "systemInstruction": "string",
        "customOutputFormatConfig": "message CustomOutputFormatConfig",
    },
    "PairwiseMetricSpec": {
        "metricPromptTemplate": "string",
        "candidateResponseFieldName": "string",
        "baselineResponseFieldName": "string",
        "systemInstruction": "string",
        "customOutputFormatConfig": "message CustomOutputFormatConfig",
    },
    "CustomOutputFormatConfig": {"returnRawOutput": "bool"},
    "ExactMatchSpec": {},
    "BleuSpec": {"useEffectiveOrder": "bool"},
    "RougeSpec": {"rougeType": "string", "useStemmer": "bool", "splitSummaries": "bool"},
    "PredefinedMetricSpec": {"metricSpecName": "string", "metricSpecParameters": "object"},
    "CustomCodeExecutionSpec": {"evaluationFunction": "string"},
    "OutputConfig": {"gcsDestination": "message GcsDestination"},
    "GcsDestination": {"outputUriPrefix": "string"},
    "AutoraterConfig": {
        "samplingCount": "int32",
        "flipEnabled": "bool",
        "autoraterModel": "string",
        "generationConfig": "object",
    },
    "DatasetCustomMetric": {"aggregationFunction": "string", "displayName": "string"},
    "Model": {
        "name": "string",
        "displayName": "string",
        "description": "string",
        "versionDescription": "string",
        "labels": "map",
        "etag": "string",
        "defaultCheckpointId": "string",
        "versionId": _OUTPUT,
        "versionAliases": _OUTPUT,
        "versionCreateTime": _OUTPUT,
        "versionUpdateTime": _OUTPUT,
        "createTime": _OUTPUT,
        "updateTime": _OUTPUT,
        "checkpoints": _OUTPUT,
        "deployedModels": _OUTPUT,
        "supportedDeploymentResourcesTypes": _OUTPUT,
        "supportedInputStorageFormats": _OUTPUT,
        "supportedOutputStorageFormats": _OUTPUT,
        "supportedExportFormats": _OUTPUT,
        "modelSourceInfo": _OUTPUT,
        "originalModelInfo": _OUTPUT,
        "baseModelSource": _OUTPUT,
        "trainingPipeline": _OUTPUT,
        "pipelineJob": _OUTPUT,
        "metadata": _OUTPUT,
        "metadataSchemaUri": _OUTPUT,
        "metadataArtifact": _OUTPUT,
        "artifactUri": _OUTPUT,
        "containerSpec": _OUTPUT,
        "predictSchemata": _OUTPUT,
        "explanationSpec": _OUTPUT,
        "encryptionSpec": _OUTPUT,
        "dataStats": _OUTPUT,
        "satisfiesPzs": _OUTPUT,
        "satisfiesPzi": _OUTPUT,
    },
    "MergeVersionAliasesRequest": {"name": _OUTPUT, "versionAliases": "repeated string"},
    "UndeployModelRequest": {"deployedModelId": "string", "trafficSplit": "object"},
    "CancelTuningJobRequest": {"name": _OUTPUT},
}

BETA_FIELDS: Mapping[str, Message] = {
    "TuningJob": {
        "customBaseModel": _ELSEWHERE,
        "outputUri": _ELSEWHERE,
        "distillationSpec": _ELSEWHERE,
        "fullFineTuningSpec": _ELSEWHERE,
        "partnerModelTuningSpec": _ELSEWHERE,
        "reinforcementTuningSpec": _ELSEWHERE,
        "veoTuningSpec": _ELSEWHERE,
        "veoLoraTuningSpec": _ELSEWHERE,
        "pipelineJob": _OUTPUT,
        "satisfiesPzs": _OUTPUT,
        "satisfiesPzi": _OUTPUT,
        "tuningJobMetadata": _OUTPUT,
        "tuningJobState": _OUTPUT,
    },
    "SupervisedTuningSpec": {"tuningMode": _ELSEWHERE},
    "SupervisedHyperParameters": {"batchSize": _ELSEWHERE, "learningRate": _ELSEWHERE},
}

ONEOFS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "TuningJob": {
        "source_model": ("baseModel", "preTunedModel"),
        "tuning_spec": ("supervisedTuningSpec", "preferenceOptimizationSpec"),
    },
    "Metric": {
        "metric_spec": (
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
    },
}


def fields(message: str, version: str) -> Message:
    """Return the fields of a message in an API version, by their lowerCamelCase names."""
    if version == "v1beta1":
        return {**MESSAGES[message], **BETA_FIELDS.get(message, {})}
    return MESSAGES[message]
