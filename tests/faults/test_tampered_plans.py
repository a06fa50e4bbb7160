"""A saved plan is compared, never executed: one change anywhere in it, and what comes of that."""

import json
from collections.abc import Iterator
from typing import Any

from tests.support.story import Story


def changed(value: Any) -> Iterator[Any]:
    """Every document that differs from this one at one leaf."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from ({**value, name: other} for other in changed(item))
            yield {key: kept for key, kept in value.items() if key != name}
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from ([*value[:at], other, *value[at + 1 :]] for other in changed(item))
            yield [*value[:at], *value[at + 1 :]]
    elif isinstance(value, bool) or value is None:
        yield not value
    elif isinstance(value, int | float):
        yield value + 1
    else:
        yield f"{value[:-1]}{'b' if value[-1:] == 'a' else 'a'}"


def test_a_plan_file_with_one_change_runs_what_was_shown_or_nothing(story: Story) -> None:
    plan = story.project / "plan.json"
    assert story.desk.run(story.project, "plan", "--out", str(plan)).code == 0
    document = json.loads(plan.read_text())
    shown = json.loads(story.desk.run(story.project, "plan", "--format", "json").out)
    (wanted,) = (action["lineage"] for action in shown["actions"])
    tried = refused = 0
    for other in changed(document):
        tried += 1
        plan.write_text(json.dumps(other))
        before = story.posts
        done = story.desk.run(story.project, "apply", str(plan))
        assert done.code in (0, 5, 65), (other, done)
        refused += done.code != 0
        assert story.posts == before or done.code == 0, (other, done)
        if story.posts > before:
            key = list(story.service.keys.values())[-1]
            assert key == f"{wanted} a0001", "it bought what was not shown"
            story.service.emulator.reset()
            story.lock.unlink()
    assert tried > 8 and refused > 5, (tried, refused)
