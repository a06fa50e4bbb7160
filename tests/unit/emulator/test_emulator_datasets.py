import json
from dataclasses import replace

import pytest

from tests.unit.emulator.bench import PARENT, Bench, preference_lines, supervised_lines
from tuneops.emulator.datasets import analyse, validation_failure
from tuneops.emulator.models import BASE_MODELS, PREFERENCE, SUPERVISED
from tuneops.emulator.samples import SAMPLE_BUCKET, sample_objects

URI = "gs://acme/x.jsonl"
MODEL = BASE_MODELS["gemini-2.5-flash"]
TRANSLATION = BASE_MODELS["translation-llm-002"]


def turn(role, *parts):
    return {
        "role": role,
        "parts": [part if isinstance(part, dict) else {"text": part} for part in parts],
    }


def file(type, uri="gs://acme/f"):
    return {"fileData": {"mimeType": type, "fileUri": uri}}


def read(*lines, method=SUPERVISED, limit=131_072, model=MODEL):
    content = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return analyse(
        content.encode(), method=method, uri=URI, model=replace(model, example_tokens=limit)
    )


ASK, ANSWER = turn("user", "What is it?"), turn("model", "A pear.")
CALL = turn("model", {"functionCall": {"name": "f", "args": {}}})
RESULT = {"parts": [{"functionResponse": {"name": "f", "response": {"x": 1}}}]}


def pair(*entries, contents=(ASK,)):
    completions = [{"score": score, "completion": completion} for score, completion in entries]
    return {"contents": list(contents), "completions": completions}


@pytest.mark.parametrize(
    "line",
    [
        {"contents": [ASK, ANSWER]},
        {"contents": [ASK, ANSWER, ASK, ANSWER], "tools": []},
        {
            "systemInstruction": {"role": "system", "parts": [{"text": "x"}]},
            "contents": [ASK, ANSWER],
        },
        {"system_instruction": {"parts": [{"text": "x"}]}, "contents": [ASK, ANSWER]},
        {"contents": [ASK, CALL]},
        {"contents": [ASK, CALL, RESULT, ANSWER]},
        {"contents": [ASK, CALL, {**RESULT, "role": "function"}, ANSWER]},
        {"contents": [turn("user", file("image/png"), "x"), ANSWER]},
        {
            "contents": [
                turn("user", {"file_data": {"mime_type": "a/b", "file_uri": "http://x/y"}}),
                ANSWER,
            ]
        },
    ],
)
def test_supervised_lines_that_are_examples(line):
    found = read(line)
    assert found.failure is None
    assert (found.lines, found.kept) == (1, 1)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "JSON object"),
        ("{}", "`contents` must be a list"),
        ({"contents": []}, "`contents` must be a list"),
        ({"messages": []}, "another model family"),
        ({"input_text": "a", "output_text": "b"}, "PaLM"),
        ({"contents": [turn("assistant", "x")]}, "must be `user` or `model`"),
        ({"contents": [turn("system", "x"), ASK, ANSWER]}, "must be `user` or `model`"),
        ({"contents": [{"parts": [{"text": "x"}]}, ANSWER]}, "must be `user` or `model`"),
        ({"contents": [ASK]}, "must have the role `model`"),
        ({"contents": [{"role": "user", "parts": "x"}, ANSWER]}, "contents[0].parts"),
        ({"contents": [turn("user", {"x": 1}), ANSWER]}, "contents[0].parts[0]"),
        ({"contents": [turn("user", {"text": 1}), ANSWER]}, "text must be text"),
        ({"contents": [turn("user", file("a/b", "/data/x")), ANSWER]}, "gs:// or http(s)"),
        ({"contents": [turn("user", {"fileData": {"fileUri": "gs://a/b"}}), ANSWER]}, "mimeType"),
        ({"contents": ["x", ANSWER]}, "must be an object"),
        ({"contents": [ASK, ANSWER], "systemInstruction": "x"}, "systemInstruction"),
    ],
)
def test_supervised_lines_that_are_none(line, words):
    found = read({"contents": [ASK, ANSWER]}, "", line)
    assert found.failure is not None
    assert found.failure.code == 3
    assert words in found.failure.message.replace("`", "") or words in found.failure.message
    assert f"{URI}, line 3" in found.failure.message


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"contents": [ASK, ANSWER]}, "role `user`"),
        ({"contents": [ASK]}, "exactly two"),
        (pair((1, ANSWER)), "exactly two"),
        (pair((1, ANSWER), (0, ANSWER), (0, ANSWER)), "exactly two"),
        (pair((1, ANSWER), (1, ANSWER)), "the score 1"),
        (pair((0.7, ANSWER), (0, ANSWER)), "the score 1"),
        (pair((True, ANSWER), (False, ANSWER)), "the score 1"),
        (pair((1, [ANSWER]), (0, ANSWER)), "must be an object"),
        (pair((1, ASK), (0, ANSWER)), "role `model`"),
        (pair((1, ANSWER), (0, ANSWER), contents=[turn("user", file("image/png"))]), "text parts"),
        ({"chosen": "a", "rejected": "b"}, "`contents`"),
    ],
)
def test_preference_lines_that_are_none(line, words):
    found = read(line, method=PREFERENCE)
    assert found.failure is not None
    assert words in found.failure.message


