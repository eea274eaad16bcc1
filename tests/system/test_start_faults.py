"""What callers see when starts fail, and what the upstream sees of us: also when it is down."""

import contextlib
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from benchmarks.certificate import certificate
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, free_port, running_gateway, wait_for
from tests.support.stream import read_stream, steer

TEXT = "Ein längerer Text mit 😀 und mehr."
START_TIMEOUT = 1.5
AUTH_ERROR = "upstream_auth_error"


@pytest.fixture(scope="module")
def lasting_upstream() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.01") as process:
        yield process


@pytest.fixture(scope="module")
def lasting(lasting_upstream: EmulatorProcess) -> Iterator[GatewayProcess]:
    with running_gateway(
        lasting_upstream,
        MIN_CREDENTIALS=2,
        MAX_CREDENTIALS=2,
        START_TIMEOUT=START_TIMEOUT,
        QUEUE_TIMEOUT=2,
    ) as process:
        wait_for(lambda: accounts(process) == 2, "two accounts")
        yield process


@pytest.fixture
def gateway(lasting: GatewayProcess, lasting_upstream: EmulatorProcess) -> GatewayProcess:
    """For tests after which all is as it was; its upstream has forgotten what was before."""
    lasting_upstream.clear_faults()
    assert chat(lasting).status_code == 200
    lasting_upstream.forget()
    return lasting


@pytest.fixture
def upstream(lasting_upstream: EmulatorProcess) -> EmulatorProcess:
    return lasting_upstream


@pytest.fixture
def fresh() -> Iterator[EmulatorProcess]:
    """An upstream for a gateway of the test's own."""
    with running_emulator("--interval", "0.01") as process:
        yield process


def chat(gateway: GatewayProcess, content: str = "hi", **fields: Any) -> requests.Response:
    """Of a caller of its own: no shared connection."""
    body = {"messages": [{"role": "user", "content": content}], **fields}
    stream = bool(fields.get("stream"))
    url = f"{gateway.api}/chat/completions"
    return requests.post(url, json=body, stream=stream, timeout=60)


def error_of(response: requests.Response) -> dict[str, Any]:
    return dict(response.json()["error"])


def accounts(gateway: GatewayProcess, *states: str) -> int:
    census = gateway.get("/readyz").json()["langfast"]["credentials"]
    return sum(census[state] for state in states or ("ready", "busy"))


def trouble(gateway: GatewayProcess) -> str | None:
    found: str | None = gateway.get("/readyz").json()["langfast"]["trouble"]
    return found


def serves(gateway: GatewayProcess) -> bool:
    return chat(gateway).status_code == 200


def assert_told(
    response: requests.Response, status: int, code: str, *, final: bool = False
) -> None:
    """Status and code word, and ``x-should-retry: false`` where it is final, else not."""
    assert (response.status_code, error_of(response)["code"]) == (status, code)
    assert response.headers.get("x-should-retry") == ("false" if final else None)


# --- our account


def test_b1_a_refused_token_is_refreshed_and_the_caller_sees_nothing(
    gateway: GatewayProcess, upstream: EmulatorProcess
) -> None:
    upstream.expire_tokens()
    assert read_stream(chat(gateway, TEXT, stream=True)).text == TEXT
    stats = upstream.stats()
    assert (stats["refreshes"], stats["sign_ups"], stats["starts"]) == (1, 0, 2)


@pytest.mark.parametrize(
    ("status", "code", "starts"), [(401, AUTH_ERROR, 2), (403, "upstream_forbidden", 1)]
)
def test_b2_a_refused_account_is_a_502_rests_and_three_of_them_shut_the_door(
    fresh: EmulatorProcess, status: int, code: str, starts: int
) -> None:
    with running_gateway(fresh, MIN_CREDENTIALS=4, MAX_CREDENTIALS=4) as gateway:
        wait_for(lambda: accounts(gateway) == 4, "four accounts")
        fresh.forget()
        fresh.faults(start={"status": status})
        for number in (1, 2, 3):
            assert_told(chat(gateway), 502, code, final=True)
            assert accounts(gateway, "cooling") == number
        assert fresh.stats()["starts"] == 3 * starts
        begun = time.monotonic()
        for _ in range(3):
            response = chat(gateway)
            assert_told(response, 502, code, final=True)
            assert "retry-after" not in response.headers
        assert time.monotonic() - begun < 1
        assert fresh.stats()["starts"] == 3 * starts, "the fourth account was left alone"
        assert trouble(gateway) == code
        assert fresh.stats()["sign_ups"] == 0


