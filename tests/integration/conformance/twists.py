"""How a good answer is made a bad one: builders of what breaks one rule."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.crooked import Crook, Reply, Request

Chunk = dict[str, Any]
When = Callable[[Request, Reply], bool]


@dataclass(frozen=True)
class Break:
    """One rule broken: the check that has to find it, in what way, and how it is done."""

    number: int
    how: str
    crook: Crook

    def __str__(self) -> str:
        return f"{self.number}-{self.how.replace(' ', '-')}"


def is_chat(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/chat/completions")


def plain(request: Request, reply: Reply) -> bool:
    """An unstreamed completion."""
    return is_chat(request) and reply.status == 200 and not reply.streamed


def stream(_: Request, reply: Reply) -> bool:
    return reply.streamed


def error(_: Request, reply: Reply) -> bool:
    return reply.status >= 400


def always(_request: Request, _reply: Reply) -> bool:
    return True


def header(name: str, value: str | None, when: When = always) -> Crook:
    """Set it, or take it away."""

    def tell(request: Request, reply: Reply) -> None:
        if when(request, reply):
            reply.headers.pop(name, None)
            if value is not None:
                reply.headers[name] = value

    return Crook(tell=tell)


def status(value: int, when: When) -> Crook:
    def tell(request: Request, reply: Reply) -> None:
        if when(request, reply):
            reply.status = value

    return Crook(tell=tell)


def edited(edit: Callable[[Any], Any], when: When = plain) -> Crook:
    """The JSON of a reply; changed in place, or replaced by what comes back."""

    def tell(request: Request, reply: Reply) -> None:
        if when(request, reply) and (found := reply.json) is not None:
            changed = edit(found)
            reply.json = found if changed is None else changed

    return Crook(tell=tell)


def choice(**fields: Any) -> Crook:
    """Fields of each choice of a completion; None of them is taken away by ``...``."""
    return edited(lambda body: [_changed(one, fields) for one in body["choices"]] and None)


def message(**fields: Any) -> Crook:
    return edited(lambda body: [_changed(o["message"], fields) for o in body["choices"]] and None)


def whole(**fields: Any) -> Crook:
    return edited(lambda body: _changed(body, fields))


def refusal(when: When = error, **fields: Any) -> Crook:
    """Fields of an error."""
    return edited(lambda body: _changed(body["error"], fields) and None, when)


def _changed(found: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    for name, value in fields.items():
        if value is ...:
            found.pop(name, None)
        else:
            found[name] = value
    return found


def asked(change: Callable[[dict[str, Any]], Any]) -> Crook:
    """The JSON of a request to the chat route, changed in place."""

    def ask(request: Request) -> None:
        if is_chat(request) and (body := request.json):
            change(body)
            request.json = body

    return Crook(ask=ask)


def deaf_to(*fields: str) -> Crook:
    """A server that does not heed these fields."""
    return asked(lambda body: [body.pop(name, None) for name in fields])


def instead(answer: Callable[[Request], Reply | None]) -> Crook:
    """A reply of its own to some requests."""
    return Crook(ask=answer)


def frames(change: Callable[[list[str]], list[str]], when: When = stream) -> Crook:
    """The blocks of a stream, without their empty lines."""

    def tell(request: Request, reply: Reply) -> None:
        if when(request, reply) and reply.streamed:
            blocks = [one for one in reply.body.decode().split("\n\n") if one]
            reply.body = "".join(f"{one}\n\n" for one in change(blocks)).encode()

    return Crook(tell=tell)


def chunks(change: Callable[[list[Chunk]], Any]) -> Crook:
    """The chunks of a stream, changed in place or replaced; what else there is goes behind them."""

    def all_of_them(blocks: list[str]) -> list[str]:
        found = [json.loads(one[6:]) for one in blocks if one.startswith("data: {")]
        others = [one for one in blocks if not one.startswith("data: {")]
        changed = change(found)
        kept = found if changed is None else changed
        return [*(f"data: {json.dumps(one)}" for one in kept), *others]

    return frames(all_of_them)


def choices(change: Callable[[dict[str, Any]], Any]) -> Crook:
    """Each choice of each chunk, changed in place."""
    return chunks(lambda many: [change(one) for chunk in many for one in chunk["choices"]] and None)


def html(status: int) -> Reply:
    return Reply(status, {"content-type": "text/html", "content-length": "0"}, b"<p>no</p>")


def fault(status: int, **fields: Any) -> Reply:
    """An error in the envelope."""
    body = {"message": "no", "type": "invalid_request_error", "param": None, "code": None, **fields}
    reply = Reply(status, {"content-type": "application/json", "content-length": "0"})
    reply.json = {"error": body}
    return reply