def test_preference_lines_that_are_examples():
    for scores in ((1, 0), (0, 1), (1.0, 0.0)):
        found = read(pair((scores[0], ANSWER), (scores[1], ANSWER)), method=PREFERENCE)
        assert found.failure is None
        # The prompt is counted twice: 2 * 3 + 2 + 2.
        stats = found.stats["preferenceOptimizationDataStats"]
        assert stats["totalBillableTokenCount"] == "10"


def test_large_examples_are_dropped_up_to_a_tenth():
    small = {"contents": [ASK, ANSWER]}
    large = {"contents": [turn("user", "x" * 500), ANSWER]}
    found = read(*[small] * 9, large, limit=100)
    assert found.failure is None
    assert (found.lines, found.kept) == (10, 9)
    stats = found.stats["supervisedTuningDataStats"]
    assert stats["tuningDatasetExampleCount"] == "10"
    assert stats["totalTruncatedExampleCount"] == "1"
    assert stats["truncatedExampleIndices"] == ["10"]
    assert "127 tokens" in stats["droppedExampleReasons"][0]
    assert stats["totalBillableTokenCount"] == str(9 * 5)
    failed = read(*[small] * 8, large, limit=100).failure
    assert failed is not None
    assert "1 of 9 examples were dropped" in failed.message
    pictures = {"contents": [turn("user", *[file("image/png")] * 31), ANSWER]}
    assert read(*[small] * 9, pictures).kept == 9


def test_statistics_of_a_dataset():
    stats = read(*[{"contents": [turn("user", "x" * 4 * n), ANSWER]} for n in range(1, 11)]).stats
    found = stats["supervisedTuningDataStats"]
    assert found["userInputTokenDistribution"] == {
        "sum": "55",
        "billableSum": "55",
        "min": 1,
        "max": 10,
        "mean": 5.5,
        "median": 5.5,
        "p5": 1.45,
        "p95": 9.55,
        "buckets": [
            {"count": 2, "left": 1, "right": 2.8},
            {"count": 2, "left": 2.8, "right": 4.6},
            {"count": 2, "left": 4.6, "right": 6.4},
            {"count": 2, "left": 6.4, "right": 8.2},
            {"count": 2, "left": 8.2, "right": 10},
        ],
    }
    assert found["userMessagePerExampleDistribution"]["sum"] == "20"
    long = read({"contents": [turn("user", "y" * 999), ANSWER]}).stats
    sample = long["supervisedTuningDataStats"]["userDatasetExamples"][0]
    assert sample["parts"][0]["text"] == "y" * 400 + "..."


def test_empty_and_strange_files_fail():
    for content in (b"", b"\n\n", b"\xff\xfe\n", b"\xef\xbb\xbf{}"):
        found = analyse(
            content, method=SUPERVISED, uri=URI, model=replace(MODEL, example_tokens=100)
        )
        assert found.failure is not None


