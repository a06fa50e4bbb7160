"""How lines are put together."""

from tuneops.render.lines import first_few


def test_of_many_words_the_first_are_said_and_how_many_more_there_are() -> None:
    assert first_few(()) == ()
    assert first_few("abcde") == ("a", "b", "c", "d", "e")
    assert first_few("abcdef") == ("a", "b", "c", "d", "e", "and 1 more")
    assert first_few(["x"] * 1_003, 2) == ("x", "x", "and 1,001 more")
