"""Between Flask and the events: Flask's test client, and a gateway that plays a script."""

import io
import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
from flask import Flask, Response, jsonify
from werkzeug.test import EnvironBuilder, run_wsgi_app

from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text
from langfast_wsgi.dialects._chunks import DONE
from langfast_wsgi.dialects._http import (
    LEFT,
    CallerLeft,
    folded,
    read_json,
    streamed,
)
from langfast_wsgi.dialects._openai import begin, error_response, sign
from langfast_wsgi.dialects._service import Service
from langfast_wsgi.dialects._stream import HEARTBEAT
from langfast_wsgi.dialects.chat.encode import ChunkEncoder
from langfast_wsgi.errors import (
    GatewayError,
    NoCredentials,
    QuotaExhausted,
    RunFailed,
    UpstreamGarbled,
)
from langfast_wsgi.settings import Settings
from tests.support.builders import PAUSE

Step = Event | Exception | Callable[[], object]
HELLO: list[Step] = [Text("Hel"), Text("lo"), Finished("stop")]


class FakeConnection:
    """A caller that is there until the test says otherwise."""

    def __init__(self) -> None:
        self.left = False
        self.looked = 0

    def gone(self) -> bool:
        self.looked += 1
        return self.left


class Case:
    """A Flask application with one route for each way of answering."""

    def __init__(self, *script: Step, **options: Any) -> None:
        self.script = script or HELLO
        self.closed = 0
        self.thrown: list[BaseException] = []
        self.connection = FakeConnection()
        self.refused: list[dict[str, Any]] = []
        self.service = Service(
            Settings(_env_file=None, **options),
            gateway=lambda: None,  # type: ignore[arg-type,return-value]
            connection=self._connection,
            outlet=lambda _: None,
            deadline=self._deadline,
            refuse_body=self.refused.append,
            body_read="read",
        )
        self.deadlines: list[float] = []
        self.app = self._app()

    def _connection(self, environ: Mapping[str, Any]) -> FakeConnection:
        return self.connection

    @contextmanager
    def _deadline(self, seconds: float) -> Iterator[None]:
        self.deadlines.append(seconds)
        yield

    def _app(self) -> Flask:
        app = Flask(__name__)
        app.before_request(begin)
        app.after_request(sign)
        app.register_error_handler(GatewayError, error_response)
        app.register_error_handler(CallerLeft, lambda _: Response(status=LEFT))

        @app.post("/stream")
        def stream() -> Response:
            return streamed(self.service, self.events(), ChunkEncoder("id", 1, "m", None, False))

        @app.post("/fold")
        def fold() -> Response:
            done = folded(self.service, self.events())
            return jsonify(text=done.text, reason=done.finish_reason)

        @app.post("/read")
        def read() -> Response:
            return jsonify(read_json(self.service))

        return app

    def events(self) -> Generator[Event, None, None]:
        """What the gateway would give."""
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                if callable(step):
                    step()
                    continue
                try:
                    yield step
                except GatewayError as fault:
                    self.thrown.append(fault)
                    raise
        finally:
            self.closed += 1

    def post(self, path: str, **options: Any) -> Any:
        return self.app.test_client().post(path, **options)

    def frames(self) -> tuple[int, Iterator[bytes], Any]:
        """The status, the body as the server would pull it, and what closes it."""
        environ = EnvironBuilder("/stream", method="POST").get_environ()
        found: list[str] = []
        body = self.app(environ, lambda status, *_: found.append(status))  # type: ignore[arg-type]
        return int(found[0].split()[0]), iter(body), body

    def leave(self) -> None:
        """A step of the script: the caller is gone from here on."""
        self.connection.left = True


def texts(data: bytes) -> list[Any]:
    """The deltas and errors of a stream, in short."""
    short: list[Any] = []
    for frame in data.decode().split("\n\n"):
        if not frame.startswith("data: {"):
            short += [frame] if frame else []
            continue
        found = json.loads(frame[6:])
        if "error" in found:
            short.append(found["error"]["code"])
        else:
            choice = found["choices"][0]
            short.append(choice["finish_reason"] or choice["delta"].get("content"))
    return short


# --- a stream


def test_a_stream_is_sent_with_the_headers_that_keep_it_one() -> None:
    case = Case(write_timeout=7)
    response = case.post("/stream")
    assert response.status_code == 200
    assert response.content_type == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in response.headers
    assert response.headers["x-request-id"].startswith("req_")
    assert texts(response.data) == ["", "Hel", "lo", "stop", "data: [DONE]"]
    assert case.closed == 1