def test_validation_sets_have_limits():
    def sized(count):
        content = supervised_lines(count)
        return analyse(
            content, method=SUPERVISED, uri=URI, model=replace(MODEL, example_tokens=1000)
        )

    training = sized(4000)
    assert validation_failure(training, sized(1000), URI, MODEL) is None
    assert validation_failure(training, sized(1200), URI, MODEL) is None
    assert "30%" in validation_failure(training, sized(1201), URI, MODEL).message
    assert "5000" in validation_failure(training, sized(5001), URI, MODEL).message
    assert "line 1" in validation_failure(training, read("{"), URI, MODEL).message


def test_a_dataset_of_the_other_method_fails_the_job(bench: Bench):
    bench.put("pairs.jsonl", preference_lines())
    request = bench.request(
        supervisedTuningSpec={"trainingDatasetUri": "gs://acme-tuning/pairs.jsonl"}
    )
    job = bench.ok("POST", f"{PARENT}/tuningJobs", request)
    bench.advance(hours=1)
    assert bench.read(job)["state"] == "JOB_STATE_FAILED"


def test_the_samples_are_there_and_train(bench: Bench):
    assert sample_objects() == sample_objects()
    folder = "ai-platform/generative_ai/gemini/text/"
    names = [f"{folder}sft_train_data.jsonl", f"{folder}sft_validation_data.jsonl"]
    assert set(names) < set(sample_objects())
    training, validation = (sample_objects()[name] for name in names)
    assert not set(training.splitlines()) & set(validation.splitlines())
    assert len(set(training.splitlines())) == training.count(b"\n") >= 55
    spec = {
        "trainingDatasetUri": f"gs://{SAMPLE_BUCKET}/{names[0]}",
        "validationDatasetUri": f"gs://{SAMPLE_BUCKET}/{names[1]}",
    }
    done = bench.finished(supervisedTuningSpec=spec)
    assert done["state"] == "JOB_STATE_SUCCEEDED"


def test_lines_of_a_translation_model_are_text_only():
    line = {"contents": [turn("user", "English: Hello. Spanish:"), turn("model", "Hola.")]}
    assert read(line, model=TRANSLATION).failure is None
    pictured = {"contents": [turn("user", "What?", file("image/png")), ANSWER]}
    assert read(pictured).failure is None
    assert "text only" in read(pictured, model=TRANSLATION).failure.message


def test_a_translation_model_has_limits_of_its_own(bench: Bench):
    long = [{"contents": [turn("user", "x" * 5000), ANSWER]}]
    assert (
        "1000" in read(*long, model=TRANSLATION, limit=TRANSLATION.example_tokens).failure.message
    )
    training = read(*[{"contents": [ASK, ANSWER]}] * 30)
    many = read(*[{"contents": [ASK, ANSWER]}] * 1024)
    assert validation_failure(training, many, URI, TRANSLATION) is None
    assert validation_failure(training, many, URI, MODEL) is not None
    more = read(*[{"contents": [ASK, ANSWER]}] * 1025)
    assert "1024" in validation_failure(training, more, URI, TRANSLATION).message


def test_a_translation_model_is_tuned(bench: Bench):
    done = bench.finished(baseModel="translation-llm-002")
    assert done["state"] == "JOB_STATE_SUCCEEDED"
    request = bench.request(baseModel="translation-llm-002")
    elsewhere = "projects/acme/locations/europe-west4"
    assert bench.ask("POST", f"{elsewhere}/tuningJobs", request).status_code == 400
    request["supervisedTuningSpec"]["hyperParameters"]["adapterSize"] = "ADAPTER_SIZE_EIGHT"
    refused = bench.ask("POST", f"{PARENT}/tuningJobs", request)
    assert "adapter size" in refused.json()["error"]["message"]
    bare = done["tunedModel"]["model"]
    step = bench.request(preTunedModel={"tunedModelName": bare})
    del step["baseModel"]
    assert bench.ask("POST", f"{PARENT}/tuningJobs", step).status_code == 400
