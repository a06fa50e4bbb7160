"""What comes out of a valid project: the declaration, with every default laid under every job."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tuneops.core.address import Address
from tuneops.core.desired import DeclaredJob, ModelRef, ParentRef
from tuneops.core.policy import Policy, Retry
from tuneops.core.recipe import AtEpoch, AtStep, BaseModel, HyperParameters, Method
from tuneops.spec.load import load
from tuneops.spec.resolve import Resolution
from tuneops.spec.text import SourceText

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "specfiles"

WORKSPACE = """\
apiVersion: tuneops.dev/v1
kind: Workspace
metadata: {name: acme}
spec:
  defaultEnvironment: local
  environments:
    local:
      provider: emulator
      project: demo-project
      location: us-central1
    prod:
      provider: vertex
      project: acme-ml
      location: europe-west4
      datasetBucket: gs://acme-tuning/
      serviceAccount: tuner@acme-ml.iam.gserviceaccount.com
      encryptionSpec: {kmsKeyName: projects/p/locations/europe-west4/keyRings/r/cryptoKeys/k}
      limits: {concurrentJobs: 2}
"""


def project(*specs: str, environment: str | None = None, **given: Any) -> Resolution:
    texts = [SourceText("specs/workspace.yaml", WORKSPACE)]
    texts += [SourceText(f"specs/{number}.yaml", spec) for number, spec in enumerate(specs)]
    settings = {"variables": {}, "env": {}, **given}
    return load(texts, environment=environment, **settings)


def jobs(found: Resolution) -> dict[str, DeclaredJob]:
    assert found.declaration is not None, found.findings
    return {str(job.address): job for job in found.declaration.jobs}


def case(name: str) -> dict[str, DeclaredJob]:
    folder = CASES / name
    texts = [SourceText(path.name, path.read_text()) for path in sorted(folder.glob("*.yaml"))]
    if not any("kind: Workspace" in text.text for text in texts):
        texts.append(SourceText("workspace.yaml", (CASES / "workspace.yaml").read_text()))
    return jobs(load(texts, environment=None, variables={}, env={}))


CHAIN = """\
apiVersion: tuneops.dev/v1
kind: TuningChain
metadata:
  name: bot
  description: Answers.
  labels: {team: support, tier: one}
spec:
  baseModel: gemini-2.5-flash
  tunedModelDisplayName: support-bot
  retry: {limit: 2}
  nonce: again
  labels: {tier: two}
  defaults:
    supervisedTuningSpec:
      trainingDatasetUri: data/shared.jsonl
      hyperParameters: {adapterSize: 8, epochCount: 3}
      exportLastCheckpointOnly: true
  stages:
    - name: seed
      supervisedTuningSpec: {trainingDatasetUri: data/a.jsonl}
      description: The first.
      labels: {tier: three, extra: null}
    - name: next
      retry: null
      onRemove: cancel
      onSupersede: finish
      suspend: true
      supervisedTuningSpec:
        validationDatasetUri: ../checks/b.jsonl
        hyperParameters: {adapterSize: null, epoch_count: 4}
        exportLastCheckpointOnly: false
    - name: tone
      checkpoint: {epoch: 4}
      nonce: null
      preferenceOptimizationSpec:
        trainingDatasetUri: gs://bucket/c.jsonl
        hyperParameters: {beta: 0.10}
