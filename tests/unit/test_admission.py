"""Who may call."""

from typing import Any

import pytest
from flask import Flask

from langfast_wsgi import admission as admission_module
from langfast_wsgi.admission import FORWARDING_HEADERS, WARN_EVERY, Admission
from langfast_wsgi.errors import NotAuthorised
from tests.support.clock import FakeClock

APP = Flask(__name__)
KEYS = ("key-one", "key-two")


def admitted(
    admission: Admission, authorization: str | None = None, address: str = "127.0.0.1", **more: str
) -> bool:
    environ: dict[str, Any] = {"REMOTE_ADDR": address, **more}
    if authorization is not None:
        environ["HTTP_AUTHORIZATION"] = authorization
    with APP.test_request_context("/", environ_overrides=environ):
        try:
            admission.check()
        except NotAuthorised:
            return False
        return True


def keyed(*keys: str) -> Admission:
    return Admission(keys or KEYS, allow_open_access=False)


# --- with keys


@pytest.mark.parametrize(
    "header",
    [
        "Bearer key-one",
        "Bearer key-two",
        "bearer key-one",
        "BEARER key-one",
        "Bearer   key-one",
        "Bearer key-one  ",
    ],
)
def test_any_of_the_keys_opens_in_any_case_of_the_scheme(header: str) -> None:
    assert admitted(keyed(), header)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer key-three",
        "Bearer KEY-ONE",
        "Bearer key-one,key-two",
        "Bearer key-one key-two",
        "Bearer key-on",
        "Basic key-one",
        "Basic a2V5LW9uZQ==",
        "key-one",
        "key-one key-one",
        "Bearer Bearer key-one",
        "Bearer 1",
        "Bearer \xff\xfe\xe9",
        "Bearer " + "x" * 100_000,
        "Bearer \udcff",
    ],
    ids=lambda value: ascii(value)[:30],
)
@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.9", ""])
def test_nothing_else_opens_from_wherever_it_comes(header: str | None, address: str) -> None:
    assert not admitted(keyed(), header, address)


def test_open_access_does_not_open_an_api_that_has_keys() -> None:
    assert not admitted(Admission(KEYS, allow_open_access=True))


@pytest.mark.parametrize("key", ["sk with spaces", 'sk"quoted"', "sk=equals,", "a" * 4096])
def test_a_key_may_hold_any_printable_character(key: str) -> None:
    assert admitted(keyed(key), f"Bearer {key}")


def test_a_key_beyond_latin_1_never_matches_by_accident() -> None:
    assert not admitted(keyed("ключ"), "Bearer ????")


def test_all_refusals_say_the_same() -> None:
    messages = set()
    for header in ("", "Bearer wrong", "Basic key-one"):
        with (
            APP.test_request_context("/", headers={"Authorization": header}),
            pytest.raises(NotAuthorised) as caught,
        ):
            keyed().check()
        messages.add(caught.value.message)
    assert len(messages) == 1


def test_no_key_is_kept_or_shown() -> None:
    admission = keyed()
    assert repr(admission) == "<Admission 2 keys>"
    assert not admission.is_open
    assert "key-one" not in repr(vars(admission))


def test_every_key_is_compared_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def compare(offered: bytes, known: bytes) -> bool:
        seen.append(known)
        return offered == known

    monkeypatch.setattr("hmac.compare_digest", compare)
    assert admitted(keyed(), "Bearer key-one")
    assert len(seen) == 2


# --- without keys


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", ""])
def test_an_open_api_serves_its_own_machine(address: str) -> None:
    assert Admission((), allow_open_access=False).is_open
    assert admitted(Admission((), allow_open_access=False), None, address)


@pytest.mark.parametrize("address", ["203.0.113.9", "10.0.0.1", "2001:db8::1", "nonsense"])
def test_an_open_api_serves_nobody_else_unless_that_is_meant(address: str) -> None:
    assert not admitted(Admission((), allow_open_access=False), None, address)
    assert admitted(Admission((), allow_open_access=True), None, address)


@pytest.mark.parametrize("header", FORWARDING_HEADERS)
def test_an_open_api_behind_a_proxy_is_shouted_about(
    header: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = "HTTP_" + header.upper().replace("-", "_")
    assert admitted(Admission((), allow_open_access=False), **{name: "a\x1b[31mb" + "x" * 500})
    (message,) = caplog.messages
    assert f"THE API IS OPEN AND REACHED THROUGH A PROXY ({header}: a?[31mbxxx" in message
    assert len(message) < 300


def test_it_is_shouted_about_once_a_minute_at_the_most(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    monkeypatch.setattr(admission_module.time, "monotonic", clock)
    admission = Admission((), allow_open_access=False)
    for _ in range(50):
        admitted(admission, HTTP_X_FORWARDED_FOR="203.0.113.9")
    assert len(caplog.messages) == 1
    clock.advance(WARN_EVERY)
    admitted(admission, HTTP_X_FORWARDED_FOR="203.0.113.9")
    assert len(caplog.messages) == 1
    clock.advance(0.1)
    admitted(admission, HTTP_X_FORWARDED_FOR="203.0.113.9")
    assert len(caplog.messages) == 2


def test_an_api_with_keys_behind_a_proxy_is_as_it_should_be(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert admitted(keyed(), "Bearer key-one", HTTP_X_FORWARDED_FOR="203.0.113.9")
    assert caplog.messages == []
