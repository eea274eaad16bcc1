"""Reaching a service layer by layer, so that the first layer that fails can be named."""

import socket
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from langfast_wsgi.cli import address, advice, unreached
from langfast_wsgi.cli.steps import Wrong
from langfast_wsgi.providers.langfast.accounts import EMULATOR_HEADER
from langfast_wsgi.providers.langfast.answer import (
    AnswerTooLarge,
    AnswerTooSlow,
    read,
    tls_context,
)

HEALTH = "/auth/v1/health"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Reply:
    """What came over HTTP."""

    status: int
    is_emulator: bool


def connection(url: str, timeout: float) -> str:
    """What DNS, TCP and TLS say. Raises Wrong, which names the layer."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    layer = "DNS"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        layer = "TCP"
        begun = time.monotonic()
        with socket.create_connection((host, port), timeout) as plain:
            spent = (time.monotonic() - begun) * 1000
            said = f"DNS {found[0][4][0]}, TCP port {port} in {spent:.0f} ms"
            if parts.scheme != "https":
                return f"{said}, no TLS (http)"
            layer = "TLS"
            with tls_context().wrap_socket(plain, server_hostname=host) as secure:
                return f"{said}, {secure.version()}"
    except (OSError, UnicodeError) as error:
        # A name that is no name (a label too long, say) fails before anybody is asked.
        bad_name = isinstance(error, UnicodeError)
        cause = unreached.Cause.NO_NAME if bad_name else unreached.cause(error)
        raise wrong(f"{address.shown(url)}: {layer} failed", cause) from None


def auth_service(supabase_url: str, anon_key: str, timeout: float) -> str:
    """What the auth service answers when it is asked how it is. Raises Wrong."""
    reply = _asked(supabase_url + HEALTH, anon_key, timeout)
    if reply.is_emulator:
        return "HTTP answers, an emulator"
    if reply.status == 200:
        return "HTTP 200"
    said = f"HTTP {reply.status} at {HEALTH}"
    if reply.status in (401, 403):
        raise Wrong(
            f"{said}: it does not take the anon key", advice.by_code("upstream_misconfigured")
        )
    if reply.status == 429:
        raise Wrong(said, advice.by_code("rate_limit_exceeded"))
    if reply.status >= 500:
        raise Wrong(said, advice.by_code("upstream_unavailable"))
    raise Wrong(f"{said}: that is no auth service", advice.by_code("upstream_misconfigured"))


def wrong(sentence: str, cause: unreached.Cause) -> Wrong:
    """The fault of a service that was not reached, with its advice."""
    code = cause.name.lower()
    known = code if code in advice.ADVICE else "upstream_unavailable"
    return Wrong(f"{sentence}: {cause.value}", advice.by_code(known))


def _asked(url: str, anon_key: str, timeout: float) -> Reply:
    # The same trust, and the same lack of detours, as the provider's own calls.
    http = urllib3.PoolManager(ssl_context=tls_context(), retries=False)
    try:
        with http.request(
            "GET",
            url,
            headers={"apikey": anon_key},
            timeout=urllib3.Timeout(total=timeout),
            redirect=False,
            preload_content=False,
        ) as answer:
            read(answer, time.monotonic() + timeout)
            return Reply(answer.status, EMULATOR_HEADER in answer.headers)
    except (HTTPError, OSError, ValueError, AnswerTooLarge, AnswerTooSlow) as error:
        raise wrong(f"{address.shown(url)}: HTTP failed", unreached.cause(error)) from None
    finally:
        http.clear()
