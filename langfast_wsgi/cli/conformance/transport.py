"""Transport and headers."""

import gzip
import re
from collections.abc import Iterator

from langfast_wsgi.cli.conformance import raw, wording
from langfast_wsgi.cli.conformance.answer import Answer, dig
from langfast_wsgi.cli.conformance.check import Group
from langfast_wsgi.cli.conformance.look import Look, Tag
from langfast_wsgi.cli.steps import NotDone

GROUP = Group("Transport and headers")

_DURATION = re.compile(r"(?=.)(\d+h)?(\d+m)?(\d+(\.\d+)?s)?(\d+(\.\d+)?ms)?")
_FIGURE = re.compile(r"x-ratelimit-(limit|remaining)-(requests|tokens)")
_RESET = re.compile(r"x-ratelimit-reset-(requests|tokens)")
_ENOUGH_RETRY = 120  # seconds: the SDKs do not wait longer, they give up
_HUGE = 1 << 30
_INFLATED = 64 << 20


@GROUP.check(1, "An unstreamed answer is 200 in JSON", Tag.SDK)
def unstreamed(look: Look) -> None:
    """A plain answer: its status is 200, its media type ends in `json`, its body is an object."""
    plain = look.server.plain()
    look.must(plain.status == 200, "status 200", plain.described)
    look.must(
        plain.media_type.endswith("json"), "a media type that ends in `json`", plain.described
    )
    look.must(isinstance(plain.json, dict), "a JSON object", plain.described)


@GROUP.check(2, "A stream is 200 as text/event-stream, not buffered", Tag.SDK, Tag.GATEWAY)
def event_stream(look: Look) -> None:
    """The headers of a plain stream; those against buffering go beyond OpenAI's contract."""
    answer = look.server.streamed().answer
    headers = answer.headers
    look.must(answer.status == 200, "status 200", answer.described)
    look.must(answer.media_type == "text/event-stream", "text/event-stream", answer.media_type)
    look.must("Content-Length" not in headers, "no Content-Length", headers.get("Content-Length"))
    cache = headers.get("Cache-Control", "no Cache-Control")
    look.must("no-cache" in cache.lower(), "Cache-Control: no-cache", cache, tag=Tag.GATEWAY)
    accel = headers.get("X-Accel-Buffering", "no X-Accel-Buffering")
    if accel.startswith("no ") and "nginx" in headers.get("Server", ""):
        look.note("X-Accel-Buffering is for nginx, which stands in between and takes it away")
    else:
        look.must(accel == "no", "X-Accel-Buffering: no", accel, tag=Tag.GATEWAY)


@GROUP.check(3, "Every answer bears x-request-id", Tag.SDK)
def request_id(look: Look) -> None:
    """A plain answer, a stream, the list of models, a refusal and an unknown path."""
    server = look.server
    for name, answer in (
        ("an unstreamed answer", server.plain()),
        ("a stream", server.streamed().answer),
        ("the list of models", server.models()),
        ("a refusal", server.malformed()),
        ("an unknown path", server.nowhere()),
    ):
        found = answer.headers.get("x-request-id", "")
        look.must(found, f"x-request-id on {name}", sorted(answer.headers))


@GROUP.check(4, "openai-processing-ms and openai-version", Tag.DOCS)
def openai_headers(look: Look) -> None:
    """The headers of a plain answer: whole milliseconds, and the version 2020-10-01."""
    headers = look.server.plain().headers
    spent = headers.get("openai-processing-ms", "")
    look.must(spent.isdecimal(), "whole milliseconds in openai-processing-ms", spent or "none")
    version = headers.get("openai-version", "none")
    look.must(version == "2020-10-01", "openai-version: 2020-10-01", version)


@GROUP.check(5, "Rate limit headers are whole numbers and durations", Tag.DOCS)
def rate_limit_headers(look: Look) -> None:
    """The `x-ratelimit-…` headers of a plain answer and of a stream, where there are any."""
    server = look.server
    pairs = [
        (name, value)
        for answer in (server.plain(), server.streamed().answer)
        for name, value in wording.named(answer.headers, "x-ratelimit-").items()
        if _FIGURE.fullmatch(name) or _RESET.fullmatch(name)
    ]
    if not pairs:
        raise NotDone("it tells no rate limits")
    names = {name for name, _ in pairs}
    for name, value in pairs:
        if _RESET.fullmatch(name):
            fits = _DURATION.fullmatch(value)
            look.must(fits, f"a duration such as `6m0s` in {name}", value)
            continue
        look.must(value.isdecimal(), f"a whole number in {name}", value)
        twin = name.replace("-limit-", "-remaining-")
        look.must(twin in names, f"{twin} beside {name}", names)


