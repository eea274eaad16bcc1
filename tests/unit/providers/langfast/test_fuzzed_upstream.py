"""What an upstream might say, and what nobody would: frames of the socket and answers over HTTP.

Whatever comes: no exception but a GatewayError, and a result of the declared type. 600 examples in
the suite, the same ones each time; FUZZ=long makes 6,000 new ones.
"""

import json
import os
import string
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from langfast_wsgi.conversation.events import FINISH_REASONS, Replaced, Text
from langfast_wsgi.errors import CallerError, GatewayError, RunFailed, UpstreamGarbled
from langfast_wsgi.providers.langfast import accounts, translate, verdict
from langfast_wsgi.providers.langfast.frames import CHUNK
from langfast_wsgi.providers.langfast.grant import LONGEST_LIFETIME, Grant, read_grant
from langfast_wsgi.providers.langfast.inbox import Inbox, Update
from langfast_wsgi.providers.langfast.mailbox import Mailbox
from langfast_wsgi.providers.langfast.session import Session
from langfast_wsgi.runtime import receiver
from tests.support.builders import jwt

LONG = os.environ.get("FUZZ") == "long"
pytestmark = pytest.mark.timeout(1200 if LONG else 120)


def examples(quick: int) -> settings:
    """In the suite always the same, so that it fails for a change alone."""
    return settings(
        max_examples=10 * quick if LONG else quick,
        derandomize=not LONG,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )


# --- anything at all

TEXTS = st.text(st.characters(exclude_categories=()), max_size=30)  # lone surrogates, too
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.binary(max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def nested(depth: int) -> str:
    """Arrays in arrays."""
    return "[" * depth + "]" * depth


def written(value: object) -> bytes:
    """As JSON, or what comes nearest: bytes have no word there, lone surrogates are escaped."""
    return json.dumps(value, default=repr).encode()


@st.composite
def records(draw: st.DrawFn, **fields: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Objects with these fields, of which some are missing or of any other kind."""
    found = {name: draw(kind) for name, kind in fields.items()}
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=2)):
        if draw(st.booleans()):
            found[name] = draw(VALUES)
        else:
            found.pop(name, None)
    return {**draw(st.dictionaries(TEXTS, VALUES, max_size=2)), **found}


@st.composite
def garbled(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Bytes of which some were cut out or put in."""
    content = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(content)))
        content[at : at + draw(st.integers(0, 5))] = draw(st.binary(max_size=5))
    return bytes(content)


# --- the socket

STATUSES = st.sampled_from(["in_progress", "thinking", "completed", *sorted(translate.FAILURES)])
REASONS = st.sampled_from([*sorted(FINISH_REASONS), "", "other"])
RECORDS = records(
    executionId=st.sampled_from(["j", "", "k"]),
    content=TEXTS,
    status=STATUSES,
    finish_reason=REASONS,
    error=TEXTS | records(message=TEXTS),
    message=TEXTS,
)
ARGUMENTS = st.one_of(
    RECORDS,
    RECORDS.map(written),
    RECORDS.map(lambda record: written(record).decode()),
    VALUES,
)


def is_sound(update: object) -> bool:
    """Whether it is an Update as it is declared, and its fault fit for a caller."""
    if not isinstance(update, Update):
        return False
    if isinstance(update.ending, RunFailed | CallerError):
        said = update.ending.message
        assert not any(control in said for control in "\r\n\0\x1b\u2028"), said
        assert len(said) < 700
        said.encode()
    elif update.ending is not None and update.ending not in FINISH_REASONS:
        return False
    has_id = update.job_id is None or (isinstance(update.job_id, str) and update.job_id != "")
    return has_id and (update.text is None or isinstance(update.text, str))


@examples(100)
@given(ARGUMENTS)
@example(nested(100_000))
@example('{"a":' * 100_000)
@example('{"content": 1e999, "status": ' + "9" * 5000 + "}")
@example(b"\xff{")
def test_p7_any_chunk_is_an_update_or_nothing(argument: object) -> None:
    update = translate.chunk(argument)
    assert update is None or is_sound(update)


