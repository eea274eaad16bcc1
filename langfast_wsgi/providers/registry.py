"""The upstreams that this gateway knows: a new one is a folder and a line here."""

from collections.abc import Callable

from langfast_wsgi.providers.base import Provider
from langfast_wsgi.providers.langfast.build import build as langfast

PROVIDERS: dict[str, Callable[..., Provider]] = {"langfast": langfast}