"""


def test_defaults_are_laid_under_stages_of_the_same_method() -> None:
    found = jobs(project(CHAIN))
    seed, following, tone = (found[f"bot/{name}"] for name in ("seed", "next", "tone"))
    assert seed.hyper_parameters == HyperParameters(epoch_count=3, adapter_size=8)
    assert following.hyper_parameters == HyperParameters(epoch_count=4)
    assert tone.hyper_parameters == HyperParameters(beta=Decimal("0.1"))
    assert [job.last_checkpoint_only for job in (seed, following, tone)] == [True, False, False]
    assert seed.training.location == "specs/data/a.jsonl"
    assert following.training.location == "specs/data/shared.jsonl"
    assert following.validation is not None
    assert following.validation.location == "checks/b.jsonl"
    assert tone.training.location == "gs://bucket/c.jsonl"
    assert tone.method is Method.PREFERENCE


def test_sources_follow_the_stage_above() -> None:
    found = jobs(project(CHAIN))
    assert found["bot/seed"].source == BaseModel(base_model="gemini-2.5-flash")
    above = Address("bot", "seed")
    assert found["bot/next"].source == ParentRef(address=above, checkpoint="last")
    above = Address("bot", "next")
    assert found["bot/tone"].source == ParentRef(address=above, checkpoint=AtEpoch(epoch=4))
    assert [job.display_name for job in found.values()] == ["support-bot", None, None]


def test_policies_and_words_come_from_the_nearest_layer() -> None:
    found = jobs(project(CHAIN))
    seed, following, tone = (found[f"bot/{name}"] for name in ("seed", "next", "tone"))
    assert seed.policy == Policy(retry=Retry(limit=2))
    assert following.policy == Policy(on_remove="cancel", on_supersede="finish")
    assert [job.nonce for job in (seed, following, tone)] == ["again", "again", None]
    assert [job.suspended for job in (seed, following, tone)] == [False, True, False]
    assert seed.metadata.description == "The first."
    assert tone.metadata.description == "Answers."
    assert seed.metadata.labels == {"team": "support", "tier": "three"}
    assert tone.metadata.labels == {"team": "support", "tier": "two"}


def test_an_environment_is_a_layer_too() -> None:
    found = project(CHAIN, environment="prod")
    assert found.declaration is not None
    target = found.declaration.target
    assert (target.owner, target.location) == ("acme--prod", "europe-west4")
    assert (target.dataset_bucket, target.concurrent_jobs) == ("gs://acme-tuning", 2)
    job = found.declaration.jobs[0]
    assert job.service_account == "tuner@acme-ml.iam.gserviceaccount.com"
    assert job.encryption_key == "projects/p/locations/europe-west4/keyRings/r/cryptoKeys/k"


def test_the_emulator_has_a_bucket_of_its_own() -> None:
    found = project(CHAIN)
    assert found.declaration is not None
    assert found.declaration.target.dataset_bucket == "gs://tuneops-local"
    assert found.declaration.jobs[0].encryption_key is None


def test_the_workspace_is_known_even_where_a_spec_is_wrong() -> None:
    found = project(CHAIN.replace("epochCount: 3", "epochCount: three"))
    assert found.declaration is None
    assert found.environments == ("local", "prod")
    assert (found.workspace, found.environment) == ("acme", "local")
    assert found.default_environment == "local"


def test_null_takes_a_layer_away() -> None:
    found = case("valid-null-unsets")
    seed, following = found["bot/seed"], found["bot/next"]
    assert seed.encryption_key is None
    assert seed.service_account == "tuner@demo-project.iam.gserviceaccount.com"
    assert following.service_account is None
    assert seed.hyper_parameters == HyperParameters(epoch_count=3, adapter_size=8)
    assert following.hyper_parameters == HyperParameters(epoch_count=3)


def test_both_spellings_and_all_ways_to_write_a_number_are_the_same() -> None:
    job = case("valid-snake-case")["faq"]
    assert job.hyper_parameters == HyperParameters(
        epoch_count=3, adapter_size=4, learning_rate_multiplier=Decimal("0.1")
    )
    assert job.last_checkpoint_only
    assert job.display_name == "faq"


def test_a_request_body_can_be_pasted() -> None:
    job = case("valid-request-body")["faq"]
    assert job.display_name == "support-bot"
    assert job.training.location == "gs://acme-tuning/support/train.jsonl"
    assert job.hyper_parameters == HyperParameters(
        epoch_count=3, adapter_size=4, learning_rate_multiplier=Decimal("1.0")
    )
    assert job.metadata.labels == {"team": "support"}
    assert job.service_account == "tuner@acme-ml.iam.gserviceaccount.com"


def test_norway_and_dates_are_text() -> None:
    labels = case("valid-norway")["faq"].metadata.labels
    assert labels == {"country": "no", "switch": "on", "date": "2024-13-45"}


def test_chains_branch_within_and_across() -> None:
    found = case("valid-branches")
    assert list(found)[:2] == ["bot/seed", "bot/one"]
    two, three, four = (found[f"bot/{name}"].source for name in ("two", "three", "four"))
    assert two == ParentRef(address=Address("bot", "seed"), checkpoint=AtStep(step=40))
    assert three == ParentRef(address=Address("other"), checkpoint="default")
    assert four == ParentRef(address=Address("line", "second"), checkpoint="last")
    assert found["bot/four"].display_name == "fork"


def test_parents_come_before_children_wherever_they_are_declared() -> None:
    found = case("valid-branches")
    order = list(found)
    for address, job in found.items():
        if isinstance(job.source, ParentRef):
            assert order.index(str(job.source.address)) < order.index(address)


@pytest.mark.parametrize(
    ("suffix", "version"),
    [("", ""), ("@2", "2"), ("@golden", "golden")],
    ids=["default", "2", "alias"],
)
def test_a_tuned_model_is_a_source_by_default_version_number_and_alias(
    suffix: str, version: str
) -> None:
    found = jobs(
        project(
            f"""\
