"""How requests that cannot be served are refused, and which ones are none of those."""

import json
from typing import Any

from langfast_wsgi.cli.conformance.answer import Answer, dig
from langfast_wsgi.cli.conformance.check import Group
from langfast_wsgi.cli.conformance.look import Look, Tag
from langfast_wsgi.cli.conformance.wording import GREETING, user
from langfast_wsgi.cli.steps import NotDone

GROUP = Group("Refused requests")

_KEYS = ("message", "type", "param", "code")
_PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q"
    "DwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_NULLABLE = (
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "metadata",
    "n",
    "presence_penalty",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "top_logprobs",
    "top_p",
)
#: Fields out of range, and the param that names them.
_OUT_OF_RANGE: tuple[tuple[dict[str, Any], str], ...] = (
    ({"temperature": -0.5}, "temperature"),
    ({"top_p": 1.5}, "top_p"),
    ({"top_p": -0.5}, "top_p"),
    ({"presence_penalty": 2.5}, "presence_penalty"),
    ({"frequency_penalty": -2.5}, "frequency_penalty"),
    ({"n": 0}, "n"),
    ({"n": 129}, "n"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"functions": []}, "functions"),
    ({"functions": [{"name": f"f{number}"} for number in range(129)]}, "functions"),
)


def _body(**fields: Any) -> dict[str, Any]:
    return {"messages": GREETING, **fields}


def _named(error: object, start: str) -> bool:
    param = dig(error, "param")
    return isinstance(param, str) and param.startswith(start)


@GROUP.check(42, "Errors have message, type, param and code", Tag.SPEC)
def envelope(look: Look) -> None:
    """Five refusals (no JSON, a missing field, a wrong type, an unknown model, an unknown path):
    all four keys, a message and a type that are texts, and a code that is a text or null, never a
    number.
    """
    server = look.server
    for answer in (
        server.malformed(),
        server.chat({}),
        server.chat({"messages": 5}),
        server.completion(GREETING, model="no-such-model-here"),
        server.nowhere(),
    ):
        error = answer.error
        is_object = look.must(isinstance(error, dict), "an `error` object", answer.described)
        for name in _KEYS if is_object else ():
            look.must(name in error, f"{name} in the error", error)
        for name in ("message", "type"):
            said = dig(error, name)
            look.must(isinstance(said, str) and said, f"a text as {name}", error)
        for name in ("param", "code"):
            look.must(isinstance(dig(error, name), str | None), f"a text or null as {name}", error)


@GROUP.check(43, "What is no JSON object is a 400", Tag.MEASURED)
def no_object(look: Look) -> None:
    """Half a document, a list and a text: 400 and `invalid_request_error`; the sentence is
    OpenAI's.
    """
    for body in (b'{"messages": [', b"[]", b'"text"'):
        answer = look.server.chat(body)
        said = body.decode()
        look.must(answer.status == 400, f"400 for {said}", answer.described)
        kind = dig(answer.error, "type")
        look.must(kind == "invalid_request_error", "type invalid_request_error", answer.described)
        message = str(dig(answer.error, "message"))
        look.must(
            "parse the JSON body" in message,
            "`We could not parse the JSON body of your request`",
            message,
            tag=Tag.GATEWAY,
        )


