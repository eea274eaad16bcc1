"""Logging: one line a record, as text or JSON, secrets masked wherever they come from."""

import logging
import re
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from langfast_wsgi.settings import Settings

LOGGER = "langfast_wsgi"

_NAMES = r"(?:access_token|refresh_token|apikey|api_key|password|token)"
_SECRET = re.compile(
    # A field of JSON: its whole string; of JSON within JSON: up to its closing quote.
    rf"""({_NAMES}["']\s*:\s*)(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)"""
    rf"""|({_NAMES}(?:\\+["'])\s*:\s*)(?P<quote>\\+")(?:.*?)(?:(?P=quote)|$)"""
    # key=value, key: value
    rf"""|({_NAMES}["']?\s*[:=]\s*["']?(?:bearer\s+)?)[^\s"',;&}}]+"""
    r"""|(bearer\s+)[^\s"',;]+"""
    # What looks like a JWT, wherever it stands.
    r"""|eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?""",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u2028\u2029]")


def mask(text: str) -> str:
    """The text without bearer tokens, JWTs, and values of fields that hold secrets."""
    return _SECRET.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    if match[1]:
        quote = match[0][len(match[1])]
        return f"{match[1]}{quote}***{quote}"
    if match[2]:
        return f"{match[2]}{match['quote']}***{match['quote']}"
    return f"{match[4] or match[5] or ''}***"


def one_line(value: object, limit: int = 200) -> str:
    """A value from outside, fit for a log line: masked, no control characters, cut."""
    text = value if isinstance(value, str) else repr(value)
    text = _CONTROL.sub("?", mask(text[: limit * 10]).replace("\n", " "))
    return text if len(text) <= limit else text[: limit - 1] + "…"


class MaskingText(logging.Formatter):
    """Text lines, masked as a whole: an exception's words may hold a secret as well."""

    def format(self, record: logging.LogRecord) -> str:
        """The finished line."""
        return mask(super().format(record))


class MaskingJson(JsonFormatter):
    """JSON lines, masked as a whole."""

    def format(self, record: logging.LogRecord) -> str:
        """The finished line."""
        return mask(super().format(record))


def config(settings: Settings) -> dict[str, Any]:
    """The logging configuration, also for gunicorn's own loggers."""
    level = settings.log_level.upper()
    plain: dict[str, Any] = {
        "()": MaskingText,
        "fmt": "%(asctime)s %(levelname)s %(name)s [%(process)d] %(message)s",
    }
    as_json: dict[str, Any] = {
        "()": MaskingJson,
        "fmt": "%(asctime)s %(levelname)s %(name)s %(process)d %(message)s",
        "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
    }
    quiet = {"handlers": ["stderr"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": as_json if settings.log_format == "json" else plain},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
            },
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            LOGGER: {"level": level, **quiet},
            "gunicorn.error": {"level": "INFO", **quiet},
            "gunicorn.access": {"level": "INFO", **quiet},
        },
    }