@examples(60)
@given(ARGUMENTS)
@example('{"finish_reason": ' + nested(100_000) + "}")
def test_p7_any_end_is_an_update_with_an_end(argument: object) -> None:
    update = translate.completion_finished(argument)
    assert is_sound(update)
    assert update.ending is not None


class Reached:
    """A session whose account has one run in flight, and what became of its connection."""

    def __init__(self) -> None:
        self.inbox, self.mailbox = Inbox(), Mailbox()
        self.inbox.expect(self.mailbox)
        self.inbox.assign(self.mailbox, "j")
        self.session = Session(self.inbox, lambda _: None, receiver)
        self.aborted = 0
        self.client: Any = self.session._client
        self.client.eio.ws = SimpleNamespace(abort=self._abort)
        self.client.eio.state = "connected"
        self.client.eio.send_packet = lambda _: None
        self.client.namespaces = {"/": "sid"}
        self.client.connected = True

    def _abort(self) -> None:
        self.aborted += 1

    def check(self) -> None:
        """What the run would read next is a News as it is declared."""
        news = self.mailbox.take()
        if news is not None:
            assert news.text is None or isinstance(news.text, str)
            assert news.ending is None or is_sound(Update(None, None, news.ending))


FRAMES = st.lists(ARGUMENTS, max_size=3).map(
    lambda arguments: CHUNK + b",".join(map(written, arguments)) + b"]"
)


@examples(100)
@given(garbled(FRAMES))
@example(CHUNK + b"]")
@example(CHUNK + nested(900).encode() + b"]")
@example(CHUNK + nested(100_000).encode() + b"]")
@example(CHUNK + b'{"executionId":"j","content":' + b"9" * 5000 + b"}]")
def test_p7_any_chunk_frame_is_taken_or_left_to_the_library(frame: bytes) -> None:
    reached = Reached()
    assert isinstance(reached.client.eio.delivery.take(frame[2:]), bool)
    reached.check()


NAMES = st.sampled_from(["execution:chunk", "completion_finished", "connect", "disconnect", "x"])
PACKETS = st.one_of(
    st.tuples(NAMES, st.lists(ARGUMENTS, max_size=2)).map(
        lambda said: b"2" + written([said[0], *said[1]])
    ),
    st.sampled_from([b"0", b"1", b'4{"message":"no"}', b"40", b"3[]", b"51-", b"2", b"", b"0/x,"]),
    st.binary(max_size=30),
)


@examples(80)
@given(garbled(PACKETS), st.booleans())
@example(b"2" + nested(900).encode(), False)
@example(b'2["x",' + b"9" * 5000 + b"]", False)
@example(b'51-["x",{"_placeholder":true,"num":7}]', False)
def test_p7_any_packet_is_taken_or_ends_the_connection(packet: bytes, is_binary: bool) -> None:
    reached = Reached()
    reached.client._handle_eio_message(packet if is_binary else packet.decode("utf-8", "replace"))
    reached.check()


@examples(40)
@given(st.lists(TEXTS, max_size=6), st.booleans())
def test_p7_any_texts_grow_into_whole_characters(texts: list[str], final: bool) -> None:
    growth = translate.Growth()
    events = [growth.advance(text) for text in texts]
    events += [growth.advance(texts[-1], final=True)] if final and texts else [growth.finish()]
    for event in events:
        assert event is None or isinstance(event, Text | Replaced)
        if event is not None:
            said = event.delta if isinstance(event, Text) else event.text
            said.encode()
            assert said or isinstance(event, Replaced)


# --- the start's answer


@examples(60)
@given(garbled(records(run_id=TEXTS, jobs=st.lists(records(job_id=TEXTS))).map(written)))
@example(nested(100_000).encode())
def test_p7_any_accepting_answer_is_a_job_none_or_a_fault(content: bytes) -> None:
    job_id = told(UpstreamGarbled, lambda: verdict.accepted(content))
    assert job_id is None or (isinstance(job_id, str) and job_id)