apiVersion: tuneops.dev/v1
kind: TuningJob
metadata: {{name: faq}}
spec:
  preTunedModel:
    tunedModelName: projects/123/locations/us-central1/models/55{suffix}
    checkpointId: "3"
  supervisedTuningSpec: {{trainingDatasetUri: gs://bucket/a.jsonl}}
"""
        )
    )
    source = found["faq"].source
    assert isinstance(source, ModelRef)
    model = "projects/123/locations/us-central1/models/55"
    assert (source.model, source.version, source.checkpoint) == (model, version, "3")
    assert source.text == f"{model}{suffix}#3"
    assert found["faq"].display_name is None


def test_a_model_that_nobody_names_is_called_as_its_job() -> None:
    found = jobs(
        project(
            """\
apiVersion: tuneops.dev/v1
kind: TuningJob
metadata: {name: faq}
spec:
  baseModel: gemini-2.5-flash
  supervisedTuningSpec: {trainingDatasetUri: gs://bucket/a.jsonl}
"""
        )
    )
    assert found["faq"].display_name == "faq"


def test_jobs_of_other_environments_are_left_out() -> None:
    spec = CHAIN.replace("name: tone", "name: tone\n      enabledIn: [prod]")
    assert list(jobs(project(spec))) == ["bot/seed", "bot/next"]
    assert list(jobs(project(spec, environment="prod"))) == ["bot/seed", "bot/next", "bot/tone"]


def test_an_override_wins_over_the_environment() -> None:
    workspace = WORKSPACE.replace(
        "location: us-central1", "location: us-central1\n      variables: {d: x}"
    )
    spec = CHAIN.replace("data/a.jsonl", '"${var.d}/a.jsonl"')
    texts = [
        SourceText("w.yaml", workspace),
        SourceText("c.yaml", spec.replace("../checks", "checks")),
    ]
    usual = load(texts, environment="local", variables={}, env={})
    other = load(texts, environment="local", variables={"d": "y"}, env={})
    assert jobs(usual)["bot/seed"].training.location == "x/a.jsonl"
    assert jobs(other)["bot/seed"].training.location == "y/a.jsonl"


def test_layout_never_matters() -> None:
    plain = jobs(project(CHAIN))
    quoted = CHAIN.replace("baseModel: gemini-2.5-flash", '"baseModel": "gemini-2.5-flash"')
    moved = jobs(project(f"# a comment\n\n{quoted}\n---\n"))
    assert list(plain) == list(moved)
    for address, job in plain.items():
        assert moved[address].source == job.source
        assert moved[address].hyper_parameters == job.hyper_parameters
        assert moved[address].training.location == job.training.location


def test_a_checkpoint_is_one_value() -> None:
    spec = CHAIN.replace("baseModel: gemini-2.5-flash", "from: faq\n  checkpoint: {epoch: 1}")
    spec = spec.replace("- name: seed", "- name: seed\n      checkpoint: {step: 5}")
    faq = """\
apiVersion: tuneops.dev/v1
kind: TuningJob
metadata: {name: faq}
spec:
  baseModel: gemini-2.5-flash
  supervisedTuningSpec: {trainingDatasetUri: gs://bucket/a.jsonl}
"""
    seed = jobs(project(spec, faq))["bot/seed"]
    assert seed.source == ParentRef(address=Address("faq"), checkpoint=AtStep(step=5))
    assert seed.display_name == "support-bot"


@pytest.mark.parametrize("environment", [None, "prod"])
def test_the_sample_project_is_valid(environment: str | None) -> None:
    paths = sorted((ROOT / "specs").rglob("*.yaml"))
    texts = [SourceText(str(path.relative_to(ROOT)), path.read_text()) for path in paths]
    found = load(texts, environment=environment, variables={}, env={})
    assert not found.findings
    assert found.declaration is not None
    for _, data in found.declaration.datasets():
        assert (ROOT / data.location).is_file()


def test_an_empty_project_says_what_is_missing() -> None:
    found = load([], environment=None, variables={}, env={})
    assert [finding.code for finding in found.findings] == ["no-workspace"]


def test_reading_specs_needs_none_of_the_heavy_packages() -> None:
    code = (
        "import sys, tuneops.spec.load, tuneops.render.findings\n"
        "heavy = {'httpx', 'deepdiff', 'google.auth', 'rich', 'click', 'werkzeug'}\n"
        "sys.exit(bool(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT / "src")
    assert done.returncode == 0