def test_b2_where_every_account_rests_for_a_refusal_nobody_waits(fresh: EmulatorProcess) -> None:
    with running_gateway(fresh, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1) as gateway:
        fresh.faults(start={"status": 403})
        for _ in range(3):
            begun = time.monotonic()
            assert_told(chat(gateway), 502, "upstream_forbidden", final=True)
            assert time.monotonic() - begun < 1
        assert fresh.stats()["starts"] == 1


@pytest.mark.parametrize("count", [1, 3])
def test_b2_a_refusal_of_all_accounts_that_passes_is_over_in_seconds(
    fresh: EmulatorProcess, count: int
) -> None:
    with running_gateway(fresh, MIN_CREDENTIALS=count, MAX_CREDENTIALS=count) as gateway:
        wait_for(lambda: accounts(gateway) == count, "the accounts")
        fresh.forget()
        fresh.faults(start={"status": 401, "times": 2 * count})
        for _ in range(count):
            assert_told(chat(gateway), 502, AUTH_ERROR, final=True)
        assert (accounts(gateway), accounts(gateway, "cooling")) == (0, count)
        begun = time.monotonic()
        wait_for(lambda: serves(gateway), "an answer")
        assert time.monotonic() - begun < 8
        assert fresh.stats()["starts"] == 2 * count + 1, "one caller in five seconds tries"
        assert trouble(gateway) is None
        assert accounts(gateway) == 1


# --- quota and rate


def test_b3_a_restricted_project_shuts_the_door_for_all_accounts(fresh: EmulatorProcess) -> None:
    with running_gateway(fresh, MIN_CREDENTIALS=2, MAX_CREDENTIALS=4) as gateway:
        wait_for(lambda: accounts(gateway) == 2, "two accounts")
        fresh.forget()
        fresh.faults(start={"status": 402, "code": "exceeded_egress_quota", "times": 1})
        for _ in range(4):
            response = chat(gateway)
            assert_told(response, 429, "insufficient_quota", final=True)
            assert error_of(response)["type"] == "insufficient_quota"
            assert "retry-after" not in response.headers
        stats = fresh.stats()
        assert (stats["starts"], stats["sign_ups"]) == (1, 0)
        assert accounts(gateway) == 1, "the other account could, but shall not"
        wait_for(
            lambda: gateway.metrics().get('langfast_breaker_opens_total{reason="restricted"}') == 1,
            "the figures",
        )


def test_b4_a_quota_answer_is_final_and_never_answered_with_a_new_account(
    fresh: EmulatorProcess,
) -> None:
    answers: list[dict[str, Any]] = [
        {"fault": "start-402", "code": "insufficient_credits"},
        {"fault": "start-429", "retry_after": 61},
        {"fault": "start-429", "code": "monthly_quota", "retry_after": 30},
    ]
    with running_gateway(fresh, MIN_CREDENTIALS=3, MAX_CREDENTIALS=6) as gateway:
        wait_for(lambda: accounts(gateway) == 3, "three accounts")
        fresh.forget()
        for answer in [*answers, {}, {}]:
            response = chat(gateway, steer("x", **answer))
            assert_told(response, 429, "insufficient_quota", final=True)
            assert error_of(response)["type"] == "insufficient_quota"
            assert "retry-after" not in response.headers
        time.sleep(1.2)  # a keeper that wanted a way around would have found it by now
        stats = fresh.stats()
        assert (stats["starts"], stats["sign_ups"]) == (3, 0)


def test_b5_p12_a_rate_limit_is_passed_on_and_its_account_left_alone_until_then(
    fresh: EmulatorProcess,
) -> None:
    with running_gateway(fresh, MIN_CREDENTIALS=2, MAX_CREDENTIALS=4) as gateway:
        wait_for(lambda: accounts(gateway) == 2, "two accounts")
        fresh.forget()
        response = chat(gateway, steer("x", fault="start-429", retry_after=3))
        assert_told(response, 429, "rate_limit_exceeded")
        assert response.headers["retry-after"] == "3"
        assert fresh.stats()["starts"] == 1, "no other account is tried for the same request"
        for _ in range(4):
            assert serves(gateway)
        assert len({run["user_id"] for run in fresh.runs()}) == 1
        # When the other one rests as well, callers hear so at once.
        response = chat(gateway, steer("x", fault="start-429"))
        assert response.headers["retry-after"] == "5", "without a figure it is ours"
        begun = time.monotonic()
        response = chat(gateway)
        assert_told(response, 429, "rate_limit_exceeded")
        assert 1 <= int(response.headers["retry-after"]) <= 3, "the soonest"
        assert time.monotonic() - begun < 0.5
        stats = fresh.stats()
        assert (stats["starts"], stats["sign_ups"]) == (6, 0)
        wait_for(lambda: serves(gateway), "an account to have rested", 8)