# A zone of more digits than that: see below.
DATES = st.from_regex(
    r"(Mon, )?[0-9]{1,3} (Jan|Feb|Foo) [0-9]{1,6} [0-9]{1,2}:[0-9]{2}(:[0-9]{2})? [+-]?[0-9]{0,8}",
    fullmatch=True,
    alphabet=string.printable,
)
WAITS = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    DATES,
    st.text(st.characters(max_codepoint=255), max_size=12),
)
REFUSALS = records(
    code=TEXTS | st.sampled_from(["quota", "exceeded_x", "NOT_FOUND_FUNCTION_BLOB"]),
    message=TEXTS,
    msg=TEXTS,
    error=TEXTS | records(code=TEXTS, message=TEXTS),
)


@examples(80)
@given(
    st.sampled_from([400, 401, 402, 403, 404, 422, 429, 500, 503, 504]) | st.integers(100, 599),
    st.dictionaries(st.just("retry-after"), WAITS),
    garbled(REFUSALS.map(written)),
)
@example(429, {"retry-after": "nan"}, b"")
@example(429, {"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359"}, b"")
def test_p7_any_refusing_answer_is_a_refusal(
    status: int, headers: dict[str, str], content: bytes
) -> None:
    refusal = verdict.refused(status, headers, content)
    assert isinstance(refusal, verdict.Refusal)
    assert isinstance(refusal.fault, GatewayError)
    assert refusal.again in ("", "same", "refreshed")
    assert 0 <= refusal.rest <= verdict.LONGEST_REST
    wait = refusal.fault.retry_after
    assert wait is None or 0 <= wait <= verdict.LONGEST_REST
    refusal.fault.message.encode()
    assert refusal.fault.message
    assert len(refusal.fault.message) <= 500


def test_p7_a_zone_beyond_all_bounds_is_no_date() -> None:
    wait = {"retry-after": "Mon, 01 Jan 2024 00:00:00 +99999999999999999"}
    assert verdict.refused(429, wait, b"").rest == verdict.RATE_REST


# --- the auth service's answers

LIFETIMES = st.integers() | st.floats() | st.just(10**400)
SESSIONS = records(
    access_token=st.just(jwt("u")) | TEXTS.map(lambda text: f"a.{text}.c"),
    refresh_token=st.just("refresh") | TEXTS,
    expires_in=LIFETIMES,
    user=records(id=TEXTS),
)


@examples(40)
@given(SESSIONS | VALUES)
def test_p7_any_session_is_a_grant_or_a_fault(found: object) -> None:
    found = accounts._json(written(found))  # not all that Python has can come that way
    grant = told(UpstreamGarbled, lambda: read_grant(found))
    if grant is not None:
        assert isinstance(grant, Grant)
        assert 0 < grant.lifetime <= LONGEST_LIFETIME
        assert isinstance(grant.user_id, str)
        for token in (grant.access_token, grant.refresh_token):
            token.encode("ascii")
            assert token.isprintable()


@examples(40)
@given(
    st.integers(100, 599),
    garbled(records(error_code=TEXTS, code=TEXTS, error=TEXTS).map(written)),
    st.dictionaries(st.just("x-sb-error-code"), TEXTS),
)
def test_p7_any_answer_of_the_auth_service_is_a_grant_or_a_fault(
    status: int, content: bytes, headers: dict[str, str]
) -> None:
    auth = accounts.Accounts("http://auth", "anon", 1.0)
    auth._post = lambda *_: (status, headers, content)  # type: ignore[method-assign,assignment,return-value]
    grant = told(GatewayError, auth.sign_up)
    assert grant is None or isinstance(grant, Grant)


def told(fault: type[GatewayError], ask: Callable[[], Any]) -> Any:
    """What was answered; None where it was this kind of fault."""
    try:
        return ask()
    except fault:
        return None


# --- nested just so deep that it can be read, but not shown


def test_p7_a_chunk_may_be_nested_as_deep_as_can_be_read() -> None:
    assert Reached().client.eio.delivery.take(CHUNK[2:] + nested(1020).encode() + b"]") is True


def test_p7_a_packet_that_is_nested_too_deep_ends_the_connection() -> None:
    reached = Reached()
    reached.client._handle_eio_message('2["x",' + nested(100_000) + "]")
    assert reached.aborted == 1
