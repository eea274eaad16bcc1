"""Kinds of values that settings take, from the text of an environment variable, and what is said of
those that do not fit; a long default.
"""

import re
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import NoDecode

_ADDRESS = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_REDIS = ("redis://", "rediss://", "unix://")


def _words(value: object) -> object:
    """Comma-separated text to a tuple of words, duplicates and empty ones left out."""
    if isinstance(value, str):
        return tuple(dict.fromkeys(word.strip() for word in value.split(",") if word.strip()))
    return value


def _address(value: str) -> str:
    """An address of the upstream without a trailing slash, or nothing."""
    if value and not (_ADDRESS.fullmatch(value) and _has_parts(value)):
        raise ValueError(
            "should be an address such as https://upstream.example, without user or password"
        )
    return value.rstrip("/")


def _redis_address(value: SecretStr) -> SecretStr:
    """Its client would tell of a bad one in words that hold a part of the password."""
    url = value.get_secret_value()
    if url and not (url.startswith(_REDIS) and _has_parts(url)):
        raise ValueError(
            "should be an address such as rediss://:PASSWORD@redis.example:6379/0,"
            " the password with its / and @ percent-encoded"
        )
    return value


def _has_parts(url: str) -> bool:
    """Whether the port is a number, and brackets are closed: else whoever uses it first fails."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


T = TypeVar("T")

Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
HttpUrl = Annotated[str, AfterValidator(_address)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_address)]
Host = Annotated[str, AfterValidator(lambda host: host.strip().strip("[]"))]
Lowered = Annotated[T, BeforeValidator(_lower)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]

DEFAULT_MODELS = (
    *("gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-4.5-preview"),
    *("gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-4o", "gpt-4o-mini"),
    *("o1", "o1-mini", "o3", "o3-mini", "o4-mini", "gpt-4-turbo", "gpt-4", "gpt-3.5-turbo"),
)


def sentence(error: ValidationError) -> str:
    """What is wrong, without the values: they may be secrets."""
    parts = []
    for one in error.errors(include_input=False, include_url=False):
        name = ".".join(str(step) for step in one["loc"]).upper()
        message = one["msg"].removeprefix("Value error, ")
        parts.append(f"{name}: {message}" if name else message)
    return "Settings do not fit: " + "; ".join(parts) + "."