def test_text_leaves_before_the_run_is_over() -> None:
    pulled: list[str] = []
    case = Case(Text("a"), lambda: pulled.append("asked for more"), Text("b"), Finished("stop"))
    _, frames, body = case.frames()
    assert texts(next(frames)) == ["", "a"]
    assert pulled == []
    assert texts(next(frames)) == ["b"]
    body.close()


def test_the_last_text_and_the_end_leave_in_one_write() -> None:
    _, frames, body = Case(Text("Hello", last=True), Finished("stop")).frames()
    assert texts(next(frames)) == ["", "Hello", "stop", "data: [DONE]"]
    assert list(frames) == []
    body.close()


@pytest.mark.parametrize("path", ["/stream", "/fold"])
@pytest.mark.parametrize("before", [[], [PAUSE, PAUSE]], ids=["at once", "after a while"])
@pytest.mark.parametrize(
    ("fault", "status"),
    [(RunFailed("x"), 502), (QuotaExhausted("x"), 429), (NoCredentials("x"), 503)],
)
def test_a_failure_before_the_first_text_keeps_its_status(
    path: str, before: list[Event], fault: GatewayError, status: int
) -> None:
    case = Case(*before, fault)
    response = case.post(path)
    assert response.status_code == status
    assert response.content_type == "application/json"
    assert response.json["error"]["code"] == fault.code
    assert case.closed == 1


def test_an_unforeseen_failure_before_the_first_text_is_not_hidden_by_a_200() -> None:
    case = Case(ValueError("what?"))
    assert case.post("/stream").status_code == 500
    assert case.closed == 1


def test_a_failure_later_is_an_error_event_and_the_terminator() -> None:
    case = Case(Text("Hel"), RunFailed("x"))
    response = case.post("/stream")
    assert response.status_code == 200
    assert texts(response.data) == ["", "Hel", "upstream_run_failed", "data: [DONE]"]
    assert case.closed == 1


def test_an_unforeseen_failure_later_is_an_error_event_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    case = Case(Text("Hel"), ValueError("secret detail"))
    data = case.post("/stream").data
    assert texts(data) == ["", "Hel", "internal_error", "data: [DONE]"]
    assert b"secret detail" not in data
    assert "unforeseen" in caplog.text


def test_rewritten_text_ends_the_stream_and_the_run_hears_why() -> None:
    case = Case(Text("abc"), Replaced("xyz"), Text("never"), Finished("stop"))
    data = case.post("/stream").data
    assert texts(data) == ["", "abc", "upstream_inconsistent", "data: [DONE]"]
    (thrown,) = case.thrown
    assert isinstance(thrown, UpstreamGarbled)
    assert case.closed == 1


def test_rewritten_text_ends_the_stream_also_where_the_run_swallows_the_reason() -> None:
    case = Case()

    def stubborn() -> Generator[Event, None, None]:
        yield Text("abc")
        try:
            yield Replaced("xyz")
        except GatewayError:
            yield Text("I go on")

    case.events = stubborn  # type: ignore[method-assign]
    assert texts(case.post("/stream").data) == ["", "abc", "upstream_inconsistent", "data: [DONE]"]


def test_rewritten_text_of_an_unstreamed_answer_is_the_answer() -> None:
    case = Case(Text("abc"), Replaced("xyz"), Finished("stop"))
    assert case.post("/fold").json == {"text": "xyz", "reason": "stop"}


# --- the status waits for the first event, but not for ever


def test_a_status_that_waited_long_enough_leaves_with_the_role() -> None:
    case = Case(PAUSE, PAUSE, *HELLO, first_byte_timeout=0.0001, heartbeat_seconds=0)
    case.script = [lambda: time.sleep(0.001), *case.script]
    status, frames, body = case.frames()
    assert status == 200
    assert texts(next(frames)) == [""]
    assert texts(b"".join(frames)) == ["Hel", "lo", "stop", "data: [DONE]"]
    body.close()


def test_the_patience_counts_from_the_requests_arrival() -> None:
    case = Case(*[PAUSE] * 3, *HELLO, first_byte_timeout=100)
    environ = EnvironBuilder("/stream", method="POST").get_environ()

    @case.app.before_request
    def long_ago() -> None:
        from flask import g

        g.arrived = time.monotonic() - 99.999

    case.script = [lambda: time.sleep(0.002), *case.script]
    body, _, _ = run_wsgi_app(case.app, environ)
    assert texts(next(iter(body))) == [""]


