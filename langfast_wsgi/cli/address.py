"""Where the gateway is, as a client on this machine reaches it."""

from urllib.parse import urlsplit

from langfast_wsgi.exposure import is_loopback
from langfast_wsgi.settings import Settings

# Nobody can connect to "all addresses".
_REACHED = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104


class NoAddress(ValueError):
    """The text is no address of a web service; the message says so."""


def of_gateway(settings: Settings) -> str:
    """The gateway's own address, by its settings."""
    host, _, port = settings.bind.rpartition(":")
    return f"http://{_REACHED.get(host, host)}:{port}"


def root(url: str) -> str:
    """The address without a trailing slash, and without the ``/v1`` of the API."""
    return checked(url).removesuffix("/v1")


def api(url: str) -> str:
    """The address of the API: ``/v1`` is understood where there is no path."""
    found = checked(url)
    return found if urlsplit(found).path else f"{found}/v1"


def checked(url: str) -> str:
    """The address without a trailing slash. Raises NoAddress."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or parts.query or parts.fragment:
        raise NoAddress(f"{url!r} is no address such as http://127.0.0.1:8000/v1.")
    return url.rstrip("/")


def shown(url: str) -> str:
    """Scheme, host and port: what is fit to be printed, for an address may hold a password."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    bracketed = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{bracketed}" + (f":{parts.port}" if parts.port else "")


def is_this_machine(url: str) -> bool:
    """Whether only this machine can be meant."""
    return is_loopback(urlsplit(url).hostname or "")
