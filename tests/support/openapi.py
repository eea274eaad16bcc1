"""The gateway's own OpenAPI document as a judge: does an answer keep to it?

It is stricter than the document where that is generous: an answer has no field that is not told.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import jsonschema_rs
import requests

ENDS = ("response.completed", "response.incomplete", "response.failed", "message_stop", "error")
"""Types of events behind which there are no more, in the streams whose events have types."""


class Answer(Protocol):
    """What every client makes of an answer."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Any: ...
    @property
    def text(self) -> str: ...


class Document:
    """One document, and its judgement."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.content = document
        self._components = _closed(document["components"])
        self._validators: dict[str, Any] = {}

    def operations(self) -> Iterator[tuple[str, str]]:
        """Method and path of each, as in ``GET /v1/models/{id}``."""
        for path, item in self.content["paths"].items():
            yield from ((method.upper(), path) for method in item)

    def check(self, method: str, path: str, answer: Answer) -> None:
        """Fail unless status, headers and body of an answer are those of the operation."""
        responses = self.content["paths"][path][method.lower()]["responses"]
        assert str(answer.status_code) in responses, f"{answer.status_code} is not told: {path}"
        told = responses[str(answer.status_code)]
        headers = {name.lower(): value for name, value in answer.headers.items()}
        self._check_headers(told["headers"], headers)
        media = headers["content-type"].partition(";")[0]
        assert media in told["content"], f"{media} is not told: {answer.status_code} {path}"
        # requests takes text without a charset for latin-1.
        text = answer.content.decode() if isinstance(answer, requests.Response) else answer.text
        for instance in _instances(media, text):
            self.validate(told["content"][media]["schema"], instance)

    def validate(self, schema: Mapping[str, Any], instance: object) -> None:
        """Fail unless the instance is of the schema, a schema of an answer."""
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            whole = {**_closed(schema), "components": self._components}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole)
        error = next(self._validators[key].iter_errors(instance), None)
        assert error is None, f"{error} in {instance!r}"

    def request_schema(self, method: str, path: str) -> dict[str, Any]:
        """The schema of an operation's body, complete in itself."""
        body = self.content["paths"][path][method.lower()]["requestBody"]
        schema = body["content"]["application/json"]["schema"]
        return {**schema, "components": self.content["components"]}

    def _check_headers(self, told: Mapping[str, Any], found: Mapping[str, str]) -> None:
        for name in told:
            header = self.content["components"]["headers"][name]
            value = found.get(name.lower())
            if value is None:
                assert not header.get("required"), f"{name} is missing"
                continue
            is_number = header["schema"]["type"] == "integer"
            self.validate(header["schema"], int(value) if is_number else value)
        known = {name.lower() for name in self.content["components"]["headers"]}
        untold = known & found.keys() - {name.lower() for name in told}
        assert not untold, f"{untold} is not told"


def _instances(media: str, text: str) -> Iterator[object]:
    if media == "text/event-stream":
        yield from _events(text)
    else:
        yield json.loads(text) if media == "application/json" else text


def _events(text: str) -> Iterator[object]:
    """The data of all events of a stream that is not cut.

    An event has either a ``data:`` line alone, and the stream ends with ``[DONE]``, or an
    ``event:`` line with the data's type before it, and the stream ends with one of certain types.
    """
    *frames, behind = text.split("\n\n")
    assert behind == "", f"the stream is cut: {text}"
    events = [frame.split("\n") for frame in frames if not frame.startswith(":")]
    has_types = len(events[0]) > 1
    if not has_types:
        assert events.pop() == ["data: [DONE]"], text
    instance: Any = None
    for *kind, data in events:
        assert data.startswith("data: "), text
        instance = json.loads(data.removeprefix("data: "))
        assert kind == ([f"event: {instance['type']}"] if has_types else []), text
        yield instance
    assert not has_types or instance["type"] in ENDS, text


def _closed(schema: Any) -> Any:
    """The schema, with nothing allowed in its objects that it does not name."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed
