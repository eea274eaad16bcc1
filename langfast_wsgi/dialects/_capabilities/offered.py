"""The tables of all dialects as programs are told of them, and what models take beside text."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from langfast_wsgi.dialects._capabilities.chat import CHAT
from langfast_wsgi.dialects._capabilities.completions import COMPLETIONS
from langfast_wsgi.dialects._capabilities.messages import MESSAGES
from langfast_wsgi.dialects._capabilities.responses import RESPONSES
from langfast_wsgi.dialects._capabilities.treatment import Table

TABLES: Mapping[str, Table] = {
    "chat_completions": CHAT,
    "completions": COMPLETIONS,
    "messages": MESSAGES,
    "responses": RESPONSES,
}
TEXT = "text"
MEDIA = ("image_url", "input_audio", "file")


def takes_media(model: str, media_models: tuple[str, ...]) -> bool:
    """Whether images, sounds and files are passed on to this model."""
    return any(fnmatchcase(model, pattern) for pattern in media_models)


def extension(model: str, media_models: tuple[str, ...]) -> dict[str, object]:
    """What can be asked of a model, by API."""
    media = MEDIA if takes_media(model, media_models) else ()
    own: dict[str, dict[str, object]] = {
        dialect: {"parameters": {name: treatment.how for name, treatment in table.items()}}
        for dialect, table in TABLES.items()
    }
    own["chat_completions"]["content_parts"] = [TEXT, *media]
    return {**own}
