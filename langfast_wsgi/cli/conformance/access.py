"""Keys, names and paths that are wrong, and what becomes of the upstream's own refusals."""

from langfast_wsgi.cli.conformance.answer import dig
from langfast_wsgi.cli.conformance.check import Group
from langfast_wsgi.cli.conformance.look import Look, Tag
from langfast_wsgi.cli.conformance.server import CHAT, Unanswered
from langfast_wsgi.cli.conformance.wording import GREETING
from langfast_wsgi.cli.steps import NotDone

GROUP = Group("Keys, names, paths and limits")

WRONG_KEY = "sk-wrong-0000000000000000000000000000"
_NO_MODEL = "no-such-model-here"
#: Statuses of which an SDK makes an exception of their own.
_KNOWN = (400, 401, 403, 404, 409, 422, 429)
_SILENCE = 6.0  # seconds that we wait for a gateway to give its silent upstream up
_SPARE = 3  # accounts, before one is made to rest


@GROUP.check(54, "No key or a wrong one is a 401", Tag.MEASURED, Tag.GATEWAY)
def keys(look: Look) -> None:
    """Requests without a key, and with a wrong one (`invalid_api_key`): 401
    `invalid_request_error`. The scheme `bearer` is read in any case.
    """
    server = look.server
    none = server.completion_as(None)
    wrong = server.completion_as(f"Bearer {WRONG_KEY}")
    if none.status == 200 and (wrong.status == 200 or not server.key):
        raise NotDone("it asks for no key")
    for name, answer in (("no key", none), ("a wrong key", wrong)):
        look.must(answer.status == 401, f"401 for {name}", answer.described)
        kind = dig(answer.error, "type")
        look.must(kind == "invalid_request_error", "type invalid_request_error", answer.error)
    code = dig(wrong.error, "code")
    look.must(code == "invalid_api_key", "code invalid_api_key for a wrong key", wrong.error)
    for scheme in ("bearer", "BEARER"):
        status = server.completion_as(f"{scheme} {server.key}").status
        look.must(status == 200, f"200 for the scheme {scheme}", status, tag=Tag.GATEWAY)


@GROUP.check(55, "An unknown model is model_not_found", Tag.MEASURED)
def unknown_model(look: Look) -> None:
    """A model that does not exist: 404 (or 400, as once recorded), code `model_not_found`."""
    answer = look.server.completion(GREETING, model=_NO_MODEL)
    look.must(answer.status in (404, 400), "404", answer.described)
    look.must(dig(answer.error, "code") == "model_not_found", "code model_not_found", answer.error)


@GROUP.check(56, "Unknown paths and wrong methods are JSON", Tag.MEASURED)
def paths(look: Look) -> None:
    """An unknown path is a 404, GET on the chat route a 405 in OpenAI's words, DELETE on the list
    of models is a 405 or 404; each in JSON, never HTML.
    """
    server = look.server
    method = server.get(CHAT)
    for name, answer, statuses in (
        ("an unknown path", server.nowhere(), (404,)),
        ("GET on the chat route", method, (405,)),
        ("DELETE on the list of models", server.send("DELETE", "/models"), (405, 404)),
    ):
        look.must(answer.status in statuses, f"{statuses[0]} for {name}", answer.described)
        is_json = answer.media_type.endswith("json") and isinstance(answer.error, dict)
        look.must(is_json, f"an error in JSON for {name}", answer.described)
    said = str(dig(method.error, "message"))
    look.must("Not allowed to GET" in said, "`Not allowed to GET on …`", said)


@GROUP.check(57, "Refusals have statuses that SDKs know", Tag.SDK)
def statuses(look: Look) -> None:
    """The statuses of four refusals are ones of which the SDKs make exceptions of their own: 400
    for a bad field, 404 for a name or a path that is unknown. Which classes those are is a
    statement about clients.
    """
    server = look.server
    for name, answer, wanted in (
        ("a body that is no JSON", server.malformed(), (400,)),
        ("a field out of range", server.completion(GREETING, temperature=3), (400, 422)),
        ("an unknown model", server.completion(GREETING, model=_NO_MODEL), (404, 400)),
        ("an unknown path", server.nowhere(), (404,)),
    ):
        fits = answer.status in wanted and answer.status in _KNOWN
        look.must(fits, f"{wanted[0]} for {name}", answer.described)
    look.note("the classes of the SDKs' exceptions are a statement about clients")


