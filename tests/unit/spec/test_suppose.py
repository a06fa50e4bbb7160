"""What a plan may suppose that no spec says."""

import pytest

from tests.unit.spec.test_spec_load import jobs, project
from tuneops.core.desired import DeclaredJob

CHAIN = """\
apiVersion: tuneops.dev/v1
kind: TuningChain
metadata: {name: bot}
spec:
  baseModel: gemini-2.5-flash
  stages:
    - name: seed
      supervisedTuningSpec:
        trainingDatasetUri: gs://data/a.jsonl
        hyperParameters: {epochCount: 2}
    - name: tone
      preferenceOptimizationSpec: {trainingDatasetUri: gs://data/c.jsonl}
"""
JOB = """\
apiVersion: tuneops.dev/v1
kind: TuningJob
metadata: {name: faq}
spec:
  baseModel: gemini-2.5-flash
  supervisedTuningSpec: {trainingDatasetUri: gs://data/a.jsonl}
"""


def supposed(*texts: str) -> dict[str, DeclaredJob]:
    return jobs(project(CHAIN, JOB, suppositions=texts))


def test_a_value_is_laid_over_a_stage_a_chain_or_a_job() -> None:
    assert supposed("bot/seed.nonce=x")["bot/seed"].nonce == "x"
    assert supposed("bot/seed.nonce=x")["bot/tone"].nonce is None
    assert {job.nonce for at, job in supposed("bot.nonce=y").items() if at != "faq"} == {"y"}
    assert supposed("faq.nonce=z")["faq"].nonce == "z"


def test_what_is_beside_the_value_stays() -> None:
    spec = "supervisedTuningSpec.hyperParameters"
    job = supposed(f"bot/seed.{spec}.adapterSize=4")["bot/seed"]
    assert (job.hyper_parameters.adapter_size, job.hyper_parameters.epoch_count) == (4, 2)
    job = supposed(f"bot/seed.{spec}.epoch_count=9")["bot/seed"]
    assert job.hyper_parameters.epoch_count == 9
    assert supposed(f"bot/seed.{spec}=null")["bot/seed"].hyper_parameters.epoch_count is None


def test_several_are_laid_one_over_the_other() -> None:
    job = supposed("faq.nonce=a", "faq.nonce=b", "faq.suspend=true")["faq"]
    assert (job.nonce, job.suspended) == ("b", True)


def test_a_file_is_looked_for_beside_the_spec() -> None:
    job = supposed("faq.supervisedTuningSpec.trainingDatasetUri=data/x.jsonl")["faq"]
    assert job.training.location == "specs/data/x.jsonl"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bot/seeed.nonce=x", "did you mean `bot/seed`?"),
        ("acme.defaultEnvironment=prod", "there are:"),
        ("nonsense", "`ADDRESS.PATH=VALUE`"),
        ("bot/seed=x", "`ADDRESS.PATH=VALUE`"),
        ("bot/seed.nonce=x\nsuspend: true", "`ADDRESS.PATH=VALUE`"),
        ("bot/seed.nonces=x", "unknown field `nonces`"),
        ("bot/seed.nonce=[", "has no end"),
        ("bot/seed.nonce=&a x", "anchors"),
        ("bot/seed.nonce=ya29.secret", "credential"),
        ("bot/seed.supervisedTuningSpec.hyperParameters.epochCount=three", "three"),
    ],
)
def test_what_fits_no_spec_is_a_finding(text: str, said: str) -> None:
    found = project(CHAIN, JOB, suppositions=(text,))
    assert found.declaration is None
    assert any(said in f"{one.message} {one.help}" for one in found.findings), found.findings
    assert "ya29.secret" not in str(found.findings)
