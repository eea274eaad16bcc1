"""One line a record, and no secret in it."""

import json
import logging
import logging.config
import re
import string
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from langfast_wsgi.observe.logs import config, mask, one_line
from langfast_wsgi.settings import Settings
from tests.support.builders import jwt

FIELDS = ["access_token", "refresh_token", "apikey", "api_key", "password", "token"]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("nothing to hide", "nothing to hide"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("authorization: bearer  abc", "authorization: bearer  ***"),
        ("'BEARER abc', next", "'BEARER ***', next"),
        ("a eyJhbGciOiJI.eyJzdWIi.c2ln b", "a *** b"),
        ("eyJhbGciOiJI.eyJzdWIi", "***"),
        ('{"access_token":"abc","a":1}', '{"access_token":"***","a":1}'),
        ("{'refresh_token': 'abc'}", "{'refresh_token': '***'}"),
        ("?apikey=abc&b=1", "?apikey=***&b=1"),
        ("password = abc", "password = ***"),
        ("API_KEY: abc", "API_KEY: ***"),
        ("the token of a run", "the token of a run"),
        ("max_tokens: 5", "max_tokens: 5"),
        ("token: Bearer abc", "token: Bearer ***"),
    ],
)
def test_masking_as_a_table(text: str, masked: str) -> None:
    assert mask(text) == masked


OPAQUE = st.text(string.ascii_letters + string.digits + "-_.~+/=", min_size=12, max_size=60)
AROUND = st.text(st.characters(codec="utf-8"), max_size=20)


@given(OPAQUE, AROUND, AROUND, st.sampled_from(["Bearer ", "bearer\t", "BEARER  "]))
@settings(max_examples=200, deadline=None)
def test_no_bearer_token_survives(secret: str, before: str, after: str, scheme: str) -> None:
    assume(secret not in before + after)
    assert secret not in mask(f"{before} {scheme}{secret} {after}")


@given(st.text(min_size=1, max_size=20), AROUND, AROUND)
@settings(max_examples=200, deadline=None)
def test_no_jwt_survives(subject: str, before: str, after: str) -> None:
    token = jwt(subject)
    found = mask(f"{before} {token} {after}")
    assert all(part not in found for part in token.split("."))


@given(OPAQUE, st.sampled_from(FIELDS), AROUND, st.sampled_from([json.dumps, repr]))
@settings(max_examples=200, deadline=None)
def test_no_token_in_a_json_field_survives(
    secret: str, field: str, other: str, written: Any
) -> None:
    assume(secret not in other + field)
    assert secret not in mask(written({"a": other, field: secret, "b": other}))


@given(
    st.text(string.ascii_uppercase + string.digits + string.punctuation + " ", min_size=8),
    st.sampled_from([json.dumps, repr]),
)
@settings(max_examples=200, deadline=None)
@example("CORRECT HORSE BATTERY STAPLE", json.dumps)
@example("SECRET,ALSO;THIS}AND&THAT", json.dumps)
def test_no_part_of_a_password_in_a_json_field_survives(secret: str, written: Any) -> None:
    """A password may hold spaces, commas and braces; not its beginning alone is secret."""
    found = mask(written({"password": secret}))
    assert [piece for piece in re.findall(r"[A-Za-z0-9]{4,}", secret) if piece in found] == []


