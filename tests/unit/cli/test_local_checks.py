"""Checks of this machine."""

from importlib import metadata

import pytest
from packaging.requirements import Requirement

from langfast_wsgi import settings
from langfast_wsgi.cli import local_checks
from langfast_wsgi.cli.steps import NotDone, Wrong

UPSTREAM = {
    "supabase_url": "https://auth.test/base",
    "supabase_anon_key": "anon",
    "socket_url": "https://socket.test",
    "prompt_id": "p",
}


@pytest.fixture(autouse=True)
def no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV_FILE", "")
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "valid; the embedded emulator is the upstream; open API, no key"),
        (
            {"api_master_key": "a"},
            "valid; the embedded emulator is the upstream; 1 API key",
        ),
        (
            {**UPSTREAM, "api_master_key": "a,b", "host": "0.0.0.0"},
            "valid; upstream https://auth.test with anonymous accounts; 2 API keys",
        ),
        (
            {**UPSTREAM, "upstream_email": "a@b", "upstream_password": "p"},
            "valid; upstream https://auth.test with an account of one's own, by password;"
            " open API, no key",
        ),
        (
            {**UPSTREAM, "upstream_refresh_token": "t"},
            "valid; upstream https://auth.test with an account of one's own, by refresh token;"
            " open API, no key",
        ),
    ],
)
def test_settings_are_told_in_a_few_words(values: dict[str, object], expected: str) -> None:
    assert local_checks.described(settings.load(**values)) == expected


@pytest.mark.parametrize(
    ("values", "todo"),
    [
        ({**UPSTREAM, "host": "0.0.0.0"}, "API_MASTER_KEY"),
        ({"host": "::", "api_master_key": "k"}, "EMULATOR=1"),
    ],
)
def test_settings_with_which_the_service_would_not_start_are_wrong(
    values: dict[str, object], todo: str
) -> None:
    with pytest.raises(Wrong) as wrong:
        local_checks.described(settings.load(**values))
    assert todo in wrong.value.todo


def test_what_is_meant_may_be_open() -> None:
    values = {"host": "0.0.0.0", "allow_open_access": True, "emulator": True}
    assert local_checks.described(settings.load(**values)).startswith("valid")


def requiring(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    wanted = [Requirement(line) for line in lines]
    monkeypatch.setattr(local_checks, "_requirements", lambda: wanted)


def test_libraries_that_fit_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    requiring(monkeypatch, "flask>=3", "rs-bpe<0.0.1")
    assert f"flask {metadata.version('flask')}" in local_checks.versions()


def test_libraries_that_do_not_fit_are_named_each(monkeypatch: pytest.MonkeyPatch) -> None:
    requiring(monkeypatch, "flask<1", "no-such-library>=1", "requests")
    with pytest.raises(Wrong) as wrong:
        local_checks.versions()
    assert f"flask {metadata.version('flask')} is not <1; no-such-library is missing" in str(
        wrong.value
    )
    assert "requirements.txt" in wrong.value.todo


def test_without_an_installed_package_there_is_nothing_to_compare(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local_checks, "DISTRIBUTION", "no-such-library")
    with pytest.raises(NotDone, match="not installed"):
        local_checks.versions()


def test_the_tokenizer_is_named() -> None:
    assert local_checks.tokens().startswith("o200k_base")


@pytest.mark.parametrize(("version", "error"), [((3, 13), Wrong), ((3, 14), NotDone)])
def test_a_missing_tokenizer_is_wrong_only_where_there_is_one(
    version: tuple[int, int], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_checks.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(local_checks.sys, "version_info", version)
    with pytest.raises(error, match="estimated"):
        local_checks.tokens()
