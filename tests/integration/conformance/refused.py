"""What is broken in refusals, one rule at a time."""

from typing import Any

from tests.integration.conformance.twists import (
    Break,
    asked,
    deaf_to,
    edited,
    error,
    fault,
    header,
    html,
    instead,
    is_chat,
    message,
    refusal,
    status,
)
from tests.support.crooked import Crook, Reply, Request


def bad(_: Request, reply: Reply) -> bool:
    return reply.status == 400


def of(code: int) -> Any:
    return lambda _, reply: reply.status == code


def saying(words: str) -> Any:
    """Replies with an error that has these words in it."""
    return lambda _, reply: reply.status >= 400 and words.encode() in reply.body


def limited(body: dict[str, Any]) -> None:
    """What is out of range is brought into it."""
    for name in ("temperature", "top_p", "n", "top_logprobs", "functions"):
        body.pop(name, None)


def without_functions(request: Request) -> Reply | None:
    return fault(400) if b'"function"' in request.body and b"bogus" not in request.body else None


def silent_refused(request: Request) -> Reply | None:
    messages = request.json.get("messages") or []
    return fault(400) if any(one.get("content", ...) is None for one in messages) else None


def uncalled_taken(body: dict[str, Any]) -> None:
    body["messages"] = [one for one in body.get("messages", []) if one.get("role") != "tool"]


def nulls_refused(request: Request) -> Reply | None:
    body = request.json
    return fault(400) if any(body.get(name, ...) is None for name in ("seed", "top_p")) else None


def nulls_are_streams(body: dict[str, Any]) -> None:
    if body.get("seed", ...) is None:
        body["stream"] = True


def texts_alone(body: dict[str, Any]) -> None:
    """Parts are dropped in silence."""
    for one in body.get("messages", []):
        if isinstance(one.get("content"), list):
            one["content"] = "".join(part.get("text", "") for part in one["content"])


def named_otherwise(body: dict[str, Any]) -> None:
    wanted = body.get("response_format") or {}
    if isinstance(wanted.get("json_schema"), dict):
        wanted["json_schema"]["name"] = "fine"


def open_door(request: Request) -> Reply | None:
    """No key is as good as the right one."""
    request.headers.setdefault("authorization", "Bearer crooked-key")
    return None


def any_key(request: Request) -> Reply | None:
    if "wrong" in request.headers.get("authorization", ""):
        request.headers["authorization"] = "Bearer crooked-key"
    return None


def one_case(request: Request) -> Reply | None:
    scheme = request.headers.get("authorization", "Bearer").split()[0]
    return None if scheme == "Bearer" else fault(401, code="invalid_api_key")


def known(request: Request) -> Reply | None:
    """Every model is known, and is the same one."""
    body = request.json
    if is_chat(request) and body.get("model") == "no-such-model-here":
        request.json = {**body, "model": "gpt-4o-mini"}
    return None


def steered(request: Request, word: str) -> bool:
    return is_chat(request) and word.encode() in request.body


def for_fault(word: str, answer: Reply) -> Crook:
    """Another answer where the upstream fails so."""
    return instead(lambda request: answer if steered(request, word) else None)


def unknown_page(request: Request) -> Reply | None:
    return html(404) if request.path.endswith("/no/such/path") else None


def other_words(_: Request, reply: Reply) -> None:
    if reply.status == 405:
        reply.json = {"error": {"message": "No.", "type": "x", "param": None, "code": None}}


def no_envelope(_: Request, reply: Reply) -> None:
    if reply.status >= 400:
        reply.json = {"error": "no"}


BREAKS = (
    Break(42, "a number as code", refusal(code=404)),
    Break(42, "no param", refusal(param=...)),
    Break(42, "no type", refusal(type=...)),
    Break(42, "a sentence alone", Crook(tell=no_envelope)),
    Break(43, "another status", status(422, bad)),
    Break(43, "another type", refusal(bad, type="server_error")),
    Break(43, "other words", refusal(bad, message="What?")),
    Break(44, "another code", refusal(bad, code="invalid_value")),
    Break(44, "no param", refusal(bad, param=None)),
    Break(
        44, "a path of another form", refusal(saying("messages[0].role"), param="messages.0.role")
    ),
    Break(45, "another code", refusal(bad, code="invalid_value")),
    Break(45, "another status", status(422, bad)),
    Break(46, "another code", refusal(bad, code="invalid_value")),
    Break(46, "no path", refusal(saying("messages[0]"), param="messages")),
    Break(47, "taken", asked(limited)),
    Break(47, "another code", refusal(bad, code="invalid_value")),
    Break(47, "no param", refusal(saying("top_p"), param=None)),
    Break(47, "penalties are not looked at", deaf_to("presence_penalty", "frequency_penalty")),
    Break(48, "no list of roles", refusal(bad, message="No.")),
    Break(48, "no functions", instead(without_functions)),
    Break(48, "null is refused", instead(silent_refused)),
    Break(49, "taken", asked(uncalled_taken)),
    Break(49, "another param", refusal(bad, param="messages")),
    Break(49, "a code", refusal(bad, code="invalid_value")),
    Break(50, "not heeded", deaf_to("response_format")),
    Break(50, "any name", asked(named_otherwise)),
    Break(50, "no JSON", message(content="hello")),
    Break(50, "JSON that does not fit", message(content='{"city": 5, "days": "3"}')),
    Break(51, "refused", instead(nulls_refused)),
    Break(51, "something else", asked(nulls_are_streams)),
    Break(52, "metadata without bounds", deaf_to("metadata")),
    Break(52, "identifiers without bounds", deaf_to("safety_identifier")),
    Break(52, "no param", refusal(bad, param=None)),
    Break(53, "dropped in silence", asked(texts_alone)),
    Break(53, "not named", refusal(bad, param=None, message="No.")),
    Break(53, "a failure", status(500, bad)),
    Break(54, "no key is needed", instead(open_door)),
    Break(54, "any key will do", instead(any_key)),
    Break(54, "another status", status(403, of(401))),
    Break(54, "another code", refusal(of(401), code=None)),
    Break(54, "another type", refusal(of(401), type="auth")),
    Break(54, "one case of the scheme", instead(one_case)),
    Break(55, "any model", instead(known)),
    Break(55, "another code", refusal(of(404), code="not_found")),
    Break(56, "a page", instead(unknown_page)),
    Break(56, "another status", status(404, of(405))),
    Break(56, "other words", Crook(tell=other_words)),
    Break(56, "plain text", header("content-type", "text/plain", of(405))),
    Break(57, "a status that nobody knows", status(418, bad)),
    Break(57, "a success", status(200, error)),
    Break(58, "another code", refusal(saying("rate_limit_exceeded"), code="slow_down")),
    Break(58, "no wait", header("retry-after", None, of(429))),
    Break(58, "a quota of another type", refusal(saying("insufficient"), type="rate_limit_error")),
    Break(58, "a quota to wait for", header("retry-after", "5", saying("insufficient"))),
    Break(59, "the refused token is told", for_fault("start-401", fault(401))),
    Break(59, "the refused account is told", for_fault("start-403", fault(403))),
    Break(59, "the limit is a failure", for_fault("start-429", fault(502))),
    Break(59, "no wait", header("retry-after", None, of(429))),
    Break(59, "silence is another failure", status(502, of(504))),
    Break(60, "another code", refusal(bad, code=None)),
    Break(60, "to be tried again", header("x-should-retry", None, bad)),
    Break(60, "a failure", status(502, bad)),
    Break(
        60, "an ordinary end", edited(lambda body: body["choices"][0].update(finish_reason="stop"))
    ),
)
