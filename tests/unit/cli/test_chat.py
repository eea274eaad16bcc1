"""Whom ``langfast chat`` asks, and with which key."""

from collections.abc import Mapping
from typing import Any, Self

import pytest
from click.testing import CliRunner

from langfast_wsgi.cli import chat
from langfast_wsgi.cli.completion import ChatFailed, Completion, session


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV_FILE", "")
    monkeypatch.setenv("API_MASTER_KEY", "first,second")
    monkeypatch.setenv("HOST", "127.0.0.1")
    monkeypatch.setenv("PORT", "8123")


@pytest.mark.parametrize(
    ("url", "key", "expected"),
    [
        (None, None, ("http://127.0.0.1:8123/v1", "first")),
        (None, "mine", ("http://127.0.0.1:8123/v1", "mine")),
        ("http://localhost:9", None, ("http://localhost:9/v1", "first")),
        ("https://example.org/v1", None, ("https://example.org/v1", None)),
        ("https://example.org/v1", "mine", ("https://example.org/v1", "mine")),
    ],
)
def test_the_services_own_key_goes_to_no_other_machine(
    url: str | None, key: str | None, expected: tuple[str, str | None]
) -> None:
    assert chat._whom(url, key) == expected


def test_settings_that_do_not_fit_matter_only_where_they_are_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PORT", "none")
    assert chat._whom("http://localhost:9", "mine") == ("http://localhost:9/v1", "mine")


def test_a_proxy_is_asked_for_other_machines_only() -> None:
    with session("http://127.0.0.1:8000", None) as near, session("http://example.org", None) as far:
        assert (near.trust_env, far.trust_env) == (False, True)


class Scripted(list[str]):
    """In place of a completion: keeps what it was asked, and answers with given texts."""

    asked: tuple[str, str | None, Mapping[str, Any]]
    finish_reason: str | None = "stop"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def __call__(self, api: str, key: str | None, body: Mapping[str, Any]) -> Self:
        self.asked = (api, key, body)
        return self


def asked(
    monkeypatch: pytest.MonkeyPatch, *arguments: str, stdin: str | None = None
) -> Mapping[str, Any]:
    scripted = Scripted(["fine", ", thanks"])
    monkeypatch.setattr(chat, "Completion", scripted)
    result = CliRunner().invoke(chat.command, arguments, input=stdin)
    assert (result.exit_code, result.output) == (0, "fine, thanks")
    return scripted.asked[2]


def test_only_what_was_given_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, "hello") == {"messages": [{"role": "user", "content": "hello"}]}


def test_instructions_go_before_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    body = asked(monkeypatch, "-", "--system", "Be brief.", "--model", "m", stdin="hello\n")
    assert body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hello\n"},
        ],
    }


@pytest.mark.parametrize("key", ["a\nb", "a\x00", "ключ", "\udcff"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_named(key: str) -> None:
    with Completion("http://127.0.0.1:9", key, {}) as answer, pytest.raises(ChatFailed) as failed:
        list(answer)
    assert "no HTTP header" in str(failed.value)
    assert key not in str(failed.value)
    assert key not in repr(answer)
