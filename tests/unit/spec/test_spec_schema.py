"""The JSON schema for editors, against the same samples that the loader reads."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from tuneops.spec.schema import KINDS, json_schema

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_it_is_a_schema(kind: str | None) -> None:
    schema = json_schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize(
    "path", sorted((ROOT / "specs").glob("*.yaml")), ids=lambda path: path.name
)
def test_the_samples_fit(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        jsonschema.validate(document, json_schema(document["kind"]))
        jsonschema.validate(document, json_schema(None))


def test_unknown_fields_do_not_fit() -> None:
    spec = {"baseModel": "gemini-2.5-flash", "adaptorSize": 8}
    document = {
        "apiVersion": "tuneops.dev/v1",
        "kind": "TuningJob",
        "metadata": {"name": "faq"},
        "spec": spec,
    }
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json_schema("TuningJob"))
    del spec["adaptorSize"]
    jsonschema.validate(document, json_schema("TuningJob"))
