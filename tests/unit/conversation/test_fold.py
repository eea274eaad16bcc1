"""Events to one completion."""

import pytest

from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text, Usage
from langfast_wsgi.conversation.fold import Completion, fold
from tests.support.builders import PAUSE


@pytest.mark.parametrize(
    ("events", "completion"),
    [
        ([Finished("stop")], Completion("", "stop", None)),
        ([Text("a"), Text("b"), Finished("length")], Completion("ab", "length", None)),
        ([PAUSE, Text("a"), PAUSE, Finished("stop")], Completion("a", "stop", None)),
        ([Text("a"), Replaced("xyz"), Finished("stop")], Completion("xyz", "stop", None)),
        ([Replaced("x"), Text("y"), Finished("stop")], Completion("xy", "stop", None)),
        ([Text("a"), Finished("stop"), Usage(3, 1)], Completion("a", "stop", Usage(3, 1))),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_stream_folds_to_its_whole_answer(events: list[Event], completion: Completion) -> None:
    assert fold(events) == completion
