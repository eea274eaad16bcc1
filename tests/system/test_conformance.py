"""``langfast doctor --conformance`` as its user runs it: on this gateway and on others."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.crooked import Crook, Reply, crooked
from tests.support.emulator import running_emulator
from tests.support.foreign import foreign
from tests.support.gateway import GatewayProcess, free_port, running_gateway
from tests.support.nginx import running_nginx
from tests.unit.cli.command import langfast

KEY = "conformance-key-1"
ALL = list(range(1, 66))
PATIENCE = 110.0

# What a gateway cannot show in the default configuration: heartbeats come every 15 s, and there
# is no key that could be wrong.
HIDDEN_BY_DEFAULT = {34: "no heartbeat came in three seconds", 54: "it asks for no key"}
# nginx keeps the figures from the public.
HIDDEN_BY_NGINX = dict.fromkeys((27, 38), "/metrics is not to be seen from here (404)")


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    """With a key, heartbeats that come soon, an upstream that is given up soon, odd model ids."""
    with (
        running_emulator("--interval", "0.005") as emulator,
        running_gateway(
            emulator,
            API_MASTER_KEY=f"{KEY},another",
            HEARTBEAT_SECONDS=1,
            RUN_IDLE_TIMEOUT=4,
            KNOWN_MODELS="gpt-4o-mini,org/model:free",
        ) as process,
    ):
        yield process


class Examination:
    """What the command said, as JSON."""

    def __init__(self, url: str, *options: str, **settings: object) -> None:
        done = langfast(
            "doctor", "--conformance", url, "--json", *options, patience=PATIENCE, **settings
        )
        assert done.stderr == b""
        self.text = done.stdout.decode()
        assert KEY not in self.text
        self.code = done.returncode
        self.found: dict[str, Any] = json.loads(self.text)

    def numbers(self, result: str | None = None) -> list[int]:
        checks = self.found["checks"]
        return [one["number"] for one in checks if result is None or one["result"] == result]

    @property
    def skipped(self) -> dict[int, str]:
        checks = self.found["checks"]
        return {
            one["number"]: one["text"].removeprefix("skipped: ")
            for one in checks
            if one["result"] == "skipped"
        }

    @property
    def faults(self) -> list[Any]:
        return [one for one in self.found["checks"] if one["result"] in ("failed", "remark")]


def test_the_gateway_passes_all_65_checks(gateway: GatewayProcess) -> None:
    examination = Examination(gateway.api, API_MASTER_KEY=f"{KEY},another")
    assert examination.numbers() == ALL
    assert examination.faults == []
    assert examination.skipped == {}
    assert examination.numbers("passed") == ALL
    assert examination.code == 0
    assert examination.found["seconds"] < 60


def test_the_gateway_as_it_comes_fails_none() -> None:
    with running_gateway() as bare:
        examination = Examination(bare.url, "--strict")
    assert examination.numbers() == ALL
    assert examination.faults == []
    assert examination.skipped == HIDDEN_BY_DEFAULT
    assert examination.code == 0
    assert examination.found["seconds"] < 60


def test_behind_nginx_it_fails_none(gateway: GatewayProcess) -> None:
    with running_nginx(gateway.port) as nginx:
        # All but 59, which waits for a silent upstream and has nothing to do with what is in front.
        examination = Examination(nginx.api, "--only", "1-58,60-65", API_MASTER_KEY=KEY)
    assert examination.numbers() == [number for number in ALL if number != 59]
    assert examination.faults == []
    assert examination.skipped == HIDDEN_BY_NGINX
    assert examination.code == 0


def test_a_server_that_has_nothing_but_chat_is_told_what_it_lacks() -> None:
    with foreign() as url:
        examination = Examination(url, OPENAI_API_KEY=KEY)
    assert examination.numbers() == ALL
    assert examination.code == 1
    assert (examination.found["own"], examination.found["emulator"]) == (False, False)
    passed, failed = examination.numbers("passed"), examination.numbers("failed")
    assert {1, 11, 12, 13, 14, 19, 20, 21, 22, 23, 25, 28, 37} <= set(passed)
    assert {3, 10, 15, 17, 18, 24, 42, 44, 47, 55, 56, 61} <= set(failed)
    assert {6, 27, 36, 38, 40, 58, 59, 60} <= set(examination.skipped)
    assert "the check itself failed" not in examination.text
    assert all(one["expected"] for one in examination.faults)


def test_where_a_server_is_laxer_than_this_gateway_is_a_remark_unless_strict() -> None:
    with foreign() as url:
        mild = Examination(url, "--only", "1,64")
        strict = Examination(url, "--only", "1,64", "--strict")
    assert (mild.numbers("remark"), mild.numbers("failed"), mild.code) == ([64], [], 0)
    assert (strict.numbers("remark"), strict.numbers("failed"), strict.code) == ([], [64], 1)


def report(url: str, *options: str, **settings: object) -> tuple[int, str, str]:
    done = langfast("doctor", "--conformance", url, *options, patience=PATIENCE, **settings)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_people_get_a_line_for_each_check_and_one_for_all(gateway: GatewayProcess) -> None:
    code, text, errors = report(gateway.url, "--only", "1,19-21", API_MASTER_KEY=KEY)
    lines = text.splitlines()
    assert (code, errors) == (0, "")
    assert [line[:4] for line in lines[1:-1]] == ["✓  1", "✓ 19", "✓ 20", "✓ 21"]
    assert "emulator" in lines[0]
    assert lines[-1].startswith("4 passed, 0 failed, 0 remarks, 0 skipped of 4")


def test_what_failed_says_what_was_seen_and_what_was_expected(gateway: GatewayProcess) -> None:
    def twist(_: object, reply: Reply) -> None:
        reply.headers.pop("x-request-id", None)

    with crooked(gateway.url, Crook(tell=twist)) as url:
        code, text, _ = report(url, "--only", "3", API_MASTER_KEY=KEY)
    line = text.splitlines()[1]
    assert code == 1
    assert line.startswith("✗  3 ")
    assert ": saw [" in line
    assert line.endswith(" → x-request-id on an unstreamed answer")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "wants a key"),
        ({"OPENAI_API_KEY": "sk-a-wrong-one"}, "does not take the key"),
        ({"OPENAI_API_KEY": "sk-one\nof-two-lines"}, "characters that no HTTP header can carry"),
    ],
)
def test_a_key_that_is_not_taken_is_one_line(
    gateway: GatewayProcess, settings: dict[str, str], words: str
) -> None:
    code, text, errors = report(gateway.url, **settings)
    assert (code, text, errors.count("\n")) == (1, "", 1)
    assert words in errors
    assert "sk-" not in errors


def test_the_key_is_that_of_the_variable_that_was_named(gateway: GatewayProcess) -> None:
    wrong = {"OPENAI_API_KEY": "wrong", "API_MASTER_KEY": "wrong as well"}
    only = ("--only", "54")
    code, text, _ = report(gateway.url, *only, "--key-env", "MINE", MINE=KEY, **wrong)
    assert (code, text.splitlines()[1][:4]) == (0, "✓ 54")
    code, _, errors = report(gateway.url, *only, "--key-env", "NOT_THERE", **wrong)
    assert (code, errors.count("\n")) == (2, 1)
    assert "NOT_THERE" in errors


def page(_: object) -> Reply:
    return Reply(200, {"content-type": "text/html", "content-length": "0"}, b"<h1>hello</h1>")


def moved(_: object) -> Reply:
    return Reply(301, {"location": "https://elsewhere.example", "content-length": "0"})


def broken(_: object) -> Reply:
    reply = Reply(503, {"content-type": "application/json", "content-length": "0"})
    reply.json = {"error": {"message": "Come back later.", "type": "x", "code": None}}
    return reply


def something(_: object) -> Reply:
    return Reply(200, {"content-type": "application/json", "content-length": "2"}, b"{}")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (page, "answers with a web page"),
        (moved, "redirects elsewhere (301)"),
        (broken, "(503): Come back later."),
        (something, "no chat completion"),
    ],
)
def test_what_is_no_such_api_is_one_line(answer: Any, words: str) -> None:
    with crooked("http://127.0.0.1:9", Crook(ask=answer)) as url:
        code, text, errors = report(url)
    assert (code, text, errors.count("\n")) == (1, "", 1)
    assert words in errors


def test_an_address_where_nobody_is_or_none_at_all_is_one_line() -> None:
    code, text, errors = report(f"http://127.0.0.1:{free_port()}")
    assert (code, text, errors.count("\n")) == (1, "", 1)
    assert "nothing listens there" in errors
    code, _, errors = report("127.0.0.1")
    assert (code, errors.count("\n")) == (2, 1)


def test_a_model_that_is_not_there_is_one_line(gateway: GatewayProcess) -> None:
    code, _, errors = report(gateway.url, "--model", "gpt-99", API_MASTER_KEY=KEY)
    assert (code, errors.count("\n")) == (1, 1)
    assert "'gpt-99'" in errors


@pytest.mark.parametrize(
    "options",
    [
        ("--model", "x"),
        ("--json",),
        ("--only", "1"),
        ("--conformance", "http://127.0.0.1:9", "--only", "66"),
        ("--conformance", "http://127.0.0.1:9", "--only", "all"),
        ("--conformance", "http://127.0.0.1:9", "--url", "http://127.0.0.1:9"),
    ],
)
def test_options_that_do_not_go_together_are_one_line(options: tuple[str, ...]) -> None:
    done = langfast("doctor", *options)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