# --- refused, failed, garbled


def test_b6_a_refused_prompt_is_a_400_in_the_upstreams_words(gateway: GatewayProcess) -> None:
    response = chat(gateway, model="error-400")
    assert response.status_code == 400
    assert error_of(response)["type"] == "invalid_request_error"
    assert error_of(response)["message"]
    words = "too\nlong\x1b[31m " + "y" * 900
    response = chat(gateway, steer("x", fault="start-422", message=words))
    assert response.status_code == 400
    message = error_of(response)["message"]
    assert message.startswith("too long")
    assert len(message) == 500
    assert message.isprintable()
    assert serves(gateway)


def test_b7_a_missing_function_is_told_and_seen_by_the_operator(gateway: GatewayProcess) -> None:
    response = chat(gateway, steer("x", fault="start-404"))
    assert_told(response, 502, "upstream_misconfigured", final=True)
    assert trouble(gateway) == "upstream_misconfigured"
    assert serves(gateway)
    assert trouble(gateway) is None


@pytest.mark.parametrize(
    ("status", "answered", "code"),
    [
        (500, 502, "upstream_error"),
        (502, 502, "upstream_error"),
        (503, 503, "upstream_unavailable"),
    ],
)
def test_b8_b9_a_failed_start_is_tried_once_more_with_the_same_run_id(
    gateway: GatewayProcess, upstream: EmulatorProcess, status: int, answered: int, code: str
) -> None:
    upstream.faults(start={"status": status, "times": 1})
    assert chat(gateway, "second try").status_code == 200
    assert upstream.stats()["starts"] == 2
    upstream.faults(start={"status": status, "times": 2})
    response = chat(gateway, "no luck")
    assert_told(response, answered, code)
    assert response.headers.get("retry-after") == ("5" if status == 503 else None)
    assert upstream.stats()["starts"] == 4


def test_b8_a_start_that_failed_and_went_through_all_the_same_is_no_second_run(
    gateway: GatewayProcess, upstream: EmulatorProcess
) -> None:
    assert chat(gateway, steer("x", fault="start-500", times=1, ran=True)).status_code == 200
    stats = upstream.stats()
    assert (stats["starts"], stats["starts_repeated"], len(upstream.runs())) == (2, 1, 1)


def test_b8_a_worker_over_its_limits_is_not_tried_again(
    gateway: GatewayProcess, upstream: EmulatorProcess
) -> None:
    assert_told(chat(gateway, steer("x", fault="start-546")), 502, "upstream_error")
    assert upstream.stats()["starts"] == 1


def test_b10_a_start_that_is_not_answered_in_time_is_a_504_and_its_run_disturbs_nobody(
    gateway: GatewayProcess, upstream: EmulatorProcess
) -> None:
    assert_told(chat(gateway, steer("x", fault="start-504")), 504, "upstream_timeout", final=True)
    assert upstream.stats()["starts"] == 1
    dropped = 'langfast_dropped_events_total{reason="unknown_run"}'
    before = gateway.metrics().get(dropped, 0)
    begun = time.monotonic()
    response = chat(gateway, steer("late " * 20, fault="start-hang", seconds=START_TIMEOUT + 0.5))
    assert START_TIMEOUT * 0.9 < time.monotonic() - begun < START_TIMEOUT + 0.7
    assert_told(response, 504, "upstream_timeout", final=True)
    wait_for(lambda: gateway.metrics().get(dropped, 0) > before, "its late chunks")
    assert read_stream(chat(gateway, TEXT, stream=True)).text == TEXT


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 200, "body": "html"},
        {"status": 200, "body": "empty"},
        {"status": 200, "body": "null"},
        {"status": 200, "body": "array"},
        {"status": 200, "body": "truncated"},
        {"change": {"jobs": []}},
        {"change": {"jobs": [{"id": "j"}]}},
        {"change": {"jobs": [{"job_id": 7}]}},
        {"change": {"jobs": "j"}},
    ],
    ids=str,
)
def test_b11_an_accepted_start_that_makes_no_sense_is_a_502(
    gateway: GatewayProcess, upstream: EmulatorProcess, fault: dict[str, Any]
) -> None:
    upstream.faults(start={**fault, "times": 1})
    assert_told(chat(gateway), 502, "upstream_bad_response")
    assert upstream.stats()["starts"] == 1
    assert serves(gateway)


