"""``langfast doctor`` against emulators that are well, and beside gateways."""

import time
from collections.abc import Iterator

import pytest
import requests

from langfast_wsgi.cli.advice import ADVICE
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.emulator_client import client_of
from tests.support.gateway import free_port, running_gateway
from tests.unit.cli.command import answering
from tests.unit.cli.report import EMAIL, GATEWAY, PASSWORD, UPSTREAM, examined, faults


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0") as running:
        yield running


def test_with_nothing_configured_all_is_tried_on_the_embedded_emulator() -> None:
    report = examined(None)
    assert report.code == 0
    assert report.signs(["settings", "versions", "tokenizer", "emulator", *UPSTREAM]) == "✓" * 8
    assert report.signs(GATEWAY) == "–––"
    assert "langfast serve" in report.says("gateway")
    assert "ended: stop" in report.says("run")


def test_on_somebodys_upstream_no_account_is_made_unasked(emulator: EmulatorProcess) -> None:
    emulator.forget()
    report = examined(emulator)
    assert report.code == 0
    assert report.signs(UPSTREAM) == "✓–––"
    assert "--sign-up" in report.says("sign-in")
    assert emulator.stats()["sign_ups"] == 0


def test_if_asked_it_signs_up_once_and_runs_once(emulator: EmulatorProcess) -> None:
    emulator.forget()
    report = examined(emulator, "--sign-up")
    assert (report.code, report.signs(UPSTREAM)) == (0, "✓✓✓✓")
    assert emulator.stats()["sign_ups"] == 1
    assert len(emulator.runs()) == 1
    assert emulator.stats()["sockets_open"] == 0


def own_account(emulator: EmulatorProcess) -> str:
    """Make the operator's account, if it is not there yet; gives a refresh token."""
    body = {"email": EMAIL, "password": PASSWORD}
    with client_of(emulator) as client:
        client.post("/auth/v1/signup", body)
        grant = client.post("/auth/v1/token?grant_type=password", body).json()
        return str(grant["refresh_token"])


def test_an_account_of_ones_own_signs_in_by_its_password(emulator: EmulatorProcess) -> None:
    own_account(emulator)
    report = examined(emulator, UPSTREAM_EMAIL=EMAIL, UPSTREAM_PASSWORD=PASSWORD)
    assert (report.code, report.signs(UPSTREAM)) == (0, "✓✓✓✓")
    assert "by password" in report.says("sign-in")


def test_a_refresh_token_is_not_spent_unasked(emulator: EmulatorProcess) -> None:
    token = own_account(emulator)
    emulator.forget()
    report = examined(emulator, "--sign-up", UPSTREAM_REFRESH_TOKEN=token)
    assert (report.code, report.signs(UPSTREAM)) == (0, "✓–––")
    assert "--use-refresh-token" in report.says("sign-in")
    assert emulator.stats()["refreshes"] == emulator.stats()["sign_ups"] == 0
    report = examined(emulator, "--use-refresh-token", UPSTREAM_REFRESH_TOKEN=token)
    assert (report.code, report.signs(UPSTREAM)) == (0, "✓✓✓✓")
    assert token not in report.text


def test_a_running_gateway_is_asked_with_its_own_key() -> None:
    with running_gateway(API_MASTER_KEY="sk-one,sk-two") as gateway:
        settings = {"API_MASTER_KEY": "sk-one,sk-two"}
        report = examined(None, PORT=gateway.port, **settings)
        assert (report.code, report.signs(GATEWAY)) == (0, "✓✓✓")
        assert "sk-" not in report.text
        elsewhere = examined(None, "--url", gateway.api, API_MASTER_KEY="sk-wrong")
        assert (elsewhere.code, elsewhere.signs(GATEWAY)) == (1, "✓✓✗")
        assert elsewhere.says("gateway chat").endswith(ADVICE["invalid_api_key"])


def test_a_gateway_that_was_named_has_to_be_there() -> None:
    report = examined(None, "--url", f"http://127.0.0.1:{free_port()}/v1")
    assert (report.code, report.signs(GATEWAY)) == (1, "✗––")
    assert report.says("gateway").endswith(ADVICE["no_gateway"])


def test_something_else_that_listens_is_no_gateway() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n"
    with answering(b"<p>", head=head) as url:
        report = examined(None, "--url", url)
    assert (report.code, report.signs(GATEWAY)) == (1, "✗––")


def test_a_gateway_without_accounts_is_explained(emulator: EmulatorProcess) -> None:
    with (
        faults(emulator, sign_up={"code": "captcha_failed"}),
        running_gateway(emulator, ready=False) as gateway,
    ):
        gateway.wait_until_alive()
        wait_for_trouble(gateway.url)
        report = examined(emulator, PORT=gateway.port)
    assert (report.code, report.signs(GATEWAY)) == (1, "✓✗✗")
    assert report.says("gateway ready").endswith(ADVICE["upstream_captcha_required"])
    assert report.says("gateway chat").endswith(ADVICE["upstream_captcha_required"])


def wait_for_trouble(url: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        until = time.monotonic() + 5
        while not session.get(f"{url}/readyz", timeout=5).json()["langfast"]["trouble"]:
            assert time.monotonic() < until
            time.sleep(0.05)
