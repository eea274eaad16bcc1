"""``langfast doctor`` against emulators with whom something is wrong."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from langfast_wsgi.cli.advice import ADVICE
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import free_port, towards
from tests.unit.cli.command import answering, langfast
from tests.unit.cli.report import GATEWAY, PASSWORD, UPSTREAM, examined, faults


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0") as running:
        yield running


AUTH_FAULTS = [
    ({"status": 422, "code": "anonymous_provider_disabled"}, "upstream_signup_disabled"),
    ({"code": "captcha_failed"}, "upstream_captcha_required"),
    ({"status": 401}, "upstream_misconfigured"),
    ({"status": 429}, "rate_limit_exceeded"),
    ({"status": 500}, "upstream_signup_refused"),
]


@pytest.mark.parametrize(("fault", "code"), AUTH_FAULTS, ids=lambda value: str(value))
def test_a_refused_sign_up_is_explained(
    emulator: EmulatorProcess, fault: dict[str, Any], code: str
) -> None:
    with faults(emulator, sign_up=fault):
        report = examined(emulator, "--sign-up")
    assert (report.code, report.signs(UPSTREAM)) == (1, "✓✗––")
    assert f"({code})" in report.says("sign-in")
    assert report.says("sign-in").endswith(ADVICE[code])
    assert report.says("run") == "skipped: it needs sign-in"


def test_a_wrong_password_is_explained(emulator: EmulatorProcess) -> None:
    report = examined(emulator, UPSTREAM_EMAIL="nobody@example.org", UPSTREAM_PASSWORD=PASSWORD)
    assert (report.code, report.signs(UPSTREAM)) == (1, "✓✗––")
    assert report.says("sign-in").endswith(ADVICE["upstream_misconfigured"])


def test_a_socket_that_refuses_the_token_is_explained(emulator: EmulatorProcess) -> None:
    with faults(emulator, connect={"refuse": True}):
        report = examined(emulator, "--sign-up")
    assert (report.code, report.signs(UPSTREAM)) == (1, "✓✓✗–")
    assert "SOCKET_URL belongs to the same upstream" in report.says("socket")


def test_a_socket_that_never_lets_us_in_is_given_up_in_time(emulator: EmulatorProcess) -> None:
    begun = time.monotonic()
    with faults(emulator, connect={"hang": 30}):
        report = examined(emulator, "--sign-up", CONNECT_TIMEOUT=0.5)
    assert time.monotonic() - begun < 5
    assert (report.code, report.signs(UPSTREAM)) == (1, "✓✓✗–")
    assert report.says("socket").endswith(ADVICE["upstream_timeout"])


START_FAULTS = [
    ({"status": 500}, "upstream_error", "does not start runs"),
    ({"status": 429}, "rate_limit_exceeded", "two minutes"),
    ({"status": 402}, "insufficient_quota", "quota"),
    ({"status": 401}, "upstream_auth_error", "SUPABASE_ANON_KEY"),
    ({"status": 403}, "upstream_forbidden", "PROMPT_ID"),
    ({"body": "html", "status": 200}, "upstream_bad_response", "docs/upstream.md"),
]


@pytest.mark.parametrize(("fault", "code", "todo"), START_FAULTS, ids=lambda value: str(value))
def test_a_run_that_does_not_start_is_explained(
    emulator: EmulatorProcess, fault: dict[str, Any], code: str, todo: str
) -> None:
    with faults(emulator, start=fault):
        report = examined(emulator, "--sign-up")
    assert (report.code, report.signs(UPSTREAM)) == (1, "✓✓✓✗")
    assert f"({code})" in report.says("run")
    assert todo in report.says("run").partition("→")[2]


def elsewhere(emulator: EmulatorProcess, url: str) -> dict[str, str]:
    return {**towards(emulator), "SUPABASE_URL": url}


@pytest.mark.parametrize(
    ("url", "said", "code"),
    [
        ("http://127.0.0.1:{dead}", "TCP failed: nothing listens there", "refused"),
        ("https://127.0.0.1:{live}", "TLS failed: it speaks no TLS that we know", "tls"),
        (
            f"http://{'long' * 20}.test",
            "DNS failed: there is no host of that name",
            "no_name",
        ),
    ],
)
def test_the_layer_that_fails_on_the_way_is_named(
    emulator: EmulatorProcess, url: str, said: str, code: str
) -> None:
    live = emulator.url.rpartition(":")[2]
    settings = elsewhere(emulator, url.format(dead=free_port(), live=live))
    report = examined(None, "--sign-up", **settings)
    assert (report.code, report.signs([*UPSTREAM, "socket service"])) == (1, "✗––––")
    assert said in report.says("auth service")
    assert report.says("auth service").endswith(ADVICE[code])


@pytest.mark.parametrize(
    ("status", "sign", "code"),
    [
        (b"200 OK", "✓", None),
        (b"401 Unauthorized", "✗", "upstream_misconfigured"),
        (b"404 Not Found", "✗", "upstream_misconfigured"),
        (b"503 Unavailable", "✗", "upstream_unavailable"),
    ],
)
def test_what_the_auth_service_says_of_itself_counts(
    emulator: EmulatorProcess, status: bytes, sign: str, code: str | None
) -> None:
    with answering(head=b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status) as url:
        report = examined(None, **elsewhere(emulator, url))
    assert report.signs(["auth service"]) == sign
    if code:
        assert report.says("auth service").endswith(ADVICE[code])
        assert report.code == 1


def test_settings_that_do_not_fit_stop_what_needs_them() -> None:
    report = examined(None, SUPABASE_URL="http://upstream.test")
    assert report.code == 1
    assert report.signs(["settings", "versions", "tokenizer"]) == "✗✓✓"
    assert report.signs([*UPSTREAM, *GATEWAY]) == "–" * 7
    assert "SUPABASE_ANON_KEY" in report.says("settings")
    assert "upstream.test" not in report.text


def test_a_terminal_without_the_signs_gets_words() -> None:
    done = langfast("doctor", PYTHONIOENCODING="ascii", SUPABASE_URL="http://upstream.test")
    first, second, *_ = done.stdout.decode("ascii").splitlines()
    assert first.startswith("FAILED settings")
    assert second.startswith("ok versions")


def test_what_is_no_address_is_not_tried() -> None:
    done = langfast("doctor", "--url", "localhost:8000")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"langfast: 'localhost:8000' is no address")


def test_verbose_logs_what_was_said_without_the_secrets(emulator: EmulatorProcess) -> None:
    with faults(emulator, connect={"refuse": True, "message": "Who are you?"}):
        done = langfast("doctor", "--verbose", "--sign-up", **towards(emulator))
    assert b"Who are you?" in done.stderr
    assert b"eyJ" not in done.stdout + done.stderr
    assert emulator.anon_key.encode() not in done.stdout + done.stderr
