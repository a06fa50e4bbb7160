"""What we write on a job reads back, and always fits."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import a_mark, an_observed_job
from tests.support.profiles import effort
from tests.support.strategies import lineages
from tuneops.core.address import LIMIT, NAME, Address
from tuneops.core.labels import (
    Note,
    describe,
    job_labels,
    known_by_line,
    read_labels,
    read_note,
)
from tuneops.core.observed import ObservedJob, Ownership
from tuneops.core.recipe import Evidence

VALUE = re.compile(r"[a-z0-9_-]{0,63}")
names = st.from_regex(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", fullmatch=True).filter(
    lambda name: len(name) <= LIMIT
)
addresses = st.builds(Address, names, st.just("") | names).filter(
    lambda address: len(address.label) <= LIMIT
)
owners = st.builds(lambda one, two: f"{one}--{two}", names, names).filter(
    lambda owner: len(owner) <= LIMIT
)
ownerships = st.builds(
    Ownership,
    owner=owners,
    address=addresses.map(str),
    lineage=lineages,
    attempt=st.integers(1, 99_999),
    mark=st.integers(0, 99).map(a_mark),
)
hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
pins = st.tuples(st.integers(0, 2**63), st.text("ABCDEFab+/=", min_size=8, max_size=8))
evidence = st.builds(
    Evidence,
    generation=st.none() | st.integers(1, 2**63).map(str),
    md5=st.none() | st.text("ABCDab12+/=", min_size=24, max_size=24),
    sha256=st.none() | hexes,
    examples=st.none() | st.integers(0, 10**9),
).filter(lambda found: found != Evidence())
HYPER = ("adapterSize", "beta", "epochCount", "learningRateMultiplier")
notes = st.builds(
    Note,
    attempt=st.integers(1, 99_999),
    training=pins,
    training_evidence=st.none() | evidence,
    validation=st.none() | pins,
    parent=st.just("") | addresses.map(str),
    parent_lineage=st.just("") | lineages,
    checkpoint_rule=st.text("abcABC019_- ", max_size=67),
    source=st.text("abcABC019_-/@.", max_size=160),
    nonce=st.text("abc-019", max_size=40),
    declared=st.dictionaries(
        st.sampled_from(HYPER), st.text("0123456789.", min_size=1, max_size=10)
    ),
    policy=st.lists(
        st.sampled_from(["retry=999", "onSupersede=finish", "onRemove=cancel"]), unique=True
    ).map(tuple),
    commit=st.just("") | hexes,
    dirty=st.booleans(),
    plan=st.just("") | hexes.map(lambda text: text[:32]),
    ownership=st.none() | ownerships.map(lambda found: replace(found, by_line=True)),
)


@effort(150)
@given(ownership=ownerships)
def test_labels_read_back_and_keep_googles_rules(ownership: Ownership) -> None:
    labels = job_labels(ownership)
    assert read_labels(labels) == ownership
    for key, value in labels.items():
        assert VALUE.fullmatch(key) and VALUE.fullmatch(value), (key, value)
    assert len(labels) == 5


@effort(100)
@given(address=addresses)
def test_an_address_reads_back_from_its_text_and_from_its_label(address: Address) -> None:
    assert Address.parse(str(address)) == address
    assert Address.from_label(address.label) == address
    assert NAME.fullmatch(address.name)


@effort(150)
@given(
    note=notes,
    text=st.text(max_size=40)
    | st.sampled_from(['[tuneops1 {"a":1}]', "x [tuneops1 {", "a\n[tuneops1 {}]\nb", "\n\n"]),
)
def test_the_machine_line_reads_back_whatever_text_is_above_it(note: Note, text: str) -> None:
    description = describe(text, note)
    found = read_note(description)
    assert found is not None
    if len(description.encode()) < 900 and note.validation is None:
        assert found == note
    less = replace(note, training_evidence=found.training_evidence)
    bare = replace(note, training_evidence=None, ownership=None)
    assert found in (less, bare), "evidence goes first, then what the labels say as well"
    assert len(description.rpartition("\n")[2].encode()) <= 1000
    assert description.startswith(text)
    assert read_note(description + "\n ") == found


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no line",
        "[tuneops1 ]",
        "[tuneops1 {}]",
        "[tuneops1 {not json}]",
        '[tuneops1 {"a":1}]',
        '[tuneops1 {"a":"x","t":[1,"c"]}]',
        '[tuneops1 {"a":1,"t":[1]}]',
        '[tuneops1 {"a":1,"t":5}]',
        '[tuneops1 {"a":1e999,"t":[1,"c"]}]',
        '[tuneops1 {"a":1,"t":[1e999,"c"]}]',
        '[tuneops1 {"a":1,"t":[1,"c"],"h":7}]',
        '[tuneops1 {"a":1,"t":[1,"c"]}] and more',
        '[tuneops1 {"a":' + "9" * 5000 + ',"t":[1,"c"]}]',
        '[tuneops1 {"a":1,"t":' + "[" * 100_000 + "}]",
        '[tuneops2 {"a":1,"t":[1,"c"]}]',
    ],
)
def test_a_line_that_somebody_edited_is_no_note(line: str) -> None:
    assert read_note(line) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("managed-by", "terraform"),
        ("managed-by", None),
        ("tuneops-owner", None),
        ("tuneops-owner", ""),
        ("tuneops-lineage", None),
        ("tuneops-attempt", None),
        ("tuneops-attempt", "3"),
        ("tuneops-attempt", "a1-" + a_mark()),
        ("tuneops-attempt", "a0001-short"),
        ("tuneops-attempt", "a\u0660\u0660\u0660\u0661-" + a_mark()),
        ("tuneops-attempt", "a0001-" + a_mark().upper()),
    ],
)
def test_labels_that_are_not_whole_are_not_ours(key: str, value: str | None) -> None:
    labels = job_labels(
        Ownership(owner="a--b", address="c/d", lineage="v1-x", attempt=1, mark=a_mark())
    )
    if value is None:
        del labels[key]
    else:
        labels[key] = value
    assert read_labels(labels) is None


# --- jobs whose labels were dropped --------------------------------------------------------------

MARKED = Ownership(
    owner="acme--prod",
    address="bot/week",
    lineage="v1-" + "a" * 52,
    attempt=2,
    mark=a_mark(7),
)
PUBLISHED = {
    '[tuneops1 {"a":2,"c":"c0ffee","h":{"epochCount":"3"},"n":"again","t":[7,"AAAA=="]}]': None,
    '[tuneops1 {"a":2,"i":"acme--prod bot__week v1-'
    + "a" * 52
    + " a0002-"
    + a_mark(7)
    + '","t":[7,"AAAA=="]}]': replace(MARKED, by_line=True),
}
"""Lines as they were written by a version of tuneops: added to, never edited."""


@pytest.mark.parametrize(("line", "ownership"), PUBLISHED.items(), ids=["without", "with"])
def test_a_published_line_is_read(line: str, ownership: Ownership | None) -> None:
    note = read_note(f"Answers questions\n{line}")
    assert note is not None
    assert (note.attempt, note.training, note.ownership) == (2, (7, "AAAA=="), ownership)


def test_a_line_is_written_as_it_was_published() -> None:
    line = list(PUBLISHED)[-1]
    assert describe("", Note(attempt=2, training=(7, "AAAA=="), ownership=MARKED)) == line


def _listed(number: int, said: Ownership | None, *, labelled: bool) -> ObservedJob:
    line = describe("ours", Note(attempt=2, training=(7, "AAAA=="), ownership=said))
    mark = said if labelled else None
    return an_observed_job(number=number, ownership=mark, description=line)


def test_a_job_without_labels_is_known_by_its_line() -> None:
    bare, other = _listed(1, MARKED, labelled=False), an_observed_job(number=2)
    known = replace(bare, ownership=replace(MARKED, by_line=True))
    assert known_by_line((bare, other)) == (known, other)


def test_labels_are_believed_before_a_line() -> None:
    labelled = replace(_listed(1, MARKED, labelled=True), ownership=replace(MARKED, owner="b--c"))
    assert known_by_line((labelled,)) == (labelled,)


def test_a_copy_of_a_job_with_labels_is_not_known_by_the_line_that_was_copied() -> None:
    jobs = (_listed(2, MARKED, labelled=False), _listed(1, MARKED, labelled=True))
    assert known_by_line(jobs) == jobs
    other = replace(MARKED, mark=a_mark(8))
    jobs = (_listed(2, other, labelled=False), _listed(1, MARKED, labelled=True))
    assert known_by_line(jobs)[0].ownership == replace(other, by_line=True)


@pytest.mark.parametrize(
    "words",
    ['""', "7", "null", '"acme--prod"', '"acme--prod bot__week v1-x a2-short"', '" a  a0001-b"'],
)
def test_a_line_that_does_not_say_whose_it_is_is_read_all_the_same(words: str) -> None:
    note = read_note('[tuneops1 {"a":2,"i":%s,"t":[7,"AAAA=="]}]' % words)  # noqa: UP031
    assert note == Note(attempt=2, training=(7, "AAAA=="))
