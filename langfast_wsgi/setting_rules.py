"""What settings must be together: each rule is asked for the sentence that says what is wrong."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Protocol

from pydantic import SecretStr

LEAST_STORE = 65536
"""Bytes below which a store of responses holds next to nothing."""

_UPSTREAM = ("supabase_url", "supabase_anon_key", "socket_url", "prompt_id")


class Chosen(Protocol):
    """The settings that the rules speak of."""

    @property
    def supabase_url(self) -> str: ...
    @property
    def supabase_anon_key(self) -> SecretStr: ...
    @property
    def socket_url(self) -> str: ...
    @property
    def prompt_id(self) -> str: ...
    @property
    def api_master_key(self) -> SecretStr: ...
    @property
    def upstream_email(self) -> str: ...
    @property
    def upstream_password(self) -> SecretStr: ...
    @property
    def redis_url(self) -> SecretStr: ...
    @property
    def response_store_bytes(self) -> int: ...
    @property
    def known_models(self) -> tuple[str, ...]: ...
    @property
    def default_model(self) -> str: ...
    @property
    def allow_unknown_models(self) -> bool: ...
    @property
    def embedded(self) -> bool: ...
    @property
    def own_account(self) -> bool: ...
    @property
    def credential_limit(self) -> int: ...


def contradiction(chosen: Chosen) -> str:
    """The first thing that cannot work; empty where all can."""
    return next((told for rule in _RULES if (told := rule(chosen))), "")


def _upstream_is_whole(chosen: Chosen) -> str:
    given = _upstream_given(chosen)
    missing = [name.upper() for name in _UPSTREAM if name not in given]
    if given and missing:
        return f"an upstream of one's own needs {' and '.join(missing)} too"
    return ""


def _keys_fit_headers(chosen: Chosen) -> str:
    for name in ("api_master_key", "supabase_anon_key"):
        if not _text(chosen, name).isascii():
            return f"{name.upper()}: keys travel in headers, so plain ASCII only"
    return ""


def _redis_is_installed(chosen: Chosen) -> str:
    if chosen.redis_url.get_secret_value() and find_spec("limits") is None:
        return "REDIS_URL needs the extra: pip install 'langfast_wsgi[redis]'"
    return ""


def _store_has_room(chosen: Chosen) -> str:
    if 0 < chosen.response_store_bytes < LEAST_STORE:
        return f"RESPONSE_STORE_BYTES: at least {LEAST_STORE}, or 0 to keep no responses"
    return ""


def _account_is_whole(chosen: Chosen) -> str:
    if bool(chosen.upstream_email) != bool(chosen.upstream_password.get_secret_value()):
        return "UPSTREAM_EMAIL and UPSTREAM_PASSWORD go together"
    if chosen.own_account and not _upstream_given(chosen):
        return "an account of one's own needs an upstream of one's own"
    if not chosen.credential_limit:
        return (
            "MAX_CREDENTIALS=0 turns sign-ups off, so an account of one's own is needed:"
            " UPSTREAM_EMAIL and UPSTREAM_PASSWORD, or UPSTREAM_REFRESH_TOKEN"
        )
    return ""


def _default_model_is_served(chosen: Chosen) -> str:
    anything_goes = chosen.embedded or chosen.allow_unknown_models
    if chosen.default_model not in chosen.known_models and not anything_goes:
        return f"DEFAULT_MODEL {chosen.default_model!r} is not in KNOWN_MODELS"
    return ""


_RULES: tuple[Callable[[Chosen], str], ...] = (
    _upstream_is_whole,
    _keys_fit_headers,
    _redis_is_installed,
    _store_has_room,
    _account_is_whole,
    _default_model_is_served,
)


def _upstream_given(chosen: Chosen) -> list[str]:
    return [name for name in _UPSTREAM if _text(chosen, name)]


def _text(chosen: Chosen, name: str) -> str:
    value = getattr(chosen, name)
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