def test_a_token_in_json_within_json_does_not_survive() -> None:
    inner = json.dumps({"access_token": "opaque-secret"})
    assert "opaque-secret" not in mask(json.dumps({"body": inner}))


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain", "plain"),
        ("a\nb\r\n\x00\x1b[31m\x7f\x85\u2028\u2029c", "a b? ??[31m????c"),
        (["a", 1], "['a', 1]"),
        (None, "None"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 199 + "…"),
        ("Bearer " + "x" * 300, "Bearer ***"),
        ("é😀", "é😀"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_value_from_outside_becomes_one_line(value: object, line: str) -> None:
    assert one_line(value) == line


def test_a_line_may_be_cut_shorter() -> None:
    assert one_line("abcdef", 4) == "abc…"


@given(st.text(st.characters(exclude_categories=())))
@settings(max_examples=100, deadline=None)
def test_no_value_breaks_the_line_or_grows_beyond_its_limit(value: str) -> None:
    line = one_line(value, 50)
    assert len(line) <= 50
    assert len(line.splitlines()) <= 1


@pytest.mark.parametrize(
    "text", ["PASSWORD=abc", "BeArEr abc", "EYJhbGc.eyJzdWI", "'ApiKey': 'abc'"]
)
def test_what_is_looked_for_is_found_in_any_case(text: str) -> None:
    assert "***" in mask(text)


# --- the configuration


def lines(capsys: pytest.CaptureFixture[str], kind: str, log: Any, **options: Any) -> str:
    """What the handlers of this configuration write; the old ones are put back."""
    names = ("langfast_wsgi", "gunicorn.error", "gunicorn.access", "")
    loggers = [logging.getLogger(name) for name in names]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    try:
        logging.config.dictConfig(config(Settings(_env_file=None, log_format=kind, **options)))
        log()
    finally:
        for one, handlers, level, propagate in before:
            one.handlers[:], one.propagate = handlers, propagate
            one.setLevel(level)
    return capsys.readouterr().err


OURS = logging.getLogger("langfast_wsgi.providers.langfast.keeper")


@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_secret_is_masked_whoever_logs_it(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    def log() -> None:
        OURS.warning("header %s", "Bearer opaque-secret")
        logging.getLogger("gunicorn.error").error("refresh_token=opaque-secret")
        logging.getLogger("urllib3").warning("token: %r", "opaque-secret")

    written = lines(capsys, kind, log)
    assert written.count("***") == 3
    assert "opaque-secret" not in written


@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_secret_in_an_exception_is_masked_too(
    capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    def log() -> None:
        try:
            raise ValueError("Authorization: Bearer opaque-secret")
        except ValueError:
            OURS.exception("a start failed in an unforeseen way")

    written = lines(capsys, kind, log)
    assert "ValueError" in written
    assert "opaque-secret" not in written


def test_a_text_record_is_one_line_with_its_time_level_and_process(
    capsys: pytest.CaptureFixture[str],
) -> None:
    written = lines(capsys, "text", lambda: OURS.warning("words %d", 7))
    assert written.count("\n") == 1
    assert " WARNING langfast_wsgi.providers.langfast.keeper [" in written
    assert written.endswith("] words 7\n")


def test_a_json_record_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads(lines(capsys, "json", lambda: OURS.warning("words %d\n", 7)))
    assert record["message"] == "words 7\n"
    assert (record["level"], record["logger"]) == ("WARNING", OURS.name)
    assert isinstance(record["process"], int)
    assert "time" in record


# --- values from outside, whoever logs them

HOSTILE = "a\r\n2026-01-01 ERROR forged\x1b[31m\x00\u202etxt.exe"


@pytest.mark.parametrize("kind", ["text", "json"])
def test_e35_no_value_ends_a_line_or_colours_it(
    capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    def log() -> None:
        OURS.warning("%s failed", HOSTILE)
        logging.getLogger("gunicorn.access").info('"%(m)s %(U)s"', {"m": "GET", "U": HOSTILE})
        logging.getLogger("gunicorn.error").warning(f"Invalid request: {HOSTILE}")

    written = lines(capsys, kind, log)
    assert len(written.splitlines()) == 3
    assert all(char.isprintable() for char in written.replace("\n", ""))
    assert "forged" in written


@pytest.mark.parametrize("kind", ["text", "json"])
def test_e35_values_are_cut(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    def log() -> None:
        OURS.warning("%s %d %s", "x" * 8000, 7, "y" * 8000)
        logging.getLogger("gunicorn.access").info("%(a)s %(s)s", {"a": "z" * 8000, "s": 200})
        logging.getLogger("gunicorn.error").warning("w" * 8000)

    ours, access, error = lines(capsys, kind, log).splitlines()
    assert all(f"{letter * 199}" in ours and f"{letter * 200}" not in ours for letter in "xy")
    assert " 7 " in ours
    assert "z" * 199 in access
    assert "z" * 200 not in access
    assert " 200" in access
    assert "w" * 999 in error
    assert "w" * 1000 not in error


def test_a_mapping_may_be_logged_as_a_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """``logging`` takes a lone mapping for values by name."""
    written = lines(capsys, "text", lambda: OURS.warning("got %s", {"a": 1, "token": "opaque"}))
    assert "got {'a': 1, 'token': '***'}" in written


@pytest.mark.parametrize("kind", ["text", "json"])
def test_e35_a_cut_leaves_no_half_secret(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    said = "x" * 180 + " Bearer opaque-secret-of-some-length"
    assert "opaque" not in lines(capsys, kind, lambda: OURS.warning("%s", said))


@pytest.mark.parametrize("around", ['"', "'", "\\\\", "}", '\\\\"'])
def test_e35_masking_leaves_a_json_record_whole(
    capsys: pytest.CaptureFixture[str], around: str
) -> None:
    said = f"agent {around}Bearer opaque-secret{around} and token=opaque{around}"
    record = json.loads(lines(capsys, "json", lambda: OURS.warning("%s", said)))
    assert "opaque" not in record["message"]
    assert record["message"].startswith("agent ")


def test_e35_no_line_of_a_trace_passes_for_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    def log() -> None:
        try:
            raise ValueError("x\n2026-01-01 00:00:00,000 ERROR forged [1] \x1b[31m")
        except ValueError:
            OURS.exception("a start failed")

    first, *trace = lines(capsys, "text", log).splitlines()
    assert first.endswith("a start failed")
    assert trace
    assert all(line.startswith("    ") for line in trace)
    assert "\x1b" not in "".join(trace)


def test_the_level_is_ours_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def log() -> None:
        OURS.debug("ours")
        logging.getLogger("urllib3").info("theirs")

    assert "ours" in lines(capsys, "text", log, log_level="debug")
    assert lines(capsys, "text", log) == ""


def test_a_log_call_whose_arguments_do_not_fit_never_reaches_the_caller(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The standard library reports it on stderr, and the program goes on."""
    lines(capsys, "text", lambda: OURS.warning("%d apples", "no"))