@GROUP.check(58, "A rate limit and a quota are told apart", Tag.MEASURED, Tag.SPEC)
def limits(look: Look) -> None:
    """By the emulator: the rate's 429 is `rate_limit_exceeded` with `Retry-After`, the quota's has
    the type and the code `insufficient_quota`, without `Retry-After`.
    """
    look.needs_emulator("answer 429")
    rate = look.server.refused_start("start-429", retry_after=1)
    look.must(rate.status == 429, "429", rate.described)
    code = dig(rate.error, "code")
    look.must(code == "rate_limit_exceeded", "code rate_limit_exceeded", rate.error)
    look.must("Retry-After" in rate.headers, "Retry-After", sorted(rate.headers))
    quota = look.server.refused_start("start-429", code="monthly_quota", retry_after=1)
    look.must(quota.status == 429, "429 for a quota", quota.described)
    said = (dig(quota.error, "type"), dig(quota.error, "code"))
    look.must(said == ("insufficient_quota",) * 2, "type and code insufficient_quota", quota.error)
    look.must(
        "Retry-After" not in quota.headers, "no Retry-After", quota.headers.get("Retry-After")
    )


@GROUP.check(59, "The upstream's refusals are not the caller's", Tag.GATEWAY)
def upstream_refusals(look: Look) -> None:
    """By the emulator: an upstream that refuses the gateway's token once (the caller sees nothing
    of it, or a 502 or 503) or its account (502 or 503, never 401 or 403), that wants it to wait
    (429 with `Retry-After`), and that is silent (504). The refused account rests for a minute, so
    this is left out where fewer than three are ready. That a gateway which is about to end answers
    503 cannot be seen from outside.
    """
    look.needs_emulator("refuse the gateway itself")
    token = look.server.refused_start("start-401")
    look.must(token.status in (200, 502, 503), "200, 502 or 503, never 401", token.described)
    if _ready(look) >= _SPARE:
        account = look.server.refused_start("start-403")
        look.must(account.status in (502, 503), "502 or 503, never 403", account.described)
    else:
        look.note(f"refused accounts: fewer than {_SPARE} are ready")
    rate = look.server.refused_start("start-429", retry_after=1)
    look.must(rate.status == 429, "429 for the upstream's 429", rate.described)
    look.must("Retry-After" in rate.headers, "Retry-After", sorted(rate.headers))
    _silence(look)
    look.note("the 503 of a gateway that is about to end cannot be seen")


def _silence(look: Look) -> None:
    body = {"messages": look.server.saying("one two three", chunks=3, fault="silent", at=0)}
    try:
        silent = look.server.chat(body, seconds=_SILENCE)
    except Unanswered:
        look.note(f"the 504 for a silent upstream did not come within {_SILENCE:g} s")
        return
    look.must(silent.status == 504, "504 for a silent upstream", silent.described)


def _ready(look: Look) -> int:
    """The accounts that can serve, as the gateway itself tells."""
    census = dig(look.server.get(f"{look.server.root}/readyz").json, "langfast", "credentials")
    found = [dig(census, state) for state in ("ready", "busy")]
    return sum(one for one in found if isinstance(one, int))


@GROUP.check(60, "A prompt that is too long, and one that is filtered", Tag.GATEWAY)
def too_long(look: Look) -> None:
    """By the emulator: an upstream that refuses a prompt for its length (400
    `context_length_exceeded`) and for what it says (400 `content_filter`), neither to be tried
    again; and a run that a filter has ended, with the finish reason `content_filter`. Elsewhere a
    prompt of such a length might be taken, and paid for.
    """
    look.needs_emulator("refuse a prompt")
    for code in ("context_length_exceeded", "content_filter"):
        refused = look.server.refused_start("start-400", code=code)
        look.must(refused.status == 400, f"400 for {code}", refused.described)
        look.must(dig(refused.error, "code") == code, f"code {code}", refused.error)
        again = refused.headers.get("x-should-retry", "no x-should-retry")
        look.must(again == "false", f"x-should-retry: false for {code}", again)
    ended = look.completed(look.server.saying("x", finish_reason="content_filter"))
    reason = ended.finish_reason
    look.must(reason == "content_filter", "finish_reason: content_filter", reason)
