"""`evaluationConfig`: the whole of the service's message, carried as it is written."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml

from tuneops.core.desired import Pinned, Pins, desire
from tuneops.core.recipe import Dataset, Evidence
from tuneops.render.plan import _recipe_rows
from tuneops.spec.evaluation import METRIC_SPECS, EvaluationConfig, Metric
from tuneops.spec.load import load
from tuneops.spec.schema import json_schema
from tuneops.spec.shape import Shape, names_of
from tuneops.spec.text import SourceText

CASES = Path(__file__).parents[2] / "specfiles"


def text(case: str) -> str:
    return (CASES / case / "a.yaml").read_text(encoding="utf-8")


def jobs(spec: str) -> Any:
    workspace = (CASES / "workspace.yaml").read_text(encoding="utf-8")
    texts = [SourceText("workspace.yaml", workspace), SourceText("a.yaml", spec)]
    read = load(texts, environment=None, variables={}, env={})
    assert read.declaration is not None, read.findings
    return read.declaration


def listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: listed(item) for name, item in value.items()}
    return [listed(item) for item in value] if isinstance(value, tuple) else value


def test_what_is_written_is_carried_and_nothing_else() -> None:
    (job,) = jobs(text("valid-evaluation")).jobs
    config = listed(job.evaluation_config)
    written = yaml.safe_load(text("valid-evaluation"))["spec"]["supervisedTuningSpec"]
    metrics = config["metrics"]
    assert len(metrics) == len(METRIC_SPECS)
    assert [next(iter(set(metric) & set(METRIC_SPECS))) for metric in metrics] == [*METRIC_SPECS]
    assert metrics[0] == written["evaluationConfig"]["metrics"][0]
    assert metrics[1] == {
        "aggregationMetrics": ["MODE"],
        "pairwiseMetricSpec": {
            "metricPromptTemplate": "Which is better, {a} or {b}?",
            "candidateResponseFieldName": "a",
            "baselineResponseFieldName": "b",
        },
    }
    assert metrics[2] == {"exactMatchSpec": {}}
    assert metrics[5]["predefinedMetricSpec"]["metricSpecParameters"] == {
        "a_b": 1,
        "aB": [0.5, "0.5", True, None, {"c": "x"}],
    }
    assert metrics[6]["computationBasedMetricSpec"]["parameters"] == {"rouge_type": "rougeL"}
    assert config["outputConfig"] == {
        "gcsDestination": {"outputUriPrefix": "gs://acme-tuning/support/eval"}
    }
    assert config["autoraterConfig"]["samplingCount"] == 4
    assert config["autoraterConfig"]["generationConfig"] == {"temperature": 0, "seed": -1}
    assert config["inferenceGenerationConfig"]["thinkingConfig"] == {
        "thinkingBudget": -1,
        "includeThoughts": False,
    }
    assert json.loads(json.dumps(config, allow_nan=False)) == config


def test_layers() -> None:
    seed, plain, tone = jobs(text("valid-evaluation-defaults")).jobs
    assert listed(seed.evaluation_config) == {
        "metrics": [{"exactMatchSpec": {}}],
        "outputConfig": {"gcsDestination": {"outputUriPrefix": "gs://acme-tuning/eval"}},
    }
    assert plain.evaluation_config is None
    assert tone.evaluation_config is None


def graph(spec: str) -> Any:
    declaration = jobs(spec)
    evidence = Evidence()
    pins = {
        (address, ref.location): Pinned(
            dataset=Dataset(uri=f"gs://b/{ref.location}", size=1, crc32c="AAAAAA=="),
            evidence=evidence,
        )
        for address, ref in declaration.datasets()
    }
    return desire(declaration, Pins(datasets=pins))


def test_it_is_no_part_of_the_recipe_and_shown_beside_it() -> None:
    spec = text("valid-evaluation")
    (job,) = graph(spec).jobs
    without = spec[: spec.index("    evaluationConfig:")]
    (other,) = graph(without).jobs
    assert other.evaluation_config is None
    assert job.lineage == other.lineage
    assert job.recipe == other.recipe
    rows = dict(_recipe_rows(job))
    assert rows["evaluation"] == "9 metrics, to gs://acme-tuning/support/eval"
    assert "evaluation" not in dict(_recipe_rows(other))


@pytest.mark.parametrize("kind", ["TuningJob", None])
def test_editors_know_it(kind: str | None) -> None:
    document = yaml.safe_load(text("valid-request-body"))
    spec = document["spec"]["supervisedTuningSpec"]
    config = {"metrics": [{"bleuSpec": {}, "aggregationMetrics": ["AVERAGE"]}]}
    spec["evaluationConfig"] = config
    jsonschema.validate(document, json_schema(kind))
    config["metrics"][0]["aggregationMetrics"] = ["MEAN"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json_schema(kind))


# --- against the discovery file -------------------------------------------------------------------


def discovered() -> dict[str, Any]:
    documents = files("googleapiclient.discovery_cache.documents")
    schemas = json.loads((documents / "aiplatform.v1.json").read_text("utf-8"))["schemas"]
    return {name.removeprefix("GoogleCloudAiplatformV1"): one for name, one in schemas.items()}


def messages(model: type[Shape]) -> set[type[Shape]]:
    found: set[type[Shape]] = {model}

    def look(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, Shape):
            if annotation not in found:
                found.update(messages(annotation))
        else:
            for part in get_args(annotation):
                look(part)

    for field in model.model_fields.values():
        look(field.annotation)
    return found


def words(annotation: Any) -> set[str]:
    return {
        word
        for part in get_args(annotation)
        for word in ({part} if isinstance(part, str) else words(part))
    }


OTHER_NAMES = {
    "CustomCodeParserConfig": "EvaluationParserConfigCustomCodeParserConfig",
    "LlmBasedMetricSpec": "LLMBasedMetricSpec",
    "ResultParserConfig": "EvaluationParserConfig",
    "ScoreRange": "MetricMetadataScoreRange",
    "ThinkingConfig": "GenerationConfigThinkingConfig",
}


def test_fields_and_words_are_those_of_the_service() -> None:
    schemas = discovered()
    models = messages(EvaluationConfig)
    assert len(models) == 23
    for model in models:
        theirs = schemas[OTHER_NAMES.get(model.__name__, model.__name__)].get("properties", {})
        ours = names_of(model)
        assert set(ours) == set(theirs), model
        for name, field in ours.items():
            enum = theirs[name].get("enum") or theirs[name].get("items", {}).get("enum")
            if enum:
                known = {word for word in enum if not word.endswith("_UNSPECIFIED")}
                assert words(field.annotation) == known, name


def test_the_kinds_of_metrics_are_those_of_the_message() -> None:
    others = {"aggregationMetrics", "metadata"}
    assert set(METRIC_SPECS) == set(names_of(Metric)) - others
