"""Who may call."""

from typing import Any

import pytest
from flask import Flask, g

from langfast_wsgi import admission as admission_module
from langfast_wsgi.admission import (
    FORWARDING_HEADERS,
    MOST_NETWORKS,
    WARN_EVERY,
    WRONG_KEYS,
    WRONG_KEYS_WITHIN,
    Admission,
    TooManyWrongKeys,
    WrongKeys,
)
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


def caller_of(**headers: str) -> str:
    """Whose request it is taken for."""
    environ = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    with APP.test_request_context("/", environ_overrides=environ):
        keyed().check()
        return str(g.caller)


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


@pytest.mark.parametrize("header", ["key-one", "key-two", " key-one "])
def test_a_key_may_come_as_anthropics_clients_send_it(header: str) -> None:
    assert admitted(keyed(), HTTP_X_API_KEY=header)


@pytest.mark.parametrize(
    "header",
    ["", " ", "key-three", "Bearer key-one", "key-one,key-two", "key-one key-two", "1", "\xff"],
)
@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer wrong", "Basic key-one"])
def test_nothing_else_opens_there_whatever_stands_beside_it(
    header: str, authorization: str | None
) -> None:
    assert not admitted(keyed(), authorization, HTTP_X_API_KEY=header)


@pytest.mark.parametrize("beside", ["", "wrong", "key-two", "sk-another-services"])
def test_one_right_key_will_do_whatever_stands_beside_it(beside: str) -> None:
    assert admitted(keyed(), "Bearer key-one", HTTP_X_API_KEY=beside)
    for scheme in ("Bearer", "Basic"):
        assert admitted(keyed(), f"{scheme} {beside}", HTTP_X_API_KEY="key-one")


def test_a_caller_is_the_same_however_the_key_is_sent() -> None:
    one = caller_of(authorization="Bearer key-one")
    assert one == caller_of(x_api_key="key-one")
    assert one == caller_of(authorization="Bearer wrong", x_api_key="key-one")
    assert one == caller_of(authorization="Bearer key-one", x_api_key="key-two")
    assert one != caller_of(x_api_key="key-two")
    assert "key-one" not in one


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
    assert admitted(keyed(), "Bearer key-one", HTTP_X_API_KEY="wrong")
    assert len(seen) == 2 + 4


# --- too many wrong keys


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(admission_module.time, "monotonic", clock)
    return clock


STRANGER = "203.0.113.9"


def wait_of(admission: Admission, address: str = STRANGER, key: str = "wrong") -> float:
    """What a wrong key is answered: 0 for a 401, else the seconds of the 429."""
    try:
        assert not admitted(admission, f"Bearer {key}", address)
    except TooManyWrongKeys as fault:
        return fault.retry_after or 0.0
    return 0.0


def test_e36_wrong_keys_from_one_address_are_a_429_after_so_many_a_minute(
    clock: FakeClock,
) -> None:
    admission = keyed()
    assert [wait_of(admission) for _ in range(WRONG_KEYS)] == [0.0] * WRONG_KEYS
    clock.advance(20)
    assert wait_of(admission) == WRONG_KEYS_WITHIN - 20
    clock.advance(WRONG_KEYS_WITHIN - 20)
    assert wait_of(admission) == 0.0


def test_e36_a_right_key_is_taken_from_there_all_the_same(clock: FakeClock) -> None:
    admission = keyed()
    for _ in range(WRONG_KEYS + 1):
        wait_of(admission)
    assert wait_of(admission)
    assert admitted(admission, "Bearer key-one", STRANGER)


def test_e36_another_address_is_not_held_to_account(clock: FakeClock) -> None:
    admission = keyed()
    for _ in range(WRONG_KEYS + 1):
        wait_of(admission)
    assert wait_of(admission, "203.0.113.10") == 0.0


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", ""])
def test_e36_this_machine_is_never_held_up(clock: FakeClock, address: str) -> None:
    admission = keyed()
    assert not any(wait_of(admission, address) for _ in range(2 * WRONG_KEYS))


def test_e36_addresses_of_one_ipv6_network_count_as_one(clock: FakeClock) -> None:
    admission = keyed()
    waits = [wait_of(admission, f"2001:db8::{number:x}") for number in range(WRONG_KEYS + 1)]
    assert waits[-1]
    assert wait_of(admission, "2001:db8:0:1::1") == 0.0


def test_e36_a_missing_key_counts_as_a_wrong_one(clock: FakeClock) -> None:
    admission = keyed()
    for _ in range(WRONG_KEYS):
        assert not admitted(admission, None, STRANGER)
    assert wait_of(admission)


def test_e36_a_wrong_key_counts_wherever_it_stands_and_two_count_as_two(clock: FakeClock) -> None:
    admission = keyed()
    for number in range(WRONG_KEYS // 2):
        assert not admitted(admission, "Bearer wrong", STRANGER, HTTP_X_API_KEY=f"w{number}")
    with pytest.raises(TooManyWrongKeys):
        admitted(admission, None, STRANGER, HTTP_X_API_KEY="wrong")
    assert admitted(admission, None, STRANGER, HTTP_X_API_KEY="key-one")


def test_e36_the_memory_of_wrong_keys_is_bounded(clock: FakeClock) -> None:
    wrong = WrongKeys()
    for number in range(3 * MOST_NETWORKS):
        wrong.count(str(number))
    assert repr(wrong) == f"<WrongKeys of {MOST_NETWORKS} networks>"


def test_e36_who_comes_again_and_again_is_not_the_first_to_be_forgotten(clock: FakeClock) -> None:
    wrong = WrongKeys()
    wrong.count("early")
    clock.advance(WRONG_KEYS_WITHIN)
    for number in range(MOST_NETWORKS - 1):
        wrong.count(str(number))
    for _ in range(WRONG_KEYS):  # a minute of its own, begun anew
        wrong.count("early")
    wrong.count("one more")  # the oldest of the others gives way
    assert wrong.count("early") > 0


def test_e36_too_many_are_a_429_in_the_apis_shape_that_is_not_worth_a_retry() -> None:
    fault = TooManyWrongKeys("words", retry_after=30)
    assert (fault.status, fault.code, fault.retry) == (429, "rate_limit_exceeded", False)


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
