"""Logging: one line a record, as text or JSON, secrets masked wherever they come from."""

import logging
import re
from typing import Any

from langfast_wsgi.settings import Settings

LOGGER = "langfast_wsgi"

_SECRET = re.compile(
    r"(?i)(bearer\s+)[^\s\"',;]+"
    r"|eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"
    r"|((?:access_token|refresh_token|apikey|api_key|password|token)[\"']?\s*[:=]\s*[\"']?"
    r"(?:bearer\s+)?)"
    r"[^\s\"',;&}]+"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u2028\u2029]")


def mask(text: str) -> str:
    """The text without bearer tokens, JWTs, and values of fields that hold secrets."""
    return _SECRET.sub(lambda match: (match[1] or match[2] or "") + "***", text)


def one_line(value: object, limit: int = 200) -> str:
    """A value from outside, fit for a log line: masked, no control characters, cut."""
    text = value if isinstance(value, str) else repr(value)
    text = _CONTROL.sub("?", mask(text[: limit * 10]).replace("\n", " "))
    return text if len(text) <= limit else text[: limit - 1] + "…"


class Masking(logging.Filter):
    """Masks secrets in the finished message, whoever wrote it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record where it holds a secret; never drop it."""
        message = record.getMessage()
        masked = mask(message)
        if masked is not message:
            record.msg, record.args = masked, None
        return True


def config(settings: Settings) -> dict[str, Any]:
    """The logging configuration, also for gunicorn's own loggers."""
    level = settings.log_level.upper()
    plain: dict[str, Any] = {
        "format": "%(asctime)s %(levelname)s %(name)s [%(process)d] %(message)s"
    }
    as_json: dict[str, Any] = {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "fmt": "%(asctime)s %(levelname)s %(name)s %(process)d %(message)s",
        "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
    }
    quiet = {"handlers": ["stderr"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"masking": {"()": Masking}},
        "formatters": {"line": as_json if settings.log_format == "json" else plain},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["masking"],
            },
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            LOGGER: {"level": level, **quiet},
            "gunicorn.error": {"level": "INFO", **quiet},
            "gunicorn.access": {"level": "INFO", **quiet},
        },
    }
