"""The body of a start request."""

import json
import uuid
from typing import Any

import pytest

from langfast_wsgi.emulator.faults.names import START_FAULTS
from langfast_wsgi.emulator.runs.refusals import StartRefusal
from langfast_wsgi.emulator.runs.request import parsed
from langfast_wsgi.emulator.runs.startfaults import STATUSES

_META = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}


def _body(**changed: Any) -> dict[str, Any]:
    ids = {name: str(uuid.uuid4()) for name in ("run_id", "prompt_id", "created_by")}
    return {**ids, "prompt_meta": _META, "test_cases": [], **changed}


def test_a_good_body_is_read() -> None:
    body = _body()
    start = parsed(json.dumps(body).encode())
    assert (start.run_id, start.created_by) == (body["run_id"], body["created_by"])
    assert (start.model, start.messages, start.prompt_meta) == ("echo", _META["messages"], _META)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"run_id": "1"}, "run_id must be a UUID."),
        ({"prompt_id": None}, "prompt_id is missing."),
        ({"created_by": 5}, "created_by must be a UUID."),
        ({"test_cases": {}}, "test_cases must be a list."),
        ({"prompt_meta": []}, "prompt_meta must be an object."),
        ({"prompt_meta": {**_META, "model": ""}}, "prompt_meta.model must be a text."),
        ({"prompt_meta": {**_META, "messages": []}}, "prompt_meta.messages must be a list."),
        (
            {"prompt_meta": {**_META, "messages": [{"content": "x"}]}},
            "prompt_meta.messages[0] must be an object with a role.",
        ),
    ],
)
def test_a_bad_body_is_refused_with_a_sentence(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(StartRefusal) as caught:
        parsed(json.dumps(_body(**changed)).encode())
    assert (caught.value.status, caught.value.message) == (400, message)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"'])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(StartRefusal):
        parsed(body)


def test_every_fault_of_a_start_that_names_a_status_has_it() -> None:
    assert STATUSES["start-546"] == 546
    assert set(STATUSES) < set(START_FAULTS)