def test_b12_of_several_jobs_the_first_is_answered_and_the_others_disturb_nobody(
    gateway: GatewayProcess,
) -> None:
    for faults in (["start-many-jobs"], ["start-many-jobs", "unknown-run"]):
        content = steer(TEXT, fault=faults, size=4, chunks=6)
        stream = read_stream(chat(gateway, content, stream=True))
        assert (stream.text, stream.finish_reasons) == (TEXT, ["stop"])
    assert serves(gateway)
    assert gateway.metrics()["langfast_runs_in_flight"] == 0


def test_b13_a_redirect_is_not_followed(gateway: GatewayProcess, upstream: EmulatorProcess) -> None:
    upstream.faults(start={"status": 307, "times": 1})
    assert_told(chat(gateway), 502, "upstream_bad_response")
    assert upstream.stats()["starts"] == 1


# --- an upstream whose answers a test writes byte by byte


class Front:
    """Stands before the emulator's auth service and function; starts can be answered otherwise."""

    def __init__(self, upstream: EmulatorProcess) -> None:
        self._upstream = upstream
        self.asked: list[str] = []
        #: Instead of the emulator's answer to a start.
        self.answer: Callable[[BaseHTTPRequestHandler], None] | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _handler(front) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                front.asked.append(self.path)
                body = self.rfile.read(int(self.headers["content-length"]))
                if front.answer is not None and "functions" in self.path:
                    with contextlib.suppress(OSError):
                        front.answer(self)
                    self.close_connection = True
                    return
                names = ("apikey", "authorization", "content-type", "x-supabase-api-version")
                headers = {name: self.headers[name] for name in names if name in self.headers}
                url = str(front._upstream.url) + self.path
                answer = requests.post(url, data=body, headers=headers, timeout=10)
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def close(self) -> None:
        """Nobody listens any more."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def fronted(lasting_upstream: EmulatorProcess) -> Iterator[tuple[GatewayProcess, Front]]:
    front = Front(lasting_upstream)
    lasting_upstream.clear_faults()
    with running_gateway(
        lasting_upstream,
        SUPABASE_URL=front.url,
        MIN_CREDENTIALS=1,
        MAX_CREDENTIALS=1,
        START_TIMEOUT=START_TIMEOUT,
        QUEUE_TIMEOUT=2,
    ) as process:
        yield process, front
        front.close()


def huge(handler: BaseHTTPRequestHandler) -> None:
    """Ten megabytes, with a job somewhere."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10485776\r\n\r\n")
    handler.wfile.write(b'{"jobs":[{"job_id":"j"}],"x":"' + b"x" * 10_485_760)


