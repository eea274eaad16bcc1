"""Events to one completion."""

import pytest

from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused
from langfast_wsgi.conversation.events import Chosen, Event, Finished, Replaced, Text, Usage
from langfast_wsgi.conversation.fold import Call, Completion, fold, fold_choices
from tests.support.builders import PAUSE


@pytest.mark.parametrize(
    ("events", "completion"),
    [
        ([Finished("stop")], Completion("", "stop", None)),
        ([Text("a"), Text("b"), Finished("length")], Completion("ab", "length", None)),
        ([Text("a"), Finished("stop", "##")], Completion("a", "stop", None, stop="##")),
        ([PAUSE, Text("a"), PAUSE, Finished("stop")], Completion("a", "stop", None)),
        ([Text("a"), Replaced("xyz"), Finished("stop")], Completion("xyz", "stop", None)),
        ([Replaced("x"), Text("y"), Finished("stop")], Completion("xy", "stop", None)),
        ([Text("a"), Finished("stop"), Usage(3, 1)], Completion("a", "stop", Usage(3, 1))),
        (
            [
                *(Text("a"), CallBegun(0, "c1", "f"), CallArguments(0, '{"x":'), PAUSE),
                *(CallArguments(0, "1}"), CallBegun(1, "c2", "g"), Finished("tool_calls")),
            ],
            Completion("a", "tool_calls", None, (Call("c1", "f", '{"x":1}'), Call("c2", "g", ""))),
        ),
        (
            [Refused("I will"), Refused(" not."), Finished("stop")],
            Completion("", "stop", None, (), "I will not."),
        ),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_stream_folds_to_its_whole_answer(events: list[Event], completion: Completion) -> None:
    assert fold(events) == completion


def test_several_answers_fold_to_one_completion_each() -> None:
    events: list[Event] = [
        *(Chosen(1, Text("b")), Chosen(0, Text("a")), PAUSE, Chosen(1, Text("c"))),
        *(Chosen(1, Finished("length")), Chosen(0, Finished("stop")), Finished("stop")),
    ]
    told = [Completion("a", "stop", None), Completion("bc", "length", None)]
    assert fold_choices(events, 2) == (told, None)
    assert fold_choices([*events, Usage(3, 4)], 2) == (told, Usage(3, 4))
