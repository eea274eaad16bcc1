"""What the settings take, refuse and say."""

from pathlib import Path
from typing import Any

import pytest

from langfast_wsgi.settings import DEFAULT_MODELS, Settings, SettingsError, load

UPSTREAM = {
    "SUPABASE_URL": "https://YOUR-PROJECT.example",
    "SUPABASE_ANON_KEY": "canary-anon",
    "SOCKET_URL": "https://YOUR-SOCKETS.example",
    "PROMPT_ID": "00000000-0000-4000-8000-000000000000",
}


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty working directory, and nothing of a developer's own settings."""
    for name in (*Settings.model_fields, "env_file"):
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loads the settings from an environment with these values."""

    def load_with(**environment: str) -> Settings:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return load()

    return load_with


def sentence(given: Any, **environment: str) -> str:
    """What the operator is told about an environment that cannot work."""
    with pytest.raises(SettingsError) as refused:
        given(**environment)
    return str(refused.value)


# --- where values come from ----------------------------------------------------------------------


def test_nothing_needs_to_be_set(given: Any) -> None:
    settings = given()
    assert settings.embedded
    assert settings.api_keys == ()
    assert settings.known_models == DEFAULT_MODELS


def test_a_file_in_the_working_directory_is_read(given: Any, folder: Path) -> None:
    (folder / ".env").write_text("MAX_RUNS=7\n# a comment\nLOG_FORMAT='json' # and another\n")
    settings = given()
    assert (settings.max_runs, settings.log_format) == (7, "json")


def test_the_environment_wins_over_the_file(given: Any, folder: Path) -> None:
    (folder / ".env").write_text("MAX_RUNS=7\nMAX_CREDENTIALS=8\n")
    settings = given(MAX_RUNS="9")
    assert (settings.max_runs, settings.max_credentials) == (9, 8)


def test_values_that_are_handed_over_win_over_both(given: Any, folder: Path) -> None:
    (folder / ".env").write_text("MAX_RUNS=7\n")
    given(MAX_RUNS="9")
    assert load(max_runs=11).max_runs == 11


def test_env_file_names_another_file(given: Any, folder: Path) -> None:
    (folder / ".env").write_text("MAX_RUNS=7\n")
    (folder / "other").write_text("MAX_RUNS=8\n")
    assert given(ENV_FILE="other").max_runs == 8


def test_an_empty_env_file_means_no_file(given: Any, folder: Path) -> None:
    (folder / ".env").write_text("MAX_RUNS=7\n")
    assert given(ENV_FILE="").max_runs == 500


def test_names_of_others_in_the_file_do_no_harm(given: Any, folder: Path) -> None:
    (folder / ".env").write_text("SOMEBODY_ELSES=1\n")
    given()


def test_a_file_that_is_no_text_is_named_in_a_sentence(given: Any, folder: Path) -> None:
    (folder / ".env").write_bytes(b"\xff\xfe\x00")
    assert sentence(given) == "The settings file cannot be read: it is not UTF-8 text."


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_an_empty_value_counts_as_not_given(given: Any, folder: Path, name: str) -> None:
    defaults = given()
    assert given(**{name.upper(): ""}) == defaults
    (folder / ".env").write_text(f"{name.upper()}=\n")
    assert load() == defaults


# --- kinds of values -----------------------------------------------------------------------------


def test_lists_are_cut_at_commas(given: Any) -> None:
    assert given(KNOWN_MODELS=" a, b ,,a,").known_models == ("a", "b")


@pytest.mark.parametrize(("word", "meant"), [("1", True), ("true", True), ("0", False)])
def test_switches_take_the_usual_words(given: Any, word: str, meant: bool) -> None:
    assert given(ALLOW_OPEN_ACCESS=word).allow_open_access is meant


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("NGINX_PORT", "-1"),
        ("WEB_CONCURRENCY", "0"),
        ("MAX_RUNS", "0"),
        ("RUNS_PER_CREDENTIAL", "0"),
        ("SIGNUPS_PER_HOUR", "-1"),
        ("MIN_CREDENTIALS", "-1"),
        ("MAX_BODY_BYTES", "10 MB"),
        ("RUN_TIMEOUT", "0"),
        ("RUN_TIMEOUT", "nan"),
        ("HEARTBEAT_SECONDS", "-1"),
        ("RESPONSE_STORE_BYTES", "-1"),
        ("RESPONSE_STORE_BYTES", "65535"),
        ("RESPONSE_STORE_SECONDS", "0"),
        ("ALLOW_OPEN_ACCESS", "perhaps"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("UNSUPPORTED_PARAMS", "obey"),
        ("SUPABASE_URL", "YOUR-PROJECT.example"),
        ("SUPABASE_URL", "ftp://YOUR-PROJECT.example"),
        ("SUPABASE_URL", "https://"),
        ("SUPABASE_URL", "https://YOUR-PROJECT.example/?a=b"),
        ("SUPABASE_URL", "https://YOUR-PROJECT.example:port"),
        ("SUPABASE_URL", "https://[YOUR-PROJECT.example"),
        ("REDIS_URL", "YOUR-REDIS.example"),
        ("REDIS_URL", "redis://:a/b@YOUR-REDIS.example:6379"),
        ("SOCKET_URL", "wss://YOUR-SOCKETS.example"),
        ("SOCKET_URL", "https://YOUR SOCKETS.example"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(given: Any, name: str, value: str) -> None:
    told = sentence(given, **(UPSTREAM | {name: value} if name in UPSTREAM else {name: value}))
    assert told.startswith(f"Settings do not fit: {name}: ")
    assert told.endswith(".")
    assert "\n" not in told


def test_all_that_is_wrong_is_told_at_once(given: Any) -> None:
    told = sentence(given, PORT="0", LOG_LEVEL="loud")
    assert "PORT: " in told
    assert "LOG_LEVEL: " in told


def test_no_heartbeat_is_a_choice(given: Any) -> None:
    assert given(HEARTBEAT_SECONDS="0").heartbeat_seconds == 0


def test_to_keep_no_responses_is_a_choice(given: Any) -> None:
    assert given(RESPONSE_STORE_BYTES="0").response_store_bytes == 0


# --- secrets -------------------------------------------------------------------------------------


def test_no_secret_is_shown(given: Any) -> None:
    settings = given(
        **UPSTREAM,
        API_MASTER_KEY="canary-key",
        UPSTREAM_EMAIL="operator@example.org",
        UPSTREAM_PASSWORD="canary-password",
        UPSTREAM_REFRESH_TOKEN="canary-token",
        REDIS_URL="redis://:canary-redis@cache.example/0",
    )
    assert "canary" not in repr(settings)
    assert "canary" not in str(settings)
    assert settings.api_keys == ("canary-key",)


def test_no_value_is_repeated_in_a_refusal(given: Any) -> None:
    told = sentence(given, API_MASTER_KEY="canary-key", SUPABASE_URL="canary-url", PORT="canary")
    assert "canary" not in told


# --- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "keys"),
    [("1", ()), (" , ", ()), ("one", ("one",)), (" one , two,1,", ("one", "two"))],
)
def test_keys_are_cut_at_commas_and_a_1_is_none(
    given: Any, value: str, keys: tuple[str, ...]
) -> None:
    assert given(API_MASTER_KEY=value).api_keys == keys


# --- the upstream and its accounts ---------------------------------------------------------------


@pytest.mark.parametrize("missing", sorted(UPSTREAM))
def test_an_upstream_needs_all_four_names(given: Any, missing: str) -> None:
    environment = {name: value for name, value in UPSTREAM.items() if name != missing}
    told = sentence(given, **environment)
    assert told == f"Settings do not fit: an upstream of one's own needs {missing} too."


def test_an_upstream_replaces_the_emulator(given: Any) -> None:
    assert not given(**UPSTREAM).embedded


def test_without_sign_ups_an_own_account_is_needed(given: Any) -> None:
    told = sentence(given, **UPSTREAM, MAX_CREDENTIALS="0")
    assert "MAX_CREDENTIALS=0 turns sign-ups off" in told
    assert "UPSTREAM_REFRESH_TOKEN" in told


@pytest.mark.parametrize(
    "account",
    [
        {"UPSTREAM_REFRESH_TOKEN": "canary"},
        {"UPSTREAM_EMAIL": "operator@example.org", "UPSTREAM_PASSWORD": "canary"},
    ],
)
def test_an_own_account_is_one_credential(given: Any, account: dict[str, str]) -> None:
    settings = given(**UPSTREAM, **account, MAX_CREDENTIALS="0")
    assert settings.own_account
    assert settings.credential_limit == 1
    assert settings.share(0, 1) == (1, 1)


@pytest.mark.parametrize("half", ["UPSTREAM_EMAIL", "UPSTREAM_PASSWORD"])
def test_email_and_password_go_together(given: Any, half: str) -> None:
    assert "go together" in sentence(given, **UPSTREAM, **{half: "operator@example.org"})


def test_an_own_account_needs_an_own_upstream(given: Any) -> None:
    assert "needs an upstream" in sentence(given, UPSTREAM_REFRESH_TOKEN="canary")


def test_the_default_model_must_be_known_to_an_own_upstream(given: Any) -> None:
    told = sentence(given, **UPSTREAM, DEFAULT_MODEL="another")
    assert told == "Settings do not fit: DEFAULT_MODEL 'another' is not in KNOWN_MODELS."
    given(ALLOW_UNKNOWN_MODELS="1")


# --- shares of the workers -----------------------------------------------------------------------


@pytest.mark.parametrize("workers", range(1, 8))
@pytest.mark.parametrize(("least", "most"), [(5, 10), (0, 7), (3, 7), (20, 9)])
def test_the_shares_of_all_workers_sum_up(given: Any, workers: int, least: int, most: int) -> None:
    settings = given(MIN_CREDENTIALS=str(least), MAX_CREDENTIALS=str(most))
    shares = [settings.share(slot, workers) for slot in range(workers)]
    assert sum(share[0] for share in shares) == min(least, most)
    assert sum(share[1] for share in shares) == most
    assert all(0 <= low <= high for low, high in shares)
    assert all(high >= 1 for _, high in shares)


# --- the address ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "bind"),
    [
        ({}, "127.0.0.1:8000"),
        ({"PORT": "9000"}, "0.0.0.0:9000"),
        ({"HOST": "127.0.0.1", "PORT": "9000"}, "127.0.0.1:9000"),
        ({"HOST": "0.0.0.0"}, "0.0.0.0:8000"),
        ({"HOST": "::1"}, "[::1]:8000"),
        ({"HOST": "::", "PORT": "9000"}, "[::]:9000"),
    ],
)
def test_the_address_follows_host_and_port(
    given: Any, environment: dict[str, str], bind: str
) -> None:
    assert given(**environment).bind == bind


def test_a_port_from_the_file_is_no_sign_of_a_platform(given: Any, folder: Path) -> None:
    (folder / ".env").write_text("PORT=9000\n")
    assert given().bind == "127.0.0.1:9000"


def test_an_empty_port_is_no_sign_of_a_platform(given: Any) -> None:
    assert given(PORT="").bind == "127.0.0.1:8000"