def test_a_failure_after_the_status_left_is_an_error_event() -> None:
    case = Case(lambda: time.sleep(0.001), PAUSE, QuotaExhausted("x"), first_byte_timeout=0.0001)
    response = case.post("/stream")
    assert response.status_code == 200
    assert texts(response.data) == ["", "insufficient_quota", "data: [DONE]"]


def test_within_the_patience_silence_sends_nothing() -> None:
    case = Case(PAUSE, PAUSE, PAUSE, *HELLO, heartbeat_seconds=0.0001)
    assert texts(case.post("/stream").data) == ["", "Hel", "lo", "stop", "data: [DONE]"]


def test_a_stream_that_was_cut_before_its_first_event_is_an_error() -> None:
    """The gateway never yields nothing; should it, the stream opens and has no end."""
    case = Case(lambda: None)
    assert case.post("/stream").status_code == 200
    assert case.closed == 1


# --- heartbeats


def heart(case: Case) -> list[bytes]:
    _, frames, body = case.frames()
    found = list(frames)
    body.close()
    return found


def pause() -> None:
    time.sleep(0.012)


def test_a_quiet_stream_sends_a_comment_line() -> None:
    script = [Text("a"), pause, PAUSE, PAUSE, pause, PAUSE, Finished("stop")]
    frames = heart(Case(*script, heartbeat_seconds=0.01))
    assert frames.count(HEARTBEAT) == 2
    assert HEARTBEAT == b": ping\n\n"


def test_text_puts_the_next_heartbeat_off() -> None:
    case = Case(Text("a"), pause, Text("b"), PAUSE, Finished("stop"), heartbeat_seconds=0.01)
    assert HEARTBEAT not in heart(case)


def test_text_that_is_held_back_does_not_put_the_heartbeat_off() -> None:
    case = Case(
        Text("a"), pause, Text("b", last=True), PAUSE, Finished("stop"), heartbeat_seconds=0.01
    )
    assert heart(case).count(HEARTBEAT) == 1


def test_heartbeats_can_be_turned_off() -> None:
    case = Case(Text("a"), pause, PAUSE, Finished("stop"), heartbeat_seconds=0)
    assert HEARTBEAT not in heart(case)


# --- a caller that leaves


@pytest.mark.parametrize("path", ["/stream", "/fold"])
def test_a_caller_that_leaves_before_the_first_text_abandons_the_run(path: str) -> None:
    case = Case(PAUSE, PAUSE, *HELLO)
    case.script = [PAUSE, case.leave, PAUSE, *HELLO]
    assert case.post(path).status_code == LEFT
    assert case.closed == 1
    assert case.connection.looked == 2


def test_a_caller_that_leaves_in_the_middle_abandons_the_run_at_the_next_silence() -> None:
    case = Case()
    case.script = [Text("a"), case.leave, PAUSE, Text("b"), Finished("stop")]
    _, frames, _ = case.frames()
    said: list[bytes] = []
    with pytest.raises(BrokenPipeError):
        said.extend(frames)
    assert texts(b"".join(said)) == ["", "a"]
    assert case.closed == 1


def test_a_caller_that_leaves_in_the_middle_of_an_unstreamed_answer_abandons_the_run() -> None:
    case = Case()
    case.script = [Text("a"), case.leave, PAUSE, Text("b"), Finished("stop")]
    assert case.post("/fold").status_code == LEFT
    assert case.closed == 1


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_the_server_closes_the_run_when_a_write_fails(taken: int) -> None:
    case = Case(Text("a"), Text("b"), Text("c"), Finished("stop"))
    _, frames, body = case.frames()
    for _ in range(taken):
        next(frames)
    body.close()
    body.close()
    assert case.closed == 1


def test_a_head_request_of_a_stream_would_close_the_run() -> None:
    """A server that sends no body closes the iterable before its first byte."""
    case = Case()
    _, _, body = case.frames()
    assert case.closed == 0
    body.close()
    assert case.closed == 1


def test_a_long_unstreamed_answer_is_watched_too() -> None:
    case = Case(PAUSE, *HELLO, write_timeout=9)
    assert case.post("/fold").json == {"text": "Hello", "reason": "stop"}
    assert case.closed == 1


