"""The models, and the rest."""

from collections.abc import Mapping
from urllib.parse import quote

from langfast_wsgi.cli.conformance.answer import Answer, dig, is_whole
from langfast_wsgi.cli.conformance.check import Group
from langfast_wsgi.cli.conformance.look import Look, Tag
from langfast_wsgi.cli.conformance.server import CHAT, Server
from langfast_wsgi.cli.conformance.wording import GREETING, named

GROUP = Group("Models, and the rest")

_UNKNOWN = "no/such:model"
_ORIGIN = "https://elsewhere.example"
_FIELD = "made_up_by_a_conformance_check"


@GROUP.check(61, "The models are a list of id, object, created, owned_by", Tag.SPEC)
def models(look: Look) -> None:
    """`GET /models`: the envelope, and the fields of each entry."""
    answer = look.server.models()
    look.must(answer.status == 200, "status 200", answer.described)
    look.must(dig(answer.json, "object") == "list", "object: list", answer.described)
    data = dig(answer.json, "data")
    look.must(isinstance(data, list) and data, "data with models in it", answer.described)
    for one in data:
        _sound_model(look, one)


def _sound_model(look: Look, one: object) -> None:
    texts = all(isinstance(dig(one, name), str) for name in ("id", "owned_by"))
    look.must(texts, "id and owned_by as texts", one)
    look.must(dig(one, "object") == "model", "object: model", one)
    look.must(is_whole(dig(one, "created")), "whole seconds in created", one)


@GROUP.check(62, "A model is told by its id, slashes and colons in it", Tag.GATEWAY)
def one_model(look: Look) -> None:
    """`GET /models/{id}`, raw and percent-encoded, of a listed model (one with a slash or a colon
    in its id where there is such a one) and of `no/such:model`, which is a 404.
    """
    listed = look.server.model_ids
    look.must(listed, "a list of models", "none")
    found = max(listed, key=lambda name: ("/" in name) + (":" in name), default="")
    for path in (found, quote(found, safe="")) if found else ():
        answer = look.server.get(f"/models/{path}")
        look.must(answer.status == 200, f"200 for {path}", answer.described)
        look.must(dig(answer.json, "id") == found, f"the model {found}", answer.described)
    for path in (_UNKNOWN, quote(_UNKNOWN, safe="")):
        answer = look.server.get(f"/models/{path}")
        look.must(answer.status == 404, f"404 for {path}", answer.described)
        look.must(isinstance(answer.error, dict), "an error in JSON", answer.described)


def _tells(answer: Answer, field: str) -> bool:
    """Whether a header names a field as one that has no effect, or an error refuses it."""
    told = (value for name, value in answer.headers.items() if "ignored" in name.lower())
    said = f"{dig(answer.error, 'param')} {dig(answer.error, 'message')}"
    is_refused = answer.status == 400 and field in said
    return is_refused or any(field in value for value in told)


@GROUP.check(
    63, "store: true keeps the completion, or is said to be ignored", Tag.SPEC, Tag.GATEWAY
)
def store(look: Look) -> None:
    """A completion with `store: true`: `GET /chat/completions/{id}` gives it back, or a header
    names the field as ignored, or it is refused.
    """
    answer = look.server.completion(GREETING, store=True)
    if _tells(answer, "store"):
        look.must(True, "")
        return
    look.must(answer.status == 200, "an answer of 200", answer.described)
    kept = look.server.get(f"{CHAT}/{dig(answer.json, 'id')}")
    is_kept = kept.status == 200 and dig(kept.json, "id") == dig(answer.json, "id")
    look.must(
        is_kept,
        "the completion at its own address, or a header that names `store` as ignored",
        kept.described,
        tag=Tag.GATEWAY,
    )


@GROUP.check(64, "An unknown field is told to be ignored, or refused", Tag.GATEWAY)
def unknown_field(look: Look) -> None:
    """A request with a field that nobody knows: 200 with a header that names it, or a 400 that
    does.
    """
    answer = look.server.completion(GREETING, **{_FIELD: True})
    look.must(answer.status in (200, 400), "200 or 400", answer.described)
    look.must(
        _tells(answer, _FIELD),
        "the field's name in a header or in an error",
        {"status": answer.status, **named(answer.headers, "x-")},
    )


@GROUP.check(65, "HEAD, OPTIONS and CORS weaken no key", Tag.GATEWAY)
def origins(look: Look) -> None:
    """Requests from another origin, a preflight among them: none is answered with any origin (`*`,
    or whichever asks) together with credentials. Without the key, HEAD gives what GET gives, and
    OPTIONS runs nothing.
    """
    server = look.server
    asking = {"Origin": _ORIGIN}
    preflight = {
        **asking,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    for answer in (
        server.send("OPTIONS", CHAT, headers=preflight, keyed=False),
        server.get("/models", headers=asking),
        server.send("POST", CHAT, {"messages": GREETING, "model": server.model}, headers=asking),
        server.get("/models", headers=asking, keyed=False),
    ):
        allowed = named(answer.headers, "access-control-allow-")
        look.must(not _is_wide_open(allowed), "no credentials together with any origin", allowed)
    _without_key(look, server)


def _is_wide_open(allowed: Mapping[str, str]) -> bool:
    origin = allowed.get("access-control-allow-origin", "")
    credentials = allowed.get("access-control-allow-credentials", "").lower() == "true"
    return credentials and origin in ("*", _ORIGIN)


def _without_key(look: Look, server: Server) -> None:
    got = server.get("/models", keyed=False)
    head = server.send("HEAD", "/models", keyed=False)
    look.must(head.status == got.status, f"{got.status} for HEAD as for GET", head.status)
    options = server.send("OPTIONS", CHAT, {"messages": GREETING}, keyed=False)
    look.must(not dig(options.json, "choices"), "no completion for OPTIONS", options.described)
