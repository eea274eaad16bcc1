"""What is broken in transport, unstreamed bodies, tools and models, one rule at a time."""

from typing import Any

from tests.integration.conformance.twists import (
    Break,
    asked,
    choice,
    deaf_to,
    edited,
    error,
    fault,
    header,
    html,
    instead,
    is_chat,
    message,
    plain,
    status,
    stream,
    whole,
)
from tests.support.crooked import Crook, Reply, Request


def garble(_: Request, reply: Reply) -> None:
    reply.body = reply.body[:-1]


def limits(**change: str) -> Crook:
    """All rate limit headers as they should be, but for some; those that are "" are not there."""
    good = {
        f"x-ratelimit-{a}-{b}": "9" for a in ("limit", "remaining") for b in ("requests", "tokens")
    }
    good |= {"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}
    changed = {f"x-ratelimit-{name.replace('_', '-')}": value for name, value in change.items()}

    def tell(_: Request, reply: Reply) -> None:
        reply.headers.update({**good, **changed})
        for name, value in changed.items():
            if not value:
                del reply.headers[name]

    return Crook(tell=tell)


def rate(_: Request, reply: Reply) -> bool:
    return reply.status == 429 and b"insufficient_quota" not in reply.body


def quota(_: Request, reply: Reply) -> bool:
    return reply.status == 429 and b"insufficient_quota" in reply.body


def malformed(request: Request, reply: Reply) -> bool:
    return is_chat(request) and reply.status == 400


def small_bodies(request: Request) -> Reply | None:
    return html(413) if int(request.headers.get("content-length", 0)) > 1 << 29 else None


def inflates(request: Request) -> Reply | None:
    if request.headers.get("content-encoding") != "gzip":
        return None
    return Reply(200, {"content-type": "application/json", "content-length": "2"}, b"{}")


def calls(**fields: Any) -> Crook:
    """Fields of each tool call; ``arguments`` and ``name`` of its function."""

    def edit(body: Any) -> None:
        for call in body["choices"][0]["message"].get("tool_calls") or []:
            inner = {name: fields[name] for name in ("arguments", "name") if name in fields}
            call["function"].update(inner)
            call.update({name: value for name, value in fields.items() if name not in inner})

    return edited(edit)


def zero_indices(body: Any) -> None:
    for one in body["choices"]:
        one["index"] = 0


def within(name: str, most: Any) -> Crook:
    """A server that quietly takes less than was asked for."""

    def change(body: dict[str, Any]) -> None:
        if isinstance(body.get(name), int) and body[name] > most:
            body[name] = most

    return asked(change)


def at(suffix: str, status_: int | None = 200) -> Any:
    """Replies to a GET of paths that end so."""
    return lambda request, reply: (
        request.method == "GET"
        and request.path.endswith(suffix)
        and (status_ is None or reply.status == status_)
    )


def entry(**fields: Any) -> Crook:
    def edit(body: Any) -> None:
        body["data"][0].update(fields)

    return edited(edit, at("/models"))


def slashes(request: Request) -> Reply | None:
    return fault(404) if "%2F" in request.path else None


def any_model(request: Request) -> Reply | None:
    if not request.path.startswith("/v1/models/no"):
        return None
    return Reply(200, {"content-type": "application/json", "content-length": "2"}, b"{}")


def wide_open(_: Request, reply: Reply) -> None:
    reply.headers["access-control-allow-origin"] = "*"
    reply.headers["access-control-allow-credentials"] = "true"


def mirrored(request: Request, reply: Reply) -> None:
    if "origin" in request.headers:
        reply.headers["access-control-allow-origin"] = request.headers["origin"]
        reply.headers["access-control-allow-credentials"] = "true"


def head_is_open(request: Request) -> Reply | None:
    return Reply(200) if request.method == "HEAD" else None


BREAKS = (
    Break(1, "the type is text", header("content-type", "text/plain", plain)),
    Break(1, "half a body", Crook(tell=lambda q, r: garble(q, r) if plain(q, r) else None)),
    Break(2, "another type", header("content-type", "text/plain", stream)),
    Break(2, "a length", header("content-length", "9", stream)),
    Break(2, "cached", header("cache-control", None, stream)),
    Break(2, "buffered", header("x-accel-buffering", None, stream)),
    Break(3, "errors without it", header("x-request-id", None, error)),
    Break(3, "streams without it", header("x-request-id", None, stream)),
    Break(4, "a fraction", header("openai-processing-ms", "1.5")),
    Break(4, "no version", header("openai-version", None)),
    Break(5, "no number", limits(limit_tokens="many")),
    Break(5, "a time stamp", limits(reset_requests="1735689600")),
    Break(5, "a limit without the rest", limits(remaining_tokens="")),
    Break(6, "no wait", header("retry-after", None, rate)),
    Break(6, "a wait in words", header("retry-after", "soon", rate)),
    Break(6, "a wait for a quota", header("retry-after", "5", quota)),
    Break(7, "a wait that nobody has", header("retry-after", "600", rate)),
    Break(7, "milliseconds in words", header("retry-after-ms", "soon", rate)),
    Break(8, "a third word", header("x-should-retry", "maybe", error)),
    Break(8, "bad requests to be tried again", header("x-should-retry", None, malformed)),
    Break(8, "a quota to be tried again", header("x-should-retry", "true", quota)),
    Break(9, "a page", instead(small_bodies)),
    Break(9, "a bomb is taken", instead(inflates)),
    Break(10, "another prefix", whole(id="cmpl-1")),
    Break(10, "the same id", whole(id="chatcmpl-1")),
    Break(10, "another object", whole(object="text_completion")),
    Break(10, "milliseconds", whole(created=1735689600000)),
    Break(10, "a fraction of seconds", whole(created=1735689600.5)),
    Break(10, "no model", whole(model=...)),
    Break(11, "no logprobs", choice(logprobs=...)),
    Break(11, "no index", choice(index=...)),
    Break(12, "no refusal", message(refusal=...)),
    Break(12, "another role", message(role="bot")),
    Break(12, "content that is no text", message(content=["hi"])),
    Break(13, "a reason of its own", choice(finish_reason="eos")),
    Break(
        13,
        "the upstream's reason",
        edited(
            lambda body: (
                body["choices"][0].update(finish_reason="eos")
                if body["choices"][0]["message"]["content"] == "x"
                else None
            )
        ),
    ),
    Break(14, "a wrong sum", edited(lambda body: body["usage"].update(total_tokens=1))),
    Break(14, "texts", edited(lambda body: body["usage"].update(total_tokens="9"))),
    Break(14, "no usage", whole(usage=None)),
    Break(15, "arguments as an object", calls(arguments={"city": "Paris"})),
    Break(15, "arguments that are no JSON", calls(arguments="{city")),
    Break(15, "no id", calls(id="")),
    Break(15, "another type", calls(type="tool")),
    Break(15, "another name", calls(name="weather")),
    Break(15, "an empty content", message(content="")),
    Break(15, "an ordinary end", choice(finish_reason="stop")),
    Break(15, "tools are not heeded", deaf_to("tools", "tool_choice")),
    Break(16, "one choice", deaf_to("n")),
    Break(16, "the same index", edited(zero_indices)),
    Break(16, "as many as anybody wants", within("n", 8)),
    Break(17, "not heeded", deaf_to("stop")),
    Break(17, "another reason", choice(finish_reason="length")),
    Break(
        17,
        "five are four",
        asked(lambda b: b.update(stop=b["stop"][:4]) if isinstance(b.get("stop"), list) else None),
    ),
    Break(18, "not heeded", deaf_to("max_completion_tokens")),
    Break(18, "an ordinary end", choice(finish_reason="stop")),
    Break(32, "not heeded", deaf_to("parallel_tool_calls")),
    Break(61, "another object", edited(lambda body: body.update(object="models"), at("/models"))),
    Break(61, "no owner", entry(owned_by=None)),
    Break(61, "no date", entry(created="today")),
    Break(61, "no models", edited(lambda body: body.update(data=[]), at("/models"))),
    Break(62, "encoded slashes", instead(slashes)),
    Break(62, "any model", instead(any_model)),
    Break(62, "another model", edited(lambda body: body.update(id="x"), at("model:free"))),
    Break(63, "nothing is told", header("x-langfast-ignored-params", None)),
    Break(64, "nothing is told", header("x-langfast-ignored-params", None)),
    Break(64, "a failure", status(500, lambda q, r: b"made_up" in q.body)),
    Break(65, "anybody with credentials", Crook(tell=wide_open)),
    Break(65, "whoever asks with credentials", Crook(tell=mirrored)),
    Break(65, "HEAD needs no key", instead(head_is_open)),
)
