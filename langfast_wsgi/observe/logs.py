"""Logging: one line a record, as text or JSON, secrets masked wherever they come from."""

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr
from pythonjsonlogger.json import JsonFormatter

from langfast_wsgi.observe.stderr import StandardError
from langfast_wsgi.settings import Settings

LOGGER = "langfast_wsgi"
LONGEST_VALUE = 200
LONGEST_MESSAGE = 1000
SHORTEST_SECRET = 8  # characters: what is shorter stands in other words, too
MOST_SECRETS = 200

_NAMES = r"(?:access_token|refresh_token|api[-_]?key|password|token)"
_SECRET = re.compile(
    # A field of JSON: its whole string; of JSON within JSON: up to its closing quote.
    rf"""({_NAMES}["']\s*:\s*)(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)"""
    rf"""|({_NAMES}(?:\\+["'])\s*:\s*)(?P<quote>\\+")(?:.*?)(?:(?P=quote)|$)"""
    # key=value, key: value
    # An escaped line end is no part of a value: another name may follow it.
    rf"""|({_NAMES}["']?\s*[:=]\s*["']?(?:bearer\s+)?)(?:(?!\\[nrt])[^\s"',;&}}])+"""
    r"""|(bearer\s+)(?:(?!\\[nrt])[^\s"',;])+"""
    # What looks like a JWT, wherever it stands.
    r"""|eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?""",
    re.IGNORECASE,
)
_HINTS = ("token", "bearer", "apikey", "api_key", "api-key", "password", "eyj")
# Also what turns the reading direction round, and so shows a line that was not written.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


_hidden: tuple[str, ...] = ()


def hide(*secrets: str) -> None:
    """From now on these are masked by their value, wherever they stand; the newest 200."""
    global _hidden
    new = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
    kept = [secret for secret in _hidden if secret not in new]
    _hidden = tuple([*kept, *new][-MOST_SECRETS:])


def mask(text: str) -> str:
    """The text without known secrets, bearer tokens, JWTs, and values of fields that hold some."""
    for secret in _hidden:
        if secret in text:
            text = text.replace(secret, "***")
    plain = text.casefold()
    if not any(hint in plain for hint in _HINTS):  # nearly every line, at a fiftieth of the price
        return text
    return _SECRET.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    if match[1]:
        quote = match[0][len(match[1])]
        return f"{match[1]}{quote}***{quote}"
    if match[2]:
        return f"{match[2]}{match['quote']}***{match['quote']}"
    return f"{match[4] or match[5] or ''}***"


def one_line(value: object, limit: int = LONGEST_VALUE) -> str:
    """A value from outside, fit for a log line: masked, no control characters, cut."""
    text = value if isinstance(value, str) else repr(value)
    text = _plain(mask(text[: limit * 10]))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _plain(text: str) -> str:
    return text if text.isprintable() else _CONTROL.sub("?", text.replace("\n", " "))


class BoundedValues(logging.Filter):
    """Cuts the values of every record, whoever logs it: a caller's path or name for itself may be
    eight thousand characters long, and may hold a line's end.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true."""
        if not record.args:
            if len(str(record.msg)) > LONGEST_MESSAGE:
                record.msg = one_line(str(record.msg), LONGEST_MESSAGE)
        elif isinstance(record.args, tuple):
            record.args = tuple(_bounded(value) for value in record.args)
        else:  # gunicorn's access log takes its values from a mapping
            record.args = _Bounded(record.args)
        return True


class _Bounded(Mapping[str, object]):
    """Values by name, cut when they are asked for: there are sixty, and a line has eight."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> object:
        return _bounded(self._values[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return one_line(dict(self._values))


def _bounded(value: object) -> object:
    if not isinstance(value, str) or (len(value) <= LONGEST_VALUE and value.isprintable()):
        return value
    return one_line(value)


class MaskingText(logging.Formatter):
    """Text lines, masked as a whole: an exception's words may hold a secret as well."""

    def format(self, record: logging.LogRecord) -> str:
        """The finished line."""
        return mask(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's
        """The line itself."""
        return _plain(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """The trace below it, set off so that no line of it can pass for a record."""
        lines = super().formatException(ei).split("\n")
        return "\n".join(f"    {_plain(line)}" for line in lines)


class MaskingJson(JsonFormatter):
    """JSON lines, masked text by text: to mask a finished line could cost it a quotation mark."""

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """What is about to be written."""
        return {
            name: mask(value) if isinstance(value, str) else value
            for name, value in super().process_log_record(log_data).items()
        }


def config(settings: Settings) -> dict[str, Any]:
    """The logging configuration, also for gunicorn's own loggers; hides the settings' secrets."""
    secrets = (value for _, value in settings if isinstance(value, SecretStr))
    hide(*settings.api_keys, *(secret.get_secret_value() for secret in secrets))
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
        "filters": {"bounded": {"()": BoundedValues}},
        "handlers": {
            "stderr": {"()": StandardError, "formatter": "line", "filters": ["bounded"]},
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            LOGGER: {"level": level, **quiet},
            "gunicorn.error": {"level": "INFO", **quiet},
            "gunicorn.access": {"level": "INFO", **quiet},
        },
    }
