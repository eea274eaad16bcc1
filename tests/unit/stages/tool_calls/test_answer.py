"""How far an answer has come."""

from langfast_wsgi.stages.tool_calls.answer import Answer
from tests.unit.stages.tool_calls.offers import offer


def test_text_is_kept_only_until_its_first_characters_tell() -> None:
    answer = Answer(offer())
    assert [answer.feed(piece) for piece in ("\n", "To", " d", "o <", "b> <tool_", "x>")] == [
        "",
        "",
        "\nTo d",
        "o ",
        "<b> ",
        "<tool_x>",
    ]
    assert not answer.calls
    assert answer.rest() == ""


def test_a_call_is_kept_whole() -> None:
    answer = Answer(offer())
    assert [answer.feed(piece) for piece in ("\n<tool", "_call>", "{")] == ["", "", ""]
    assert (answer.calls, answer.marked) == (True, True)
    assert answer.rest() == "\n<tool_call>{"


def test_json_that_begins_like_a_call_is_not_marked_as_one() -> None:
    answer = Answer(offer())
    assert answer.feed('{"name": "ping"') == ""
    assert (answer.calls, answer.marked) == (True, False)


def test_a_marker_behind_text_begins_a_call() -> None:
    answer = Answer(offer())
    assert [answer.feed(piece) for piece in ("Let me see.\n<too", "l_call>\n{", "}")] == [
        "Let me see.\n",
        "",
        "",
    ]
    assert (answer.calls, answer.marked) == (True, True)
    assert answer.rest() == "<tool_call>\n{}"


def test_where_a_call_is_required_nothing_is_shown() -> None:
    answer = Answer(offer(choice="required"))
    assert answer.feed("Let me see.") == ""
    assert answer.rest() == "Let me see."


def test_what_may_begin_a_marker_is_shown_where_no_text_comes_behind() -> None:
    answer = Answer(offer())
    assert answer.feed("a <tool") == "a "
    assert answer.end() == "<tool"
    assert answer.rest() == ""


def test_what_was_never_told_is_the_rest() -> None:
    answer = Answer(offer())
    assert answer.feed("<tool_c") == ""
    assert (answer.end(), answer.rest(), answer.calls) == ("", "<tool_c", False)