def _limited(look: Look, *, quota: bool) -> Answer:
    """What the server answers when its upstream's limit is reached, for a second."""
    code = {"code": "monthly_quota"} if quota else {}
    answer = look.server.refused_start("start-429", retry_after=1, **code)
    look.must(answer.status == 429, "429 where the upstream answers 429", answer.described)
    return answer


@GROUP.check(6, "Retry-After where waiting cures a 429, and only there", Tag.SPEC)
def retry_after(look: Look) -> None:
    """By the emulator: a 429 of the rate has a whole number ≥ 1, a 429 of the quota has none."""
    look.needs_emulator("answer 429")
    wait = _limited(look, quota=False).headers.get("Retry-After", "no Retry-After")
    look.must(wait.isdecimal() and int(wait) >= 1, "Retry-After, a whole number ≥ 1", wait)
    quota = _limited(look, quota=True).headers
    look.must("Retry-After" not in quota, "no Retry-After for a quota", quota.get("Retry-After"))


@GROUP.check(7, "An SDK can follow what it is told to wait", Tag.SDK)
def followed_waits(look: Look) -> None:
    """By the emulator: what a 429 says of waiting is a number, of 120 s at the most. In which order
    an SDK heeds the headers is a statement about clients.
    """
    if not look.server.steerable:
        raise NotDone("a statement about clients, and nothing here can be made to answer 429")
    headers = _limited(look, quota=False).headers
    wait = headers.get("Retry-After", "0")
    look.must(
        wait.isdecimal() and int(wait) <= _ENOUGH_RETRY,
        f"a Retry-After of {_ENOUGH_RETRY} s at the most",
        wait,
    )
    precise = headers.get("retry-after-ms", "0")
    look.must(re.fullmatch(r"\d+(\.\d+)?", precise), "a number in retry-after-ms", precise)
    look.note("the order in which they are heeded is a statement about clients")


@GROUP.check(8, "x-should-retry tells where a retry is in vain", Tag.SDK, Tag.GATEWAY)
def should_retry(look: Look) -> None:
    """A refused request has `x-should-retry: false`, and so has a quota's 429 (by the emulator);
    no answer has any other word than true or false there.
    """
    server = look.server
    answers = [server.plain(), server.malformed(), server.nowhere(), _invalid(look)]
    if server.steerable:
        answers.append(_limited(look, quota=True))
    for answer in answers:
        said = answer.headers.get("x-should-retry")
        look.must(said in (None, "true", "false"), "true or false in x-should-retry", said)
    for answer in (server.malformed(), *answers[3:]):
        said = answer.headers.get("x-should-retry", "no x-should-retry")
        look.must(
            said == "false",
            f"x-should-retry: false for a {answer.status} that stays",
            said,
            tag=Tag.GATEWAY,
        )


def _invalid(look: Look) -> Answer:
    return look.server.completion([])


@GROUP.check(9, "A body that is too large is a 413 in JSON", Tag.GATEWAY)
def body_limit(look: Look) -> None:
    """A body of a GiB is announced, and never sent: 413 in the envelope within 5 s. A compressed
    body of 64 MiB is refused with 400, 413 or 415: what counts is its size when it is inflated.
    """
    server = look.server
    answer = raw.announced(server, _HUGE)
    look.must(answer.status == 413, "413 for a body of a GiB", answer.described)
    look.must(isinstance(dig(answer.error, "message"), str), "an error in JSON", answer.described)
    bomb = gzip.compress(b"".join(_bomb()))
    answer = server.chat(bomb, headers={"Content-Encoding": "gzip"})
    look.must(answer.status in (400, 413, 415), "400, 413 or 415 for 64 MiB in gzip", answer.status)
    look.must(isinstance(dig(answer.error, "message"), str), "an error in JSON", answer.described)


def _bomb() -> Iterator[bytes]:
    """JSON that is valid, and blank for the most part."""
    yield b'{"messages": [{"role": "user", "content": "hi"}]'
    yield b" " * _INFLATED
    yield b"}"
