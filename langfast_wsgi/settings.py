"""Every option, declared once: name, default, range, meaning, secret or not.

The environment wins over the file that ``ENV_FILE`` names (``.env`` unless it says otherwise; empty
for none). ``.env.example`` and the table in ``docs/configuration.md`` are checked against these
declarations by a test. This is the only module that reads ``os.environ``.

All durations are in seconds.
"""

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from dotenv import dotenv_values
from pydantic import Field, PositiveInt, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from langfast_wsgi.setting_kinds import (
    DEFAULT_MODELS,
    Host,
    HttpUrl,
    Lowered,
    RedisUrl,
    Seconds,
    Words,
    sentence,
)
from langfast_wsgi.setting_rules import contradiction


class SettingsError(Exception):
    """The configuration cannot work; the message is one clear sentence."""


class Settings(BaseSettings):
    """The service's configuration. An empty value in the environment counts as not given."""

    model_config = SettingsConfigDict(
        case_sensitive=False,
        env_ignore_empty=True,
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    # Who may call, and where we listen
    api_master_key: SecretStr = Field(
        SecretStr(""),
        description="API keys, comma-separated. Empty or 1 opens the API: allowed on loopback only,"
        " unless ALLOW_OPEN_ACCESS=1.",
    )
    allow_open_access: bool = Field(
        False, description="Serve without a key on an address that others can reach."
    )
    host: Host = Field(
        "",
        description="Address to listen on. Empty: 0.0.0.0 where PORT stands in the process"
        " environment (a platform set it), else 127.0.0.1.",
    )
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on.")
    web_concurrency: PositiveInt = Field(
        1, description="Worker processes; at most one per credential."
    )

    # The upstream
    supabase_url: HttpUrl = Field(
        "",
        description="Base address of the upstream's auth service and functions."
        " Without it and SOCKET_URL the embedded emulator is the upstream.",
    )
    supabase_anon_key: SecretStr = Field(
        SecretStr(""), description="The upstream's public (anon) key."
    )
    socket_url: HttpUrl = Field("", description="Address of the upstream's Socket.IO service.")
    prompt_id: str = Field(
        "",
        description="The prompt (a UUID) that runs are filed under. Needed with an upstream of"
        " one's own.",
    )
    upstream_email: str = Field("", description="An account of the operator's own: its e-mail.")
    upstream_password: SecretStr = Field(
        SecretStr(""), description="Password of the operator's own account."
    )
    upstream_refresh_token: SecretStr = Field(
        SecretStr(""),
        description="Refresh token of the operator's own account, in place of e-mail and password"
        " (or beside them: they serve when it is no longer taken).",
    )
    emulator: bool = Field(
        False, description="Allow the embedded emulator on an address that others can reach."
    )

    # Accounts and places
    min_credentials: int = Field(
        5, ge=0, description="Accounts kept ready, for the whole instance (shared by its workers)."
    )
    max_credentials: int = Field(
        10,
        ge=0,
        description="Accounts at the most, for the whole instance. 0 turns sign-ups off: then an"
        " account of the operator's own is needed.",
    )
    runs_per_credential: PositiveInt = Field(
        8, description="Runs that share an account and its socket at one time."
    )
    signups_per_hour: int = Field(
        30, ge=0, description="Sign-ups granted within any hour, for the whole instance."
    )
    max_runs: PositiveInt = Field(500, description="Runs in flight per worker.")

    # Models and parameters
    known_models: Words = Field(DEFAULT_MODELS, description="Models served, comma-separated.")
    default_model: str = Field("gpt-4o-mini", description="Model when a request names none.")
    allow_unknown_models: bool = Field(
        False, description="Pass on models that KNOWN_MODELS does not list."
    )
    unsupported_params: Literal["ignore", "reject"] = Field(
        "ignore",
        description="Parameters that the upstream cannot take: ignore (and name them in"
        " x-langfast-ignored-params) or reject (400).",
    )

    media_models: Words = Field(
        (),
        description="Models that images, sounds and files are passed on to (* stands for anything),"
        " comma-separated. For all others such a part is a 400.",
    )
    reask_budget: int = Field(
        1,
        ge=0,
        le=3,
        description="Further runs that a request may take where a tool call or JSON is not valid.",
    )

    # Deadlines
    connect_timeout: Seconds = Field(15, description="Connecting a socket to the upstream.")
    signup_timeout: Seconds = Field(15, description="A sign-up, sign-in or refresh.")
    start_timeout: Seconds = Field(30, description="The call that starts a run, in total.")
    first_byte_timeout: Seconds = Field(
        10,
        description="How long a streamed answer's status waits for the first event; counted from"
        " the request's arrival. Then 200 and heartbeats.",
    )
    run_idle_timeout: Seconds = Field(60, description="Silence within a run.")
    run_timeout: Seconds = Field(600, description="A whole run.")
    queue_timeout: Seconds = Field(10, description="Waiting in line for a place.")
    body_timeout: Seconds = Field(30, description="Reading a request's body.")
    write_timeout: Seconds = Field(60, description="A write to a caller; then it is cut off.")
    heartbeat_seconds: float = Field(
        15,
        ge=0,
        allow_inf_nan=False,
        description="Silence on a stream after which a comment line is sent; 0 turns it off.",
    )
    drain_seconds: Seconds = Field(
        20, description="After SIGTERM, how long open answers may go on."
    )
    socket_max_age: Seconds = Field(
        240, description="Age at which a socket is replaced by a new one, ±10 %."
    )

    # The rest
    max_body_bytes: PositiveInt = Field(
        10 * 1024 * 1024, description="Largest request body, in bytes."
    )
    redis_url: RedisUrl = Field(
        SecretStr(""),
        description="Redis or Valkey that keeps the sign-up budget and the responses for several"
        " instances and over restarts. Unreachable: no sign-ups, and kept responses are a 503.",
    )
    response_store_bytes: int = Field(
        32 * 1024 * 1024,
        ge=0,
        description="Room for the responses that are kept (store, previous_response_id), in bytes,"
        " for the whole instance; with REDIS_URL, for all instances. 0: none is kept.",
    )
    response_store_seconds: Seconds = Field(86400, description="How long a response is kept.")
    log_level: Lowered[Literal["debug", "info", "warning", "error"]] = Field(
        "info", description="debug, info, warning or error."
    )
    log_format: Lowered[Literal["text", "json"]] = Field("text", description="text or json.")
    nginx_port: int = Field(
        8088, ge=1, le=65535, description="Port of nginx in deploy/docker-compose.yml."
    )

    @model_validator(mode="after")
    def _make_sense_together(self) -> Self:
        told = contradiction(self)
        if told:
            raise ValueError(told)
        return self

    @cached_property
    def api_keys(self) -> tuple[str, ...]:
        """The keys that callers may use; none means that the API is open."""
        words = (word.strip() for word in self.api_master_key.get_secret_value().split(","))
        return tuple(word for word in words if word not in ("", "1"))

    @property
    def embedded(self) -> bool:
        """Whether the embedded emulator is the upstream."""
        return not (self.supabase_url or self.socket_url)

    @property
    def own_account(self) -> bool:
        """Whether the operator named an account, which replaces sign-ups."""
        return bool(self.upstream_email or self.upstream_refresh_token.get_secret_value())

    @property
    def credential_limit(self) -> int:
        """Accounts at the most for the whole instance: an own account is one."""
        return 1 if self.own_account else self.max_credentials

    @property
    def bind(self) -> str:
        """The address to listen on, as gunicorn takes it."""
        host = self.host or ("0.0.0.0" if os.environ.get("PORT") else "127.0.0.1")  # noqa: S104
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def share(self, slot: int, workers: int) -> tuple[int, int]:
        """The least and the most credentials of one worker, so that all shares sum up."""
        most = self.credential_limit
        least = min(1 if self.own_account else self.min_credentials, most)
        first, second = ((whole + workers - 1 - slot) // workers for whole in (least, most))
        return first, second


_current: Settings | None = None


def load(**values: object) -> Settings:
    """Settings from the environment and the file; raise SettingsError with a clear sentence.

    ``values`` (by field name) win over both.
    """
    try:
        return Settings(_env_file=_file(), **values)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(sentence(error)) from None
    except (UnicodeDecodeError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"The settings file cannot be read: {why}.") from None


def current() -> Settings:
    """The settings that this process and its workers go by; loaded when first asked for."""
    return _current or adopt()


def adopt(check: Callable[[Settings], None] | None = None) -> Settings:
    """Load the settings anew for this process and the workers that it forks.

    ``check`` raises SettingsError for some that must not be adopted.
    """
    global _current
    chosen = load()
    if check is not None:
        check(chosen)
    _current = chosen
    return chosen


def keep() -> Settings | None:
    """The settings adopted before: a reload with bad ones must not end a running service."""
    return _current


def _file() -> Path | None:
    """The file to read. One that is named must be there; ``.env`` may be missing."""
    named = os.environ.get("ENV_FILE")
    if named is None:
        return Path(".env")
    if named and not Path(named).is_file():
        raise SettingsError(f"ENV_FILE names {named!r}, which is no file.")
    return Path(named) if named else None


def unknown_names() -> list[str]:
    """Names in the settings file that are no settings: perhaps mistyped."""
    file = _file()
    names = dotenv_values(file) if file and file.is_file() else {}
    return [name for name in names if name.lower() not in Settings.model_fields]


def metrics_folder() -> str | None:
    """Where prometheus-client keeps the values of all workers; None outside gunicorn."""
    return os.environ.get("PROMETHEUS_MULTIPROC_DIR")