@GROUP.check(44, "A missing field is missing_required_parameter", Tag.MEASURED)
def missing(look: Look) -> None:
    """Bodies without `messages`, without a role, and with a `tool_choice` that names no function:
    400 with the path of what is missing.
    """
    tools = [{"type": "function", "function": {"name": "f"}}]
    choice = {"type": "function", "function": {}}
    for body, param in (
        ({}, "messages"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        (_body(tools=tools, tool_choice=choice), "tool_choice.function.name"),
    ):
        look.refused(body, code="missing_required_parameter", param=param)


@GROUP.check(45, "No messages are empty_array", Tag.MEASURED)
def empty(look: Look) -> None:
    """`messages: []` is a 400 that names them."""
    look.refused({"messages": []}, code="empty_array", param="messages")


@GROUP.check(46, "A wrong type is invalid_type, with its path", Tag.MEASURED)
def wrong_type(look: Look) -> None:
    """A number as a content, a text as a temperature."""
    look.refused({"messages": [user(5)]}, code="invalid_type", param="messages[0].content")
    look.refused(_body(temperature="hot"), code="invalid_type", param="temperature")


@GROUP.check(47, "What is out of range is a 400 that names the field", Tag.MEASURED, Tag.SPEC)
def ranges(look: Look) -> None:
    """`temperature: 3` is `decimal_above_max_value`; each other field beyond its range,
    `top_logprobs` without `logprobs`, and no or 129 functions are a 400 with the field as `param`.
    """
    look.refused(_body(temperature=3), code="decimal_above_max_value", param="temperature")
    for fields, param in _OUT_OF_RANGE:
        look.refused(_body(**fields), param=param)


@GROUP.check(48, "An unknown role is refused; any role may be silent", Tag.MEASURED)
def roles(look: Look) -> None:
    """A role that does not exist is `invalid_value`, with those that do. Messages of all roles
    without content, or with null, are taken, also of the deprecated role `function`.
    """
    answer = look.refused({"messages": [{"role": "bogus", "content": "hi"}]}, code="invalid_value")
    said = str(dig(answer.error, "message"))
    listed = all(role in said for role in ("system", "assistant", "user", "tool"))
    look.must(listed, "a sentence that lists the roles", said)
    silent: list[Any] = [
        {"role": "system", "content": None},
        {"role": "user"},
        {"role": "assistant", "content": None},
        {"role": "function", "name": "f"},
        *GREETING,
    ]
    look.completed(silent)


@GROUP.check(49, "A tool's answer without a call is refused", Tag.MEASURED)
def uncalled(look: Look) -> None:
    """A message of the role `tool` behind a user's: 400 with `messages.[1].role` and no code."""
    messages = [*GREETING, {"role": "tool", "tool_call_id": "call_1", "content": "17 degrees"}]
    look.refused({"messages": messages}, code=None, param="messages.[1].role")


@GROUP.check(50, "response_format is checked, and kept to", Tag.MEASURED, Tag.SPEC)
def structured(look: Look) -> None:
    """`json_object` without the word JSON, and `json_schema` with no name, an empty one, one of 65
    characters or one with a space are 400. With all in order an answer is a JSON object that fits,
    streamed and not.
    """
    look.refused(_body(response_format={"type": "json_object"}), param="messages")
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
        "additionalProperties": False,
    }
    for name in (None, "", "x" * 65, "two words"):
        named = {"schema": schema} | ({} if name is None else {"name": name})
        look.refused(_body(response_format={"type": "json_schema", "json_schema": named}))
    wanted = {
        "type": "json_schema",
        "json_schema": {"name": "trip", "strict": True, "schema": schema},
    }
    asked = [user("Plan a trip to Paris of 3 days.")]
    fields: dict[str, Any] = {"response_format": wanted, "model": look.server.obedient}
    answer = look.completed(asked, optional="response_format", **fields)
    look.must(_fits(answer.text), "a JSON object that fits the schema", answer.text)
    said = look.streamed(asked, **fields).text()
    look.must(_fits(said), "the same in a stream", said)
    said = look.completed(
        [user('Answer in JSON, with the keys "city" and "days": Paris, 3 days.')],
        response_format={"type": "json_object"},
        model=look.server.obedient,
    ).text
    look.must(isinstance(_parsed(said), dict), "a JSON object for json_object", said)


def _parsed(text: object) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _fits(text: object) -> bool:
    found = _parsed(text)
    if not isinstance(found, dict) or set(found) != {"city", "days"}:
        return False
    return isinstance(found["city"], str) and isinstance(found["days"], int)


@GROUP.check(51, "null is as good as absent", Tag.SPEC)
def nulls(look: Look) -> None:
    """One request with every optional field that may be null set to it: a whole, unstreamed
    answer.
    """
    absent: dict[str, Any] = dict.fromkeys(_NULLABLE)
    answer = look.completed(GREETING, **absent)
    look.must(isinstance(answer.text, str), "a text in an unstreamed answer", answer.described)
    look.must(len(dig(answer.json, "choices") or ()) == 1, "one choice", answer.described)


@GROUP.check(52, "metadata and safety_identifier are bounded", Tag.SPEC)
def bounds(look: Look) -> None:
    """17 pairs, a key of 65 characters, a value of 513, and an identifier of 65: each is a 400
    that names the field.
    """
    for fields in (
        {"metadata": {f"key{number}": "x" for number in range(17)}},
        {"metadata": {"k" * 65: "x"}},
        {"metadata": {"key": "v" * 513}},
        {"safety_identifier": "s" * 65},
    ):
        answer = look.refused(_body(**fields))
        name = next(iter(fields))
        look.must(_named(answer.error, name), f"a param that begins with {name}", answer.error)


@GROUP.check(53, "A part that the model does not take is refused by name", Tag.GATEWAY)
def media(look: Look) -> None:
    """An image, a sound and a file beside a text. What is not taken is a 400 whose `param` names
    the part or whose sentence names its kind. Whether a model looks at what it takes cannot be
    seen.
    """
    parts = {
        "image_url": {"url": _PIXEL},
        "input_audio": {"data": "UklGRg==", "format": "wav"},
        "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
    }
    taken = []
    for kind, value in parts.items():
        content = [{"type": "text", "text": "What is this?"}, {"type": kind, kind: value}]
        answer = look.server.completion([user(content)])
        if answer.status == 200 and not _text_alone(look):
            taken.append(kind)
            continue
        look.must(answer.status == 400, f"400 for a part {kind}", answer.described)
        look.must(_names(answer, kind), f"an error that names {kind}", answer.error)
    if len(taken) == len(parts):
        raise NotDone("the model takes all kinds of parts; whether it looks cannot be seen")
    for kind in taken:
        look.note(f"whether the model looks at its {kind} cannot be seen")


def _text_alone(look: Look) -> bool:
    """Whether the server itself says that this model takes text and nothing else."""
    told = look.server.get(f"/models/{look.server.model}")
    parts = dig(told.json, "langfast", "chat_completions", "content_parts")
    return bool(parts == ["text"])


def _names(answer: Answer, kind: str) -> bool:
    error = answer.error
    return (
        kind in str(dig(error, "message"))
        or _named(error, "messages[0].content")
        or _named(error, "messages.[0].content")
    )
