"""What must not be served where others can reach it: one rule for gunicorn and the doctor."""

import ipaddress
from collections.abc import Iterable

from langfast_wsgi.settings import Settings, SettingsError, keep

OPEN_TO_ALL = "open_to_all"
EMULATOR_TO_ALL = "emulator_to_all"

_SENTENCES = {
    OPEN_TO_ALL: (
        "refusing to listen on {host} without a key: anybody could use it. Set API_MASTER_KEY, or"
        " HOST=127.0.0.1, or ALLOW_OPEN_ACCESS=1 if that is meant."
    ),
    EMULATOR_TO_ALL: (
        "refusing to serve the embedded emulator on {host}. Configure an upstream (SUPABASE_URL,"
        " SOCKET_URL, …), or set EMULATOR=1 if that is meant."
    ),
}

_served: tuple[str, ...] = ()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it (or is it). An empty host is every address."""
    try:
        return host == "localhost" or _address(host).is_loopback
    except ValueError:
        return False


def network_of(host: str) -> str:
    """What one caller has at his disposal: an address, or the last 64 bits of an IPv6 one."""
    try:
        address = _address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(host.strip("[]"))
    # How IPv4 callers look to a socket that listens on both.
    return getattr(address, "ipv4_mapped", None) or address


def danger(settings: Settings, host: str) -> str | None:
    """The code word for what these settings would expose on this address; None if all is well."""
    if is_loopback(host):
        return None
    if not settings.api_keys and not settings.allow_open_access:
        return OPEN_TO_ALL
    if settings.embedded and not settings.emulator:
        return EMULATOR_TO_ALL
    return None


def sentence(danger: str, host: str) -> str:
    """What to tell the operator."""
    return _SENTENCES[danger].format(host=host)


def listen(hosts: Iterable[str]) -> None:
    """The master serves on these addresses from now on."""
    global _served
    _served = tuple(hosts)


def check(settings: Settings) -> None:
    """For a reload. Raises SettingsError where it would expose what a start refuses to."""
    before = keep()
    if before is None:
        return  # a start: what is really listened on is not known yet
    for host in _served if before.host == settings.host else (settings.host,):
        found = danger(settings, host)
        if found:
            raise SettingsError(sentence(found, host))