def redirect(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(
        b"HTTP/1.1 302 Found\r\nLocation: /functions/v1/other\r\nContent-Length: 0\r\n\r\n"
    )


def dripping_body(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    drip(handler, b" " * 100)


def dripping_head(handler: BaseHTTPRequestHandler) -> None:
    drip(handler, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20)


def drip(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    for byte in content:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.2)


def test_b11_an_answer_of_ten_megabytes_is_not_read(fronted: tuple[GatewayProcess, Front]) -> None:
    gateway, front = fronted
    front.answer = huge
    assert_told(chat(gateway), 502, "upstream_bad_response")
    front.answer = None
    assert serves(gateway)


def test_b13_no_token_is_carried_to_where_a_redirect_points(
    fronted: tuple[GatewayProcess, Front],
) -> None:
    gateway, front = fronted
    front.answer = redirect
    front.asked.clear()
    assert_told(chat(gateway), 502, "upstream_bad_response")
    assert front.asked == ["/functions/v1/initiate-prompt-run"]
    front.answer = None
    assert serves(gateway)


@pytest.mark.parametrize("drips", [dripping_body, dripping_head])
def test_b15_p11_an_answer_that_drips_is_a_504_at_the_total_deadline(
    fronted: tuple[GatewayProcess, Front], drips: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    gateway, front = fronted
    front.answer = drips
    begun = time.monotonic()
    assert_told(chat(gateway), 504, "upstream_timeout", final=True)
    assert START_TIMEOUT * 0.9 < time.monotonic() - begun < START_TIMEOUT + 0.7
    front.answer = None
    assert serves(gateway)
    # The starter has given up as well, and does not only let the caller go.
    late = 'langfast_starts_total{result="upstream_timeout"}'
    wait_for(lambda: gateway.metrics()[late] >= 1, "the end of the start", 3)


def test_b14_a_refused_connection_is_a_503_with_retry_after(
    fresh: EmulatorProcess,
) -> None:
    front = Front(fresh)
    with running_gateway(
        fresh, SUPABASE_URL=front.url, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1
    ) as gateway:
        assert serves(gateway)
        front.close()
        response = chat(gateway)
        assert_told(response, 503, "upstream_unavailable")
        assert response.headers["retry-after"] == "5"
        assert str(front.port) not in response.text
        tried = 'langfast_starts_total{result="upstream_unavailable"}'
        assert gateway.metrics()[tried] == 2, "once more, and no more"


@pytest.fixture
def untrusted(tmp_path: Path) -> Iterator[str]:
    """A TLS listener whose certificate nobody has signed but itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"https://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_b14_p5_an_upstream_that_nobody_can_reach_is_a_503_with_retry_after(untrusted: str) -> None:
    """No TLS that can be trusted, and no such name."""
    with contextlib.ExitStack() as stack:
        gateways = [
            stack.enter_context(
                running_gateway(
                    ready=False,
                    SUPABASE_URL=url,
                    SUPABASE_ANON_KEY="k",
                    SOCKET_URL=url,
                    PROMPT_ID="p",
                )
            )
            for url in (untrusted, "http://upstream.invalid")
        ]
        for gateway in gateways:
            response = chat(gateway)
            assert_told(response, 503, "upstream_unavailable")
            assert int(response.headers["retry-after"]) >= 1
            begun = time.monotonic()
            assert_told(chat(gateway), 503, "upstream_unavailable")
            assert time.monotonic() - begun < 0.5
            assert "budget is used up" not in gateway.log()


# --- P4: no storm


def flood(gateway: GatewayProcess, number: int, content: Callable[[int], str]) -> list[int]:
    """The statuses of so many requests, fifty at a time."""
    local = threading.local()

    def one(which: int) -> int:
        if not hasattr(local, "http"):
            local.http = requests.Session()
        body = {"messages": [{"role": "user", "content": content(which)}]}
        url = f"{gateway.api}/chat/completions"
        return int(local.http.post(url, json=body, timeout=60).status_code)

    with ThreadPoolExecutor(50) as callers:
        return list(callers.map(one, range(number)))


@pytest.mark.parametrize("status", [500, 401])
def test_p4_while_every_start_fails_no_more_than_eleven_come_of_ten_requests(
    fresh: EmulatorProcess, status: int
) -> None:
    with running_gateway(fresh, MIN_CREDENTIALS=4, MAX_CREDENTIALS=4) as gateway:
        wait_for(lambda: accounts(gateway) == 4, "four accounts")
        assert serves(gateway)
        fresh.forget()
        fresh.faults(start={"status": status})
        statuses = flood(gateway, 1000, lambda number: f"n {number}")
        assert set(statuses) <= {502, 503}
        assert fresh.stats()["starts"] <= 1.1 * 1000
        assert fresh.stats()["starts"] <= 100, "the breaker keeps nearly all of them away"
        assert fresh.stats()["sign_ups"] == 0


def test_p4_where_each_run_fails_at_first_second_tries_keep_to_their_budget(
    fresh: EmulatorProcess,
) -> None:
    """Now and then one succeeds, so the breaker does not help."""
    with running_gateway(fresh, MIN_CREDENTIALS=4, MAX_CREDENTIALS=4) as gateway:
        wait_for(lambda: accounts(gateway) == 4, "four accounts")
        assert serves(gateway)
        fresh.forget()
        statuses = flood(
            gateway, 1000, lambda n: steer(f"n {n}", fault="start-500", times=1, chunks=1)
        )
        assert fresh.stats()["starts"] <= 1.1 * 1000
        made = gateway.metrics()['langfast_start_retries_total{result="made"}']
        assert made >= 15
        assert statuses.count(200) == made


# --- P5: fail fast, and be back soon


def latencies(gateway: GatewayProcess, number: int) -> list[float]:
    """How long callers that are turned away are kept, shortest first."""
    spent = []
    for _ in range(number):
        begun = time.monotonic()
        response = gateway.chat()
        spent.append(time.monotonic() - begun)
        assert_told(response, 503, "upstream_unavailable")
        assert 1 <= int(response.headers["retry-after"]) <= 5
    return sorted(spent)


def shut_the_door(gateway: GatewayProcess) -> None:
    """By so many failing starts."""
    with ThreadPoolExecutor(24) as callers:
        list(callers.map(lambda _: chat(gateway), range(24)))
    assert trouble(gateway) == "upstream_unavailable"


def assert_back(gateway: GatewayProcess) -> None:
    """Full success, ten seconds after the upstream's recovery at the latest."""
    wait_for(lambda: serves(gateway), "the first success", 10)
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: chat(gateway), range(24)))
    assert [answer.status_code for answer in answers] == [200] * 24
    wait_for(lambda: gateway.metrics()["langfast_breaker_open"] == 0, "the figures")


def leave_as_soon_as_asked(gateway: GatewayProcess) -> None:
    """A caller that does not wait for its answer."""
    body = b'{"messages":[{"role":"user","content":"x"}]}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port)) as caller:
        caller.sendall(head.encode() + body)
        time.sleep(0.05)


def test_p5_while_starts_fail_callers_hear_it_at_once_and_one_in_five_seconds_probes(
    fresh: EmulatorProcess,
) -> None:
    with running_gateway(fresh, MIN_CREDENTIALS=2, MAX_CREDENTIALS=2) as gateway:
        wait_for(lambda: accounts(gateway) == 2, "two accounts")
        assert serves(gateway)
        fresh.faults(start={"status": 503})
        shut_the_door(gateway)
        fresh.forget()
        fresh.faults(start={"hang": 1, "status": 503})
        shut = time.monotonic()
        spent = latencies(gateway, 20)
        assert spent[len(spent) // 2] < 0.05
        assert gateway.metrics()["langfast_breaker_open"] == 1
        # The caller that is the probe leaves before anything is known. Another one is the next.
        while fresh.stats()["starts"] == 0:
            leave_as_soon_as_asked(gateway)
        assert 4.5 < time.monotonic() - shut < 9
        fresh.clear_faults()
        assert_back(gateway)
        assert fresh.stats()["starts"] <= 2 + 24
        wait_for(lambda: gateway.metrics()["langfast_runs_in_flight"] == 0, "no run in flight")
        wait_for(lambda: gateway.metrics()["langfast_leases"] == 0, "all places to be free")


def test_p5_an_upstream_that_swallows_everything_is_found_out_and_served_again(
    fresh: EmulatorProcess,
) -> None:
    with running_gateway(
        fresh, MIN_CREDENTIALS=3, MAX_CREDENTIALS=3, START_TIMEOUT=1, SIGNUP_TIMEOUT=2
    ) as gateway:
        wait_for(lambda: accounts(gateway) == 3, "three accounts")
        assert serves(gateway)
        fresh.process.send_signal(signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(24) as callers:
                answers = list(callers.map(lambda _: chat(gateway), range(24)))
            assert {answer.status_code for answer in answers} <= {504, 503}
            spent = latencies(gateway, 20)
            assert spent[len(spent) // 2] < 0.05
        finally:
            fresh.process.send_signal(signal.SIGCONT)
        assert_back(gateway)


def test_p5_an_upstream_that_is_dead_at_a_cold_start_is_found_out_and_served_when_it_comes() -> (
    None
):
    port, key = free_port(), "an-anon-key"
    url = f"http://127.0.0.1:{port}"
    emulator = ("--port", str(port), "--anon-key", key, "--interval", "0.01")
    with running_gateway(
        ready=False,
        SUPABASE_URL=url,
        SUPABASE_ANON_KEY=key,
        SOCKET_URL=url,
        PROMPT_ID="00000000-0000-4000-8000-000000000000",
        MIN_CREDENTIALS=3,
    ) as gateway:
        begun = time.monotonic()
        assert_told(chat(gateway), 503, "upstream_unavailable")
        assert time.monotonic() - begun < 9, "long before the end of its patience"
        spent = latencies(gateway, 20)
        assert spent[len(spent) // 2] < 0.05
        with running_emulator(*emulator):
            assert_back(gateway)
