"""What a caller wants run."""

import dataclasses

import pytest

from langfast_wsgi.conversation.request import RunRequest


def test_what_the_caller_did_not_say_is_none() -> None:
    request = RunRequest("m", [])
    unsaid = [field.name for field in dataclasses.fields(request)][2:7]
    assert [getattr(request, name) for name in unsaid] == [None] * 5


def test_nothing_but_text_is_asked_for_unless_the_caller_says_so() -> None:
    request = RunRequest("m", [])
    assert (request.stop, request.tools, request.json, request.json_schema) == (
        (),
        None,
        False,
        None,
    )


def test_a_request_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunRequest("m", []).model = "n"  # type: ignore[misc]
