import pytest

from tuneops.vertex.names import JobName, ModelName, same_job, same_version

JOB = "projects/{}/locations/{}/tuningJobs/{}"
MODEL = "projects/{}/locations/{}/models/{}"


def test_parts() -> None:
    assert JobName.parse(JOB.format("acme", "us-central1", "42")) == JobName(
        project="acme", location="us-central1", id="42"
    )
    model = ModelName.parse(MODEL.format("1234", "europe-west4", "55@2"))
    assert model == ModelName(project="1234", location="europe-west4", id="55", version="2")
    assert str(model) == MODEL.format("1234", "europe-west4", "55@2")
    assert model.base == MODEL.format("1234", "europe-west4", "55")
    assert ModelName.parse(MODEL.format("a:b.c", "us", "55")) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tuningJobs/42",
        JOB.format("acme", "us-central1", "abc"),
        JOB.format("acme", "us-central1", "42/"),
        JOB.format("acme", "us-central1", "42\n"),
        JOB.format("acme", "us-central1", "42?x=1"),
        JOB.format("acme", "us-central1", "42:cancel"),
        JOB.format("acme", "us-central1", "٤٢"),
        JOB.format("..", "us-central1", "42"),
        JOB.format("acme/x", "us-central1", "42"),
        JOB.format("acme", "us/../x", "42"),
        "/" + JOB.format("acme", "us-central1", "42"),
    ],
)
def test_not_the_name_of_a_job(text: str) -> None:
    assert JobName.parse(text) is None


@pytest.mark.parametrize("end", ["", "55@", "@2", "55@2@3", "55@-/x", "55/x", "55%402"])
def test_not_the_name_of_a_model(end: str) -> None:
    assert ModelName.parse(MODEL.format("acme", "us-central1", end)) is None


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (("acme", "l", "1"), ("acme", "l", "1"), True),
        (("acme", "l", "1"), ("123", "l", "1"), True),
        (("acme", "l", "1"), ("other", "l", "1"), False),
        (("123", "l", "1"), ("124", "l", "1"), False),
        (("acme", "l", "1"), ("123", "l", "2"), False),
        (("acme", "l", "1"), ("123", "m", "1"), False),
    ],
)
def test_sameness(left: tuple[str, ...], right: tuple[str, ...], same: bool) -> None:
    assert same_job(JOB.format(*left), JOB.format(*right)) is same
    assert same_version(MODEL.format(*left), MODEL.format(*right)) is same


def test_versions_are_told_apart() -> None:
    one, two = MODEL.format("acme", "l", "5@1"), MODEL.format("1", "l", "5@2")
    assert not same_version(one, two)
    assert not same_version(one, MODEL.format("acme", "l", "5"))
    assert same_version("anything", "anything")
    assert not same_job("anything", JOB.format("acme", "l", "1"))
