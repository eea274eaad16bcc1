"""Lets a client's program reach loopback alone, and writes down whatever else it asked for.

Python imports this before the program, since its folder is on PYTHONPATH. An attempt is refused and
kept in the file that REFUSED names: a client that swallows the refusal is found out all the same.
"""

import ipaddress
import os
import sys
from pathlib import Path

_REFUSED = Path(os.environ["REFUSED"])


def _is_loopback(host: object) -> bool:
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    name = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _watch(event: str, given: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = given[1]
        # Paths of Unix sockets are no tuples, and None means: where it is connected already.
        host = address[0] if isinstance(address, tuple) else None
    elif event == "socket.getaddrinfo" or event in ("socket.gethostbyname", "socket.gethostbyaddr"):
        host = given[0]
    else:
        return
    if not _is_loopback(host):
        with _REFUSED.open("a", encoding="utf-8") as file:
            file.write(f"{event} {host!r}\n")
        raise OSError(f"{event} {host!r}: nothing but loopback here")


sys.addaudithook(_watch)