def test_done_is_said_once() -> None:
    assert Case().post("/stream").data.count(DONE) == 1


# --- bodies


def test_a_body_is_read_whatever_its_content_type_says() -> None:
    case = Case(body_timeout=3)
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded", None):
        assert case.post("/read", data=b'{"a": 1}', content_type=kind).json == {"a": 1}
    assert case.deadlines == [3.0] * 4
    assert case.refused == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"\xff"])
def test_a_body_that_is_no_object_is_a_bad_request(body: bytes) -> None:
    case = Case()
    response = case.post("/read", data=body)
    assert (response.status_code, response.json["error"]["type"]) == (400, "invalid_request_error")
    assert case.refused == []


def test_a_body_of_the_limit_is_taken_and_none_larger() -> None:
    body = b'{"a": "%s"}'
    limit = len(body % (b"x" * 100))
    case = Case(max_body_bytes=limit)
    assert case.post("/read", data=body % (b"x" * 100)).status_code == 200
    response = case.post("/read", data=body % (b"x" * 101))
    assert response.status_code == 413
    assert response.json["error"]["code"] == "request_too_large"
    assert len(case.refused) == 1


class Unread(io.BytesIO):
    """A body that may not be touched."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body was read")


def test_a_body_that_says_it_is_too_large_is_refused_unread() -> None:
    case = Case(max_body_bytes=10)
    environ = {"wsgi.input": Unread(), "CONTENT_LENGTH": "11"}
    assert case.post("/read", environ_overrides=environ).status_code == 413


def test_a_body_of_unknown_length_is_read_to_the_limit() -> None:
    class Endless:
        asked: ClassVar[list[int]] = []

        def read(self, size: int) -> bytes:
            self.asked.append(size)
            return b"x" * size

    case = Case(max_body_bytes=10)
    environ = {"wsgi.input": Endless(), "wsgi.input_terminated": True}
    response = case.post("/read", environ_overrides=environ)
    assert response.status_code == 413
    assert Endless.asked == [11]


def test_a_body_in_chunks_is_taken() -> None:
    environ = {"wsgi.input": io.BytesIO(b'{"a": 1}'), "wsgi.input_terminated": True}
    assert Case().post("/read", environ_overrides=environ).json == {"a": 1}


def test_without_a_length_there_is_no_body() -> None:
    response = Case().post("/read", environ_overrides={"wsgi.input": Unread()})
    assert response.status_code == 400


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "gzip, identity", "GZIP"])
def test_a_compressed_body_is_refused_unread(encoding: str) -> None:
    environ = {"wsgi.input": Unread(), "CONTENT_LENGTH": "5", "HTTP_CONTENT_ENCODING": encoding}
    response = Case().post("/read", environ_overrides=environ)
    assert response.status_code == 415
    assert response.json["error"]["code"] == "unsupported_media_type"


@pytest.mark.parametrize("encoding", ["identity", " Identity ", ""])
def test_a_body_that_is_as_it_is_may_say_so(encoding: str) -> None:
    response = Case().post("/read", data=b"{}", headers={"Content-Encoding": encoding})
    assert response.status_code == 200


class Failing:
    """A body whose reading fails."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def read(self, _: int) -> bytes:
        raise self.error


def failing(case: Case, error: BaseException) -> Any:
    environ = {"wsgi.input": Failing(error), "CONTENT_LENGTH": "5"}
    return case.post("/read", environ_overrides=environ)


def test_a_body_that_does_not_come_in_time_is_refused() -> None:
    case = Case()
    response = failing(case, TimeoutError())
    assert (response.status_code, response.json["error"]["code"]) == (408, "request_timeout")
    assert len(case.refused) == 1


@pytest.mark.parametrize(
    "error", [OSError("cut"), ValueError("bad chunk"), RuntimeError("gunicorn's")]
)
def test_a_body_that_cannot_be_read_is_a_bad_request(error: Exception) -> None:
    case = Case()
    response = failing(case, error)
    assert response.status_code == 400
    assert response.json["error"]["message"] == "The request's body could not be read."
    assert len(case.refused) == 1


def test_a_body_that_ends_early_is_a_bad_request() -> None:
    environ = {"wsgi.input": io.BytesIO(b'{"a"'), "CONTENT_LENGTH": "500"}
    assert Case().post("/read", environ_overrides=environ).status_code == 400
